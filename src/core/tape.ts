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
  /** The same of an op with several outputs; of those that the loss does not depend on `dys` has none. */
  recordAll<Inputs extends Tensors, Kept extends Tensors>(
    op: string,
    outputs: readonly AnyTensor[],
    inputs: Inputs,
    kept: Kept,
    backward: (dys: readonly (Tensor | undefined)[], kept: Kept) => { [name in keyof Inputs]?: () => Tensor },
  ): void
  /** Whether these numbers have to stay as they are. */
  holds(storage: Storage): boolean
}
