/** Files of old versions of the operators, whose attributes later became inputs or went away. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { fromHalf, toHalf } from '../../src/onnx/file/halves.js'
import { type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(6)

describe('files of opset 6 to 9', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    engine.dispose()
  })

  /** y of one node of x, computed node by node and replayed. */
  async function answer(
    opset: number,
    node: Pick<NodeParts, 'op' | 'attributes'>,
    x: TensorParts,
    constants: readonly TensorParts[] = [],
    outputs: readonly string[] = ['y'],
  ) {
    const initializers = constants.map((constant, i) => ({ name: `c${i}`, ...constant }))
    const inputs = ['x', ...initializers.map(({ name }) => name)]
    const bytes = writeModel({
      opset,
      nodes: [{ ...node, inputs, outputs }],
      inputs: [{ name: 'x', shape: x.shape }],
      outputs: [{ name: 'y' }],
      initializers,
    })
    using model = await loadModel(engine, bytes)
    const y = model.run({ x: x.data })['y']!
    expect(model.run({ x: x.data })['y']!.toArray()).toEqual(y.toArray())
    return { shape: [...y.shape], values: Array.from(y.toArray() as Float32Array) }
  }
  const counting = (...shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i + 1),
  })
  const integers = (...numbers: number[]) => ({
    shape: [numbers.length],
    data: BigInt64Array.from(numbers, BigInt),
  })

  it('normalise by constants, whatever is_test says, per channel or per place', async () => {
    const x = { shape: [2, 3, 2, 2], data: random.floats(24) }
    for (const [attributes, places] of [
      [{ is_test: 1 }, 1],
      [{ is_test: 0, momentum: { float: 0.9 } }, 1],
      [{ is_test: 1, spatial: 1, consumed_inputs: [0, 0, 0, 1, 1] }, 1],
      [{ is_test: 1, spatial: 0 }, 4],
    ] as const) {
      const shape = places === 1 ? [3] : [3, 2, 2]
      const table = (make: () => Float32Array) => ({ shape, data: make() })
      const [scale, offset, mean, variance] = [
        table(() => random.floats(3 * places)),
        table(() => random.floats(3 * places)),
        table(() => random.floats(3 * places)),
        table(() => random.floats(3 * places).map((v) => v * v + 0.5)),
      ] as const
      // The outputs of training are named in many files, and read by nobody.
      const outputs = ['y', 'running mean', 'running variance']
      const { values } = await answer(
        6,
        { op: 'BatchNormalization', attributes },
        x,
        [scale, offset, mean, variance],
        outputs,
      )
      for (const [i, v] of values.entries()) {
        const c = places === 1 ? Math.floor(i / 4) % 3 : i % 12
        const wanted =
          ((x.data[i]! - mean.data[c]!) / Math.sqrt(variance.data[c]! + 1e-5)) * scale.data[c]! +
          offset.data[c]!
        expect(Math.abs(v - wanted)).toBeLessThan(1e-5)
      }
    }
  })

  it('drop nothing', async () => {
    const x = counting(2, 3)
    for (const [opset, attributes] of [
      [6, { is_test: 0, ratio: { float: 0.5 } }],
      [7, { ratio: { float: 0.9 } }],
      [10, {}],
    ] as const)
      expect(await answer(opset, { op: 'Dropout', attributes }, x, [], ['y', 'mask'])).toEqual({
        shape: x.shape,
        values: [...x.data],
      })
  })

  it('pad, slice, squeeze, clip, split and reshape by attributes', async () => {
    const x = counting(1, 2, 3)
    const same = [...x.data]
    expect(
      await answer(6, { op: 'Pad', attributes: { pads: [0, 0, 1, 0, 0, 0], value: { float: 9 } } }, x),
    ).toEqual({ shape: [1, 2, 4], values: [9, 1, 2, 3, 9, 4, 5, 6] })
    expect(
      await answer(6, { op: 'Pad', attributes: { pads: [0, 0, 0, 0, 0, 2], mode: 'reflect' } }, x),
    ).toEqual({ shape: [1, 2, 5], values: [1, 2, 3, 2, 1, 4, 5, 6, 5, 4] })
    expect(
      await answer(6, { op: 'Slice', attributes: { axes: [1, 2], starts: [1, -2], ends: [9, 3] } }, x),
    ).toEqual({ shape: [1, 1, 2], values: [5, 6] })
    expect(await answer(6, { op: 'Slice', attributes: { starts: [0, 0], ends: [1, 1] } }, x)).toEqual({
      shape: [1, 1, 3],
      values: [1, 2, 3],
    })
    expect(await answer(6, { op: 'Squeeze', attributes: { axes: [0] } }, x)).toEqual({
      shape: [2, 3],
      values: same,
    })
    expect(await answer(6, { op: 'Unsqueeze', attributes: { axes: [0, 3] } }, x)).toEqual({
      shape: [1, 1, 2, 1, 3],
      values: same,
    })
    expect(await answer(6, { op: 'Clip', attributes: { min: { float: 2 }, max: { float: 4 } } }, x)).toEqual({
      shape: x.shape,
      values: [2, 2, 3, 4, 4, 4],
    })
    expect(await answer(6, { op: 'Clip', attributes: { max: { float: 4 } } }, x)).toEqual({
      shape: x.shape,
      values: [1, 2, 3, 4, 4, 4],
    })
    expect(await answer(6, { op: 'Clip' }, x)).toEqual({ shape: x.shape, values: same })
    expect(
      await answer(6, { op: 'Split', attributes: { axis: 2, split: [1, 2] } }, x, [], ['rest', 'y']),
    ).toEqual({ shape: [1, 2, 2], values: [2, 3, 5, 6] })
    expect(await answer(6, { op: 'Reshape' }, x, [integers(0, -1)])).toEqual({ shape: [1, 6], values: same })
    expect(await answer(6, { op: 'Tile' }, x, [integers(1, 1, 2)])).toEqual({
      shape: [1, 2, 6],
      values: [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
    })
    expect(await answer(6, { op: 'ReduceSum', attributes: { axes: [1], keepdims: 0 } }, x)).toEqual({
      shape: [1, 3],
      values: [5, 7, 9],
    })
    expect(await answer(6, { op: 'TopK', attributes: { k: 2 } }, x, [], ['y', 'places'])).toEqual({
      shape: [1, 2, 2],
      values: [3, 2, 6, 5],
    })
  })

  it('enlarge by scales in either place', async () => {
    const x = counting(1, 1, 1, 2)
    const wanted = { shape: [1, 1, 2, 6], values: [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2] }
    const scales = { floats: [1, 1, 2, 3] }
    expect(
      await answer(
        6,
        {
          op: 'Upsample',
          attributes: { height_scale: { float: 2 }, width_scale: { float: 3 }, mode: 'nearest' },
        },
        x,
      ),
    ).toEqual(wanted)
    expect(await answer(7, { op: 'Upsample', attributes: { scales } }, x)).toEqual(wanted)
    expect(
      await answer(9, { op: 'Upsample' }, x, [{ shape: [4], data: Float32Array.of(1, 1, 2, 3) }]),
    ).toEqual(wanted)
    const between = await answer(9, { op: 'Upsample', attributes: { mode: 'linear' } }, x, [
      { shape: [4], data: Float32Array.of(1, 1, 1, 2) },
    ])
    expect(between).toEqual({ shape: [1, 1, 1, 4], values: [1, 1.5, 2, 2] })
  })

  it('put the second operand at an axis of the first', async () => {
    const x = counting(2, 2, 1, 2)
    const b = { shape: [2], data: Float32Array.of(10, 20) }
    const values = (at: (i: number) => number) => Array.from(x.data, (v, i) => v + at(i) * 10 + 10)
    expect((await answer(6, { op: 'Add', attributes: { broadcast: 1, axis: 1 } }, x, [b])).values).toEqual(
      values((i) => (i >> 1) % 2),
    )
    expect((await answer(6, { op: 'Add', attributes: { broadcast: 1, axis: 0 } }, x, [b])).values).toEqual(
      values((i) => i >> 2),
    )
    expect((await answer(6, { op: 'Add', attributes: { broadcast: 1 } }, x, [b])).values).toEqual(
      values((i) => i % 2),
    )
    expect((await answer(6, { op: 'PRelu' }, { ...x, data: x.data.map((v) => -v) }, [b])).values).toEqual([
      -10, -20, -60, -80, -50, -60, -140, -160,
    ])
  })

  it('add to the rows of a square product where they say so, not to its columns', async () => {
    const square = { shape: [2, 2], data: Float32Array.of(1, 0, 0, 1) }
    const bytes = writeModel({
      opset: 6,
      nodes: [
        { op: 'MatMul', inputs: ['x', 'w'], outputs: ['p'] },
        { op: 'Add', inputs: ['p', 'b'], outputs: ['y'], attributes: { broadcast: 1, axis: 0 } },
      ],
      inputs: [{ name: 'x', shape: [2, 2] }],
      outputs: [{ name: 'y' }],
      initializers: [
        { name: 'w', ...square },
        { name: 'b', shape: [2], data: Float32Array.of(10, 20) },
      ],
    })
    using model = await loadModel(engine, bytes)
    expect([...model.run({ x: [1, 2, 3, 4] })['y']!.toArray()]).toEqual([11, 12, 23, 24])
  })

  it('take softmax over all axes from one on', async () => {
    const { values } = await answer(6, { op: 'Softmax' }, { shape: [1, 2, 2], data: new Float32Array(4) })
    expect(values).toEqual([0.25, 0.25, 0.25, 0.25])
    expect(
      (await answer(13, { op: 'Softmax' }, { shape: [1, 2, 2], data: new Float32Array(4) })).values,
    ).toEqual([0.5, 0.5, 0.5, 0.5])
  })
})

describe('float16', () => {
  it('goes in, stands in the weights and comes out, as its bits', async () => {
    using engine = await createEngine({ threads: 1 })
    const halves = (length: number) => Uint16Array.from(random.floats(length), toHalf)
    const [w, b, x] = [halves(54), halves(6), halves(72)]
    const bytes = writeModel({
      nodes: [
        { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['c'], attributes: { pads: [1, 1, 1, 1], group: 1 } },
        { op: 'Relu', inputs: ['c'], outputs: ['y'] },
      ],
      inputs: [{ name: 'x', type: 'float16', shape: [2, 1, 6, 6] }],
      outputs: [{ name: 'y', type: 'float16' }],
      initializers: [
        { name: 'w', type: 'float16', shape: [6, 1, 3, 3], data: w },
        { name: 'b', type: 'float16', shape: [6], data: b },
      ],
    })
    using model = await loadModel(engine, bytes)
    expect(model.inputs[0]!.type).toBe('float16')
    for (let round = 0; round < 3; round++) {
      const { y, c } = model.run({ x }, round === 2 ? { taps: ['c'] } : {})
      expect(y!.type).toBe('float16')
      expect(y!.data).toBeInstanceOf(Uint16Array)
      const numbers = y!.toArray() as Float32Array
      const bits = y!.data as Uint16Array
      expect(Array.from(bits, fromHalf)).toEqual([...numbers])
      for (let i = 0; i < 432; i++) {
        const [n, oc, row, column] = [
          Math.floor(i / 216),
          Math.floor(i / 36) % 6,
          Math.floor(i / 6) % 6,
          i % 6,
        ]
        let sum = fromHalf(b[oc]!)
        for (let r = 0; r < 3; r++) {
          for (let s = 0; s < 3; s++) {
            const [p, q] = [row + r - 1, column + s - 1]
            if (p >= 0 && p < 6 && q >= 0 && q < 6)
              sum += fromHalf(x[n * 36 + p * 6 + q]!) * fromHalf(w[oc * 9 + r * 3 + s]!)
          }
        }
        // Halves have 11 digits.
        expect(Math.abs(numbers[i]! - Math.max(0, sum))).toBeLessThanOrEqual(2 ** -11 * Math.abs(sum) + 1e-6)
        if (c)
          expect(Math.abs((c.toArray() as Float32Array)[i]! - sum)).toBeLessThanOrEqual(
            2 ** -11 * Math.abs(sum) + 1e-6,
          )
      }
    }
    // Plain numbers and tensors of float32 go in too; floats that are no halves do not.
    const plain = Array.from(x, fromHalf)
    using tensor = engine.tensor(plain, [2, 1, 6, 6])
    expect(model.run({ x: plain })['y']!.data).toEqual(model.run({ x })['y']!.data)
    expect(model.run({ x: tensor })['y']!.data).toEqual(model.run({ x })['y']!.data)
    expect(() => model.run({ x: Float32Array.from(plain) })).toThrow(/Uint16Array, got Float32Array/)
  })
})
