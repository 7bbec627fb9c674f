/** The small network that the page brings along: digits from 0 to 9, learned from drawn ones. Seeded. */
import { createEngine } from 'filterbank'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  cosine,
  evaluate,
  Flatten,
  fit,
  Linear,
  MaxPool2d,
  Random,
  Sequential,
  saveOnnx,
} from 'filterbank/nn'
import { digitsData } from '../examples/train/support/digits.mjs'

const SAMPLES = 3000
const EPOCHS = 3
const BATCH = 50
/** Share of unseen digits that it has to know, or something is broken. */
const LEAST = 0.97

/** Bytes of the network as ONNX. */
export async function digitsNetwork() {
  const engine = await createEngine()
  try {
    const random = new Random(3)
    const conv = (inChannels, outChannels, size) =>
      new Conv2d(engine, { inChannels, outChannels, size, padding: 'same', bias: false, seed: random })
    const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
    const half = () => new MaxPool2d({ size: 2 })
    const model = new Sequential(
      ...[conv(1, 12, 5), norm(12), half()],
      ...[conv(12, 24, 3), norm(24), half()],
      ...[conv(24, 32, 3), norm(32), half()],
      new Flatten(),
      new Linear(engine, { inFeatures: 3 * 3 * 32, outFeatures: 10, seed: random }),
    )
    const { learn, test, augment } = digitsData(SAMPLES, 5)
    const steps = EPOCHS * Math.ceil(SAMPLES / BATCH)
    await fit(model, learn, {
      optimizer: adam(model.parameters, { learningRate: cosine(3e-3, { steps }) }),
      ...{ epochs: EPOCHS, batchSize: BATCH, seed: 3, augment },
    })
    const { accuracy } = await evaluate(model, test)
    if (accuracy < LEAST) throw new Error(`the network of digits knows ${100 * accuracy} % of them only`)
    return saveOnnx(model, [28, 28, 1], { inputs: ['picture'], outputs: ['digit'] })
  } finally {
    engine.dispose()
  }
}
