/** Tensors as the file holds them. */
import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { decodeUtf8 } from '../../base/utf8.js'
import type { External } from './beside.js'
import type { Room } from './intake.js'
import type { TensorProto } from './schema.js'
import {
  bitsOf,
  type ElementType,
  fromBytes,
  type HostArray,
  type HostTensor,
  hostArray,
  isHalf,
  isSmallFloat,
  toHost,
  typeNames,
  typeOf,
} from './types.js'

export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!
  const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

/** A list of floats as an attribute has it. */
export const floatsOf = (pieces: readonly Uint8Array[]): number[] =>
  Array.from(fromBytes('float32', joined(pieces)) as Float32Array)

/**
 * Numbers made of others when they are asked for, and again where nobody has them any more: of large ones the
 * host keeps no copy beside the engine's.
 */
export class MadeTensor implements HostTensor {
  private seen: WeakRef<HostArray> | undefined

  constructor(
    readonly type: ElementType,
    readonly shape: Shape,
    private readonly make: () => HostArray,
  ) {}

  get data(): HostArray {
    let data = this.seen?.deref()
    if (!data) {
      data = this.make()
      this.seen = new WeakRef(data)
    }
    return data
  }

  /** The same for who reads them once: what is weakly held stays until the host has a turn. */
  once(): HostArray {
    return this.seen?.deref() ?? this.make()
  }
}

function askew(type: 'float32', shape: Shape, bytes: Uint8Array): HostTensor {
  let data: HostArray | undefined
  return {
    type,
    shape,
    bytes,
    get data() {
      data ??= fromBytes(type, bytes) as Float32Array
      return data
    },
  }
}

/**
 * What a tensor of the file holds: what is `given`, which stands elsewhere, or its raw bytes, or the typed
 * fields that older files use.
 */
export function decodeTensor(proto: TensorProto, given?: Uint8Array | Room): HostTensor {
  const { dims: shape, dataType, name } = proto
  const type = typeOf(dataType)
  const fail = (expected: string, got: string) => () => ({
    op: 'loadModel',
    argument: `tensor ${show(name)}`,
    expected,
    got,
    shapes: { [name || 'tensor']: shape },
  })
  check(
    type !== undefined,
    fail(`one of the types ${typeNames().join(', ')}`, `type ${dataType} of the ONNX standard`),
  )
  check(
    shape.every((length) => length >= 0),
    fail('lengths of at least 0', show(shape)),
  )
  const size = sizeOf(shape)
  let data: HostArray
  const room = given && 'write' in given ? given : undefined
  const raw = given ?? proto.rawData
  if (type === 'string') data = proto.stringData.map((bytes) => decodeUtf8(bytes))
  else if (raw) {
    const bytes = Math.ceil((size * bitsOf(type)) / 8)
    check(raw.length === bytes, fail(`${bytes} bytes`, `${raw.length}`))
    const tensor = room?.tensor?.(type, shape)
    if (tensor) return tensor
    const own = room ? room.bytes() : (raw as Uint8Array)
    // On the host they are more than in the file.
    if (room && (bitsOf(type) < 8 || isSmallFloat(type)))
      return new MadeTensor(type, shape, () => toHost(type, fromBytes(type, own, size)))
    if (type === 'float32' && own.byteOffset % 4) return askew(type, shape, own)
    data = toHost(type, fromBytes(type, own, size))
  } else {
    if (type === 'float32') data = fromBytes(type, joined(proto.floatData)) as HostArray
    else if (type === 'float64') data = fromBytes(type, joined(proto.doubleData)) as HostArray
    else if (type === 'int64') data = Float64Array.from(proto.int64Data)
    else if (type === 'uint64' || type === 'uint32')
      data = filled(type, proto.uint64Data.length, proto.uint64Data)
    else if (isHalf(type)) data = toHost(type, Uint16Array.from(proto.int32Data))
    else if (isSmallFloat(type) || bitsOf(type) < 8) {
      const bytes = Uint8Array.from(proto.int32Data)
      data = toHost(type, fromBytes(type, bytes, Math.min(size, (bytes.length * 8) / bitsOf(type))))
    } else data = filled(type, proto.int32Data.length, proto.int32Data)
  }
  check(data.length === size, fail(`${size} elements`, `${data.length}`))
  return { type, shape, data }
}

/** Where the data file of a tensor is, and which part of it the tensor is; undefined: in the model's own. */
export function placeIn(
  proto: TensorProto,
): { location: string; offset: number; length: number | undefined } | undefined {
  if (proto.dataLocation !== 1) return undefined
  const {
    location,
    offset = '0',
    length,
  } = Object.fromEntries(proto.externalData.map(({ key, value }) => [key, value]))
  check(location !== undefined, () => ({
    op: 'loadModel',
    argument: `tensor ${show(proto.name)}`,
    expected: 'the location of its data',
    got: 'none',
  }))
  return { location, offset: Number(offset), length: length === undefined ? undefined : Number(length) }
}

/** Reads tensors whose data files are at hand. */
export const decoderWith =
  (external: External) =>
  (proto: TensorProto): HostTensor => {
    const place = placeIn(proto)
    return decodeTensor(proto, place && external(place.location, place.offset, place.length))
  }

function filled(type: ElementType, length: number, numbers: readonly number[]): HostArray {
  const data = hostArray(type, length) as Float64Array
  numbers.forEach((value, i) => {
    data[i] = value
  })
  return data
}
