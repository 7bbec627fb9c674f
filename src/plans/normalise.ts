/** The plan of assembly/normalise.ts, shared by batch, layer, group and instance norm. */

import { check, show } from '../base/errors.js'
import { printShape, type Shape, sameShape } from '../base/shape.js'
import { type About, checkNumber } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { NO_CLAMP } from './elementwise.js'

/** x as [outer, pixels, c], its channels in groups of neighbours. */
export interface Geometry {
  outer: number
  pixels: number
  c: number
  groups: number
}

export interface Affine {
  /** [c] each. */
  scale?: Tensor
  offset?: Tensor
  epsilon: number
}

/**
 * Mean, variance, and what the rounded mean is off by: [3, outer, groups]; or the first two as they are
 * given.
 */
type Statistics = Tensor | { mean: Tensor; variance: Tensor }

/** Throws where scale or offset is not of a shape, or epsilon no number to add to a variance. */
export function checkAffine({ scale, offset, epsilon }: Affine, shape: Shape, context: Context): void {
  for (const [argument, tensor] of Object.entries({ scale, offset })) {
    check(!tensor || sameShape(tensor.shape, shape), () => ({
      ...context,
      argument,
      expected: printShape(shape),
      got: show(tensor?.shape),
    }))
  }
  checkEpsilon(epsilon, context)
}

/** Throws unless it is a number to add to a variance. */
export function checkEpsilon(epsilon: unknown, about: About): void {
  checkNumber(epsilon, 'epsilon', (v) => v >= 0, 'a number of at least 0', about)
}

/**
 * Floats in one unit, about, and at least in one run of the loop: few channels are repeated until they fill
 * whole vectors and a run worth its loop.
 */
const UNIT = 4096
const RUN = 64
/** Splits of the pixels of one outer, at most. */
const SPLITS = 64

const copiesOf = (c: number): number => (c > 0 && c < UNIT ? Math.ceil(RUN / c / 4) * 4 : 1)

/** Sums over splits of the pixels, which follow from the shapes alone. The caller frees them. */
function sumsOf(
  x: Tensor,
  dy: Tensor | undefined,
  { outer, pixels, c }: Geometry,
): { sums: number; splits: number } {
  const { engine } = x
  const rows = Math.max(1, Math.ceil(UNIT / c), Math.ceil(pixels / SPLITS))
  const splits = Math.ceil(pixels / rows)
  const sums = engine.allocate(outer * splits * Math.ceil(c / 4) * 64)
  engine.run({
    kernel: 'normalSums',
    args: {
      x: x.pointer,
      dy: dy?.pointer ?? 0,
      sums,
      c,
      pixels,
      splits,
      rows,
    },
    units: outer * splits,
    work: x.size * 2,
  })
  return { sums, splits }
}

/** What a normalisation reads and where its statistics are, for a table that is to be filled. */
function statisticsArgs(x: Tensor, { outer, pixels, c, groups }: Geometry, statistics: Statistics) {
  const row = (i: number) => (statistics as Tensor).pointer + i * outer * groups * 4
  const places =
    'mean' in statistics
      ? { mean: statistics.mean.pointer, variance: statistics.variance.pointer, rest: 0 }
      : { mean: row(0), variance: row(1), rest: row(2) }
  return { x: x.pointer, ...places, c, groups, pixels, copies: copiesOf(c) }
}

function runScaleShift(
  x: Tensor,
  dy: Tensor | undefined,
  y: Tensor,
  table: number,
  { outer, pixels, c }: Geometry,
  [low, high]: readonly [number, number],
): void {
  const { engine } = x
  const size = pixels * c
  const period = c * copiesOf(c)
  const periods = Math.max(1, Math.floor(UNIT / period))
  engine.run({
    kernel: 'scaleShift',
    args: {
      x: x.pointer,
      dy: dy?.pointer ?? 0,
      y: y.pointer,
      table,
      size,
      low,
      high,
      period,
      periods,
    },
    units: outer * Math.ceil(size / period / periods),
    work: x.size,
  })
}

/** Writes y. Statistics given as one tensor are written too, those of x; x must have elements then. */
export function runNormalise(
  x: Tensor,
  y: Tensor,
  geometry: Geometry,
  statistics: Statistics,
  affine: Affine,
  clamp: readonly [number, number],
): void {
  const { engine } = x
  const { outer, c, groups } = geometry
  const given = 'mean' in statistics
  const { sums, splits } = given ? { sums: 0, splits: 0 } : sumsOf(x, undefined, geometry)
  let table = 0
  try {
    table = engine.allocate(outer * 4 * c * copiesOf(c) * 4)
    engine.run({
      kernel: 'normalise',
      args: {
        ...statisticsArgs(x, geometry, statistics),
        sums,
        splits,
        scale: affine.scale?.pointer ?? 0,
        offset: affine.offset?.pointer ?? 0,
        epsilon: affine.epsilon,
        table,
      },
      units: outer * groups,
      work: outer * c * (splits + 8),
    })
    runScaleShift(x, undefined, y, table, geometry, clamp)
  } finally {
    for (const pointer of [sums, table]) if (pointer) engine.free(pointer)
  }
}

/** Backward through runNormalise, where the statistics are those of x. */
export function normaliseBackward(
  dy: Tensor,
  x: Tensor,
  geometry: Geometry,
  statistics: Tensor,
  scale: Tensor | undefined,
  epsilon: number,
) {
  const { engine } = x
  const { outer, c, groups } = geometry
  if (x.size === 0)
    return { x: () => engine.zeros(x.shape), scale: () => engine.zeros([c]), offset: () => engine.zeros([c]) }
  const [table, dscale, doffset] = [
    engine.empty([outer, 4, copiesOf(c), c]),
    engine.empty([c]),
    engine.empty([c]),
  ]
  const { sums, splits } = sumsOf(x, dy, geometry)
  try {
    engine.scratch((c / groups) * 16)
    engine.run({
      kernel: 'normaliseGradient',
      args: {
        ...statisticsArgs(x, geometry, statistics),
        sums,
        splits,
        scale: scale?.pointer ?? 0,
        offset: doffset.pointer,
        epsilon,
        table: table.pointer,
        outers: outer,
        dscale: dscale.pointer,
      },
      units: groups,
      work: outer * c * (splits + 8),
    })
  } finally {
    engine.free(sums)
  }
  return {
    x: () => engine.make(x.shape, (dx) => runScaleShift(x, dy, dx, table.pointer, geometry, NO_CLAMP)),
    scale: () => dscale,
    offset: () => doffset,
  }
}

/** Floats of the rows of one unit, about. */
const ROWS_UNIT = 8192

/** Rows of n floats, each a group of its own; what is of groups begins anew after so many rows. */
interface Rows extends Partial<Affine> {
  n: number
  groups: number
  /** Backwards: y is dx. */
  dy?: Tensor
  /** [groups] each: the mean and variance of all rows of a group. Else each row has its own. */
  given?: { mean: Tensor; variance: Tensor }
  /** Whether scale and offset are [groups], in place of [groups * n]. Forwards only, and what is clamped. */
  single?: boolean
  /** Whether the mean is taken away. Default true. */
  centre?: boolean
  clamp?: readonly [number, number]
}

/** Writes y: rows of x, normalised. */
export function runNormalRows(x: Tensor, y: Tensor, rows: Rows): void {
  const { n, groups, dy, given, scale, offset, epsilon = 0, single = false, centre = true } = rows
  const { engine } = x
  if (x.size === 0) return
  const count = x.size / n
  const unit = Math.max(1, Math.floor(ROWS_UNIT / n))
  const [low, high] = rows.clamp ?? NO_CLAMP
  engine.scratch(16)
  engine.run({
    kernel: 'normalRows',
    args: {
      x: x.pointer,
      dy: dy?.pointer ?? 0,
      y: y.pointer,
      scale: scale?.pointer ?? 0,
      offset: offset?.pointer ?? 0,
      single: Number(single),
      mean: given?.mean.pointer ?? 0,
      variance: given?.variance.pointer ?? 0,
      n,
      rows: count,
      groups,
      unit,
      centre: Number(centre),
      epsilon,
      low,
      high,
    },
    units: Math.ceil(count / unit),
    work: x.size * (given ? 1 : 3),
  })
}
