import { add, mean, mul, neg, relu, sub, sum } from 'filterbank'
import { adam, BatchNorm2d, Conv2d, ConvTranspose2d, cosine } from 'filterbank/nn'
import { Random, Sequential, SpectralNorm, valueAndGradients } from 'filterbank/nn'
import { digitsData } from './digits.mjs'

const [steps, batch, noise, classes] = [500, 32, 32, 10]
const { learn } = digitsData(3000, 1)
const random = new Random(1)

// Noise and a digit, 42 numbers, become a picture; another network judges pictures.
const up = (inChannels, outChannels, options) =>
  new ConvTranspose2d(engine, {
    inChannels,
    outChannels,
    bias: false,
    seed: random,
    ...options,
  })
const down = (inChannels, outChannels, options) =>
  new SpectralNorm(
    new Conv2d(engine, { inChannels, outChannels, seed: random, ...options }),
  )
const norm = (channels) => new BatchNorm2d(engine, { channels, activation: 'relu' })
const twice = { size: 4, stride: 2, padding: 1 }
const generator = new Sequential(
  up(noise + classes, 48, { size: 7 }),
  norm(48),
  up(48, 24, twice),
  norm(24),
  up(24, 1, { ...twice, bias: true, activation: 'tanh', initial: 'glorot' }),
)
const judge = new Sequential(
  down(1, 24, { ...twice, activation: 'leakyRelu' }),
  down(24, 48, { ...twice, activation: 'leakyRelu' }),
  down(48, classes, { size: 7 }),
)

const oneHot = (labels) =>
  Float32Array.from({ length: 10 * labels.length }, (_, i) =>
    Number(i % 10 === labels[Math.floor(i / 10)]),
  )
const seeds = (labels) =>
  Float32Array.from({ length: 42 * labels.length }, (_, i) =>
    i % 42 < noise
      ? random.normal()
      : Number((i % 42) - noise === labels[Math.floor(i / 42)]),
  )
const make = (numbers) =>
  generator.forward(engine.tensor(numbers, [numbers.length / 42, 1, 1, 42]))

const asked = Array.from({ length: 30 }, (_, i) => i % 10)
const same = seeds(asked)
show({
  model: generator,
  shape: [1, 1, 42],
  pictures: () => ({ 'made of noise': make(same) }),
})

const rate = (learningRate) => ({
  learningRate: cosine(learningRate, { steps }),
  beta1: 0,
  beta2: 0.9,
})
const optimizers = [
  adam(generator.parameters, rate(1e-3)),
  adam(judge.parameters, rate(2e-3)),
]
for (let step = 0; step < steps; step++) {
  generator.training = true
  judge.training = true
  const loss = engine.scope(() => {
    const chosen = Array.from({ length: batch }, () =>
      Math.floor(random.next() * learn.labels.length),
    )
    const labels = chosen.map((i) => learn.labels[i])
    const real = chosen.flatMap((i) => [
      ...learn.inputs.subarray(i * 784, (i + 1) * 784),
    ])
    const wanted = engine.tensor(oneHot(labels), [batch, 1, 1, classes])
    const score = (x) => sum(mul(judge.forward(x), wanted), { axes: [1, 2, 3] })
    const [x, fake] = [engine.tensor(real, [batch, 28, 28, 1]), make(seeds(labels))]

    // The judge is to say over 1 to real digits and under -1 to others ...
    const judged = valueAndGradients(
      () => add(mean(relu(sub(1, score(x)))), mean(relu(add(1, score(fake))))),
      judge.parameters,
    )
    optimizers[1].step(judged.gradients)
    // ... and the generator to be taken for real.
    const made = valueAndGradients(
      () => neg(mean(score(make(seeds(labels))))),
      generator.parameters,
    )
    optimizers[0].step(made.gradients)
    return judged.value
  })
  generator.training = false
  await show({ loss, steps })
}
