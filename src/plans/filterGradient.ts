/**
 * The plan of a filter's gradient (assembly/dense/filterGradient.ts). Shared by convolution, transposed
 * convolution and matrix products.
 */

import type { Engine } from '../core/engine.js'
import { type Product, panelCount, productArgs, productOf, runsOf, tableFloats } from './igemm.js'
import type { FilterGradientJob } from './layer.js'

/** Pixels of one block: their dy panels and transposed rows of x stay in the caches. */
const BLOCK = 256
/** Units that a gradient falls into at least, where it has pixels and panels for them. */
const UNITS = 16
/** Floats that the sums of all splits may take, but for those of one split. */
const MOST_SUMS = 1 << 20

/** Where the gradient of tap t, row k and column c of a group goes; strides in elements. */
export interface Target {
  y: number
  groupStride: number
  tapStride: number
  rowStride: number
  columnStride: number
}

/**
 * dw[t][k][c] = sum over pixels p of x[pixel(p, t)][k] * dy[p][c], with the geometry of `product`, whose `y`
 * is dy and whose `w` and `b` do not matter.
 */
export function runFilterGradient(engine: Engine, product: Omit<Product, 'clamp'>, to: Target): void {
  const { n, oc, stepsH: h, stepsW: w, groups } = product
  const { runs, depth } = runsOf(product)
  const all = n * h.count * w.count
  const panels = panelCount(oc / groups)
  const floats = groups * panels * 8 * runs * depth
  const pixels = Math.max(1, Math.min(all, BLOCK))
  const most = Math.max(
    1,
    Math.min(Math.ceil(all / pixels), UNITS, Math.floor(MOST_SUMS / Math.max(1, floats))),
  )
  const blocks = Math.max(1, Math.ceil(all / pixels / most))
  const splits = Math.max(1, Math.ceil(all / (blocks * pixels)))
  const slices = Math.min(panels, Math.ceil(UNITS / (splits * groups)))
  const slice = Math.ceil(panels / slices)

  const sums = engine.allocate(splits * floats * 4)
  try {
    const rows = Math.ceil(depth / 4) * 4
    engine.scratch(4 * (tableFloats(product, pixels) + 4 + slice * pixels * 8 + rows * (pixels + 16 + 8 + 2)))
    const args = {
      ...productArgs({ ...product, w: sums, clamp: [0, 0] }, { pixels, panels: slice }),
      splits,
      blocks,
    }
    const units = splits * groups * Math.ceil(panels / slice)
    engine.run({ kernel: 'filterGradient', args, units, work: all * oc * runs * depth })
    // The taps of a joined run follow each other as they do in the filter.
    const taps = h.taps * w.taps
    unpack(engine, sums, splits, groups, oc / groups, taps, (runs * depth) / Math.max(1, taps), to)
  } finally {
    engine.free(sums)
  }
}

/** dw of a layer, [kh, kw, inChannels / groups, outChannels], as a dense product over pixels. */
export function runDenseFilterGradient(
  { engine, layer, x, dy, strides }: FilterGradientJob,
  dw: number,
): void {
  const { inChannels, outChannels, groups } = layer
  const [tapStride, rowStride, columnStride] = strides ?? [
    (inChannels / groups) * outChannels,
    outChannels,
    1,
  ]
  const product = { ...productOf(layer), x, y: dy }
  const groupStride = (outChannels / groups) * columnStride
  runFilterGradient(engine, product, { y: dw, groupStride, tapStride, rowStride, columnStride })
}

function unpack(
  engine: Engine,
  panels: number,
  splits: number,
  groups: number,
  columns: number,
  taps: number,
  depth: number,
  to: Target,
): void {
  engine.run({
    kernel: 'unpack',
    args: {
      panels,
      y: to.y,
      splits,
      groups,
      columns,
      taps,
      depth,
      groupStride: to.groupStride * 4,
      tapStride: to.tapStride * 4,
      rowStride: to.rowStride * 4,
      columnStride: to.columnStride * 4,
    },
    units: groups * panelCount(columns),
    work: splits * groups * columns * taps * depth,
  })
}
