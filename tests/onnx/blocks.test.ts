/** Operators of com.microsoft on few bits, beside ONNX Runtime. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { loadModel, type ModelParts, type TensorParts, writeModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(4)
const bytes = (...shape: number[]): TensorParts => {
  const size = shape.reduce((a, b) => a * b, 1)
  return { type: 'uint8', shape, data: Uint8Array.from(random.floats(size), (v) => Math.abs(v) * 1e4) }
}
const floats = (...shape: number[]): TensorParts => ({
  shape,
  data: random.floats(shape.reduce((a, b) => a * b, 1)),
})

async function expectAnswer(parts: ModelParts, x: TensorParts) {
  const model = writeModel(parts)
  const session = await InferenceSession.create(model)
  const { y } = await session.run({
    x: new Tensor(x.type === 'uint8' ? 'uint8' : 'float32', x.data as never, x.shape),
  })
  await session.release()
  using engine = await createEngine({ threads: 1 })
  const before = engine.memory().tensors
  const loaded = await loadModel(engine, model)
  for (let round = 0; round < 3; round++) {
    const got = loaded.run({ x: { data: x.data, shape: x.shape } })['y']!
    expect(got.shape).toEqual(y!.dims)
    Array.from(y!.data as Float32Array).forEach((value, i) => {
      expect(Math.abs(Number(got.toArray()[i]) - value), `round ${round} [${i}]`).toBeLessThan(
        1e-4 + 1e-4 * Math.abs(value),
      )
    })
  }
  loaded.dispose()
  expect(engine.memory().tensors).toBe(before)
}

describe('MatMulNBits', () => {
  for (const [bits, k, n, size, zeros, bias] of [
    [4, 64, 5, 32, 'none', false],
    [4, 48, 7, 32, 'packed', false],
    [4, 96, 6, 32, 'packed', true],
    [4, 64, 3, 16, 'floats', false],
    [8, 64, 4, 32, 'none', false],
    [8, 96, 4, 32, 'packed', true],
  ] as const) {
    it(`of ${bits} bits, ${k} x ${n}, blocks of ${size}, zero points ${zeros}, bias ${bias}`, async () => {
      const blocks = Math.ceil(k / size)
      const points = zeros === 'packed' ? bytes(n, Math.ceil((blocks * bits) / 8)) : floats(n, blocks)
      await expectAnswer(
        {
          opset: 17,
          inputs: [{ name: 'x', shape: [2, 3, k] }],
          outputs: [{ name: 'y' }],
          initializers: [
            { name: 'b', ...bytes(n, blocks, (size * bits) / 8) },
            { name: 'scales', ...floats(n, blocks) },
            ...(zeros === 'none' ? [] : [{ name: 'zeros', ...points }]),
            ...(bias ? [{ name: 'bias', ...floats(n) }] : []),
          ],
          nodes: [
            {
              op: 'com.microsoft.MatMulNBits',
              inputs: ['x', 'b', 'scales', zeros === 'none' ? '' : 'zeros', '', bias ? 'bias' : ''],
              outputs: ['y'],
              attributes: { K: k, N: n, bits, block_size: size },
            },
          ],
        },
        floats(2, 3, k),
      )
    })
  }
})

describe('NhwcMaxPool', () => {
  for (const [kernel, strides, pads] of [
    [
      [2, 2],
      [2, 2],
      [0, 0, 0, 0],
    ],
    [
      [3, 3],
      [2, 1],
      [1, 1, 1, 1],
    ],
  ] as const) {
    it(`of ${kernel} in steps of ${strides}`, () =>
      expectAnswer(
        {
          opset: 17,
          inputs: [{ name: 'x', type: 'uint8', shape: [2, 7, 6, 5] }],
          outputs: [{ name: 'y', type: 'uint8' }],
          nodes: [
            {
              op: 'com.microsoft.NhwcMaxPool',
              inputs: ['x'],
              outputs: ['y'],
              attributes: { kernel_shape: kernel, strides, pads },
            },
          ],
        },
        bytes(2, 7, 6, 5),
      ))
  }
})
