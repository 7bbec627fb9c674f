/** What goes between a page and its worker: calls, their answers, and errors that keep their fields. */

import { FilterbankError, messageOf } from '../base/errors.js'
import type { Shape } from '../base/shape.js'
import type { EngineOptions } from '../core/engine.js'
import type { AnyArray, ElementType } from '../onnx/file/types.js'
import type { ModelMap } from '../onnx/run/ports.js'

/** To the worker. */
export type Request =
  | { id: number; method: string; argument: unknown; progress: boolean }
  | { id: number; stop: true }

/** From the worker. The first says that its script runs. */
export type Reply =
  | { ready: true }
  | { id: number; progress: unknown }
  | { id: number; result: unknown }
  | { id: number; error: PackedError }

/** A stream of bytes, or the port that gives its chunks, and how many bytes it says to have. */
export interface ArrivedStream {
  stream: ReadableStream<Uint8Array> | MessagePort
  total: number | undefined
}

/** A model or a file of its data as a message carries it. */
export type ArrivedSource = Uint8Array | ArrayBuffer | SharedArrayBuffer | Blob | string | ArrivedStream

/** The engine that a worker makes. */
export type StartArgument = Omit<EngineOptions, 'signal'>

/** An output as it travels: what `ModelOutput` is made of, or a map as it is. */
export type Packed = { type: ElementType; shape: Shape; data: AnyArray } | { map: ModelMap }

/** An error as structured clone leaves all of it. */
export interface PackedError {
  name: string
  message: string
  stack: string | undefined
  /** Of a FilterbankError. */
  complaint?: { op: string; argument: string; expected: string; got: string; hint?: string }
}

export function packError(error: unknown): PackedError {
  const { name = 'Error', stack } = (error ?? {}) as Partial<Error>
  const packed: PackedError = { name, message: messageOf(error), stack }
  if (error instanceof FilterbankError) {
    const { op, argument, expected, got, hint } = error
    packed.complaint = { op, argument, expected, got, ...(hint ? { hint } : {}) }
  }
  return packed
}

export function unpackError({ name, message, stack, complaint }: PackedError): Error {
  const error = complaint ? new FilterbankError(complaint) : new Error(message)
  // The message has shapes that no field has.
  Object.defineProperty(error, 'message', { value: message, configurable: true, writable: true })
  if (stack) Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true })
  if (!complaint && name !== 'Error')
    Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  return error
}

/** What a signal without a reason gives, and what an overtaken frame is refused with. */
export function abortError(message: string): Error {
  if (typeof DOMException === 'function') return new DOMException(message, 'AbortError')
  return Object.assign(new Error(message), { name: 'AbortError' })
}
