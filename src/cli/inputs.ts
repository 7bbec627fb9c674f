/** Inputs of a model as the command line names them: made up, from files, or from a picture. */
import { elementsOf, lengthsFor, sampleInputs as sample, seeded } from '../../bench/inputs.js'
import type { Engine } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { readBytes, readPicture } from '../node/picture.js'
import { fromBytes, toUser, type UserArray } from '../onnx/file/types.js'
import type { Model, Port } from '../onnx/index.js'
import { feed, fitted, onlyInput, type ScalingOptions, scalingOf } from './feed.js'
import { printPort } from './model.js'

/** An input on the host. */
export interface Given {
  type: Port['type']
  shape: readonly number[]
  data: UserArray
}

/** A file of NumPy's: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
interface NumpyArray {
  shape: number[]
  bytes: Uint8Array
}

/** What ONNX's types are called there, less significant byte first. */
const numpyTypes: Partial<Record<Port['type'], string>> = {
  float32: 'f4',
  float64: 'f8',
  float16: 'f2',
  int8: 'i1',
  int16: 'i2',
  int32: 'i4',
  int64: 'i8',
  uint8: 'u1',
  uint16: 'u2',
  uint32: 'u4',
  uint64: 'u8',
  bool: 'b1',
}

function numpyArray(path: string, bytes: Uint8Array, port: Port): NumpyArray | undefined {
  const magic = String.fromCharCode(...bytes.subarray(0, 6))
  if (magic !== '\x93NUMPY') return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [begin, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)]
  const header = new TextDecoder('latin1').decode(bytes.subarray(begin, begin + length))
  const [, type] = /'descr':\s*'[<|=]([a-z]\d)'/.exec(header) ?? []
  const [, lengths] = /'shape':\s*\(([\d, ]*)\)/.exec(header) ?? []
  if (lengths === undefined || /'fortran_order':\s*True/.test(header))
    throw new Failure(`cannot read ${path}: it is no array in row-major order`)
  if (type !== numpyTypes[port.type])
    throw new Failure(`${port.name} is ${printPort(port)}, and ${path} holds ${type ?? 'another type'}`)
  const shape = (lengths.match(/\d+/g) ?? []).map(Number)
  return { shape, bytes: bytes.slice(begin + length) }
}

/** 'NAME=1,2,3', 'NAME=numbers.npy' or 'NAME=numbers.bin' of one of the inputs; one number fills it. */
function parseInput(text: string, ports: readonly Port[]): [port: Port, value: string] {
  const port = ports.find(({ name }) => text.startsWith(`${name}=`))
  if (!port)
    throw wrongUsage(
      `--input takes NAME=NUMBERS or NAME=FILE of one of ${ports.map(({ name }) => name).join(', ')}, got '${text}'`,
    )
  return [port, text.slice(port.name.length + 1)]
}

function givenAs(port: Port, value: string, lengths: readonly number[]): Given {
  const { name, type } = port
  const size = lengths.reduce((product, length) => product * length, 1)
  if (type === 'string') throw new Failure(`input ${name} is ${printPort(port)}, which takes no numbers`)
  const numbers = value.split(',').map((part) => (part.trim() ? Number(part) : Number.NaN))
  if (numbers.every(Number.isFinite)) {
    const many = numbers.length > 1 || size === 1
    if (many && numbers.length !== size)
      throw new Failure(
        `input ${name} takes ${size} numbers, as [${lengths.join(', ')}], got ${numbers.length}`,
      )
    if (!many) return { type, shape: lengths, data: elementsOf(type, size, () => 0, numbers) }
    return { type, shape: lengths, data: toUser(type, Float64Array.from(numbers)) }
  }
  const bytes = readBytes(value)
  const array = numpyArray(value, bytes, port)
  const shape = array?.shape ?? lengths
  const data = fromBytes(type, array?.bytes ?? Uint8Array.from(bytes))
  const wanted = shape.reduce((product, length) => product * length, 1)
  if (data.length !== wanted)
    throw new Failure(`${value} holds ${data.length} numbers of ${type}, and ${name} takes ${wanted}`)
  return { type, shape, data }
}

/** Made-up inputs; complaints as a person would put them. */
export function sampleInputs(
  ports: readonly Port[],
  options: Parameters<typeof sample>[1],
): { inputs: Record<string, Given>; chosen: Record<string, number> } {
  try {
    return sample(ports, options) as ReturnType<typeof sampleInputs>
  } catch (error) {
    throw new Failure((error as Error).message)
  }
}

/** What the command line says of inputs. */
export interface InputOptions extends ScalingOptions {
  input?: string[] | undefined
  image?: string | undefined
  crop?: boolean
  size: { width: number; height: number } | undefined
  dimensions: Record<string, number>
  seed: number
}

/** All inputs of a model: those that are given, and made-up ones for the rest. */
export function inputsFor(
  engine: Engine,
  path: string,
  model: Model,
  options: InputOptions,
): { inputs: Record<string, Given>; chosen: Record<string, number> } {
  const { dimensions, image, input = [], seed, size } = options
  if (image !== undefined) {
    const target = onlyInput(path, model)
    const picture = fitted(readPicture(image), target, size, options.crop === true)
    const fed = feed(engine, picture, target, scalingOf(target, options))
    const { name, type } = target.port
    const { data, shape } = 'toArray' in (fed as object) ? taken(fed as never) : (fed as Given)
    return { inputs: { [name]: { type, shape, data } }, chosen: {} }
  }
  const ports = model.inputs
  const given = new Map(input.map((text) => parseInput(text, ports)))
  const rest = ports.filter((port) => !given.has(port))
  const lengths = { dimensions, ...(size && { picture: size }) }
  try {
    const { shapes, chosen } = lengthsFor(ports, lengths)
    const random = seeded(seed)
    const made = rest.map(({ name, type }): [string, Given] => {
      const shape = shapes.get(name)!
      const count = shape.reduce((product, length) => product * length, 1)
      return [name, { type, shape, data: elementsOf(type, count, random) }]
    })
    const set = [...given].map(([port, value]): [string, Given] => [
      port.name,
      givenAs(port, value, shapes.get(port.name)!),
    ])
    return { inputs: Object.fromEntries([...set, ...made]), chosen }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure((error as Error).message)
  }
}

/** The numbers of a tensor, which is given back. */
function taken(tensor: { shape: readonly number[]; toArray(): UserArray; dispose(): void }) {
  const { shape } = tensor
  const data = tensor.toArray()
  tensor.dispose()
  return { shape, data }
}
