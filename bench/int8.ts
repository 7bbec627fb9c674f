/**
 * 8-bit layers beside the same in float32, both of ours and in turns, one thread, and beside the peers that take
 * bytes: a table for doc/benchmarks.md. Runs in Node and in a page.
 */
import type { Tensor } from '../src/index.js'
import { conv2dOptions, operations, parseLines, sizeOf } from './cases.js'
import { type ContenderFacts, factsOf, featuresOf, type Host } from './compare.js'
import type { Contender } from './contender.js'
import { driftMark, geometricMean, type Measured, measure, type Run, type Timing } from './measure.js'

const LAYERS = parseLines(`
n1 i56x56x64 o256 k1                    # 1x1, 64 to 256 at 56
n1 i56x56x256 o64 k1                    # 1x1, 256 to 64 at 56
n1 i14x14x512 o512 k1                   # 1x1, 512 to 512 at 14
n1 i56x56x64 o64 k3 p1                  # 3x3, 64 at 56
n1 i14x14x256 o256 k3 p1                # 3x3, 256 at 14
n1 i56x56x128 o256 k3 s2 p1             # 3x3 / 2, 128 to 256 at 56
n1 i56x56x64 o64 k3 p2 d2               # 3x3 dilated, 64 at 56
n1 i224x224x3 o64 k7 s2 p3              # 7x7 / 2, 3 to 64 at 224
n1 i56x56x144 o144 k3 p1 g144           # depthwise 3x3, 144 at 56
n1 i112x112x96 o96 k3 s2 p1 g96         # depthwise 3x3 / 2, 96 at 112
n1 i28x28x240 o240 k5 p2 g240           # depthwise 5x5, 240 at 28`)
const X = { scale: 1 / 255, zeroPoint: 127 }
const Y = { scale: 0.05, zeroPoint: 128 }
const W_SCALE = 0.004

const noise = (shape: readonly number[]) =>
  Float32Array.from({ length: sizeOf(shape) }, () => Math.random() - 0.5)

/** Gop/s by medians and, in brackets, by the least times. */
const speedOf = (work: number, { ms, min }: Timing): string =>
  `${(work / ms / 1e6).toFixed(0)} (${(work / min / 1e6).toFixed(0)})`

/** How many times as long `other` takes. */
const ratioOf = (own: Timing, other: Timing): string =>
  `${(other.ms / own.ms).toFixed(2)} (${(other.min / own.min).toFixed(2)})${driftMark(own, other)}`

export interface WantedBytes extends Omit<Measured, 'threads'> {
  bench: 'int8'
}

/** What comes before the rows, and the cells of each. `host`: where it is not Node. */
export type ByteNews =
  | { start: { build: string; features: string; contenders: ContenderFacts[]; host?: string } }
  | { cells: string[] }

/** All layers, in Node and in a page: beside those of the peers that take bytes, in WebAssembly. */
export async function benchInt8(
  { simd, budget = 900, only = '' }: WantedBytes,
  { library: fb, peers }: Pick<Host, 'library' | 'peers'>,
  report: (news: ByteNews) => unknown,
): Promise<void> {
  const engine = await fb.createEngine({ threads: 1, simd })
  const others: Contender[] = []
  for (const open of peers) others.push(await open())
  const takers = others.filter(({ bytes, native }) => bytes && !native)
  await report({
    start: {
      build: engine.simd,
      features: featuresOf(await fb.diagnose()),
      contenders: takers.map((peer) => factsOf(peer, true)),
    },
  })
  await report({
    cells: ['layer', 'float32', '8 bits', 'ratio', 'by', ...takers.flatMap(({ name }) => [name, 'ratio'])],
  })
  const gains: number[] = []
  const leads: number[][] = takers.map(() => [])
  for (const layer of LAYERS) {
    const name = layer.names[0]!
    if (!only.split(',').some((part) => name.includes(part))) continue
    const [x, w] = [layer.input, layer.filter!].map((shape) => engine.tensor(noise(shape), shape)) as [
      Tensor,
      Tensor,
    ]
    const options = { ...conv2dOptions(layer), activation: 'relu' as const }
    const bytes = fb.quantize(x, X)
    const filter = fb.quantize(w, { scale: W_SCALE, zeroPoint: 0, dtype: 'int8' })
    const out = fb.conv2d(x, w, options)
    const quantized = { ...options, quantization: { ...Y, dtype: 'uint8' as const } }
    const out8 = fb.conv2d(bytes, filter, quantized)
    const theirs = await Promise.all(
      takers.map((peer) =>
        peer.bytes!(layer, {
          x: bytes.toArray() as Uint8Array,
          filter: filter.toArray() as Int8Array,
          quantization: { x: X, filter: { scale: W_SCALE }, y: Y },
        }),
      ),
    )
    const expected = out8.toArray().subarray(0, out8.shape[3])
    for (const [i, peer] of theirs.entries())
      if (peer) checkAlike(`${name}: ${takers[i]!.name}`, expected, await peer.output())
    const runs: Run[] = [
      () => void fb.conv2d(x, w, { ...options, out }),
      () => void fb.conv2d(bytes, filter, { ...quantized, out: out8 }),
      ...theirs.flatMap((peer) => peer?.run ?? []),
    ]
    const [floats, integers, ...timings] = (await measure(runs, { budget })) as [Timing, Timing, ...Timing[]]
    const work = operations(layer, out.size)
    gains.push(floats.ms / integers.ms)
    const { algorithm } = fb.planConv2d(x.shape, w.shape, { ...conv2dOptions(layer), dtype: 'uint8' })
    const cells = [name, speedOf(work, floats), speedOf(work, integers), ratioOf(integers, floats), algorithm]
    for (const [i, peer] of theirs.entries()) {
      const timing = peer && timings.shift()
      if (timing) leads[i]!.push(timing.ms / integers.ms)
      cells.push(...(timing ? [speedOf(work, timing), ratioOf(integers, timing)] : ['', '']))
    }
    await report({ cells })
    for (const peer of theirs) peer?.dispose()
    for (const tensor of [x, w, bytes, filter, out, out8]) tensor.dispose()
  }
  const mean = (ratios: readonly number[]) => (ratios.length ? geometricMean(ratios).toFixed(2) : '')
  await report({
    cells: ['geometric mean', '', '', mean(gains), '', ...leads.flatMap((ratios) => ['', mean(ratios)])],
  })
  engine.dispose()
}

/** Levels apart that rounding may bring: peers round ties, and scale, in ways of their own. */
const ROUNDING = 1

function checkAlike(what: string, expected: ArrayLike<number>, actual: ArrayLike<number>): void {
  const apart = Math.max(...Array.from(expected, (value, i) => Math.abs(value - actual[i]!)))
  if (!(apart <= ROUNDING)) throw new Error(`${what} is ${apart} levels away`)
}
