/** Images read at any points: the plan of assembly/gridSample.ts. */

import { check, show } from '../base/errors.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, isName, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { GridPadding, type GridSample } from '../wasm/abi.js'

/** What `gridSample` takes beside x and the grid. */
export interface GridSampleOptions {
  /**
   * `'bilinear'`: between the four pixels around a point; `'nearest'`: the pixel whose centre is nearest, of
   * two the one with the even index. Default 'bilinear'.
   */
  method?: 'bilinear' | 'nearest'
  /**
   * What lies outside of the image. `'zeros'`; `'border'`: the pixel at the edge; `'reflection'`: the image,
   * mirrored at its edge again and again. Default 'zeros'.
   */
  padding?: 'zeros' | 'border' | 'reflection'
  /** -1 and 1 are the centres of the outer pixels, rather than their outer edges. Default false. */
  alignCorners?: boolean
}

const GRID_SAMPLE: Names<GridSampleOptions> = { method: true, padding: true, alignCorners: true }

const paddings = {
  zeros: GridPadding.zeros,
  border: GridPadding.border,
  reflection: GridPadding.reflection,
} as const

/**
 * Images read at the points of a grid: y[n, i, j] is x[n] at (grid[n, i, j, 0], grid[n, i, j, 1]), which say
 * how far along the width and down the height, each from -1 to 1. With a grid that moves little by little
 * this warps an image. A point that is no number is outside: 0, or the first pixel along that axis where
 * padding is not 'zeros'. Definition: PyTorch grid_sample; ONNX GridSample.
 *
 * @param x [n, height, width, channels]
 * @param grid [n, outHeight, outWidth, 2]
 * @param options method 'bilinear'; padding 'zeros'; alignCorners false
 * @returns [n, outHeight, outWidth, channels]
 * @throws FilterbankError for other ranks, an image without pixels, a grid for another number of images, or
 *   an unknown method or padding; nothing is allocated then
 * @example const turned = gridSample(photo, grid, { padding: 'border' })
 */
export function gridSample(x: Tensor, grid: Tensor, options: GridSampleOptions = {}): Tensor {
  const op = 'gridSample'
  checkOptions(op, options, GRID_SAMPLE)
  const engine = engineOf(op, { x, grid })
  const shapes = { x: x.shape, grid: grid.shape }
  const { method = 'bilinear', padding = 'zeros', alignCorners = false } = options
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    op,
    argument,
    expected,
    got: show(got),
    shapes,
  })
  check(x.shape.length === 4, fail('x', '[n, height, width, channels]', x.shape))
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  check(ih > 0 && iw > 0, fail('x', 'an image of at least one pixel', [ih, iw]))
  const isGrid = grid.shape.length === 4 && grid.shape[0] === n && grid.shape[3] === 2
  check(isGrid, fail('grid', `[${n}, outHeight, outWidth, 2]`, grid.shape))
  check(method === 'bilinear' || method === 'nearest', fail('method', "'bilinear' or 'nearest'", method))
  check(isName(padding, paddings), fail('padding', "'zeros', 'border' or 'reflection'", padding))
  check(typeof alignCorners === 'boolean', fail('alignCorners', 'true or false', alignCorners))
  const [, oh, ow] = grid.shape as [number, number, number, number]
  const pixels = oh * ow
  // 64 units are enough for every core.
  const unit = Math.max(1, Math.ceil((n * pixels) / 64))
  const plan: Plan = {
    n,
    ih,
    iw,
    c,
    pixels,
    unit,
    nearest: Number(method === 'nearest'),
    alignCorners: Number(alignCorners),
    padding: paddings[padding],
  }
  const y = engine.make([n, oh, ow, c], (y) => runGrid('gridSample', plan, x, grid, y))
  engine.trace?.note(op, y, { x, grid }, { method, padding, alignCorners })
  engine.tape?.record(op, y, { x, grid }, { x, grid }, (dy, kept) => ({
    x: () => engine.make(x.shape, (dx) => runGrid('gridSampleGradient', plan, kept.x, kept.grid, dy, dx)),
    // The nearest pixel is a step, whose derivative is 0.
    grid: () =>
      method === 'nearest'
        ? engine.cleared(grid.shape)
        : engine.make(grid.shape, (dgrid) => runGrid('gridGradient', plan, kept.x, kept.grid, dy, dgrid)),
  }))
  return y
}

type Plan = Omit<GridSample, 'x' | 'grid' | 'y' | 'to'>

/** Pixels read at points, or backward: to the images, to the points. */
function runGrid(
  kernel: 'gridSample' | 'gridSampleGradient' | 'gridGradient',
  plan: Plan,
  x: Tensor,
  grid: Tensor,
  y: Tensor,
  to?: Tensor,
): void {
  const { engine } = x
  engine.scratch(32)
  const args = { ...plan, x: x.pointer, grid: grid.pointer, y: y.pointer, to: to?.pointer ?? 0 }
  const units = kernel === 'gridSampleGradient' ? plan.n : Math.ceil((plan.n * plan.pixels) / plan.unit)
  engine.run({ kernel, args, units, work: plan.n * plan.pixels * (4 * plan.c + POINT_WORK) })
}

/** About how many multiply-adds it takes to find where a point stands. */
const POINT_WORK = 16
