/** Numbers as pictures: brightness, or where they have a sign, the colours of the page for + and -. */

type Color = readonly [number, number, number]
const STEPS = 512

const read = (name: string): Color => {
  const text = getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  return [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)) as unknown as Color
}
const pixel = ([r, g, b]: Color): number => (255 << 24) | (b << 16) | (g << 8) | r
const between = (a: Color, b: Color, t: number): Color =>
  [0, 1, 2].map((i) => Math.round(a[i]! + t * (b[i]! - a[i]!))) as unknown as Color

let table: { signed: Int32Array; gray: Int32Array } | undefined
/** After the theme has changed. */
export const forgetColors = (): void => {
  table = undefined
}

function tables() {
  const [minus, zero, plus] = ['--minus-map', '--zero-map', '--plus-map'].map(read) as [Color, Color, Color]
  const curve = (t: number) => t ** 0.7
  table ??= {
    signed: Int32Array.from({ length: 2 * STEPS + 1 }, (_, i) =>
      pixel(between(zero, i < STEPS ? minus : plus, curve(Math.abs(i - STEPS) / STEPS))),
    ),
    gray: Int32Array.from({ length: 256 }, (_, i) => pixel([i, i, i])),
  }
  return table
}

/** How values become colours: 0 to `most` as gray, or -most to most with a sign. */
export interface Scale {
  signed: boolean
  most: number
}

/** Values in a row, each `step` after the one before, from `first` on, as pixels. */
export function paint(
  values: ArrayLike<number>,
  { first = 0, step = 1, width, height }: { first?: number; step?: number; width: number; height: number },
  { signed, most }: Scale,
): ImageData {
  const image = new ImageData(width, height)
  const pixels = new Int32Array(image.data.buffer)
  const { signed: colors, gray } = tables()
  const factor = (signed ? STEPS : 255) / (most || 1)
  for (let i = 0, at = first; i < pixels.length; i++, at += step) {
    const place = Math.round(values[at]! * factor)
    pixels[i] = signed
      ? colors[Math.min(2 * STEPS, Math.max(0, place + STEPS))]!
      : gray[Math.min(255, Math.max(0, place))]!
  }
  return image
}

/** The range of some values: with a sign where some are below 0. */
export function scaleOf(values: ArrayLike<number>, first = 0, count = values.length): Scale {
  let [low, high] = [0, 0]
  for (let i = first; i < first + count; i++) {
    const value = values[i]!
    if (value < low) low = value
    if (value > high) high = value
  }
  return { signed: low < 0, most: Math.max(-low, high) }
}

/** Shows pixels on a canvas of their size. */
export function put(canvas: HTMLCanvasElement, image: ImageData): void {
  if (canvas.width !== image.width) canvas.width = image.width
  if (canvas.height !== image.height) canvas.height = image.height
  canvas.getContext('2d')!.putImageData(image, 0, 0)
}

/** How maps stand beside each other. */
interface Strip {
  columns?: number
  gap?: number
  /** One for all; by default each map has its own, with a sign where it needs one or is to have one. */
  scales?: Scale
  signed?: boolean
}

/** Maps side by side on one canvas, each with a scale of its own: [count, height, width] values. */
export function strip(
  canvas: HTMLCanvasElement,
  values: ArrayLike<number>,
  { count, height, width }: { count: number; height: number; width: number },
  { columns = count, gap = 2, scales, signed = false }: Strip = {},
): void {
  const rows = Math.ceil(count / columns)
  canvas.width = Math.max(1, columns * (width + gap) - gap)
  canvas.height = Math.max(1, rows * (height + gap) - gap)
  const context = canvas.getContext('2d')!
  for (let map = 0; map < count; map++) {
    const first = map * height * width
    const own = scaleOf(values, first, height * width)
    const scale = scales ?? { ...own, signed: signed || own.signed }
    const [x, y] = [(map % columns) * (width + gap), Math.floor(map / columns) * (height + gap)]
    context.putImageData(paint(values, { first, width, height }, scale), x, y)
  }
}
