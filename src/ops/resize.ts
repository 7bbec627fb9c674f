import { check, show } from '../base/errors.js'
import { sizeOf } from '../base/shape.js'
import { listOf } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { checkEach, checkOptions, isName, type Names } from '../core/options.js'
import { sameQuantization } from '../core/quantization.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import { pair } from '../core/window.js'
import { runMapBytes, termsOf } from '../plans/bytes.js'
import {
  NearestRule,
  type Resize,
  type ResizeAxis,
  ResizeMethod,
  ResizeRounding,
  ResizeRule,
} from '../wasm/abi.js'

import {
  type ByteResultOptions,
  checkNoQuantization,
  FLOATS_AND_BYTES,
  type FloatOrByte,
  isByteTensor,
  PLAIN,
  resultQuantization,
} from './byteResult.js'

/** What `resize` takes beside x. */
export interface ResizeOptions extends ByteResultOptions {
  /** [height, width] of the result; one number for both. */
  size: number | readonly [number, number]
  /**
   * `'nearest'`: the pixel whose centre is nearest. `'bilinear'`: between the four around. `'bicubic'`: a
   * smooth curve through the sixteen around. Default 'bilinear'.
   */
  method?: 'nearest' | 'bilinear' | 'bicubic'
  /**
   * Pixels as points, with the corners of both images on each other, rather than as squares that fill the
   * same area: `coordinates: 'align_corners'`. Default false.
   */
  alignCorners?: boolean
  /** Where output pixels stand in the input, by the names of ONNX. Default 'half_pixel'. */
  coordinates?:
    | 'half_pixel'
    | 'align_corners'
    | 'asymmetric'
    | 'pytorch_half_pixel'
    | 'half_pixel_symmetric'
    | 'tf_half_pixel_for_nn'
    | 'tf_crop_and_resize'
  /** Which pixel is nearest, of two and else, by the names of ONNX. Default 'round_prefer_floor'. */
  nearestMode?: 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil'
  /** Averages where the result is smaller, over all pixels that one of it stands for. Default false. */
  antialias?: boolean
  /** Of 'bicubic': -0.75 as PyTorch and ONNX have it, -0.5 as TensorFlow. Default -0.75. */
  cubicCoefficient?: number
  /** Of 'bicubic': pixels beyond an edge do not count, rather than being those of the edge. Default false. */
  excludeOutside?: boolean
  /**
   * How many times as high and wide the result is, where that is not its size over that of x: positions
   * follow from it, in float32 as ONNX Runtime has them. One number for both.
   */
  scale?: number | readonly [number, number]
  /** Of 'tf_crop_and_resize': [top, left, bottom, right] of what is shown, from 0 to 1. Default all. */
  region?: readonly [number, number, number, number]
  /** Of 'tf_crop_and_resize': what stands outside of x. Default 0. */
  extrapolation?: number
}

const RESIZE: Names<ResizeOptions> = {
  size: true,
  method: true,
  alignCorners: true,
  coordinates: true,
  nearestMode: true,
  antialias: true,
  cubicCoefficient: true,
  excludeOutside: true,
  scale: true,
  region: true,
  extrapolation: true,
  quantization: true,
}

const methods = {
  nearest: ResizeMethod.nearest,
  bilinear: ResizeMethod.linear,
  bicubic: ResizeMethod.cubic,
} as const satisfies Record<NonNullable<ResizeOptions['method']>, ResizeMethod>

const rules = {
  half_pixel: ResizeRule.halfPixel,
  align_corners: ResizeRule.alignCorners,
  asymmetric: ResizeRule.asymmetric,
  pytorch_half_pixel: ResizeRule.pytorchHalfPixel,
  half_pixel_symmetric: ResizeRule.halfPixelSymmetric,
  tf_half_pixel_for_nn: ResizeRule.halfPixelForNearest,
  tf_crop_and_resize: ResizeRule.cropAndResize,
} as const satisfies Record<NonNullable<ResizeOptions['coordinates']>, ResizeRule>

const nearestRules = {
  round_prefer_floor: NearestRule.preferFloor,
  round_prefer_ceil: NearestRule.preferCeil,
  floor: NearestRule.floor,
  ceil: NearestRule.ceil,
} as const satisfies Record<NonNullable<ResizeOptions['nearestMode']>, NearestRule>

/**
 * Images of another size. Output pixel o stands at input position
 *
 *   (o + 0.5) * input / output - 0.5              half_pixel: PyTorch, TensorFlow 2, OpenCV
 *   o * (input - 1) / (output - 1)                align_corners; 0 for an output of one pixel
 *   o * input / output                            asymmetric: TensorFlow 1; with 'floor' PyTorch's nearest
 *   (o + 0.5) * input / output                    tf_half_pixel_for_nn
 *
 * pytorch_half_pixel is half_pixel, but 0 for an output of one pixel; half_pixel_symmetric is half_pixel
 * about the middle, where `scale` is not that of the sizes; tf_crop_and_resize is align_corners within a
 * region. No pixel outside is read: the edge goes on. Making an image smaller skips pixels, unless
 * `antialias` averages
 * them. Definition: ONNX Resize.
 *
 * 8-bit integers are moved, or become the nearest of their weighted means, of two the even one: the same
 * bytes on every host.
 *
 * @param x [n, height, width, channels]; float32, or int8 or uint8, which gives the same type
 * @param options size; method 'bilinear'; coordinates 'half_pixel'; nearestMode 'round_prefer_floor';
 *   quantization: of an 8-bit result, default that of x
 * @returns [n, ...size, channels]
 * @throws FilterbankError for another rank, an image without pixels, a size or scale that is not positive, or
 *   an unknown name; nothing is allocated then
 * @example const input = resize(photo, { size: [224, 224], antialias: true })
 */
export function resize<D extends FloatOrByte = 'float32'>(x: Tensor<D>, options: ResizeOptions): Tensor<D> {
  checkOptions('resize', options, RESIZE)
  const engine = engineOf('resize', { x }, {}, FLOATS_AND_BYTES)
  const context = { op: 'resize', shapes: { x: x.shape } }
  const { method = 'bilinear', alignCorners = false, antialias = false, excludeOutside = false } = options
  const { coordinates = alignCorners ? 'align_corners' : 'half_pixel' } = options
  const { nearestMode = 'round_prefer_floor', cubicCoefficient = -0.75, extrapolation = 0 } = options
  const { region = [0, 0, 1, 1] } = options
  const fail = (argument: string, expected: string, got: unknown) => () => ({
    ...context,
    argument,
    expected,
    got: typeof got === 'string' && argument === 'x' ? got : show(got),
  })
  check(x.shape.length === 4, fail('x', '[n, height, width, channels]', `rank ${x.shape.length}`))
  const [n, ih, iw, c] = x.shape as [number, number, number, number]
  check(ih > 0 && iw > 0, fail('x', 'an image of at least one pixel', [ih, iw]))
  const size = pair(options.size, 'size', 1, context)
  check(isName(method, methods), fail('method', quoted(methods), method))
  check(isName(coordinates, rules), fail('coordinates', quoted(rules), coordinates))
  check(isName(nearestMode, nearestRules), fail('nearestMode', quoted(nearestRules), nearestMode))
  const given = options.scale
  const scale = given === undefined || Array.isArray(given) ? given : [given, given]
  check(
    scale === undefined || (scale.length === 2 && scale.every((factor: number) => factor > 0)),
    fail('scale', 'a number above 0, or two', given),
  )
  check(region.length === 4 && region.every(Number.isFinite), fail('region', '4 numbers', region))
  checkEach({ cubicCoefficient, extrapolation }, Number.isFinite, 'a finite number', context)

  const axes = [ih, iw].map((input, i) =>
    axisOf(input, size[i]!, rules[coordinates], nearestRules[nearestMode], scale?.[i], [
      region[i]!,
      region[i + 2]!,
    ]),
  ) as [ResizeAxis, ResizeAxis]
  const plan = { antialias, excludeOutside, cubic: cubicCoefficient, extrapolation }
  const args = planOf([n, ih, iw, c], axes, { ...plan, method: methods[method] })
  const shape = [n, ...size, c]
  if (isByteTensor(x)) {
    const own = x.quantization
    const { quantization: given } = options
    const result = resultQuantization('resize', { x }, shape, given, own ?? PLAIN)
    const quantization = given || own ? result : undefined
    const y = engine.make(shape, (y) => runResizeBytes(args, x, y), { dtype: x.dtype, quantization })
    engine.tape?.record('resize', y, { x }, {}, () => ({}))
    return y
  }
  checkNoQuantization('resize', x, options.quantization)
  const y = engine.make(shape, (y) => runResize('resize', args, x, y))
  engine.trace?.note(
    'resize',
    y,
    { x },
    {
      size,
      method,
      coordinates,
      nearestMode,
      cubicCoefficient,
      antialias,
      excludeOutside,
      scale,
      region,
      extrapolation,
    },
  )
  engine.tape?.record('resize', y, { x }, {}, (dy) => ({
    x: () => engine.make(x.shape, (dx) => runResize('resizeGradient', args, dx, dy)),
  }))
  return y as Tensor<FloatOrByte> as Tensor<D>
}

const quoted = (table: object): string => listOf(Object.keys(table).map((name) => `'${name}'`))

/** How all axes are resized. */
export interface ResizeSettings {
  method: ResizeMethod
  antialias: boolean
  excludeOutside: boolean
  cubic: number
  extrapolation: number
  rounding?: ResizeRounding
}

/**
 * An axis: its positions in whole numbers where the sizes alone decide them, so that they are exact and ties
 * are ties.
 */
export function axisOf(
  input: number,
  output: number,
  rule: ResizeRule,
  nearest: NearestRule,
  scale: number | undefined,
  [start, end]: readonly [number, number] = [0, 1],
): ResizeAxis {
  const length = {
    input,
    output,
    nearest,
    start,
    end,
    scale: scale ?? output / input,
    step: 0,
    first: 0,
    units: 1,
  }
  if (scale !== undefined || rule === ResizeRule.cropAndResize) return { ...length, rule }
  const exact = { ...length, rule: ResizeRule.exact }
  if (output === 1 && (rule === ResizeRule.alignCorners || rule === ResizeRule.pytorchHalfPixel)) return exact
  if (rule === ResizeRule.alignCorners) return { ...exact, step: input - 1, units: output - 1 }
  if (rule === ResizeRule.asymmetric) return { ...exact, step: input, units: output }
  const first = rule === ResizeRule.halfPixelForNearest ? input : input - output
  return { ...exact, step: 2 * input, first, units: 2 * output }
}

/**
 * Rows of one unit. 64 units are enough for every core; each fills a table of the width first, so there are
 * fewer, to 16, of rows that take no longer than it.
 */
const rowsOf = (rows: number, channels: number): number =>
  Math.max(1, Math.ceil(rows / 64), Math.min(Math.ceil(rows / 16), Math.ceil(1024 / Math.max(1, channels))))

type Plan = Omit<Resize, 'x' | 'y'>

function planOf(
  [n, ih, iw, c]: readonly [number, number, number, number],
  axes: readonly [ResizeAxis, ResizeAxis],
  { method, antialias, excludeOutside, cubic, extrapolation, rounding = ResizeRounding.none }: ResizeSettings,
): Plan {
  const [oh, ow] = [axes[0].output, axes[1].output]
  const shrinks = Math.max(
    ...axes.map(({ rule, input, output, scale }) => (rule ? 1 / scale : input / output)),
  )
  const isBilinear = method === ResizeMethod.linear && !antialias && rounding === ResizeRounding.none
  // From 6 channels on a pixel at a time is as fast; a region has outputs without pixels.
  const isNarrow = isBilinear && c < 6 && oh > ih && axes[1].rule !== ResizeRule.cropAndResize
  const reach = (method === ResizeMethod.cubic ? 2 : 1) * (antialias ? Math.max(1, shrinks) : 1)
  return {
    n,
    ih,
    iw,
    c,
    oh,
    ow,
    rows: rowsOf(n * oh, c),
    method,
    taps: method === ResizeMethod.nearest ? 1 : 2 * Math.ceil(reach) + 1,
    antialias: Number(antialias && method !== ResizeMethod.nearest),
    excludeOutside: Number(excludeOutside && method === ResizeMethod.cubic),
    cubic,
    extrapolation,
    rounding,
    narrow: Number(isNarrow),
    axes,
  }
}

/** What the kernel spreads out of narrow pixels. */
const narrowBytes = (c: number, ow: number): number => 6 * (ow * c * 4 + 16) + 16

/** y = x in another size, or backward: x from y. */
function runResize(kernel: 'resize' | 'resizeGradient', plan: Plan, x: AnyTensor, y: AnyTensor): void {
  const { engine } = x
  const { n, oh, ow, iw, c, rows, taps, narrow } = plan
  if (sizeOf([n, oh, ow, c]) === 0) {
    engine.u8.fill(0, x.pointer, x.pointer + (kernel === 'resizeGradient' ? x.storage.bytes : 0))
    return
  }
  engine.scratch((ow + 1) * (taps + 1) * 16 + iw * c * 4 + 16 + (narrow ? narrowBytes(c, ow) : 0))
  const units = kernel === 'resize' ? Math.ceil((n * oh) / rows) : n
  engine.run({
    kernel,
    args: { ...plan, x: x.pointer, y: y.pointer },
    units,
    work: n * oh * ow * c * (taps + 1),
  })
}

const runResizeFloats = (plan: Plan, x: AnyTensor, y: AnyTensor) => runResize('resize', plan, x, y)

/** The same of 8-bit integers; y has them as its quantization says. */
function runResizeBytes(plan: Plan, x: AnyTensor, y: AnyTensor): void {
  if (y.size === 0) return
  const { engine } = x
  const { n, oh, ow, iw, c, rows, taps, method } = plan
  const [from, to] = [termsOf(x), termsOf(y)]
  const flip = 128 * from.signed
  const isMoved = method === ResizeMethod.nearest
  engine.scratch((ow + 1) * (taps + 1) * 16 + (iw + ow) * c * 4 + 96)
  engine.run({
    kernel: 'resizeBytes',
    args: {
      ...plan,
      x: x.pointer,
      y: y.pointer,
      extrapolation: plan.extrapolation / from.scale + from.zero + flip,
      flip,
      zero: from.zero + flip,
      zeroY: (isMoved ? from.zero : to.zero) + flip,
      ratio: isMoved ? 1 : from.scale / to.scale,
    },
    units: Math.ceil((n * oh) / rows),
    work: (n * oh * ow * c * (taps + 1)) / (isMoved ? 8 : 1),
  })
  if (isMoved && !sameQuantization(x.quantization ?? PLAIN, y.quantization ?? PLAIN))
    runMapBytes(y, y, [-1, 0, 0], from)
}

/**
 * Any axes of x in other lengths, two neighbours at a time. Of 32-bit integers for the nearest alone, which
 * are moved as they are; 8-bit ones come to stand for `quantization`, where all axes are changed at a time.
 */
export function resizeAxes<T extends AnyTensor>(
  x: T,
  axes: ReadonlyMap<number, ResizeAxis>,
  settings: ResizeSettings,
  quantization = x.quantization,
): T {
  const { engine } = x
  return engine.scope(() => {
    let y: AnyTensor = x.reshape(x.shape)
    const todo = [...axes.keys()].sort((a, b) => a - b)
    while (todo.length) {
      const first = todo.shift()!
      const second = todo[0] === first + 1 ? todo.shift()! : first
      const outer = sizeOf(y.shape.slice(0, first))
      const inner = sizeOf(y.shape.slice(second + 1))
      const one = axisOf(1, 1, ResizeRule.asymmetric, NearestRule.floor, undefined)
      const [h, w] = first === second ? [one, axes.get(first)!] : [axes.get(first)!, axes.get(second)!]
      const shape = y.shape.with(first, axes.get(first)!.output).with(second, axes.get(second)!.output)
      const plan = planOf([outer, h.input, w.input, inner], [h, w], settings)
      const from = y
      const run = isByteTensor(from) ? runResizeBytes : runResizeFloats
      const type = { dtype: from.dtype, quantization: todo.length ? from.quantization : quantization }
      y = engine.make(shape, (to) => run(plan, from, to), type)
    }
    return y as T
  })
}
