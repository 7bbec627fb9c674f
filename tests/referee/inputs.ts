/** Inputs of the problems that ONNX Runtime is asked about, and what a problem is. */
// biome-ignore-all format: tables

import type { NodeParts } from '../../src/onnx/file/write.js'
import type { UserArray } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

export const SEED = Number(process.env.FILTERBANK_SEED ?? 20261121)

export type Type = 'float32' | 'float64' | 'int8' | 'uint8' | 'int32' | 'int64' | 'bool' | 'string'
export interface Input {
  type: Type
  shape: readonly number[]
  data: UserArray
}
/** A node with its inputs; undefined ones are left out. */
export interface Line {
  op: string
  inputs: (Input | undefined)[]
  attributes?: NonNullable<NodeParts['attributes']>
  /** Whether the inputs after the first are constants of the file. */
  fixed?: boolean
  outputs?: number
  opset?: number
  /** Of the other domain: its version. */
  version?: number
  /** Of the largest number; 1e-5 unless it says otherwise. */
  tolerance?: number
}

export const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1)

/** All choices of one from each list. */
export const product = <T extends Record<string, readonly unknown[]>>(lists: T): { [K in keyof T]: T[K][number] }[] =>
  Object.entries(lists).reduce<Record<string, unknown>[]>((all, [name, list]) => all.flatMap((part) => list.map((value) => ({ ...part, [name]: value }))),
    [{}]) as never

export const microsoft = (op: string) => `com.microsoft.${op}`

export const floats = (...values: number[]): Input => ({ type: 'float32', shape: [values.length], data: Float32Array.from(values) })
export const ints = (...values: number[]): Input => ({ type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) })
export const scalar = (input: Input): Input => ({ ...input, shape: [] })
export const shaped = (input: Input, ...shape: number[]): Input => ({ ...input, shape })
export const asFloat = (input: Input): Input => ({ ...input, type: 'float32', data: Float32Array.from(input.data as Int32Array) })

/** Random inputs of each type, one after the other from a seed. */
export function inputsOf(seed: number) {
  const random = new Random(seed)
  const f = (shape: readonly number[], low = -2, high = 2): Input => ({ type: 'float32', shape, data: random.floats(sizeOf(shape), low, high) })
  const u8 = (shape: readonly number[], low = 0, high = 255): Input => ({
    type: 'uint8',
    shape,
    data: Uint8Array.from(random.integers(sizeOf(shape), low, high)),
  })
  const i8 = (shape: readonly number[], low = -128, high = 127): Input => ({
    type: 'int8',
    shape,
    data: Int8Array.from(random.integers(sizeOf(shape), low, high)),
  })
  /**
   * Second factors of integer products, of seven bits where they have a sign: with eight, ONNX Runtime
   * saturates sums of two products to 16 bits on a processor that has AVX2 and no VNNI.
   * (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html, "U8S8")
   */
  const factors = (make: typeof u8, shape: readonly number[], top = false): Input =>
    make === u8 ? u8(shape, top ? 120 : 0) : i8(shape, top ? 55 : -64, 63)
  const i32 = (shape: readonly number[], low = -9, high = 9): Input => ({
    type: 'int32',
    shape,
    data: Int32Array.from(random.integers(sizeOf(shape), low, high)),
  })
  const i64 = (shape: readonly number[], low = -9, high = 9): Input => ({
    type: 'int64',
    shape,
    data: BigInt64Array.from([...random.integers(sizeOf(shape), low, high)], BigInt),
  })
  const bool = (shape: readonly number[]): Input => ({ type: 'bool', shape, data: Uint8Array.from(random.integers(sizeOf(shape), 0, 1)) })
  return { random, f, u8, i8, factors, i32, i64, bool }
}
