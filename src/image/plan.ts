import type { Kernel } from '../wasm/kernels.js'

/** A filter, all settled. @internal */
export interface Plan {
  kernel: Extract<
    Kernel,
    | 'bilateral'
    | 'convertColour'
    | 'filterBox'
    | 'filterBytes'
    | 'filterWindow'
    | 'gradientMagnitude'
    | 'median'
    | 'medianBytes'
    | 'morphology'
  >
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
  /** y = white where x > filtered - offset, or where it is not; after `blend`. */
  compare?: { offset: number; inverse: boolean }
  /** Smoothing by [side, centre, side]. Of `bilateral`: what differences weigh. */
  smooth?: readonly [side: number, centre: number]
  /** Of integer weights: what sums down and across are divided by, as powers of 2. */
  shifts?: readonly [down: number, across: number]
  /** What is done, where the kernel does several things. */
  op?: number
  /** The kernel takes elements as they are: of all kinds, or bytes alone. */
  takes?: 'elements' | 'bytes'
  /** What transparent pixels are taken for: black, white, or the mean of what is around. */
  hidden?: 'black' | 'white' | 'mean'
  /** Rows of bytes that are filtered together, at least. */
  strip?: number
}
