/** Layers one after the other, and beside each other. */
import { check, show } from '../../base/errors.js'
import { sameShape } from '../../base/shape.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { add } from '../../ops/arithmetic.js'
import { concat } from '../../ops/concat.js'
import { type AnyLayer, Layer } from '../layer.js'

/**
 * Layers one after the other. Names of parameters start with the index of their layer: `0.filter`. A layer
 * that stands in several places counts once.
 * @example const model = new Sequential(new Flatten(), new Linear(engine, { inFeatures: 784, outFeatures: 10
 *   }))
 */
export class Sequential extends Layer {
  readonly layers: readonly Layer[]

  constructor(...layers: Layer[]) {
    super()
    this.layers = layers
    for (const [tensor, name] of this.names) tensor.name = name
  }

  override inside(): [name: string, layer: AnyLayer][] {
    const layers: AnyLayer[] = [...this.layers]
    const others = super.inside().filter(([, layer]) => !layers.includes(layer))
    return [...layers.map((layer, i): [string, AnyLayer] => [`${i}`, layer]), ...others]
  }

  /** Frees what is between the layers. */
  forward(x: Tensor): Tensor {
    const first = x.reshape(x.shape)
    return this.layers.reduce((input, layer) => {
      try {
        return layer.forward(input)
      } finally {
        input.dispose()
      }
    }, first)
  }
}

/**
 * Layers one after the other, and their input added to what they give, which has to be of the same shape:
 * nothing is repeated to fit.
 * @example new Residual(new Conv2d(engine, { ... }), new BatchNorm2d(engine, { channels: 16 }))
 */
export class Residual extends Sequential {
  override forward(x: Tensor): Tensor {
    return x.engine.scope(() => {
      const y = super.forward(x)
      const shapes = { x: x.shape, y: y.shape }
      const hint = 'A layer of your own can add a projection of x'
      check(sameShape(y.shape, x.shape), () => ({
        op: 'Residual',
        argument: 'layers',
        expected: `such that y is of x's shape`,
        got: show(y.shape),
        shapes,
        hint,
      }))
      return add(y, x)
    })
  }
}

/** How the answers of `Parallel` become one. */
export interface ParallelOptions {
  /** `'concat'`: one after the other along an axis; `'sum'`: added up. Default 'concat'. */
  merge?: 'concat' | 'sum'
  /** Of 'concat'; negative counts from the last. Default -1: the channels. */
  axis?: number
}

const PARALLEL: Names<ParallelOptions> = { merge: true, axis: true }

/**
 * Layers that are all given the same input, and their answers as one. Answers that are added up are of one
 * shape: nothing is repeated to fit.
 * @example new Parallel([narrow, wide], { merge: 'sum' })
 */
export class Parallel extends Layer {
  readonly branches: readonly Layer[]
  private readonly merge: 'concat' | 'sum'
  private readonly axis: number

  constructor(branches: readonly Layer[], options: ParallelOptions = {}) {
    const op = 'Parallel'
    checkOptions(op, options, PARALLEL)
    const isList = Array.isArray(branches) && branches.length > 0
    check(isList && branches.every((branch) => branch instanceof Layer), () => ({
      op,
      argument: 'branches',
      expected: 'an array of at least one layer',
      got: show(branches),
    }))
    const { merge = 'concat', axis = -1 } = options
    check(merge === 'concat' || merge === 'sum', () => ({
      op,
      argument: 'merge',
      expected: "'concat' or 'sum'",
      got: show(merge),
    }))
    super()
    this.branches = [...branches]
    this.merge = merge
    this.axis = axis
  }

  forward(x: Tensor): Tensor {
    return x.engine.scope(() => {
      const answers = this.branches.map((branch) => branch.forward(x))
      if (this.merge === 'concat') return concat(answers, { axis: this.axis })
      const [first, ...others] = answers as [Tensor, ...Tensor[]]
      for (const { shape } of others)
        check(sameShape(shape, first.shape), () => ({
          op: 'Parallel',
          argument: 'branches',
          expected: `such that all give ${show(first.shape)}`,
          got: show(shape),
        }))
      return others.reduce((sum, answer) => add(sum, answer), first)
    })
  }
}
