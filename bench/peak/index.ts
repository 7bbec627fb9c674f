/**
 * How many multiply-adds this machine does at all: chains of c = c * a + b that never leave the registers.
 * AssemblyScript; build.mjs compiles it into build/.
 *
 * Twelve independent chains hide the latency of a multiply and an add (two of each a cycle, three cycles
 * each), and with a, b and a product they fill the fifteen registers that V8 gives on x86. a and b come from
 * outside: V8 of Node 24 and later makes a constant anew before each use, a fifth of the speed. The exit
 * between two steps keeps its compiler from mixing them, as in assembly/dense/tile.ts.
 */
import { madd } from '../../assembly/simd'

/** Floating-point operations of one turn. */
export const operations: i32 = 12 * 4 * 2

/**
 * Returns a number that depends on every chain, so that none is dropped. Chains settle at shift / (1 -
 * scale), which must be no denormal.
 */
export function multiplyAdds(turns: i32, scale: f32, shift: f32): f32 {
  const a = f32x4.splat(scale)
  const b = f32x4.splat(shift)
  let c0 = f32x4.splat(0),
    c1 = f32x4.splat(1),
    c2 = f32x4.splat(2),
    c3 = f32x4.splat(3),
    c4 = f32x4.splat(4),
    c5 = f32x4.splat(5),
    c6 = f32x4.splat(6)
  let c7 = f32x4.splat(7),
    c8 = f32x4.splat(8),
    c9 = f32x4.splat(9),
    c10 = f32x4.splat(10),
    c11 = f32x4.splat(11)
  let turn = turns
  while (true) {
    c0 = madd(c0, a, b)
    c1 = madd(c1, a, b)
    c2 = madd(c2, a, b)
    c3 = madd(c3, a, b)
    c4 = madd(c4, a, b)
    c5 = madd(c5, a, b)
    c6 = madd(c6, a, b)
    c7 = madd(c7, a, b)
    c8 = madd(c8, a, b)
    c9 = madd(c9, a, b)
    c10 = madd(c10, a, b)
    c11 = madd(c11, a, b)
    if (turn == 1) break
    c0 = madd(c0, a, b)
    c1 = madd(c1, a, b)
    c2 = madd(c2, a, b)
    c3 = madd(c3, a, b)
    c4 = madd(c4, a, b)
    c5 = madd(c5, a, b)
    c6 = madd(c6, a, b)
    c7 = madd(c7, a, b)
    c8 = madd(c8, a, b)
    c9 = madd(c9, a, b)
    c10 = madd(c10, a, b)
    c11 = madd(c11, a, b)
    turn -= 2
    if (turn <= 0) break
  }
  let sum = c0
  sum = f32x4.add(sum, c1)
  sum = f32x4.add(sum, c2)
  sum = f32x4.add(sum, c3)
  sum = f32x4.add(sum, c4)
  sum = f32x4.add(sum, c5)
  sum = f32x4.add(sum, c6)
  sum = f32x4.add(sum, c7)
  sum = f32x4.add(sum, c8)
  sum = f32x4.add(sum, c9)
  sum = f32x4.add(sum, c10)
  sum = f32x4.add(sum, c11)
  return f32x4.extract_lane(sum, 0)
}
