/**
 * Noise taken off pictures: a network that says what of a picture is noise, which is subtracted. (Zhang et
 * al., "Beyond a Gaussian denoiser", 2017; here with a look around at half the size)
 */
import { gaussianBlur } from 'filterbank/image'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  cosine,
  fit,
  meanSquaredError,
  Random,
  Residual,
} from 'filterbank/nn'
import { sheetOf } from './support/canvas.mjs'
import { chosenOf, pictureOptions, readPictures, someOfEach } from './support/data.mjs'
import { digitsData } from './support/digits.mjs'
import { integer, number } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { answersOf, writeOnnx } from './support/results.mjs'

export const about = 'noise taken off pictures by a residual network, beside the best blur'
const SAMPLES = 8000
export const options = {
  ...pictureOptions(SAMPLES),
  epochs: integer('how often it sees them, under other noise each time', { fallback: 6 }),
  noise: number('standard deviation of the noise, where black is 0 and white 1', { fallback: 0.5 }),
}

const BATCH = 50

/** x [n, h, w, 1] -> x - noise, through [h / 2, w / 2, 48]. */
function network(engine, seed) {
  const random = new Random(seed)
  const conv = (inChannels, outChannels, stride = 1) =>
    new Conv2d(engine, { inChannels, outChannels, size: 3, stride, padding: 1, bias: false, seed: random })
  const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
  return new Residual(
    ...[conv(1, 24), norm(24)],
    ...[conv(24, 48, 2), norm(48), conv(48, 48), norm(48)],
    new ConvTranspose2d(engine, {
      ...{ inChannels: 48, outChannels: 24, size: 4, stride: 2, padding: 1, bias: false, seed: random },
    }),
    norm(24),
    new Conv2d(engine, {
      inChannels: 24,
      outChannels: 1,
      size: 3,
      padding: 1,
      initial: 'glorot',
      seed: random,
    }),
  )
}

const noisier = (noise) => (sample, _shape, random) => sample.map((v) => v + noise * random.normal())

function meanSquare(a, b) {
  return a.reduce((total, v, i) => total + (v - b[i]) ** 2, 0) / a.length
}

/** The Gaussian blur that comes nearest to the pictures. */
function bestBlur(engine, noisy, pictures, [h, w]) {
  const tries = [0.6, 0.8, 1, 1.2, 1.4, 1.7, 2].map((sigma) => {
    const blurred = engine.scope(() =>
      gaussianBlur(engine.tensor(noisy, [noisy.length / (h * w), h, w, 1]), sigma).toArray(),
    )
    return { sigma, blurred, error: meanSquare(blurred, pictures) }
  })
  return tries.reduce((best, each) => (each.error < best.error ? each : best))
}

export async function run(engine, settings) {
  const { epochs, seed, out, noise } = settings
  const { learn, test, classes } = readPictures(settings, digitsData, SAMPLES)
  const { shape } = learn
  const model = network(engine, seed)
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  const random = Random.at(seed, 0, 1)
  const noisy = noisier(noise)(test.pictures, shape, random)
  const start = performance.now()
  const history = await fit(
    model,
    { inputs: learn.pictures, shape, targets: learn.pictures },
    {
      optimizer: adam(model.parameters, { learningRate: cosine(3e-3, { steps }) }),
      epochs,
      batchSize: BATCH,
      seed,
      augment: [noisier(noise)],
      loss: meanSquaredError,
      validation: { inputs: noisy, shape, targets: test.pictures },
      ...fitProgress('Learning', epochs),
    },
  )
  const seconds = (performance.now() - start) / 1000
  const cleaned = await answersOf(model, { inputs: noisy, shape })
  const error = meanSquare(cleaned, test.pictures)
  const noisyError = meanSquare(noisy, test.pictures)
  const blur = bestBlur(engine, noisy, test.pictures, shape)
  console.log(
    `Of the noise (mean square ${noisyError.toFixed(4)}) ${error.toFixed(4)} is left, ${((100 * error) / noisyError).toFixed(1)} %; the best blur leaves ${blur.error.toFixed(4)}. ${steps} steps in ${seconds.toFixed(1)} s.`,
  )

  const rows = someOfEach(test.labels, classes, 2).flatMap((chosen, i) => {
    const of = (numbers) => chosenOf(numbers, shape, chosen)
    return [
      { label: 'under noise', pictures: of(noisy), space: i ? 8 : 0 },
      { label: 'best blur', pictures: of(blur.blurred) },
      { label: 'network', pictures: of(cleaned) },
      { label: 'as it was', pictures: of(test.pictures) },
    ]
  })
  const percent = (share) => `${(100 * share).toFixed(1)} %`
  const title = `Noise left: ${percent(blur.error / noisyError)} by the best blur, ${percent(error / noisyError)} by the network`
  writeSheet(
    out,
    'denoised.png',
    sheetOf(rows, { shape, title }),
    'pictures that it never saw, before and after',
  )
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss, of: 'learning' },
    { x: epoch, y: validation.loss, of: 'testing' },
  ])
  writeCurves(out, 'loss.svg', points, { label: 'mean squared error' }, 'the loss')
  const some = noisy.subarray(0, 20 * shape[0] * shape[1])
  await writeOnnx(out, 'denoise.onnx', model, { inputs: some, shape }, 'the network')
  return { error, noisyError, blurError: blur.error }
}
