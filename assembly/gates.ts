/**
 * What the gates of recurrent layers are made of: powers of 2, so that a sigmoid is 1 / (1 + p) with p =
 * 2^(-x log2 e), and a tanh w / (w + 2) with w = 2^(2 x log2 e) - 1. Several gates then share a division.
 *
 * Arguments are clamped, to where float32 sums cannot tell the result from its limit; NaN stays NaN. Errors:
 * a sigmoid is within 1e-7, a tanh within 2.5e-7 of itself; tests/kernels/gates.test.ts asserts it. Minimax
 * fits of 2^f - 1 on |f| <= 1/2.
 *
 * Constants are read from memory: V8 (Node 20) makes a vector constant anew each time. Witness: bench
 * recurrent.
 */
import { madd } from './simd'

// @ts-ignore: decorator
@inline
function quad(index: i32): v128 {
  return v128.load(CONSTANTS + (<usize>index << 4))
}

const CONSTANTS: usize = memory.data<f32>([
  // 0: rounds; the same with 127 for the exponent's bias
  12582912, 12582912, 12582912, 12582912, 12583039, 12583039, 12583039, 12583039,
  // 2: 1 and 2
  1, 1, 1, 1, 2, 2, 2, 2,
  // 4: bounds of sigmoid and tanh
  -60, -60, -60, -60, 60, 60, 60, 60, -26, -26, -26, -26, 26, 26, 26, 26,
  // 8: -log2 e, 2 log2 e
  -1.4426950408889634, -1.4426950408889634, -1.4426950408889634, -1.4426950408889634,
  2.8853900817779268, 2.8853900817779268, 2.8853900817779268, 2.8853900817779268,
  // 10: 2^f - 1, of degree 5
  0.6931469775984501, 0.6931469775984501, 0.6931469775984501, 0.6931469775984501,
  0.24022242084922174, 0.24022242084922174, 0.24022242084922174, 0.24022242084922174,
  0.055507337442816884, 0.055507337442816884, 0.055507337442816884, 0.055507337442816884,
  0.009671512660424856, 0.009671512660424856, 0.009671512660424856, 0.009671512660424856,
  0.001326472688668996, 0.001326472688668996, 0.001326472688668996, 0.001326472688668996,
  // 15: (2^f - 1) / f, of degree 5
  0.6931471879266841, 0.6931471879266841, 0.6931471879266841, 0.6931471879266841,
  0.24022649794944984, 0.24022649794944984, 0.24022649794944984, 0.24022649794944984,
  0.055503574336566365, 0.055503574336566365, 0.055503574336566365, 0.055503574336566365,
  0.009618237497049627, 0.009618237497049627, 0.009618237497049627, 0.009618237497049627,
  0.0013390735469976226, 0.0013390735469976226, 0.0013390735469976226, 0.0013390735469976226,
  0.0001540351171848667, 0.0001540351171848667, 0.0001540351171848667, 0.0001540351171848667,
], 16)

// @ts-ignore: decorator
@inline
export function one(): v128 {
  return quad(2)
}

// @ts-ignore: decorator
@inline
export function two(): v128 {
  return quad(3)
}

/** 1 + 2^(-x log2 e): what 1 is divided by for a sigmoid. */
// @ts-ignore: decorator
@inline
export function sigmoidDivisor(x: v128): v128 {
  const t = f32x4.pmin(f32x4.pmax(f32x4.mul(x, quad(8)), quad(4)), quad(5))
  const shifted = f32x4.add(t, quad(0)), f = f32x4.sub(t, f32x4.sub(shifted, quad(0))), f2 = f32x4.mul(f, f)
  const high = madd(madd(f, quad(14), quad(13)), f2, madd(f, quad(12), quad(11)))
  const power = madd(high, f2, madd(f, quad(10), quad(2)))
  return f32x4.add(i32x4.add(power, i32x4.shl(shifted, 23)), quad(2))
}

/** w = exp(2 x) - 1: a tanh is w / (w + 2). */
// @ts-ignore: decorator
@inline
export function tanhDividend(x: v128): v128 {
  const t = f32x4.pmin(f32x4.pmax(f32x4.mul(x, quad(9)), quad(6)), quad(7))
  const shifted = f32x4.add(t, quad(1)), f = f32x4.sub(t, f32x4.sub(shifted, quad(1))), f2 = f32x4.mul(f, f)
  const power = i32x4.shl(shifted, 23)
  const high = madd(madd(f, quad(20), quad(19)), f2, madd(f, quad(18), quad(17)))
  const q = madd(high, f2, madd(f, quad(16), quad(15)))
  return madd(power, f32x4.mul(f, q), f32x4.sub(power, quad(2)))
}
