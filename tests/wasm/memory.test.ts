import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Allocator } from '../../src/wasm/memory.js'

const PAGE = 65536
const START = 1000
const make = (limit: number) => new Allocator(new WebAssembly.Memory({ initial: 1 }), START, limit)

/** Bytes to ask for, or which of the live allocations to give back. */
const steps = fc.array(
  fc.oneof(fc.record({ bytes: fc.oneof(fc.nat(200), fc.nat(20_000)) }), fc.record({ release: fc.nat(1000) })), //
  { maxLength: 200 },
)

/** Carries out the steps; those that do not fit in the limit are counted. */
function play(
  allocator: Allocator,
  list: ({ bytes: number } | { release: number })[],
  after?: (live: Map<number, number>) => void,
): { live: Map<number, number>; refused: number } {
  const live = new Map<number, number>()
  let refused = 0
  for (const step of list) {
    if ('bytes' in step) {
      const before = allocator.live
      try {
        live.set(allocator.allocate(step.bytes), step.bytes)
      } catch (error) {
        refused++
        expect((error as Error).name).toBe('FilterbankError')
        expect(allocator.live).toBe(before)
      }
    } else if (live.size) {
      const start = [...live.keys()][step.release % live.size]!
      allocator.release(start)
      live.delete(start)
    }
    after?.(live)
  }
  return { live, refused }
}

describe('Allocator', () => {
  it('gives aligned ranges inside the memory that never overlap, and counts them', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const allocator = make(64 * PAGE)
        play(allocator, list, (live) => {
          const ranges = [...live].sort(([a], [b]) => a - b)
          let end = START
          for (const [start, bytes] of ranges) {
            expect(start % 64).toBe(0)
            expect(start).toBeGreaterThanOrEqual(end)
            end = start + bytes
          }
          expect(end).toBeLessThanOrEqual(allocator.reserved)
          const rounded = ranges.reduce((sum, [, bytes]) => sum + Math.max(64, Math.ceil(bytes / 64) * 64), 0)
          expect(allocator.live).toBe(rounded)
          expect(allocator.peak).toBeGreaterThanOrEqual(rounded)
        })
      }),
    )
  })

  it('merges all that was given back: afterwards the same bytes fit as one range, without growing', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const allocator = make(4 * PAGE)
        const { live } = play(allocator, list)
        const { reserved } = allocator
        for (const start of live.keys()) allocator.release(start)
        expect(allocator.live).toBe(0)
        const first = Math.ceil(START / 64) * 64
        const whole = allocator.allocate(reserved - first - 256 - 64)
        expect(whole).toBe(first)
        expect(allocator.reserved).toBe(reserved)
      }),
    )
  })

  it('never passes its limit, and serves smaller requests after it refused', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const allocator = make(2 * PAGE)
        const { live, refused } = play(allocator, [...list, { bytes: 3 * PAGE }])
        expect(refused).toBeGreaterThan(0)
        expect(allocator.reserved).toBeLessThanOrEqual(2 * PAGE)
        for (const start of live.keys()) allocator.release(start)
        expect(allocator.allocate(100)).toBe(Math.ceil(START / 64) * 64)
      }),
    )
  })

  it('says what was asked for, what is in use and what the limit is', () => {
    const allocator = make(2 * PAGE)
    allocator.allocate(6400)
    expect(() => allocator.allocate(1_000_000)).toThrow(
      `engine: memory must be within ${2 * PAGE} bytes, got a request for 1000000 bytes with 6400 in use and ${PAGE} reserved. Out of memory: dispose`,
    )
  })

  it('refuses an address that it did not give, or no longer', () => {
    const allocator = make(2 * PAGE)
    const start = allocator.allocate(64)
    allocator.release(start)
    expect(() => allocator.release(start)).toThrow('is not the address of an allocation')
    expect(() => allocator.release(start + 4)).toThrow(RangeError)
  })

  it('claims a range anywhere in a hole, and none that is taken', () => {
    const allocator = make(4 * PAGE)
    const [first, middle] = [1024, 2048, 64].map((bytes) => allocator.allocate(bytes))
    expect(() => allocator.claim(first! + 64, 64)).toThrow('is not free')
    allocator.release(middle!)
    expect(() => allocator.claim(middle! + 64, 2048)).toThrow('is not free')
    expect(() => allocator.claim(middle! - 64, 128)).toThrow('is not free')
    allocator.claim(middle! + 512, 256)
    expect(allocator.freeWithin([[first!, middle! + 1024]])).toEqual([
      [middle, 512],
      [middle! + 768, 256],
    ])
    allocator.release(middle! + 512)
    expect(allocator.freeWithin([[first!, middle! + 4096]])).toEqual([[middle, 2048]])
  })

  it('finds the best of many holes, whichever it is, and what a naive search finds', () => {
    const allocator = make(1024 * PAGE)
    const starts = Array.from({ length: 2000 }, (_, i) => allocator.allocate(64 * (1 + ((i * 7) % 50))))
    const holes = new Map<number, number>()
    for (let i = 0; i < starts.length; i += 2) {
      holes.set(starts[i]!, allocator.sizeOf(starts[i]!))
      allocator.release(starts[i]!)
    }
    for (let i = 0; i < 900; i++) {
      const wanted = 64 * (1 + ((i * 11) % 40))
      const best = Math.min(...[...holes.values()].filter((bytes) => bytes >= wanted))
      const start = allocator.allocate(wanted)
      expect(holes.get(start)).toBe(best)
      holes.delete(start)
      if (best > wanted) holes.set(start + wanted, best - wanted)
    }
  })

  it('takes the smallest gap that serves', () => {
    const allocator = make(4 * PAGE)
    const [large, , small] = [640, 64, 128, 64].map((bytes) => allocator.allocate(bytes))
    allocator.release(large!)
    allocator.release(small!)
    expect(allocator.allocate(100)).toBe(small)
    expect(allocator.allocate(100)).toBe(large)
  })
})
