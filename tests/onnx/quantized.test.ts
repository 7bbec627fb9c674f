/** Scales and zero points that cannot be: refused when the file is loaded, by the name of what is wrong. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type ModelParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'

type Tensor = NonNullable<ModelParts['initializers']>[number]
const scale = (name: string, ...values: number[]): Tensor => ({
  name,
  shape: values.length > 1 ? [values.length] : [],
  data: Float32Array.from(values),
})
const zero = (name: string, type: 'int8' | 'uint8'): Tensor => ({
  name,
  shape: [],
  type,
  data: type === 'int8' ? new Int8Array(1) : new Uint8Array(1),
})

const file = (op: string, inputs: string[], from: string, to: string, initializers: Tensor[]): Uint8Array =>
  writeModel({
    opset: 13,
    nodes: [{ op, name: 'node', inputs, outputs: ['y'] }],
    inputs: [{ name: 'x', shape: [2, 2], type: from as 'uint8' }],
    outputs: [{ name: 'y', shape: [2, 2], type: to as 'uint8' }],
    initializers: [...initializers, zero('z', 'uint8'), zero('signed', 'int8')],
  })

const quantize = (...scales: number[]) =>
  file('QuantizeLinear', ['x', 's', 'z'], 'float32', 'uint8', [scale('s', ...scales)])
const dequantize = (zeroPoint: string, ...scales: number[]) =>
  file('DequantizeLinear', ['x', 's', zeroPoint], 'uint8', 'float32', [scale('s', ...scales)])
const product = (x: [string, string], y: string) =>
  file('QLinearMatMul', ['x', ...x, 'w', 'one', 'z', y, 'z'], 'uint8', 'uint8', [
    scale('one', 1),
    scale('none', 0),
    { name: 'w', shape: [2, 2], type: 'uint8', data: new Uint8Array(4) },
  ])

describe('what bytes stand for in a file', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())
  /** Loads it and gives it back; of a file that is refused nothing is left either. */
  const loads = async (bytes: Uint8Array) => {
    const before = engine.memory().live
    try {
      const model = await loadModel(engine, bytes)
      model.dispose()
    } finally {
      expect(engine.memory().live).toBe(before)
    }
  }

  it.each([[0], [-1], [Number.NaN], [Number.POSITIVE_INFINITY], [1, 0]])(
    'no scale to divide by: %j',
    async (...s) => {
      await expect(loads(quantize(...s))).rejects.toThrow(
        /QuantizeLinear "node": "s" must be a scale: finite and above 0, got/,
      )
    },
  )
  it('no scale to multiply by', async () => {
    for (const s of [-1, Number.NaN])
      await expect(loads(dequantize('z', s))).rejects.toThrow(
        /"s" must be a scale: finite and not below 0, got/,
      )
  })
  it('none among those of an operator on bytes', async () => {
    await expect(loads(product(['none', 'z'], 'one'))).rejects.toThrow(/QLinearMatMul "node": "none" must be/)
    await expect(loads(product(['one', 'z'], 'none'))).rejects.toThrow(/"none" must be a scale/)
  })
  it('zero points of another type', async () => {
    for (const bytes of [dequantize('signed', 1), product(['one', 'signed'], 'one')])
      await expect(loads(bytes)).rejects.toThrow(
        '"signed" must be a zero point of the type of what it belongs to, uint8, got int8',
      )
  })
  it('takes those that can be', async () => {
    await loads(quantize(0.5))
    await loads(quantize(1, 2))
    // Weights that are all zeros, as some exporters write them.
    await loads(dequantize('z', 0))
    await loads(product(['one', 'z'], 'one'))
  })
})
