/**
 * Corners of single operators: lengths of 0, few axes, whole numbers, ties. Right values are ONNX Runtime's,
 * but where it says so.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import type { ElementType } from '../../src/onnx/file/types.js'
import { type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(15)
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const constant = (name: string, shape: number[], data = random.floats(sizeOf(shape))) => ({
  name,
  shape,
  data,
})
const node = (
  op: string,
  inputs: string[],
  output = 'y',
  attributes: NodeParts['attributes'] = {},
): NodeParts => ({
  op,
  inputs,
  outputs: [output],
  attributes,
})

type Numbers = Float32Array | Uint8Array | Int8Array | Int32Array

describe('corners of operators', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  async function answer(
    nodes: NodeParts[],
    x: Numbers,
    shape: number[],
    rest: Partial<ModelParts> & { type?: ElementType } = {},
  ) {
    const { type = 'float32', ...parts } = rest
    const inputs = [{ name: 'x', type, shape: shape.map(() => null) }]
    const bytes = writeModel({ opset: 17, nodes, inputs, outputs: [{ name: 'y', type }], ...parts })
    using model = await loadModel(engine, bytes)
    model.run({ x: { data: x, shape } })
    const { y } = model.run({ x: { data: x, shape } })
    const wanted = async () => {
      const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
      const result = (await session.run({ x: new Tensor(type as 'float32', x as Float32Array, shape) }))['y']!
      await session.release()
      return { shape: [...result.dims], data: Array.from(result.data as Float32Array) }
    }
    return { got: { shape: [...y!.shape], data: Array.from(y!.toArray() as Float32Array) }, wanted }
  }

  async function expectReferee(...given: Parameters<typeof answer>) {
    const { got, wanted } = await answer(...given)
    const right = await wanted()
    expect(got.shape).toEqual(right.shape)
    right.data.forEach((value, i) => {
      expect(got.data[i], `element ${i}`).toBeCloseTo(value, 5)
    })
  }

  describe('lengths of 0', () => {
    const none = new Float32Array(0)
    it.each([
      ['MatMul', [3, 0], [0, 4]],
      ['MatMul', [2, 3, 0], [0, 4]],
      ['MatMul', [2, 3, 0], [2, 0, 4]],
      ['MatMul', [0], [0]],
    ])('%s of %j and %j is 0, and what is added and done to it then is', async (op, shape, w) => {
      const initializers = [constant('w', w), constant('b', op === 'MatMul' && w.length > 1 ? [4] : [1])]
      await expectReferee([node(op, ['x', 'w'])], none, shape, { initializers: initializers.slice(0, 1) })
      await expectReferee(
        [node(op, ['x', 'w'], 'p'), node('Add', ['p', 'b'], 's'), node('Relu', ['s'])],
        none,
        shape,
        { initializers },
      )
    })

    it('Conv of no channels is 0, by hand: ONNX Runtime leaves memory as it was', async () => {
      const w = constant('w', [2, 0, 3, 3])
      const plain = await answer([node('Conv', ['x', 'w'])], none, [1, 0, 4, 4], { initializers: [w] })
      expect(plain.got).toEqual({ shape: [1, 2, 2, 2], data: Array(8).fill(0) })
      const { got } = await answer(
        [node('Conv', ['x', 'w'], 'p'), node('Add', ['p', 'b'], 's'), node('Relu', ['s'])],
        none,
        [1, 0, 4, 4],
        { initializers: [w, constant('b', [2, 1, 1], Float32Array.of(1, -2))] },
      )
      expect(got).toEqual({ shape: [1, 2, 2, 2], data: [1, 1, 1, 1, 0, 0, 0, 0] })
    })

    it('ConvTranspose of no channels is 0, by hand: ONNX Runtime leaves memory as it was', async () => {
      const initializers = [constant('w', [0, 2, 3, 3]), constant('b', [2], Float32Array.of(1, -2))]
      const { got } = await answer(
        [node('ConvTranspose', ['x', 'w', 'b'], 'c'), node('Relu', ['c'])],
        none,
        [1, 0, 2, 2],
        { initializers },
      )
      expect(got).toEqual({ shape: [1, 2, 4, 4], data: [...Array(16).fill(1), ...Array(16).fill(0)] })
    })

    it('Gemm over nothing is its third input', async () => {
      for (const [shape, w, attributes] of [
        [[3, 0], [0, 4], {}],
        [[0, 3], [0, 4], { transA: 1 }],
        [[3, 0], [4, 0], { transB: 1 }],
      ] as const) {
        for (const c of [[4], [3, 1], [], [3, 4]]) {
          const initializers = [constant('w', [...w]), constant('c', c)]
          await expectReferee([node('Gemm', ['x', 'w', 'c'], 'y', attributes)], none, [...shape], {
            initializers,
          })
          await expectReferee(
            [node('Gemm', ['x', 'w', 'c'], 'g', attributes), node('Relu', ['g'])],
            none,
            [...shape],
            { initializers },
          )
        }
        await expectReferee([node('Gemm', ['x', 'w'], 'y', attributes)], none, [...shape], {
          initializers: [constant('w', [...w])],
        })
      }
    })

    it('says what does not fit', async () => {
      const initializers = [constant('w', [0, 4])]
      await expect(
        answer([node('MatMul', ['x', 'w'])], random.floats(6), [2, 3], { initializers }),
      ).rejects.toThrow(/one inner length/)
      await expect(
        answer([node('Gemm', ['x', 'w'])], random.floats(6), [2, 3], { initializers }),
      ).rejects.toThrow(/one inner length/)
    })

    it.each(['ij,jk->ik', 'ij,jk->', 'ij,jk->i'])('Einsum %s sums over nothing', async (equation) => {
      await expectReferee([node('Einsum', ['x', 'w'], 'y', { equation })], none, [3, 0], {
        initializers: [constant('w', [0, 4])],
      })
    })
  })

  it.each([
    [5, 7],
    [40, 60],
    [1, 3],
    [2, 3, 4],
  ])('normalisations of planes as they stand, of %j', async (...places) => {
    const initializers = ['s', 'b', 'm']
      .map((name) => constant(name, [6]))
      .concat(constant('v', [6], random.floats(6, 0.2, 2)))
    const shape = [2, 6, ...places]
    const nodes = [
      node('Abs', ['x'], 'a'),
      node('BatchNormalization', ['a', 's', 'b', 'm', 'v'], 'n'),
      node('Relu', ['n'], 'r'),
      node('InstanceNormalization', ['r', 'b', 's'], 'i'),
      node('LeakyRelu', ['i']),
    ]
    await expectReferee(nodes, random.floats(sizeOf(shape)), shape, { initializers })
  })

  it('BatchNormalization of one axis has one channel', async () => {
    const initializers = ['s', 'b', 'm']
      .map((name) => constant(name, [1]))
      .concat(constant('v', [1], Float32Array.of(0.7)))
    await expectReferee([node('BatchNormalization', ['x', 's', 'b', 'm', 'v'])], random.floats(5), [5], {
      initializers,
    })
    const wide = ['s', 'b', 'm', 'v'].map((name) => constant(name, [5]))
    await expect(
      answer([node('BatchNormalization', ['x', 's', 'b', 'm', 'v'])], random.floats(5), [5], {
        initializers: wide,
      }),
    ).rejects.toThrow(/of 1 channels/)
  })

  it.each([
    ['MaxPool', [3, 1], [3, 1]],
    ['MaxPool', [7, 1], [1, 1]],
    ['AveragePool', [7, 1], undefined],
  ])('%s through a window %j, one too long, gives no rows', async (op, kernel_shape, dilations) => {
    await expectReferee([node(op, ['x'], 'y', { kernel_shape, dilations })], random.floats(12), [1, 1, 6, 2])
  })

  it('does the activation behind a product of several matrices', async () => {
    for (const [shape, w] of [
      [
        [2, 3],
        [2, 3, 4],
      ],
      [[3], [2, 3, 4]],
      [[3], [3, 4]],
      [[3], [3]],
    ] as const) {
      const initializers = [constant('w', [...w])]
      for (const op of ['Relu', 'Sigmoid'])
        await expectReferee(
          [node('MatMul', ['x', 'w'], 'p'), node(op, ['p'])],
          random.floats(sizeOf(shape)),
          [...shape],
          { initializers },
        )
    }
  })

  it('gives an activation that is spelled out the axes of its constants', async () => {
    for (const shape of [[], [1], [1, 1], [1, 1, 1]]) {
      const number = (name: string, value: number) => constant(name, shape, Float32Array.of(value))
      const [zero, six] = [constant('zero', [], Float32Array.of(0)), constant('six', [], Float32Array.of(6))]
      const swish = [
        node('Add', ['x', 'three'], 'a'),
        node('Clip', ['a', 'zero', 'six'], 'c'),
        node('Mul', ['x', 'c'], 'p'),
        node('Div', ['p', 'sixth']),
      ]
      await expectReferee(swish, random.floats(3), [3], {
        initializers: [zero, six, number('three', 3), number('sixth', 6)],
      })
      const gelu = [
        node('Div', ['x', 'root'], 'a'),
        node('Erf', ['a'], 'e'),
        node('Add', ['e', 'one'], 'p'),
        node('Mul', ['x', 'p'], 'm'),
        node('Mul', ['m', 'half']),
      ]
      await expectReferee(gelu, random.floats(3), [3], {
        initializers: [number('root', Math.SQRT2), number('one', 1), number('half', 0.5)],
      })
    }
  })

  it('hands the numbers of recurrent activations to those that take one, in order', async () => {
    const initializers = [constant('w', [1, 12, 2]), constant('r', [1, 12, 3]), constant('b', [1, 24])]
    for (const activations of [
      ['Sigmoid', 'LeakyRelu', 'Elu'],
      ['HardSigmoid', 'Tanh', 'LeakyRelu'],
      ['Tanh', 'HardSigmoid', 'Softsign'],
    ]) {
      for (const [alpha, beta] of [
        [[0.3], []],
        [[0.3, 0.7], [0.1]],
        [[], []],
      ] as const) {
        const attributes = {
          hidden_size: 3,
          activations,
          activation_alpha: alpha.length ? { floats: alpha } : undefined,
          activation_beta: beta.length ? { floats: beta } : undefined,
        }
        await expectReferee(
          [node('LSTM', ['x', 'w', 'r', 'b'], 'y', attributes)],
          random.floats(8),
          [4, 1, 2],
          { initializers },
        )
      }
    }
  })

  describe('Resize', () => {
    const to = (width: number) => [
      { name: 's', shape: [4], data: BigInt64Array.of(1n, 1n, 1n, BigInt(width)) },
    ]
    const by = (scale: number) => [{ name: 's', shape: [4], data: Float32Array.of(1, 1, 1, scale) }]
    const sized = (attributes: NodeParts['attributes']) => [
      node('Resize', ['x', '', '', 's'], 'y', attributes),
    ]
    const ramp = (n: number) => Float32Array.from({ length: n }, (_, i) => i)

    it('rounds whole numbers, and cuts overshoot to the type', async () => {
      const edge = Uint8Array.of(0, 0, 255, 255, 0, 0)
      const cubic = { opset: 18, initializers: to(12) }
      await expectReferee(sized({ mode: 'cubic', antialias: 1 }), edge, [1, 1, 1, 6], {
        ...cubic,
        type: 'uint8',
      })
      // ONNX Runtime has no cubic of bytes without antialiasing; the numbers are those with it.
      const { got } = await answer(sized({ mode: 'cubic' }), edge, [1, 1, 1, 6], { ...cubic, type: 'uint8' })
      expect(got.data).toEqual([0, 0, 0, 58, 197, 255, 255, 197, 58, 0, 0, 0])
      // It cuts int8 to 0 to 255: by hand, the same edge 128 lower.
      const signed = await answer(
        sized({ mode: 'cubic', antialias: 1 }),
        Int8Array.from(edge, (v) => v - 128),
        [1, 1, 1, 6],
        { ...cubic, type: 'int8' },
      )
      expect(signed.got.data).toEqual(got.data.map((v) => v - 128))
      const large = Int32Array.from({ length: 6 }, (_, i) => (i * 7919) % 2000)
      for (const mode of ['linear', 'cubic'])
        await expectReferee(sized({ mode, antialias: 1 }), large, [1, 1, 1, 6], {
          opset: 18,
          initializers: to(4),
          type: 'int32',
        })
      await expectReferee(
        sized({ mode: 'linear', antialias: 1 }),
        Uint8Array.of(3, 250, 77, 12, 200, 9),
        [1, 1, 1, 6],
        { opset: 18, initializers: to(4), type: 'uint8' },
      )
      // Between neighbours without antialiasing it takes off what is behind the point.
      await expectReferee(sized({ mode: 'linear' }), Uint8Array.of(0, 255, 3, 250), [1, 1, 1, 4], {
        opset: 18,
        initializers: to(8),
        type: 'uint8',
      })
    })

    it('takes the same of two neighbours at ties, and in opset 10', async () => {
      for (const coordinate_transformation_mode of ['half_pixel', 'asymmetric', 'pytorch_half_pixel']) {
        for (const nearest_mode of ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']) {
          for (const [n, scale] of [
            [10, 0.6],
            [26, 1.3],
            [26, 0.3],
            [13, 1.2],
            [7, 1.5],
            [8, 0.5],
            [5, 2],
          ] as const) {
            const attributes = { mode: 'nearest', coordinate_transformation_mode, nearest_mode }
            await expectReferee([node('Resize', ['x', '', 's'], 'y', attributes)], ramp(n), [1, 1, 1, n], {
              opset: 19,
              initializers: by(scale),
            })
          }
        }
      }
      for (const [n, scale] of [
        [13, 0.6],
        [11, 0.3],
        [5, 1.5],
        [4, 2],
      ] as const) {
        await expectReferee([node('Resize', ['x', 's'], 'y', { mode: 'nearest' })], ramp(n), [1, 1, 1, n], {
          opset: 10,
          initializers: by(scale),
        })
      }
    })
  })

  it('takes remainders of large whole numbers exactly', async () => {
    const [a, b] = [
      [-9007199254740991n, 9007199254740991n, -7n, 7n],
      [3n, -7n, 3n, -3n],
    ].map((row) => BigInt64Array.from(row))
    const port = (name: string) => ({ name, type: 'int64' as const, shape: [4] })
    using model = await loadModel(
      engine,
      writeModel({
        opset: 13,
        nodes: [node('Mod', ['a', 'b'])],
        inputs: [port('a'), port('b')],
        outputs: [port('y')],
      }),
    )
    // The remainder has the sign of the divisor.
    expect([...(model.run({ a: a!, b: b! })['y']!.data as BigInt64Array)]).toEqual([2n, -4n, 2n, -2n])
  })
})
