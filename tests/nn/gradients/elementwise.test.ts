/** Functions of each element, of one tensor and of two. */
import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../../src/index.js'
import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../../support/check.js'
import { expectGradients, offKinks, tensorsOf } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

describe('gradients', () => {
  inEveryBuild((engine) => {
    const { make, floats } = tensorsOf(engine)

    const unary: Record<string, (x: Tensor) => Tensor> = {
      relu: fb.relu,
      relu6: fb.relu6,
      leakyRelu: (x) => fb.leakyRelu(x, { alpha: 0.3 }),
      elu: (x) => fb.elu(x, { alpha: 0.7 }),
      selu: fb.selu,
      gelu: fb.gelu,
      'gelu, tanh': (x) => fb.gelu(x, { approximate: 'tanh' }),
      sigmoid: fb.sigmoid,
      hardSigmoid: (x) => fb.hardSigmoid(x, { alpha: 0.25 }),
      tanh: fb.tanh,
      silu: fb.silu,
      hardSwish: fb.hardSwish,
      mish: fb.mish,
      softplus: fb.softplus,
      clamp: (x) => fb.clamp(x, { low: -1.5, high: 2 }),
    }

    for (const [name, op] of Object.entries(unary)) {
      it(name, () => {
        const random = new Random(20261210)
        for (const size of [1, 2, 3, 4, 5, 7, 50, 4099]) {
          engine().scope(() =>
            expectGradients(engine(), random, [make(offKinks(random, size), [size])], (x) => op(x!), {
              about: name,
            }),
          )
        }
      })
    }

    it('slopes at bounds and infinities: 1 where nothing was clamped; a clamp counts its bounds, relu and relu6 do not', () => {
      engine().scope(() => {
        const slopes = (op: (x: fb.Tensor) => fb.Tensor, values: number[]) => {
          const x = engine().tensor(values, [values.length])
          return [...nn.valueAndGradients(() => fb.sum(op(x)), [x]).gradients[0]!.toArray()]
        }
        const infinity = Number.POSITIVE_INFINITY
        expect(slopes((x) => fb.clamp(x, { low: 0, high: 1 }), [-1, 0, 0.5, 1, 2])).toEqual([0, 1, 1, 1, 0])
        expect(
          slopes((x) => fb.clamp(x, { low: -1e-45, high: 0.1 }), [-3e-45, -1e-45, 0, Math.fround(0.1), 0.11]),
        ).toEqual([0, 1, 1, 1, 0])
        expect(slopes((x) => fb.clamp(x, { low: 0 }), [-infinity, 0, 3e38, infinity])).toEqual([0, 1, 1, 1])
        expect(slopes(fb.relu6, [0, 3, 6, 7])).toEqual([0, 1, 0, 0])
        expect(slopes(fb.relu, [-infinity, 0, -0, 1, infinity])).toEqual([0, 0, 0, 1, 1])
        for (const [i, slope] of slopes(fb.tanh, [-20, -9, -5, 0, 5, 9, 20]).entries()) {
          const want = 1 / Math.cosh([-20, -9, -5, 0, 5, 9, 20][i]!) ** 2
          expect(Math.abs(slope - want) / want).toBeLessThan(1e-6)
        }
      })
    })

    it('activations far out: no NaN, the limits 0 and 1', () => {
      const far = Float32Array.of(-200, 200, -1e30, 1e30, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY)
      const falling = ['relu', 'elu', 'gelu', 'gelu, tanh', 'silu', 'hardSwish', 'mish', 'softplus']
      for (const [name, op] of Object.entries(unary)) {
        engine().scope(() => {
          const x = make(far, [6])
          const { gradients } = nn.valueAndGradients(
            () => fb.sum(fb.clamp(op(x), { low: -1e38, high: 1e38 })),
            [x],
          )
          const slopes = gradients[0]!.toArray()
          expect([...slopes].some(Number.isNaN), `${name} ${slopes}`).toBe(false)
          if (falling.includes(name))
            expect([...slopes.subarray(0, 3)], name).toEqual([0, 1, 0].map((v) => expect.closeTo(v, 6)))
        })
      }
    })

    it('prelu, with a slope per channel and one for all', () => {
      const random = new Random(20261211)
      for (const shape of [[5], [1], [], [3, 1, 5]]) {
        engine().scope(() => {
          const inputs = [make(offKinks(random, 60), [2, 3, 2, 5]), floats(random, shape)]
          expectGradients(engine(), random, inputs, (x, slope) => fb.prelu(x!, slope!), {
            about: `slope [${shape}]`,
          })
        })
      }
    })

    it('arithmetic with broadcasting, numbers and fused activations', () => {
      const random = new Random(20261212)
      for (const op of [fb.add, fb.sub, fb.mul, fb.div]) {
        for (const [a, b] of [
          [
            [2, 3, 4],
            [2, 3, 4],
          ],
          [[2, 3, 4], [4]],
          [
            [3, 1],
            [2, 1, 5],
          ],
          [[], [2, 3]],
          [
            [1, 1, 7],
            [5, 7],
          ],
        ] as const) {
          engine().scope(() => {
            const inputs = [floats(random, [...a]), floats(random, [...b], 1, 2)]
            for (const activation of [undefined, 'tanh'] as const) {
              expectGradients(engine(), random, inputs, (x, y) => op(x!, y!, { activation }), {
                about: `${op.name} [${a}] [${b}] ${activation}`,
              })
            }
          })
        }
        engine().scope(() => {
          const x = floats(random, [3, 5], 1, 2)
          expectGradients(engine(), random, [x], (v) => op(v!, 3))
          expectGradients(engine(), random, [x], (v) => op(3, v!))
          expectGradients(engine(), random, [x], (v) => op(v!, v!))
          expectGradients(engine(), random, [make(offKinks(random, 15), [3, 5])], (v) =>
            fb.add(v!, 0, { activation: [-1, 2] }),
          )
        })
      }
    })

    it('functions of one and two tensors, running sums, products and norms', () => {
      const random = new Random(20261133)
      const one: Record<string, (x: Tensor) => Tensor> = {
        abs: fb.abs,
        neg: fb.neg,
        exp: fb.exp,
        log: (x) => fb.log(fb.abs(x)),
        log1p: (x) => fb.log1p(fb.abs(x)),
        expm1: fb.expm1,
        sqrt: (x) => fb.sqrt(fb.abs(x)),
        rsqrt: (x) => fb.rsqrt(fb.add(fb.abs(x), 1)),
        square: fb.square,
        reciprocal: (x) => fb.reciprocal(fb.add(fb.abs(x), 1)),
        sign: (x) => fb.mul(fb.sign(x), x),
        floor: (x) => fb.mul(fb.floor(x), x),
        ceil: (x) => fb.add(fb.ceil(x), x),
        round: (x) => fb.add(fb.round(x), x),
        sin: fb.sin,
        cos: fb.cos,
        erf: fb.erf,
        cumsum: (x) => fb.cumsum(x),
        'cumsum, other ways': (x) => fb.cumsum(x, { axis: 0, exclusive: true, reverse: true }),
        prod: (x) => fb.prod(fb.mul(x, 0.5), { axes: 1 }),
        'prod, all': (x) => fb.prod(fb.slice(fb.mul(x, 0.5), { end: [2, 2, 1] }), { keepDims: true }),
        norm: (x) => fb.norm(x, { axes: [0, 2], keepDims: true }),
        'norm, all': (x) => fb.norm(x),
        variance: (x) => fb.variance(x, { axes: -1 }),
        logSumExp: (x) => fb.logSumExp(x, { axes: [0, 1] }),
      }
      for (const [about, op] of Object.entries(one)) {
        engine().scope(() => {
          const inputs = [
            make(
              offKinks(random, 24).map((v) => v * 0.5),
              [4, 3, 2],
            ),
          ]
          expectGradients(engine(), random, inputs, (x) => op(x!), { about, tolerance: 1e-2 })
        })
      }
      const two: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
        maximum: fb.maximum,
        minimum: fb.minimum,
        mod: (x, y) => fb.mod(x, fb.add(fb.mul(y, 0.01), 5)),
        pow: (x, y) => fb.pow(fb.add(fb.abs(x), 0.5), y),
        'pow, a number': (x, y) => fb.add(fb.pow(x, 3), y),
        'a number, pow': (x, y) => fb.add(fb.pow(1.5, x), y),
        'maximum, a number': (x, y) => fb.add(fb.maximum(0, x), y),
      }
      for (const [about, op] of Object.entries(two)) {
        engine().scope(() => {
          const inputs = [
            make(
              offKinks(random, 24).map((v) => v * 0.5),
              [4, 3, 2],
            ),
            make(
              offKinks(random, 6).map((v) => v * 0.4),
              [3, 2],
            ),
          ]
          expectGradients(engine(), random, inputs, (x, y) => op(x!, y!), { about, tolerance: 1e-2 })
        })
      }
      engine().scope(() => {
        const x = make(Float32Array.of(0, 2, 0, 3, 0, 4), [2, 3])
        const { gradients } = nn.valueAndGradients(
          () => fb.add(fb.sum(fb.prod(x, { axes: 1 })), fb.norm(fb.mul(x, 0))),
          [x],
        )
        expect([...gradients[0]!.toArray()]).toEqual([0, 0, 0, 0, 12, 0])
      })
    })

    it('no derivative through integers: a clear error; a mask is a constant', () => {
      engine().scope(() => {
        const x = make(Float32Array.of(-1.5, 2.5, 3), [3])
        const slope = (op: () => Tensor) =>
          nn.valueAndGradients(() => fb.sum(op()), [x]).gradients[0]!.toArray()
        const complains = (op: () => Tensor, ...parts: string[]) =>
          expectComplaint(engine(), () => slope(op), ...parts)
        expect([...slope(() => fb.mul(x, fb.cast(fb.greater(x, 0), 'float32')))]).toEqual([0, 1, 1])
        complains(
          () => fb.mul(fb.cast(fb.cast(x, 'int32'), 'float32'), x),
          'cast: x must be something that no derivative is wanted of',
        )
        complains(
          () => fb.mul(fb.cast(fb.add(fb.cast(x, 'int32'), 1), 'float32'), x),
          'cast: x must be something',
        )
        complains(() => fb.cast(fb.less(x, 0), 'float32'), 'loss must be one that depends on every parameter')
        expect([...slope(() => fb.where(fb.cast(x, 'uint8'), fb.mul(x, 2), x))]).toEqual([1, 2, 2])
        const ints = fb.cast(x, 'int32') as never
        expectComplaint(
          engine(),
          () => nn.valueAndGradients(() => fb.sum(x), [ints]),
          'parameters[0] must be of float32, got a tensor of int32',
        )
      })
    })
  })
})
