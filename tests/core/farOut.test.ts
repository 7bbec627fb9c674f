/** Numbers near the bounds of what is taken: the answers of the definition, or an error that says the bound. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { MOST } from '../../src/core/options.js'
import * as image from '../../src/image/index.js'
import * as core from '../../src/index.js'

describe('numbers far out, but within bounds', () => {
  let engine: core.Engine
  beforeAll(async () => {
    engine = await core.createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors).toBe(0)
    engine.dispose()
  })
  const numbersOf = (tensor: core.Tensor) => [...tensor.toArray()]
  const FAR = 2 ** 28

  it('give the numbers of the definition', () => {
    engine.scope(() => {
      const x = engine.tensor([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1])
      const ones = engine.tensor([1, 1, 1, 1], [2, 2, 1, 1])
      // One output: the window in the upper left corner.
      expect(numbersOf(core.maxPool2d(x, { size: 2, stride: FAR }))).toEqual([5])
      expect(numbersOf(core.avgPool2d(x, { size: 2, stride: FAR }))).toEqual([3])
      expect(numbersOf(core.conv2d(x, ones, { stride: FAR }))).toEqual([12])
      // A window far wider than the image sees all of it.
      const wide = { size: [1, FAR], padding: [0, FAR / 2], stride: [1, 1e9] } as const
      expect(numbersOf(core.maxPool2d(x, wide))).toEqual([3, 6, 9])
      expect(numbersOf(core.avgPool2d(x, wide))).toEqual([2, 5, 8])
      expect(numbersOf(core.avgPool2d(x, { ...wide, countIncludePad: true }))).toEqual(
        [6, 15, 24].map((v) => Math.fround(v / FAR)),
      )
      // Taps that stand FAR apart: one in the image, the others in the padding.
      const after = {
        dilation: FAR,
        padding: [
          [0, FAR],
          [0, FAR],
        ],
        stride: 2,
      } as const
      const before = {
        dilation: FAR,
        padding: [
          [FAR, 0],
          [FAR, 0],
        ],
        stride: 2,
      } as const
      for (const y of [
        core.maxPool2d(x, { size: 2, ...after }),
        core.conv2d(x, ones, after),
        core.conv2d(x, ones, before),
      ])
        expect(numbersOf(y)).toEqual([1, 3, 7, 9])
      // Outputs between those that see something are the bias.
      const bias = engine.tensor([0.5], [1])
      const spread = core.convTranspose2d(x, ones, { stride: [1000, 1], bias })
      expect(spread.shape).toEqual([1, 2002, 4, 1])
      const rows = spread.toArray()
      const rowOf = (y: number) => [...rows.subarray(4 * y, 4 * y + 4)]
      for (let i = 0; i < 3; i++) {
        const [y, a, b, c] = [1000 * i, 3 * i + 1, 3 * i + 2, 3 * i + 3]
        const sums = [a, a + b, b + c, c].map((v) => v + 0.5)
        expect([rowOf(y), rowOf(y + 1)]).toEqual([sums, sums])
      }
      expect(rows.filter((v) => v === 0.5).length).toBe((2002 - 6) * 4)
    })
  })

  it('are refused where no kernel could count', () => {
    engine.scope(() => {
      const x = engine.zeros([1, 3, 3, 1])
      const complaint = (fn: () => unknown) => {
        try {
          fn()
        } catch (error) {
          return (error as Error).message
        }
        return 'none'
      }
      expect(complaint(() => core.maxPool2d(x, { size: 2 ** 31 }))).toMatch(
        /size must be a positive integer or \[height, width\] of such, at most 2147483647, got 2147483648/,
      )
      expect(complaint(() => core.maxPool2d(x, { size: 2, stride: 1e200 }))).toMatch(
        /stride must be .* at most 2147483647, got 1e\+200/,
      )
      expect(complaint(() => core.maxPool2d(x, { size: 2, padding: 2 ** 31 }))).toMatch(
        /padding must be .* at most 2147483647, got 2147483648/,
      )
      expect(complaint(() => core.maxPool2d(x, { size: 2, dilation: MOST, padding: MOST }))).toMatch(
        /window must be within 2147483647 elements, with its stride and padding, got size 2/,
      )
      expect(complaint(() => core.avgPool2d(x, { size: 2 ** 16 }))).toMatch(
        /size must be a window of at most 2147483647 elements, got 65536/,
      )
      expect(complaint(() => core.resize(x, { size: 2 ** 20 }))).toMatch(
        /memory must be within \d+ bytes, got a request for 4398046511104 bytes/,
      )
      expect(complaint(() => engine.zeros([2 ** 31]))).toMatch(
        /shape must be an array of integers from 0 to 2147483647, got \[2147483648\]/,
      )
      expect(complaint(() => image.featureMaps(x, { scale: 2 ** 20 }))).toMatch(
        /scale must be such that the sheet has at most 268435456 pixels, got scale 1048576 and gap 4/,
      )
    })
  })
})
