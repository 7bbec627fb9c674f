/** What goes into a model, checked, and what comes out. */
import { FilterbankError, show } from '../../base/errors.js'
import { printShape, type Shape, sizeOf } from '../../base/shape.js'
import { isShape } from '../../core/options.js'
import { type AnyTensor, type Engine, Tensor } from '../../core/tensor.js'
import type { FromImageOptions } from '../../pictures/fromImage.js'
import type { ImageSource } from '../../pictures/source.js'
import {
  type AnyArray,
  dtypeOf,
  type ElementType,
  type HostArray,
  isFloat,
  isHalf,
  isLong,
  isUserArray,
  toHost,
  toUser,
  type UserArray,
  userArrayName,
} from '../file/types.js'
import type { Port } from '../graph/graph.js'
import { halvesInEngine, halvesOf, writeHalves } from './half.js'
import { isLongType, longsOf } from './long.js'
import type { Kind, Value } from './value.js'

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
  private user: UserArray | undefined

  constructor(
    readonly name: string,
    readonly type: ElementType,
    readonly shape: Shape,
    private readonly numbers: HostArray | UserArray,
  ) {}

  /**
   * In the array of its type: float16 as bits in a Uint16Array, bool as Uint8Array, int64 as BigInt64Array.
   * The same array each time.
   */
  get data(): UserArray {
    this.user ??= isUserArray(this.type, this.numbers) ? this.numbers : toUser(this.type, this.numbers)
    return this.user
  }

  /**
   * As plain numbers (strings where it holds strings): int64 as a Float64Array, small integers and bool in
   * the array of their type, floats as a Float32Array. A new array each time.
   */
  toArray(): HostArray {
    const { numbers, type } = this
    return isLong(numbers) || isHalf(type)
      ? toHost(type, numbers as UserArray)
      : (numbers.slice() as HostArray)
  }
}

/** The numbers of a value, copied: of 64 bits as users have them, and halves. */
export function answerOf(value: Value): AnyArray {
  const { longs, onHost, type } = value
  if (longs) return longs.fresh()
  if (isHalf(type))
    return onHost || type === 'bfloat16'
      ? (toUser(type, value.fresh()) as Uint16Array)
      : halvesOf(value.asHeld('plain'))
  return !onHost && isLongType(type) ? longsOf(value.asHeld('plain'), type) : value.fresh()
}

/** What a run gives, by the names of outputs and taps, where all of them are tensors. */
export type ModelOutputs = Record<string, ModelOutput>

/** A map as a plain object, whole numbers as keys in decimal digits: `{ cat: 0.9, dog: 0.1 }`. */
export type ModelMap = Record<string, number | string>

/**
 * The same of any model: of a sequence an array, of a map (which classifiers of ai.onnx.ml give for each row)
 * a plain object, of an optional value without its element null. `const outputs: AnyModelOutputs =
 * model.run(inputs)` has TypeScript look at which it is.
 */
export type AnyModelOutputs = Record<string, ModelOutput | ModelMap | (ModelOutput | ModelMap)[] | null>

/** The same in memory of its own: the user may write or dispose it later. */
export function copyOf(input: ModelInput): ModelInput {
  if (input instanceof Tensor) return { data: input.toArray() as Float32Array, shape: input.shape }
  if (ArrayBuffer.isView(input) || Array.isArray(input)) return (input as Float32Array).slice()
  const { data, shape } = input as { data: Float32Array; shape: number[] }
  return { data: data?.slice?.() ?? data, shape }
}

/** What a run takes of numbers, by the names of inputs. */
export type NumberInputs = Record<string, ModelInput | ModelMap | readonly (ModelInput | ModelMap)[] | null>

/**
 * What a run takes, by the names of inputs: numbers or a picture, for a sequence an array, for nothing in an
 * optional one null. Of a map it is a plain object.
 */
export type ModelInputs = Record<
  string,
  ModelInput | PictureInput | ModelMap | readonly (ModelInput | ModelMap)[] | null
>

export function fail(argument: string, expected: string, got: string): never {
  throw new FilterbankError({ op: 'model.run', argument, expected, got })
}

/** An input as it came: the user may write its numbers later, so that they are used or copied at once. */
export interface Feed {
  type: ElementType
  shape: Shape
  data: AnyArray | Tensor
  /** Where it is no tensor. */
  kind?: Kind
  items?: readonly Feed[]
}

/** What of a feed is a tensor. */
export const tensorsOf = (feed: Feed): readonly Feed[] =>
  feed.items?.flatMap(tensorsOf) ?? (feed.kind ? [] : [feed])

export function describePort({ type, shape, sequence, optional, map }: Port): string {
  const lengths = shape ? `[${shape.map((length) => length ?? '?').join(', ')}]` : 'of any shape'
  const item = map
    ? `${sequence ? 'plain objects' : 'a plain object'} of ${type} by ${map}`
    : `${type} ${lengths}`
  return `${sequence ? `an array of ${item}` : item}${optional ? ' or null' : ''}`
}

function feedOf(port: Port, given: NumberInputs[string]): Feed {
  const { name, type, sequence, optional } = port
  const nothing = { type, shape: [0], data: new Float32Array() }
  if (given === null) {
    if (!optional) fail(`input ${show(name)}`, `given: ${describePort(port)}`, 'none')
    return { ...nothing, kind: 'none' }
  }
  if (!sequence) return itemOf(port, given)
  if (!Array.isArray(given)) fail(`input ${show(name)}`, describePort(port), show(given))
  const items = (given as readonly unknown[]).map((item, i) => itemOf(port, item, i))
  return { ...nothing, kind: 'sequence', items }
}

/** What complaints call an input, or an item of a sequence; quoting a name takes longer than checking it. */
const argumentOf = ({ name }: Port, item: number | undefined): string =>
  `input ${show(name)}${item === undefined ? '' : `[${item}]`}`

const itemOf = (port: Port, given: unknown, item?: number): Feed =>
  port.map ? mapFeed(port, port.map, given, item) : tensorOf(port, given as ModelInput, item)

/** Keys and values of a plain object. */
function mapFeed(port: Port, keyType: ElementType, given: unknown, item: number | undefined): Feed {
  const { type } = port
  if (typeof given !== 'object' || given === null || Array.isArray(given) || ArrayBuffer.isView(given))
    fail(argumentOf(port, item), describePort(port), show(given))
  const isText = keyType === 'string'
  const entries = Object.entries(given)
    .map(([key, value]) => [isText ? key : Number(key), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const wrong = entries.find(
    ([key, value]) =>
      !(isText || Number.isInteger(key)) || typeof value !== (type === 'string' ? 'string' : 'number'),
  )
  if (wrong) fail(argumentOf(port, item), describePort(port), show(Object.fromEntries([wrong])))
  const feed = (type: ElementType, list: readonly (string | number)[]): Feed => ({
    type,
    shape: [list.length],
    data: type === 'string' ? (list as string[]) : fromNumbers(type, list as number[]),
  })
  const items = [
    feed(
      keyType,
      entries.map(([key]) => key),
    ),
    feed(
      type,
      entries.map(([, value]) => value),
    ),
  ]
  return { type, shape: [0], data: new Float32Array(), kind: 'map', items }
}

/** A map as users get it. */
export function mapOf(value: Value): ModelMap {
  const [keys, values] = value.items
  const numbers = values!.data
  return Object.fromEntries([...(keys!.data as string[])].map((key, i) => [key, numbers[i]!]))
}

function tensorOf(port: Port, given: ModelInput, item: number | undefined): Feed {
  const { type, shape: wanted } = port
  const refuse = (expected: string, got: string): never => fail(argumentOf(port, item), expected, got)
  if (given instanceof Tensor) {
    if (given.disposed) refuse('alive', `a disposed tensor ${printShape(given.shape)}`)
    if (!isFloat(type))
      refuse(
        `${describePort(port)} in a ${userArrayName(type)}`,
        `a tensor ${printShape(given.shape)}, which is float32`,
      )
    return { type, shape: given.shape, data: given }
  }
  const named = typeof given === 'object' && 'data' in given && 'shape' in given
  const data = named ? given.data : given
  const fixed = wanted?.every((length) => typeof length === 'number')
  if (!named && !fixed)
    refuse(`a tensor or { data, shape } of ${describePort(port)}, whose shape is open`, show(data))
  const shape = (named ? given.shape : wanted) as Shape
  if (!isShape(shape)) refuse('of a shape of integers of at least 0', show(shape))
  const numbers = Array.isArray(data) && type !== 'string' && data.every((value) => typeof value === 'number')
  if (!numbers && !isUserArray(type, data))
    refuse(`${describePort(port)} in a ${userArrayName(type)}`, show(data))
  const { length } = data as ArrayLike<unknown>
  if (length !== sizeOf(shape))
    refuse(`of ${sizeOf(shape)} elements for its shape ${printShape(shape)}`, `${length}`)
  return {
    type,
    shape,
    data: numbers
      ? fromNumbers(type, data as number[])
      : isLong(data) || type === 'float16'
        ? (data as AnyArray)
        : toHost(type, data as UserArray),
  }
}

/** Plain numbers in the host's array of a type. */
function fromNumbers(type: ElementType, numbers: readonly number[]): HostArray {
  if (isFloat(type) || type === 'int64' || type === 'uint64') return Float64Array.from(numbers)
  const Host = toUser(type, []).constructor as unknown as { from(numbers: readonly number[]): HostArray }
  return Host.from(numbers)
}

/** A copy of a feed's numbers, as they came. */
export const copiedNumbers = ({ data }: Feed): AnyArray =>
  data instanceof Tensor ? data.toArray() : (data.slice() as AnyArray)

/** Whether a feed is halves by their bits; plain numbers and tensors are floats. */
const halfBits = ({ type, data }: Feed): Uint16Array | undefined =>
  type === 'float16' && isUserArray(type, data) ? (data as Uint16Array) : undefined

const numbersOf = ({ data }: Feed): Float32Array =>
  data instanceof Tensor ? data.toArray() : (data as unknown as Float32Array)

/** The numbers of a feed in a tensor of the engine. */
export function enter(engine: Engine, feed: Feed): AnyTensor {
  const bits = halfBits(feed)
  if (bits) return halvesInEngine(engine, bits, feed.shape)
  return engine.tensor(numbersOf(feed), feed.shape, { dtype: dtypeOf(feed.type) })
}

/** The same in one that is there. */
export function overwrite(tensor: AnyTensor, feed: Feed): void {
  const bits = halfBits(feed)
  if (bits) writeHalves(tensor.engine, bits, tensor.pointer)
  else tensor.set(numbersOf(feed))
}

/** The inputs in order of the file, checked. `steady`: what can be read while the engine writes. */
export function feedsOf(
  ports: readonly Port[],
  inputs: NumberInputs,
  steady: (data: Feed['data']) => Feed['data'],
): Map<string, Feed> {
  if (typeof inputs !== 'object' || inputs === null)
    fail('inputs', 'an object of inputs by name', show(inputs))
  const names = ports.map(({ name }) => name)
  for (const name of Object.keys(inputs))
    if (!names.includes(name)) fail('inputs', `of the names ${names.map(show).join(', ')}`, show(name))
  const lengths = new Map<string, number>()
  return new Map(
    ports.map((port) => {
      const { name, optional } = port
      const none = () =>
        optional ? null : fail(`input ${show(name)}`, `given: ${describePort(port)}`, 'none')
      const feed = feedOf(port, inputs[name] ?? none())
      for (const tensor of tensorsOf(feed)) {
        tensor.data = steady(tensor.data)
        checkLengths(port, tensor, lengths)
      }
      return [name, feed]
    }),
  )
}

/** Throws unless a tensor has the lengths of its port. `lengths`: those of open axes, by name. */
function checkLengths(port: Port, { shape }: Feed, lengths: Map<string, number>): void {
  const { name, type, shape: wanted, sequence } = port
  const fits =
    !wanted ||
    (wanted.length === shape.length &&
      wanted.every((length, i) => {
        if (typeof length === 'number') return length === shape[i]
        // The tensors of a sequence need not be alike.
        if (length === null || sequence) return true
        if (!lengths.has(length)) lengths.set(length, shape[i]!)
        return lengths.get(length) === shape[i]
      }))
  if (fits) return
  const bound = [...lengths].map(([symbol, length]) => `${symbol} = ${length}`).join(', ')
  fail(
    `input ${show(name)}`,
    `${describePort(port)}${bound && ` with ${bound}`}`,
    `${type} ${printShape(shape)}`,
  )
}
