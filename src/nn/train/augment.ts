/** What happens to samples before they are learned from. */

import type { Shape } from '../../base/shape.js'
import { checkInteger, checkNumber, checkOptions, MOST, type Names } from '../../core/options.js'
import type { Random } from '../random.js'

/** What one sample becomes before it is learned from: another of the same length, or the same. */
export type Augment = (sample: Float32Array, shape: Shape, random: Random) => Float32Array

/** Images moved: the pixel at (y, x) comes from `from(y, x)`; `undefined` leaves it empty. */
function moved(
  sample: Float32Array,
  [h, w, channels]: Shape,
  from: (y: number, x: number) => number | undefined,
  fill: number,
): Float32Array {
  const result = new Float32Array(sample.length).fill(fill)
  const c = channels ?? 1
  for (let y = 0; y < h!; y++) {
    for (let x = 0; x < w!; x++) {
      const source = from(y, x)
      if (source !== undefined)
        for (let k = 0; k < c; k++) result[(y * w! + x) * c + k] = sample[source * c + k]!
    }
  }
  return result
}

/** Which ways `flip` may turn an image. */
export interface FlipOptions {
  /** Left becomes right. Default true. */
  horizontal?: boolean
  /** Top becomes bottom. Default false. */
  vertical?: boolean
}

/** How far `shift` may move an image. */
export interface ShiftOptions {
  /** The most in each direction. */
  pixels: number
  /** What comes in at the edge. Default 0. */
  fill?: number
}

const FLIP: Names<FlipOptions> = { horizontal: true, vertical: true }
const SHIFT: Names<ShiftOptions> = { pixels: true, fill: true }

/**
 * Mirrors every other image of [height, width, channels], at random.
 *
 * @param options horizontal true (left becomes right), vertical false
 * @example await fit(model, photos, { optimizer, augment: [flip(), shift({ pixels: 4 })] })
 */
export function flip(options: FlipOptions = {}): Augment {
  checkOptions('flip', options, FLIP)
  const { horizontal = true, vertical = false } = options
  return (sample, shape, random) => {
    const [h, w] = shape as [number, number]
    const across = horizontal && random.next() < 0.5
    const over = vertical && random.next() < 0.5
    return across || over
      ? moved(sample, shape, (y, x) => (over ? h - 1 - y : y) * w + (across ? w - 1 - x : x), 0)
      : sample
  }
}

/**
 * Moves every image of [height, width, channels] by some whole pixels, at random.
 *
 * @param options pixels: the most in each direction; fill 0: what comes in at the edge
 * @example shift({ pixels: 2 })
 */
export function shift(options: ShiftOptions): Augment {
  checkOptions('shift', options, SHIFT)
  const { pixels, fill = 0 } = options
  checkInteger(pixels, 'pixels', 0, MOST, { op: 'shift' })
  checkNumber(fill, 'fill', () => true, 'a number', { op: 'shift' })
  return (sample, shape, random) => {
    const [h, w] = shape as [number, number]
    const [down, right] = [0, 0].map(() => Math.floor(random.next() * (2 * pixels + 1)) - pixels) as [
      number,
      number,
    ]
    const inside = (y: number, x: number) => y >= 0 && y < h && x >= 0 && x < w
    return moved(
      sample,
      shape,
      (y, x) => (inside(y - down, x - right) ? (y - down) * w + x - right : undefined),
      fill,
    )
  }
}
