import type { Storage } from './storage.js'
import type { AnyTensor, Tensor } from './tensor.js'

type Tensors = Record<string, AnyTensor | undefined>

/**
 * Who listens to the ops while derivatives are wanted (src/nn/gradients.ts). A value is known by its storage:
 * `reshape` changes nothing, and a tensor may be disposed as soon as its op is recorded.
 * @internal
 */
export interface Tape {
  /**
   * Notes that `output` was computed from `inputs`. `backward` is called later, with the derivative of the
   * loss with respect to `output` and live tensors for what it asked to keep; it gives, for each input, how
   * to compute the derivative with respect to it: a new tensor of that input's size, or `dy` itself.
   */
  record<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    output: AnyTensor,
    inputs: Inputs,
    kept: Kept,
    backward: (dy: Tensor, kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void
  /** Whether these numbers have to stay as they are. */
  holds(storage: Storage): boolean
}

/**
 * Who listens to the ops while a model is written (src/nn/onnx/trace.ts). Each op tells what it did in the
 * terms of its page, with its options as it settled them; an op made of others leaves that to them.
 * @internal
 */
export interface Trace {
  /** `outputs` were computed from `inputs`: tensors, or numbers that stand for some. */
  note(
    op: string,
    outputs: AnyTensor | readonly AnyTensor[],
    inputs: Readonly<Record<string, AnyTensor | number | undefined>>,
    options?: object,
  ): void
  /** Someone is about to write a new tensor. */
  made(tensor: AnyTensor): void
  /** The host wrote it: a constant. */
  given(tensor: AnyTensor): void
  /** The host reads numbers. */
  read(tensor: AnyTensor): void
}
