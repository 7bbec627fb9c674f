/**
 * A network like LeNet, beside a linear classifier that cannot do it; and pictures of what it has learned.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mul, sum } from 'filterbank'
import { featureMaps, filterSheet } from 'filterbank/image'
import {
  adam,
  BatchNorm2d,
  Conv2d,
  cosine,
  evaluate,
  Flatten,
  fit,
  he,
  Linear,
  MaxPool2d,
  Random,
  Sequential,
  save,
  sgd,
  valueAndGradients,
  warmUp,
} from 'filterbank/nn'
import { chosenOf, pictureOptions, readPictures, someOfEach } from './support/data.mjs'
import { integer } from './support/options.mjs'
import { asChannels, stacked, writeSheet } from './support/pictures.mjs'
import { writeConfusion, writeCurves } from './support/plots.mjs'
import { fitProgress } from './support/progress.mjs'
import { answersOf, tell, writeOnnx } from './support/results.mjs'
import { shapesData } from './support/shapes.mjs'

export const about = 'ten shapes told apart by a network like LeNet; what its filters become'
const SAMPLES = 12_000
export const options = {
  ...pictureOptions(SAMPLES),
  epochs: integer('how often it sees them', { fallback: 8 }),
}

const BATCH = 50

/** Small at first: batch norm makes up for it, and what is learned soon outweighs the noise of the start. */
const small = (...given) => he(...given).map((v) => 0.1 * v)

/**
 * LeCun et al., "Gradient-based learning applied to document recognition", 1998; with what came later: relu,
 * batch norm, the maximum as pool.
 */
function network(engine, seed, classes) {
  const random = new Random(seed)
  return new Sequential(
    new Conv2d(engine, {
      inChannels: 1,
      outChannels: 16,
      size: 7,
      bias: false,
      initial: small,
      seed: random,
    }),
    new BatchNorm2d(engine, { channels: 16, activation: 'relu' }),
    new MaxPool2d({ size: 2 }),
    new Conv2d(engine, { inChannels: 16, outChannels: 48, size: 5, bias: false, seed: random }),
    new BatchNorm2d(engine, { channels: 48, activation: 'relu' }),
    new MaxPool2d({ size: 2 }),
    new Flatten(),
    new Linear(engine, { inFeatures: 3 * 3 * 48, outFeatures: 64, activation: 'relu', seed: random }),
    new Linear(engine, { inFeatures: 64, outFeatures: classes, seed: random }),
  )
}

const percent = (share) => `${(100 * share).toFixed(2)} %`

async function trainLinear(engine, { learn, test, classes }, { seed }) {
  const model = new Sequential(
    new Flatten(),
    new Linear(engine, {
      inFeatures: learn.inputs.length / learn.labels.length,
      outFeatures: classes.length,
      initial: 'glorot',
      seed,
    }),
  )
  const optimizer = adam(model.parameters)
  await fit(model, learn, { optimizer, epochs: 5, batchSize: BATCH, seed })
  const { accuracy } = await evaluate(model, test, { batchSize: 100 })
  model.dispose()
  optimizer.dispose()
  return accuracy
}

function confusionOf(all, labels, classes) {
  const counts = Array.from({ length: classes }, () => new Array(classes).fill(0))
  labels.forEach((label, i) => {
    const row = all.subarray(i * classes, (i + 1) * classes)
    counts[label][row.indexOf(Math.max(...row))]++
  })
  return counts
}

/**
 * How the score of each picture's own class changes with each of its pixels: the mean over copies under
 * noise, where a single gradient is mostly noise. (Smilkov et al., "SmoothGrad", 2017)
 */
function saliency(model, { inputs, shape, labels }, chosen, classes) {
  const { engine } = model.parameters[0]
  const random = new Random(0)
  const pictures = chosenOf(inputs, shape, chosen)
  const own = engine.tensor(
    chosen.flatMap((sample) => Array.from({ length: classes }, (_, k) => Number(k === labels[sample]))),
    [chosen.length, classes],
  )
  const total = new Float32Array(pictures.length)
  for (let copy = 0; copy < 50; copy++) {
    const x = engine.tensor(
      pictures.map((v) => v + 0.5 * random.normal()),
      [chosen.length, ...shape],
    )
    const [gradient] = valueAndGradients(() => sum(mul(model.forward(x), own)), [x]).gradients
    gradient.toArray().forEach((v, i) => {
      total[i] += v
    })
  }
  return total
}

export async function run(engine, settings) {
  const { epochs, seed, out } = settings
  const { learn, test, classes, augment } = readPictures(settings, shapesData, SAMPLES)
  const { shape } = learn
  const rows = someOfEach(test.labels, classes, 6)
  const shown = (pictures, chosen) =>
    engine.scope(() =>
      featureMaps(asChannels(engine, pictures, shape, chosen), {
        normalize: 'all',
        columns: classes.length,
        scale: 3,
      }),
    )
  writeSheet(
    out,
    'samples.png',
    stacked(...rows.map((chosen) => shown(test.pictures, chosen))),
    'pictures of each class',
  )

  const linearAccuracy = await trainLinear(engine, { learn, test, classes }, { seed })
  console.log(`A linear classifier knows ${percent(linearAccuracy)} of the test pictures.`)

  const model = network(engine, seed, classes.length)
  const filters = () => filterSheet(model.parameters[0], { columns: 8, scale: 12 })
  writeSheet(out, 'filters-before.png', filters(), 'the 16 filters of the first layer: noise')
  let during = filters()
  const steps = epochs * Math.ceil(learn.labels.length / BATCH)
  const optimizer = sgd(model.parameters, {
    learningRate: warmUp(cosine(0.05, { steps }), { steps: 50 }),
    momentum: 0.9,
    nesterov: true,
    weightDecay: 0.01,
  })
  const bar = fitProgress('Learning', epochs)
  const losses = []
  const curve = []
  const start = performance.now()
  await fit(model, learn, {
    optimizer,
    epochs,
    batchSize: BATCH,
    seed,
    augment,
    validation: test,
    onBatch(report) {
      const { epoch, batch, batches, loss } = report
      if (batch % 10 === 0) losses.push({ x: epoch - 1 + batch / batches, y: loss })
      bar.onBatch(report)
    },
    onEpoch(report) {
      bar.onEpoch(report)
      curve.push(report)
      if (report.epoch === 1) during = filters()
    },
  })
  const seconds = (performance.now() - start) / 1000
  const { accuracy } = curve.at(-1).validation
  console.log(
    `The network knows ${percent(accuracy)} of the test pictures, after ${steps} steps in ${seconds.toFixed(1)} s on ${engine.threads} thread${engine.threads > 1 ? 's' : ''}.`,
  )

  writeSheet(out, 'filters-during.png', during, 'the same after an epoch')
  writeSheet(out, 'filters-after.png', filters(), 'what they have become: edges and blobs')
  const all = await answersOf(model, { inputs: test.inputs, shape })
  const [sample] = rows[0].slice(4)
  engine.scope(() => {
    const size = shape[0] * shape[1]
    const x = engine.tensor(test.inputs.subarray(sample * size, (sample + 1) * size), [1, ...shape])
    const maps = model.layers[1].forward(model.layers[0].forward(x))
    writeSheet(
      out,
      'feature-maps.png',
      featureMaps(maps, { columns: 8, scale: 4, normalize: 'all' }),
      `a ${classes[test.labels[sample]]} as the first layer sees it`,
    )
  })
  const gradients = (chosen) => {
    const own = saliency(model, test, chosen, classes.length)
    return featureMaps(asChannels(engine, own, shape, [...chosen.keys()]), {
      colors: 'diverging',
      columns: classes.length,
      scale: 3,
      clip: 0.002,
    })
  }
  const pairs = rows
    .slice(0, 3)
    .flatMap((chosen) => [shown(test.pictures, chosen), engine.scope(() => gradients(chosen))])
  writeSheet(
    out,
    'saliency.png',
    stacked(...pairs),
    'pixels that speak for the class where brighter (red) or darker (blue)',
  )
  const points = (name) =>
    curve.flatMap((report) => [
      { x: report.epoch, y: report[name], of: 'learning' },
      { x: report.epoch, y: report.validation[name], of: 'testing' },
    ])
  writeCurves(
    out,
    'loss.svg',
    points('loss'),
    { label: 'loss', steps: losses },
    'the loss: every step, and the mean of every epoch',
  )
  writeCurves(
    out,
    'accuracy.svg',
    points('accuracy'),
    { label: 'accuracy', percent: true },
    'share of pictures known, learning and testing',
  )
  writeConfusion(
    out,
    'confusion.svg',
    confusionOf(all, test.labels, classes.length),
    classes,
    'what was taken for what',
  )

  const inputs = chosenOf(test.inputs, shape, [...test.labels.keys()].slice(0, 100))
  await writeOnnx(out, 'model.onnx', model, { inputs, shape }, 'the network')
  writeFileSync(join(out, 'model.safetensors'), save(model, { optimizer }))
  tell(out, 'model.safetensors', 'weights, and what training goes on from')
  return { accuracy, linearAccuracy }
}
