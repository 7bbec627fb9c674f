import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'
import { checkOptions, isName, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { pair } from '../core/window.js'
import { WarpBorder } from '../wasm/abi.js'
import { isOpaqueAt } from './alpha.js'
import { borderRule } from './border.js'
import { isTransparent, throughTensor } from './deep.js'
import {
  about,
  checkTensor,
  type Filtered,
  type FilterImage,
  type FilterOptions,
  openPixels,
} from './filter.js'

/** Two rows of three numbers: (x, y) goes to (a x + b y + c, d x + e y + f). */
export type AffineMatrix = readonly [
  readonly [a: number, b: number, c: number],
  readonly [d: number, e: number, f: number],
]

/** What `warpAffine` takes beside the image and the matrix. */
export interface WarpAffineOptions extends Omit<FilterOptions, 'alpha'> {
  /** [height, width] of the result; one number for both. Default that of the image. */
  size?: number | readonly [number, number]
  /** `'bilinear'`: between the four pixels around. Default 'bilinear'. */
  method?: 'nearest' | 'bilinear'
  /**
   * The matrix says where in the image each pixel of the result comes from (WARP_INVERSE_MAP). Default false.
   */
  inverse?: boolean
}

const WARP: Names<WarpAffineOptions> = {
  border: true,
  engine: true,
  out: true,
  size: true,
  method: true,
  inverse: true,
}
const methods = { nearest: true, bilinear: true } as const

/** Numbers of a matrix beyond this reach no picture, and kernels add them up as float32. */
const FARTHEST = 1e9

const isRow = (row: unknown) =>
  Array.isArray(row) && row.length === 3 && row.every((v) => Math.abs(v) <= FARTHEST)

/**
 * The image turned, moved, made larger, sheared: what stood at (x, y), pixel centres being whole numbers,
 * stands at (a x + b y + c, d x + e y + f) (OpenCV's warpAffine, whose getRotationMatrix2D and
 * getAffineTransform give such matrices; it takes positions in 1/32 of a pixel, this as they are, or of bytes
 * in 1/128). Colours count as much as they are opaque, and alpha is moved with them.
 *
 * @param image [n, height, width, channels], or `{ data, width, height }` with `engine` among the options
 * @param matrix [[a, b, c], [d, e, f]]
 * @param options size, method 'bilinear', inverse false; border 'zero', of RGBA transparent black
 * @returns an image of the same kind
 * @throws FilterbankError for other ranks, an image without pixels, a matrix that cannot be inverted
 * @example const half = warpAffine(photo, [[0.5, 0, 0], [0, 0.5, 0]], { engine, size: [240, 320] })
 */
export function warpAffine<Image extends FilterImage>(
  image: Image,
  matrix: AffineMatrix,
  options: WarpAffineOptions = {},
): Filtered<Image> {
  checkOptions('warpAffine', options, WARP)
  const context = about('warpAffine', image)
  const { method = 'bilinear', border = 'zero', inverse = false } = options
  borderRule(border, context)
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    ...context,
    argument,
    expected,
    got: show(got),
  })
  check(isName(method, methods), fail('method', "'nearest' or 'bilinear'", method))
  check(typeof inverse === 'boolean', fail('inverse', 'true or false', inverse))
  check(
    Array.isArray(matrix) && matrix.length === 2 && matrix.every(isRow),
    fail('matrix', `[[a, b, c], [d, e, f]] of numbers of at most ${FARTHEST}`, matrix),
  )
  const map = inverse ? matrix : inverted(matrix)
  check(map !== undefined, fail('matrix', 'one that can be inverted', matrix))
  const [height, width] =
    image instanceof Tensor ? [image.shape[1], image.shape[2]] : [image?.height, image?.width]
  const [oh, ow] = pair(options.size ?? [height ?? 1, width ?? 1], 'size', 0, context)
  const warp = (engine: Engine, x: number, y: number, n: number, c: number, kind: Kind) => {
    const [[a, b, tx], [d, e, ty]] = map
    engine.run({
      kernel: 'warpAffine',
      args: {
        x,
        y,
        h: height!,
        w: width!,
        c,
        ow,
        oh,
        a,
        b,
        tx,
        d,
        e,
        ty,
        nearest: Number(method === 'nearest'),
        border: WarpBorder[border],
        ...kind,
      },
      units: height && width && ow && c ? n * oh : 0,
      work: n * oh * ow * c * 16,
    })
  }
  const opaque = border === 'zero' ? 1 : 0
  const ofTensor = (x: Tensor, isOpaque: boolean) => {
    const [n, h, w, c] = x.shape as [number, number, number, number]
    check(h > 0 && w > 0, fail('image', 'of at least one pixel', x.shape))
    const kind = { floats: 1, opaque: isOpaque ? opaque : 0 }
    return x.engine.make([n, oh, ow, c], (y) => warp(x.engine, x.pointer, y.pointer, n, c, kind))
  }
  if (image instanceof Tensor) {
    checkTensor(image, options, context)
    return ofTensor(image, false) as Filtered<Image>
  }
  const opened = openPixels(image, options, context, [oh, ow, 0])
  const { engine, image: pixels, channels, out } = opened
  check(pixels.width > 0 && pixels.height > 0, fail('image', 'of at least one pixel', [height, width]))
  const { length } = pixels.data
  if (pixels.data.BYTES_PER_ELEMENT === 1) {
    const x = engine.allocate(length + out.length + 128)
    try {
      const room = x + Math.ceil((length + 16) / 16) * 16
      const y = room + 16
      engine.u8.set(pixels.data as Uint8Array, x)
      const weighs = method !== 'nearest' && channels === 4
      if (!weighs || isOpaqueAt(engine, x, length, room)) {
        warp(engine, x, y, 1, channels, { floats: 0, opaque: weighs ? 255 * opaque : 0 })
        out.set(engine.u8.subarray(y, y + out.length))
        return { data: out, width: ow, height: oh } as Filtered<Image>
      }
    } finally {
      engine.free(x)
    }
  }
  const transparent = method !== 'nearest' && isTransparent(pixels.data, channels)
  throughTensor(engine, pixels, channels, out, transparent, (x) =>
    ofTensor(x, channels === 4 && method !== 'nearest' && !transparent),
  )
  return { data: out, width: ow, height: oh } as Filtered<Image>
}

interface Kind {
  floats: number
  opaque: number
}

/** The map back; undefined where there is none. */
function inverted([[a, b, c], [d, e, f]]: AffineMatrix): AffineMatrix | undefined {
  const area = a * e - b * d
  const back = [
    [e / area, -b / area, (b * f - c * e) / area],
    [-d / area, a / area, (c * d - a * f) / area],
  ] as const
  return back.flat().every((v) => Math.abs(v) <= FARTHEST) ? back : undefined
}
