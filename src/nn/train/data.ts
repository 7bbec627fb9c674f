/** What a model learns from: samples that lie in arrays, or batches that come from elsewhere. */
import { check, show } from '../../base/errors.js'
import { arrayName } from '../../base/realm.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { checkNumbers, type Numbers } from '../../core/numbers.js'
import { isInteger, isShape } from '../../core/options.js'

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

/** Whether it is samples in arrays, rather than batches. */
export const isData = (source: Source): source is SeveralData =>
  typeof source === 'object' && source !== null && 'inputs' in source

/** One input, target or list of labels of some data, by the name that errors call it. */
export interface Part<T> {
  name: string
  data: T
  shape: Shape
}

/** Inputs or targets with their shapes: one part, or as many as there are shapes. */
export function partsOf(
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
export function labelsOf(data: SeveralData): ArrayLike<number>[] {
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
  const hint =
    targetShape === shape
      ? 'targetShape, the shape of one sample of them, is that of the inputs by default'
      : undefined
  check(samples > 0 && Number.isInteger(samples) && (lists.length === 0 || labelled > 0), () => ({
    op,
    ...(targets && lists.length === 0
      ? { argument: `${argument}.targets`, expected: `${size} numbers per sample`, hint }
      : {
          argument: `${argument}.labels`,
          expected: `integers, one per sample (or ${argument}.targets, ${size} numbers per sample)`,
        }),
    got: show(targets ?? labels),
  }))
  const count = countOf(data)
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

/** How many samples the inputs are: a whole number once they are checked. */
export function countOf({ inputs, shape }: SeveralData): number {
  const [first, size] = isSeveral(shape)
    ? [(inputs as Numbers[])[0]!, sizeOf(shape[0] as Shape)]
    : [inputs as Numbers, sizeOf(shape as Shape)]
  return (first?.length ?? 0) / size
}

export const isSeveral = (shape: SeveralData['shape']): boolean => Array.isArray(shape[0])
