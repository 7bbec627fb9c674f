/**
 * A test card for the demo: something for every filter to find. Pure arithmetic, the same on every machine.
 */
import type { Picture } from '../node/picture.js'

type Color = readonly [number, number, number]

const SIZE = 512
/** Samples a side that each pixel is the mean of. */
const SAMPLES = 4
const PAPER: Color = [244, 237, 222]
const INK: Color = [24, 30, 46]
const SWATCHES: Color[] = [
  [214, 69, 65],
  [235, 149, 50],
  [244, 208, 63],
  [101, 168, 84],
  [42, 157, 143],
  [58, 120, 190],
  [94, 84, 160],
  [190, 92, 150],
]

/** Letters of 5 x 7 dots, a row a digit in base 32, from the top. */
const LETTERS: Record<string, string> = {
  A: 'ehhvhhh',
  B: 'uhhuhhu',
  E: 'vgguggv',
  F: 'vgguggg',
  I: 'e44444e',
  K: 'hikokih',
  L: 'ggggggv',
  N: 'hhpljhh',
  R: 'uhhukih',
  T: 'v444444',
  ' ': '0000000',
}

/** A rectangle of the card, and its colour at (u, v) pixels from its corner. */
interface Field {
  left: number
  top: number
  width: number
  height: number
  color(u: number, v: number): Color
}

const mix = (a: Color, b: Color, t: number): Color => [
  a[0] + t * (b[0] - a[0]),
  a[1] + t * (b[1] - a[1]),
  a[2] + t * (b[2] - a[2]),
]

const wave = (phase: number): Color => mix(INK, PAPER, 0.5 + 0.5 * Math.cos(phase))

/** cos(k r^2): every frequency in every direction, up to half a cycle a pixel at the middle of each side. */
const zonePlate = (size: number) => (u: number, v: number) =>
  wave((Math.PI / size) * ((u - size / 2) ** 2 + (v - size / 2) ** 2))

/** Siemens star: edges in every direction. */
const star = (size: number, spokes: number, top: number) => (u: number, v: number) => {
  const [x, y] = [u - size / 2, v - size / 2]
  if (Math.hypot(x, y) > size / 2) return background(top + v)
  return Math.sin(spokes * Math.atan2(y, x)) > 0 ? PAPER : INK
}

/** Bars that grow finer from the start to the end. */
const bars = (length: number, cycles: number) => (along: number) =>
  Math.sin(Math.PI * 2 * cycles * (along / length) ** 2) < 0 ? INK : PAPER

const steps = (length: number, colors: readonly Color[]) => (along: number) =>
  colors[Math.min(colors.length - 1, Math.floor((along / length) * colors.length))]!

const background = (y: number): Color => mix([52, 66, 96], [30, 38, 58], y / SIZE)

function text(words: string, left: number, top: number, dot: number): Field {
  return {
    left,
    top,
    width: words.length * 6 * dot,
    height: 7 * dot,
    color(u, v) {
      const column = Math.floor(u / dot)
      const row = Number.parseInt(LETTERS[words[Math.floor(column / 6)]!]![Math.floor(v / dot)]!, 32)
      const dark = column % 6 === 5 || !((row >> (4 - (column % 6))) & 1)
      return dark ? background(top + v) : PAPER
    },
  }
}

const fields: Field[] = [
  text('FILTERBANK', 20, 20, 8),
  { left: 20, top: 96, width: 288, height: 288, color: zonePlate(288) },
  { left: 328, top: 96, width: 164, height: 164, color: star(164, 18, 96) },
  { left: 328, top: 280, width: 164, height: 44, color: bars(164, 24) },
  { left: 328, top: 340, width: 164, height: 44, color: (_, v) => bars(44, 7)(v) },
  { left: 20, top: 404, width: 288, height: 36, color: steps(288, SWATCHES) },
  { left: 328, top: 404, width: 164, height: 16, color: (u) => mix([0, 0, 0], [255, 255, 255], u / 164) },
  {
    left: 328,
    top: 420,
    width: 164,
    height: 20,
    color: steps(
      164,
      Array.from({ length: 9 }, (_, i) => mix([0, 0, 0], [255, 255, 255], i / 8)),
    ),
  },
  text('A BRILLIANT FINE LINE', 20, 458, 2),
  text('FILTER A FAINT ANKLE IN A LITTLE TRAIN', 20, 482, 1),
  text('TALL LINE', 328, 456, 3),
]

/** The test card, 512 x 512. */
export function drawing(): Picture {
  const data = new Uint8ClampedArray(SIZE * SIZE * 4).fill(255)
  for (let i = 0; i < SIZE * SIZE; i++) data.set(background(Math.floor(i / SIZE)), i * 4)
  for (const field of fields) {
    for (let y = 0; y < field.height; y++) {
      for (let x = 0; x < field.width; x++)
        data.set(meanColor(field, x, y), ((field.top + y) * SIZE + field.left + x) * 4)
    }
  }
  return { data, width: SIZE, height: SIZE }
}

/** The mean over a pixel, so that edges are smooth. */
function meanColor(field: Field, x: number, y: number): Color {
  let [r, g, b] = [0, 0, 0]
  for (let sample = 0; sample < SAMPLES ** 2; sample++) {
    const color = field.color(
      x + ((sample % SAMPLES) + 0.5) / SAMPLES,
      y + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES,
    )
    r += color[0]
    g += color[1]
    b += color[2]
  }
  return [r / SAMPLES ** 2, g / SAMPLES ** 2, b / SAMPLES ** 2]
}
