/**
 * The adding problem: of a hundred numbers read one by one, two are marked, and their sum is asked for at the
 * end. (Hochreiter & Schmidhuber, "Long short-term memory", 1997) What the plain network reads early its
 * derivatives do not reach; those with gates learn to keep it.
 */
import {
  adam,
  clipByGlobalNorm,
  cosine,
  Gru,
  Linear,
  Lstm,
  meanSquaredError,
  Random,
  Rnn,
  Sequential,
  valueAndGradients,
} from 'filterbank/nn'
import { integer } from './support/options.mjs'
import { writeCurves } from './support/plots.mjs'
import { progress } from './support/progress.mjs'
import { answersOf, writeOnnx } from './support/results.mjs'

export const about = 'two marked numbers of a hundred added: a plain RNN, an LSTM and a GRU'
export const options = {
  steps: integer('of learning', { fallback: 1200 }),
  length: integer('numbers of a sequence', { least: 2, fallback: 100 }),
  hidden: integer('units of each network', { fallback: 64 }),
}

const KINDS = { rnn: Rnn, lstm: Lstm, gru: Gru }
/** Sequences of a step, and such as are never learned from. */
const BATCH = 64
const UNSEEN = 1000

/** Sequences [count, length, 2] of numbers and marks, one in each half; and the sums of the marked. */
function sequences(count, length, random) {
  const inputs = new Float32Array(count * length * 2)
  const sums = new Float32Array(count)
  const half = length >> 1
  for (let i = 0; i < count; i++) {
    for (let t = 0; t < length; t++) inputs[(i * length + t) * 2] = random.next()
    const first = Math.floor(random.next() * half)
    const second = half + Math.floor(random.next() * (length - half))
    for (const t of [first, second]) {
      const at = (i * length + t) * 2
      inputs[at + 1] = 1
      sums[i] += inputs[at]
    }
  }
  return { inputs, sums }
}

/**
 * Units remember for 1 to `length` steps at first, each for another time. (Tallec & Ollivier, "Can recurrent
 * neural networks warp time?", 2018)
 */
function spreadMemories(name, [, , bias], { length, hidden }, random) {
  if (name === 'rnn') return
  const numbers = bias.toArray()
  for (let unit = 0; unit < hidden; unit++) {
    const span = Math.log(1 + random.next() * (length - 2))
    // Gates i f g o, and r z n.
    numbers[hidden + unit] = span
    if (name === 'lstm') numbers[unit] = -span
  }
  bias.set(numbers)
}

function network(engine, name, settings) {
  const { hidden, seed } = settings
  const random = Random.at(seed, 0, 1)
  const memory = new KINDS[name](engine, { inFeatures: 2, hidden, output: 'last', seed: random })
  spreadMemories(name, memory.parameters, settings, random)
  return new Sequential(
    memory,
    new Linear(engine, { inFeatures: hidden, outFeatures: 1, initial: 'glorot', seed: random }),
  )
}

/** The loss of a batch and its derivatives. */
function derivatives(engine, model, { inputs, sums }, length, parameters) {
  const targets = engine.tensor(sums, [sums.length, 1])
  const x = engine.tensor(inputs, [sums.length, length, 2])
  return valueAndGradients(() => meanSquaredError(model.forward(x), targets), parameters ?? [x])
}

/** Steps of learning, under other sequences each time; the losses. */
function learn(engine, name, model, { steps, length, seed }) {
  const random = Random.at(seed, 1, 1)
  const optimizer = adam(model.parameters, { learningRate: cosine(5e-3, { steps }) })
  const bar = progress(name, steps, { lines: 5 })
  const losses = []
  for (let step = 1; step <= steps; step++) {
    engine.scope(() => {
      const { value, gradients } = derivatives(
        engine,
        model,
        sequences(BATCH, length, random),
        length,
        model.parameters,
      )
      clipByGlobalNorm(gradients, 1)
      optimizer.step(gradients)
      losses.push(value)
    })
    bar.at(step, losses.at(-1))
  }
  bar.end()
  optimizer.dispose()
  return losses
}

/** The norm of the loss's derivatives with respect to what was read at each step. */
function reachOf(engine, model, batch, length) {
  const numbers = engine.scope(() => derivatives(engine, model, batch, length).gradients[0].toArray())
  const squares = new Float64Array(length)
  for (const [i, v] of numbers.entries()) squares[Math.floor(i / 2) % length] += v * v
  return Array.from(squares, Math.sqrt)
}

/** The mean of as many losses as there are points, one behind the other. */
function curveOf(losses, of) {
  const every = Math.max(1, Math.floor(losses.length / 40))
  const points = Math.floor(losses.length / every)
  return Array.from({ length: points }, (_, i) => {
    const part = losses.slice(i * every, (i + 1) * every)
    return { x: (i + 1) * every, y: part.reduce((a, b) => a + b) / every, of }
  })
}

/** Below it a norm is drawn as this: float32 holds little less. */
const LEAST = 1e-30

export async function run(engine, settings) {
  const { length, seed, out } = settings
  const unseen = sequences(UNSEEN, length, Random.at(seed, 2, 1))
  const shape = [length, 2]
  const result = {}
  const [curves, reaches] = [[], []]
  for (const name of Object.keys(KINDS)) {
    const model = network(engine, name, settings)
    const start = performance.now()
    const losses = learn(engine, name, model, settings)
    const seconds = (performance.now() - start) / 1000
    const answers = await answersOf(model, { inputs: unseen.inputs, shape })
    const error = answers.reduce((total, v, i) => total + (v - unseen.sums[i]) ** 2, 0) / UNSEEN
    result[name] = { error }
    console.log(
      `${name}: mean squared error ${error.toFixed(4)} on ${UNSEEN} unseen sequences. ${losses.length} steps in ${seconds.toFixed(1)} s.`,
    )
    curves.push(...curveOf(losses, name))
    const some = {
      inputs: unseen.inputs.subarray(0, BATCH * length * 2),
      sums: unseen.sums.subarray(0, BATCH),
    }
    for (const [t, norm] of reachOf(engine, model, some, length).entries())
      reaches.push({ x: t + 1, y: Math.log10(Math.max(LEAST, norm)), of: name })
    await writeOnnx(out, `${name}.onnx`, model, { inputs: some.inputs, shape }, 'the network')
    model.dispose()
  }
  const plain = { dots: false }
  writeCurves(
    out,
    'loss.svg',
    curves,
    { ...plain, label: 'mean squared error', x: 'step of learning' },
    'the losses',
  )
  const label = 'log10 of the norm of the derivatives'
  writeCurves(
    out,
    'gradients.svg',
    reaches,
    { ...plain, label, x: 'step of the sequence', zero: false },
    'how far back the derivatives of what was learned reach',
  )
  return result
}
