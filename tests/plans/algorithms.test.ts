/** The table of algorithms: every row on problems that it fits, and the plan that says which one runs. */
import { describe, expect, it } from 'vitest'
import { conv2d, createEngine, planConv2d, type Tensor } from '../../src/index.js'
import { algorithms } from '../../src/ops/conv/algorithms.js'
import { expectValues, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'
import type { Values } from '../support/reference.js'
import * as reference from '../support/reference.js'

/** Layers that every row fits some of. */
function randomLayer(random: Random) {
  const [groups, groupIn, groupOut] = random.pick([
    [1, random.integer(1, 20), random.integer(1, 20)],
    [random.integer(1, 6), 1, 1],
    [random.integer(2, 4), random.integer(1, 9), random.integer(1, 9)],
    [2, 4, 8],
  ]) as [number, number, number]
  const size = random.pick([1, 3, 3, random.integer(1, 5)])
  const plain = random.next() < 0.6
  const padding = size === 1 ? 0 : random.integer(0, 2)
  const options = {
    stride: plain ? 1 : random.integer(1, 3),
    dilation: plain ? 1 : random.integer(1, 2),
    padding,
    groups,
  }
  const least = options.dilation * (size - 1) + 1
  const xShape = [
    random.integer(1, 2),
    least + random.integer(0, 8),
    least + random.integer(0, 8),
    groups * groupIn,
  ]
  return { xShape, filterShape: [size, size, groupIn, groups * groupOut], options }
}

const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const two = (value: number): [number, number] => [value, value]

describe('the table of algorithms', () => {
  it('ends in a row that takes any layer, each name once', () => {
    for (const dtype of ['int8', 'uint8', 'float32'] as const) {
      const names = algorithms.filter(({ dtypes }) => dtypes.includes(dtype)).map(({ name }) => name)
      expect(new Set(names).size).toBe(names.length)
      expect(planConv2d([1, 9, 9, 17], [2, 5, 17, 40], { stride: 3, dilation: 2, dtype }).fits).toEqual([
        names.at(-1),
      ])
    }
    expect(planConv2d([1, 9, 9, 8], [3, 3, 8, 8]).fits).toEqual(['winograd', 'grouped', 'igemm'])
    expect(planConv2d([1, 9, 9, 1], [1, 1, 1, 1]).fits).toEqual(['depthwise', 'gemm', 'grouped', 'igemm'])
  })

  inEveryBuild((engine) => {
    it('every row agrees with the reference where it fits, forwards', () => {
      const random = new Random(20261131)
      const ran = new Map<string, number>()
      for (let problem = 0; problem < 160; problem++) {
        const { xShape, filterShape, options } = randomLayer(random)
        const { stride, dilation, padding, groups } = options
        const [x, filter, bias] = [xShape, filterShape, [filterShape[3]!]].map((shape) => ({
          shape,
          data: random.integers(product(shape)),
        })) as unknown as [Values, Values, Values]
        const geometry = {
          stride: two(stride),
          dilation: two(dilation),
          padding: [two(padding), two(padding)] as [[number, number], [number, number]],
        }
        const want = reference.conv2d(x, filter, bias, geometry, groups)
        engine().scope(() => {
          const [a, b, c] = [x, filter, bias].map(({ data, shape }) =>
            engine().tensor(Float32Array.from(data), shape),
          ) as [Tensor, Tensor, Tensor]
          for (const algorithm of planConv2d(xShape, filterShape, options).fits) {
            ran.set(algorithm, (ran.get(algorithm) ?? 0) + 1)
            const { exact } = algorithms.find(({ name }) => name === algorithm)!
            const y = conv2d(a, b, { ...options, bias: c, algorithm })
            const about = `${algorithm}, problem ${problem}: x [${xShape}] filter [${filterShape}] ${JSON.stringify(options)}`
            expectValues(y, want, exact ? 0 : 1e-2, about)
          }
        })
      }
      for (const { name } of algorithms) expect(ran.get(name) ?? 0, name).toBeGreaterThan(10)
    })

    it('every row agrees with central differences where it fits, backwards', () => {
      const random = new Random(20261132)
      const ran = new Map<string, number>()
      for (let problem = 0; problem < 30; problem++) {
        const { xShape, filterShape, options } = randomLayer(random)
        engine().scope(() => {
          for (const algorithm of planConv2d(xShape, filterShape, options).fits) {
            ran.set(algorithm, (ran.get(algorithm) ?? 0) + 1)
            const inputs = [xShape, filterShape, [filterShape[3]!]].map((shape) =>
              engine().tensor(random.floats(product(shape)), shape),
            )
            expectGradients(
              engine(),
              random,
              inputs,
              (x, filter, bias) => conv2d(x!, filter!, { ...options, bias, algorithm }),
              {
                about: `${algorithm}: x [${xShape}] filter [${filterShape}] ${JSON.stringify(options)}`,
                most: 4,
                tolerance: 5e-3,
              },
            )
          }
        })
      }
      for (const { name } of algorithms) expect(ran.get(name) ?? 0, name).toBeGreaterThan(2)
    })
  })

  it('planConv2d tells the row that conv2d takes, and the memory of it', async () => {
    const random = new Random(20261133)
    const rounded = (bytes: number) => Math.max(64, Math.ceil(bytes / 64) * 64)
    const chosen = new Set<string>()
    for (let problem = 0; problem < 60; problem++) {
      const { xShape, filterShape, options } = randomLayer(random)
      using fresh = await createEngine({ simd: 'simd128', threads: 1 })
      const plan = planConv2d(xShape, filterShape, options)
      chosen.add(plan.algorithm)
      const tensors = [xShape, filterShape].map((shape) =>
        fresh.tensor(random.floats(product(shape)), shape),
      ) as [Tensor, Tensor]
      const before = fresh.memory().live
      const y = conv2d(...tensors, options)
      const about = `problem ${problem}, ${plan.algorithm}: x [${xShape}] filter [${filterShape}] ${JSON.stringify(options)}`
      expect(y.shape).toEqual(plan.shape)
      // Winograd's filters are transformed in scratch memory, too, which small layers have less of.
      if (plan.algorithm !== 'winograd')
        expect(fresh.memory().live - before, about).toBe(
          rounded(plan.packedBytes) + rounded(plan.workspaceBytes) + rounded(y.size * 4),
        )
      const same = conv2d(...tensors, { ...options, algorithm: plan.algorithm })
      expect(same.toArray(), about).toEqual(y.toArray())
      expect(plan.fits[0] === plan.algorithm || plan.fits.includes(plan.algorithm)).toBe(true)
    }
    expect([...chosen].sort()).toEqual([...new Set(algorithms.map(({ name }) => name))].sort())
  })
})
