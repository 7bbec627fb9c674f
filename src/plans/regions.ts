/** The plans of assembly/roiAlign.ts and assembly/gridTaps.ts: images read between pixels, at many places. */

import type { Tensor } from '../core/tensor.js'
import { GridMethod, GridPadding, type GridSample, type GridTaps, type RoiAlign } from '../wasm/abi.js'

/** What regions are read by. */
export interface Regions {
  /** [n, height, width, c] */
  x: Tensor
  /** [count, 4]: left, top, right, bottom. */
  boxes: Tensor
  /** int32 [count], each of an image of x. */
  images: Tensor<'int32'>
  /** [count, outHeight, outWidth, c] */
  y: Tensor
  /** Samples of a part along each axis; 0: as many as it has pixels. */
  samples: number
  /** Whether a part is the largest of its samples, not their mean. */
  largest: boolean
  /** Whether 0 is the outer edge of the first pixel, not its centre, and regions may be less than a pixel. */
  halfPixel: boolean
  /** Pixels that a unit of the boxes is. */
  scale: number
}

/** Bytes of the samples that a kernel reads together (assembly/abi/window.ts, ROI_SAMPLES). */
const SAMPLES = 64 * 32

/** About how many multiply-adds a sample takes beside its channels. */
const SAMPLE_WORK = 32

export function runRoiAlign({ x, boxes, images, y, ...rules }: Regions): void {
  if (y.size === 0) return
  const { engine } = x
  const [, ih, iw, c] = x.shape as [number, number, number, number]
  const [count, oh, ow] = y.shape as [number, number, number]
  const args: RoiAlign = {
    x: x.pointer,
    boxes: boxes.pointer,
    images: images.pointer,
    y: y.pointer,
    ih,
    iw,
    c,
    oh,
    ow,
    samples: rules.samples,
    largest: Number(rules.largest),
    widens: Number(!rules.halfPixel),
    scale: rules.scale,
    shift: rules.halfPixel ? 0.5 : 0,
  }
  engine.scratch(SAMPLES)
  const each = (rules.samples || 2) ** 2
  engine.run({
    kernel: 'roiAlign',
    args,
    units: count,
    work: count * oh * ow * each * (4 * c + SAMPLE_WORK),
  })
}

/** How points of a grid are read; `rank`: 2, or 3 where x has a depth. */
export interface GridRules {
  method: 'nearest' | 'linear' | 'cubic'
  padding: 'zeros' | 'border' | 'reflection'
  alignCorners: boolean
}

/** 64 units are enough for every core. */
const unitOf = (pixels: number): number => Math.max(1, Math.ceil(pixels / 64))

/** About how many multiply-adds it takes to find what a point reads along an axis. */
const POINT_WORK = 16

/** y [n, ...out, c] of x [n, (depth,) height, width, c] at a grid [n, ...out, rank] of (x, y, (z)). */
export function runGridTaps(x: Tensor, grid: Tensor, y: Tensor, rules: GridRules): void {
  if (y.size === 0) return
  const { engine } = x
  const rank = grid.shape.at(-1)!
  const [n] = x.shape as [number]
  const [id, ih, iw] = (rank === 3 ? x.shape.slice(1) : [1, ...x.shape.slice(1)]) as [number, number, number]
  const c = x.shape.at(-1)!
  const pixels = y.size / (n * c)
  const unit = unitOf(n * pixels)
  const args: GridTaps = {
    x: x.pointer,
    grid: grid.pointer,
    y: y.pointer,
    n,
    id,
    ih,
    iw,
    c,
    pixels,
    rank,
    unit,
    method: GridMethod[rules.method],
    alignCorners: Number(rules.alignCorners),
    padding: GridPadding[rules.padding],
  }
  engine.scratch(96)
  const taps = { nearest: 1, linear: 2, cubic: 4 }[rules.method] ** rank
  engine.run({
    kernel: 'gridTaps',
    args,
    units: Math.ceil((n * pixels) / unit),
    work: n * pixels * (taps * c + rank * POINT_WORK),
  })
}

/** y [n, pixels, c] of x [n, height, width, c] at points [n, pixels, 2] of (y, x) in pixels; 0 outside. */
export function runPoints(x: Tensor, points: Tensor, y: Tensor): void {
  if (y.size === 0) return
  const { engine } = x
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  const pixels = y.size / (n * c)
  const unit = unitOf(n * pixels)
  const args: GridSample = {
    x: x.pointer,
    grid: points.pointer,
    y: y.pointer,
    to: 0,
    n,
    ih,
    iw,
    c,
    pixels,
    unit,
    nearest: 0,
    alignCorners: 2,
    padding: GridPadding.zeros,
  }
  engine.scratch(32)
  engine.run({
    kernel: 'gridSample',
    args,
    units: Math.ceil((n * pixels) / unit),
    work: n * pixels * (4 * c + POINT_WORK),
  })
}
