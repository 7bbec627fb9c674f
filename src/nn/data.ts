/** What a model learns from: samples that lie in arrays, or batches that come from elsewhere. */
import type { Engine } from '../engine.js'
import { check, show } from '../errors.js'
import { checkInteger, checkNumber, checkOptions, isInteger, MOST, type Names } from '../options.js'
import { isShape, type Shape, sizeOf } from '../shape.js'
import { checkNumbers, type Numbers, type Tensor } from '../tensor.js'
import type { Random } from './random.js'

/** Samples one after the other, each with its label, or with numbers that the answer is held against. */
export interface Data {
  /** All samples one after the other, channels innermost. */
  inputs: Numbers
  /** Of one sample: [height, width, channels]. */
  shape: Shape
  /** The class of each sample, from 0. */
  labels?: Int32Array | Uint8Array | readonly number[]
  /** In place of labels: what the model has to answer. For an autoencoder, the inputs. */
  targets?: Numbers
  /** Of one sample of the targets. Default: `shape`. */
  targetShape?: Shape
}

export type Batches = Iterable<Data> | AsyncIterable<Data>

/** Samples in arrays, of which batches are made; or ready batches, in the order in which they come. A function gives them anew for every epoch. */
export type Source = Data | Batches | (() => Batches)

/** What one sample becomes before it is learned from: another of the same length, or the same. */
export type Augment = (sample: Float32Array, shape: Shape, random: Random) => Float32Array

/** A batch in the engine's memory. */
export interface Batch {
  x: Tensor
  /** Labels, or a tensor of targets. */
  expected: Int32Array | Tensor
}

/** Which samples of some data are a batch. */
export interface Pick {
  data: Data
  samples: Int32Array
}

/** Whether it is samples in arrays, rather than batches. */
export const isData = (source: Source): source is Data => typeof source === 'object' && source !== null && 'inputs' in source

/** The number of samples; throws unless everything has as many. */
export function checkData(op: string, argument: string, data: Data): number {
  check(typeof data === 'object' && data !== null && 'inputs' in data, () => ({ op, argument, expected: '{ inputs, shape, labels }, or batches of that', got: show(data) })) // biome-ignore format: one line
  const { inputs, shape, labels, targets, targetShape = shape } = data
  for (const [name, value] of Object.entries({ shape, targetShape })) {
    check(isShape(value) && sizeOf(value) > 0, () => ({ op, argument: `${argument}.${name}`, expected: 'lengths of at least 1', got: show(value) }))
  }
  const samples = labels ? labels.length : (targets?.length ?? 0) / sizeOf(targetShape)
  check(samples > 0 && Number.isInteger(samples), () => ({
    op,
    argument: `${argument}.labels`,
    expected: `integers, one per sample (or ${argument}.targets, ${sizeOf(targetShape)} numbers per sample)`,
    got: show(targets ?? labels),
  }))
  check(labels !== undefined || inputs?.length === samples * sizeOf(shape), () => ({
    op,
    argument: `${argument}.targets`,
    expected: `${sizeOf(targetShape)} numbers (targetShape ${show(targetShape)}) for each of ${inputs?.length / sizeOf(shape)} samples`,
    got: `${targets?.length}`,
  }))
  if (labels) {
    const odd = Array.prototype.findIndex.call(labels, (label) => !isInteger(label, 0))
    check(odd < 0, () => ({ op, argument: `${argument}.labels[${odd}]`, expected: 'an integer of at least 0', got: show(labels[odd]) }))
  }
  checkNumbers(inputs, [samples, ...shape], op)
  if (targets) checkNumbers(targets, [samples, ...targetShape], op)
  return samples
}

const upTo = (first: number, last: number): Int32Array => Int32Array.from({ length: last - first }, (_, i) => first + i)

/** The batches of an epoch. Samples in arrays come in random order where there is a generator. */
export async function* picksOf(op: string, argument: string, source: Source, batchSize: number, random?: Random): AsyncGenerator<Pick> {
  if (isData(source)) {
    const count = checkData(op, argument, source)
    const order = random?.shuffled(count) ?? upTo(0, count)
    for (let first = 0; first < count; first += batchSize) yield { data: source, samples: order.subarray(first, first + batchSize) }
    return
  }
  const batches = typeof source === 'function' ? source() : source
  const iterates = typeof batches === 'object' && batches !== null && (Symbol.iterator in batches || Symbol.asyncIterator in batches)
  check(iterates, () => ({
    op,
    argument,
    expected: '{ inputs, shape, labels }, or batches of that (iterable, or a function that gives them)',
    got: show(batches),
  }))
  let number = 0
  for await (const data of batches) yield { data, samples: upTo(0, checkData(op, `${argument} (batch ${++number})`, data)) }
  check(number > 0, () => ({ op, argument, expected: 'batches anew for every epoch', got: 'none', hint: 'Give a function that returns them' }))
}

function gather(numbers: Numbers, size: number, samples: Int32Array): Float32Array {
  const gathered = new Float32Array(samples.length * size)
  const part = (from: number) => (Array.isArray(numbers) ? numbers.slice(from, from + size) : (numbers as Float32Array).subarray(from, from + size))
  for (let i = 0; i < samples.length; i++) gathered.set(part(samples[i]! * size), i * size)
  return gathered
}

/** A picked batch in the engine, each of its samples changed by `augment`. */
export function batchOf(engine: Engine, { data, samples }: Pick, augment: readonly Augment[] = [], random?: Random): Batch {
  const { inputs, shape, labels, targets, targetShape = shape } = data
  const size = sizeOf(shape)
  const gathered = gather(inputs, size, samples)
  for (let at = 0; random && at < gathered.length; at += size) {
    const place = gathered.subarray(at, at + size)
    for (const change of augment) {
      const changed = change(place, shape, random)
      check(changed?.length === size, () => ({ op: 'fit', argument: 'augment', expected: `what gives ${size} numbers`, got: show(changed) }))
      place.set(changed)
    }
  }
  const x = engine.tensor(gathered, [samples.length, ...shape])
  if (!targets) return { x, expected: Int32Array.from(samples, (sample) => labels![sample]!) }
  return { x, expected: engine.tensor(gather(targets, sizeOf(targetShape), samples), [samples.length, ...targetShape]) }
}

/** Images moved: the pixel at (y, x) comes from `from(y, x)`; `undefined` leaves it empty. */
function moved(sample: Float32Array, [h, w, channels]: Shape, from: (y: number, x: number) => number | undefined, fill: number): Float32Array {
  const result = new Float32Array(sample.length).fill(fill)
  const c = channels ?? 1
  for (let y = 0; y < h!; y++) {
    for (let x = 0; x < w!; x++) {
      const source = from(y, x)
      if (source !== undefined) for (let k = 0; k < c; k++) result[(y * w! + x) * c + k] = sample[source * c + k]!
    }
  }
  return result
}

type FlipOptions = { horizontal?: boolean; vertical?: boolean }
type ShiftOptions = { pixels: number; fill?: number }

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
    return across || over ? moved(sample, shape, (y, x) => (over ? h - 1 - y : y) * w + (across ? w - 1 - x : x), 0) : sample
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
    const [down, right] = [0, 0].map(() => Math.floor(random.next() * (2 * pixels + 1)) - pixels) as [number, number]
    const inside = (y: number, x: number) => y >= 0 && y < h && x >= 0 && x < w
    return moved(sample, shape, (y, x) => (inside(y - down, x - right) ? (y - down) * w + x - right : undefined), fill)
  }
}

const IDX_TYPES: Record<
  number,
  [make: (length: number) => Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array, read: keyof DataView]
> = {
  8: [(length) => new Uint8Array(length), 'getUint8'],
  9: [(length) => new Int8Array(length), 'getInt8'],
  11: [(length) => new Int16Array(length), 'getInt16'],
  12: [(length) => new Int32Array(length), 'getInt32'],
  13: [(length) => new Float32Array(length), 'getFloat32'],
  14: [(length) => new Float64Array(length), 'getFloat64'],
}

/**
 * Reads an idx file, as MNIST comes in: two zero bytes, a type, the number of axes, their lengths, the numbers; all big-endian. A `.gz` has to be unpacked first.
 *
 * @returns the shape, and a typed array of the numbers as they are: pixels are 0 to 255
 * @throws FilterbankError for a file of another kind, or one that ends early
 * @example
 * const [images, labels] = [readIdx(imageBytes), readIdx(labelBytes)]
 * const data = { inputs: Float32Array.from(images.data, (v) => v / 255), shape: [28, 28, 1], labels: labels.data }
 */
export function readIdx(bytes: Uint8Array) {
  const op = 'readIdx'
  check(bytes instanceof Uint8Array, () => ({ op, argument: 'bytes', expected: 'a Uint8Array', got: show(bytes) }))
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
  const expected = (length: number) => check(bytes.length === length, () => ({ op, argument: 'bytes', expected: `${length} bytes`, got: `${bytes.length}` }))
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
