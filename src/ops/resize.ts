import { check, show } from '../base/errors.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { pair } from '../core/window.js'
import type { Resize } from '../wasm/abi.js'

/** What `resize` takes beside x. */
export interface ResizeOptions {
  /** [height, width] of the result; one number for both. */
  size: number | readonly [number, number]
  /**
   * `'nearest'`: the pixel whose centre is nearest, of two the upper or left one. `'bilinear'`: between the
   * four around. Default 'bilinear'.
   */
  method?: 'nearest' | 'bilinear'
  /**
   * Pixels as points, with the corners of both images on each other, rather than as squares that fill the
   * same area. Default false.
   */
  alignCorners?: boolean
}

const RESIZE: Names<ResizeOptions> = { size: true, method: true, alignCorners: true }

/**
 * Images of another size. Output pixel o stands at input position
 *
 *   (o + 0.5) * input / output - 0.5              half-pixel centres
 *   o * (input - 1) / (output - 1)                alignCorners; 0 for an output of one pixel
 *
 * and reads no pixel outside: the edge goes on. Making an image smaller skips pixels; to average them, use
 * `avgPool2d` or blur before. Definition: ONNX Resize, half_pixel or align_corners, linear or nearest with
 * round_prefer_floor; TensorFlow 2 and PyTorch bilinear.
 *
 * @param x [n, height, width, channels]
 * @param options size; method 'bilinear', alignCorners false
 * @returns [n, ...size, channels]
 * @throws FilterbankError for another rank, an image without pixels, a size that is not positive, or an
 *   unknown method
 * @example const input = resize(photo, { size: [224, 224] })
 */
export function resize(x: Tensor, options: ResizeOptions): Tensor {
  checkOptions('resize', options, RESIZE)
  const engine = engineOf('resize', { x })
  const context = { op: 'resize', shapes: { x: x.shape } }
  const { method = 'bilinear', alignCorners = false } = options
  check(x.shape.length === 4, () => ({
    ...context,
    argument: 'x',
    expected: '[n, height, width, channels]',
    got: `rank ${x.shape.length}`,
  }))
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  check(ih > 0 && iw > 0, () => ({
    ...context,
    argument: 'x',
    expected: 'an image of at least one pixel',
    got: show([ih, iw]),
  }))
  const [oh, ow] = pair(options.size, 'size', 1, context)
  check(method === 'nearest' || method === 'bilinear', () => ({
    ...context,
    argument: 'method',
    expected: "'nearest' or 'bilinear'",
    got: show(method),
  }))

  const h = positionsOf(ih, oh, method, alignCorners)
  const w = positionsOf(iw, ow, method, alignCorners)
  // 64 units are enough for every core; each fills a table of the width first.
  const rows = Math.max(1, Math.ceil((n * oh) / 64))

  const plan = { n, ih, iw, c, oh, ow, h, w, rows }
  const y = engine.make([n, oh, ow, c], (y) => {
    if (y.size === 0) return
    engine.scratch((ow + 1) * 12)
    const kernel = method === 'nearest' ? 'resizeNearest' : 'resizeBilinear'
    engine.run({ kernel, args: resizeArgs(x.pointer, y.pointer, plan), units: Math.ceil((n * oh) / rows) })
  })
  engine.trace?.note('resize', y, { x }, { size: [oh, ow], method, alignCorners })
  engine.tape?.record('resize', y, { x }, {}, (dy) => ({ x: () => resizeBackward(dy, plan, method) }))
  return y
}

interface Plan {
  n: number
  ih: number
  iw: number
  c: number
  oh: number
  ow: number
  h: Positions
  w: Positions
  /** Output rows of one unit. */
  rows: number
}

/** dy goes to the pixels that the output was read from, by their weights. */
function resizeBackward(dy: Tensor, plan: Plan, method: 'nearest' | 'bilinear'): Tensor {
  const { engine } = dy
  const { n, ih, iw, c, ow } = plan
  return engine.make([n, ih, iw, c], (dx) => {
    engine.scratch((ow + 1) * 12)
    const args = { ...resizeArgs(dx.pointer, dy.pointer, plan), bilinear: Number(method === 'bilinear') }
    engine.run({ kernel: 'resizeGradient', args, units: n, work: dy.size * 4 })
  })
}

function resizeArgs(x: number, y: number, { n, ih, iw, c, oh, ow, h, w, rows }: Plan): Resize {
  return {
    x,
    y,
    n,
    ih,
    iw,
    c,
    oh,
    ow,
    stepH: h.step,
    firstH: h.first,
    unitsH: h.units,
    stepW: w.step,
    firstW: w.first,
    unitsW: w.units,
    rows,
  }
}

interface Positions {
  step: number
  first: number
  units: number
}

/**
 * Positions along one axis in whole numbers: output o stands at (o * step + first) / units. For nearest, half
 * a pixel less the smallest step is added, so that floor rounds to the nearest and ties go down.
 */
function positionsOf(
  input: number,
  output: number,
  method: 'nearest' | 'bilinear',
  alignCorners: boolean,
): Positions {
  if (alignCorners && output === 1) return { step: 0, first: 0, units: 1 }
  const step = 2 * (alignCorners ? input - 1 : input)
  const units = 2 * (alignCorners ? output - 1 : output)
  const first = alignCorners ? 0 : input - output
  return { step, first: method === 'nearest' ? first + units / 2 - 1 : first, units }
}
