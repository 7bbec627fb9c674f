/** What a model learns from: samples that lie in arrays, or batches that come from elsewhere. */

import { check, show } from '../../base/errors.js'
import { arrayName, isBytes } from '../../base/realm.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkNumbers, type Numbers } from '../../core/numbers.js'
import {
  checkInteger,
  checkNumber,
  checkOptions,
  isInteger,
  isShape,
  MOST,
  type Names,
} from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import type { Random } from '../random.js'

/** Classes, from 0. */
export type ClassLabels = Int32Array | Uint8Array | readonly number[]

/** Samples one after the other, each with its label, or with numbers that the answer is held against. */
export interface Data extends SeveralData {
  /** All samples one after the other, channels innermost. */
  inputs: Numbers
  /** Of one sample: [height, width, channels]. */
  shape: Shape
  /** The class of each sample, from 0; or of each of its places, such as pixels, sample by sample. */
  labels?: ClassLabels
  /** In place of labels: what the model has to answer. For an autoencoder, the inputs. */
  targets?: Numbers
  /**
   * Of one sample of the targets; of labels, where each sample has several. Default: `shape`; one label, or
   * one for each pixel.
   */
  targetShape?: Shape
}

/**
 * The same for a model of several inputs: `inputs` are an array of arrays, and `shape` one of shapes; for one
 * of several outputs, so are `labels`, or `targets` and `targetShape`.
 */
export interface SeveralData {
  inputs: Numbers | readonly Numbers[]
  shape: Shape | readonly Shape[]
  labels?: ClassLabels | readonly ClassLabels[]
  targets?: Numbers | readonly Numbers[]
  targetShape?: Shape | readonly Shape[]
  /** How much each sample counts in the loss. Default 1. */
  sampleWeights?: Numbers
}

/** Samples without anything to hold answers against. */
export type Inputs = Pick<SeveralData, 'inputs' | 'shape'>

/** Data in batches of one's own, which `fit` and `evaluate` go through as they come. */
export type Batches = Iterable<SeveralData> | AsyncIterable<SeveralData>

/**
 * Samples in arrays, of which batches are made; or ready batches, in the order in which they come. A function
 * gives them anew for every epoch.
 */
export type Source = SeveralData | Batches | (() => Batches)

/** What one sample becomes before it is learned from: another of the same length, or the same. */
export type Augment = (sample: Float32Array, shape: Shape, random: Random) => Float32Array

/** A batch in the engine's memory. */
export interface Batch {
  /** Several tensors for a model of several inputs. */
  x: Tensor | readonly Tensor[]
  /** Labels, or a tensor of targets; an array of such for a model of several outputs. */
  expected: Expected | readonly Expected[]
  weights: Float32Array | undefined
}

/** What one output is held against. */
export type Expected = Int32Array | Tensor

/** Which samples of some data are a batch. */
export interface Picked {
  data: SeveralData
  samples: Int32Array
}

/** Whether it is samples in arrays, rather than batches. */
export const isData = (source: Source): source is SeveralData =>
  typeof source === 'object' && source !== null && 'inputs' in source

/** One input, target or list of labels of some data, by the name that errors call it. */
interface Part<T> {
  name: string
  data: T
  shape: Shape
}

/** Inputs or targets with their shapes: one part, or as many as there are shapes. */
function partsOf(
  op: string,
  at: string,
  name: 'inputs' | 'targets',
  shapeName: string,
  data: unknown,
  shape: unknown,
): Part<Numbers>[] {
  const several = Array.isArray(shape) && shape.some(Array.isArray)
  const shapes: unknown[] = several ? (shape as unknown[]) : [shape]
  const arrays = several ? (data as unknown[]) : [data]
  const expected = `${shapes.length} arrays of numbers, one for each of ${shapeName}`
  check(Array.isArray(arrays) && arrays.length === shapes.length, () => ({
    op,
    argument: `${at}.${name}`,
    expected,
    got: show(data),
  }))
  return shapes.map((each, i) => {
    const index = several ? `[${i}]` : ''
    check(isShape(each) && sizeOf(each) > 0, () => ({
      op,
      argument: `${at}.${shapeName}${index}`,
      expected: 'lengths of at least 1',
      got: show(each),
    }))
    const array = arrays[i]
    const nested = Array.isArray(array) && typeof array[0] === 'object'
    const hint = 'Give all samples in one flat array; for several inputs, a shape for each'
    check(!nested, () => ({
      op,
      argument: `${at}.${name}${index}`,
      expected: 'numbers, one sample after the other',
      got: show(array),
      hint,
    }))
    return { name: `${at}.${name}${index}`, data: array as Numbers, shape: each }
  })
}

/** Whether these may be labels; what is none in it is found item by item. */
const isList = (labels: unknown): labels is ArrayLike<number> =>
  Array.isArray(labels) || arrayName(labels) !== undefined

/** The labels of each output: arrays in an array are such where they are as long as there are samples. */
function labelsOf(data: SeveralData): ArrayLike<number>[] {
  const { labels } = data
  if (labels === undefined) return []
  const fits = (list: unknown) => isList(list) && list.length > 0 && list.length % countOf(data) === 0
  const several = Array.isArray(labels) && labels.length > 0 && labels.every(fits)
  return several ? (labels as ArrayLike<number>[]) : [labels as ArrayLike<number>]
}

/** The inputs of some data, each checked; and how many samples they are. */
export function checkInputs(
  op: string,
  argument: string,
  { inputs, shape }: Inputs,
): { parts: Part<Numbers>[]; samples: number } {
  const parts = partsOf(op, argument, 'inputs', 'shape', inputs, shape)
  const samples = Math.floor((parts[0]!.data?.length ?? 0) / sizeOf(parts[0]!.shape))
  for (const { data, shape } of parts) checkNumbers(data, [samples, ...shape], op)
  return { parts, samples }
}

/**
 * How many labels each sample has: what `targetShape` says, or one for each pixel where there are as many,
 * else one.
 */
function placesOf({ inputs, shape, targets, targetShape }: SeveralData, labels: number): number {
  const [numbers, first] = isSeveral(shape)
    ? [(inputs as Numbers[])[0], shape[0] as Shape]
    : [inputs as Numbers, shape as Shape]
  if (targetShape && !targets)
    return sizeOf(isSeveral(targetShape) ? (targetShape[0] as Shape) : (targetShape as Shape))
  const pixels = first.length > 2 ? sizeOf(first.slice(0, -1)) : 1
  return labels * sizeOf(first) === (numbers?.length ?? 0) * pixels ? pixels : 1
}

/** The number of samples; throws unless everything has as many. */
export function checkData(op: string, argument: string, data: SeveralData): number {
  check(typeof data === 'object' && data !== null && 'inputs' in data, () => ({
    op,
    argument,
    expected: '{ inputs, shape, labels }, or batches of that',
    got: show(data),
  }))
  const { shape, labels, targets, targetShape = shape, sampleWeights } = data
  const inputs = partsOf(op, argument, 'inputs', 'shape', data.inputs, shape)
  const wanted = targets ? partsOf(op, argument, 'targets', 'targetShape', targets, targetShape) : []
  const lists = labelsOf(data)
  const size = sizeOf(wanted[0]?.shape ?? inputs[0]!.shape)
  const labelled = lists[0]?.length ?? 0
  const samples =
    lists.length === 0 ? (wanted[0]?.data?.length ?? 0) / size : labelled / placesOf(data, labelled)
  check(samples > 0 && Number.isInteger(samples) && (lists.length === 0 || labelled > 0), () => ({
    op,
    argument: `${argument}.labels`,
    expected: `integers, one per sample (or ${argument}.targets, ${size} numbers per sample)`,
    got: show(targets ?? labels),
  }))
  const count = countOf(data)
  const hint =
    targetShape === shape
      ? 'targetShape, the shape of one sample of them, is that of the inputs by default'
      : undefined
  check(wanted.length === 0 || samples === count || !Number.isInteger(count), () => ({
    op,
    argument: `${argument}.targets`,
    expected: `${count * size} numbers, ${size} for each of ${count} samples`,
    got: show(targets),
    hint,
  }))
  lists.forEach((list, i) => {
    const name = `${argument}.labels${lists.length > 1 ? `[${i}]` : ''}`
    check(isList(list) && list.length > 0 && list.length % samples === 0, () => ({
      op,
      argument: name,
      expected: `integers, one per sample: ${samples}`,
      got: show(list),
    }))
    const odd = Array.prototype.findIndex.call(list, (label) => !isInteger(label, 0))
    check(odd < 0, () => ({
      op,
      argument: `${name}[${odd}]`,
      expected: 'an integer of at least 0',
      got: show(list[odd]),
    }))
  })
  for (const part of [...inputs, ...wanted]) checkNumbers(part.data, [samples, ...part.shape], op)
  if (sampleWeights) checkNumbers(sampleWeights, [samples], op)
  return samples
}

const upTo = (first: number, last: number): Int32Array =>
  Int32Array.from({ length: last - first }, (_, i) => first + i)

interface PickOptions {
  batchSize: number
  /** Samples in arrays come in random order where there is one. */
  random?: Random
  /** Batches of samples in arrays that are left out, as if they had been. */
  skip?: number
  /** Whether samples in arrays that are too few for a batch are left out. */
  dropLast?: boolean
}

/** How many batches an epoch of samples in arrays has. */
export const batchesOf = (samples: number, batchSize: number, dropLast: boolean): number =>
  (dropLast ? Math.floor : Math.ceil)(samples / batchSize)

/** The batches of an epoch. */
export async function* picksOf(
  op: string,
  argument: string,
  source: Source,
  options: PickOptions,
): AsyncGenerator<Picked> {
  const { batchSize, random, skip = 0, dropLast = false } = options
  if (isData(source)) {
    const count = checkData(op, argument, source)
    const order = random?.shuffled(count) ?? upTo(0, count)
    for (let batch = skip; batch < batchesOf(count, batchSize, dropLast); batch++) {
      yield { data: source, samples: order.subarray(batch * batchSize, (batch + 1) * batchSize) }
    }
    return
  }
  const batches = typeof source === 'function' ? source() : source
  const iterates =
    typeof batches === 'object' &&
    batches !== null &&
    (Symbol.iterator in batches || Symbol.asyncIterator in batches)
  check(iterates, () => ({
    op,
    argument,
    expected: '{ inputs, shape, labels }, or batches of that (iterable, or a function that gives them)',
    got: show(batches),
  }))
  let number = 0
  for await (const data of batches) {
    number++
    yield { data, samples: upTo(0, checkData(op, `${argument} (batch ${number})`, data)) }
  }
  check(number > 0, () => ({
    op,
    argument,
    expected: 'batches anew for every epoch',
    got: 'none',
    hint: 'Give a function that returns them',
  }))
}

function gather(numbers: Numbers, size: number, samples: Int32Array): Float32Array {
  const gathered = new Float32Array(samples.length * size)
  const part = (from: number) =>
    Array.isArray(numbers)
      ? numbers.slice(from, from + size)
      : (numbers as Float32Array).subarray(from, from + size)
  for (let i = 0; i < samples.length; i++) gathered.set(part(samples[i]! * size), i * size)
  return gathered
}

/** Of each part, the samples asked for, as a tensor. */
const tensorsOf = (engine: Engine, parts: readonly Part<Numbers>[], samples: Int32Array): Tensor[] =>
  parts.map(({ data, shape }) =>
    engine.tensor(gather(data, sizeOf(shape), samples), [samples.length, ...shape]),
  )

/** One of one, or all of several. */
const oneOrAll = <T>(all: readonly T[], several: boolean): T | readonly T[] => (several ? all : all[0]!)

const isSeveral = (shape: SeveralData['shape']): boolean => Array.isArray(shape[0])

/** Some inputs as tensors. */
export const inputsOf = (
  engine: Engine,
  parts: readonly Part<Numbers>[],
  shape: SeveralData['shape'],
  samples: Int32Array,
): Batch['x'] => oneOrAll(tensorsOf(engine, parts, samples), isSeveral(shape))

function expectedOf(engine: Engine, op: string, { data, samples }: Picked): Batch['expected'] {
  const { targets, shape, targetShape = shape } = data
  if (targets)
    return oneOrAll(
      tensorsOf(engine, partsOf(op, 'data', 'targets', 'targetShape', targets, targetShape), samples),
      isSeveral(targetShape),
    )
  const count = countOf(data)
  const lists = labelsOf(data).map((labels) => {
    const places = labels.length / count
    return Int32Array.from(
      { length: samples.length * places },
      (_, i) => labels[samples[Math.floor(i / places)]! * places + (i % places)]!,
    )
  })
  return oneOrAll(lists, lists.length > 1)
}

/** How many samples the inputs are: a whole number once they are checked. */
function countOf({ inputs, shape }: SeveralData): number {
  const [first, size] = isSeveral(shape)
    ? [(inputs as Numbers[])[0]!, sizeOf(shape[0] as Shape)]
    : [inputs as Numbers, sizeOf(shape as Shape)]
  return (first?.length ?? 0) / size
}

/** A picked batch in the engine, each of its samples changed by `augment`. */
export function batchOf(
  engine: Engine,
  op: string,
  pick: Picked,
  augment: readonly Augment[] = [],
  random?: Random,
): Batch {
  const { data, samples } = pick
  const { shape, sampleWeights } = data
  const several = isSeveral(shape)
  check(!several || augment.length === 0, () => ({
    op,
    argument: 'augment',
    expected: 'left out for a model of several inputs',
    got: show(augment),
  }))
  const gathered = partsOf(op, 'data', 'inputs', 'shape', data.inputs, shape).map(({ data, shape }) => {
    const size = sizeOf(shape)
    const numbers = gather(data, size, samples)
    for (let at = 0; random && at < numbers.length; at += size) {
      const place = numbers.subarray(at, at + size)
      for (const change of augment) {
        const changed = change(place, shape, random)
        check(changed?.length === size, () => ({
          op,
          argument: 'augment',
          expected: `what gives ${size} numbers`,
          got: show(changed),
        }))
        place.set(changed)
      }
    }
    return engine.tensor(numbers, [samples.length, ...shape])
  })
  return {
    x: oneOrAll(gathered, several),
    expected: expectedOf(engine, op, pick),
    weights: sampleWeights && Float32Array.from(samples, (sample) => sampleWeights[sample]!),
  }
}

/** Images moved: the pixel at (y, x) comes from `from(y, x)`; `undefined` leaves it empty. */
function moved(
  sample: Float32Array,
  [h, w, channels]: Shape,
  from: (y: number, x: number) => number | undefined,
  fill: number,
): Float32Array {
  const result = new Float32Array(sample.length).fill(fill)
  const c = channels ?? 1
  for (let y = 0; y < h!; y++) {
    for (let x = 0; x < w!; x++) {
      const source = from(y, x)
      if (source !== undefined)
        for (let k = 0; k < c; k++) result[(y * w! + x) * c + k] = sample[source * c + k]!
    }
  }
  return result
}

/** Which ways `flip` may turn an image. */
export interface FlipOptions {
  /** Left becomes right. Default true. */
  horizontal?: boolean
  /** Top becomes bottom. Default false. */
  vertical?: boolean
}

/** How far `shift` may move an image. */
export interface ShiftOptions {
  /** The most in each direction. */
  pixels: number
  /** What comes in at the edge. Default 0. */
  fill?: number
}

const FLIP: Names<FlipOptions> = { horizontal: true, vertical: true }
const SHIFT: Names<ShiftOptions> = { pixels: true, fill: true }

/**
 * Mirrors every other image of [height, width, channels], at random.
 *
 * @param options horizontal true (left becomes right), vertical false
 * @example await fit(model, photos, { optimizer, augment: [flip(), shift({ pixels: 4 })] })
 */
export function flip(options: FlipOptions = {}): Augment {
  checkOptions('flip', options, FLIP)
  const { horizontal = true, vertical = false } = options
  return (sample, shape, random) => {
    const [h, w] = shape as [number, number]
    const across = horizontal && random.next() < 0.5
    const over = vertical && random.next() < 0.5
    return across || over
      ? moved(sample, shape, (y, x) => (over ? h - 1 - y : y) * w + (across ? w - 1 - x : x), 0)
      : sample
  }
}

/**
 * Moves every image of [height, width, channels] by some whole pixels, at random.
 *
 * @param options pixels: the most in each direction; fill 0: what comes in at the edge
 * @example shift({ pixels: 2 })
 */
export function shift(options: ShiftOptions): Augment {
  checkOptions('shift', options, SHIFT)
  const { pixels, fill = 0 } = options
  checkInteger(pixels, 'pixels', 0, MOST, { op: 'shift' })
  checkNumber(fill, 'fill', () => true, 'a number', { op: 'shift' })
  return (sample, shape, random) => {
    const [h, w] = shape as [number, number]
    const [down, right] = [0, 0].map(() => Math.floor(random.next() * (2 * pixels + 1)) - pixels) as [
      number,
      number,
    ]
    const inside = (y: number, x: number) => y >= 0 && y < h && x >= 0 && x < w
    return moved(
      sample,
      shape,
      (y, x) => (inside(y - down, x - right) ? (y - down) * w + x - right : undefined),
      fill,
    )
  }
}

const IDX_TYPES: Record<
  number,
  [
    make: (length: number) => Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array,
    read: keyof DataView,
  ]
> = {
  8: [(length) => new Uint8Array(length), 'getUint8'],
  9: [(length) => new Int8Array(length), 'getInt8'],
  11: [(length) => new Int16Array(length), 'getInt16'],
  12: [(length) => new Int32Array(length), 'getInt32'],
  13: [(length) => new Float32Array(length), 'getFloat32'],
  14: [(length) => new Float64Array(length), 'getFloat64'],
}

/**
 * Reads an idx file, as MNIST comes in: two zero bytes, a type, the number of axes, their lengths, the
 * numbers; all big-endian. A `.gz` has to be unpacked first.
 *
 * @returns the shape, and a typed array of the numbers as they are: pixels are 0 to 255
 * @throws FilterbankError for a file of another kind, or one that ends early
 * @example
 * const [images, labels] = [readIdx(imageBytes), readIdx(labelBytes)] const data = { inputs:
 * Float32Array.from(images.data, (v) => v / 255), shape: [28, 28, 1], labels: labels.data }
 */
export function readIdx(bytes: Uint8Array) {
  const op = 'readIdx'
  check(isBytes(bytes), () => ({ op, argument: 'bytes', expected: 'a Uint8Array', got: show(bytes) }))
  const type = bytes[0] === 0 && bytes[1] === 0 ? IDX_TYPES[bytes[2]!] : undefined
  const hint = bytes[0] === 0x1f && bytes[1] === 0x8b ? 'It is packed by gzip: unpack it first' : undefined
  check(type !== undefined, () => ({
    op,
    argument: 'bytes',
    expected: 'an idx file',
    got: bytes.length < 4 ? `${bytes.length} bytes` : 'something else',
    hint,
  }))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rank = bytes[3]!
  const start = 4 + 4 * rank
  const expected = (length: number) =>
    check(bytes.length === length, () => ({
      op,
      argument: 'bytes',
      expected: `${length} bytes`,
      got: `${bytes.length}`,
    }))
  if (bytes.length < start) expected(start)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const [make, read] = type
  const size = sizeOf(shape)
  const width = make(0).BYTES_PER_ELEMENT
  expected(start + size * width)
  const data = make(size)
  const get = view[read] as (at: number) => number
  for (let i = 0; i < size; i++) data[i] = get.call(view, start + i * width)
  return { shape, data }
}
