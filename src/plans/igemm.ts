/**
 * The plan of a dense product over a window (assembly/dense/igemm.ts): filter packing, blocking, argument
 * block. Shared by convolution, transposed convolution and matrix products.
 */

import { type Shape, stridesOf } from '../base/shape.js'
import type { Engine } from '../core/engine.js'
import type { Axis } from '../core/window.js'
import type { Igemm } from '../wasm/abi.js'
import { copy } from './copy.js'
import { type ConvJob, derive, type Filter, type PlaneLayer } from './layer.js'

/**
 * How taps and output pixels walk along one axis: pixel g of `count` stands at outFirst + g * outStep and
 * reads, under tap t, g * inStep + first + t * step.
 */
export interface Steps {
  count: number
  outFirst: number
  outStep: number
  inStep: number
  taps: number
  first: number
  step: number
}

/** A window that slides. */
export const stepsOf = ({ output, size, stride, dilation, before }: Axis): Steps => ({
  count: output,
  outFirst: 0,
  outStep: 1,
  inStep: stride,
  taps: size,
  first: -before,
  step: dilation,
})

/** A filter as a strided matrix [groups][tapsH][tapsW][depth][columns]; strides in elements. */
export interface Panels {
  /** Columns of one panel: 8 for the register tile, 4 for depthwise. */
  width: number
  groups: number
  columns: number
  tapsH: number
  tapsW: number
  depth: number
  /** Element of `source` where it starts. */
  offset: number
  groupStride: number
  tapHStride: number
  tapWStride: number
  rowStride: number
  columnStride: number
}

/**
 * A filter [kh, kw, depth, columns of all groups], or one that stands in other strides, as panels
 * [group][columns of it / width][kh][kw][depth][width].
 */
export function filterPanels(
  { shape, strides }: { shape: Shape; strides?: readonly number[] | undefined },
  groups: number,
  width = 8,
): Panels {
  const [tapsH, tapsW, depth, all] = shape as [number, number, number, number]
  const [tapHStride, tapWStride, rowStride, columnStride] = (strides ?? stridesOf(shape)) as [
    number,
    number,
    number,
    number,
  ]
  const columns = all / groups
  return {
    width,
    groups,
    columns,
    tapsH,
    tapsW,
    depth,
    offset: 0,
    groupStride: columns * columnStride,
    tapHStride,
    tapWStride,
    rowStride,
    columnStride,
  }
}

export const panelCount = (columns: number, width = 8): number => Math.ceil(columns / width)

/** The transpose of every group's matrix: what goes back through a filter. */
export const transposedPanels = (panels: Panels): Panels => ({
  ...panels,
  depth: panels.columns,
  columns: panels.depth,
  rowStride: panels.columnStride,
  columnStride: panels.rowStride,
})

/**
 * Whether sums run over lanes (assembly/dense/tile.ts), since so few columns would leave most of a panel
 * empty. Witness: bench, dcgan layer5, style conv4.
 */
export const byLanes = (depth: number, columns: number): boolean => columns <= 3 && depth % 4 === 0

/** Floats that are read, and not used, after a matrix whose sums run over lanes. */
const LANES_GAP = 8

export function packedFloats({ width, groups, columns, tapsH, tapsW, depth }: Panels): number {
  const rows = tapsH * tapsW * depth
  return (
    groups *
    (width === 8 && byLanes(depth, columns)
      ? rows * columns + LANES_GAP
      : rows * width * panelCount(columns, width))
  )
}

/** Writes the panels of `source` at `to`. */
export function pack(engine: Engine, source: number, to: number, panels: Panels): void {
  const { width, groups, columns, tapsH, tapsW, depth, offset, groupStride, tapHStride, tapWStride } = panels
  if (width !== 8 || !byLanes(depth, columns)) {
    packPanels(engine, source, to, panels)
    return
  }
  // Sums over lanes want 4 of k by all columns: the transpose of each tap's matrix.
  const matrix = { ...transposedPanels(panels), width: 4, groups: 1, tapsH: 1, tapsW: 1 }
  for (let g = 0; g < groups; g++) {
    for (let ty = 0; ty < tapsH; ty++) {
      for (let tx = 0; tx < tapsW; tx++) {
        packPanels(engine, source, to, {
          ...matrix,
          offset: offset + g * groupStride + ty * tapHStride + tx * tapWStride,
        })
        to += 4 * depth * columns
      }
    }
    to += 4 * LANES_GAP
  }
}

/** The same, always in panels of `width` columns. */
export function packPanels(engine: Engine, source: number, to: number, panels: Panels): void {
  engine.run({
    kernel: 'pack',
    args: {
      source: source + panels.offset * 4,
      panels: to,
      width: panels.width,
      groups: panels.groups,
      columns: panels.columns,
      tapsH: panels.tapsH,
      tapsW: panels.tapsW,
      depth: panels.depth,
      groupStride: panels.groupStride * 4,
      tapHStride: panels.tapHStride * 4,
      tapWStride: panels.tapWStride * 4,
      rowStride: panels.rowStride * 4,
      columnStride: panels.columnStride * 4,
    },
    units: panels.groups * panelCount(panels.columns, panels.width),
    work: packedFloats(panels),
  })
}

/** What the panels of a filter were called last: to spell that out costs as much as a small layer. */
const called = new WeakMap<object, { panels: Panels; key: string }>()

function keyOf(storage: object, panels: Panels): string {
  const last = called.get(storage)
  if (last && isSame(last.panels, panels)) return last.key
  const key = `panels ${Object.values(panels).join()}`
  called.set(storage, { panels, key })
  return key
}

function isSame(a: Panels, b: Panels): boolean {
  for (const name in a) if (a[name as keyof Panels] !== b[name as keyof Panels]) return false
  return true
}

/** The panels of a filter: packed once, and again only after it was written. */
export const packed = (
  filter: Pick<Filter, 'engine' | 'storage' | 'shape' | 'arranged'>,
  panels: Panels,
): number =>
  derive(
    filter,
    keyOf(filter.storage, panels),
    packedFloats(panels),
    (source, to) => pack(filter.engine, source, to, panels),
    panels.width === 8 && byLanes(panels.depth, panels.columns)
      ? undefined
      : (from, to) => unpackPanels(filter.engine, from, to, panels),
  )

/** `packPanels`, backwards: the columns of whole panels, then those of the last one. */
function unpackPanels(engine: Engine, from: number, to: number, panels: Panels): void {
  const { width, groups, columns, tapsH, tapsW, depth, offset, groupStride, rowStride, columnStride } = panels
  const panel = tapsH * tapsW * depth * width
  const whole = Math.floor(columns / width)
  const unpack = (first: number, count: number, wide: number) =>
    copy(engine, from + 4 * first * panel, to + 4 * (offset + first * width * columnStride), [
      { length: groups, from: panel * panelCount(columns, width), to: groupStride },
      { length: count, from: panel, to: width * columnStride },
      { length: tapsH, from: tapsW * depth * width, to: panels.tapHStride },
      { length: tapsW, from: depth * width, to: panels.tapWStride },
      { length: depth, from: width, to: rowStride },
      { length: wide, from: 1, to: columnStride },
    ])
  if (whole) unpack(0, whole, width)
  if (columns % width) unpack(whole, 1, columns % width)
}

export interface Product {
  /** Addresses: input, panels, bias (0: none), output. */
  x: number
  w: number
  b: number
  y: number
  n: number
  ih: number
  iw: number
  ic: number
  oh: number
  ow: number
  oc: number
  stepsH: Steps
  stepsW: Steps
  groups: number
  clamp: readonly [number, number]
}

/**
 * Floats that a run should have for the tile to be at speed: shorter taps are joined to rows of the window.
 * Witness: bench, first layers.
 */
const TAP_FLOATS = 16
/** The same for rows of the window: shorter ones are joined to the whole window. */
const ROW_FLOATS = 8

/** What of a product follows from addresses and not from the layer. */
type Addresses = Pick<Product, 'x' | 'w' | 'b' | 'y' | 'clamp'>

const NOWHERE: Addresses = { x: 0, w: 0, b: 0, y: 0, clamp: [0, 0] }

/** The dense product of a layer. */
export function productOf(layer: PlaneLayer, at: Addresses = NOWHERE): Product {
  const [h, w] = layer.axes
  return {
    x: at.x,
    w: at.w,
    b: at.b,
    y: at.y,
    clamp: at.clamp,
    n: layer.n,
    ih: h.input,
    iw: w.input,
    oh: h.output,
    ow: w.output,
    ic: layer.inChannels,
    oc: layer.outChannels,
    stepsH: stepsOf(h),
    stepsW: stepsOf(w),
    groups: layer.groups,
  }
}

/** How a kernel's work is cut into units, and what memory it wants. */
export interface Blocking {
  units: number
  /** Floats of scratch memory of each thread. */
  scratch: number
}

type Geometry = Pick<Product, 'n' | 'ic' | 'oc' | 'stepsH' | 'stepsW' | 'groups'>

/**
 * The window as runs of `depth` floats: its taps, its rows, or all of it; and how many floats are copied for
 * each pixel, where some of them are.
 */
export function runsOf({ ic, oc, stepsH: h, stepsW: w, groups }: Geometry): {
  runs: number
  depth: number
  copied: number
} {
  const taps = h.taps * w.taps
  const joins = taps > 1 && groups === 1 && w.step === 1 && (ic < TAP_FLOATS || byLanes(ic, oc))
  const byRow = joins && w.taps > 1
  const byWindow = joins && h.taps > 1 && w.taps * ic < ROW_FLOATS
  const runs = byWindow ? 1 : byRow ? h.taps : taps
  return {
    runs,
    depth: ((ic / groups) * taps) / Math.max(1, runs),
    copied: byWindow || byRow ? taps * ic : 0,
  }
}

/** Scratch floats of the table for a block of pixels, and of what is copied beside it. */
export function tableFloats(product: Geometry, pixels: number): number {
  const { runs, copied } = runsOf(product)
  return (
    Math.max(product.ic, product.oc) + 8 + 24 + pixels * (runs + 1) + 8 + (copied ? pixels * copied + 4 : 0)
  )
}

/** Pixels of a tile whose sums run over lanes, as in assembly/dense/tile.ts. */
const LANE_ROWS = 3

interface ProductBlocking extends Blocking {
  /** The window as runs of `depth` floats. */
  runs: number
  depth: number
  /** Pixels and panels of one unit. */
  pixels: number
  panels: number
}

/**
 * Floats of input that a block of pixels reads, and of filters so many that they stream from memory once per
 * block: then blocks are larger. Witness: bench, res5a_branch1.
 */
const BLOCK_FLOATS = 32 * 1024
const LARGE_FILTERS = 1024 * 1024
const LARGE_BLOCK_FLOATS = 128 * 1024
/**
 * Steps of 6 tiles that a block has at most; where each group sees a few channels of all of its pixels, they
 * should stay close. Witness: bench, resnext50 stage3 first.
 */
const MOST_STEPS = 16
const MOST_GROUPED_STEPS = 4

/**
 * Units of about 128 KB of input each, and enough of them for every core where the work allows; they do not
 * depend on the number of threads.
 */
export function blockProduct(rows: number, product: Geometry, leastPanels = 1): ProductBlocking {
  const { n, ic, oc, stepsH: h, stepsW: w, groups } = product
  const { runs, depth, copied } = runsOf(product)
  const all = n * h.count * w.count
  const step = 6 * (byLanes(ic / groups, oc / groups) ? LANE_ROWS : rows)
  const floats = runs * depth * oc > LARGE_FILTERS ? LARGE_BLOCK_FLOATS : BLOCK_FLOATS
  const steps = Math.floor(
    Math.min(floats / depth, BLOCK_FLOATS / (runs + 1), LARGE_BLOCK_FLOATS / Math.max(1, copied)) / step,
  )
  const pixels = Math.min(
    Math.max(1, all),
    step * Math.max(1, Math.min(groups > 1 ? MOST_GROUPED_STEPS : MOST_STEPS, steps)),
  )
  const blocks = Math.ceil(all / pixels)
  const groupPanels = panelCount(oc / groups)
  let panels = groupPanels
  const units = () => blocks * groups * Math.ceil(groupPanels / panels)
  while (units() < 16 && panels > leastPanels && pixels * panels * 8 * runs * depth > 400_000)
    panels = Math.ceil(panels / 2)

  return { runs, depth, pixels, panels, units: units(), scratch: tableFloats(product, pixels) }
}

export function runProduct(engine: Engine, product: Product): void {
  const { n, oc, stepsH: h, stepsW: w } = product
  // The wide build takes panels in pairs.
  const block = blockProduct(engine.tileRows, product, engine.simd === 'wide' ? 2 : 1)
  engine.scratch(4 * block.scratch)
  const work = n * h.count * w.count * oc * block.runs * block.depth
  engine.run({ kernel: 'igemm', args: productArgs(product, block), units: block.units, work })
}

/** A layer as one dense product, by panels of its filter. */
export function runDense(
  { engine, layer, x, filter, bias, y, clamp }: ConvJob,
  panels = filterPanels(filter, layer.groups),
): void {
  runProduct(engine, productOf(layer, { x, w: packed(filter, panels), b: bias, y, clamp }))
}

/**
 * Images and their sizes. Where every pixel goes to its own place, all of them are one row: then no tile
 * crosses the end of one.
 */
function gridOf({ n, ih, iw, oh, ow, stepsH: h, stepsW: w }: Product) {
  const all = n * oh * ow
  const still = [h, w].every(
    ({ taps, first, inStep, outFirst, outStep }) =>
      taps === 1 && first === 0 && inStep === 1 && outFirst === 0 && outStep === 1,
  )
  if (still && ih === oh && iw === ow && all === n * h.count * w.count)
    return { n: 1, ih: 1, iw: all, oh: 1, ow: all, gridH: 1, gridW: all }
  return { n, ih, iw, oh, ow, gridH: h.count, gridW: w.count }
}

export function productArgs(product: Product, block: { pixels: number; panels: number }): Igemm {
  const { ic, oc, stepsH: h, stepsW: w, groups } = product
  const { n, ih, iw, oh, ow, gridH, gridW } = gridOf(product)
  const { runs, depth } = runsOf(product)
  return {
    x: product.x,
    w: product.w,
    b: product.b,
    y: product.y,
    n,
    ih,
    iw,
    ic,
    oh,
    ow,
    oc,
    gridH,
    gridW,
    outFirstH: h.outFirst,
    outStepH: h.outStep,
    outFirstW: w.outFirst,
    outStepW: w.outStep,
    inStepH: h.inStep,
    inStepW: w.inStep,
    tapsH: h.taps,
    tapsW: w.taps,
    tapFirstH: h.first,
    tapStepH: h.step,
    tapFirstW: w.first,
    tapStepW: w.step,
    groups,
    low: product.clamp[0],
    high: product.clamp[1],
    runs,
    depth,
    pixels: block.pixels,
    panels: block.panels,
    byLanes: Number(byLanes(ic / groups, oc / groups)),
    xPixelStride: 4 * ic,
    yPixelStride: 4 * oc,
  }
}
