/** Static and dynamic post-training quantisation, each choice by what it measures at the outputs. */
import { check, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { BY_NAME, CALLBACK, checkOptions, type Names, SIGNAL } from '../../core/options.js'
import type { ModelSource } from '../file/load.js'
import { loadModel } from '../load.js'
import type { LayerSummary } from '../run/summary.js'
import { bytesOf, dynamic, quantized, type Scheme } from './emit.js'
import { corrections, equalized } from './equalize.js'
import { endOf, JOINING, type Layer, layersOf, MOVING, wiresOf } from './layers.js'
import { type Network, openNetwork, writeNetwork } from './network.js'
import type { LayerReport, Quantized, QuantizeOptions, QuantizeReport, Sample } from './options.js'
import type { Range, RangeMethod } from './range.js'
import { checkVaried, collect, errorOf, type Observed, observe, type Taps } from './samples.js'

const op = 'quantizeModel'
const QUANTIZE: Names<QuantizeOptions> = {
  externalData: BY_NAME,
  method: true,
  perChannel: true,
  weightBits: true,
  tolerance: true,
  onProgress: CALLBACK,
  signal: SIGNAL,
}
const METHODS: readonly RangeMethod[] = ['minmax', 'percentile', 'entropy']
/** Samples that candidates are compared on, and that each layer is tried on by itself. */
const [COMPARED, TRIED] = [32, 4]
/** A choice that is no better than this is not made. */
const GAIN = 0.98

/** @see quantizeModel */
export async function quantize(
  engine: Engine,
  source: ModelSource,
  samples: Iterable<Sample> | AsyncIterable<Sample>,
  options: QuantizeOptions,
): Promise<Quantized> {
  checkOptions(op, options, QUANTIZE)
  const {
    method,
    perChannel = true,
    weightBits = 8,
    tolerance = 0.1,
    externalData,
    onProgress,
    signal,
  } = options
  const known = [...METHODS, 'dynamic']
  check(method === undefined || known.includes(method), () => ({
    op,
    argument: 'method',
    expected: known.join(', '),
    got: show(method),
  }))
  check(weightBits === 7 || weightBits === 8, () => ({
    op,
    argument: 'weightBits',
    expected: '7 or 8',
    got: show(weightBits),
  }))
  check(typeof perChannel === 'boolean', () => ({
    op,
    argument: 'perChannel',
    expected: 'true or false',
    got: show(perChannel),
  }))
  check(typeof tolerance === 'number' && tolerance >= 0, () => ({
    op,
    argument: 'tolerance',
    expected: 'a number of at least 0',
    got: show(tolerance),
  }))
  const network = await openNetwork(engine, source, { externalData, signal })
  const all = layersOf(network, wiresOf(network))
  check(all.length > 0, () => ({
    op,
    argument: 'source',
    expected: 'a model with a Conv, Gemm or MatMul of constant float32 weights',
    got: 'none',
  }))
  const given = await collect(samples, network, signal)
  checkVaried(given)
  const tell = (done: number, stage: string) => {
    signal?.throwIfAborted()
    onProgress?.({ done, stage })
  }
  const work: Work = { engine, samples: given, tell, perChannel, weightBits, tolerance }
  const asDynamic = method === 'dynamic' || (!method && all.every(({ node }) => node.op !== 'Conv'))
  const result = asDynamic
    ? await dynamically(work, network, all)
    : await statically(work, network, method as RangeMethod | undefined)
  tell(0.95, 'timing')
  const bytes = writeNetwork(result.network)
  const speeds = await speedsOf(work, network, bytes, all)
  tell(1, 'done')
  const { network: made, kept, errors, reasons, ...report } = result
  return {
    bytes,
    report: {
      ...report,
      samples: given.length,
      bytesBefore: network.bytes,
      bytesAfter: bytes.length,
      layers: all.map((layer): LayerReport => {
        const name = layer.node.outputs[0]!
        const [numbers, biases] = [layer.weight.data.length, layer.bias?.data.length ?? 0]
        const scales = perChannel ? layer.channels : 1
        const before = 4 * (numbers + biases)
        return {
          name: layer.node.name,
          op: layer.node.op,
          type: kept.has(name) ? 'int8' : 'float32',
          reason: reasons.get(name),
          error: errors.get(name) ?? 0,
          bytesBefore: before,
          bytesAfter: kept.has(name) ? numbers + 4 * biases + 5 * scales : before,
          speedup: speeds.get(name),
        }
      }),
    },
  }
}

interface Work {
  engine: Engine
  samples: readonly Sample[]
  tell: (done: number, stage: string) => void
  perChannel: boolean
  weightBits: 7 | 8
  tolerance: number
}

interface Result extends Pick<QuantizeReport, 'method' | 'equalized' | 'biasCorrected' | 'error'> {
  network: Network
  /** First outputs of the layers that work on bytes. */
  kept: Set<string>
  errors: Map<string, number>
  reasons: Map<string, string>
}

const nameOf = ({ node }: Layer): string => node.outputs[0]!

/** What has to be seen of a network: what layers read and give, and what is between them. */
function tapsOf(network: Network, layers: readonly Layer[]): Taps {
  const wires = wiresOf(network)
  const taps = new Map<string, number | undefined>()
  for (const { end } of layers) taps.set(end, undefined)
  for (const { node } of layers) taps.set(node.inputs[0]!, node.op === 'Conv' ? 1 : -1)
  for (const node of network.nodes) {
    const [y] = node.outputs as [string]
    const float = node.inputs.some((name) => taps.has(name))
    if (MOVING.has(node.op) && taps.has(node.inputs[0]!) && !taps.has(y)) taps.set(y, undefined)
    const end = node.op === 'Add' ? endOf(y, wires, network.constants) : y
    if (JOINING.has(node.op) && float && !taps.has(end)) taps.set(end, undefined)
  }
  return taps
}

const rangesOf = ({ histograms }: Observed, method: RangeMethod): Map<string, Range> =>
  new Map([...histograms].map(([name, histogram]) => [name, histogram.range(method)]))

async function statically(work: Work, network: Network, method: RangeMethod | undefined): Promise<Result> {
  const { engine, samples, tell, perChannel, weightBits } = work
  const look = async (seen: Network, from: number, to: number) => {
    const layers = layersOf(seen, wiresOf(seen))
    const observed = await observe(engine, seen, samples, tapsOf(seen, layers), (i) =>
      tell(from + ((to - from) * i) / samples.length, 'calibrating'),
    )
    return { seen, layers, observed }
  }
  let base = await look(network, 0, 0.3)
  const wanted = base.observed.outputs
  const compared = samples.slice(0, COMPARED)
  const measure = (seen: Network, scheme: Scheme) =>
    errorOf(engine, quantized(seen, scheme), compared, wanted)
  let best: { scheme: Scheme; error: number; method: RangeMethod } | undefined
  for (const each of method ? [method] : METHODS) {
    tell(0.35, `trying ${each}`)
    const ranges = rangesOf(base.observed, each)
    const scheme: Scheme = { layers: base.layers, around: true, ranges, perChannel, weightBits }
    const error = await measure(base.seen, scheme)
    if (!best || error < GAIN * best.error) best = { scheme, error, method: each }
  }
  let { scheme, error, method: chosen } = best!
  const other = equalized(network)
  let isEqualized = false
  if (other) {
    const look2 = await look(other, 0.4, 0.5)
    const tried = { ...scheme, layers: look2.layers, ranges: rangesOf(look2.observed, chosen) }
    const result = await measure(other, tried)
    if (result < GAIN * error) [base, scheme, error, isEqualized] = [look2, tried, result, true]
  }
  tell(0.5, 'correcting biases')
  const corrected = { ...scheme, corrections: corrections(base.layers, base.observed.means, scheme) }
  const result = await measure(base.seen, corrected)
  const isCorrected = result < GAIN * error
  if (isCorrected) [scheme, error] = [corrected, result]

  const errors = new Map<string, number>()
  for (const [i, layer] of base.layers.entries()) {
    tell(0.55 + (0.3 * i) / base.layers.length, `trying ${layer.node.name}`)
    const alone = quantized(base.seen, { ...scheme, layers: [layer], around: false })
    errors.set(nameOf(layer), await errorOf(engine, alone, samples.slice(0, TRIED), wanted))
  }
  // The worst first, as long as each makes it better.
  const reasons = new Map<string, string>()
  const worst = [...base.layers].sort((a, b) => errors.get(nameOf(b))! - errors.get(nameOf(a))!)
  for (const layer of worst) {
    if (error <= work.tolerance || scheme.layers.length === 1) break
    tell(0.9, `leaving ${layer.node.name} in float`)
    const without = { ...scheme, layers: scheme.layers.filter((each) => each !== layer) }
    const left = await measure(base.seen, without)
    if (left >= GAIN * error) continue
    reasons.set(nameOf(layer), `with it the error is ${percent(error)}, without ${percent(left)}`)
    ;[scheme, error] = [without, left]
  }
  return {
    method: chosen,
    equalized: isEqualized,
    biasCorrected: isCorrected,
    error,
    network: quantized(base.seen, scheme),
    kept: new Set(scheme.layers.map(nameOf)),
    errors,
    reasons,
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

async function dynamically(work: Work, network: Network, all: readonly Layer[]): Promise<Result> {
  const { engine, samples, tell, perChannel, weightBits } = work
  const layers = all.filter(({ node }) => node.op !== 'Conv')
  check(layers.length > 0, () => ({
    op,
    argument: 'method',
    expected: 'a static one for a model without products',
    got: "'dynamic'",
  }))
  const { outputs } = await observe(engine, network, samples, new Map(), (i) =>
    tell((0.4 * i) / samples.length, 'running'),
  )
  const make = (chosen: readonly Layer[]) => dynamic(network, { layers: chosen, perChannel, weightBits })
  const measure = (chosen: readonly Layer[], count: number) =>
    errorOf(engine, make(chosen), samples.slice(0, count), outputs)
  const [errors, reasons] = [new Map<string, number>(), new Map<string, string>()]
  for (const [i, layer] of layers.entries()) {
    tell(0.4 + (0.4 * i) / layers.length, `trying ${layer.node.name}`)
    errors.set(nameOf(layer), await measure([layer], TRIED))
  }
  let chosen = layers
  let error = await measure(chosen, COMPARED)
  for (const layer of [...layers].sort((a, b) => errors.get(nameOf(b))! - errors.get(nameOf(a))!)) {
    if (error <= work.tolerance || chosen.length === 1) break
    const without = chosen.filter((each) => each !== layer)
    const left = await measure(without, COMPARED)
    if (left >= GAIN * error) continue
    reasons.set(nameOf(layer), `with it the error is ${percent(error)}, without ${percent(left)}`)
    ;[chosen, error] = [without, left]
  }
  for (const layer of all)
    if (layer.node.op === 'Conv') reasons.set(nameOf(layer), 'dynamic quantisation is for products')
  const kept = new Set(chosen.map(nameOf))
  return {
    method: 'dynamic',
    equalized: false,
    biasCorrected: false,
    error,
    network: make(chosen),
    kept,
    errors,
    reasons,
  }
}

/** Time in float over time on bytes, of layers that stand by themselves in both. */
async function speedsOf(
  { engine, samples }: Work,
  network: Network,
  bytes: Uint8Array,
  layers: readonly Layer[],
): Promise<Map<string, number>> {
  const timed = async (source: Uint8Array): Promise<LayerSummary[]> => {
    using model = await loadModel(engine, source)
    for (let i = 0; i < 2; i++) await model.runAsync(samples[0]!)
    return model.summary()
  }
  const [before, after] = [await timed(writeNetwork(network)), await timed(bytes)]
  const timeOf = (lines: readonly LayerSummary[], ...names: string[]) =>
    lines.find(({ outputs }) => names.includes(outputs[0]!))?.milliseconds
  return new Map(
    layers.flatMap((layer) => {
      const [name, { end }] = [nameOf(layer), layer]
      const [slow, fast] = [timeOf(before, end, name), timeOf(after, bytesOf(end))]
      return slow && fast ? [[name, slow / fast] as const] : []
    }),
  )
}
