/** Every export and its options, in a table: each refuses an option that it does not know, and lists those it does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { show } from '../../src/base/errors.js'
import * as image from '../../src/image/index.js'
import * as core from '../../src/index.js'
import * as nn from '../../src/nn/index.js'
import * as node from '../../src/node/index.js'
import * as onnx from '../../src/onnx/index.js'
import * as tasks from '../../src/tasks/index.js'
import { type Call, errorOf } from '../support/options.js'

/** An export without options: a word on what it is instead. */
type Plain = 'a class' | 'takes no options'

let engine: core.Engine
let x: core.Tensor
let filter: core.Tensor
let ints: core.Tensor<'int32'>
let vector: core.Tensor
let matrix: core.Tensor
let row: core.Tensor
let linear: nn.Linear
let model: onnx.Model
beforeAll(async () => {
  engine = await core.createEngine({ threads: 1 })
  x = engine.zeros([1, 4, 4, 2])
  filter = engine.zeros([1, 1, 2, 2])
  ints = engine.zeros([1, 4, 4, 2], { dtype: 'int32' })
  vector = engine.zeros([2])
  matrix = engine.zeros([2, 2])
  row = engine.zeros([1, 2, 2])
  linear = new nn.Linear(engine, { inFeatures: 2, outFeatures: 2 })
  model = await onnx.loadModel(engine, bytesOfModel())
})
afterAll(() => engine.dispose())

const bytesOfModel = () =>
  nn.writeModel({
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', shape: [2] }],
    outputs: [{ name: 'y' }],
  })
const map = { data: new Float32Array(16), shape: [4, 4] }
const samples = { inputs: [1, 2], shape: [2], labels: [1] }

const onX =
  (op: (x: core.Tensor, options: never) => unknown): Call =>
  (options) =>
    op(x, options)
const twoOf =
  (op: (a: core.Tensor, b: core.Tensor, options: never) => unknown): Call =>
  (options) =>
    op(x, x, options)
const layer =
  (Layer: new (engine: core.Engine, options: never) => unknown): Call =>
  (options) =>
    new Layer(engine, options)
const optimiser =
  (make: (parameters: readonly core.Tensor[], options: never) => unknown): Call =>
  (options) =>
    make(linear.parameters, options)

const entries: Record<string, { exports: object; calls: Record<string, Call | Plain> }> = {
  filterbank: {
    exports: core,
    calls: {
      FilterbankError: 'a class',
      Tensor: 'a class',
      createEngine: core.createEngine,
      diagnose: core.diagnose,
      clamp: onX(core.clamp),
      elu: onX(core.elu),
      gelu: onX(core.gelu),
      hardSigmoid: onX(core.hardSigmoid),
      hardSwish: onX(core.hardSwish),
      leakyRelu: onX(core.leakyRelu),
      mish: onX(core.mish),
      prelu: (options) => core.prelu(x, vector, options),
      relu: onX(core.relu),
      relu6: onX(core.relu6),
      selu: onX(core.selu),
      sigmoid: onX(core.sigmoid),
      silu: onX(core.silu),
      softplus: onX(core.softplus),
      tanh: onX(core.tanh),
      add: twoOf(core.add),
      div: twoOf(core.div),
      mul: twoOf(core.mul),
      sub: twoOf(core.sub),
      attention: (options) => core.attention(x, x, x, options),
      batchNorm: onX(core.batchNorm),
      concat: (options) => core.concat([x, x], options),
      conv1d: (options) => core.conv1d(row, row, options),
      conv2d: (options) => core.conv2d(x, filter, options),
      conv3d: (options) => core.conv3d(x, filter, options),
      planConv2d: (options) => core.planConv2d(x.shape, filter.shape, options),
      convTranspose2d: (options) => core.convTranspose2d(x, filter, options),
      gather: (options) => core.gather(matrix, [0], options),
      scatter: (options) => core.scatter(matrix, [0, 1], matrix, options),
      oneHot: (options) => core.oneHot(vector, options),
      flip: onX(core.flip),
      topK: onX(core.topK),
      gru: (options) => core.gru(row, options),
      lstm: (options) => core.lstm(row, options),
      rnn: (options) => core.rnn(row, options),
      gridSample: twoOf(core.gridSample),
      gatherElements: (options) => core.gatherElements(x, ints, options),
      scatterElements: (options) => core.scatterElements(x, ints, x, options),
      gatherND: (options) => core.gatherND(x, ints, options),
      scatterND: (options) => core.scatterND(x, ints, x, options),
      tile: 'takes no options',
      stack: (options) => core.stack([x, x], options),
      split: (options) => core.split(x, options),
      cast: 'takes no options',
      quantize: onX(core.quantize),
      dequantize: 'takes no options',
      equal: 'takes no options',
      notEqual: 'takes no options',
      less: 'takes no options',
      lessEqual: 'takes no options',
      greater: 'takes no options',
      greaterEqual: 'takes no options',
      and: 'takes no options',
      not: 'takes no options',
      or: 'takes no options',
      xor: 'takes no options',
      where: 'takes no options',
      maximum: twoOf(core.maximum),
      minimum: twoOf(core.minimum),
      mod: twoOf(core.mod),
      pow: twoOf(core.pow),
      logSumExp: onX(core.logSumExp),
      norm: onX(core.norm),
      prod: onX(core.prod),
      variance: onX(core.variance),
      cumsum: onX(core.cumsum),
      abs: onX(core.abs),
      ceil: onX(core.ceil),
      cos: onX(core.cos),
      erf: onX(core.erf),
      exp: onX(core.exp),
      expm1: onX(core.expm1),
      floor: onX(core.floor),
      log: onX(core.log),
      log1p: onX(core.log1p),
      neg: onX(core.neg),
      reciprocal: onX(core.reciprocal),
      round: onX(core.round),
      rsqrt: onX(core.rsqrt),
      sign: onX(core.sign),
      sin: onX(core.sin),
      sqrt: onX(core.sqrt),
      square: onX(core.square),
      groupNorm: onX(core.groupNorm),
      instanceNorm: onX(core.instanceNorm),
      layerNorm: onX(core.layerNorm),
      rmsNorm: onX(core.rmsNorm),
      linear: (options) => core.linear(x, matrix, options),
      matmul: twoOf(core.matmul),
      pad: onX(core.pad),
      avgPool1d: onX(core.avgPool1d),
      maxPool1d: onX(core.maxPool1d),
      avgPool2d: onX(core.avgPool2d),
      avgPool3d: onX(core.avgPool3d),
      maxPool2d: onX(core.maxPool2d),
      maxPool3d: onX(core.maxPool3d),
      globalAvgPool2d: 'takes no options',
      globalMaxPool2d: 'takes no options',
      argmax: onX(core.argmax),
      max: onX(core.max),
      mean: onX(core.mean),
      min: onX(core.min),
      sum: onX(core.sum),
      resize: onX(core.resize),
      slice: onX(core.slice),
      logSoftmax: onX(core.logSoftmax),
      softmax: onX(core.softmax),
      reshape: 'takes no options',
      transpose: 'takes no options',
    },
  },
  'filterbank/image': {
    exports: image,
    calls: {
      bilateral: onX(image.bilateral),
      boxBlur: (options) => image.boxBlur(x, 3, options),
      canny: (options) => image.canny(x, 0, 1, options),
      closing: (options) => image.closing(x, 3, options),
      dilate: (options) => image.dilate(x, 3, options),
      erode: (options) => image.erode(x, 3, options),
      opening: (options) => image.opening(x, 3, options),
      fromHsv: onX(image.fromHsv),
      fromLab: onX(image.fromLab),
      grayscale: onX(image.grayscale),
      resize: (options) => image.resize(x, 3, options),
      threshold: (options) => image.threshold(x, 1, options),
      toHsv: onX(image.toHsv),
      toLab: onX(image.toLab),
      warpAffine: (options) =>
        image.warpAffine(
          x,
          [
            [1, 0, 0],
            [0, 1, 0],
          ],
          options,
        ),
      emboss: onX(image.emboss),
      filter2d: (options) => image.filter2d(x, [[1]], options),
      gaussianBlur: (options) => image.gaussianBlur(x, 1, options),
      highPass: onX(image.highPass),
      laplacian: onX(image.laplacian),
      lowPass: onX(image.lowPass),
      median: (options) => image.median(x, 3, options),
      scharr: onX(image.scharr),
      sharpen: onX(image.sharpen),
      sobel: onX(image.sobel),
      unsharpMask: onX(image.unsharpMask),
      fromImageData: (options) =>
        image.fromImageData(engine, { data: new Uint8Array(4), width: 1, height: 1 }, options),
      fromImage: (options) =>
        image.fromImage(engine, { data: new Uint8Array(4), width: 1, height: 1 }, options),
      toCanvas: 'takes no options',
      toImageData: 'takes no options',
      featureMaps: onX(image.featureMaps),
      filterSheet: (options) => image.filterSheet(filter, options),
    },
  },
  'filterbank/nn': {
    exports: nn,
    calls: {
      writeModel: (parts) => nn.writeModel(parts),
      flip: (options) => nn.flip(options),
      shift: (options) => nn.shift(options),
      readIdx: 'takes no options',
      accuracy: 'takes no options',
      ConfusionMatrix: 'a class',
      confusionMatrix: 'takes no options',
      f1Score: 'takes no options',
      meanIou: 'takes no options',
      topKAccuracy: (options) => nn.topKAccuracy(options),
      evaluate: (options) => nn.evaluate(linear, samples, options),
      fit: (options) => nn.fit(linear, samples, options),
      predict: (options) => nn.predict(linear, matrix, options),
      valueAndGradients: (options) =>
        nn.valueAndGradients(() => core.sum(linear.parameters[0]!), [], options),
      glorot: 'takes no options',
      he: 'takes no options',
      orthogonal: 'takes no options',
      uniform: 'takes no options',
      Activation: 'takes no options',
      AvgPool1d: (options) => new nn.AvgPool1d(options),
      AvgPool2d: (options) => new nn.AvgPool2d(options),
      MaxPool1d: (options) => new nn.MaxPool1d(options),
      GlobalAvgPool1d: 'takes no options',
      Conv1d: layer(nn.Conv1d),
      Conv3d: layer(nn.Conv3d),
      Parallel: (options) => new nn.Parallel([linear], options),
      Permute: 'takes no options',
      Reshape: 'takes no options',
      SpectralNorm: (options) => new nn.SpectralNorm(linear, options),
      WeightNorm: 'takes no options',
      WeightedLayer: 'a class',
      BatchNorm2d: layer(nn.BatchNorm2d),
      Conv2d: layer(nn.Conv2d),
      ConvTranspose2d: layer(nn.ConvTranspose2d),
      DepthwiseConv2d: layer(nn.DepthwiseConv2d),
      Dropout: (options) => new nn.Dropout(options),
      Embedding: layer(nn.Embedding),
      RecurrentLayer: 'a class',
      Rnn: layer(nn.Rnn),
      Lstm: layer(nn.Lstm),
      Gru: layer(nn.Gru),
      Flatten: 'takes no options',
      GlobalAvgPool2d: 'takes no options',
      GroupNorm: layer(nn.GroupNorm),
      InstanceNorm2d: layer(nn.InstanceNorm2d),
      Layer: 'a class',
      LayerNorm: layer(nn.LayerNorm),
      Linear: layer(nn.Linear),
      KeyCache: 'a class',
      MultiHeadAttention: layer(nn.MultiHeadAttention),
      PositionalEncoding: layer(nn.PositionalEncoding),
      TransformerBlock: layer(nn.TransformerBlock),
      MaxPool2d: (options) => new nn.MaxPool2d(options),
      Residual: 'takes no options',
      Sequential: 'takes no options',
      Upsample: (options) => new nn.Upsample(options),
      binaryCrossEntropy: 'takes no options',
      crossEntropy: (options) => nn.crossEntropy(matrix, [0, 1], options),
      huber: twoOf(nn.huber),
      meanAbsoluteError: 'takes no options',
      meanSquaredError: 'takes no options',
      saveOnnx: (options) => nn.saveOnnx(linear, [2], options),
      adam: optimiser(nn.adam),
      adamW: optimiser(nn.adamW),
      clipByGlobalNorm: 'takes no options',
      rmsProp: optimiser(nn.rmsProp),
      sgd: optimiser(nn.sgd),
      Random: 'a class',
      load: (options) => nn.load(nn.save(linear), linear, options),
      save: (options) => nn.save(linear, options),
      constant: 'takes no options',
      cosine: (options) => nn.cosine(0.1, options),
      stepDecay: (options) => nn.stepDecay(0.1, options),
      warmUp: (options) => nn.warmUp(nn.constant(0.1), options),
    },
  },
  'filterbank/onnx': {
    exports: onnx,
    calls: {
      writeModel: (parts) => onnx.writeModel(parts),
      cachedModels: 'takes no options',
      evictModels: 'takes no options',
      loadModel: (options) => onnx.loadModel(engine, bytesOfModel(), options),
      inspectModel: (options) => onnx.inspectModel(bytesOfModel(), options),
      quantizeModel: (options) => onnx.quantizeModel(engine, bytesOfModel(), [], options),
    },
  },
  'filterbank/tasks': {
    exports: tasks,
    calls: {
      anchors: 'takes no options',
      classify: (options) => tasks.classify([1, 2], options),
      detect: (options) => tasks.detect({ boxes: [0, 0, 1, 1], scores: [1] }, options),
      keypoints: (options) => tasks.keypoints(map, options),
      paintMask: (options) => tasks.paintMask(map, options),
      paintSegments: (options) => tasks.paintSegments(tasks.segment(map), options),
      peaks: (options) => tasks.peaks(map, options),
      segment: (options) => tasks.segment(map, options),
      suppress: (options) => tasks.suppress([], options),
      yolo: (options) => tasks.yolo({ data: new Float32Array(70), shape: [10, 7] }, options),
    },
  },
  'filterbank/node': {
    exports: node,
    calls: { readImages: (options) => node.readImages(engine, '.', options) },
  },
}

const methods: Record<string, Call> = {
  'model.run': (options) => model.run({ x: [1, 2] }, options),
  'model.runAsync': (options) => model.runAsync({ x: [1, 2] }, options),
}

async function refusesWhatItDoesNotKnow(call: Call): Promise<void> {
  const { argument, expected, got } = await errorOf(engine, call, { noOptionOfAny: 7 })
  expect([argument, got]).toEqual(['noOptionOfAny', '7'])
  expect(expected).toMatch(/^one of its options: \w/)
  const names = expected.slice('one of its options: '.length).split(', ')
  for (const name of names) {
    const long = await errorOf(engine, call, { [`${name}x`]: undefined })
    expect(long.hint, `${name}x`).toBe(`Did you mean ${name}?`)
    expect(long.message).toContain(long.hint)
    const snake = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    if (snake !== name)
      expect((await errorOf(engine, call, { [snake]: 1 })).hint).toBe(`Did you mean ${name}?`)
  }
  for (const wrong of [null, 3, 'same', true, [1, 2], () => 1, new Float32Array(2), x]) {
    const complaint = await errorOf(engine, call, wrong)
    expect([complaint.argument, complaint.expected, complaint.got]).toEqual([
      'options',
      `an object of ${names.join(', ')}`,
      show(wrong),
    ])
  }
}

describe.each(Object.entries(entries))('%s', (_, { exports, calls }) => {
  it('has every export in this table', () => {
    expect(Object.keys(calls).sort()).toEqual(Object.keys(exports).sort())
  })

  for (const [name, call] of Object.entries(calls)) {
    if (typeof call === 'function')
      it(`${name} refuses an option that it does not know`, () => refusesWhatItDoesNotKnow(call))
  }
})

describe('methods', () => {
  it.each(Object.entries(methods))('%s refuses an option that it does not know', (_, call) =>
    refusesWhatItDoesNotKnow(call),
  )

  it('writeModel refuses a field that nodes, ports and tensors do not have', async () => {
    const node = { op: 'Relu', inputs: ['x'], outputs: ['y'] }
    const whole = { nodes: [node], inputs: [], outputs: [] }
    const hintOf = async (parts: object) => (await errorOf(engine, nn.writeModel, parts)).hint
    expect(await hintOf({ ...whole, nodes: [{ ...node, input: ['x'] }] })).toBe('Did you mean inputs?')
    expect(await hintOf({ ...whole, inputs: [{ name: 'x', shapes: [2] }] })).toBe('Did you mean shape?')
    expect(await hintOf({ ...whole, initializers: [{ name: 'w', shape: [1], values: [1] }] })).toBe(undefined)
  })
})
