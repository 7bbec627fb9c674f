/** Batches: which samples they have, and their tensors. */

import { check, show } from '../../base/errors.js'
import { sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import type { Numbers } from '../../core/numbers.js'
import type { Tensor } from '../../core/tensor.js'
import type { Random } from '../random.js'
import type { Augment } from './augment.js'
import {
  checkData,
  countOf,
  isData,
  isSeveral,
  labelsOf,
  type Part,
  partsOf,
  type SeveralData,
  type Source,
} from './data.js'

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
