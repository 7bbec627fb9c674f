/** What a file says by itself, without an engine. */
import { expect, it } from 'vitest'
import { FilterbankError } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { inspectModel } from '../../src/onnx/index.js'

const zeros = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b, 1)),
})
const bytes = (name: string, ...shape: number[]) => ({
  name,
  shape,
  data: new Uint8Array(shape.reduce((a, b) => a * b, 1)),
})

it('tells inputs, outputs, layers with their costs, and what filterbank lacks', async () => {
  const { opset, producer, inputs, outputs, layers, unsupported } = await inspectModel(
    writeModel({
      opset: 17,
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'w', 'b'],
          outputs: ['features'],
          name: 'first',
          attributes: { kernel_shape: [3, 3] },
        },
        { op: 'Wavelet', inputs: ['features'], outputs: ['coarse', ''], name: 'strange' },
        { op: 'Wavelet', inputs: ['features'], outputs: ['fine'] },
        { op: 'Gemm', inputs: ['row', 'g'], outputs: ['column'], attributes: { transA: 1 } },
      ],
      inputs: [
        { name: 'x', shape: [1, 3, 10, 8] },
        { name: 'row', shape: [5, 2] },
        { name: 'any', shape: ['n', null] },
        { name: 'unknown', type: 'int64' },
      ],
      outputs: [
        { name: 'features', shape: [1, 4, 8, 6] },
        { name: 'coarse' },
        { name: 'column', shape: [2, 7] },
      ],
      initializers: [zeros('w', 4, 3, 3, 3), zeros('b', 4), zeros('g', 5, 7)],
    }),
  )
  expect({ opset, producer }).toEqual({ opset: 17, producer: 'filterbank' })
  expect(inputs.map(({ name, type, shape }) => [name, type, shape])).toEqual([
    ['x', 'float32', [1, 3, 10, 8]],
    ['row', 'float32', [5, 2]],
    ['any', 'float32', ['n', null]],
    ['unknown', 'int64', undefined],
  ])
  expect(outputs.map(({ name }) => name)).toEqual(['features', 'coarse', 'column'])
  expect(unsupported).toEqual([{ op: 'Wavelet', nodes: ['strange', 'fine'] }])
  const byOp = (op: string) => layers.filter((layer) => layer.op === op)
  // 4 x 8 x 6 outputs, each the sum of 27 products.
  expect(byOp('Conv')).toMatchObject([
    { name: 'first', outputs: ['features'], shape: [1, 4, 8, 6], parameters: 112, multiplyAdds: 192 * 27 },
  ])
  expect(byOp('Gemm')).toMatchObject([{ shape: [2, 7], parameters: 35, multiplyAdds: 14 * 5 }])
  expect(byOp('Wavelet')).toMatchObject([
    { outputs: ['coarse'], shape: undefined, parameters: 0 },
    { outputs: ['fine'], parameters: 0 },
  ])
  expect(byOp('Wavelet').map(({ multiplyAdds }) => multiplyAdds)).toEqual([undefined, undefined])
})

it('counts the products of whole numbers too', async () => {
  const scale = ['s', 'z']
  const { layers } = await inspectModel(
    writeModel({
      nodes: [
        { op: 'QLinearConv', inputs: ['x', ...scale, 'w', ...scale, ...scale], outputs: ['y'] },
        { op: 'QLinearMatMul', inputs: ['a', ...scale, 'm', ...scale, ...scale], outputs: ['p'] },
        { op: 'MatMulInteger', inputs: ['a', 'm'], outputs: ['q'] },
      ],
      inputs: [
        { name: 'x', type: 'uint8', shape: [1, 2, 5, 5] },
        { name: 'a', type: 'uint8', shape: [3, 4] },
      ],
      outputs: [
        { name: 'y', type: 'uint8', shape: [1, 6, 4, 4] },
        { name: 'p', type: 'uint8', shape: [3, 7] },
        { name: 'q', type: 'int32', shape: [3, 7] },
      ],
      initializers: [bytes('w', 6, 2, 2, 2), bytes('m', 4, 7), zeros('s'), bytes('z')],
    }),
  )
  expect(layers.map(({ op, multiplyAdds }) => [op, multiplyAdds])).toEqual([
    ['QLinearConv', 96 * 8],
    ['QLinearMatMul', 21 * 4],
    ['MatMulInteger', 21 * 4],
  ])
})

it('says what is no model', async () => {
  await expect(inspectModel(new TextEncoder().encode('<!doctype html>'))).rejects.toThrow(FilterbankError)
})

it('names missing operators, and what else is wrong, whatever that is', async () => {
  const nodes = [
    { op: 'Wavelet', inputs: ['b'], outputs: ['a'], name: 'first' },
    { op: 'Neg', inputs: ['a'], outputs: ['b'] },
    { op: 'own.Wave', inputs: ['nothing'], outputs: ['y'], name: 'second' },
  ]
  const { layers, problems, unsupported } = await inspectModel(
    writeModel({ nodes, inputs: [{ name: 'x', shape: [2] }], outputs: [{ name: 'y' }, { name: 'z' }] }),
  )
  expect(unsupported).toEqual([
    { op: 'Wavelet', nodes: ['first'] },
    { op: 'own.Wave', nodes: ['second'] },
  ])
  expect(problems).toEqual([expect.stringContaining('circle')])
  expect(layers).toHaveLength(3)
})
