/**
 * Which of 48 languages 64 characters are in, told by a network that reads them: one with gates, one of
 * convolutions, or one that looks where it learned to. It learns from some articles of the declaration of
 * human rights in each language and is tested with others.
 */
import { matmul, softmax, transpose } from 'filterbank'
import {
  adamW,
  Conv1d,
  confusionMatrix,
  cosine,
  Dropout,
  Embedding,
  fit,
  Gru,
  Layer,
  Linear,
  Lstm,
  MaxPool1d,
  PositionalEncoding,
  predict,
  Random,
  Reshape,
  Sequential,
  TransformerBlock,
  warmUp,
} from 'filterbank/nn'
import { forgetting, LANGUAGES, LENGTH, readSnippets } from './support/languages.mjs'
import { choice, integer } from './support/options.mjs'
import { writeConfusion, writeCurves, writeTexts } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { writeOnnx } from './support/results.mjs'

const BATCH = 64
/** Numbers of a character, and of what is made of it. */
const FEATURES = 32
const DROPOUT = 0.3
/** Share of characters that are left out while it learns. */
const FORGOTTEN = 0.03
/** Length of a convolution's window. */
const WINDOW = 5
/** Windows that a filter is shown with. */
const SHOWN = 7

/** Characters as vectors, what a network makes of them, and a score for each language. */
class Reader extends Layer {
  /** @param width numbers of what `read` gives of a snippet */
  constructor(engine, { count, width, seed }) {
    super()
    this.signs = new Embedding(engine, { count, features: FEATURES, seed, initial: 'uniform' })
    this.dropout = new Dropout({ rate: DROPOUT })
    this.score = new Linear(engine, {
      inFeatures: width,
      outFeatures: LANGUAGES.length,
      initial: 'glorot',
      seed,
    })
  }

  /** Characters [n, length] -> scores [n, languages]. */
  forward(x) {
    return x.engine.scope(() => this.score.forward(this.dropout.forward(this.read(this.signs.forward(x)))))
  }
}

/** [n, length, features] -> the greatest of each feature, [n, features]. */
const mostOf = (length, features) => new Sequential(new MaxPool1d({ size: length }), new Reshape([features]))

/** States with gates from left to right; what counts is the most that each unit ever was. */
class RecurrentReader extends Reader {
  static title = 'How sure of the right language it is, the farther it reads'

  constructor(engine, { kind, hidden, ...rest }) {
    super(engine, { ...rest, width: hidden })
    this.memory = new kind(engine, { inFeatures: FEATURES, hidden, seed: rest.seed })
    this.most = mostOf(LENGTH, hidden)
  }

  read(signs) {
    return this.most.forward(this.memory.forward(signs))
  }

  /** What it would say of the right one after each character. */
  rowsOf({ inputs, labels }, letters) {
    const { engine } = this.score.parameters[0]
    const shares = engine.scope(() => {
      const states = this.memory.forward(this.signs.forward(engine.tensor(inputs, [labels.length, LENGTH])))
      const [n, , hidden] = states.shape
      const most = states.toArray()
      for (let i = 0; i < most.length; i++)
        if (i % (LENGTH * hidden) >= hidden) most[i] = Math.max(most[i], most[i - hidden])
      return softmax(this.score.forward(engine.tensor(most, [n * LENGTH, hidden]))).toArray()
    })
    const count = LANGUAGES.length
    return Array.from(labels, (label, i) => ({
      label: LANGUAGES[label].name,
      letters: lettersOf(inputs, i, letters),
      shares: Array.from({ length: LENGTH }, (_, t) => shares[(i * LENGTH + t) * count + label]),
    }))
  }
}

/** A transformer's block; then a look at all places at once, with weights that the vectors there ask for. */
class AttentionReader extends Reader {
  static title = 'What it looks at to tell: the darker, the more'

  constructor(engine, { features, ...rest }) {
    super(engine, { ...rest, width: features })
    const { seed } = rest
    this.neighbours = new Conv1d(engine, {
      inChannels: FEATURES,
      outChannels: features,
      size: 3,
      padding: 'same',
      seed,
    })
    this.places = new PositionalEncoding(engine, { features, length: LENGTH, learned: true, seed })
    this.block = new TransformerBlock(engine, { features, heads: 4, dropout: 0.1, seed })
    this.look = new Linear(engine, { inFeatures: features, outFeatures: 1, initial: 'glorot', seed })
  }

  /** Vectors of the places [n, length, features], and the shares [n, 1, length] that are looked at. */
  looks(signs) {
    const vectors = this.block.forward(this.places.forward(this.neighbours.forward(signs)))
    return { vectors, shares: softmax(transpose(this.look.forward(vectors), [0, 2, 1])) }
  }

  read(signs) {
    const { vectors, shares } = this.looks(signs)
    return matmul(shares, vectors).reshape([-1, vectors.shape[2]])
  }

  /** Shares by the greatest of their snippet. */
  rowsOf({ inputs, labels }, letters) {
    const { engine } = this.score.parameters[0]
    const all = engine.scope(() =>
      this.looks(this.signs.forward(engine.tensor(inputs, [labels.length, LENGTH]))).shares.toArray(),
    )
    return Array.from(labels, (label, i) => {
      const shares = all.subarray(i * LENGTH, (i + 1) * LENGTH)
      const most = Math.max(...shares)
      return {
        label: LANGUAGES[label].name,
        letters: lettersOf(inputs, i, letters),
        shares: Array.from(shares, (v) => v / most),
      }
    })
  }
}

/** Filters that fire on groups of characters, wherever they stand. */
class ConvReader extends Reader {
  static title = 'What the filter that speaks most for a language fires on'

  constructor(engine, { filters, ...rest }) {
    super(engine, { ...rest, width: filters })
    this.conv = new Conv1d(engine, {
      inChannels: FEATURES,
      outChannels: filters,
      size: WINDOW,
      activation: 'relu',
      seed: rest.seed,
    })
    this.most = mostOf(LENGTH - WINDOW + 1, filters)
  }

  read(signs) {
    return this.most.forward(this.conv.forward(signs))
  }

  /** Windows of each language that its filter answers to most, and what each character adds to that. */
  rowsOf({ labels }, letters, all) {
    const { engine } = this.score.parameters[0]
    const [filter, signs, weight] = [this.conv, this.signs, this.score].map((layer) =>
      layer.parameters[0].toArray(),
    )
    const filters = this.score.parameters[0].shape[0]
    const count = all.labels.length
    const answers = engine.scope(() =>
      this.conv.forward(this.signs.forward(engine.tensor(all.inputs, [count, LENGTH]))).toArray(),
    )
    const places = LENGTH - WINDOW + 1
    const at = (sample, place, k) => answers[(sample * places + place) * filters + k]
    const greatest = (sample, k) => {
      let most = 0
      for (let place = 0; place < places; place++) most = Math.max(most, at(sample, place, k))
      return most
    }
    // What one character adds to what the filter says.
    const adds = (k, tap, sign) => {
      let sum = 0
      for (let c = 0; c < FEATURES; c++)
        sum += filter[(tap * FEATURES + c) * filters + k] * signs[sign * FEATURES + c]
      return sum
    }
    return Array.from(labels, (label) => {
      const own = [...all.labels.keys()].filter((i) => all.labels[i] === label)
      // How much more for this language than for all in the mean.
      const speaks = Array.from({ length: filters }, (_, k) => {
        const row = weight.subarray(k * LANGUAGES.length, (k + 1) * LANGUAGES.length)
        const more = row[label] - row.reduce((sum, v) => sum + v, 0) / row.length
        return more * own.reduce((sum, i) => sum + greatest(i, k), 0)
      })
      const k = speaks.indexOf(Math.max(...speaks))
      const found = new Map()
      for (const i of own) {
        for (let place = 0; place < places; place++) {
          const window = all.inputs.subarray(i * LENGTH + place, i * LENGTH + place + WINDOW)
          found.set(window.join(), { window, answer: at(i, place, k) })
        }
      }
      const shown = [...found.values()].sort((a, b) => b.answer - a.answer).slice(0, SHOWN)
      const shares = shown.map(({ window }) => Array.from(window, (sign, tap) => adds(k, tap, sign)))
      const most = Math.max(...shares.flat())
      return {
        label: `${LANGUAGES[label].name}, filter ${k + 1}`,
        letters: shown.flatMap(({ window }) => [...lettersOf(window, 0, letters, WINDOW), '', '']),
        shares: shares.flatMap((row) => [...row.map((v) => Math.max(0, v / most)), 0, 0]),
      }
    })
  }
}

const lettersOf = (inputs, sample, letters, length = LENGTH) =>
  Array.from(inputs.subarray(sample * length, (sample + 1) * length), (sign) => letters[sign])

/** What reads, by name, and how fast it learns at most. */
const READERS = {
  gru: {
    rate: 1e-2,
    make: (engine, given) => new RecurrentReader(engine, { ...given, kind: Gru, hidden: 128 }),
  },
  lstm: {
    rate: 1e-2,
    make: (engine, given) => new RecurrentReader(engine, { ...given, kind: Lstm, hidden: 128 }),
  },
  attention: { rate: 4e-3, make: (engine, given) => new AttentionReader(engine, { ...given, features: 64 }) },
  conv: { rate: 4e-3, make: (engine, given) => new ConvReader(engine, { ...given, filters: 256 }) },
}

export const about = 'which of 48 languages a snippet is in: a GRU, an LSTM, attention or convolutions'
export const options = {
  model: choice('what reads', Object.keys(READERS)),
  snippets: integer('to learn from at most, by default all', { least: 100 }),
  epochs: integer('how often it sees all snippets', { fallback: 4 }),
}

export async function run(engine, { model: kind, snippets, epochs, seed, out }) {
  const { letters, learn, test } = readSnippets(snippets)
  console.log(
    `${learn.labels.length} snippets of ${LANGUAGES.length} languages to learn from, ${test.labels.length} to test with, ${letters.length} different characters`,
  )
  const model = READERS[kind].make(engine, { count: letters.length, seed: new Random(seed) })
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  const history = await fit(model, learn, {
    optimizer: adamW(model.parameters, {
      learningRate: warmUp(cosine(READERS[kind].rate, { steps }), { steps: Math.ceil(steps / 20) }),
      weightDecay: 0.01,
    }),
    epochs,
    batchSize: BATCH,
    seed,
    augment: [forgetting(FORGOTTEN)],
    validation: test,
    clipNorm: 1,
    ...fitProgress('Learning', epochs),
  })
  const answers = await predict(model, test, { batchSize: BATCH })
  const matrix = confusionMatrix(answers, test.labels)
  answers.dispose()
  const { accuracy } = matrix
  console.log(`It tells ${(100 * accuracy).toFixed(1)} % of ${test.labels.length} snippets that it never saw`)

  const names = LANGUAGES.map(({ name }) => name)
  const counts = names.map((_, label) =>
    matrix.counts.subarray(label * names.length, (label + 1) * names.length),
  )
  writeConfusion(out, 'confusion.svg', counts, names, 'which languages are taken for which')
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss, of: 'learning' },
    { x: epoch, y: validation.loss, of: 'testing' },
  ])
  writeCurves(out, 'loss.svg', points, { label: 'cross entropy' }, 'the loss')
  const firsts = names.map((_, label) => test.labels.indexOf(label))
  const some = {
    inputs: Float32Array.from(
      firsts.flatMap((at) => Array.from(test.inputs.subarray(at * LENGTH, (at + 1) * LENGTH))),
    ),
    labels: firsts.map((_, label) => label),
  }
  writeTexts(
    out,
    'reading.svg',
    model.rowsOf(some, letters, test),
    { title: model.constructor.title },
    'what in a snippet of each language counts',
  )
  await writeOnnx(out, `${kind}.onnx`, model, { inputs: some.inputs, shape: [LENGTH] }, 'the network')
  return { accuracy, languages: LANGUAGES.length, model: kind }
}
