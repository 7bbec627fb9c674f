/** Samples, checked and copied, and what a network shows of itself on them. */
import { check, show } from '../../base/errors.js'
import { printShape, sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { Tensor } from '../../core/tensor.js'
import { loadModel } from '../load.js'
import { copyOf, type ModelInput, type ModelOutputs } from '../run/ports.js'
import { type Network, writeNetwork } from './network.js'
import type { Sample } from './options.js'
import { Histogram } from './range.js'

const op = 'quantizeModel'
const FEWEST = 8

const hint = 'Give 8 real inputs or more, as different as those that will come: 100 to 300 are good'

/** All samples: an iterable is gone once it was read, and people write their arrays anew. */
export async function collect(
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  network: Network,
  signal: AbortSignal | undefined,
): Promise<Sample[]> {
  const iterable =
    typeof samples === 'object' &&
    samples !== null &&
    (Symbol.iterator in samples || Symbol.asyncIterator in samples)
  check(iterable, () => ({
    op,
    argument: 'samples',
    expected: 'an array or async iterable of inputs by name',
    got: show(samples),
  }))
  const all: Sample[] = []
  let count = 0
  for await (const sample of samples) {
    signal?.throwIfAborted()
    check(typeof sample === 'object' && sample !== null, () => ({
      op,
      argument: `samples[${all.length}]`,
      expected: 'an object of inputs by name',
      got: show(sample),
    }))
    checkInputs(sample, `samples[${all.length}]`, network)
    all.push(Object.fromEntries(Object.entries(sample).map(([name, input]) => [name, copyOf(input)])))
    count += batchOf(sample, network)
  }
  check(count >= FEWEST, () => ({
    op,
    argument: 'samples',
    expected: `${FEWEST} at least`,
    got: `${count}`,
    hint,
  }))
  return all
}

/** Throws for names that the network has not, and for what is no numbers; `model.run` looks at the rest. */
function checkInputs(sample: Sample, argument: string, { inputs }: Network): void {
  const names = inputs.map(({ name }) => name)
  const isList = (data: unknown) => Array.isArray(data) || (ArrayBuffer.isView(data) && 'length' in data)
  check(!isList(sample) && Object.keys(sample).every((name) => names.includes(name)), () => ({
    op,
    argument,
    expected: `inputs by the names ${names.map((name) => show(name)).join(', ')}`,
    got: show(isList(sample) ? sample : Object.keys(sample)),
  }))
  for (const name of names) {
    const input: unknown = sample[name]
    check(isList(input) || input instanceof Tensor || isList(Object(input).data), () => ({
      op,
      argument: `${argument} ${show(name)}`,
      expected: 'numbers, a tensor or { data, shape }',
      got: show(input),
    }))
  }
}

/** How many samples are in one: the length of a first axis that the file leaves open. */
function batchOf(sample: Sample, { inputs: [port] }: Network): number {
  const input = port && sample[port.name]
  const open = port?.shape && typeof port.shape[0] !== 'number'
  const shape = input && 'shape' in Object(input) ? (input as { shape: readonly number[] }).shape : undefined
  return open && shape ? (shape[0] ?? 1) : 1
}

/** What runs of a network tell. */
export interface Observed {
  histograms: Map<string, Histogram>
  /** Of each channel, by name. */
  means: Map<string, Float64Array>
  outputs: Float64Array[]
}

/** Axis of the channels of what a layer reads, by name: 1 of images, -1 of rows. */
export type Taps = ReadonlyMap<string, number | undefined>

export async function observe(
  engine: Engine,
  network: Network,
  samples: readonly Sample[],
  taps: Taps,
  step: (i: number) => void,
): Promise<Observed> {
  using model = await loadModel(engine, writeNetwork(network))
  const histograms = new Map([...taps.keys()].map((name) => [name, new Histogram()]))
  const sums = new Map<string, Float64Array>()
  const outputs: Float64Array[] = []
  for (const [i, sample] of samples.entries()) {
    step(i)
    const found = await model.runAsync(sample, { taps: [...taps.keys()] })
    for (const [name, axis] of taps) {
      const { shape } = found[name]!
      const data = found[name]!.toArray() as Float32Array
      check(histograms.get(name)!.add(data), () => ({
        op,
        argument: `samples[${i}]`,
        expected: 'inputs for which all is finite',
        got: `NaN or infinity in ${show(name)} ${printShape(shape)}`,
      }))
      if (axis === undefined || shape.length < 2) continue
      const at = axis < 0 ? shape.length + axis : axis
      const [channels, inner] = [shape[at]!, sizeOf(shape.slice(at + 1))]
      const sum = sums.get(name) ?? new Float64Array(channels)
      for (let j = 0; j < data.length; j++) sum[Math.floor(j / inner) % channels]! += data[j]!
      sums.set(name, sum)
    }
    outputs.push(floatsOf(found, network))
  }
  const means = [...sums].map(([name, sum]) => {
    const each = histograms.get(name)!.count / sum.length
    return [name, sum.map((v) => v / each)] as const
  })
  return { histograms, means: new Map(means), outputs }
}

const floatsOf = (found: ModelOutputs, { outputs }: Network): Float64Array =>
  Float64Array.from(
    outputs.flatMap(({ name, type }) =>
      type.startsWith('float') ? [...(found[name]!.toArray() as Float32Array)] : [],
    ),
  )

/** Runs a network on samples: the root of the squared differences to `wanted` over the squares of those. */
export async function errorOf(
  engine: Engine,
  network: Network,
  samples: readonly Sample[],
  wanted: readonly Float64Array[],
): Promise<number> {
  using model = await loadModel(engine, writeNetwork(network))
  let [difference, square] = [0, 0]
  for (const [i, sample] of samples.entries()) {
    const got = floatsOf(await model.runAsync(sample), network)
    wanted[i]!.forEach((v, j) => {
      difference += (v - got[j]!) ** 2
      square += v * v
    })
  }
  return Math.sqrt(difference / Math.max(square, Number.MIN_VALUE))
}

/** Throws where no input has more than one number, or all samples are the same. */
export function checkVaried(samples: readonly Sample[]): void {
  const numbers = (input: ModelInput) => [
    ...(('data' in Object(input) ? (input as { data: Float32Array }).data : input) as Float32Array),
  ]
  const varied = Object.keys(samples[0]!).some((name) => {
    const first = numbers(samples[0]![name]!)
    return samples.some((sample) => numbers(sample[name]!).some((v) => v !== first[0]))
  })
  const same = samples.every((sample) =>
    Object.keys(sample).every((name) => {
      const first = numbers(samples[0]![name]!)
      return numbers(sample[name]!).every((v, i) => v === first[i])
    }),
  )
  check(varied && (!same || samples.length === 1), () => ({
    op,
    argument: 'samples',
    expected: 'inputs that differ',
    got: varied ? `${samples.length} times the same` : 'constant ones',
    hint,
  }))
}
