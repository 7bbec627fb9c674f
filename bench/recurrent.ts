/**
 * `npm run bench -- recurrent`: LSTM and GRU from ONNX files, seven sizes, numbers in and numbers out; and a
 * training step of an LSTM.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as core from '../src/index.js'
import * as nn from '../src/nn/index.js'
import * as onnx from '../src/onnx/index.js'
import { parseLines, type SequenceSizes, sequenceSizes, sizeOf } from './cases.js'
import { featuresOf } from './compare.js'
import { difference, driftMark, geometricMean, type Measured, measure, type Run } from './measure.js'
import type { Ort } from './peers/onnxruntime.js'

const LAYERS = parseLines(`
lstm n1 t100 i64 o128
lstm n32 t50 i128 o256
lstm n8 t200 i40 o64
lstm n1 t1 i128 o128
gru n1 t100 i64 o128
gru n2 t33 i8 o4
gru n16 t33 i16 o16`)

/** What is trained, and to tell how many classes apart. */
const TRAINED = sequenceSizes(parseLines('lstm n32 t64 i32 o128')[0]!)
const CLASSES = 10

/** Sums in another order, through up to 200 steps. */
const ALLOWED = 1e-4

const numbers = (shape: readonly number[], size = 1) =>
  Float32Array.from({ length: sizeOf(shape) }, () => (2 * Math.random() - 1) * size)

/** One node, as PyTorch exports it. */
function fileOf(op: string, { n, steps, features, hidden }: SequenceSizes): Uint8Array {
  const columns = (op === 'LSTM' ? 4 : 3) * hidden
  const weight = (name: string, ...shape: number[]) => ({
    name,
    shape,
    data: numbers(shape, 1 / Math.sqrt(hidden)),
  })
  return onnx.writeModel({
    opset: 14,
    nodes: [
      {
        op,
        inputs: ['x', 'w', 'r', 'b'],
        outputs: ['y'],
        attributes: { hidden_size: hidden, ...(op === 'GRU' && { linear_before_reset: 1 }) },
      },
    ],
    inputs: [{ name: 'x', shape: [steps, n, features] }],
    outputs: [{ name: 'y', shape: [steps, 1, n, hidden] }],
    initializers: [
      weight('w', 1, columns, features),
      weight('r', 1, columns, hidden),
      weight('b', 1, 2 * columns),
    ],
  })
}

/** Measures and prints; gives the build that ran, and the same as Markdown. */
export async function benchRecurrent({
  simd,
  threads = 1,
  peers,
  budget = 3000,
  only = '',
}: Measured): Promise<{ build: string; features: string; table: string }> {
  const lines: string[] = []
  const say = (line: string) => {
    console.log(line)
    lines.push(line)
  }
  const counts = threads > 1 ? [1, threads] : [1]
  const engines = await Promise.all(counts.map((count) => core.createEngine({ simd, threads: count })))
  const runtimes = peers ? await openRuntimes() : []

  const heads = [...counts.slice(1).map((count) => `${count} threads`), ...runtimes.map(({ name }) => name)]
  say(
    `| operator, batch x steps x features -> units | ms | ${heads.map((head) => `${head} | `).join('')}`.trim(),
  )
  say(`| :-- | --: |${' --: |'.repeat(heads.length)}`)
  const ratios = runtimes.map((): number[] => [])
  for (const layer of LAYERS) {
    const op = layer.op.toUpperCase()
    const sizes = sequenceSizes(layer)
    const { n, steps, features, hidden } = sizes
    const name = `${op} ${n} x ${steps} x ${features} -> ${hidden}`
    if (!name.includes(only)) continue
    const bytes = fileOf(op, sizes)
    const shape = [steps, n, features]
    const x = numbers(shape)
    const models = await Promise.all(engines.map((engine) => onnx.loadModel(engine, bytes)))
    const runs: (() => ArrayLike<number> | Promise<ArrayLike<number>>)[] = [
      ...models.map((model) => () => model.run({ x })['y']!.data as Float32Array),
      ...(await Promise.all(runtimes.map(({ open }) => open(bytes, x, shape)))),
    ]
    const answers = await Promise.all(runs.map((run) => run()))
    for (const [i, answer] of answers.entries())
      if (difference(answers[0]!, answer) > ALLOWED) console.error(`${name}: contender ${i} differs`)
    const timings = await measure(runs, { budget, rounds: [9, 401] })
    const own = timings[0]!.ms
    for (const [i, { ms }] of timings.slice(counts.length).entries()) ratios[i]!.push(ms / own)
    say(
      `| ${name} | ${timings.map(({ ms }, i) => `${ms.toPrecision(3)}${i ? ` (${(ms / own).toFixed(2)})${driftMark(timings[0], timings[i])}` : ''}`).join(' | ')} |`,
    )
    for (const model of models) model.dispose()
  }
  for (const [i, { name }] of runtimes.entries())
    say(
      `\nMean of ${name}'s times by ours: ${geometricMean(ratios[i]!).toFixed(2)} (geometric), ${(ratios[i]!.reduce((a, b) => a + b) / ratios[i]!.length).toFixed(2)} (arithmetic).`,
    )

  await benchStep(engines, { peers, budget }, say)
  for (const engine of engines) engine.dispose()
  return { build: engines[0]!.simd, features: featuresOf(await core.diagnose()), table: lines.join('\n') }
}

/** A step of plain gradient descent: the last state, a dense layer, cross entropy. */
async function benchStep(
  engines: readonly core.Engine[],
  { peers, budget }: Measured,
  say: (line: string) => void,
): Promise<void> {
  const tf = peers ? await openTensorflow() : undefined
  // onnxruntime-web makes Node's threads the global Worker, which jax-js would take for a page's.
  Reflect.deleteProperty(globalThis, 'Worker')
  const others = tf
    ? [
        (await import('./peers/tfjsTraining.js')).tfjsLstm(tf, TRAINED, CLASSES),
        await (await import('./peers/jax.js')).jaxLstm(await import('@jax-js/jax'), TRAINED),
      ]
    : []
  const { n, steps, features, hidden } = TRAINED
  const runs: Run[] = engines.map((engine) => {
    const tensor = (...shape: number[]) => engine.tensor(numbers(shape, 0.1), shape)
    const [inputWeight, stateWeight, bias] = [
      tensor(features, 4 * hidden),
      tensor(hidden, 4 * hidden),
      tensor(4 * hidden),
    ]
    const dense = tensor(hidden, CLASSES)
    const x = tensor(n, steps, features)
    const labels = Int32Array.from({ length: n }, (_, i) => i % CLASSES)
    const parameters = [inputWeight, stateWeight, bias, dense]
    const optimizer = nn.sgd(parameters, { learningRate: 1e-3 })
    const loss = () =>
      nn.crossEntropy(core.linear(core.lstm(x, { inputWeight, stateWeight, bias }).state, dense), labels)
    return () => optimizer.step(nn.valueAndGradients(loss, parameters).gradients)
  })
  const timings = await measure([...runs, ...others], {
    budget,
    rounds: [5, 101],
  })
  const cells = timings.map(
    ({ ms }, i) =>
      ms.toPrecision(3) +
      (i ? ` (${(ms / timings[0]!.ms).toFixed(2)})${driftMark(timings[0], timings[i])}` : ''),
  )
  const heads = [
    'ms',
    ...engines.slice(1).map(({ threads }) => `${threads} threads`),
    ...(tf ? [`tfjs-cpu ${tf.version_core}`, 'jax-js'] : []),
  ]
  say(`\n| a training step | ${heads.join(' | ')} |`)
  say(`| :-- |${' --: |'.repeat(heads.length)}`)
  say(`| LSTM ${n} x ${steps} x ${features} -> ${hidden} | ${cells.join(' | ')} |`)
}

async function openTensorflow() {
  const { tensorflow } = await import('./peers/tensorflow.js')
  return tensorflow(resolve('build/bench/tensorflow.cjs'), resolve('bench'))
}

async function openRuntimes() {
  const { dependencies } = JSON.parse(readFileSync('bench/package.json', 'utf8'))
  const web = await import('onnxruntime-web')
  web.env.wasm.numThreads = 1
  const opening =
    (ort: Ort, provider: 'wasm' | 'cpu') => async (bytes: Uint8Array, x: Float32Array, shape: number[]) => {
      const options = { executionProviders: [provider], logSeverityLevel: 4 as const }
      const session = await ort.InferenceSession.create(
        bytes,
        provider === 'cpu' ? { ...options, intraOpNumThreads: 1, interOpNumThreads: 1 } : options,
      )
      return async () =>
        (await session.run({ x: new ort.Tensor('float32', x, shape) }))['y']!.data as Float32Array
    }
  const node = await import('onnxruntime-node')
  return [
    { name: `onnxruntime-web ${dependencies['onnxruntime-web']}`, open: opening(web, 'wasm') },
    { name: 'onnxruntime-node', open: opening(node.default ?? node, 'cpu') },
  ]
}
