import { BatchNorm2d, Conv2d, cosine, fit, Flatten, he, Linear } from 'filterbank/nn'
import { MaxPool2d, Sequential, sgd, warmUp } from 'filterbank/nn'
import { digitsData } from './digits.mjs' // examples/train/support of the repository
import { withDrawings } from './drawings.mjs'
import { shapesData } from './shapes.mjs'

const all = subject === 'shapes' ? shapesData(2400, 1) : digitsData(2400, 1)
const { learn, test, augment } = withDrawings(all, drawings)

const small = (...given) => he(...given).map((v) => 0.1 * v)
const model = new Sequential(
  new Conv2d(engine, {
    inChannels: 1,
    outChannels: 16,
    size: 7,
    bias: false,
    initial: small,
    seed: 1,
  }),
  new BatchNorm2d(engine, { channels: 16, activation: 'relu' }),
  new MaxPool2d({ size: 2 }),
  new Conv2d(engine, { inChannels: 16, outChannels: 32, size: 5, activation: 'relu' }),
  new MaxPool2d({ size: 2 }),
  new Flatten(),
  new Linear(engine, { inFeatures: 3 * 3 * 32, outFeatures: 10 }),
)
show({ model, shape: [28, 28, 1] })

const epochs = 6
const batchSize = 32
const steps = epochs * Math.ceil(learn.labels.length / batchSize)
await fit(model, learn, {
  optimizer: sgd(model.parameters, {
    learningRate: warmUp(cosine(0.05, { steps }), { steps: 30 }),
    momentum: 0.9,
    nesterov: true,
    weightDecay: 0.01,
  }),
  epochs,
  batchSize,
  augment,
  seed: 1,
  validation: test,
  onBatch: ({ loss }) => show({ loss, steps }),
  onEpoch: ({ epoch, validation }) => show({ epoch, accuracy: validation.accuracy }),
})
