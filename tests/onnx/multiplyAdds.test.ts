import { afterAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import type { NodeParts } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { oneNode } from '../support/onnx.js'

const engine = await createEngine()

const transposed = { transA: 1 }
const relu = { activation: 'Relu' }

describe('summary', () => {
  afterAll(() => engine.dispose())

  it.each<[op: string, shapes: string, sums: number, attributes?: NodeParts['attributes']]>([
    ['Conv', '1x8x9x9 8x2x3x3', 8 * 16 * 2 * 9, { group: 4, strides: [2, 2] }],
    ['ConvTranspose', '1x8x5x5 8x3x4x4', 8 * 25 * 3 * 16, { strides: [2, 2] }],
    ['Gemm', '7x5 7x3', 5 * 7 * 3, transposed],
    ['MatMul', '2x3x4 4x5', 2 * 3 * 4 * 5],
    ['LSTM', '6x2x3 1x16x3 1x16x4', 6 * 2 * 16 * 7, { hidden_size: 4 }],
    ['com.microsoft.FusedConv', '1x8x9x9 8x8x3x3', 8 * 49 * 8 * 9, relu],
    ['com.microsoft.FusedConvTranspose', '1x8x5x5 8x3x4x4', 8 * 25 * 3 * 16, relu],
    ['com.microsoft.FusedGemm', '7x5 7x3', 5 * 7 * 3, { ...transposed, ...relu }],
    ['com.microsoft.FusedMatMul', '2x4x3 2x4x5', 2 * 3 * 4 * 5, transposed],
    ['Add', '2x3 2x3', 0],
  ])('counts the multiply-adds of %s by definition', async (op, list, sums, attributes = {}) => {
    const shapes = list.split(' ').map((shape) => shape.split('x').map(Number))
    const names = shapes.map((_, i) => `x${i}`)
    const ranks = [...shapes.map(({ length }) => length), 4]
    using model = await loadModel(engine, oneNode(op, names, ranks, attributes))
    const inputs = shapes.map((shape, i) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b))
      return [names[i]!, { data, shape }]
    })
    model.run(Object.fromEntries(inputs))
    expect(model.summary()[0]!.multiplyAdds).toBe(sums)
  })
})
