/**
 * A variational autoencoder of convolutions whose code is a place in a plane: what the decoder makes of
 * places all over it, drawn as a map. (Kingma & Welling, "Auto-encoding variational Bayes", 2014)
 */
import { add, exp, mul, split, square, sub, sum } from 'filterbank'
import {
  adam,
  binaryCrossEntropy,
  Conv2d,
  ConvTranspose2d,
  cosine,
  fit,
  Layer,
  Random,
  Sequential,
} from 'filterbank/nn'
import { sheetOf } from './support/canvas.mjs'
import { chosenOf, meanPictureOf, pictureOptions, readPictures, someOfEach } from './support/data.mjs'
import { digitsData } from './support/digits.mjs'
import { integer } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves, writePlaces } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { answersOf, writeOnnx } from './support/results.mjs'

export const about = 'a plane of digits: a variational autoencoder, and a map of what its decoder makes'
const SAMPLES = 10_000
export const options = {
  ...pictureOptions(SAMPLES),
  epochs: integer('how often it sees them', { fallback: 12 }),
}

const BATCH = 100
/** Numbers of a code. */
const CODE = 2
/** The map goes from -REACH to REACH, where 97 % of the codes lie on each axis. */
const REACH = 2.2
const PLACES = 21

/** [28, 28, 1] -> [14, 14, 32] -> [7, 7, 64] -> 64 -> mean and log of variance of a code [1, 1, 2 * CODE]. */
function encoderOf(engine, random) {
  const conv = (inChannels, outChannels, options) =>
    new Conv2d(engine, { inChannels, outChannels, activation: 'relu', seed: random, ...options })
  const half = { size: 4, stride: 2, padding: 1 }
  return new Sequential(
    conv(1, 32, half),
    conv(32, 64, half),
    conv(64, 64, { size: 7 }),
    conv(64, 2 * CODE, { size: 1, activation: undefined, initial: 'glorot' }),
  )
}

/** A code [1, 1, CODE] -> 64 -> [7, 7, 64] -> [14, 14, 32] -> [28, 28, 1], logits. */
function decoderOf(engine, random) {
  const conv = (inChannels, outChannels, options) =>
    new ConvTranspose2d(engine, { inChannels, outChannels, activation: 'relu', seed: random, ...options })
  const twice = { size: 4, stride: 2, padding: 1 }
  return new Sequential(
    conv(CODE, 64, { size: 1 }),
    conv(64, 64, { size: 7 }),
    conv(64, 32, twice),
    conv(32, 1, { ...twice, activation: undefined, initial: 'glorot' }),
  )
}

/** x -> [logits of the picture, code]: the mean and the log of the variance of where it is in the plane. */
class VariationalAutoencoder extends Layer {
  constructor(engine, random) {
    super([], [], [random])
    this.random = random
    this.encoder = encoderOf(engine, random)
    this.decoder = decoderOf(engine, random)
  }

  /**
   * A place is mean + deviation * noise: written so, its derivatives with respect to both are those of a sum
   * and a product. (the reparameterisation trick)
   */
  forward(x) {
    const code = this.encoder.forward(x)
    const [mean, logVariance] = split(code, { parts: 2 })
    const noise = Float32Array.from({ length: mean.size }, () => this.random.normal())
    const deviation = exp(mul(logVariance, 0.5))
    const place = add(mean, mul(deviation, x.engine.tensor(noise, mean.shape)))
    return [this.decoder.forward(place), code]
  }
}

/** What pixels cost, in nats a picture: -log p(x | place). */
const reconstruction = ([logits], [pictures]) =>
  mul(binaryCrossEntropy(logits, pictures), logits.size / logits.shape[0])

/** What the place costs: how far normal(mean, variance) is from normal(0, 1). (their appendix B) */
function divergence([, code]) {
  const [mean, logVariance] = split(code, { parts: 2 })
  const terms = sub(add(square(mean), exp(logVariance)), add(logVariance, 1))
  return mul(sum(terms), 0.5 / code.shape[0])
}

/** The least that pictures cost without a code: each pixel as bright as it is in the mean. */
function costOfMeanPicture(learn, test) {
  const mean = meanPictureOf(learn)
  const most = (v) => Math.min(1 - 1e-4, Math.max(1e-4, v))
  const nats = test.pictures.reduce((total, v, i) => {
    const p = most(mean[i % mean.length])
    return total - v * Math.log(p) - (1 - v) * Math.log(1 - p)
  }, 0)
  return nats / test.labels.length
}

const logistic = (v) => 1 / (1 + Math.exp(-v))

/** The map: what the decoder makes of places in rows from the top left. */
async function mapOf(decoder) {
  const at = (i) => (REACH * (2 * i)) / (PLACES - 1) - REACH
  const places = Float32Array.from({ length: PLACES * PLACES * CODE }, (_, i) =>
    i % 2 ? -at(Math.floor(i / 2 / PLACES)) : at(Math.floor(i / 2) % PLACES),
  )
  const samples = { inputs: places, shape: [1, 1, CODE] }
  return { samples, pictures: (await answersOf(decoder, samples)).map(logistic) }
}

export async function run(engine, settings) {
  const { epochs, seed, out } = settings
  const { learn, test, classes } = readPictures(settings, digitsData, SAMPLES)
  const { shape } = learn
  const model = new VariationalAutoencoder(engine, new Random(seed))
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  // What codes are held against is normal(0, 1): mean 0, log of variance 0.
  const itself = ({ pictures, labels }) => ({
    inputs: pictures,
    shape,
    targets: [pictures, new Float32Array(labels.length * 2 * CODE)],
    targetShape: [shape, [1, 1, 2 * CODE]],
  })
  const start = performance.now()
  const history = await fit(model, itself(learn), {
    optimizer: adam(model.parameters, { learningRate: cosine(2e-3, { steps }) }),
    epochs,
    batchSize: BATCH,
    seed,
    loss: (outputs, targets) => add(reconstruction(outputs, targets), divergence(outputs)),
    metrics: { reconstruction, divergence },
    validation: itself(test),
    ...fitProgress('Learning', epochs),
  })
  const seconds = (performance.now() - start) / 1000
  const { loss, metrics } = history.at(-1).validation
  const meanPictureLoss = costOfMeanPicture(learn, test)
  console.log(
    `A picture costs ${loss.toFixed(1)} nats, ${metrics.divergence.toFixed(1)} of them for its place in the plane; ${meanPictureLoss.toFixed(1)} without. ${steps} steps in ${seconds.toFixed(1)} s.`,
  )

  const map = await mapOf(model.decoder)
  const size = shape[0] * shape[1]
  const rows = Array.from({ length: PLACES }, (_, i) => ({
    pictures: map.pictures.subarray(i * PLACES * size, (i + 1) * PLACES * size),
  }))
  const title = `A plane of digits: what the decoder makes of places from -${REACH} to ${REACH}`
  writeSheet(
    out,
    'plane.png',
    sheetOf(rows, { shape, title, scale: 2, gap: 0 }),
    'what the decoder makes of places all over the plane',
  )
  const codes = await answersOf(model.encoder, { inputs: test.pictures, shape })
  writePlaces(
    out,
    'codes.svg',
    Array.from(test.labels, (label, i) => ({ x: codes[4 * i], y: codes[4 * i + 1], of: classes[label] })),
    REACH,
    'where the encoder puts pictures that it never saw, by what they show',
  )
  const shown = []
  for (const chosen of someOfEach(test.labels, classes, 2)) {
    const inputs = chosenOf(test.pictures, shape, chosen)
    const places = (await answersOf(model.encoder, { inputs, shape })).filter((_, i) => i % 4 < CODE)
    const again = await answersOf(model.decoder, { inputs: places, shape: [1, 1, CODE] })
    shown.push({ label: 'picture', pictures: inputs, space: shown.length ? 8 : 0 })
    shown.push({ label: 'from place', pictures: again.map(logistic) })
  }
  writeSheet(
    out,
    'reconstructions.png',
    sheetOf(shown, { shape, title: 'Pictures, and what comes back from two numbers' }),
    'pictures, and under each what came back from its place',
  )
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss, of: 'learning' },
    { x: epoch, y: validation.loss, of: 'testing' },
    { x: epoch, y: validation.metrics.divergence, of: 'of it, place' },
  ])
  writeCurves(out, 'loss.svg', points, { label: 'nats a picture' }, 'the loss and a part of it')
  const inputs = test.pictures.subarray(0, 20 * size)
  await writeOnnx(
    out,
    'encoder.onnx',
    model.encoder,
    { inputs, shape },
    'picture to mean and log of variance',
  )
  await writeOnnx(out, 'decoder.onnx', model.decoder, map.samples, 'place to logits of a picture')
  return { loss, ...metrics, meanPictureLoss }
}
