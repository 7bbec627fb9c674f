/**
 * A plan's lists in memory, and its run. A border is nothing but a list: of rows, which the caller fills, and
 * of columns for the sides. (assembly/image/rows.ts)
 */
import type { Engine } from '../core/engine.js'
import { anchorOf } from '../core/window.js'
import type { Plan } from './plan.js'

/** Which of `size` elements stands at position i; -1: a zero. */
export type Rule = (i: number, size: number) => number

/** Memory of one run: each part's address. */
export interface Work {
  rows: number
  sides: number
  weights: number
  across: number
  zeros: number
  /** What was asked for beyond the lists, at a multiple of 16. */
  rest: number
}

export type Shape4 = [n: number, h: number, w: number, c: number]

/** Runs `body` with the lists of a plan in memory, `rows` still to be filled, and gives the memory back. */
export function withWork<T>(
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
    zeros: w * c + 8,
  }
  const start = engine.allocate(4 * Object.values(words).reduce((a, b) => a + b) + 16 + restBytes)
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
      rest: Math.ceil(end / 16) * 16,
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

/** What kernels are told of elements that they take as they are. */
interface Elements {
  keepsAlpha?: boolean
  element?: number
}

export function runFilter(
  engine: Engine,
  plan: Plan & Elements,
  [n, h, w, c]: Shape4,
  work: Work,
  y: number,
): void {
  const [kh, kw] = plan.size
  const { blend, compare, element = 4 } = plan
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
      blend: compare ? (compare.inverse ? 3 : 2) : Number(blend !== undefined),
      keep: blend?.keep ?? 0,
      gain: blend?.gain ?? 1,
      threshold: compare?.offset ?? blend?.threshold ?? 0,
      side: plan.smooth?.[0] ?? 0,
      centre: plan.smooth?.[1] ?? 0,
      // Of morphology each kind of elements has two.
      op: (plan.op ?? 0) + (plan.kernel === 'morphology' ? 2 * Math.log2(element) : 0),
      element,
      alpha: Number(plan.keepsAlpha ?? false),
    },
    units: w * c === 0 ? 0 : n * h,
  })
}
