/** What layers learn, as it is at first. */

import { type Shape, sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkNumbers } from '../../core/numbers.js'
import { checkInteger, MOST } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type Initial, initializerOf } from '../initializers.js'
import { Layer } from '../layer.js'
import { checkSeed, randomOf, type Seed } from '../random.js'

/** How a layer's weights begin. */
export interface WeightOptions {
  /** What the weights are at first. Default 'he'. */
  initial?: Initial
  /** Where they come from: a number, or a generator that goes on. Default: the engine's. */
  seed?: Seed
}

export function positive(op: string, numbers: Record<string, unknown>): void {
  for (const [argument, value] of Object.entries(numbers)) checkInteger(value, argument, 1, MOST, { op })
}

/** Weights of a name and a shape, for so many inputs and outputs of each sum, and zeros for the bias. */
export function weights(
  engine: Engine,
  op: string,
  name: string,
  shape: Shape,
  outputs: number,
  [fanIn, fanOut]: readonly [number, number],
  bias: boolean,
  options: WeightOptions,
): Tensor[] {
  const { initial = 'he', seed } = options
  if (seed !== undefined) checkSeed(seed, op)
  const initialize = initializerOf(initial, op)
  const random = randomOf(seed, engine)
  // The memory first: what does not fit is not to be drawn.
  const weight = engine.upload(shape, (pointer) => {
    const data = initialize(random, shape, fanIn, fanOut)
    checkNumbers(data, shape, op)
    engine.f32.set(data, pointer / 4)
  })
  weight.name = name
  if (!bias) return [weight]
  try {
    const zeros = engine.zeros([outputs])
    zeros.name = 'bias'
    return [weight, zeros]
  } catch (error) {
    weight.dispose()
    throw error
  }
}

/** Tensors of one value each, by their names. */
export function vectors(engine: Engine, shape: Shape, values: Record<string, number>): Tensor[] {
  return engine.scope(() =>
    Object.entries(values).map(([name, value]) => {
      const tensor = engine.upload(
        shape,
        (pointer) => void engine.f32.fill(value, pointer / 4, pointer / 4 + sizeOf(shape)),
      )
      tensor.name = name
      return tensor
    }),
  )
}

/**
 * A layer of one weight, its first parameter, and maybe a bias. Weight and spectral normalisation take such a
 * layer, and compute by another weight than the one that is learned.
 */
export abstract class WeightedLayer extends Layer {
  /** What forward gives, by some weight and bias of the shapes of its own. */
  abstract compute(x: Tensor, weight: Tensor, bias?: Tensor): Tensor

  forward(x: Tensor): Tensor {
    const [weight, bias] = this.parameters
    return this.compute(x, weight!, bias)
  }
}
