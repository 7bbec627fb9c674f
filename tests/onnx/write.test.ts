import { InferenceSession } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { atOnce } from '../../src/base/turns.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readModel } from '../../src/onnx/file/schema.js'
import { type ModelParts, writeModel } from '../../src/onnx/file/write.js'
import { openGraph } from '../../src/onnx/graph/graph.js'

const read = (parts: ModelParts) => atOnce(openGraph(atOnce(readModel(writeModel(parts))), decodeTensor))
const x = { name: 'x', shape: [2] }
const y = { name: 'y' }

describe('writeModel', () => {
  it('writes what the reader reads: every kind of attribute', () => {
    const body = {
      nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['z'] }],
      inputs: [],
      outputs: [{ name: 'z' }],
    }
    const attributes = {
      count: -3,
      zero: 0,
      text: 'é',
      list: [1, -2, 2 ** 40],
      none: [],
      texts: ['a', ''],
      ratio: { float: 0.5 },
      ratios: { floats: [0.25, -1] },
      table: { shape: [1, 2], data: Float32Array.of(1, 2) },
      body,
      missing: undefined,
    }
    const { graph } = read({
      nodes: [{ op: 'Everything', name: 'all', inputs: ['x', ''], outputs: ['y'], attributes }],
      inputs: [x],
      outputs: [y],
    })
    const [node] = graph.nodes
    expect(node).toMatchObject({ op: 'Everything', name: 'all', inputs: ['x', ''], outputs: ['y'] })
    const { body: inner, table, ...rest } = Object.fromEntries(node!.attributes)
    expect(rest).toEqual({
      count: -3,
      zero: 0,
      text: 'é',
      list: [1, -2, 2 ** 40],
      none: [],
      texts: ['a', ''],
      ratio: 0.5,
      ratios: [0.25, -1],
    })
    expect(table).toMatchObject({ type: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) })
    expect(inner).toMatchObject({ nodes: [{ op: 'Relu' }], outputs: [{ name: 'z' }] })
  })

  it('writes every type of tensor, and ports with open shapes', () => {
    const tensors = [
      { name: 'a', shape: [2], data: Float32Array.of(1, 2) },
      { name: 'b', shape: [], data: BigInt64Array.of(-(2n ** 40n)) },
      { name: 'c', shape: [1], data: Float64Array.of(0.1) },
      { name: 'd', shape: [2], data: Uint8Array.of(0, 255) },
      { name: 'e', shape: [2], data: Uint8Array.of(0, 1), type: 'bool' as const },
      { name: 'f', shape: [1], data: Uint16Array.of(0x3c00), type: 'float16' as const },
      { name: 'g', shape: [2], data: ['one', 'two'] },
      { name: 'h', shape: [0], data: Int32Array.of() },
      { name: 'i', shape: [3], data: Int8Array.of(-8, 7, -1), type: 'int4' as const },
      { name: 'j', shape: [5], data: Uint8Array.of(0, 1, 2, 3, 2), type: 'uint2' as const },
      { name: 'k', shape: [3], data: Uint8Array.of(2, 15, 1), type: 'float4e2m1' as const },
    ]
    const inputs = [
      { name: 'x', shape: ['n', null, 3] },
      { name: 'u' },
      { name: 'v', type: 'int64' as const, shape: [] },
    ]
    const { graph, opset } = read({
      opset: 13,
      nodes: [],
      inputs,
      outputs: [{ name: 'x' }],
      initializers: tensors,
    })
    expect(opset).toBe(13)
    expect(graph.inputs).toEqual([
      { ...inputs[0], type: 'float32' },
      { ...inputs[1], type: 'float32' },
      inputs[2],
    ])
    expect(
      [...graph.constants].map(([name, { type, shape, data }]) => [name, type, shape, [...data]]),
    ).toEqual([
      ['a', 'float32', [2], [1, 2]],
      ['b', 'int64', [], [-(2 ** 40)]],
      ['c', 'float64', [1], [0.1]],
      ['d', 'uint8', [2], [0, 255]],
      ['e', 'bool', [2], [0, 1]],
      ['f', 'float16', [1], [1]],
      ['g', 'string', [2], ['one', 'two']],
      ['h', 'int32', [0], []],
      ['i', 'int4', [3], [-8, 7, -1]],
      ['j', 'uint2', [5], [0, 1, 2, 3, 2]],
      ['k', 'float4e2m1', [3], [1, -6, 0.5]],
    ])
  })

  it('writes what ONNX Runtime takes', async () => {
    const nodes = [
      { op: 'Add', inputs: ['x', 'w'], outputs: ['s'] },
      { op: 'LeakyRelu', inputs: ['s'], outputs: ['r'], attributes: { alpha: { float: 0.5 } } },
      { op: 'Concat', inputs: ['r', 'x'], outputs: ['y'], attributes: { axis: 0 } },
    ]
    const bytes = writeModel({
      nodes,
      inputs: [x],
      outputs: [y],
      initializers: [{ name: 'w', shape: [1], data: Float32Array.of(-2) }],
    })
    const { Tensor } = await import('onnxruntime-node')
    const session = await InferenceSession.create(bytes)
    const { y: got } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 5), [2]) })
    expect([...(got!.data as Float32Array)]).toEqual([-0.5, 3, 1, 5])
    await session.release()
  })

  it('complains about numbers that do not fit', () => {
    const write =
      (attributes: object, initializers: ModelParts['initializers'] = []) =>
      () =>
        writeModel({
          nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'], attributes: attributes as never }],
          inputs: [x],
          outputs: [y],
          initializers,
        })
    expect(write({ alpha: 0.5 })).toThrow(/attribute "alpha" must be an integer, or { float }.*got 0.5/)
    expect(write({}, [{ name: 'w', shape: [3], data: Float32Array.of(1) }])).toThrow(
      /tensor "w".*3 elements, got 1/,
    )
    expect(write({}, [{ name: 'w', shape: [1], type: 'int64', data: Float32Array.of(1) }])).toThrow(
      /tensor "w".*int64/,
    )
    expect(write({}, [{ name: 'w', shape: [1], data: [1] as never }])).toThrow(
      /tensor "w".*a type that ONNX has/,
    )
  })
})
