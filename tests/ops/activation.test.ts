import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { normal, sigmoid, softplus, tanhSoftplus } from '../support/functions.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

const sixth = (x: number) => Math.min(1, Math.max(0, x / 6 + 0.5))

/**
 * Each activation with its defaults, the formula of its definition, and its value at -Infinity, 0 and
 * Infinity.
 */
const activations = {
  relu: [fb.relu, (x) => Math.max(x, 0), 0, 0, Infinity],
  relu6: [fb.relu6, (x) => Math.min(6, Math.max(x, 0)), 0, 0, 6],
  leakyRelu: [fb.leakyRelu, (x) => (x < 0 ? 0.01 * x : x), -Infinity, 0, Infinity],
  elu: [fb.elu, (x) => (x < 0 ? Math.expm1(x) : x), -1, 0, Infinity],
  selu: [
    fb.selu,
    (x) => 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * Math.expm1(x) : x),
    -1.7580993408473766,
    0,
    Infinity,
  ],
  gelu: [fb.gelu, (x) => x * normal(x), 0, 0, Infinity],
  sigmoid: [fb.sigmoid, sigmoid, 0, 0.5, 1],
  hardSigmoid: [fb.hardSigmoid, sixth, 0, 0.5, 1],
  tanh: [fb.tanh, Math.tanh, -1, 0, 1],
  silu: [fb.silu, (x) => x * sigmoid(x), 0, 0, Infinity],
  hardSwish: [fb.hardSwish, (x) => x * sixth(x), 0, 0, Infinity],
  mish: [fb.mish, (x) => x * tanhSoftplus(x), 0, 0, Infinity],
  softplus: [fb.softplus, softplus, 0, Math.LN2, Infinity],
} satisfies Record<
  string,
  [(x: fb.Tensor, options?: { out?: fb.Tensor }) => fb.Tensor, (x: number) => number, number, number, number]
>

/** Values up to 10 with errors of at most 5 units (assembly/math.ts): 5 * 2^-23 * 8. */
const TOLERANCE = 5e-6

describe('activations', () => {
  inEveryBuild((engine) => {
    const random = new Random(20261123)

    for (const [name, [op, formula, atMinus, atZero, atPlus]] of Object.entries(activations)) {
      it(`${name} is its formula, at every tail size and over several units`, () => {
        for (const length of [...Array(18).keys(), 4095, 4096, 4097, 12_345]) {
          engine().scope(() => {
            const x = { shape: [length], data: random.floats(length, -9, 9) }
            expectValues(op(engine().tensor(x.data, x.shape)), reference.map(x, formula), TOLERANCE, name)
          })
        }
      })

      it(`${name} of infinities, NaN and zero`, () => {
        engine().scope(() => {
          const y = op(engine().tensor([-Infinity, 0, Infinity, Number.NaN, -0], [5])).toArray()
          for (const [i, want] of [atMinus, atZero, atPlus, Number.NaN, atZero].entries()) {
            if (Number.isFinite(want)) expect(y[i]).toBeCloseTo(want, 6)
            else expect(y[i]).toBe(want)
          }
        })
      })

      it(`${name} in place and into another tensor: the same bytes, and the version goes up`, () => {
        engine().scope(() => {
          const x = engine().tensor(random.floats(5000, -9, 9), [5, 1000])
          const wanted = op(x).toArray()
          const out = engine().zeros([5, 1000])
          const { version } = out.storage
          expect(op(x, { out })).toBe(out)
          expect(out.storage.version).toBeGreaterThan(version)
          expect(out.toArray()).toEqual(wanted)
          op(x, { out: x })
          expect(x.toArray()).toEqual(wanted)
        })
      })

      it(`conv2d ends with ${name}`, () => {
        engine().scope(() => {
          const x = engine().tensor(random.floats(6 * 7 * 3, -2, 2), [1, 6, 7, 3])
          const filter = engine().tensor(random.floats(9 * 3 * 11), [3, 3, 3, 11])
          const fused = fb.conv2d(x, filter, { activation: name as fb.Activation })
          expect(fused.toArray()).toEqual(op(fb.conv2d(x, filter)).toArray())
        })
      })
    }

    it('takes its parameters', () => {
      engine().scope(() => {
        const x = { shape: [3, 7], data: random.floats(21, -8, 8) }
        const t = engine().tensor(x.data, x.shape)
        const agrees = (y: fb.Tensor, formula: (x: number) => number) =>
          expectValues(y, reference.map(x, formula), TOLERANCE)
        agrees(fb.leakyRelu(t, { alpha: 0.3 }), (v) => (v < 0 ? 0.3 * v : v))
        agrees(fb.leakyRelu(t, { alpha: -2 }), (v) => (v < 0 ? -2 * v : v))
        agrees(fb.elu(t, { alpha: 0.7 }), (v) => (v < 0 ? 0.7 * Math.expm1(v) : v))
        agrees(fb.hardSigmoid(t, { alpha: 0.2 }), (v) => Math.min(1, Math.max(0, 0.2 * v + 0.5)))
        agrees(fb.hardSigmoid(t, { alpha: 0.5, beta: 0.1 }), (v) => Math.min(1, Math.max(0, 0.5 * v + 0.1)))
        agrees(
          fb.gelu(t, { approximate: 'tanh' }),
          (v) => (v / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
        )
        agrees(fb.clamp(t, { low: -1.5, high: 2 }), (v) => Math.min(2, Math.max(-1.5, v)))
        agrees(fb.clamp(t, { low: 1 }), (v) => Math.max(1, v))
        agrees(fb.clamp(t, { high: 1 }), (v) => Math.min(1, v))
        agrees(fb.clamp(t), (v) => v)
      })
    })

    it('a leaky ReLU of any slope goes into what makes its input', () => {
      engine().scope(() => {
        const [x, w] = [
          engine().tensor(random.floats(5 * 6 * 3, -1, 1), [1, 5, 6, 3]),
          engine().tensor(random.floats(9 * 3 * 7, -1, 1), [3, 3, 3, 7]),
        ]
        for (const alpha of [0.3, 0, -2, 1.5]) {
          const activation = ['leakyRelu', alpha] as const
          const y = fb.conv2d(x, w, { activation })
          expect(y.toArray()).toEqual(fb.leakyRelu(fb.conv2d(x, w), { alpha }).toArray())
          expect(fb.add(x, 0.5, { activation }).toArray()).toEqual(
            fb.leakyRelu(fb.add(x, 0.5), { alpha }).toArray(),
          )
        }
      })
    })

    it('prelu has a slope per channel, or one for all', () => {
      for (let channels = 0; channels <= 17; channels++) {
        engine().scope(() => {
          const x = { shape: [2, 3, channels], data: random.integers(6 * channels) }
          for (const shape of [[channels], [1], [], [3, 1], [2, 1, channels]]) {
            const slope = { shape, data: random.integers(shape.reduce((a, b) => a * b, 1)) }
            const y = fb.prelu(engine().tensor(x.data, x.shape), engine().tensor(slope.data, shape))
            expectValues(
              y,
              reference.zip(x, slope, (v, s) => (v < 0 ? v * s : v)),
            )
          }
        })
      }
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([2, 3])
        const [other, pair, deep, image] = [[3, 2], [2], [4, 2, 3], [1, 1, 1, 3]].map((shape) =>
          engine().zeros(shape),
        ) as [fb.Tensor, fb.Tensor, fb.Tensor, fb.Tensor]
        const filter = engine().zeros([1, 1, 3, 1])
        const gone = engine().zeros([1])
        gone.dispose()
        const complains = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complains(() => fb.relu(x, { out: other }), 'relu: out must be [2, 3], got [3, 2]')
        complains(() => fb.relu(undefined as never), 'relu: x must be a tensor, got undefined')
        complains(() => fb.relu([1, 2] as never), 'relu: x must be a tensor, got [1, 2]')
        complains(
          () => fb.leakyRelu(x, { alpha: '1' as never }),
          'leakyRelu: alpha must be a number, got "1" (x [2, 3])',
        )
        complains(() => fb.clamp(x, { low: 2, high: 1 }), 'clamp: low must be at most high 1, got 2')
        complains(() => fb.clamp(x, { low: Number.NaN }), 'clamp: low must be a number, got NaN')
        complains(
          () => fb.gelu(x, { approximate: 'erf' as never }),
          "gelu: approximate must be 'none' or 'tanh', got \"erf\"",
        )
        complains(() => fb.prelu(x, pair), 'prelu: slope must be [3], one per channel', 'got [2]')
        complains(() => fb.prelu(x, deep), 'prelu: slope', 'x [2, 3], slope [4, 2, 3]')
        complains(
          () => fb.conv2d(image, filter, { activation: 'swish' as never }),
          'conv2d: activation must be one of relu, relu6, ',
          'got "swish"',
        )
        complains(
          () => fb.add(x, 1, { activation: 'toString' as never }),
          'add: activation must be one of relu, relu6, ',
          'mish, softplus, [\'leakyRelu\', alpha] or [low, high], got "toString"',
        )
        for (const [activation, got] of [
          [['leakyRelu', Number.NaN], 'got ["leakyRelu", NaN]'],
          [['leakyRelu'], 'got ["leakyRelu"]'],
          [['elu', 2], 'got ["elu", 2]'],
        ] as const)
          complains(() => fb.add(x, 1, { activation: activation as never }), 'add: activation must be', got)
        complains(() => fb.tanh(gone), 'tanh: x must be alive, got a disposed tensor [1]')
      })
    })
  })
})
