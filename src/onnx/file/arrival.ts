/** A model and its data files: while they come in, the numbers of large tensors go where they are to stay. */
import { check, FilterbankError, show } from '../../base/errors.js'
import { isBlob, isBytes } from '../../base/realm.js'
import { sizeOf } from '../../base/shape.js'
import { inTurns } from '../../base/turns.js'
import { builtin, reachBuiltins } from '../../wasm/host.js'
import { absent, checkPart, placeOf, plainName } from './beside.js'
import { decodeTensor, placeIn } from './decode.js'
import { hostRoom, Intake, type Keeper, LARGE, type Room, type Rooms } from './intake.js'
import {
  type DataSource,
  folderOf,
  type ModelSource,
  Pouring,
  pour,
  type Settings,
  type SettledSource,
  settle,
  settleData,
} from './load.js'
import { type GraphProto, type ModelProto, type NodeProto, readModel, type TensorProto } from './schema.js'
import { bitsOf, type HostTensor, typeOf } from './types.js'

/** A model's messages, and how its tensors are read. */
export interface Arrival {
  proto: ModelProto & { graph: GraphProto }
  tensorOf: (proto: TensorProto) => HostTensor
  /** The names that it has for its data files. */
  dataFiles: string[]
}

/** How a model is taken in, and its data files. */
interface ArrivalSettings extends Settings {
  externalData?: Readonly<Record<string, DataSource | Pouring>> | undefined
}

/** A part of a data file. */
interface Part {
  location: string
  offset: number
  length: number
  room?: Room
  /** Why it is not there. */
  failure?: FilterbankError
}

/** Read from a disk at a time. */
const PIECE = 1 << 22

/**
 * Takes a model in.
 * @param keep makes room for large tensors
 * @param wantsData whether data files are read; without it tensors in such have no numbers
 */
export async function takeIn(
  source: ModelSource | Pouring,
  settings: ArrivalSettings,
  keep: Keeper,
  wantsData = true,
): Promise<Arrival> {
  const { signal } = settings
  signal?.throwIfAborted()
  await reachBuiltins()
  const settled = await settle('source', source, signal)
  let intake!: Intake
  await pour('source', settled, settings, {
    begin: (total) => {
      intake = new Intake(keep, total)
    },
    push: (bytes) => intake.push(bytes),
  })
  signal?.throwIfAborted()
  const { bytes, rooms } = intake.end()
  const proto = await inTurns(readModel(bytes, 'loadModel', intake.size), () => signal?.throwIfAborted())
  const parts = partsOf(proto)
  if (wantsData) await fetchParts([...parts.values()], settled, settings, keep)
  return {
    proto,
    dataFiles: [...new Set([...parts.values()].map(({ location }) => location))],
    tensorOf: (tensor) => {
      const place = placeIn(tensor)
      if (!place) return decodeTensor(...withRooms(tensor, rooms))
      if (!wantsData) return shapeOnly(tensor)
      const { failure, room } = parts.get(keyOf(tensor)) ?? {}
      if (failure) throw failure
      return decodeTensor(tensor, room)
    },
  }
}

/** Room for nothing: of its tensors only types and shapes are known. */
export const forget: Keeper = (_, length) => ({
  length,
  write() {},
  bytes: () => new Uint8Array(length),
  tensor: (type, shape) => ({
    type,
    shape,
    get data(): never {
      throw new Error('the numbers were not kept')
    },
  }),
})

/** A tensor and the room of its numbers, which stand in one field; of several each has its own. */
function withRooms(tensor: TensorProto, rooms: Rooms): [TensorProto, Room?] {
  const { rawData, floatData, doubleData } = tensor
  const roomOf = (field: Uint8Array): Room | undefined =>
    field.length ? undefined : rooms.get(field.byteOffset)
  const [only, ...others] = rawData ? [rawData] : [...floatData, ...doubleData]
  const room = only && others.length === 0 ? roomOf(only) : undefined
  if (room || rawData) return room ? [tensor, room] : [tensor]
  const filled = (fields: Uint8Array[]) => fields.map((field) => roomOf(field)?.bytes() ?? field)
  return [{ ...tensor, floatData: filled(floatData), doubleData: filled(doubleData) }]
}

const shapeOnly = (tensor: TensorProto): HostTensor => {
  const type = typeOf(tensor.dataType)
  const room = type && forget(type, 0).tensor!(type, tensor.dims)
  return room ?? decodeTensor(tensor)
}

const keyOf = (tensor: TensorProto): string => {
  const { location, offset, length } = placeIn(tensor)!
  return JSON.stringify([plainName(location), offset, length ?? bytesOf(tensor)])
}

/** Bytes of a tensor by its type and shape. */
const bytesOf = ({ dataType, dims }: TensorProto): number => {
  const type = typeOf(dataType)
  return type && type !== 'string' ? Math.ceil((sizeOf(dims) * bitsOf(type)) / 8) : 0
}

/** All tensors of a model, those in attributes and in functions too. */
function* tensorsOf({ graph, functions }: ModelProto & { graph: GraphProto }): Generator<TensorProto> {
  yield* ofGraph(graph)
  for (const { node } of functions) yield* ofNodes(node)
}

function* ofGraph({ initializer, node }: GraphProto): Generator<TensorProto> {
  yield* initializer
  yield* ofNodes(node)
}

function* ofNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const { attribute } of nodes) {
    for (const { g, t } of attribute) {
      if (t) yield t
      if (g) yield* ofGraph(g)
    }
  }
}

/** Parts of data files that tensors stand in. What is wrong with such a tensor is said when it is read. */
function partsOf(proto: ModelProto & { graph: GraphProto }): Map<string, Part & { type: number }> {
  const parts = new Map<string, Part & { type: number }>()
  for (const tensor of tensorsOf(proto)) {
    if (tensor.dataLocation !== 1 || !tensor.externalData.some(({ key }) => key === 'location')) continue
    const { location, offset, length = bytesOf(tensor) } = placeIn(tensor)!
    parts.set(keyOf(tensor), { location, offset, length, type: tensor.dataType })
  }
  return parts
}

/** Fills the parts: from what is given under their names, or from files beside the model. */
async function fetchParts(
  all: readonly (Part & { type: number })[],
  source: SettledSource | Pouring,
  { externalData = {}, signal }: ArrivalSettings,
  keep: Keeper,
): Promise<void> {
  const given = new Map(Object.entries(externalData).map(([name, data]) => [plainName(name), data]))
  const folder = folderOf(source)
  const byFile = new Map<string, (Part & { type: number })[]>()
  for (const part of all) {
    const name = plainName(part.location)
    const others = byFile.get(name)
    if (others) others.push(part)
    else byFile.set(name, [part])
  }
  /** Makes room for the parts of a file that is so long. */
  const open = (
    parts: readonly (Part & { type: number })[],
    size: number,
  ): Required<Pick<Part, 'room' | 'offset'>>[] =>
    parts.flatMap((part) => {
      const { length, location, offset, type } = part
      try {
        checkPart(location, size, offset, length)
        part.room = length < LARGE ? hostRoom(length) : keep(typeOf(type), length)
        return [{ room: part.room, offset }]
      } catch (error) {
        part.failure = asOurs(error)
        return []
      }
    })
  for (const [name, parts] of byFile) {
    try {
      const data = given.get(name)
      if (data !== undefined) {
        const argument = `externalData ${show(name)}`
        const settled = await settleData(argument, data, signal)
        const size = await scatter(argument, settled, signal, (size) => open(parts, size))
        // Of a stream nobody knew how long it is.
        for (const part of parts) if (!part.failure) checkPart(part.location, size, part.offset, part.length)
      } else if (folder) await readParts(placeOf(folder, name), signal, (size) => open(parts, size))
      else throw absent(name, source instanceof Pouring ? source.address : source, given.keys())
    } catch (error) {
      signal?.throwIfAborted()
      const failure = asOurs(error)
      for (const part of parts) part.failure ??= failure
    }
  }
}

/** Errors of ours are told once it is known which operators are missing; others at once. */
function asOurs(error: unknown): FilterbankError {
  if (error instanceof FilterbankError) return error
  throw error
}

type Opened = readonly Required<Pick<Part, 'room' | 'offset'>>[]

/** Writes the parts of a source as its bytes come in; how many those were. */
async function scatter(
  argument: string,
  source: SettledSource | Pouring,
  signal: AbortSignal | undefined,
  open: (size: number) => Opened,
): Promise<number> {
  let parts: Opened = []
  let begin = 0
  await pour(
    argument,
    source,
    { signal },
    {
      begin: (total) => {
        parts = open(isBytes(source) || isBlob(source) ? total! : Number.MAX_SAFE_INTEGER)
      },
      push: (bytes) => {
        const end = begin + bytes.length
        for (const { room, offset } of parts) {
          const [from, to] = [Math.max(begin, offset), Math.min(end, offset + room.length)]
          if (from < to) room.write(bytes.subarray(from - begin, to - begin), from - offset)
        }
        begin = end
      },
    },
  )
  return begin
}

/** The same of a file of the disk: of what no tensor stands in nothing is read. */
async function readParts(
  place: string,
  signal: AbortSignal | undefined,
  open: (size: number) => Opened,
): Promise<void> {
  const file = await builtin('node:fs')!.promises.open(place)
  try {
    const piece = new Uint8Array(PIECE)
    for (const { room, offset } of open((await file.stat()).size)) {
      for (let at = 0; at < room.length; ) {
        signal?.throwIfAborted()
        const { bytesRead } = await file.read(piece, 0, Math.min(PIECE, room.length - at), offset + at)
        check(bytesRead > 0, () => ({
          op: 'loadModel',
          argument: `data file ${show(place)}`,
          expected: `${room.length} bytes from ${offset} on`,
          got: `${at}`,
        }))
        room.write(piece.subarray(0, bytesRead), at)
        at += bytesRead
      }
    }
  } finally {
    await file.close()
  }
}
