/**
 * One operator, or a few, between DequantizeLinear and QuantizeLinear, with ONNX Runtime as the referee: what can
 * be done on bytes is, so that such a network does not leave them.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
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

const lines: Record<string, Line> = { ...softmaxes, ...resizes, ...whole }

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
