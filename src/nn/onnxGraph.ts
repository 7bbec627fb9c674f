/** The graph of a model while `saveOnnx` writes it. */

import type { Shape } from '../base/shape.js'
import type { AttributeParts, NodeParts, TensorParts } from '../onnx/file/write.js'

/** A value of the graph. The first length of its shape is 1 and stands for any. */
export interface OnnxValue {
  name: string
  /**
   * As here: [n, height, width, channels]. In the graph values of four axes are [n, channels, height, width].
   */
  shape: Shape
}

/** The graph of a model while it is written: what a layer's `toOnnx` adds its nodes to. */
export class OnnxGraph {
  /** @internal */
  readonly nodes: NodeParts[] = []
  /** @internal */
  readonly initializers: (TensorParts & { name: string })[] = []
  /** The layer that is being written, such as `2.0`. @internal */
  place = ''
  private readonly used = new Map<string, number>()

  /** @internal */
  constructor(readonly foldBatchNorm: boolean) {}

  /**
   * An operator on values and constants.
   * @param attributes numbers are integers; others are `{ float }` or `{ floats }`
   * @param shape of the result, as here: that of the first input by default
   */
  node(
    op: string,
    inputs: readonly OnnxValue[],
    attributes: Record<string, AttributeParts | undefined> = {},
    shape: Shape = inputs[0]!.shape,
  ): OnnxValue {
    const name = this.unique(op)
    this.nodes.push({ op, name, inputs: inputs.map((input) => input.name), outputs: [name], attributes })
    return { name, shape }
  }

  /** A constant, by a name within the layer; its shape is that of the graph. */
  constant(name: string, data: TensorParts['data'], shape: Shape): OnnxValue {
    const unique = this.unique(name)
    this.initializers.push({ name: unique, shape, data })
    return { name: unique, shape }
  }

  private unique(name: string): string {
    const whole = this.place ? `${this.place}.${name}` : name
    const count = this.used.get(whole) ?? 0
    this.used.set(whole, count + 1)
    return count ? `${whole}_${count}` : whole
  }
}
