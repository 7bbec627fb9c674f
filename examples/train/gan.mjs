/**
 * Two networks against each other: a generator makes pictures of noise and a class, a discriminator tells
 * them from those that it is to imitate. (Goodfellow et al., "Generative adversarial nets", 2014; of
 * convolutions as Radford et al., 2016; with classes as Miyato & Koyama, 2018)
 *
 * What keeps them in balance: spectral normalisation of the discriminator (Miyato et al., 2018), the hinge
 * loss, two rates (Heusel et al., 2017), and pictures made by the mean of the generator's last weights
 * (Yazıcı et al., 2019).
 */
import { add, mean, mul, neg, relu, sub, sum } from 'filterbank'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  cosine,
  evaluate,
  Flatten,
  fit,
  Linear,
  MaxPool2d,
  Random,
  Sequential,
  SpectralNorm,
  shift,
  valueAndGradients,
} from 'filterbank/nn'
import { sheetOf } from './support/canvas.mjs'
import { chosenOf, pictureOptions, readPictures } from './support/data.mjs'
import { digitsData } from './support/digits.mjs'
import { integer } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves } from './support/plots.mjs'
import { fitProgress, progress } from './support/progress.mjs'
import { answersOf, writeOnnx } from './support/results.mjs'

export const about = 'digits made of noise by a generator against a discriminator, and judged by a classifier'
const SAMPLES = 10_000
export const options = {
  ...pictureOptions(SAMPLES),
  steps: integer('of both networks', { fallback: 1200 }),
}

const BATCH = 64
/** Numbers that a picture is made of. */
const NOISE = 64
/** Pictures that are judged, and how sure the classifier has to be. */
const JUDGED = 200
const SURE = 0.9

/** Noise and class [1, 1, NOISE + classes] -> [7, 7, 64] -> [14, 14, 32] -> [28, 28, 1], from -1 to 1. */
function generatorOf(engine, classes, random) {
  const conv = (inChannels, outChannels, options) =>
    new ConvTranspose2d(engine, { inChannels, outChannels, bias: false, seed: random, ...options })
  const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
  const twice = { size: 4, stride: 2, padding: 1 }
  return new Sequential(
    conv(NOISE + classes, 64, { size: 7 }),
    norm(64),
    conv(64, 32, twice),
    norm(32),
    conv(32, 1, { ...twice, bias: true, activation: 'tanh', initial: 'glorot' }),
  )
}

/** [28, 28, 1] -> [14, 14, 32] -> [7, 7, 64] -> [1, 1, classes]: above 0 for what looks like a real one of a class. */
function discriminatorOf(engine, classes, random) {
  const conv = (inChannels, outChannels, options) =>
    new SpectralNorm(new Conv2d(engine, { inChannels, outChannels, seed: random, ...options }), {
      seed: random,
    })
  const half = { size: 4, stride: 2, padding: 1, activation: 'leakyRelu' }
  return new Sequential(conv(1, 32, half), conv(32, 64, half), conv(64, classes, { size: 7 }))
}

/** Pictures that show no class: quarters of four of them, or grey of any brightness under noise. */
function scraps({ inputs, shape: [h, w], labels }, count, random) {
  const some = new Float32Array(count * h * w)
  for (let i = 0; i < count; i++) {
    const four = Array.from({ length: 4 }, () => Math.floor(random.next() * labels.length))
    const [grey, noise] = [2 * random.next() - 1, 0.5 * random.next()]
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        const quarter = 2 * Number(y >= h / 2) + Number(x >= w / 2)
        some[(i * h + y) * w + x] =
          i % 2 ? inputs[(four[quarter] * h + y) * w + x] : grey + noise * random.normal()
      }
    }
  }
  return some
}

/**
 * Knows the real pictures; of scraps it is to say that they might be anything, since who never saw such is
 * sure of nonsense too. (Hendrycks et al., "Deep anomaly detection with outlier exposure", 2019)
 */
async function judgeOf(engine, { learn, test, classes }, seed) {
  const { shape, labels } = learn
  const random = new Random(seed)
  const conv = (inChannels, outChannels) =>
    new Conv2d(engine, { inChannels, outChannels, size: 3, padding: 1, bias: false, seed: random })
  const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
  const pool = () => new MaxPool2d({ size: 2 })
  const judge = new Sequential(
    ...[conv(1, 16), norm(16), pool(), conv(16, 32), norm(32), pool(), new Flatten()],
    new Linear(engine, { inFeatures: 7 * 7 * 32, outFeatures: classes.length, seed: random }),
  )
  const others = scraps(learn, Math.floor(labels.length / 5), random)
  const inputs = new Float32Array(learn.inputs.length + others.length)
  inputs.set(learn.inputs)
  inputs.set(others, learn.inputs.length)
  const targets = new Float32Array((inputs.length / (shape[0] * shape[1])) * classes.length)
  targets.set(oneHot(labels, classes.length))
  targets.fill(1 / classes.length, labels.length * classes.length)
  const [epochs, batchSize] = [3, 32]
  const steps = epochs * Math.ceil((labels.length * 1.2) / batchSize)
  const optimizer = adam(judge.parameters, { learningRate: cosine(3e-3, { steps }) })
  const told = fitProgress('The judge', epochs)
  await fit(
    judge,
    { inputs, shape, targets, targetShape: [classes.length] },
    { optimizer, epochs, batchSize, seed, augment: [shift({ pixels: 2, fill: -1 })], ...told },
  )
  optimizer.dispose()
  return { judge, accuracy: (await evaluate(judge, test)).accuracy }
}

/** What the judge says of each of some pictures: the class on top, and its probability. */
async function judged(judge, inputs, shape, classes) {
  const logits = await answersOf(judge, { inputs, shape })
  return Array.from({ length: logits.length / classes.length }, (_, i) => {
    const row = logits.subarray(i * classes.length, (i + 1) * classes.length)
    const most = Math.max(...row)
    return { top: row.indexOf(most), sure: 1 / row.reduce((total, v) => total + Math.exp(v - most), 0) }
  })
}

const rateOf = (verdicts) => verdicts.filter(({ sure }) => sure >= SURE).length / verdicts.length

/** Labels as rows of numbers, 1 at the label. */
function oneHot(labels, classes) {
  const rows = new Float32Array(labels.length * classes)
  labels.forEach((label, i) => {
    rows[i * classes + label] = 1
  })
  return rows
}

/** What pictures are made of: noise, and the class asked for. */
function seedsOf(labels, classes, random) {
  const each = NOISE + classes
  return Float32Array.from({ length: labels.length * each }, (_, i) =>
    i % each < NOISE ? random.normal() : Number((i % each) - NOISE === labels[Math.floor(i / each)]),
  )
}

/** Real pictures, a batch at a time, in another order each time through them. */
function* batchesOf({ inputs, shape, labels }, random) {
  while (true) {
    const order = random.shuffled(labels.length)
    for (let at = 0; at + BATCH <= order.length; at += BATCH) {
      const chosen = order.subarray(at, at + BATCH)
      yield { real: chosenOf(inputs, shape, chosen), labels: Int32Array.from(chosen, (i) => labels[i]) }
    }
  }
}

/** The mean over the last steps of what a model has learned, as a model of its own. */
function follow(average, model, keep) {
  const { engine } = model.parameters[0]
  const [to, from] = [average, model].map(({ parameters, state }) => [...parameters, ...state])
  to.forEach((tensor, i) => {
    engine.scope(() => {
      add(mul(tensor, keep), mul(from[i], 1 - keep), { out: tensor })
    })
  })
}

/** One step of each network. */
function stepper(generator, discriminator, { seed, shape, steps, classes }) {
  const { engine } = generator.parameters[0]
  const rate = (learningRate) => ({ learningRate: cosine(learningRate, { steps }), beta1: 0, beta2: 0.9 })
  const optimizers = [adam(generator.parameters, rate(1e-3)), adam(discriminator.parameters, rate(2e-3))]
  const random = Random.at(seed, 2)
  return ({ real, labels }) =>
    engine.scope(() => {
      const asked = engine.tensor(oneHot(labels, classes), [BATCH, 1, 1, classes])
      const made = () => {
        const seeds = seedsOf(labels, classes, random)
        return generator.forward(engine.tensor(seeds, [BATCH, 1, 1, NOISE + classes]))
      }
      // How much it looks like a real one of its class.
      const score = (pictures) => sum(mul(discriminator.forward(pictures), asked), { axes: [1, 2, 3] })
      const [pictures, fakes] = [engine.tensor(real, [BATCH, ...shape]), made()]
      const told = valueAndGradients(
        () => add(mean(relu(sub(1, score(pictures)))), mean(relu(add(1, score(fakes))))),
        discriminator.parameters,
      )
      optimizers[1].step(told.gradients)
      const fooled = valueAndGradients(() => neg(mean(score(made()))), generator.parameters)
      optimizers[0].step(fooled.gradients)
      return { discriminator: told.value, generator: fooled.value }
    })
}

export async function run(engine, settings) {
  const { steps, seed, out } = settings
  const { classes, ...parts } = readPictures(settings, digitsData, SAMPLES)
  // As the generator's tanh gives them: from -1 to 1.
  const [learn, test] = [parts.learn, parts.test].map((part) => ({
    ...part,
    inputs: part.pictures.map((v) => 2 * v - 1),
  }))
  const { shape } = learn
  const { judge, accuracy } = await judgeOf(engine, { learn, test, classes }, seed)
  console.log(`The judge knows ${(100 * accuracy).toFixed(2)} % of the test pictures.`)

  const generator = generatorOf(engine, classes.length, new Random(seed))
  const average = generatorOf(engine, classes.length, new Random(seed))
  const discriminator = discriminatorOf(engine, classes.length, Random.at(seed, 1))
  generator.training = true
  discriminator.training = true
  const step = stepper(generator, discriminator, { seed, shape, steps, classes: classes.length })
  const random = Random.at(seed, 3)
  const asked = Int32Array.from({ length: JUDGED }, (_, i) => i % classes.length)
  const seeds = seedsOf(asked, classes.length, random)
  const seedShape = [1, 1, NOISE + classes.length]
  const made = () => answersOf(average, { inputs: seeds, shape: seedShape })
  const size = shape[0] * shape[1]
  const shown = (inputs) => inputs.map((v) => (v + 1) / 2)
  const rows = [{ label: 'step 0', pictures: shown((await made()).subarray(0, 10 * size)) }]
  const untrainedRate = rateOf(await judged(judge, await made(), shape, classes))

  const bar = progress('Learning', steps)
  const losses = []
  const start = performance.now()
  const batches = batchesOf(learn, random)
  for (let done = 1; done <= steps; done++) {
    const loss = step(batches.next().value)
    follow(average, generator, Math.min(0.99, 1 - 1 / done))
    bar.at(done, loss.discriminator)
    losses.push(loss)
    const told = [0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1].some((share) => done === Math.round(share * steps))
    if (told) rows.push({ label: `step ${done}`, pictures: shown((await made()).subarray(0, 10 * size)) })
  }
  bar.end()
  const seconds = (performance.now() - start) / 1000

  const pictures = await made()
  const verdicts = await judged(judge, pictures, shape, classes)
  const judgedRate = rateOf(verdicts)
  const sure = [...verdicts.keys()].filter((i) => verdicts[i].sure >= SURE)
  const classesSeen = new Set(sure.map((i) => verdicts[i].top)).size
  const rightRate = sure.filter((i) => verdicts[i].top === asked[i]).length / JUDGED
  const realRate = rateOf(await judged(judge, test.inputs, shape, classes))
  const percent = (share) => `${(100 * share).toFixed(1)} %`
  console.log(
    `Of ${JUDGED} pictures made of noise the judge is sure of ${percent(judgedRate)}, in ${classesSeen} of ${classes.length} classes, and reads ${percent(rightRate)} as what was asked for (it is sure of ${percent(realRate)} of real ones, of ${percent(untrainedRate)} before learning). ${steps} steps in ${seconds.toFixed(1)} s.`,
  )
  writeSheet(
    out,
    'samples.png',
    sheetOf(rows, {
      shape,
      title: 'What the generator makes of the same noise while it learns',
      columns: classes,
    }),
    'pictures of the same noise, step by step',
  )
  const sorted = classes.map((name, k) => {
    const all = [...asked.keys()].filter((i) => asked[i] === k)
    return { label: name, pictures: shown(chosenOf(pictures, shape, all.slice(0, 16))) }
  })
  const doubtful = [...asked.keys()].filter((i) => verdicts[i].sure < SURE || verdicts[i].top !== asked[i])
  const worst = shown(chosenOf(pictures, shape, doubtful.slice(0, 16)))
  if (doubtful.length > 0) sorted.push({ label: 'doubted', pictures: worst, space: 8 })
  writeSheet(
    out,
    'judged.png',
    sheetOf(sorted, {
      shape,
      title: `Made of noise, by the digit asked for: the judge is sure of ${percent(judgedRate)}`,
    }),
    'pictures made of noise by class, and those that the judge doubts',
  )
  const every = Math.max(1, Math.floor(steps / 100))
  const points = losses.flatMap((loss, i) =>
    i % every ? [] : Object.entries(loss).map(([of, y]) => ({ x: i + 1, y, of })),
  )
  writeCurves(out, 'loss.svg', points, { label: 'hinge loss', x: 'step', dots: false }, 'the losses of both')
  const inputs = seeds.subarray(0, 20 * (NOISE + classes.length))
  await writeOnnx(
    out,
    'generator.onnx',
    average,
    { inputs, shape: seedShape },
    'noise and class to a picture',
  )
  return { judgedRate, classesSeen, rightRate, realRate, untrainedRate }
}
