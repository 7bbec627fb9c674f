/**
 * What all filters share: an image in, an image of the same size out, as a tensor or as bytes. A filter is a
 * plan; this runs it.
 *
 * The kernels (assembly/image/rows.ts) read rows by address. A border is nothing but a list: of rows here, of
 * columns for the sides.
 */

import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import type { Shape } from '../base/shape.js'
import { type Engine, engineOf } from '../core/engine.js'
import type { Names } from '../core/options.js'
import { Tensor } from '../core/tensor.js'
import { anchorOf, type Context } from '../core/window.js'
import { type Border, borderRule } from './border.js'
import { integerPlan } from './integers.js'
import { checkEngine, checkPixels, type OwnPixels, type Pixels, runFromBytes, runToBytes } from './pixels.js'
import type { Plan } from './plan.js'

/** What every filter takes beside the image. */
export interface FilterOptions {
  /** How the image goes on beyond its edges. Default 'reflect101'. */
  border?: Border
  /** The engine to work in, where the image is `{ data, width, height }`; a tensor brings its own. */
  engine?: Engine
  /**
   * Where the result goes, for `{ data, width, height }`: as long as `data`, and not its memory. By default a
   * new array, which costs as much as a small filter.
   */
  out?: Uint8ClampedArray<ArrayBuffer>
}

/** @internal */
export const FILTER: Names<FilterOptions> = { border: true, engine: true, out: true }

/** A filter gives the kind of image that it takes. */
export type Filtered<Image> = Image extends Tensor ? Tensor : OwnPixels

/** Output rows of a strip of bytes, at least. */
const STRIP = 32

const shapeOf = (image: unknown): Shape | undefined => (image instanceof Tensor ? image.shape : undefined)

/** The context of a filter's errors. @internal */
export const about = (op: string, image: unknown, kernel?: unknown): Context => ({
  op,
  shapes: { image: shapeOf(image), kernel: shapeOf(kernel) },
})

/** Checks the image and runs the plan over it. @internal */
export function applyFilter<Image extends Tensor | Pixels>(
  image: Image,
  { border = 'reflect101', engine, out }: FilterOptions,
  plan: Plan,
  context: Context,
): Filtered<Image> {
  const rule = borderRule(border, context)
  if (image instanceof Tensor) {
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
    return filterTensor(home, image, plan, rule) as Filtered<Image>
  }
  check(typeof image === 'object' && image !== null, () => ({
    ...context,
    argument: 'image',
    expected: 'a tensor or { data, width, height }',
    got: show(image),
  }))
  checkPixels(image, 'image', context, [4, 3, 1])
  check(engine !== undefined, () => ({
    ...context,
    argument: 'engine',
    expected: 'among the options where the image is not a tensor',
    got: 'undefined',
  }))
  checkEngine(engine, context)
  const { length, buffer } = image.data
  check(
    out === undefined ||
      (arrayName(out) === 'Uint8ClampedArray' && out.length === length && out.buffer !== buffer),
    () => ({
      ...context,
      argument: 'out',
      expected: `a Uint8ClampedArray of ${length} bytes in memory other than the image's`,
      got: out?.buffer === buffer ? "the image's" : show(out),
    }),
  )
  return filterBytes(
    engine,
    { data: engine.steady(image.data), width: image.width, height: image.height },
    out ?? new Uint8ClampedArray(length),
    plan,
    rule,
  ) as Filtered<Image>
}

type Rule = (i: number, size: number) => number

/** Memory of one run: each part's address. */
interface Work {
  rows: number
  sides: number
  weights: number
  across: number
  zeros: number
  /** What was asked for beyond the lists. */
  rest: number
}

/** Runs `body` with the lists of a plan in memory, `rows` still to be filled, and gives the memory back. */
function withWork<T>(
  engine: Engine,
  plan: Plan,
  [n, h, w, c]: Shape4,
  rule: Rule,
  restBytes: number,
  body: (work: Work) => T,
): T {
  const [kh, kw] = plan.size
  const { weights = [], across = [] } = plan
  const words = {
    rows: n * (h + kh - 1),
    sides: kw - 1,
    weights: weights.length,
    across: across.length,
    zeros: w * c + 4,
  }
  const start = engine.allocate(4 * Object.values(words).reduce((a, b) => a + b) + restBytes)
  try {
    engine.scratch(4 * (plan.planes * ((w + kw - 1) * c + 8) + plan.taps))
    let end = start
    const place = (count: number): number => {
      end += count * 4
      return end - count * 4
    }
    const work: Work = {
      rows: place(words.rows),
      sides: place(words.sides),
      weights: place(words.weights),
      across: place(words.across),
      zeros: place(words.zeros),
      rest: end,
    }
    const { i32, f32 } = engine
    const left = anchorOf(kw)
    for (let i = 0; i < kw - 1; i++)
      i32[work.sides / 4 + i] = w && rule(i < left ? i - left : i - left + w, w)
    const numbers = plan.shifts ? i32 : f32
    numbers.set(weights, work.weights / 4)
    numbers.set(across, work.across / 4)
    f32.fill(0, work.zeros / 4, work.zeros / 4 + words.zeros)
    return body(work)
  } finally {
    engine.free(start)
  }
}

type Shape4 = [n: number, h: number, w: number, c: number]

function runFilter(engine: Engine, plan: Plan, [n, h, w, c]: Shape4, work: Work, y: number): void {
  const [kh, kw] = plan.size
  engine.run({
    kernel: plan.kernel,
    args: {
      rows: work.rows,
      sides: work.sides,
      top: anchorOf(kh),
      left: anchorOf(kw),
      y,
      h,
      w,
      c,
      kh,
      kw,
      weights: work.weights,
      across: plan.across ? work.across : 0,
      shift: plan.shifts?.[0] ?? 0,
      shiftAcross: plan.shifts?.[1] ?? 0,
      blend: Number(plan.blend !== undefined),
      keep: plan.blend?.keep ?? 0,
      gain: plan.blend?.gain ?? 1,
      threshold: plan.blend?.threshold ?? 0,
      side: plan.smooth?.[0] ?? 0,
      centre: plan.smooth?.[1] ?? 0,
    },
    units: w * c === 0 ? 0 : n * h,
  })
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

/**
 * A strip of rows at a time, so that memory does not grow with the height: in integers where that is exact
 * enough, else through floats. Alpha stays.
 */
function filterBytes(
  engine: Engine,
  { data, width: w, height: h }: Pixels,
  result: Uint8ClampedArray<ArrayBuffer>,
  plan: Plan,
  rule: Rule,
): OwnPixels {
  const kh = plan.size[0]
  const top = anchorOf(kh)
  const strip = Math.min(h, Math.max(STRIP, 2 * kh))
  const slots = strip + kh - 1
  const channels = data.length / (w * h) || 4
  const packed = channels < 4
  const rowBytes = w * channels
  const inIntegers = integerPlan(plan)
  const c = inIntegers ? channels : Math.min(channels, 3)
  const rowFloats = w * c
  // bytes in [slots], bytes out [strip], floats in [slots], floats out [strip]; each part aligned
  const aligned = (bytes: number) => Math.ceil(bytes / 16) * 16
  const bytesBytes = aligned(slots * rowBytes) + aligned(strip * rowBytes)
  return withWork(
    engine,
    inIntegers ?? plan,
    [1, strip, w, c],
    rule,
    bytesBytes + (inIntegers ? 0 : 4 * rowFloats * (slots + strip)),
    (work) => {
      const bytesIn = work.rest
      const bytesOut = bytesIn + aligned(slots * rowBytes)
      const floatsIn = bytesIn + bytesBytes
      const floatsOut = floatsIn + slots * rowFloats * 4
      const [rowsIn, rowStride] = inIntegers ? [bytesIn, rowBytes] : [floatsIn, rowFloats * 4]
      const { i32, u8 } = engine
      for (let start = 0; start < h; start += strip) {
        const rows = Math.min(strip, h - start)
        for (let slot = 0; slot < rows + kh - 1; slot++) {
          const row = rule(start + slot - top, h)
          if (row >= 0) u8.set(data.subarray(row * rowBytes, (row + 1) * rowBytes), bytesIn + slot * rowBytes)
          i32[work.rows / 4 + slot] = row < 0 ? work.zeros : rowsIn + slot * rowStride
        }
        if (inIntegers) runFilter(engine, inIntegers, [1, rows, w, c], work, bytesOut)
        else {
          runFromBytes(engine, bytesIn, floatsIn, rows + kh - 1, w, c, BYTE_SCALE, [], packed)
          runFilter(engine, plan, [1, rows, w, c], work, floatsOut)
          runToBytes(engine, floatsOut, bytesOut, rows, w, c, packed ? 0 : bytesIn + top * rowBytes, packed)
        }
        result.set(u8.subarray(bytesOut, bytesOut + rows * rowBytes), start * rowBytes)
      }
      return { data: result, width: w, height: h }
    },
  )
}

const BYTE_SCALE = new Array<number>(4).fill(1 / 255)
