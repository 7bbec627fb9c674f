/**
 * ONNX Runtime as an independent referee on random problems. Other problems, and more of them:
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=1000 npx vitest run tests/referee
 *
 * Not asked is what the standard leaves open (a pooling window with nothing but padding, padding as large as
 * a pooling window, auto_pad of ConvTranspose, whose sides changed between versions) and what ONNX Runtime
 * 1.30 refuses or gets wrong: SAME_UPPER with dilation, and with a stride larger than the window, where it
 * crops the input.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import {
  avgPool2d,
  conv2d,
  convTranspose2d,
  createEngine,
  globalAvgPool2d,
  globalMaxPool2d,
  maxPool2d,
  type Tensor,
} from '../../src/index.js'
import { expectValues } from '../support/check.js'
import { oneNode } from '../support/onnx.js'
import { Random } from '../support/random.js'
import { at, build, type Values } from '../support/reference.js'

const SEED = Number(process.env.FILTERBANK_SEED ?? 20261121)
const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 800)
/** Distance of 1 from the next float32. */
const EPSILON = 2 ** -23

type Sides = [[number, number], [number, number]]
type Attributes = Record<string, number | string | readonly number[]>

interface Problem {
  /** In filterbank's layout, by name. */
  inputs: Record<string, Values>
  /** How the referee sees each input: its axes in terms of ours. */
  axes: Record<string, number[]>
  operator: string
  attributes: Attributes
  options: object
  solve: (tensors: Record<string, Tensor>) => Tensor
  /** Largest difference that rounding on both sides explains. */
  tolerance: number
}

const NCHW = [0, 3, 1, 2]
const NHWC = [0, 2, 3, 1]
const OIHW = [3, 2, 0, 1]
const IOHW = [2, 3, 0, 1]

function permute(values: Values, axes: number[]): Values {
  return build(
    axes.map((axis) => values.shape[axis]!),
    (...index) =>
      at(
        values,
        axes.map((_, axis) => index[axes.indexOf(axis)]!),
      ),
  )
}

const reach = (size: number, dilation: number) => dilation * (size - 1) + 1
/** Sides as ONNX lists them: all befores, then all afters. */
const pads = ([[top, bottom], [left, right]]: Sides) => [top, left, bottom, right]

function values(random: Random, shape: number[], exact: boolean): Values {
  const length = shape.reduce((a, b) => a * b, 1)
  return { shape, data: exact ? random.integers(length) : random.floats(length) }
}

/**
 * What rounding may do to a sum of `terms` products within `bound`, both sides together. Small integers are
 * exact.
 */
const rounding = (exact: boolean, terms: number, bound: number) => (exact ? 0 : (terms + 1) * EPSILON * bound)

function convolution(random: Random): Problem {
  const exact = random.next() < 0.5
  const groups = random.pick([1, 1, 1, 2, 3, 8])
  const groupIn = random.pick([1, 1, 2, 3, 4, 5, 8, 16, 17])
  const out = groups * random.pick([1, 1, 2, 3, 4, 7, 8, 9, 16, 20])
  const kernel = [random.integer(1, 5), random.integer(1, 7)] as const
  const stride = [random.integer(1, 3), random.integer(1, 3)] as const
  const dilation = [random.integer(1, 3), random.integer(1, 2)] as const
  const sides: Sides = [
    [random.integer(0, 3), random.integer(0, 3)],
    [random.integer(0, 3), random.integer(0, 3)],
  ]
  const same =
    random.next() < 0.2 && Math.max(...dilation) === 1 && kernel.every((taps, i) => taps >= stride[i]!)
  const size = [0, 1].map((i) =>
    Math.max(same ? 1 : reach(kernel[i]!, dilation[i]!) - sides[i]![0] - sides[i]![1], random.integer(1, 18)),
  )
  const biased = random.next() < 0.5
  const options = { stride, dilation, padding: same ? ('same' as const) : sides, groups }
  return {
    inputs: {
      x: values(random, [random.integer(1, 3), ...size, groups * groupIn], exact),
      filter: values(random, [...kernel, groupIn, out], exact),
      ...(biased && { bias: values(random, [out], exact) }),
    },
    axes: { x: NCHW, filter: OIHW, bias: [0] },
    operator: 'Conv',
    attributes: {
      strides: stride,
      dilations: dilation,
      group: groups,
      ...(same ? { auto_pad: 'SAME_UPPER' } : { pads: pads(sides) }),
    },
    options,
    solve: ({ x, filter, bias }) => conv2d(x!, filter!, { ...options, ...(bias && { bias }) }),
    tolerance: rounding(exact, kernel[0] * kernel[1] * groupIn, 1),
  }
}

function transposedConvolution(random: Random): Problem {
  const exact = random.next() < 0.5
  const groups = random.pick([1, 1, 1, 2, 3, 8])
  const groupIn = random.pick([1, 2, 3, 4, 5, 8, 16, 17])
  const groupOut = random.pick([1, 2, 3, 4, 7, 8, 9, 16, 20])
  const kernel = [random.integer(1, 5), random.integer(1, 5)] as const
  const stride = [random.integer(1, 4), random.integer(1, 3)] as const
  const dilation = [random.integer(1, 3), random.integer(1, 2)] as const
  const outputPadding = [random.integer(0, stride[0] - 1), random.integer(0, stride[1] - 1)] as const
  const sides: Sides = [
    [random.integer(0, 3), random.integer(0, 3)],
    [random.integer(0, 3), random.integer(0, 3)],
  ]
  const least = (i: 0 | 1) =>
    Math.ceil(
      (sides[i][0] + sides[i][1] + 1 - outputPadding[i] - reach(kernel[i], dilation[i])) / stride[i],
    ) + 1
  const size = [Math.max(least(0), random.integer(1, 10)), Math.max(least(1), random.integer(1, 12))]
  const biased = random.next() < 0.5
  const options = { stride, dilation, padding: sides, outputPadding, groups }
  return {
    inputs: {
      x: values(random, [random.integer(1, 3), ...size, groups * groupIn], exact),
      filter: values(random, [...kernel, groups * groupIn, groupOut], exact),
      ...(biased && { bias: values(random, [groups * groupOut], exact) }),
    },
    axes: { x: NCHW, filter: IOHW, bias: [0] },
    operator: 'ConvTranspose',
    attributes: {
      strides: stride,
      dilations: dilation,
      group: groups,
      pads: pads(sides),
      output_padding: outputPadding,
    },
    options,
    solve: ({ x, filter, bias }) => convTranspose2d(x!, filter!, { ...options, ...(bias && { bias }) }),
    tolerance: rounding(exact, kernel[0] * kernel[1] * groupIn, 1),
  }
}

function pooling(random: Random, operator: 'MaxPool' | 'AveragePool'): Problem {
  const max = operator === 'MaxPool'
  const exact = random.next() < 0.5
  const kernel = [random.integer(1, 5), random.integer(1, 5)] as const
  const stride = [random.integer(1, 4), random.integer(1, 4)] as const
  const same = random.next() < 0.2 && kernel.every((taps, i) => taps >= stride[i]!)
  const dilation = max && !same ? ([random.integer(1, 3), random.integer(1, 2)] as const) : ([1, 1] as const)
  const ceilMode = !same && random.next() < 0.5
  const countIncludePad = random.next() < 0.5
  const x = (): [Sides, number[]] => {
    const side = (i: 0 | 1) => random.integer(0, Math.min(3, kernel[i] - 1))
    const sides: Sides = [
      [side(0), side(0)],
      [side(1), side(1)],
    ]
    return [
      sides,
      [0, 1].map((i) =>
        Math.max(1, reach(kernel[i]!, dilation[i]!) - sides[i]![0] - sides[i]![1], random.integer(1, 18)),
      ),
    ]
  }
  /** Whether every window along an axis has a tap inside the input. */
  const sees = ([sides, size]: [Sides, number[]]) =>
    [0, 1].every((i) => {
      for (let start = -sides[i]![0]; start < size[i]!; start += stride[i]!) {
        const first = start < 0 ? start + Math.ceil(-start / dilation[i]!) * dilation[i]! : start
        if (first >= size[i]! || first > start + reach(kernel[i]!, dilation[i]!) - 1) return false
      }
      return true
    })
  let drawn = x()
  while (!sees(drawn)) drawn = x()
  const [sides, size] = drawn
  const options = { size: kernel, stride, padding: same ? ('same' as const) : sides, ceilMode }
  return {
    inputs: { x: values(random, [random.integer(1, 3), ...size, random.integer(1, 19)], exact) },
    axes: { x: NCHW },
    operator,
    attributes: {
      kernel_shape: kernel,
      strides: stride,
      ceil_mode: Number(ceilMode),
      ...(max ? { dilations: dilation } : { count_include_pad: Number(countIncludePad) }),
      ...(same ? { auto_pad: 'SAME_UPPER' } : { pads: pads(sides) }),
    },
    options: { ...options, ...(max ? { dilation } : { countIncludePad }) },
    solve: ({ x }) =>
      max ? maxPool2d(x!, { ...options, dilation }) : avgPool2d(x!, { ...options, countIncludePad }),
    // The sum of integers is exact, but not its quotient.
    tolerance: max ? 0 : rounding(false, exact ? 1 : kernel[0] * kernel[1], exact ? 4 : 1),
  }
}

function globalPooling(random: Random, operator: 'GlobalMaxPool' | 'GlobalAveragePool'): Problem {
  const size = [random.integer(1, 20), random.integer(1, 20)] as const
  return {
    inputs: { x: values(random, [random.integer(1, 3), ...size, random.integer(1, 19)], false) },
    axes: { x: NCHW },
    operator,
    attributes: {},
    options: {},
    solve: ({ x }) => (operator === 'GlobalMaxPool' ? globalMaxPool2d(x!) : globalAvgPool2d(x!)),
    tolerance: operator === 'GlobalMaxPool' ? 0 : rounding(false, size[0] * size[1], 1),
  }
}

/** The referee's answer, in filterbank's layout. */
async function ask({ inputs, axes, operator, attributes }: Problem): Promise<Values> {
  const names = Object.keys(inputs)
  const model = oneNode(operator, names, [...names.map((name) => inputs[name]!.shape.length), 4], attributes)
  const session = await InferenceSession.create(model, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  })
  try {
    const feeds = names.map((name) => {
      const { shape, data } = permute(inputs[name]!, axes[name]!)
      return [name, new OnnxTensor('float32', Float32Array.from(data), shape)] as const
    })
    const { y } = await session.run(Object.fromEntries(feeds))
    return permute({ shape: [...y!.dims], data: y!.data as Float32Array }, NHWC)
  } finally {
    await session.release()
  }
}

describe('agrees with ONNX Runtime', () => {
  const kinds: [share: number, name: string, draw: (random: Random) => Problem][] = [
    [0.4, 'Conv', convolution],
    [0.3, 'ConvTranspose', transposedConvolution],
    [0.14, 'MaxPool', (random) => pooling(random, 'MaxPool')],
    [0.14, 'AveragePool', (random) => pooling(random, 'AveragePool')],
    [0.01, 'GlobalMaxPool', (random) => globalPooling(random, 'GlobalMaxPool')],
    [0.01, 'GlobalAveragePool', (random) => globalPooling(random, 'GlobalAveragePool')],
  ]
  for (const [share, name, draw] of kinds) {
    const count = Math.ceil(PROBLEMS * share)
    it(`${name}, ${count} random problems from seed ${SEED}`, { timeout: 1000 * count }, async () => {
      using simd128 = await createEngine({ simd: 'simd128' })
      using relaxed = await createEngine({ simd: 'relaxed' })
      for (let index = 0; index < count; index++) {
        const problem = draw(new Random(SEED + index))
        const shapes = Object.entries(problem.inputs).map(([input, { shape }]) => `${input} [${shape}]`)
        const about = `FILTERBANK_SEED=${SEED}, ${name} ${index}: ${shapes.join(' ')} ${JSON.stringify(problem.options)}`
        const expected = await ask(problem)
        for (const engine of [simd128, relaxed]) {
          engine.scope(() => {
            const tensors = Object.entries(problem.inputs).map(([input, { data, shape }]) => [
              input,
              engine.tensor(data as Float32Array, shape),
            ])
            expectValues(
              problem.solve(Object.fromEntries(tensors)),
              expected,
              problem.tolerance,
              `${about}, ${engine.simd}:`,
            )
          })
        }
      }
      expect([simd128, relaxed].map((engine) => engine.memory().tensors)).toEqual([0, 0])
    })
  }
})
