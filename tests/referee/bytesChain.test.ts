/**
 * One operator, or a few, between DequantizeLinear and QuantizeLinear, with ONNX Runtime as the referee: what can
 * be done on bytes is, so that such a network does not leave them.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import type { NodeParts } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { byteTypes, INPUT, Qdq, type Terms } from '../support/qdq.js'
import { Random } from '../support/random.js'
import { SEED } from './inputs.js'

interface Line {
  shapes: readonly (readonly number[])[]
  make: (graph: Qdq) => string
  /** Of the result; null: it is of bytes as they are. */
  y?: Terms | null
  opset?: number
  /** Steps that stay in float32, by their operators. */
  floats?: readonly string[]
}

const image = [2, 8, 6, 6]
const fractions: Terms = [1 / 256, 0]
const sizes = (graph: Qdq, ...lengths: number[]) => [graph.x[0]!, '', '', graph.list(...lengths)]

const softmaxes: Record<string, Line> = {
  'Softmax of channels': {
    shapes: [image],
    make: ({ node, x }) => node('Softmax', x, { axis: 1 }),
    y: fractions,
  },
  'Softmax of rows': { shapes: [[4, 21]], make: ({ node, x }) => node('Softmax', x), y: fractions },
  'Softmax before opset 13': {
    shapes: [[2, 3, 7]],
    make: ({ node, x }) => node('Softmax', x, { axis: 1 }),
    y: fractions,
    opset: 11,
  },
  LogSoftmax: {
    shapes: [[4, 21]],
    make: ({ node, x }) => node('LogSoftmax', x),
    y: [0.05, 200],
    floats: ['LogSoftmax'],
  },
}

const resized: Record<string, Line> = Object.fromEntries(
  (
    [
      ['nearest', { mode: 'nearest' }, [2, 8, 12, 12]],
      ['nearest, floor', { mode: 'nearest', nearest_mode: 'floor' }, [2, 8, 9, 17]],
      ['linear', { mode: 'linear' }, [2, 8, 12, 12]],
      ['align_corners', { mode: 'linear', coordinate_transformation_mode: 'align_corners' }, [2, 8, 11, 9]],
      ['cubic', { mode: 'cubic', cubic_coeff_a: { float: -0.5 } }, [2, 8, 12, 13]],
      ['cubic without the outside', { mode: 'cubic', exclude_outside: 1 }, [2, 8, 12, 13]],
      ['antialias', { mode: 'linear', antialias: 1 }, [2, 8, 4, 3]],
    ] as const
  ).flatMap(([name, attributes, lengths]) =>
    [INPUT, undefined].map((y): [string, Line] => [
      `Resize ${name}${y ? ' by the same scale' : ''}`,
      {
        shapes: [image],
        make: (graph) => graph.node('Resize', sizes(graph, ...lengths), attributes),
        ...(y && { y }),
        opset: 18,
      },
    ]),
  ),
)
const resizes: Record<string, Line> = {
  ...resized,
  'Resize by factors, of opset 10': {
    shapes: [image],
    make: (graph) =>
      graph.node('Resize', [graph.x[0]!, graph.constant(Float32Array.of(1, 1, 2, 3))], { mode: 'linear' }),
    opset: 10,
  },
  'Resize of a region, which reaches beyond': {
    shapes: [image],
    make: (graph) => {
      const region = graph.constant(Float32Array.of(0, 0, 0.1, 0, 1, 1, 1.2, 0.8))
      const mode = { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize' }
      const inputs = [graph.x[0]!, region, '', graph.list(2, 8, 7, 7)]
      return graph.node('Resize', inputs, { ...mode, extrapolation_value: { float: 1.5 } })
    },
  },
  'Resize of three axes': {
    shapes: [[1, 3, 4, 5, 6]],
    make: (graph) => graph.node('Resize', sizes(graph, 1, 3, 7, 8, 9), { mode: 'linear' }),
  },
}

const half: Terms = [1 / 128, 128]
const c = 8

/** Functions of one number: attributes, what the result stands for, opset. */
const functions: Record<string, Line> = Object.fromEntries(
  (
    [
      ['HardSigmoid', {}, fractions],
      ['Elu', { alpha: { float: 0.3 } }],
      ['Selu'],
      ['Celu'],
      ['Gelu', { approximate: 'tanh' }, undefined, 20],
      ['ThresholdedRelu'],
      ['Shrink'],
      ['Softsign', {}, half],
      ['Erf', {}, half],
      ['Sin', {}, half],
      ['Tan'],
      ['Abs'],
      ['Neg'],
      ['Exp'],
      ['Sqrt'],
      ['Log'],
      ['Reciprocal'],
      ['Floor'],
      ['Round'],
      ['LeakyRelu', { alpha: { float: 0.3 } }],
    ] as [string, NodeParts['attributes']?, Terms?, number?][]
  ).map(([op, attributes = {}, y, opset]) => [
    op,
    {
      shapes: [image],
      make: ({ node, x }) => node(op, x, attributes),
      ...(y && { y }),
      ...(opset && { opset }),
    },
  ]),
)

/** By constants and of several nodes. */
const spelled: Record<string, Line> = {
  Swish: { shapes: [image], make: ({ node, x }) => node('Mul', [x[0]!, node('Sigmoid', x)]) },
  'Swish, its gate quantised': {
    shapes: [image],
    make: (graph) =>
      graph.node('Mul', [graph.x[0]!, graph.quantized(graph.node('Sigmoid', graph.x), fractions)]),
  },
  HardSwish: {
    shapes: [image],
    make: ({ node, number, x }) => {
      const gate = node('Clip', [node('Add', [x[0]!, number(3)]), number(0), number(6)])
      return node('Div', [node('Mul', [x[0]!, gate]), number(6)])
    },
  },
  'HardSwish, its gate quantised': {
    shapes: [image],
    make: (graph) => {
      const gate = graph.node('HardSigmoid', graph.x, { alpha: { float: 1 / 6 } })
      return graph.node('Mul', [graph.x[0]!, graph.quantized(gate, fractions)])
    },
  },
  'Relu and Clip': {
    shapes: [image],
    make: ({ node, number, x }) => node('Clip', [node('Relu', x), number(0), number(1)]),
  },
  'a number less x': { shapes: [image], make: ({ node, number, x }) => node('Sub', [number(1), x[0]!]) },
  'x over a number': { shapes: [image], make: ({ node, number, x }) => node('Div', [x[0]!, number(6)]) },
  'x times a number, of more axes': {
    shapes: [[5, 7]],
    make: ({ node, number, x }) => node('Mul', [x[0]!, number(0.7, [1, 1, 1])]),
  },
  'x and a quantised number': {
    shapes: [image],
    make: (graph) => graph.node('Add', [graph.x[0]!, graph.bytes([1], 0.02)]),
  },
  'the square': { shapes: [image], make: ({ node, number, x }) => node('Pow', [x[0]!, number(2)]) },
  'PRelu of one slope': {
    shapes: [image],
    make: ({ node, number, x }) => node('PRelu', [x[0]!, number(0.25, [1])]),
  },
}

/** By constants along axes of x. */
const byChannel: Record<string, Line> = {
  'PRelu of channels': {
    shapes: [image],
    make: (graph) => graph.node('PRelu', [graph.x[0]!, graph.floats([c, 1, 1], 0, 0.5)]),
  },
  'PRelu of channels, quantised': {
    shapes: [image],
    make: (graph) => graph.node('PRelu', [graph.x[0]!, graph.bytes([c, 1, 1], 0.005)]),
  },
  'times a number for each channel, and Relu': {
    shapes: [image],
    make: (graph) =>
      graph.node('Relu', [graph.node('Mul', [graph.x[0]!, graph.floats([1, c, 1, 1], -1, 1)])]),
  },
  'rows times numbers': {
    shapes: [[5, c]],
    make: (graph) => graph.node('Mul', [graph.x[0]!, graph.floats([c], -1, 1)]),
  },
  'rows of images times numbers': {
    shapes: [[2, 6, 5, 6]],
    make: (graph) => graph.node('Mul', [graph.x[0]!, graph.floats([6], -1, 1)]),
  },
  'images times a number each': {
    shapes: [[6, 6, 5, 6]],
    make: (graph) => graph.node('Mul', [graph.x[0]!, graph.floats([6, 1, 1, 1], -1, 1)]),
  },
  'BatchNormalization and Relu': {
    shapes: [image],
    make: (graph) => {
      const tables = [0.5, 0, -0.5, 0.5].map((low) => graph.floats([c], low, low + 1))
      return graph.node('Relu', [graph.node('BatchNormalization', [graph.x[0]!, ...tables])])
    },
  },
}

const two = [image, image]
const between: Record<string, Line> = {
  ...Object.fromEntries(
    ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min'].flatMap((op): [string, Line][] => [
      [op, { shapes: two, make: ({ node, x }) => node(op, x) }],
      [`${op} for each channel`, { shapes: [image, [2, c, 1, 1]], make: ({ node, x }) => node(op, x) }],
      [`${op} and Relu`, { shapes: two, make: ({ node, x }) => node('Relu', [node(op, x)]) }],
    ]),
  ),
  Where: {
    shapes: two,
    make: (graph) => {
      const mask = Uint8Array.from({ length: 36 }, (_, i) => i % 2)
      return graph.node('Where', [graph.constant(mask, [6, 6], 'bool'), ...graph.x])
    },
  },
  Concat: {
    shapes: [image],
    make: (graph) => graph.node('Concat', [graph.x[0]!, graph.bytes(image, 0.02)], { axis: 1 }),
  },
  'ReduceMean of places': {
    shapes: [[2, 20, 5, 3]],
    make: ({ node, x }) => node('ReduceMean', x, { axes: [2, 3] }),
  },
  'ReduceMean of places, axes gone': {
    shapes: [[2, 20, 5, 3]],
    make: ({ node, x, list }) => node('ReduceMean', [x[0]!, list(-1, -2)], { keepdims: 0 }),
    opset: 18,
  },
  'ReduceMean of rows': { shapes: [[3, 5, 24]], make: ({ node, x }) => node('ReduceMean', x, { axes: [1] }) },
  'ReduceMean of columns': {
    shapes: [[3, 5, 24]],
    make: ({ node, x }) => node('ReduceMean', x, { axes: [2] }),
  },
}

const filters: Record<string, Line> = {
  ConvTranspose: {
    shapes: [image],
    make: (graph) =>
      graph.node('Relu', [
        graph.node(
          'ConvTranspose',
          [graph.x[0]!, graph.bytes([c, 4, 3, 2], 0.003, 1), graph.floats([4], -1, 1)],
          {
            strides: [2, 2],
            pads: [1, 0, 0, 1],
          },
        ),
      ]),
  },
  'ConvTranspose of groups': {
    shapes: [image],
    make: (graph) => {
      const filter = graph.bytes([c, 2, 2, 2], 0.003)
      return graph.node('ConvTranspose', [graph.x[0]!, filter], { strides: [2, 2], group: 4 })
    },
  },
  'MatMul with a bias': {
    shapes: [[2, 4, 16]],
    make: (graph) => {
      const product = graph.node('MatMul', [graph.x[0]!, graph.bytes([16, 10], 0.003, 1)])
      return graph.node('Add', [product, graph.floats([10], -1, 1)])
    },
  },
  'MatMul of two': {
    shapes: [
      [2, 4, 16],
      [2, 16, 5],
    ],
    make: ({ node, x }) => node('MatMul', x),
  },
  ...Object.fromEntries(
    ['HardSwish', 'Sigmoid', 'LeakyRelu'].map((op): [string, Line] => [
      `Conv and ${op}`,
      {
        shapes: [image],
        make: (graph) =>
          graph.node(op, [graph.node('Conv', [graph.x[0]!, graph.bytes([c, c, 3, 3], 0.003, 0)])]),
        floats: [`Conv ${op}`],
      },
    ]),
  ),
  'Conv, and a sum that is not quantised before': {
    shapes: [image],
    make: (graph) => {
      const weights = [graph.bytes([c, c, 3, 3], 0.003, 0), graph.floats([c], -1, 1)]
      const y = graph.node('Conv', [graph.x[0]!, ...weights], { pads: [1, 1, 1, 1] })
      return graph.node('Add', [y, graph.x[0]!])
    },
    floats: ['Conv', 'Add'],
  },
  'Gemm and Gelu': {
    shapes: [[4, 16]],
    make: (graph) => {
      const weights = [graph.bytes([10, 16], 0.003, 0), graph.floats([10], -1, 1)]
      return graph.node('Gelu', [graph.node('Gemm', [graph.x[0]!, ...weights], { transB: 1 })])
    },
    opset: 20,
    floats: ['Gemm Gelu'],
  },
}

const moved: Record<string, Line> = {
  Slice: { shapes: [image], make: ({ node, x, list }) => node('Slice', [x[0]!, list(1), list(5), list(2)]) },
  Gather: { shapes: [image], make: ({ node, x, list }) => node('Gather', [x[0]!, list(2, 1)], { axis: 1 }) },
  GatherND: {
    shapes: [image],
    make: (graph) => {
      const places = graph.constant(BigInt64Array.of(0n, 1n, 1n, 2n), [2, 2])
      return graph.node('GatherND', [graph.x[0]!, places])
    },
  },
  GatherElements: {
    shapes: [[5, 3]],
    make: (graph) => {
      const places = graph.constant(BigInt64Array.of(0n, 4n, 2n), [1, 3])
      return graph.node('GatherElements', [graph.x[0]!, places])
    },
  },
  ReverseSequence: {
    shapes: [[6, 2, 8]],
    make: ({ node, x, list }) => node('ReverseSequence', [x[0]!, list(3, 5)]),
  },
  Tile: { shapes: [image], make: ({ node, x, list }) => node('Tile', [x[0]!, list(1, 2, 1, 1)]) },
  DepthToSpace: { shapes: [image], make: ({ node, x }) => node('DepthToSpace', x, { blocksize: 2 }) },
  'Pad by a number': {
    shapes: [image],
    make: ({ node, number, x, list }) => node('Pad', [x[0]!, list(0, 0, 1, 1, 0, 0, 1, 2), number(0.5)]),
  },
  'shuffled channels': {
    shapes: [image],
    make: ({ node, x, list }) => {
      const groups = node('Reshape', [x[0]!, list(2, 2, 4, 6, 6)])
      return node('Reshape', [node('Transpose', [groups], { perm: [0, 2, 1, 3, 4] }), list(...image)])
    },
  },
  'Relu, and what moves behind it': {
    shapes: [image],
    make: ({ node, x, list }) =>
      node('Transpose', [node('Reshape', [node('Relu', x), list(2, 8, 36)])], { perm: [0, 2, 1] }),
  },
  'Conv, Relu and MaxPool without integers in between': {
    shapes: [image],
    make: (graph) => {
      const y = graph.node('Conv', [graph.x[0]!, graph.bytes([c, c, 3, 3], 0.003, 0)])
      return graph.node('MaxPool', [graph.node('Relu', [y])], { kernel_shape: [2, 2] })
    },
  },
}

/** Operators that take bytes as whole numbers. */
const whole: Record<string, Line> = Object.fromEntries(
  ['nearest', 'linear'].map((mode) => [
    `Resize ${mode} of whole numbers`,
    {
      shapes: [image],
      make: (graph) => {
        const [, ...rest] = sizes(graph, 2, 8, 9, 11)
        return graph.node('Resize', [graph.behind(graph.x[0]!), ...rest], { mode })
      },
      y: null,
    },
  ]),
)

const lines: Record<string, Line> = {
  ...softmaxes,
  ...resizes,
  ...functions,
  ...spelled,
  ...byChannel,
  ...between,
  ...filters,
  ...moved,
  ...whole,
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

describe.each(byteTypes)('between DequantizeLinear and QuantizeLinear, of %s', (type) => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  it.each(Object.entries(lines))('%s', async (_, { shapes, make, y, opset, floats = [] }) => {
    const random = new Random(SEED)
    const graph = new Qdq(type, random, shapes)
    const file = graph.file(make(graph), y, opset)
    const inputs = shapes.map((shape) => ({ shape, data: random.floats(product(shape), -2.5, 2.5) }))
    const model = await loadModel(engine, file)
    const feed = Object.fromEntries(inputs.map((input, i) => [`x${i}`, input]))
    let ours: number[] = []
    // A first run, a recorded and a replayed one.
    for (let i = 0; i < 3; i++) ours = Array.from((await model.run(feed)).y!.toArray() as Int8Array)
    const steps = model.summary().filter(({ segment, host }) => segment !== undefined || host)
    expect(steps.filter(({ host }) => host)).toEqual([])
    const ofFloats = steps.filter(({ op, type }) => type === 'float32' && !/^(Quantize|Dequantize)/.test(op))
    expect(ofFloats.map(({ op }) => op)).toEqual(floats)
    if (!floats.length) expect(new Set(steps.map((step) => step.type))).toEqual(new Set([type]))
    model.dispose()
    expect(engine.memory().tensors).toBe(0)
    for (const graphOptimizationLevel of ['disabled', 'all'] as const) {
      const options = { logSeverityLevel: 4, intraOpNumThreads: 1, graphOptimizationLevel } as const
      const session = await InferenceSession.create(file, options)
      const feeds = inputs.map(({ shape, data }, i) => [`x${i}`, new OnnxTensor('float32', data, shape)])
      const theirs = (await session.run(Object.fromEntries(feeds)))['y']!.data as Int8Array
      await session.release()
      const far = ours.reduce((most, v, i) => Math.max(most, Math.abs(v - theirs[i]!)), 0)
      expect(far, graphOptimizationLevel).toBeLessThanOrEqual(1)
      expect(ours).toHaveLength(theirs.length)
    }
  })
})
