import { adam, BatchNorm2d, Conv2d, ConvTranspose2d, cosine } from 'filterbank/nn'
import { fit, meanSquaredError, Random, Residual } from 'filterbank/nn'
import { digitsData } from './digits.mjs'

const noisier = (sample, _shape, random) => sample.map((v) => v + 0.4 * random.normal())
const { learn, test } = digitsData(1600, 1)
const shape = [28, 28, 1]

const conv = (inChannels, outChannels, stride = 1) =>
  new Conv2d(engine, {
    inChannels,
    outChannels,
    size: 3,
    stride,
    padding: 1,
    bias: false,
  })
const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
const twice = { size: 4, stride: 2, padding: 1, bias: false }

// What it computes is added to the picture: it learns the noise, negated.
const model = new Residual(
  conv(1, 16),
  norm(16),
  conv(16, 32, 2), // half the size: a wider view for less work
  norm(32),
  conv(32, 32),
  norm(32),
  new ConvTranspose2d(engine, { inChannels: 32, outChannels: 16, ...twice }),
  norm(16),
  new Conv2d(engine, {
    inChannels: 16,
    outChannels: 1,
    size: 3,
    padding: 1,
    initial: 'glorot',
  }),
)

const clean = test.pictures.slice(0, 10 * 28 * 28)
const noisy = noisier(clean, shape, new Random(7))
const pictures = () => ({
  'under noise': noisy,
  'by the network': model.forward(engine.tensor(noisy, [10, ...shape])),
  'as it was': clean,
})
show({ model, shape, pictures })

const epochs = 6
const steps = epochs * 50
await fit(
  model,
  { inputs: learn.pictures, shape, targets: learn.pictures },
  {
    optimizer: adam(model.parameters, { learningRate: cosine(6e-3, { steps }) }),
    epochs,
    batchSize: 32,
    augment: [noisier],
    loss: meanSquaredError,
    onBatch: ({ loss }) => show({ loss, steps }),
  },
)
