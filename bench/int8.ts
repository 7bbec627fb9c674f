/**
 * 8-bit layers beside the same in float32, both of ours and in turns, one thread: a table for
 * doc/benchmarks.md. Of the peers onnxruntime-web stands beside them, by its QLinearConv.
 */
import type { InferenceSession } from 'onnxruntime-common'
import * as fb from '../src/index.js'
import { writeModel } from '../src/onnx/index.js'
import { conv2dOptions, operations, type Problem, parseLines, sizeOf } from './cases.js'
import { featuresOf } from './compare.js'
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

type Runtime = typeof import('onnxruntime-web')

/** The layer as a model whose input stays inside, so that its copies do not count. */
async function openPeer(
  runtime: Runtime,
  { input, filter: shape, padding, stride, dilation, groups }: Problem,
  x: ArrayLike<number>,
  w: ArrayLike<number>,
): Promise<InferenceSession> {
  const [n, h, width, c] = input as [number, number, number, number]
  const [kh, kw, depth, oc] = shape as [number, number, number, number]
  const channelsFirst = new Uint8Array(x.length)
  for (let i = 0; i < x.length; i++) channelsFirst[(i % c) * h * width + Math.floor(i / c)] = x[i]!
  const filter = new Int8Array(w.length)
  for (let i = 0; i < w.length; i++)
    filter[((i % oc) * depth + (Math.floor(i / oc) % depth)) * kh * kw + Math.floor(i / oc / depth)] = w[i]!
  const number = (name: string, data: Float32Array | Uint8Array | Int8Array) => ({ name, shape: [], data })
  const model = writeModel({
    nodes: [
      {
        op: 'QLinearConv',
        inputs: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'],
        outputs: ['y'],
        attributes: {
          pads: [...padding, ...padding],
          strides: stride,
          dilations: dilation,
          group: groups,
        },
      },
      { op: 'Slice', inputs: ['y', 'from', 'to'], outputs: ['corner'] },
    ],
    initializers: [
      { name: 'x', shape: [n, c, h, width], data: channelsFirst },
      { name: 'w', shape: [oc, depth, kh, kw], data: filter },
      number('xs', Float32Array.of(X.scale)),
      number('xz', Uint8Array.of(X.zeroPoint)),
      number('ws', Float32Array.of(W_SCALE)),
      number('wz', Int8Array.of(0)),
      number('ys', Float32Array.of(Y.scale)),
      number('yz', Uint8Array.of(Y.zeroPoint)),
      ...['from', 'to'].map((name, i) => ({ name, shape: [4], data: new BigInt64Array(4).fill(BigInt(i)) })),
    ],
    inputs: [{ name: 'x', type: 'uint8', shape: [n, c, h, width] }],
    outputs: [{ name: 'corner', type: 'uint8' }],
  })
  return runtime.InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'basic',
  })
}

async function openRuntime(): Promise<Runtime> {
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  return ort
}

/** Gop/s by medians and, in brackets, by the least times. */
const speedOf = (work: number, { ms, min }: Timing): string =>
  `${(work / ms / 1e6).toFixed(0)} (${(work / min / 1e6).toFixed(0)})`

/** How many times as long `other` takes. */
const ratioOf = (own: Timing, other: Timing): string =>
  `${(other.ms / own.ms).toFixed(2)} (${(other.min / own.min).toFixed(2)})${driftMark(own, other)}`

export async function benchInt8({
  simd,
  peers,
  budget = 900,
  only = '',
}: Measured): Promise<{ build: string; features: string; table: string }> {
  const engine = await fb.createEngine({ threads: 1, simd })
  const ort = peers ? await openRuntime() : undefined
  const lines: string[] = []
  const say = (cells: readonly string[]) => {
    lines.push(`| ${cells.join(' | ')} |`)
    console.log(lines.at(-1))
  }
  const heads = ['layer', 'float32', '8 bits', 'ratio', 'by', ...(ort ? ['onnxruntime-web', 'ratio'] : [])]
  say(heads)
  say(heads.map(() => '---'))
  const gains: number[] = []
  const leads: number[] = []
  for (const layer of LAYERS) {
    const name = layer.names[0]!
    if (!only.split(',').some((part) => name.includes(part))) continue
    const [x, w] = [layer.input, layer.filter!].map((shape) => engine.tensor(noise(shape), shape)) as [
      fb.Tensor,
      fb.Tensor,
    ]
    const options = { ...conv2dOptions(layer), activation: 'relu' as const }
    const bytes = fb.quantize(x, X)
    const filter = fb.quantize(w, { scale: W_SCALE, zeroPoint: 0, dtype: 'int8' })
    const out = fb.conv2d(x, w, options)
    const quantized = { ...options, quantization: { ...Y, dtype: 'uint8' as const } }
    const out8 = fb.conv2d(bytes, filter, quantized)
    const other = ort && (await openPeer(ort, layer, bytes.toArray(), filter.toArray()))
    const runs: Run[] = [
      () => void fb.conv2d(x, w, { ...options, out }),
      () => void fb.conv2d(bytes, filter, { ...quantized, out: out8 }),
      ...(other ? [() => other.run({})] : []),
    ]
    const [floats, integers, theirs] = (await measure(runs, { budget })) as [Timing, Timing, Timing?]
    const work = operations(layer, out.size)
    gains.push(floats.ms / integers.ms)
    const { algorithm } = fb.planConv2d(x.shape, w.shape, { ...conv2dOptions(layer), dtype: 'uint8' })
    const cells = [name, speedOf(work, floats), speedOf(work, integers), ratioOf(integers, floats), algorithm]
    if (theirs) {
      leads.push(theirs.ms / integers.ms)
      cells.push(speedOf(work, theirs), ratioOf(integers, theirs))
    }
    say(cells)
    await other?.release()
    for (const tensor of [x, w, bytes, filter, out, out8]) tensor.dispose()
  }
  const mean = (ratios: readonly number[]) => geometricMean(ratios).toFixed(2)
  say(['geometric mean', '', '', mean(gains), '', ...(ort ? ['', mean(leads)] : [])])
  engine.dispose()
  return { build: engine.simd, features: featuresOf(await fb.diagnose()), table: lines.join('\n') }
}
