/**
 * `npm run bench -- train`: steps of three networks, and backward through each class of layers beside its
 * way forward.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { lenet, mobilenetV2, resnet20 } from './learners.mjs'
import { measure } from './measure.mjs'

const NETWORKS = [
  {
    name: 'conv8, pool, conv16, pool, dense10',
    build: lenet,
    input: [32, 28, 28, 1],
    classes: 10,
    peers: true,
  },
  { name: 'ResNet-20', build: resnet20, input: [32, 32, 32, 3], classes: 10 },
  { name: 'MobileNetV2', build: mobilenetV2, input: [8, 96, 96, 3], classes: 1000 },
]

const padded = { padding: 'same' }
/**
 * Input, filter and options of conv2d; where forward would go by Winograd, its row is igemm's, and so is the
 * way back.
 */
const CLASSES = [
  ['3x3, 16 channels', [32, 32, 32, 16], [3, 3, 16, 16], { ...padded, algorithm: 'igemm' }],
  ['3x3, 64 channels', [8, 28, 28, 64], [3, 3, 64, 64], { ...padded, algorithm: 'igemm' }],
  ['3x3, 64 channels, Winograd', [8, 28, 28, 64], [3, 3, 64, 64], padded],
  ['3x3, 256 channels', [8, 14, 14, 256], [3, 3, 256, 256], { ...padded, algorithm: 'igemm' }],
  ['3x3, 64 to 128 channels, stride 2', [8, 28, 28, 64], [3, 3, 64, 128], { ...padded, stride: 2 }],
  ['5x5, 32 channels', [8, 28, 28, 32], [5, 5, 32, 32], padded],
  ['1x1, 64 to 256 channels', [8, 28, 28, 64], [1, 1, 64, 256], {}],
  ['1x1, 192 to 32 channels', [8, 28, 28, 192], [1, 1, 192, 32], {}],
  ['depthwise 3x3, 192 channels', [8, 28, 28, 192], [3, 3, 1, 192], { ...padded, groups: 192 }],
  [
    'depthwise 3x3, 144 channels, stride 2',
    [8, 28, 28, 144],
    [3, 3, 1, 144],
    { ...padded, groups: 144, stride: 2 },
  ],
  ['depthwise 5x5, 240 channels', [8, 14, 14, 240], [5, 5, 1, 240], { ...padded, groups: 240 }],
]

const numbers = (shape) =>
  Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => Math.random() - 0.5)

/**
 * Measures and prints. @param {{ simd?: string, threads?: number, peers?: boolean, budget?: number }} options
 * @returns {Promise<{ build: string, table: string }>} the build that ran, and the same as Markdown
 */
export async function benchTraining({ simd, threads = 1, peers, budget = 3000 }) {
  const [library, nn] = [await import('../dist/index.js'), await import('../dist/nn.js')]
  const counts = threads > 1 ? [1, threads] : [1]
  const lines = []
  const say = (line) => {
    console.log(line)
    lines.push(line)
  }

  const others = peers ? await openPeers() : []
  say(
    `| ${['a step of', 'batch', 'ms', ...counts.slice(1).map((count) => `${count} threads`), ...others.map(({ name }) => name)].join(' | ')} |`,
  )
  say(`| :-- | --: | --: |${' --: |'.repeat(counts.length - 1 + others.length)}`)
  for (const network of NETWORKS) {
    const own = []
    for (const count of counts) own.push(await stepOf(network, { library, nn }, { simd, threads: count }))
    const beside = network.peers
      ? await Promise.all(others.map(({ open }) => open({ n: network.input[0] })))
      : []
    const timings = await measure([...own.map(({ run }) => run), ...beside], { budget, rounds: [5, 301] })
    const cells = timings.map(({ ms }) => ms.toPrecision(3))
    say(
      `| ${network.name} | ${network.input[0]} | ${[...cells, ...others.slice(beside.length).map(() => '')].join(' | ')} |`,
    )
    for (const { engine } of own) engine.dispose()
  }

  say('')
  say('| GFLOP/s of one thread | forward | input gradient | filter gradient |')
  say('| :-- | --: | --: | --: |')
  const engine = await library.createEngine({ simd, threads: 1 })
  for (const [name, input, filter, options] of CLASSES) {
    const { runs, operations } = waysOf(engine, library, input, filter, options)
    const [forward, ...back] = (await measure(runs, { budget: budget / 3 })).map(
      ({ ms }) => operations / ms / 1e6,
    )
    say(
      `| ${name} | ${forward.toFixed(1)} | ${back.map((rate) => `${rate.toFixed(1)} (${Math.round((100 * rate) / forward)} %)`).join(' | ')} |`,
    )
  }
  engine.dispose()
  return { build: engine.simd, table: lines.join('\n') }
}

/** A network in an engine of its own, and a step of it. */
async function stepOf({ build, input, classes }, { library, nn }, options) {
  const engine = await library.createEngine(options)
  const model = build({ engine, library, nn })
  model.training = true
  const x = engine.tensor(numbers(input), input)
  const labels = Int32Array.from({ length: input[0] }, (_, i) => i % classes)
  const optimizer = nn.sgd(model.parameters, { learningRate: 1e-3, momentum: 0.9 })
  const run = () => {
    optimizer.step(
      nn.valueAndGradients(() => nn.crossEntropy(model.forward(x), labels), model.parameters).gradients,
    )
  }
  return { engine, run }
}

/** A layer forward, and each of its derivatives by itself: what the tape would call. */
function waysOf(engine, library, input, filter, options) {
  const [x, weights] = [input, filter].map((shape) => engine.tensor(numbers(shape), shape))
  let note
  engine.tape = {
    record: (_op, _y, _inputs, kept, backward) => (note = { kept, backward }),
    holds: () => false,
  }
  const y = library.conv2d(x, weights, options)
  engine.tape = undefined
  const dy = engine.tensor(numbers(y.shape), y.shape)
  const back = (argument) => () => note.backward(dy, note.kept)[argument]().dispose()
  const runs = [() => library.conv2d(x, weights, options).dispose(), back('x'), back('filter')]
  return { runs, operations: 2 * y.size * filter[0] * filter[1] * filter[2] }
}

async function openPeers() {
  const jax = await import('@jax-js/jax')
  const { jaxLenet } = await import('./peers/jax.mjs')
  const { tensorflow } = await import('./peers/tensorflow.mjs')
  const { tfjsLenet } = await import('./peers/tfjsTraining.mjs')
  const tf = await tensorflow(resolve('build/bench/tensorflow.cjs'))
  const { dependencies } = JSON.parse(readFileSync('bench/package.json', 'utf8'))
  return [
    { name: `tfjs-cpu ${tf.version_core}`, open: (size) => tfjsLenet(tf, size) },
    { name: `jax-js ${dependencies['@jax-js/jax']}`, open: (size) => jaxLenet(jax, size) },
  ]
}
