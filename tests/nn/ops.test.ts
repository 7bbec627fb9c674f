import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../src/index.js'
import * as fb from '../../src/index.js'
import * as nn from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1)

/**
 * Numbers at least 1/8 away from every multiple of 1/2 (where the kinks of activations stand), and from 0.
 */
const offKinks = (random: Random, length: number) =>
  Float32Array.from({ length }, () => random.integer(-9, 9) / 2 + 0.125 + random.next() / 4)

/** The same, and none twice: a step of a central difference changes no order. */
const distinct = (random: Random, length: number) => {
  const order = Array.from({ length }, (_, i) => ({ i, at: random.next() })).sort((a, b) => a.at - b.at)
  return Float32Array.from(order, ({ i }) => i / 8)
}

describe('gradients', () => {
  inEveryBuild((engine) => {
    const make = (data: Float32Array, shape: number[]) => engine().tensor(data, shape)
    const floats = (random: Random, shape: number[], low = -1, high = 1) =>
      make(random.floats(product(shape), low, high), shape)

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

    it('matmul, over every broadcast of the axes before', () => {
      const random = new Random(20261213)
      for (const [a, b] of [
        [
          [3, 4],
          [4, 5],
        ],
        [
          [2, 3, 4],
          [4, 9],
        ],
        [
          [2, 3, 4],
          [2, 4, 5],
        ],
        [
          [3, 4],
          [2, 4, 5],
        ],
        [
          [2, 1, 3, 4],
          [3, 4, 1],
        ],
        [
          [1, 17],
          [17, 1],
        ],
        [
          [300, 7],
          [7, 11],
        ],
      ] as const) {
        engine().scope(() => {
          expectGradients(
            engine(),
            random,
            [floats(random, [...a]), floats(random, [...b])],
            (x, y) => fb.matmul(x!, y!),
            { about: `[${a}] [${b}]`, tolerance: 5e-3 },
          )
        })
      }
    })

    it('linear, with bias and activation', () => {
      const random = new Random(20261214)
      for (const [rows, depth, columns] of [
        [[3], 4, 5],
        [[2, 3], 17, 9],
        [[], 6, 3],
        [[600], 3, 2],
      ] as const) {
        for (const activation of [undefined, 'softplus'] as const) {
          engine().scope(() => {
            const inputs = [
              floats(random, [...rows, depth]),
              floats(random, [depth, columns]),
              floats(random, [columns]),
            ]
            expectGradients(
              engine(),
              random,
              inputs,
              (x, weight, bias) => fb.linear(x!, weight!, { bias, activation }),
              { tolerance: 5e-3 },
            )
          })
        }
      }
      engine().scope(() => {
        const inputs = [
          make(random.integers(12), [3, 4]),
          make(random.integers(20), [4, 5]),
          make(
            random.integers(5).map((v) => v + 0.5),
            [5],
          ),
        ]
        expectGradients(
          engine(),
          random,
          inputs,
          (x, weight, bias) => fb.linear(x!, weight!, { bias, activation: 'relu' }),
          { tolerance: 1e-5 },
        )
      })
    })

    it('sum and mean over any axes', () => {
      const random = new Random(20261215)
      for (const op of [fb.sum, fb.mean]) {
        for (const axes of [undefined, 0, 1, -1, [0, 2], [0, 1], [0, 1, 2]]) {
          for (const keepDims of [false, true]) {
            engine().scope(() =>
              expectGradients(
                engine(),
                random,
                [floats(random, [3, 4, 5])],
                (x) => op(x!, { axes, keepDims }),
                { about: `${op.name} ${axes}` },
              ),
            )
          }
        }
      }
    })

    it('moving elements: flip, tile, stack, split, where, gather and scatter along any axis', () => {
      const random = new Random(20261128)
      const shape = [3, 4, 5]
      const moves: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
        'flip, all': (x) => fb.flip(x),
        'flip, two axes': (x) => fb.flip(x, { axes: [0, -1] }),
        tile: (x) => fb.tile(x, [2, 1, 3]),
        'tile, none': (x, y) => fb.concat([fb.tile(x, [0, 1, 1]), y], { axis: 0 }),
        'stack, first': (x, y) => fb.stack([x, y, x]),
        'stack, last': (x, y) => fb.stack([x, y], { axis: -1 }),
        'split, sizes': (x, y) =>
          fb.mul(fb.split(x, { axis: 1, sizes: [1, 3] })[1]!, fb.split(y, { axis: 1, sizes: [3, 1] })[0]!),
        'split, parts': (x) => fb.split(x, { axis: 0, parts: 3 })[1]!,
        where: (x, y) => fb.where(fb.less(fb.mul(x, 0), 1), fb.mul(x, y), y),
        'where, by values': (x, y) => fb.where(fb.greater(x, 0), fb.mul(x, 3), y),
        'where, broadcast': (x, y) =>
          fb.where(
            fb.greater(fb.slice(x, { end: [1, 4, 5] }), 0),
            fb.mean(x, { axes: 0, keepDims: true }),
            y,
          ),
        'where, numbers': (x) => fb.where(fb.greater(x, 0), x, 0),
        'gather, axis 1': (x) => fb.gather(x, [3, 0, 3], { axis: 1 }),
        'gather, last axis, int32': (x) =>
          fb.gather(x, engine().tensor([4, 1, 1, 0], [2, 2], { dtype: 'int32' }), { axis: -1 }),
        scatter: (x, y) => fb.scatter(x, [3, 1], fb.slice(y, { end: [3, 2, 5] }), { axis: 1 }),
        'scatter, added': (x, y) =>
          fb.scatter(
            x,
            engine().tensor([3, 1, 3], [3], { dtype: 'int32' }),
            fb.slice(y, { end: [3, 3, 5] }),
            { axis: 1, reduction: 'add' },
          ),
        'cast to the same type': (x) => fb.cast(x, 'float32'),
      }
      for (const [about, op] of Object.entries(moves)) {
        engine().scope(() => {
          const both = (x: Tensor, y: Tensor) =>
            fb.concat([op(x, y).reshape([-1]), fb.mul(x, y).reshape([-1])])
          const inputs = [make(offKinks(random, 60), shape), make(offKinks(random, 60), shape)]
          expectGradients(engine(), random, inputs, (x, y) => both(x!, y!), { about, tolerance: 5e-3 })
        })
      }
    })

    it('rnn, lstm and gru, in one note', () => {
      const random = new Random(20261208)
      for (const [op, gates] of [
        [fb.rnn, 1],
        [fb.lstm, 4],
        [fb.gru, 3],
      ] as const) {
        engine().scope(() => {
          const inputs = [[2, 3, 4], [4, gates * 6], [6, gates * 6], [gates * 6]].map((shape) =>
            floats(random, shape),
          )
          expectGradients(engine(), random, inputs, (x, inputWeight, stateWeight, bias) => {
            const options = { inputWeight: inputWeight!, stateWeight: stateWeight!, bias: bias! }
            const { output, state } = op(x!, options)
            return fb.add(output, state.reshape([2, 1, 6]))
          })
        })
      }
    })

    it('topK, gatherElements and scatterElements', () => {
      const random = new Random(20261140)
      engine().scope(() => {
        const x = make(distinct(random, 4 * 5 * 3), [4, 5, 3])
        const updates = floats(random, [4, 2, 3])
        const indices = engine().tensor(
          Array.from({ length: 24 }, () => random.integer(0, 4)),
          [4, 2, 3],
          { dtype: 'int32' },
        )
        const expectOne = (about: string, op: (x: Tensor) => Tensor) =>
          expectGradients(engine(), random, [x], (x) => op(x!), { about })
        expectOne('topK', (x) => fb.topK(x, { k: 2 }).values)
        expectOne('topK, columns', (x) => fb.topK(x, { k: 4, axis: 1, largest: false }).values)
        expectOne('gatherElements', (x) => fb.gatherElements(x, indices, { axis: 1 }))
        const add = { axis: 1, reduction: 'add' } as const
        expectGradients(engine(), random, [x, updates], (x, u) => fb.scatterElements(x!, indices, u!, add))
        const places = fb.topK(x, { k: 2, axis: 1 }).indices
        expectGradients(engine(), random, [x, updates], (x, u) =>
          fb.scatterElements(x!, places, u!, { axis: 1 }),
        )
        expectComplaint(
          engine(),
          () => nn.valueAndGradients(() => fb.sum(fb.cast(fb.topK(x, { k: 1 }).indices, 'float32')), [x]),
          'cast: x must be something that no derivative is wanted of',
        )
      })
    })

    it('gridSample: to the images, and to the points where they are off the kinks', () => {
      const random = new Random(20261141)
      for (const padding of ['zeros', 'border', 'reflection'] as const) {
        for (const alignCorners of [false, true]) {
          for (const method of ['bilinear', 'nearest'] as const) {
            engine().scope(() => {
              const [h, w] = [5, 4]
              const x = floats(random, [2, h, w, 5])
              // Positions from 1.5 pixels outside, at least 0.15 from whole and half ones.
              const at = (n: number) => random.integer(-3, 2 * n) / 2 + 0.25 + (random.next() - 0.5) / 10
              const g = (p: number, n: number) => (alignCorners ? (2 * p) / (n - 1) - 1 : (2 * p + 1) / n - 1)
              const data = Float32Array.from({ length: 2 * 3 * 2 * 2 }, (_, i) =>
                i % 2 ? g(at(h), h) : g(at(w), w),
              )
              const options = { padding, alignCorners, method }
              expectGradients(
                engine(),
                random,
                [x, make(data, [2, 3, 2, 2])],
                (x, grid) => fb.gridSample(x!, grid!, options),
                { about: `${padding} ${alignCorners} ${method}` },
              )
            })
          }
        }
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

    it('max and min over any axes, shared among equals', () => {
      const random = new Random(20261222)
      for (const op of [fb.max, fb.min]) {
        for (const axes of [undefined, 0, -1, [0, 2]]) {
          engine().scope(() =>
            expectGradients(
              engine(),
              random,
              [make(distinct(random, 60), [3, 4, 5])],
              (x) => op(x!, { axes }),
              { about: `${op.name} ${axes}` },
            ),
          )
        }
        engine().scope(() => {
          const x = engine().tensor([2, 2, 2, 2, 1, 3], [2, 3])
          const { gradients } = nn.valueAndGradients(() => fb.sum(op(x, { axes: 1 })), [x])
          const third = expect.closeTo(1 / 3, 6)
          expect([...gradients[0]!.toArray()]).toEqual([
            third,
            third,
            third,
            0,
            ...(op === fb.max ? [0, 1] : [1, 0]),
          ])
        })
      }
    })

    it('gatherND and scatterND, and every way to resize', () => {
      const random = new Random(20261301)
      engine().scope(() => {
        const x = floats(random, [3, 4, 2])
        const indices = engine().tensor([0, -1, 2, 2, 0, 3], [3, 2], { dtype: 'int32' })
        const once = engine().tensor([0, -1, 2, 2], [2, 2], { dtype: 'int32' })
        expectGradients(engine(), random, [x], (v) => fb.gatherND(v!, indices))
        const rows = engine().tensor([0, -1, 2], [3, 1], { dtype: 'int32' })
        expectGradients(engine(), random, [x], (v) => fb.gatherND(v!, rows, { batchAxes: 1 }))
        const add = { reduction: 'add' } as const
        expectGradients(engine(), random, [x, floats(random, [3, 2])], (v, u) =>
          fb.scatterND(v!, indices, u!, add),
        )
        expectGradients(engine(), random, [x, floats(random, [2, 2])], (v, u) => fb.scatterND(v!, once, u!))
        const photo = floats(random, [1, 5, 4, 2])
        for (const options of [
          { method: 'bicubic' },
          { antialias: true },
          { coordinates: 'asymmetric', method: 'nearest', nearestMode: 'floor' },
          { coordinates: 'tf_crop_and_resize', region: [-0.2, 0.1, 0.7, 1.3] },
        ] as const)
          for (const size of [
            [3, 7],
            [9, 2],
          ] as const)
            expectGradients(engine(), random, [photo], (v) => fb.resize(v!, { ...options, size }))
      })
    })

    it('resize, larger and smaller, by either method', () => {
      const random = new Random(20261223)
      for (const method of ['nearest', 'bilinear'] as const) {
        for (const alignCorners of [false, true]) {
          for (const size of [
            [7, 9],
            [2, 3],
            [1, 1],
            [10, 4],
          ] as const) {
            for (const c of [1, 3, 5, 8]) {
              engine().scope(() => {
                const x = floats(random, [2, 5, 4, c])
                expectGradients(engine(), random, [x], (v) => fb.resize(v!, { size, method, alignCorners }), {
                  about: `${method} ${size} ${c}`,
                })
              })
            }
          }
        }
      }
    })

    it('softmax and logSoftmax along any axis', () => {
      const random = new Random(20261216)
      for (const op of [fb.softmax, fb.logSoftmax]) {
        for (const axis of [0, 1, 2]) {
          engine().scope(() =>
            expectGradients(engine(), random, [floats(random, [3, 4, 5], -3, 3)], (x) => op(x!, { axis }), {
              about: `${op.name} ${axis}`,
            }),
          )
        }
      }
    })

    it('batchNorm, with respect to its statistics too', () => {
      const random = new Random(20261219)
      engine().scope(() => {
        const channels = (low: number, high: number) => floats(random, [5], low, high)
        const inputs = [
          floats(random, [2, 3, 5]),
          channels(-1, 1),
          channels(1, 2),
          channels(0.5, 2),
          channels(-1, 1),
        ]
        for (const activation of [undefined, 'tanh'] as const) {
          const options = { activation, epsilon: 0.01 }
          expectGradients(
            engine(),
            random,
            inputs,
            (x, mean, variance, scale, offset) =>
              fb.batchNorm(x!, { ...options, mean: mean!, variance: variance!, scale, offset }),
            { tolerance: 5e-3 },
          )
        }
        expectGradients(
          engine(),
          random,
          inputs.slice(0, 3),
          (x, mean, variance) => fb.batchNorm(x!, { mean: mean!, variance: variance! }),
          {
            tolerance: 5e-3,
          },
        )
      })
    })

    it('layerNorm and rmsNorm, over the last axes', () => {
      const random = new Random(20261224)
      for (const [shape, axis] of [
        [[5, 7], -1],
        [[2, 3, 8], -1],
        [[2, 3, 5], 1],
        [[6], 0],
      ] as const) {
        engine().scope(() => {
          const own = shape.slice(axis)
          const inputs = [
            floats(random, [...shape], -2, 3),
            floats(random, own, 0.5, 1.5),
            floats(random, own),
          ]
          const about = `[${shape}] ${axis}`
          expectGradients(
            engine(),
            random,
            inputs,
            (x, scale, offset) => fb.layerNorm(x!, { axis, scale, offset, epsilon: 0.1 }),
            { about },
          )
          expectGradients(
            engine(),
            random,
            inputs.slice(0, 2),
            (x, scale) => fb.rmsNorm(x!, { axis, scale, epsilon: 0.1 }),
            { about },
          )
          expectGradients(engine(), random, inputs.slice(0, 1), (x) => fb.layerNorm(x!, { axis }), {
            about,
            tolerance: 2e-2,
          })
        })
      }
    })

    it('groupNorm and instanceNorm, any number of pixels', () => {
      const random = new Random(20261225)
      for (const pixels of [[3, 4], [40, 41], [1, 1], [5], []]) {
        for (const [c, groups] of [
          [6, 3],
          [8, 1],
          [5, 5],
          [12, 2],
        ] as const) {
          engine().scope(() => {
            const inputs = [
              floats(random, [2, ...pixels, c], -2, 3),
              floats(random, [c], 0.5, 1.5),
              floats(random, [c]),
            ]
            const options = {
              about: `[${pixels}] ${c} channels, ${groups} groups`,
              tolerance: 5e-3,
              most: 12,
            }
            expectGradients(
              engine(),
              random,
              inputs,
              (x, scale, offset) => fb.groupNorm(x!, { groups, scale, offset, epsilon: 0.1 }),
              options,
            )
            expectGradients(
              engine(),
              random,
              inputs,
              (x, scale, offset) =>
                fb.groupNorm(x!, { groups, scale, offset, epsilon: 0.1, activation: 'tanh' }),
              options,
            )
            expectGradients(
              engine(),
              random,
              inputs.slice(0, 1),
              (x) => fb.instanceNorm(x!, { epsilon: 0.1 }),
              options,
            )
          })
        }
      }
    })

    it('gather: rows that are taken several times add up, the others get 0', () => {
      const random = new Random(20261226)
      engine().scope(() => {
        for (const rest of [[3], [], [2, 17]]) {
          expectGradients(
            engine(),
            random,
            [floats(random, [5, ...rest])],
            (table) => fb.gather(table!, [4, 0, 4, 1, 4]),
            { about: `[${rest}]` },
          )
        }
        const table = floats(random, [3, 2])
        const indices = engine().tensor([2, 0, 2, 2], [2, 2])
        const { gradients } = nn.valueAndGradients(() => fb.sum(fb.gather(table, indices)), [table])
        expect([...gradients[0]!.toArray()]).toEqual([1, 1, 0, 0, 3, 3])
      })
    })

    it('concat, pad, slice, transpose, reshape', () => {
      const random = new Random(20261217)
      engine().scope(() => {
        const shape = [2, 3, 4]
        const [a, b] = [floats(random, shape), floats(random, shape)]
        for (const axis of [0, 1, 2])
          expectGradients(engine(), random, [a, b], (x, y) => fb.concat([x!, y!, x!], { axis }))
        expectGradients(engine(), random, [a], (x) =>
          fb.pad(x!, {
            padding: [
              [1, 0],
              [2, 1],
              [0, 3],
            ],
            value: 7,
          }),
        )
        expectGradients(engine(), random, [a], (x) =>
          fb.slice(x!, { begin: [1, 0, -3], end: [2, 2, 4], step: [1, 1, 2] }),
        )
        for (const axes of [undefined, [0, 2, 1], [1, 2, 0]])
          expectGradients(engine(), random, [a], (x) => fb.transpose(x!, axes))
        expectGradients(engine(), random, [a], (x) => fb.mul(fb.reshape(x!, [4, 6]), fb.reshape(x!, [4, 6])))
        expectGradients(engine(), random, [a], (x) => x!.reshape([-1]))
      })
    })

    it('pools, random problems', () => {
      const random = new Random(20261218)
      let solved = 0
      for (let problem = 0; problem < 160; problem++) {
        const c = random.pick([1, 3, 4, 5, 16, 19])
        const shape = [random.integer(1, 3), random.integer(1, 7), random.integer(1, 7), c]
        const size: [number, number] = [random.integer(1, 3), random.integer(1, 3)]
        const options = {
          size,
          stride: random.integer(1, 3),
          padding: random.integer(0, 1),
          ceilMode: random.next() < 0.5 && size[0] > 1 && size[1] > 1,
        }
        if (shape[1]! + 2 * options.padding < size[0] || shape[2]! + 2 * options.padding < size[1]) continue
        if (Math.min(...size) <= options.padding) continue
        solved++
        const about = `problem ${problem}: [${shape}] ${JSON.stringify(options)}`
        engine().scope(() => {
          const x = make(distinct(random, product(shape)), shape)
          expectGradients(engine(), random, [x], (v) => fb.maxPool2d(v!, { ...options, dilation: 1 }), {
            about,
            tolerance: 1e-4,
          })
          expectGradients(
            engine(),
            random,
            [x],
            (v) => fb.avgPool2d(v!, { ...options, countIncludePad: problem % 2 === 0 }),
            { about, tolerance: 5e-3 },
          )
        })
      }
      expect(solved).toBeGreaterThan(60)
      engine().scope(() => {
        const x = make(distinct(random, 2 * 5 * 6 * 7), [2, 5, 6, 7])
        expectGradients(
          engine(),
          random,
          [x],
          (v) => fb.maxPool2d(v!, { size: 2, stride: 1, dilation: [2, 3] }),
          { tolerance: 1e-4 },
        )
        expectGradients(engine(), random, [x], (v) => fb.globalAvgPool2d(v!), { tolerance: 5e-3 })
        expectGradients(engine(), random, [x], (v) => fb.globalMaxPool2d(v!), { tolerance: 1e-4 })
      })
    })

    it('max pooling: to the first of equals, and to a NaN', () => {
      engine().scope(() => {
        const gradient = (data: number[]) => {
          const x = engine().tensor(data, [1, 2, 2, 1])
          return [
            ...nn.valueAndGradients(() => fb.sum(fb.maxPool2d(x, { size: 2 })), [x]).gradients[0]!.toArray(),
          ]
        }
        expect(gradient([1, 5, 5, 5])).toEqual([0, 1, 0, 0])
        expect(gradient([7, Number.NaN, 9, Number.NaN])).toEqual([0, 1, 0, 0])
      })
    })
  })
})
