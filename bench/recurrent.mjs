/**
 * `npm run bench -- recurrent`: LSTM and GRU from ONNX files, seven sizes, numbers in and numbers out; and a
 * training step of an LSTM.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { difference, geometricMean, measure } from './measure.mjs'

/** [operator, batch, steps, features, hidden] */
const SIZES = [
  ['LSTM', 1, 100, 64, 128],
  ['LSTM', 32, 50, 128, 256],
  ['LSTM', 8, 200, 40, 64],
  ['LSTM', 1, 1, 128, 128],
  ['GRU', 1, 100, 64, 128],
  ['GRU', 2, 33, 8, 4],
  ['GRU', 16, 33, 16, 16],
]

/** What is trained: batch, steps, features, units. */
const TRAINED = { n: 32, steps: 64, features: 32, hidden: 128, classes: 10 }

/** Sums in another order, through up to 200 steps. */
const ALLOWED = 1e-4

const numbers = (shape, size = 1) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (2 * Math.random() - 1) * size)

/** One node, as PyTorch exports it. */
function fileOf({ writeModel }, [op, n, steps, features, hidden]) {
  const columns = (op === 'LSTM' ? 4 : 3) * hidden
  const weight = (name, ...shape) => ({ name, shape, data: numbers(shape, 1 / Math.sqrt(hidden)) })
  return writeModel({
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

/**
 * Measures and prints. @param {{ simd?: string, threads?: number, peers?: boolean, budget?: number, only?:
 * string }} options
 * @returns {Promise<{ build: string, table: string }>} the build that ran, and the same as Markdown
 */
export async function benchRecurrent({ simd, threads = 1, peers, budget = 3000, only = '' }) {
  const [core, nn, onnx] = await Promise.all(
    ['index', 'nn', 'onnx'].map((name) => import(`../dist/${name}.js`)),
  )
  const lines = []
  const say = (line) => {
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
  const ratios = runtimes.map(() => [])
  for (const size of SIZES) {
    const [op, n, steps, features, hidden] = size
    const name = `${op} ${n} x ${steps} x ${features} -> ${hidden}`
    if (!name.includes(only)) continue
    const bytes = fileOf(onnx, size)
    const shape = [steps, n, features]
    const x = numbers(shape)
    const models = await Promise.all(engines.map((engine) => onnx.loadModel(engine, bytes)))
    const runs = [
      ...models.map((model) => () => model.run({ x }).y.data),
      ...(await Promise.all(runtimes.map(({ open }) => open(bytes, x, shape)))),
    ]
    const answers = await Promise.all(runs.map((run) => run()))
    for (const [i, answer] of answers.entries())
      if (difference(answers[0], answer) > ALLOWED) console.error(`${name}: contender ${i} differs`)
    const timings = await measure(runs, { budget, rounds: [9, 401] })
    const own = timings[0].ms
    for (const [i, { ms }] of timings.slice(counts.length).entries()) ratios[i].push(ms / own)
    say(
      `| ${name} | ${timings.map(({ ms }, i) => `${ms.toPrecision(3)}${i ? ` (${(ms / own).toFixed(2)})` : ''}`).join(' | ')} |`,
    )
    for (const model of models) model.dispose()
  }
  for (const [i, { name }] of runtimes.entries())
    say(
      `\nMean of ${name}'s times by ours: ${geometricMean(ratios[i]).toFixed(2)} (geometric), ${(ratios[i].reduce((a, b) => a + b) / ratios[i].length).toFixed(2)} (arithmetic).`,
    )

  await benchStep({ core, nn, engines, counts, peers, budget }, say)
  for (const engine of engines) engine.dispose()
  return { build: engines[0].simd, table: lines.join('\n') }
}

/** A step of plain gradient descent: the last state, a dense layer, cross entropy. */
async function benchStep({ core, nn, engines, counts, peers, budget }, say) {
  const others = peers ? [(await import('./peers/tfjsTraining.mjs')).tfjsLstm] : []
  const tf = peers && (await openTensorflow())
  const { n, steps, features, hidden, classes } = TRAINED
  const runs = engines.map((engine) => {
    const tensor = (...shape) => engine.tensor(numbers(shape, 0.1), shape)
    const [inputWeight, stateWeight, bias] = [
      tensor(features, 4 * hidden),
      tensor(hidden, 4 * hidden),
      tensor(4 * hidden),
    ]
    const dense = tensor(hidden, classes)
    const x = tensor(n, steps, features)
    const labels = Int32Array.from({ length: n }, (_, i) => i % classes)
    const parameters = [inputWeight, stateWeight, bias, dense]
    const optimizer = nn.sgd(parameters, { learningRate: 1e-3 })
    const loss = () =>
      nn.crossEntropy(core.linear(core.lstm(x, { inputWeight, stateWeight, bias }).state, dense), labels)
    return () => optimizer.step(nn.valueAndGradients(loss, parameters).gradients)
  })
  const timings = await measure([...runs, ...others.map((open) => open(tf, TRAINED))], {
    budget,
    rounds: [5, 101],
  })
  const cells = timings.map(
    ({ ms }, i) => `${ms.toPrecision(3)}${i ? ` (${(ms / timings[0].ms).toFixed(2)})` : ''}`,
  )
  const heads = [
    'ms',
    ...counts.slice(1).map((count) => `${count} threads`),
    ...(tf ? [`tfjs-cpu ${tf.version_core}`] : []),
  ]
  say(`\n| a training step | ${heads.join(' | ')} |`)
  say(`| :-- |${' --: |'.repeat(heads.length)}`)
  say(`| LSTM ${n} x ${steps} x ${features} -> ${hidden} | ${cells.join(' | ')} |`)
}

async function openTensorflow() {
  const { tensorflow } = await import('./peers/tensorflow.mjs')
  return tensorflow(resolve('build/bench/tensorflow.cjs'))
}

async function openRuntimes() {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
  const web = await import('onnxruntime-web')
  web.env.wasm.numThreads = 1
  const opening = (ort, provider) => async (bytes, x, shape) => {
    const options = { executionProviders: [provider], logSeverityLevel: 4 }
    const session = await ort.InferenceSession.create(
      bytes,
      provider === 'cpu' ? { ...options, intraOpNumThreads: 1, interOpNumThreads: 1 } : options,
    )
    return async () => (await session.run({ x: new ort.Tensor('float32', x, shape) })).y.data
  }
  const node = await import('onnxruntime-node')
  return [
    { name: `onnxruntime-web ${dependencies['onnxruntime-web']}`, open: opening(web, 'wasm') },
    { name: 'onnxruntime-node', open: opening(node.default ?? node, 'cpu') },
  ]
}
