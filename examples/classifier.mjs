/**
 * A network like LeNet, beside a linear classifier that cannot do it; and pictures of what it has learned.
 */
import { readFileSync, writeFileSync } from 'node:fs'
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
  saveOnnx,
  sgd,
  valueAndGradients,
  warmUp,
} from 'filterbank/nn'
import { loadModel } from 'filterbank/onnx'
import {
  asChannels,
  progress,
  someOfEach,
  stacked,
  tell,
  writeConfusion,
  writeCurves,
  writeSheet,
} from './pictures.mjs'

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

/** What the model answers to the data, [n, classes]. */
function answers(model, { inputs, shape, labels }, classes) {
  const { engine } = model.parameters[0]
  const size = shape[0] * shape[1]
  const all = new Float32Array(labels.length * classes)
  for (let from = 0; from < labels.length; from += 100) {
    const part = inputs.subarray(from * size, (from + 100) * size)
    all.set(
      engine.scope(() => model.forward(engine.tensor(part, [part.length / size, ...shape])).toArray()),
      from * classes,
    )
  }
  return all
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
  const size = shape[0] * shape[1]
  const pictures = chosen.flatMap((sample) => [...inputs.subarray(sample * size, (sample + 1) * size)])
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

/**
 * The greatest difference between the model's answers and those of its file, as a share of the greatest
 * answer.
 */
async function differenceOf(path, all, { inputs, shape, labels }, engine) {
  const model = await loadModel(engine, readFileSync(path))
  const count = Math.min(100, labels.length)
  const { output } = model.run({
    input: { data: inputs.slice(0, count * shape[0] * shape[1]), shape: [count, 1, shape[0], shape[1]] },
  })
  const data = output.toArray()
  model.dispose()
  const scale = data.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  return data.reduce((most, v, i) => Math.max(most, Math.abs(v - all[i])), 0) / scale
}

export async function classify(engine, { learn, test, classes, augment }, { epochs, seed, out }) {
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

  console.log(
    `A linear classifier knows ${percent(await trainLinear(engine, { learn, test, classes }, { seed }))} of the test pictures.`,
  )

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
  const bar = progress('Learning', epochs)
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
  console.log(
    `The network knows ${percent(curve.at(-1).validation.accuracy)} of the test pictures, after ${steps} steps in ${seconds.toFixed(1)} s on ${engine.threads} thread${engine.threads > 1 ? 's' : ''}.`,
  )

  writeSheet(out, 'filters-during.png', during, 'the same after an epoch')
  writeSheet(out, 'filters-after.png', filters(), 'what they have become: edges and blobs')
  const all = answers(model, test, classes.length)
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

  const path = join(out, 'model.onnx')
  writeFileSync(path, saveOnnx(model, shape))
  const apart = await differenceOf(path, all, test, engine)
  if (!(apart < 1e-5))
    throw new Error(`model.onnx answers otherwise, by ${apart} of the greatest answer: please report this`)
  tell(
    out,
    'model.onnx',
    `answers the same in filterbank/onnx, to ${apart.toExponential(0)} of the greatest answer`,
  )
  writeFileSync(join(out, 'model.safetensors'), save(model, { optimizer }))
  tell(out, 'model.safetensors', 'weights, and what training goes on from')
}
