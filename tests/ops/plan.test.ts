import { describe, expect, it } from 'vitest'
import { conv2d, createEngine, FilterbankError, planConv2d } from '../../src/index.js'

describe('planConv2d', () => {
  it('chooses by shape, and says why', () => {
    const algorithm = (...args: Parameters<typeof planConv2d>) => planConv2d(...args).algorithm
    expect(algorithm([1, 56, 56, 64], [1, 1, 64, 256])).toBe('gemm')
    expect(algorithm([1, 56, 56, 64], [3, 3, 64, 64], { padding: 1 })).toBe('winograd')
    expect(algorithm([1, 56, 56, 64], [3, 3, 64, 64], { padding: 1, algorithm: 'igemm' })).toBe('igemm')
    expect(algorithm([1, 56, 56, 64], [3, 3, 64, 64], { padding: 1, stride: 2 })).toBe('igemm')
    expect(algorithm([1, 56, 56, 64], [3, 3, 64, 64], { padding: 2, dilation: 2 })).toBe('winograd')
    // Of each phase, outputs at the same place modulo 18, a tile of 4 x 4 has 2 x 2.
    expect(algorithm([1, 33, 33, 64], [3, 3, 64, 64], { padding: 18, dilation: 18 })).toBe('igemm')
    expect(algorithm([1, 27, 27, 64], [5, 5, 64, 192], { padding: 2 })).toBe('winograd')
    expect(algorithm([1, 224, 224, 3], [7, 7, 3, 64], { padding: 3, stride: 2 })).toBe('igemm')
    expect(algorithm([1, 56, 56, 96], [3, 3, 1, 96], { padding: 1, groups: 96 })).toBe('depthwise')
    expect(algorithm([1, 56, 56, 128], [3, 3, 4, 128], { padding: 1, groups: 32 })).toBe('grouped')
    expect(algorithm([1, 28, 28, 1], [5, 5, 1, 6])).toBe('grouped')
    expect(planConv2d([1, 56, 56, 96], [3, 3, 1, 96], { groups: 96 }).reason).toBe('one filter per channel')
  })

  it('counts by definition', () => {
    const plan = planConv2d([2, 9, 9, 16], [3, 3, 16, 20], { padding: 'same', stride: 2 })
    expect(plan.shape).toEqual([2, 5, 5, 20])
    expect(plan.multiplyAdds).toBe(2 * 5 * 5 * 20 * 9 * 16)
    expect(plan.packedBytes).toBe(4 * 3 * 8 * 9 * 16)
    expect(plan.units).toBeGreaterThan(0)
  })

  it('tells the bytes that conv2d then takes', async () => {
    const round = (bytes: number) => Math.max(64, Math.ceil(bytes / 64) * 64)
    for (const [x, filter, options] of [
      [[1, 20, 20, 32], [3, 3, 32, 40], { padding: 1 }],
      [[1, 20, 20, 32], [3, 3, 32, 40], { stride: 2 }],
      [[1, 20, 20, 32], [5, 5, 1, 32], { groups: 32 }],
    ] as const) {
      using fresh = await createEngine({ simd: 'simd128', threads: 1 })
      const plan = planConv2d(x, filter, options)
      const tensors = [fresh.zeros(x), fresh.zeros(filter)] as const
      const before = fresh.memory().live
      const y = conv2d(...tensors, options)
      expect(y.shape).toEqual(plan.shape)
      expect(fresh.memory().live - before).toBe(
        round(plan.packedBytes) + round(plan.workspaceBytes) + round(y.size * 4),
      )
    }
  })

  it('complains as conv2d does', () => {
    expect(() => planConv2d([1, 8, 8, 4], [3, 3, 3, 16])).toThrow(FilterbankError)
    expect(() => planConv2d([1, 8, 8, 4], [3, 3, 3, 16])).toThrow(
      'planConv2d: filter must be one of 4 input channels, got 3',
    )
  })
})
