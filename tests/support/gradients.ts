import { expect } from 'vitest'
import type { Engine, Tensor } from '../../src/index.js'
import { mul, sum } from '../../src/index.js'
import { valueAndGradients } from '../../src/nn/index.js'
import type { Random } from './random.js'

/**
 * Numbers at least 1/8 away from every multiple of 1/2 (where the kinks of activations stand), and from 0.
 */
export const offKinks = (random: Random, length: number) =>
  Float32Array.from({ length }, () => random.integer(-9, 9) / 2 + 0.125 + random.next() / 4)

/** The same, and none twice: a step of a central difference changes no order. */
export const distinct = (random: Random, length: number) => {
  const order = Array.from({ length }, (_, i) => ({ i, at: random.next() })).sort((a, b) => a.at - b.at)
  return Float32Array.from(order, ({ i }) => i / 8)
}

/** Tensors for random problems, in the engine of the test that runs. */
export const tensorsOf = (engine: () => Engine) => {
  const make = (data: Float32Array, shape: number[]) => engine().tensor(data, shape)
  const floats = (random: Random, shape: number[], low = -1, high = 1) =>
    make(
      random.floats(
        shape.reduce((a, b) => a * b, 1),
        low,
        high,
      ),
      shape,
    )
  return { make, floats }
}

/**
 * Distance of the two values on either side. Its square is the error of a central difference; rounding adds
 * eps * |loss| / STEP.
 */
const STEP = 2 ** -6

/**
 * The derivatives of sum(weights * f(...inputs)), with random weights, against central differences of the
 * same forward op:
 *
 *   (L(x + h) - L(x - h)) / 2 h,  off by h^2 / 6 |L'''| + (rounding of f, about 2^-20 of its scale) sqrt(outputs) / h
 *
 * where L is added up in float64. `tolerance` is relative to the largest derivative, at least 1. At most
 * `most` elements of each input are tried.
 */
export function expectGradients(
  engine: Engine,
  random: Random,
  inputs: Tensor[],
  f: (...inputs: Tensor[]) => Tensor,
  { tolerance = 2e-3, about = '', most = 24 }: { tolerance?: number; about?: string; most?: number } = {},
): void {
  engine.scope(() => {
    const shape = engine.scope(() => f(...inputs)).shape
    const size = shape.reduce((a, b) => a * b, 1)
    const weights = engine.tensor(random.floats(size), shape)
    const factors = weights.toArray()
    const { value, gradients } = valueAndGradients(() => sum(mul(f(...inputs), weights)), inputs)
    const loss = () =>
      engine.scope(() =>
        f(...inputs)
          .toArray()
          .reduce((total, y, i) => total + y * factors[i]!, 0),
      )
    expect(Math.abs(loss() - value), `${about} loss`).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(value)))
    inputs.forEach((input, which) => {
      const got = gradients[which]!.toArray()
      expect(gradients[which]!.shape).toEqual(input.shape)
      const data = input.toArray()
      const largest = got.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
      for (let trial = 0; trial < Math.min(most, input.size); trial++) {
        const i = input.size <= most ? trial : random.integer(0, input.size - 1)
        const sides = [1, -1].map((side) => {
          input.set(data.with(i, data[i]! + side * STEP))
          return loss()
        }) as [number, number]
        input.set(data)
        const want = (sides[0] - sides[1]) / (2 * STEP)
        const off = Math.abs(got[i]! - want)
        if (!(off <= tolerance * largest))
          expect.fail(
            `seed ${random.seed}, ${about} input ${which} element ${i} of [${input.shape}]: ${got[i]}, expected ${want}`,
          )
      }
    })
  })
}
