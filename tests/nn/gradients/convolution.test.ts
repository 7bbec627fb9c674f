import { describe, expect, it } from 'vitest'
import {
  avgPool3d,
  conv1d,
  conv2d,
  conv3d,
  convTranspose2d,
  type Engine,
  maxPool3d,
  type Tensor,
} from '../../../src/index.js'
import { convolveTransposed } from '../../../src/ops/conv/convTranspose.js'
import { inEveryBuild } from '../../support/check.js'
import { expectGradients } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

const activations = [undefined, 'relu', [-3, 8], 'silu', 'tanh'] as const

/**
 * An input, a filter and a bias. But for smooth activations they are small integers, the bias halfway between
 * two: a step of a central difference then never crosses a kink, all sums are exact, and the derivatives are
 * as exact as the weights' products.
 */
function problemOf(
  engine: Engine,
  random: Random,
  activation: (typeof activations)[number],
  shapes: number[][],
): { inputs: Tensor[]; tolerance: number } {
  const smooth = activation === 'silu' || activation === 'tanh'
  const inputs = shapes.map((shape, which) => {
    const length = shape.reduce((a, b) => a * b)
    if (smooth) return engine.tensor(random.floats(length), shape)
    const data = random.integers(length, -3, 3)
    return engine.tensor(which === 2 ? data.map((v) => v + 0.5) : data, shape)
  })
  return { inputs, tolerance: smooth ? 3e-3 : 1e-5 }
}

describe('gradients of convolutions', () => {
  inEveryBuild((engine) => {
    it('conv2d: input, filter and bias, random problems', () => {
      const random = new Random(20261201)
      let solved = 0
      for (let problem = 0; problem < 150; problem++) {
        const depthwise = problem % 5 === 4
        const groups = depthwise ? random.integer(1, 9) : random.pick([1, 1, 1, 2, 3])
        const groupIn = depthwise ? 1 : random.integer(1, 9)
        const groupOut = depthwise ? random.integer(1, 2) : random.integer(1, 9)
        const [kh, kw] = problem % 7 === 0 ? [1, 1] : [random.integer(1, 4), random.integer(1, 4)]
        const stride: [number, number] = [random.integer(1, 3), random.integer(1, 3)]
        const dilation: [number, number] = [random.integer(1, 3), random.integer(1, 2)]
        const side = () => random.integer(0, 3)
        const padding: [[number, number], [number, number]] = [
          [side(), side()],
          [side(), side()],
        ]
        const shape = [random.integer(1, 2), random.integer(1, 9), random.integer(1, 9), groups * groupIn]
        if (
          shape[1]! + padding[0][0] + padding[0][1] < dilation[0] * (kh - 1) + 1 ||
          shape[2]! + padding[1][0] + padding[1][1] < dilation[1] * (kw - 1) + 1
        )
          continue
        solved++
        const activation = random.pick(activations)
        engine().scope(() => {
          const { inputs, tolerance } = problemOf(engine(), random, activation, [
            shape,
            [kh, kw, groupIn, groups * groupOut],
            [groups * groupOut],
          ])
          const options = { stride, dilation, padding, groups, activation }
          const about = `problem ${problem}: x [${shape}] filter [${[kh, kw, groupIn, groups * groupOut]}] ${JSON.stringify(options)}`
          expectGradients(
            engine(),
            random,
            inputs,
            (x, filter, bias) => conv2d(x!, filter!, { ...options, bias }),
            { about, most: 8, tolerance },
          )
        })
      }
      expect(solved).toBeGreaterThan(90)
    })

    it('conv2d by Winograd, backwards too', () => {
      const random = new Random(20261202)
      const uneven = [
        [2, 0],
        [3, 4],
      ] as [[number, number], [number, number]]
      for (const [size, h, w, ic, oc, padding, dilation = 1] of [
        [3, 7, 9, 16, 17, 'same'],
        [3, 16, 15, 8, 9, 'same', 2],
        [3, 5, 6, 19, 16, 'valid'],
        [3, 4, 4, 16, 16, uneven],
        [5, 7, 9, 16, 17, 'same'],
        [5, 7, 6, 19, 16, 'valid'],
        [5, 4, 4, 16, 16, uneven],
      ] as const) {
        engine().scope(() => {
          const inputs = [[2, h, w, ic], [size, size, ic, oc], [oc]].map((shape) =>
            engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape),
          )
          expectGradients(
            engine(),
            random,
            inputs,
            (x, filter, bias) => conv2d(x!, filter!, { padding, bias, dilation }),
            { tolerance: 5e-3 },
          )
        })
      }
    })

    it('along three axes: conv3d, its transpose, and pools', () => {
      const random = new Random(20261134)
      let solved = 0
      for (let problem = 0; problem < 40; problem++) {
        const groups = random.pick([1, 1, 2])
        const [groupIn, groupOut] = problem % 4 ? [random.integer(1, 5), random.integer(1, 5)] : [1, 1]
        const window = [random.pick([1, 2, 3]), random.integer(1, 3), random.integer(1, 3)]
        const input = [random.integer(3, 5), random.integer(3, 6), random.integer(3, 6)]
        const three = () => [random.integer(1, 2), random.integer(1, 2), random.integer(1, 2)] as const
        const options = { stride: three(), dilation: three(), padding: three(), groups } as const
        if (
          window.some(
            (size, i) => options.dilation[i]! * (size - 1) + 1 > input[i]! + 2 * options.padding[i]!,
          )
        )
          continue
        solved++
        engine().scope(() => {
          const tensors = (channels: number[]) =>
            [[2, ...input, groups * groupIn], [...window, ...channels], [groups * groupOut]].map((shape) =>
              engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape),
            )
          const about = `window ${window} over ${input} ${JSON.stringify(options)}`
          const within = { about, most: 8, tolerance: 3e-3 }
          expectGradients(
            engine(),
            random,
            tensors([groupIn, groups * groupOut]),
            (x, filter, bias) => conv3d(x!, filter!, { ...options, bias, activation: 'tanh' }),
            within,
          )
          if (
            window.every((size, i) => (input[i]! - 1) * options.stride[i]! + size > 2 * options.padding[i]!)
          )
            expectGradients(
              engine(),
              random,
              tensors([groups * groupIn, groupOut]),
              (x, filter, bias) => convolveTransposed(3, x!, filter!, { ...options, bias }) as Tensor,
              within,
            )
          const [x] = tensors([1, 1])
          const { stride, padding } = options
          const size = [3, 3, 3] as const
          expectGradients(engine(), random, [x!], (x) => avgPool3d(x!, { size, stride, padding }), within)
          // No two values so near that a step changes their order.
          x!.set(Float32Array.from(x!.toArray().keys(), (i) => ((i * 7919) % x!.size) / 8))
          expectGradients(engine(), random, [x!], (x) => maxPool3d(x!, { size, stride, padding }), within)
        })
      }
      expect(solved).toBeGreaterThan(25)
    })

    it('conv1d, and convTranspose2d, random problems', () => {
      const random = new Random(20261203)
      let solved = 0
      for (let problem = 0; problem < 100; problem++) {
        const groups = random.pick([1, 1, 2, 3])
        const groupIn = random.integer(1, 9)
        const groupOut = random.integer(1, 9)
        const [kh, kw] = [random.integer(1, 4), random.integer(1, 4)]
        const stride: [number, number] = [random.integer(1, 3), random.integer(1, 3)]
        const dilation: [number, number] = [random.integer(1, 3), random.integer(1, 2)]
        const outputPadding: [number, number] = [
          random.integer(0, Math.max(stride[0], dilation[0]) - 1),
          random.integer(0, Math.max(stride[1], dilation[1]) - 1),
        ]
        const padding: [[number, number], [number, number]] = [
          [random.integer(0, 2), 0],
          [0, random.integer(0, 2)],
        ]
        const shape = [random.integer(1, 2), random.integer(1, 5), random.integer(1, 5), groups * groupIn]
        const length = (axis: 0 | 1, size: number) =>
          (shape[axis + 1]! - 1) * stride[axis] +
          dilation[axis] * (size - 1) +
          1 +
          outputPadding[axis] -
          padding[axis][0] -
          padding[axis][1]
        if (length(0, kh) < 1 || length(1, kw) < 1) continue
        solved++
        const activation = random.pick(activations)
        engine().scope(() => {
          const { inputs, tolerance } = problemOf(engine(), random, activation, [
            shape,
            [kh, kw, groups * groupIn, groupOut],
            [groups * groupOut],
          ])
          const options = { stride, dilation, padding, outputPadding, groups, activation }
          const about = `problem ${problem}: x [${shape}] filter [${[kh, kw, groups * groupIn, groupOut]}] ${JSON.stringify(options)}`
          expectGradients(
            engine(),
            random,
            inputs,
            (x, filter, bias) => convTranspose2d(x!, filter!, { ...options, bias }),
            { about, most: 8, tolerance },
          )
        })
      }
      expect(solved).toBeGreaterThan(70)
      engine().scope(() => {
        const inputs = [[2, 11, 3], [4, 3, 5], [5]].map((shape) =>
          engine().tensor(random.floats(shape.reduce((a, b) => a * b)), shape),
        )
        expectGradients(engine(), random, inputs, (x, filter, bias) =>
          conv1d(x!, filter!, { stride: 2, padding: 'same', dilation: 2, bias, activation: 'gelu' }),
        )
      })
    })
  })
})
