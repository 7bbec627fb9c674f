/**
 * What the bench uses of libraries that only `npm run bench -- --peers` installs, so that its types are
 * checked without them too.
 */

declare module 'onnxruntime-web' {
  export * from 'onnxruntime-common'
}

declare module 'onnxruntime-web/wasm' {
  export * from 'onnxruntime-common'
}

declare module '@tensorflow/tfjs-backend-wasm' {
  export function setWasmPaths(folder: string): void
  export function setThreadsCount(threads: number): void
}

declare module '@jax-js/jax' {
  export interface Array {
    /** Ops take their arguments over; this keeps one. */
    readonly ref: Array
    add(other: Array): Array
    sub(other: Array): Array
    mul(other: Array | number): Array
    sum(): Array
    reshape(shape: readonly number[]): Array
    /** Of each axis all, or from the first number to before the second. */
    slice(...axes: readonly number[][]): Array
    data(): Promise<Float32Array>
  }
  export function init(device: 'wasm'): Promise<unknown>
  export function defaultDevice(device: 'wasm'): unknown
  export function blockUntilReady(arrays: readonly Array[]): Promise<unknown>
  export function jit<F>(step: F): F
  export function valueAndGrad<Parameters, Data extends readonly unknown[]>(
    loss: (parameters: Parameters, ...data: Data) => Array,
  ): (parameters: Parameters, ...data: Data) => [value: Array, gradients: Array[]]
  export const lax: {
    conv(x: Array, filter: Array, strides: readonly number[], padding: 'SAME' | 'VALID'): Array
    reduceWindow(x: Array, op: unknown, window: readonly number[], strides: readonly number[]): Array
  }
  export const nn: {
    relu(x: Array): Array
    logSoftmax(x: Array): Array
    oneHot(x: Array, classes: number): Array
    sigmoid(x: Array): Array
  }
  export const numpy: {
    array(data: Float32Array | Int32Array, options?: { dtype: unknown }): Array
    dot(a: Array, b: Array): Array
    tanh(x: Array): Array
    zeros(shape: readonly number[]): Array
    max: unknown
    int32: unknown
  }
}

declare module '@litertjs/core/package.json' {
  export const version: string
}

declare module 'flatbuffers' {
  type Offset = number
  /** Strings, vectors and tables come before the tables that name them. */
  export class Builder {
    constructor(bytes: number)
    startVector(elementBytes: number, count: number, alignment: number): void
    endVector(): Offset
    addInt32(value: number): void
    addInt64(value: bigint): void
    addFloat32(value: number): void
    addOffset(offset: Offset): void
    prep(alignment: number, bytes: number): void
    createByteVector(bytes: Uint8Array): Offset
    createString(text: string): Offset
    startObject(fields: number): void
    endObject(): Offset
    addFieldInt8(field: number, value: number, otherwise: number): void
    addFieldInt32(field: number, value: number, otherwise: number): void
    addFieldOffset(field: number, offset: Offset, otherwise: Offset): void
    finish(root: Offset, identifier: string): void
    asUint8Array(): Uint8Array
  }
}
