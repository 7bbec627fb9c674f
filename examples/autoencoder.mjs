/**
 * A convolutional autoencoder: convolutions down to a few numbers, transposed convolutions up to a picture
 * again.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { featureMaps } from 'filterbank/image'
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
  saveOnnx,
} from 'filterbank/nn'
import { asChannels, progress, someOfEach, stacked, tell, writeCurves, writeSheet } from './pictures.mjs'

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

export async function autoencode(engine, { learn, test, classes }, { epochs, seed, out }) {
  const { shape } = learn
  const model = network(engine, seed)
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  const optimizer = adam(model.parameters, { learningRate: cosine(3e-3, { steps }) })
  const itself = ({ pictures }) => ({ inputs: pictures, shape, targets: pictures })
  const bar = progress('Learning', epochs)
  const start = performance.now()
  const history = await fit(model, itself(learn), {
    optimizer,
    epochs,
    batchSize: BATCH,
    seed,
    loss: meanSquaredError,
    validation: itself(test),
    ...bar,
  })
  const seconds = (performance.now() - start) / 1000
  const { validation } = history.at(-1)
  console.log(
    `A picture from ${16 * CODE} numbers is off by ${Math.sqrt(validation.loss).toFixed(3)} a pixel (of 0 to 1), after ${steps} steps in ${seconds.toFixed(1)} s.`,
  )

  const size = shape[0] * shape[1]
  const rows = someOfEach(test.labels, classes, 3).map((chosen) => {
    const inputs = Float32Array.from(
      chosen.flatMap((sample) => [...test.pictures.subarray(sample * size, (sample + 1) * size)]),
    )
    const again = engine.scope(() =>
      model.forward(engine.tensor(inputs, [chosen.length, ...shape])).toArray(),
    )
    return [inputs, again].map((pictures) =>
      engine.scope(() =>
        featureMaps(
          asChannels(
            engine,
            pictures.map((v) => Math.min(1, Math.max(0, v))),
            shape,
            [...chosen.keys()],
          ),
          { normalize: 'all', columns: classes.length, scale: 3 },
        ),
      ),
    )
  })
  writeSheet(
    out,
    'reconstructions.png',
    stacked(...rows.flat()),
    'pictures, and under each what came back from its code',
  )
  const points = history.flatMap(({ epoch, loss, validation }) => [
    { x: epoch, y: loss, of: 'learning' },
    { x: epoch, y: validation.loss, of: 'testing' },
  ])
  writeCurves(out, 'autoencoder-loss.svg', points, { label: 'mean squared error' }, 'the loss')
  writeFileSync(join(out, 'autoencoder.onnx'), saveOnnx(model, shape))
  tell(out, 'autoencoder.onnx', 'both halves')
}
