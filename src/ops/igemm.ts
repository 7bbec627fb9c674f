/** The plan of a dense product over a window (assembly/igemm.ts): filter packing, blocking, argument block. Shared by convolution, transposed convolution and matrix products. */
import { Igemm, Pack } from '../../assembly/calls.js'
import type { Engine } from '../engine.js'
import type { Storage } from '../tensor.js'
import type { Axis } from '../window.js'

/** How taps and output pixels walk along one axis: pixel g of `count` stands at outFirst + g * outStep and reads, under tap t, g * inStep + first + t * step. */
export interface Walk {
  count: number
  outFirst: number
  outStep: number
  inStep: number
  taps: number
  first: number
  step: number
}

/** A window that slides. */
export const slide = ({ output, size, stride, dilation, before }: Axis): Walk => ({
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

const panelCount = (columns: number, width = 8): number => Math.ceil(columns / width)

export const packedFloats = ({ width, groups, columns, tapsH, tapsW, depth }: Panels): number =>
  groups * panelCount(columns, width) * width * tapsH * tapsW * depth

/** Writes the panels of `source` at `to`. */
export function pack(engine: Engine, source: number, to: number, panels: Panels): void {
  const { i32 } = engine
  const call = engine.call(Pack.length)
  i32[call + Pack.source] = source + panels.offset * 4
  i32[call + Pack.panels] = to
  i32[call + Pack.width] = panels.width
  i32[call + Pack.groups] = panels.groups
  i32[call + Pack.columns] = panels.columns
  i32[call + Pack.tapsH] = panels.tapsH
  i32[call + Pack.tapsW] = panels.tapsW
  i32[call + Pack.depth] = panels.depth
  i32[call + Pack.groupStride] = panels.groupStride * 4
  i32[call + Pack.tapHStride] = panels.tapHStride * 4
  i32[call + Pack.tapWStride] = panels.tapWStride * 4
  i32[call + Pack.rowStride] = panels.rowStride * 4
  i32[call + Pack.columnStride] = panels.columnStride * 4
  engine.run('pack', call, panels.groups * panelCount(panels.columns, panels.width))
}

/** The panels of a filter: packed once, and again only after it was written. */
export function packed(storage: Storage, panels: Panels): number {
  const { engine, pointer } = storage
  return storage.derive(`panels ${Object.values(panels).join()}`, packedFloats(panels), (to) => pack(engine, pointer, to, panels))
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
  walkH: Walk
  walkW: Walk
  groups: number
  clamp: readonly [number, number]
}

/** Floats that a run should have for the tile to be at speed: shorter taps are joined to rows of the window. Witness: bench, first layers. */
const TAP_FLOATS = 16
/** The same for rows of the window: shorter ones are joined to the whole window. */
const ROW_FLOATS = 8

/** Splits the work of a product into units: about 128 KB of input each, and enough of them for every core where the work allows. */
export function blocking(
  engine: Engine,
  pixels: number,
  taps: number,
  depth: number,
  panels: number,
  groups: number,
): { pixels: number; panels: number; units: number } {
  const rows = engine.tileRows * 6
  const block = Math.min(Math.max(1, pixels), rows * Math.max(1, Math.min(16, Math.floor(32768 / depth / rows), Math.floor(32768 / (taps + 1) / rows))))
  const blocks = Math.ceil(pixels / block)
  let slice = panels
  const work = () => block * slice * 8 * taps * depth
  const units = () => blocks * groups * Math.ceil(panels / slice)
  while (units() < 16 && slice > 1 && work() > 400_000) slice = Math.ceil(slice / 2)
  return { pixels: block, panels: slice, units: units() }
}

export function runProduct(engine: Engine, product: Product): void {
  const { n, ic, oc, walkH: h, walkW: w, groups } = product
  const groupIn = ic / groups
  const joins = groups === 1 && w.step === 1 && ic < TAP_FLOATS
  const byRow = joins && w.taps > 1
  const byWindow = joins && h.taps > 1 && w.taps * ic < ROW_FLOATS
  const runs = byWindow ? 1 : byRow ? h.taps : h.taps * w.taps
  const depth = (groupIn * h.taps * w.taps) / Math.max(1, runs)
  const block = blocking(engine, n * h.count * w.count, runs, depth, panelCount(oc / groups), groups)
  const copies = byWindow || byRow ? block.pixels * h.taps * w.taps * ic + 4 : 0
  engine.scratch(4 * (Math.max(ic, oc) + 8 + 24 + block.pixels * (runs + 1) + 8 + copies))

  const { i32, f32 } = engine
  const call = engine.call(Igemm.length)
  i32[call + Igemm.x] = product.x
  i32[call + Igemm.w] = product.w
  i32[call + Igemm.b] = product.b
  i32[call + Igemm.y] = product.y
  i32[call + Igemm.n] = n
  i32[call + Igemm.ih] = product.ih
  i32[call + Igemm.iw] = product.iw
  i32[call + Igemm.ic] = ic
  i32[call + Igemm.oh] = product.oh
  i32[call + Igemm.ow] = product.ow
  i32[call + Igemm.oc] = oc
  i32[call + Igemm.gridH] = h.count
  i32[call + Igemm.gridW] = w.count
  i32[call + Igemm.outFirstH] = h.outFirst
  i32[call + Igemm.outStepH] = h.outStep
  i32[call + Igemm.outFirstW] = w.outFirst
  i32[call + Igemm.outStepW] = w.outStep
  i32[call + Igemm.inStepH] = h.inStep
  i32[call + Igemm.inStepW] = w.inStep
  i32[call + Igemm.tapsH] = h.taps
  i32[call + Igemm.tapsW] = w.taps
  i32[call + Igemm.tapFirstH] = h.first
  i32[call + Igemm.tapStepH] = h.step
  i32[call + Igemm.tapFirstW] = w.first
  i32[call + Igemm.tapStepW] = w.step
  i32[call + Igemm.groups] = groups
  f32[call + Igemm.low] = product.clamp[0]
  f32[call + Igemm.high] = product.clamp[1]
  i32[call + Igemm.runs] = runs
  i32[call + Igemm.depth] = depth
  i32[call + Igemm.pixels] = block.pixels
  i32[call + Igemm.panels] = block.panels
  engine.run('igemm', call, block.units, n * h.count * w.count * oc * runs * depth)
}
