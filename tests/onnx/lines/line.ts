/** A node with inputs and the answers that its definition gives, and what tensors in it are written by. */
import type { ElementType, UserArray } from '../../../src/onnx/file/types.js'
import type { NodeParts, TensorParts } from '../../../src/onnx/file/write.js'

export interface Line {
  op: string
  inputs: readonly (TensorParts | undefined)[]
  outputs: readonly TensorParts[]
  attributes?: NodeParts['attributes']
  opset?: number
}

export const shaped = (shape: readonly number[], data: UserArray, type?: ElementType): TensorParts => ({
  shape,
  data,
  ...(type && { type }),
})
export const row = (data: UserArray, type?: ElementType): TensorParts => shaped([data.length], data, type)
export const f32 = (...values: number[]): TensorParts => row(Float32Array.from(values))
export const f64 = (...values: number[]): TensorParts => row(Float64Array.from(values))
export const i32 = (...values: number[]): TensorParts => row(Int32Array.from(values))
export const i64 = (...values: number[]): TensorParts => row(BigInt64Array.from(values, BigInt))
export const bool = (...values: number[]): TensorParts => row(Uint8Array.from(values), 'bool')
export const bits8 = (type: ElementType, ...values: number[]): TensorParts =>
  row(Uint8Array.from(values), type)
export const texts = (...values: string[]): TensorParts => row(values)
export const scalar = (tensor: TensorParts): TensorParts => ({ ...tensor, shape: [] })
export const reshaped = (tensor: TensorParts, ...shape: number[]): TensorParts => ({ ...tensor, shape })

export const sigmoid = (v: number) => 1 / (1 + Math.exp(-v))
export const silu = (v: number, alpha = 1) => v * sigmoid(alpha * v)
export const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
