import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import type { Engine } from '../core/engine.js'
import { checkNumber, checkOptions, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import {
  type OwnPixels,
  type PixelArray,
  type Pixels,
  runFromBytes,
  runToBytes,
  WHITES,
} from '../pictures/pixels.js'
import { type ColorOptions, grayscale } from './colour.js'
import { about, checkTensor, type FilterImage, openPixels } from './filter.js'

/** What `canny` takes beside the image and its bounds. */
export type CannyOptions = ColorOptions

const CANNY: Names<CannyOptions> = { engine: true, out: true }

/** What |dx| + |dy| of bytes can be at most: two times 4 * 255. */
const STEEPEST = 2040

/**
 * Thin lines along edges (J. Canny, A computational approach to edge detection, 1986; OpenCV's Canny with
 * apertureSize 3 and L2gradient false, bit for bit on gray bytes): |dx| + |dy| of Sobel's windows where it is
 * largest across the edge, and above `high`, or above `low` and beside such an edge. The border goes on as it
 * is. Of colours the luma is taken, as bytes.
 *
 * @param image [n, height, width, channels] of 1, 3 or 4 channels, or `{ data, width, height }` with `engine`
 *   among the options
 * @param low @param high on the image's own scale, where 1 is white: OpenCV's 50 and 150 are 50 / 255 and 150
 *   / 255
 * @returns one channel: width * height bytes, 255 on edges and 0 elsewhere, or [n, height, width, 1] of 1 and
 *   0
 * @throws FilterbankError for other ranks and counts of channels, and bounds below 0 or in the wrong order
 * @example const { data, width, height } = canny(photo, 0.2, 0.6, { engine })
 */
export function canny<Image extends FilterImage>(
  image: Image,
  low: number,
  high: number,
  options: CannyOptions = {},
): Image extends Tensor ? Tensor : OwnPixels {
  type Edges = Image extends Tensor ? Tensor : OwnPixels
  checkOptions('canny', options, CANNY)
  const context = about('canny', image)
  const isBound = (v: number) => v >= 0 && v < Number.POSITIVE_INFINITY
  checkNumber(low, 'low', isBound, 'a finite number of at least 0', context)
  checkNumber(high, 'high', (v) => isBound(v) && v >= low, 'a finite number of at least low', context)
  const [least, most] = [low, high].map((v) => Math.min(STEEPEST, Math.floor(Number((v * 255).toFixed(6)))))
  if (image instanceof Tensor) {
    const engine = checkTensor(image, options, context)
    return engine.scope(() => {
      const gray = grayscale(image, {}) as Tensor
      const [n, h, w] = gray.shape as [number, number, number, number]
      return engine.make(gray.shape, (y) => {
        for (let i = 0; i < n && h && w; i++) {
          const at = i * h * w * 4
          withEdges(engine, h, w, least!, most!, {
            put: (x) => runToBytes(engine, gray.pointer + at, x, h, w, 1, 0, true),
            take: (map) =>
              runFromBytes(engine, map, y.pointer + at, h, w, 1, {
                scale: new Array<number>(4).fill(1 / 255),
                shift: [],
                packed: true,
              }),
          })
        }
      })
    }) as Edges
  }
  const size = [image?.height ?? 0, image?.width ?? 0, 1] as const
  const { out: wanted, ...rest } = options
  const { engine, image: pixels, channels } = openPixels(image, rest, context, size)
  const { width: w, height: h } = pixels
  check(
    wanted === undefined ||
      (arrayName(wanted) === 'Uint8ClampedArray' &&
        wanted.length === w * h &&
        wanted.buffer !== pixels.data.buffer),
    () => ({
      ...context,
      argument: 'out',
      expected: `a Uint8ClampedArray of ${w * h} bytes in memory other than the image's`,
      got: show(wanted),
    }),
  )
  const out = (wanted as Uint8ClampedArray<ArrayBuffer> | undefined) ?? new Uint8ClampedArray(w * h)
  const gray = channels === 1 ? pixels : grayscale(pixels as Pixels, { engine })
  if (w && h)
    withEdges(engine, h, w, least!, most!, {
      put: (x) => engine.u8.set(bytesOf(gray.data), x),
      take: (map) => out.set(engine.u8.subarray(map, map + w * h)),
    })
  return { data: out, width: w, height: h } as OwnPixels as Edges
}

/** Elements of any kind as bytes. */
function bytesOf(data: PixelArray): Uint8Array | Uint8ClampedArray {
  const white = WHITES[arrayName(data)!]!
  if (white === 255) return data as Uint8Array
  return Uint8ClampedArray.from(data, (v) => (v / white) * 255)
}

interface Ends {
  /** Writes the gray bytes of the picture. */
  put(x: number): void
  /** Reads the map. */
  take(map: number): void
}

function withEdges(
  engine: Engine,
  h: number,
  w: number,
  low: number,
  high: number,
  { put, take }: Ends,
): void {
  const bytes = Math.ceil((h * w + 32) / 16) * 16
  const x = engine.allocate(2 * bytes + 4 * h * w)
  try {
    engine.scratch(13 * (2 * w + 96) + 256)
    const args = { x, y: x + bytes, h, w, low, high, stack: x + 2 * bytes }
    put(x)
    engine.run({ kernel: 'thinEdges', args, units: h, work: h * w * 8 })
    engine.run({ kernel: 'traceEdges', args, units: 1 })
    take(x + bytes)
  } finally {
    engine.free(x)
  }
}
