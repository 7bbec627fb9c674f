/** Who takes part in a bench, and what it is asked. */
import type * as Library from '../src/index.js'
import type { Numbers, Problem } from './cases.js'
import type { Run } from './measure.js'
import type { Network } from './networks.js'

type MaybePromise<T> = T | Promise<T>

/** filterbank's core entry. */
export type Core = typeof Library

/** Who takes part. */
export interface Contender {
  name: string
  version: string
  /** Not WebAssembly. */
  native?: boolean
  /** Default 1. */
  threads?: number
  /** Loads a network from the bytes of its ONNX file. */
  reads?: boolean
  /** Undefined for what it cannot do. */
  prepare(problem: Problem, data: Numbers): MaybePromise<Prepared | undefined>
  /** A layer of uint8 by int8, to uint8, with relu; undefined for what it cannot do. */
  bytes?(problem: Problem, layer: ByteLayer): MaybePromise<Prepared | undefined>
  /** Undefined for what it cannot run. */
  network?(
    network: Pick<Network, 'input' | 'layers'>,
    bytes: Uint8Array,
    photo: Float32Array,
  ): MaybePromise<PreparedNetwork | undefined>
}

/** The numbers of a layer on bytes: NHWC, and [height, width, depth, out]. */
export interface ByteLayer {
  x: Uint8Array
  filter: Int8Array
  quantization: Record<'x' | 'y', { scale: number; zeroPoint: number }> & { filter: { scale: number } }
}

export interface Prepared {
  /** Leaves input and output where they are. */
  run: Run
  /** Of those whose every call copies them in and out: such a call. */
  runWithCopies?: Run
  /** NHWC, row-major. */
  output(): MaybePromise<ArrayLike<number>>
  dispose(): void
}

export interface PreparedNetwork {
  /** Numbers in and numbers out. */
  run(): MaybePromise<ArrayLike<number>>
  dispose(): void
}
