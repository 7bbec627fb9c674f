import type { Kernel } from '../wasm/kernels.js'

/** A filter, all settled. @internal */
export interface Plan {
  kernel: Extract<Kernel, 'filterBox' | 'filterBytes' | 'filterWindow' | 'gradientMagnitude' | 'median'>
  /** The window, [height, width], around each pixel. */
  size: readonly [number, number]
  /** Planes and addresses of taps that the kernel keeps in scratch memory. */
  planes: number
  taps: number
  /** Lists of numbers that the kernel reads. */
  weights?: readonly number[]
  across?: readonly number[]
  /** y = keep * x + gain * filtered, but x where |x - filtered| < threshold. */
  blend?: { keep: number; gain: number; threshold: number }
  /** Smoothing by [side, centre, side]. */
  smooth?: readonly [side: number, centre: number]
  /** Of integer weights: what sums down and across are divided by, as powers of 2. */
  shifts?: readonly [down: number, across: number]
}
