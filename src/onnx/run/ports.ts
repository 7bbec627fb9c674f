/** What goes into a model, checked, and what comes out. */
import { FilterbankError, show } from '../../base/errors.js'
import { printShape, type Shape, sizeOf } from '../../base/shape.js'
import { isShape } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import type { FromImageOptions } from '../../pictures/fromImage.js'
import type { ImageSource } from '../../pictures/source.js'
import {
  type ElementType,
  type HostArray,
  isFloat,
  isUserArray,
  toHost,
  toUser,
  type UserArray,
  userArrayName,
} from '../file/types.js'
import type { Port } from '../graph/graph.js'
import type { Kind } from './value.js'

/**
 * What an input takes: a tensor of the engine, the array of the input's type where the file fixes the shape,
 * or both named.
 */
export type ModelInput =
  | Tensor
  | UserArray
  | readonly number[]
  | { data: UserArray | readonly number[]; shape: Shape }

/**
 * A picture as the input of a model, with the options of `fromImage`. The input's size, where it says one, is
 * the default; so are gray for one channel, and a range of [0, 255] for integers.
 */
export interface PictureInput<Source = ImageSource> extends FromImageOptions {
  image: Source
}

/** What came out, copied out of the engine: row-major, in the shape and layout of the file. */
export class ModelOutput {
  constructor(
    readonly name: string,
    readonly type: ElementType,
    readonly shape: Shape,
    private readonly host: HostArray,
  ) {}

  /**
   * In the array of its type: float16 as bits in a Uint16Array, bool as Uint8Array, int64 as BigInt64Array.
   */
  get data(): UserArray {
    return toUser(this.type, this.host)
  }

  /**
   * As plain numbers (strings where it holds strings): int64 as a Float64Array, small integers and bool in
   * the array of their type, floats as a Float32Array.
   */
  toArray(): HostArray {
    return this.host.slice() as HostArray
  }
}

/** What a run gives, by the names of outputs and taps, where all of them are tensors. */
export type ModelOutputs = Record<string, ModelOutput>

/**
 * The same of any model: of a sequence an array, of an optional value without its element null. `const
 * outputs: AnyModelOutputs = model.run(inputs)` has TypeScript look at which it is.
 */
export type AnyModelOutputs = Record<string, ModelOutput | ModelOutput[] | null>

/** The same in memory of its own: the user may write or dispose it later. */
export function copyOf(input: ModelInput): ModelInput {
  if (input instanceof Tensor) return { data: input.toArray() as Float32Array, shape: input.shape }
  if (ArrayBuffer.isView(input) || Array.isArray(input)) return (input as Float32Array).slice()
  const { data, shape } = input as { data: Float32Array; shape: number[] }
  return { data: data?.slice?.() ?? data, shape }
}

/** What a run takes of numbers, by the names of inputs. */
export type NumberInputs = Record<string, ModelInput | readonly ModelInput[] | null>

/**
 * What a run takes, by the names of inputs: numbers or a picture, for a sequence an array, for nothing in an
 * optional one null.
 */
export type ModelInputs = Record<string, ModelInput | PictureInput | readonly ModelInput[] | null>

export function fail(argument: string, expected: string, got: string): never {
  throw new FilterbankError({ op: 'model.run', argument, expected, got })
}

/** An input as it came: the user may write its numbers later, so that they are used or copied at once. */
export interface Feed {
  type: ElementType
  shape: Shape
  data: HostArray | Tensor
  /** Where it is no tensor. */
  kind?: Kind
  items?: readonly Feed[]
}

/** What of a feed is a tensor. */
export const tensorsOf = (feed: Feed): readonly Feed[] => feed.items ?? (feed.kind ? [] : [feed])

export function describePort({ type, shape, sequence, optional }: Port): string {
  const tensor = `${type} ${shape ? `[${shape.map((length) => length ?? '?').join(', ')}]` : 'of any shape'}`
  return `${sequence ? `an array of ${tensor}` : tensor}${optional ? ' or null' : ''}`
}

/** Key of the runs that may be replayed for one another. */
export const shapeKey = ({ kind, shape }: Feed): string => kind ?? shape.join()

export function feedOf(port: Port, given: NumberInputs[string]): Feed {
  const { name, type, sequence, optional } = port
  const nothing = { type, shape: [0], data: new Float32Array() }
  if (given === null) {
    if (!optional) fail(`input ${show(name)}`, `given: ${describePort(port)}`, 'none')
    return { ...nothing, kind: 'none' }
  }
  if (!sequence) return tensorOf(port, given as ModelInput)
  if (!Array.isArray(given)) fail(`input ${show(name)}`, describePort(port), show(given))
  const items = (given as readonly unknown[]).map((item, i) =>
    tensorOf(port, item as ModelInput, `input ${show(name)}[${i}]`),
  )
  return { ...nothing, kind: 'sequence', items }
}

function tensorOf(port: Port, given: ModelInput, argument = `input ${show(port.name)}`): Feed {
  const { type, shape: wanted } = port
  if (given instanceof Tensor) {
    if (given.disposed) fail(argument, 'alive', `a disposed tensor ${printShape(given.shape)}`)
    if (!isFloat(type))
      fail(
        argument,
        `${describePort(port)} in a ${userArrayName(type)}`,
        `a tensor ${printShape(given.shape)}, which is float32`,
      )
    return { type, shape: given.shape, data: given }
  }
  const named = typeof given === 'object' && 'data' in given && 'shape' in given
  const data = named ? given.data : given
  const fixed = wanted?.every((length) => typeof length === 'number')
  if (!named && !fixed)
    fail(argument, `a tensor or { data, shape } of ${describePort(port)}, whose shape is open`, show(data))
  const shape = (named ? given.shape : wanted) as Shape
  if (!isShape(shape)) fail(argument, 'of a shape of integers of at least 0', show(shape))
  const numbers = Array.isArray(data) && type !== 'string' && data.every((value) => typeof value === 'number')
  if (!numbers && !isUserArray(type, data))
    fail(argument, `${describePort(port)} in a ${userArrayName(type)}`, show(data))
  const { length } = data as ArrayLike<unknown>
  if (length !== sizeOf(shape))
    fail(argument, `of ${sizeOf(shape)} elements for its shape ${printShape(shape)}`, `${length}`)
  return {
    type,
    shape,
    data: numbers ? fromNumbers(type, data as number[]) : toHost(type, data as UserArray),
  }
}

/** Plain numbers in the host's array of a type. */
function fromNumbers(type: ElementType, numbers: readonly number[]): HostArray {
  if (isFloat(type) || type === 'int64' || type === 'uint64') return Float64Array.from(numbers)
  const Host = toUser(type, []).constructor as unknown as { from(numbers: readonly number[]): HostArray }
  return Host.from(numbers)
}

/** What goes into the engine, as float32. */
export const numbersOf = ({ data }: Feed): Float32Array =>
  data instanceof Tensor ? data.toArray() : (data as Float32Array)
