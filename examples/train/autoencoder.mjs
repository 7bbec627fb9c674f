/**
 * A convolutional autoencoder: convolutions down to a few numbers, transposed convolutions up to a picture
 * again.
 */
import {
  adam,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  cosine,
  fit,
  meanSquaredError,
  Random,
  Sequential,
} from 'filterbank/nn'
import { sheetOf } from './support/canvas.mjs'
import { chosenOf, meanPictureOf, pictureOptions, readPictures, someOfEach } from './support/data.mjs'
import { integer } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { answersOf, writeOnnx } from './support/results.mjs'
import { shapesData } from './support/shapes.mjs'

export const about = 'pictures squeezed into 128 numbers by convolutions, and made of them again'
const SAMPLES = 12_000
export const options = {
  ...pictureOptions(SAMPLES),
  epochs: integer('how often it sees them', { fallback: 8 }),
}

const BATCH = 50
/** Channels of the code: a picture of 784 numbers becomes 4 * 4 * CODE. */
const CODE = 8

/** [28, 28, 1] -> [14, 14, 16] -> [7, 7, 32] -> [4, 4, CODE], and the same way back. */
function network(engine, seed) {
  const random = new Random(seed)
  const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
  const half = { size: 4, stride: 2, padding: 1, bias: false, seed: random }
  const odd = { size: 3, stride: 2, padding: 1, seed: random }
  const encoder = new Sequential(
    new Conv2d(engine, { inChannels: 1, outChannels: 16, ...half }),
    norm(16),
    new Conv2d(engine, { inChannels: 16, outChannels: 32, ...half }),
    norm(32),
    new Conv2d(engine, { inChannels: 32, outChannels: CODE, ...odd }),
  )
  const decoder = new Sequential(
    new ConvTranspose2d(engine, { inChannels: CODE, outChannels: 32, ...odd, bias: false }),
    norm(32),
    new ConvTranspose2d(engine, { inChannels: 32, outChannels: 16, ...half }),
    norm(16),
    new ConvTranspose2d(engine, {
      inChannels: 16,
      outChannels: 1,
      size: 4,
      stride: 2,
      padding: 1,
      initial: 'glorot',
      seed: random,
    }),
  )
  return new Sequential(encoder, decoder)
}

/** The mean squared error of the mean of the pictures to learn from: what knows nothing of a picture. */
function meanPictureErrorOf(learn, test) {
  const mean = meanPictureOf(learn)
  return (
    test.pictures.reduce((total, v, i) => total + (v - mean[i % mean.length]) ** 2, 0) / test.pictures.length
  )
}

export async function run(engine, settings) {
  const { epochs, seed, out } = settings
  const { learn, test, classes } = readPictures(settings, shapesData, SAMPLES)
  const { shape } = learn
  const model = network(engine, seed)
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  const optimizer = adam(model.parameters, { learningRate: cosine(3e-3, { steps }) })
  const itself = ({ pictures }) => ({ inputs: pictures, shape, targets: pictures })
  const start = performance.now()
  const history = await fit(model, itself(learn), {
    optimizer,
    epochs,
    batchSize: BATCH,
    seed,
    loss: meanSquaredError,
    validation: itself(test),
    ...fitProgress('Learning', epochs),
  })
  const seconds = (performance.now() - start) / 1000
  const error = history.at(-1).validation.loss
  const meanPictureError = meanPictureErrorOf(learn, test)
  console.log(
    `A picture from ${16 * CODE} numbers is off by ${Math.sqrt(error).toFixed(3)} a pixel (of 0 to 1), the mean picture by ${Math.sqrt(meanPictureError).toFixed(3)}, after ${steps} steps in ${seconds.toFixed(1)} s.`,
  )

  const rows = []
  for (const chosen of someOfEach(test.labels, classes, 4)) {
    const inputs = chosenOf(test.pictures, shape, chosen)
    rows.push({ label: 'picture', pictures: inputs, space: rows.length ? 8 : 0 })
    rows.push({ label: 'from code', pictures: await answersOf(model, { inputs, shape }) })
  }
  const title = `Pictures of ${shape[0] * shape[1]} numbers, and what comes back from ${16 * CODE} numbers`
  writeSheet(
    out,
    'reconstructions.png',
    sheetOf(rows, { shape, title }),
    'pictures, and under each what came back from its code',
  )
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss, of: 'learning' },
    { x: epoch, y: validation.loss, of: 'testing' },
  ])
  writeCurves(out, 'autoencoder-loss.svg', points, { label: 'mean squared error' }, 'the loss')
  await writeOnnx(out, 'autoencoder.onnx', model, { inputs: rows[0].pictures, shape }, 'both halves')
  return { error, meanPictureError }
}
