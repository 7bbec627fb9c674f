import { expect } from 'vitest'
import type { HostTensor } from '../../src/onnx/file/types.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import type { ModelOutput } from '../../src/onnx/index.js'

/** Type and shape alike, and every number within the standard's `1e-7 + relative * |wanted|`. */
export function expectTensor(actual: ModelOutput, wanted: HostTensor, relative = 1e-3, about = ''): void {
  expect(actual?.type, about).toBe(wanted.type)
  expect([...actual.shape], about).toEqual([...wanted.shape])
  const got = actual.toArray()
  for (let i = 0; i < wanted.data.length; i++) {
    const [a, b] = [got[i]!, wanted.data[i]!]
    const near =
      Object.is(a, b) ||
      a === b ||
      Math.abs((a as number) - (b as number)) <= 1e-7 + relative * Math.abs(b as number)
    if (!near) expect.fail(`${about}: element ${i} of [${wanted.shape.join(', ')}] is ${a}, expected ${b}`)
  }
}

/** A node of a graph, as writeModel takes it. */
export const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: NodeParts['attributes'] = {},
): NodeParts => ({ op, inputs, outputs, attributes })

/** A constant of int64. */
export const whole = (name: string, shape: number[], ...values: number[]) => ({
  name,
  shape,
  data: BigInt64Array.from(values, BigInt),
})

/** `y = operator(inputs...)`, without constants. `ranks`: those of the inputs in order, then of y. */
export function oneNode(
  op: string,
  inputs: readonly string[],
  ranks: readonly number[],
  attributes: NodeParts['attributes'],
  opset?: number,
): Uint8Array {
  const port = (name: string, i: number) => ({ name, shape: Array<null>(ranks[i]!).fill(null) })
  return writeModel({
    opset,
    nodes: [{ op, inputs, outputs: ['y'], attributes }],
    inputs: inputs.map(port),
    outputs: [port('y', inputs.length)],
  })
}
