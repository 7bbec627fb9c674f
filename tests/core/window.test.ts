import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pair, slidingWindow, transposedWindow } from '../../src/core/window.js'

const context = { op: 'test', shapes: { x: [1, 8, 8, 3] } }
const two = (low: number, high: number) =>
  fc.tuple(fc.integer({ min: low, max: high }), fc.integer({ min: low, max: high }))
const geometry = fc.record({
  input: two(1, 40),
  size: two(1, 7),
  stride: two(1, 5),
  dilation: two(1, 4),
  sides: fc.tuple(two(0, 6), two(0, 6)),
})

describe('slidingWindow', () => {
  it('has as many outputs as positions can be counted', () => {
    fc.assert(
      fc.property(geometry, fc.boolean(), ({ input, size, stride, dilation, sides }, ceilMode) => {
        // As all frameworks want it: padding beyond the size of the window would leave windows with nothing
        // but padding to drop.
        fc.pre(!ceilMode || sides.every((side, i) => side[1] < size[i]!))
        const count = [0, 1].map((i) => {
          const [before, after] = sides[i]!
          const reach = dilation[i]! * (size[i]! - 1) + 1
          if (before + input[i]! + after < reach) return 0
          let windows = 0
          let start = -before
          for (; start + reach <= input[i]! + after; start += stride[i]!) windows++
          const uncovered = start - stride[i]! + reach < input[i]! + after
          return ceilMode && uncovered && start < input[i]! ? windows + 1 : windows
        })
        const make = () => slidingWindow(input, size, { stride, dilation, padding: sides, ceilMode }, context)
        if (count.includes(0)) expect(make).toThrow('leaves no output')
        else expect(make().map(({ output }) => output)).toEqual(count)
      }),
    )
  })

  it("'same' gives ceil(input / stride) outputs, the odd element of padding after", () => {
    fc.assert(
      fc.property(geometry, ({ input, size, stride, dilation }) => {
        const [h, w] = slidingWindow(input, size, { stride, dilation, padding: 'same' }, context)
        for (const [i, axis] of [h, w].entries()) {
          expect(axis.output).toBe(Math.ceil(input[i]! / stride[i]!))
          expect([0, 1]).toContain(axis.after - axis.before)
        }
      }),
    )
  })

  it('takes padding in all its forms', () => {
    const sides = (padding: Parameters<typeof slidingWindow>[2]['padding']) => {
      const [h, w] = slidingWindow([9, 9], [3, 3], { padding }, context)
      return [h.before, h.after, w.before, w.after]
    }
    expect(sides('valid')).toEqual([0, 0, 0, 0])
    expect(sides(2)).toEqual([2, 2, 2, 2])
    expect(sides([1, 2])).toEqual([1, 1, 2, 2])
    expect(
      sides([
        [1, 2],
        [3, 4],
      ]),
    ).toEqual([1, 2, 3, 4])
    for (const bad of [
      'SAME',
      -1,
      0.5,
      [1],
      [1, 2, 3],
      [[1, 2], [3]],
      [
        [1, 2],
        [3, Number.NaN],
      ],
      {},
    ]) {
      expect(() => sides(bad as never), JSON.stringify(bad)).toThrow("padding must be 'same', 'valid'")
    }
  })
})

describe('transposedWindow', () => {
  it('is backward of a sliding window', () => {
    fc.assert(
      fc.property(geometry, ({ input, size, stride, dilation, sides }) => {
        const reach = (i: 0 | 1) => dilation[i] * (size[i] - 1) + 1
        fc.pre(([0, 1] as const).every((i) => sides[i][0] + input[i] + sides[i][1] >= reach(i)))
        const forth = slidingWindow(input, size, { stride, dilation, padding: sides }, context)
        const outputPadding = ([0, 1] as const).map(
          (i) => (sides[i][0] + input[i] + sides[i][1] - reach(i)) % stride[i],
        ) as [number, number]
        const back = transposedWindow(
          [forth[0].output, forth[1].output],
          size,
          { stride, dilation, padding: sides, outputPadding },
          context,
        )
        expect(back.map(({ output }) => output)).toEqual(input)
      }),
    )
  })

  it("'same' gives input x stride", () => {
    fc.assert(
      fc.property(geometry, ({ input, size, stride, dilation }) => {
        const [h, w] = transposedWindow(input, size, { stride, dilation, padding: 'same' }, context)
        expect([h.output, w.output]).toEqual([input[0] * stride[0], input[1] * stride[1]])
      }),
    )
  })

  it('refuses an outputPadding that reaches stride and dilation', () => {
    expect(() => transposedWindow([4, 4], [3, 3], { stride: 2, outputPadding: 2 }, context)).toThrow(
      'outputPadding must be smaller than stride',
    )
    expect(() => transposedWindow([1, 1], [1, 1], { padding: 3 }, context)).toThrow(
      'test: padding must be less than the 1 elements',
    )
  })
})

describe('pair', () => {
  it('takes a number or two, and names the op and all shapes where they do not fit', () => {
    expect(pair(2, 'stride', 1, context)).toEqual([2, 2])
    expect(pair([0, 3], 'outputPadding', 0, context)).toEqual([0, 3])
    for (const bad of [
      0,
      -1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      '2',
      null,
      [1],
      [1, 2, 3],
      [1, 0],
      [1, 'x'],
      {},
    ]) {
      expect(() => pair(bad, 'stride', 1, context), String(bad)).toThrow(
        'test: stride must be a positive integer or [height, width] of such, got ',
      )
    }
    expect(() => pair(0, 'stride', 1, context)).toThrow('got 0 (x [1, 8, 8, 3])')
  })
})
