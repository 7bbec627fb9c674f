/**
 * `npm run bench -- train`: steps of three networks, and backward through each class of layers beside its
 * way forward.
 */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import * as library from '../src/index.js'
import * as nn from '../src/nn/index.js'
import { conv2dOptions, operations, type Problem, parseLines, sizeOf } from './cases.js'
import { featuresOf } from './compare.js'
import { type Learner, lenet, mobilenetV2, resnet20 } from './learners.js'
import { driftMark, type Measured, measure, type Run } from './measure.js'

interface Trained {
  name: string
  build: Learner
  input: [n: number, height: number, width: number, channels: number]
  classes: number
  /** Whether the peers train it too. */
  peers?: boolean
}

const NETWORKS: Trained[] = [
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

/** Where forward would go by Winograd, a row is igemm's, and so is backward. */
const CLASSES = parseLines(`
n32 i32x32x16 o16 k3 p1 igemm         # 3x3, 16 channels
n8 i28x28x64 o64 k3 p1 igemm          # 3x3, 64 channels
n8 i28x28x64 o64 k3 p1                # 3x3, 64 channels, Winograd
n8 i14x14x256 o256 k3 p1 igemm        # 3x3, 256 channels
n8 i28x28x64 o128 k3 s2 p1            # 3x3, 64 to 128 channels, stride 2
n8 i28x28x32 o32 k5 p2 igemm          # 5x5, 32 channels
n8 i28x28x64 o256 k1                  # 1x1, 64 to 256 channels
n8 i28x28x192 o32 k1                  # 1x1, 192 to 32 channels
n8 i28x28x192 o192 k3 p1 g192         # depthwise 3x3, 192 channels
n8 i28x28x144 o144 k3 s2 p1 g144      # depthwise 3x3, 144 channels, stride 2
n8 i14x14x240 o240 k5 p2 g240         # depthwise 5x5, 240 channels`)

const numbers = (shape: readonly number[]) =>
  Float32Array.from({ length: sizeOf(shape) }, () => Math.random() - 0.5)

/** Measures and prints; gives the build that ran, and the same as Markdown. */
export async function benchTraining({
  simd,
  threads = 1,
  peers,
  budget = 3000,
}: Measured): Promise<{ build: string; features: string; table: string }> {
  const counts = threads > 1 ? [1, threads] : [1]
  const lines: string[] = []
  const say = (line: string) => {
    console.log(line)
    lines.push(line)
  }

  const others = peers ? await openPeers() : []
  say(
    `| ${['a step of', 'batch', 'ms (least)', ...counts.slice(1).map((count) => `${count} threads`), ...others.map(({ name }) => name)].join(' | ')} |`,
  )
  say(`| :-- | --: | --: |${' --: |'.repeat(counts.length - 1 + others.length)}`)
  for (const network of NETWORKS) {
    const own = []
    for (const count of counts) own.push(await stepOf(network, { simd, threads: count }))
    const beside = network.peers
      ? await Promise.all(others.map(({ open }): Run | Promise<Run> => open(network.input[0])))
      : []
    const timings = await measure([...own.map(({ run }) => run), ...beside], { budget, rounds: [5, 301] })
    const cells = timings.map(
      (timing, i) =>
        timing.ms.toPrecision(3) + (i ? driftMark(timings[0], timing) : ` (${timing.min.toPrecision(3)})`),
    )
    say(
      `| ${network.name} | ${network.input[0]} | ${[...cells, ...others.slice(beside.length).map(() => '')].join(' | ')} |`,
    )
    for (const { engine } of own) engine.dispose()
  }

  say('')
  say('| GFLOP/s of one thread | forward | input gradient | filter gradient |')
  say('| :-- | --: | --: | --: |')
  const engine = await library.createEngine({ simd, threads: 1 })
  for (const layer of CLASSES) {
    const { runs, outputs } = waysOf(engine, layer)
    const [forward, ...back] = (await measure(runs, { budget: budget / 3 })).map(
      ({ ms }) => operations(layer, outputs) / ms / 1e6,
    ) as [number, ...number[]]
    say(
      `| ${layer.names[0]} | ${forward.toFixed(1)} | ${back.map((rate) => `${rate.toFixed(1)} (${Math.round((100 * rate) / forward)} %)`).join(' | ')} |`,
    )
  }
  engine.dispose()
  return { build: engine.simd, features: featuresOf(await library.diagnose()), table: lines.join('\n') }
}

/** A network in an engine of its own, and a step of it. */
async function stepOf({ build, input, classes }: Trained, options: library.EngineOptions) {
  const engine = await library.createEngine(options)
  const model = build(engine)
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
function waysOf(engine: library.Engine, layer: Problem): { runs: Run[]; outputs: number } {
  const [x, weights] = [layer.input, layer.filter!].map((shape) => engine.tensor(numbers(shape), shape)) as [
    library.Tensor,
    library.Tensor,
  ]
  const options = conv2dOptions(layer)
  let backward: ((dy: library.Tensor) => Record<string, () => library.Tensor>) | undefined
  engine.tape = {
    record(_op, _y, _inputs, kept, derivatives) {
      backward = (dy) => derivatives(dy, kept) as Record<string, () => library.Tensor>
    },
    recordAll() {},
    holds: () => false,
  }
  const y = library.conv2d(x, weights, options)
  engine.tape = undefined
  const dy = engine.tensor(numbers(y.shape), y.shape)
  const back = (argument: string) => () => backward!(dy)[argument]!().dispose()
  const runs = [() => library.conv2d(x, weights, options).dispose(), back('x'), back('filter')]
  return { runs, outputs: y.size }
}

async function openPeers() {
  const jax = await import('@jax-js/jax')
  const { jaxLenet } = await import('./peers/jax.js')
  const { tensorflow } = await import('./peers/tensorflow.js')
  const { tfjsLenet } = await import('./peers/tfjsTraining.js')
  const tf = await tensorflow(resolve('build/bench/tensorflow.cjs'), resolve('bench'))
  const { dependencies } = JSON.parse(readFileSync('bench/package.json', 'utf8'))
  return [
    { name: `tfjs-cpu ${tf.version_core}`, open: (n: number) => tfjsLenet(tf, n) },
    { name: `jax-js ${dependencies['@jax-js/jax']}`, open: (n: number) => jaxLenet(jax, n) },
  ]
}
