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

/** Attributes by their names: numbers are integers; others are `{ float }` or `{ floats }`. */
export type OnnxAttributes = Readonly<Record<string, AttributeParts | undefined>>

/** The graph of a model while it is written: what a layer's `toOnnx` adds its nodes to. */
export class OnnxGraph {
  /** @internal */
  readonly nodes: NodeParts[] = []
  /** @internal */
  readonly initializers: (TensorParts & { name: string })[] = []
  /** The layer that is being written, such as `2.0`. @internal */
  place = ''
  private readonly used = new Set<string>()
  private readonly counts = new Map<string, number>()

  /** @internal */
  constructor(
    /** Version of the operators that the file is written for. */
    readonly opset: number,
    /** Names that inputs and outputs have. */
    ports: readonly string[],
  ) {
    for (const name of ports) this.used.add(name)
  }

  /**
   * An operator on values and constants.
   * @param attributes numbers are integers; others are `{ float }` or `{ floats }`
   * @param shape of the result, as here: that of the first input by default
   */
  node(
    op: string,
    inputs: readonly OnnxValue[],
    attributes: OnnxAttributes = {},
    shape: Shape = inputs[0]!.shape,
  ): OnnxValue {
    return this.several(op, inputs, attributes, [shape])[0]!
  }

  /**
   * An operator of several results.
   * @param shapes of the results, as here; undefined for one that is left out, whose name is empty
   * @example const [, state] = graph.several('GRU', [x, w, r], { hidden_size: 8 }, [undefined, [1, n, 8]])
   */
  several(
    op: string,
    inputs: readonly OnnxValue[],
    attributes: OnnxAttributes,
    shapes: readonly (Shape | undefined)[],
  ): OnnxValue[] {
    const outputs = this.emit(
      op,
      inputs.map(({ name }) => name),
      attributes,
      shapes.map(Boolean),
    )
    return outputs.map((name, i) => ({ name, shape: shapes[i] ?? [] }))
  }

  /** A constant, by a name within the layer; its shape is that of the graph. */
  constant(name: string, data: TensorParts['data'], shape: Shape): OnnxValue {
    return { name: this.initializer(this.placed(name), { data, shape }), shape }
  }

  /**
   * A node by the names of its inputs; gives those of the outputs that are wanted, '' for others.
   * @internal
   */
  emit(
    op: string,
    inputs: readonly string[],
    attributes: OnnxAttributes = {},
    wanted: readonly boolean[] = [true],
  ): string[] {
    const name = this.unique(this.placed(op))
    const outputs = wanted.map((is, i) => (is ? (i ? this.unique(`${name}.${i}`) : name) : ''))
    this.nodes.push({ op, name, inputs, outputs, attributes })
    return outputs
  }

  /** A constant by its whole name. @internal */
  initializer(name: string, parts: TensorParts): string {
    const unique = this.unique(name)
    this.initializers.push({ name: unique, ...parts })
    return unique
  }

  /** A name within the layer. @internal */
  placed(name: string): string {
    return this.place ? `${this.place}.${name}` : name
  }

  private unique(name: string): string {
    let unique = name
    while (this.used.has(unique)) {
      const count = (this.counts.get(name) ?? 0) + 1
      this.counts.set(name, count)
      unique = `${name}_${count}`
    }
    this.used.add(unique)
    return unique
  }
}
