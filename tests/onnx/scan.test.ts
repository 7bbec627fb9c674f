/** Scan as opset 8 has it, beside ONNX Runtime: batches of sequences, each of its own length. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { type GraphParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const random = new Random(8)
const rows = (...shape: number[]) => ({ data: random.floats(shape.reduce((a, b) => a * b, 1)), shape })

it.each([
  ['lengths', [4, 4, 4]],
  ['lengths', [2, 4, 1]],
  ['', [4, 4, 4]],
] as const)('scans batches by %j %j, in either direction', async (given, ends) => {
  using engine = await createEngine({ threads: 1 })
  const body: GraphParts = {
    nodes: [
      { op: 'Add', inputs: ['s', 'a'], outputs: ['sum'] },
      { op: 'Mul', inputs: ['sum', 'b'], outputs: ['out'] },
    ],
    inputs: ['s', 'a', 'b'].map((name) => ({ name, shape: [2] })),
    outputs: [{ name: 'sum' }, { name: 'out' }],
  }
  const attributes = { body, num_scan_inputs: 2, directions: [0, 1] }
  const bytes = writeModel({
    opset: 8,
    nodes: [{ op: 'Scan', inputs: [given, 'start', 'x', 'z'], outputs: ['last', 'all'], attributes }],
    inputs: [
      ...(given ? [{ name: given, type: 'int64', shape: [3] } as const] : []),
      { name: 'start', shape: [3, 2] },
      { name: 'x', shape: [3, 4, 2] },
      { name: 'z', shape: [3, 4, 2] },
    ],
    outputs: [{ name: 'last' }, { name: 'all' }],
  })
  const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
  using model = await loadModel(engine, bytes)
  for (let run = 0; run < 4; run++) {
    const floats = { start: rows(3, 2), x: rows(3, 4, 2), z: rows(3, 4, 2) }
    const lengths = { data: BigInt64Array.from(ends, BigInt), shape: [3] }
    const outputs = model.run({ ...floats, ...(given && { lengths }) })
    const feeds = Object.entries(floats).map(
      ([name, { data, shape }]) => [name, new Tensor('float32', data, shape)] as const,
    )
    const wanted = await session.run({
      ...Object.fromEntries(feeds),
      ...(given && { lengths: new Tensor('int64', lengths.data, [3]) }),
    })
    for (const name of ['last', 'all']) {
      const { shape, data } = outputs[name]!
      expect(shape).toEqual(wanted[name]!.dims)
      Array.from(wanted[name]!.data as Float32Array).forEach((value, i) => {
        expect(data[i], `${name}[${i}], run ${run}`).toBeCloseTo(value, 5)
      })
    }
  }
  await session.release()
})
