/**
 * 8-bit layers beside the same in float32, both of ours and in turns, one thread: a table for doc/benchmarks.md.
 * onnxruntime-web's QLinearConv stands beside them where it is installed (`npm run bench -- --peers`). Node runs this
 * file as it is.
 */
import { existsSync } from 'node:fs'
import * as fb from '../dist/index.js'
import { writeModel } from '../dist/nn.js'
import { geometricMean, measure } from './measure.mjs'

/** name, x, filter, options */
const LAYERS = [
  ['1x1, 64 to 256 at 56', [1, 56, 56, 64], [1, 1, 64, 256], {}],
  ['1x1, 256 to 64 at 56', [1, 56, 56, 256], [1, 1, 256, 64], {}],
  ['1x1, 512 to 512 at 14', [1, 14, 14, 512], [1, 1, 512, 512], {}],
  ['3x3, 64 at 56', [1, 56, 56, 64], [3, 3, 64, 64], { padding: 1 }],
  ['3x3, 256 at 14', [1, 14, 14, 256], [3, 3, 256, 256], { padding: 1 }],
  ['3x3 / 2, 128 to 256 at 56', [1, 56, 56, 128], [3, 3, 128, 256], { padding: 1, stride: 2 }],
  ['3x3 dilated, 64 at 56', [1, 56, 56, 64], [3, 3, 64, 64], { padding: 2, dilation: 2 }],
  ['7x7 / 2, 3 to 64 at 224', [1, 224, 224, 3], [7, 7, 3, 64], { padding: 3, stride: 2 }],
  ['depthwise 3x3, 144 at 56', [1, 56, 56, 144], [3, 3, 1, 144], { padding: 1, groups: 144 }],
  ['depthwise 3x3 / 2, 96 at 112', [1, 112, 112, 96], [3, 3, 1, 96], { padding: 1, stride: 2, groups: 96 }],
  ['depthwise 5x5, 240 at 28', [1, 28, 28, 240], [5, 5, 1, 240], { padding: 2, groups: 240 }],
]
const X = { scale: 1 / 255, zeroPoint: 127 }
const Y = { scale: 0.05, zeroPoint: 128 }
const W_SCALE = 0.004

const product = (shape) => shape.reduce((a, b) => a * b, 1)
const noise = (shape) => Float32Array.from({ length: product(shape) }, () => Math.random() - 0.5)

const peers = new URL('node_modules/onnxruntime-web/package.json', import.meta.url)
const ort = existsSync(peers) ? await import('onnxruntime-web') : undefined
if (ort) ort.env.wasm.numThreads = 1

/** The layer as a model whose input stays inside, so that its copies do not count. */
async function peer([, xShape, wShape, { padding = 0, stride = 1, dilation = 1, groups = 1 }], x, w) {
  const [n, h, width, c] = xShape
  const [kh, kw, depth, oc] = wShape
  const channelsFirst = new Uint8Array(x.length)
  for (let i = 0; i < x.length; i++) channelsFirst[(i % c) * h * width + Math.floor(i / c)] = x[i]
  const filter = new Int8Array(w.length)
  for (let i = 0; i < w.length; i++)
    filter[((i % oc) * depth + (Math.floor(i / oc) % depth)) * kh * kw + Math.floor(i / oc / depth)] = w[i]
  const number = (name, data) => ({ name, shape: [], data })
  const model = writeModel({
    nodes: [
      {
        op: 'QLinearConv',
        inputs: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz'],
        outputs: ['y'],
        attributes: {
          pads: Array(4).fill(padding),
          strides: [stride, stride],
          dilations: [dilation, dilation],
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
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'basic',
  })
  return { run: () => session.run({}), dispose: () => session.release() }
}

const engine = await fb.createEngine({ threads: 1 })
const { node, v8 } = process.versions
console.log(`Node ${node}, V8 ${v8}: ${engine.simd}, byte dot product ${engine.byteDot}\n`)
console.log(`| layer, Gop/s | float32 | 8 bits | ratio | by |${ort ? ' onnxruntime-web | ratio |' : ''}`)
console.log(`|---|---|---|---|---|${ort ? '---|---|' : ''}`)
const [gains, leads] = [[], []]
for (const layer of LAYERS) {
  const [name, xShape, wShape, options] = layer
  const [x, w] = [noise(xShape), noise(wShape)].map((data, i) => engine.tensor(data, [xShape, wShape][i]))
  const bytes = fb.quantize(x, X)
  const filter = fb.quantize(w, { scale: W_SCALE, zeroPoint: 0, dtype: 'int8' })
  const out = fb.conv2d(x, w, options)
  const quantized = { ...options, activation: 'relu', quantization: { ...Y, dtype: 'uint8' } }
  const out8 = fb.conv2d(bytes, filter, quantized)
  const other = ort && (await peer(layer, bytes.toArray(), filter.toArray()))
  const runs = [
    () => void fb.conv2d(x, w, { ...options, activation: 'relu', out }),
    () => void fb.conv2d(bytes, filter, { ...quantized, out: out8 }),
    ...(other ? [other.run] : []),
  ]
  const [floats, integers, theirs] = await measure(runs, { budget: 900 })
  const speed = ({ low }) =>
    ((2 * product(out.shape) * product(wShape)) / wShape.at(-1) / low / 1e6).toFixed(0)
  gains.push(floats.low / integers.low)
  if (theirs) leads.push(theirs.low / integers.low)
  const { algorithm } = fb.planConv2d(xShape, wShape, { ...options, dtype: 'uint8' })
  const cells = [name, speed(floats), speed(integers), gains.at(-1).toFixed(2), algorithm]
  if (theirs) cells.push(speed(theirs), leads.at(-1).toFixed(1))
  console.log(`| ${cells.join(' | ')} |`)
  other?.dispose()
  for (const tensor of [x, w, bytes, filter, out, out8]) tensor.dispose()
}
console.log(
  `| geometric mean | | | ${geometricMean(gains).toFixed(2)} | |${ort ? ` | ${geometricMean(leads).toFixed(1)} |` : ''}`,
)
process.exit()
