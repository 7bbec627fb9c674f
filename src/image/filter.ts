/**
 * What all filters share: an image in, an image of the same size out, as a tensor or as pixels. A filter is a
 * plan; this runs it.
 */

import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import type { Shape } from '../base/shape.js'
import { type Engine, engineOf } from '../core/engine.js'
import { isName, type Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { anchorOf, type Context } from '../core/window.js'
import {
  checkEngine,
  checkPixels,
  isPixelBytes,
  type OwnPixels,
  type PixelArray,
  type Pixels,
} from '../pictures/pixels.js'
import { type Border, borderRule } from './border.js'
import type { Plan } from './plan.js'
import { filterRows } from './strips.js'
import { type Rule, runFilter, type Shape4, withWork } from './work.js'

/** What a filter takes: a tensor, or pixels of any kind. */
export type FilterImage = Tensor | Pixels<PixelArray>

/** What every filter takes beside the image. */
export interface FilterOptions {
  /** How the image goes on beyond its edges. Default 'reflect101'. */
  border?: Border
  /** The engine to work in, where the image is `{ data, width, height }`; a tensor brings its own. */
  engine?: Engine
  /**
   * Where the result goes, for `{ data, width, height }`: of the kind of `data` (Uint8ClampedArray for
   * bytes), as long, and not its memory. By default a new array, which costs as much as a small filter.
   */
  out?: Uint8ClampedArray<ArrayBuffer> | Uint16Array<ArrayBuffer> | Float32Array<ArrayBuffer>
  /**
   * Of red, green, blue and alpha. Colours count as much as they are opaque, so that what cannot be seen
   * does not bleed into what can. `'keep'`: alpha stays. `'filter'`: filters that take means, or elements of
   * the window, do so with alpha too; others keep it. Default 'keep'.
   */
  alpha?: 'keep' | 'filter'
}

const alphas = { keep: true, filter: true } as const

/** @internal */
export const FILTER: Names<FilterOptions> = { border: true, engine: true, out: true, alpha: true }

/** What elements of a kind become: bytes are clamped ones. */
export type OwnArray<Data> = Data extends Uint16Array
  ? Uint16Array<ArrayBuffer>
  : Data extends Float32Array
    ? Float32Array<ArrayBuffer>
    : Uint8ClampedArray<ArrayBuffer>

/** A filter gives the kind of image that it takes. */
export type Filtered<Image> = Image extends Tensor
  ? Tensor
  : Image extends { data: infer Data }
    ? OwnPixels<OwnArray<Data>>
    : OwnPixels

const shapeOf = (image: unknown): Shape | undefined => (image instanceof Tensor ? image.shape : undefined)

/** The context of a filter's errors. @internal */
export const about = (op: string, image: unknown, kernel?: unknown): Context => ({
  op,
  shapes: { image: shapeOf(image), kernel: shapeOf(kernel) },
})

/** The tensor's engine, after its options are checked. @internal */
export function checkTensor(image: Tensor, { engine, out }: FilterOptions, context: Context): Engine {
  const home = engineOf(context.op, { image })
  check(engine === undefined || engine === home, () => ({
    ...context,
    argument: 'engine',
    expected: "the image's own",
    got: 'another',
  }))
  check(out === undefined, () => ({
    ...context,
    argument: 'out',
    expected: 'left out where the image is a tensor',
    got: show(out),
  }))
  check(image.shape.length === 4, () => ({
    ...context,
    argument: 'image',
    expected: '[n, height, width, channels]',
    got: `rank ${image.shape.length}`,
  }))
  return home
}

/** Pixels and where the result of `length` elements goes, all checked. @internal */
export interface Opened {
  engine: Engine
  image: Pixels<PixelArray>
  channels: number
  out: PixelArray
}

/**
 * Checks pixels and the options that belong to them. `size` is the [height, width, channels] of the result;
 * by default the image's. @internal
 */
export function openPixels(
  image: unknown,
  { engine, out }: FilterOptions,
  context: Context,
  size?: readonly [number, number, number],
  allowed: readonly number[] = [4, 3, 1],
): Opened {
  check(typeof image === 'object' && image !== null, () => ({
    ...context,
    argument: 'image',
    expected: 'a tensor or { data, width, height }',
    got: show(image),
  }))
  checkPixels(image, 'image', context, allowed, true)
  check(engine !== undefined, () => ({
    ...context,
    argument: 'engine',
    expected: 'among the options where the image is not a tensor',
    got: 'undefined',
  }))
  checkEngine(engine, context)
  const { data, width, height } = image
  const channels = data.length / (width * height) || 4
  const length = size ? size[0] * size[1] * (size[2] || channels) : data.length
  const kind = isPixelBytes(data) ? 'Uint8ClampedArray' : arrayName(data)!
  check(
    out === undefined || (arrayName(out) === kind && out.length === length && out.buffer !== data.buffer),
    () => ({
      ...context,
      argument: 'out',
      expected: `a ${kind} of ${length} ${kind === 'Uint8ClampedArray' ? 'bytes' : 'elements'} in memory other than the image's`,
      got: out?.buffer === data.buffer ? "the image's" : show(out),
    }),
  )
  return {
    engine,
    image: { data: engine.steady(data), width, height },
    channels,
    out: out ?? new kinds[kind as keyof typeof kinds](length),
  }
}

const kinds = { Uint8ClampedArray, Uint16Array, Float32Array }

/** @internal */
export function checkAlpha({ alpha }: FilterOptions, context: Context): void {
  check(alpha === undefined || isName(alpha, alphas), () => ({
    ...context,
    argument: 'alpha',
    expected: "'keep' or 'filter'",
    got: show(alpha),
  }))
}

/** Checks the image and runs the plan over it. @internal */
export function applyFilter<Image extends FilterImage>(
  image: Image,
  options: FilterOptions,
  plan: Plan,
  context: Context,
): Filtered<Image> {
  const rule = borderRule(options.border ?? 'reflect101', context)
  checkAlpha(options, context)
  if (image instanceof Tensor)
    return filterTensor(checkTensor(image, options, context), image, plan, rule) as Filtered<Image>
  const { engine, image: pixels, channels, out } = openPixels(image, options, context)
  filterRows(
    { engine, from: pixels, to: out, rule, filtersAlpha: options.alpha === 'filter' },
    plan,
    channels,
  )
  return { data: out, width: pixels.width, height: pixels.height } as Filtered<Image>
}

function filterTensor(engine: Engine, x: Tensor, plan: Plan, rule: Rule): Tensor {
  const shape = x.shape as Shape4
  const [n, h, w, c] = shape
  const kh = plan.size[0]
  const top = anchorOf(kh)
  return engine.make(shape, (y) => {
    withWork(engine, plan, shape, rule, 0, (work) => {
      const { i32 } = engine
      let entry = work.rows / 4
      for (let image = 0; h && image < n; image++) {
        for (let r = 0; r < h + kh - 1; r++) {
          const row = rule(r - top, h)
          i32[entry++] = row < 0 ? work.zeros : x.pointer + (image * h + row) * w * c * 4
        }
      }
      runFilter(engine, plan, shape, work, y.pointer)
    })
  })
}
