/**
 * A data set that draws itself: handwriting of a kind, the ten digits as strokes of a pen, slanted, turned,
 * stretched and bent, thin or thick, bright on dark as in MNIST.
 */
import { Random, shift } from 'filterbank/nn'

/** Pixels a side. */
const SIDE = 28
/** Half the height of a digit in pixels, the points of its strokes being from -1 to 1. */
const HALF = 9.5

/** Ways of writing each digit: strokes, each smooth through its points; a point twice is a corner. */
const digits = [
  [[0.05, -1, -0.42, -0.75, -0.58, 0, -0.4, 0.78, 0.02, 1, 0.42, 0.75, 0.58, 0, 0.4, -0.78, 0.05, -1]],
  [[-0.3, -0.6, 0.08, -1, 0.08, -1, 0.05, 0, 0.05, 1]],
  [
    [
      -0.52, -0.55, -0.3, -0.9, 0.1, -1, 0.48, -0.7, 0.4, -0.2, -0.1, 0.4, -0.6, 0.95, -0.6, 0.95, 0, 0.92,
      0.62, 0.95,
    ],
  ],
  [
    [
      ...[-0.5, -0.8, -0.05, -1, 0.42, -0.75, 0.35, -0.25, -0.12, -0.06, -0.12, -0.06],
      ...[0.4, 0.12, 0.55, 0.5, 0.3, 0.9, -0.1, 1, -0.55, 0.78],
    ],
  ],
  [
    [-0.1, -1, -0.35, -0.4, -0.6, 0.25, -0.6, 0.25, 0, 0.24, 0.62, 0.2],
    [0.3, -0.45, 0.26, 0.2, 0.22, 1],
  ],
  [
    [
      ...[0.5, -0.97, 0, -0.97, -0.4, -0.95, -0.4, -0.95, -0.45, -0.5, -0.48, -0.12, -0.48, -0.12],
      ...[0, -0.28, 0.45, -0.02, 0.52, 0.45, 0.25, 0.9, -0.15, 1, -0.55, 0.8],
    ],
  ],
  [
    [
      ...[0.38, -0.98, -0.1, -0.65, -0.45, -0.05, -0.52, 0.5, -0.25, 0.95, 0.15, 0.98],
      ...[0.48, 0.62, 0.38, 0.18, 0.02, 0.02, -0.32, 0.2, -0.5, 0.5],
    ],
  ],
  [[-0.56, -0.92, 0, -0.95, 0.56, -0.95, 0.56, -0.95, 0.2, -0.2, 0, 0.4, -0.12, 1]],
  [
    [
      ...[0.42, -0.68, 0.05, -1, -0.38, -0.75, -0.32, -0.35, 0.05, -0.05, 0.42, 0.32, 0.4, 0.78, 0, 1],
      ...[-0.42, 0.75, -0.4, 0.32, -0.02, -0.05, 0.36, -0.32, 0.42, -0.68],
    ],
  ],
  [
    [
      ...[0.48, -0.5, 0.25, -0.1, -0.1, 0, -0.45, -0.28, -0.42, -0.72, -0.05, -1, 0.3, -0.92],
      ...[0.48, -0.5, 0.46, 0.1, 0.34, 0.6, 0.12, 1],
    ],
  ],
]

export const classes = [...'0123456789']

const PIECES = 6

/** A smooth line through points: pieces of straight ones. (Catmull & Rom, 1974) */
function smooth(points) {
  const line = []
  const at = (i) => points[Math.min(points.length - 1, Math.max(0, i))]
  for (let i = 0; i < points.length - 1; i++) {
    const [a, b, c, d] = [at(i - 1), at(i), at(i + 1), at(i + 2)]
    for (let piece = 0; piece < PIECES; piece++) {
      const t = piece / PIECES
      line.push(
        [0, 1].map(
          (k) =>
            b[k] +
            (t / 2) *
              (c[k] -
                a[k] +
                t * (2 * a[k] - 5 * b[k] + 4 * c[k] - d[k] + t * (3 * (b[k] - c[k]) + d[k] - a[k]))),
        ),
      )
    }
  }
  return [...line, at(points.length - 1)]
}

/** A straight line of a pen of some width into pixels: the most of what was there and what it covers. */
function stroke(pixels, [ax, ay], [bx, by], radius) {
  const [ex, ey] = [bx - ax, by - ay]
  const squared = ex * ex + ey * ey
  const reach = radius + 1
  const within = (low, high) => [
    Math.max(0, Math.floor(low - reach)),
    Math.min(SIDE - 1, Math.ceil(high + reach)),
  ]
  const [left, right] = within(Math.min(ax, bx), Math.max(ax, bx))
  const [top, bottom] = within(Math.min(ay, by), Math.max(ay, by))
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const along = squared > 0 ? Math.min(1, Math.max(0, ((x - ax) * ex + (y - ay) * ey) / squared)) : 0
      const [u, v] = [x - ax - along * ex, y - ay - along * ey]
      const cover = Math.min(1, Math.max(0, radius + 0.5 - Math.sqrt(u * u + v * v)))
      pixels[y * SIDE + x] = Math.max(pixels[y * SIDE + x], cover)
    }
  }
}

/** One picture of a digit, values 0 to 1, into `pixels`. */
function draw(pixels, strokes, random) {
  const about = (middle, deviation) => middle + deviation * Math.max(-2, Math.min(2, random.normal()))
  const [turn, slant] = [about(0, 0.07), about(0.15, 0.15)]
  const [wide, high] = [about(1, 0.1), about(0.96, 0.06)]
  const [cx, cy] = [about(13.5, 0.7), about(13.5, 0.7)]
  const radius = Math.max(0.7, about(1.25, 0.3))
  const [cos, sin] = [Math.cos(turn) * HALF, Math.sin(turn) * HALF]
  for (const numbers of strokes) {
    const points = []
    for (let i = 0; i < numbers.length; i += 2) {
      // A corner is a corner: the same point twice moves once.
      const corner = i > 0 && numbers[i] === numbers[i - 2] && numbers[i + 1] === numbers[i - 1]
      if (corner) {
        points.push(points.at(-1))
        continue
      }
      const v = high * about(numbers[i + 1], 0.045)
      const u = wide * about(numbers[i], 0.045) - slant * v
      points.push([cx + cos * u - sin * v, cy + sin * u + cos * v])
    }
    const line = smooth(points)
    for (let i = 1; i < line.length; i++) stroke(pixels, line[i - 1], line[i], radius)
  }
}

/** `count` pictures, as many of each digit: [28, 28, 1] from 0 to 1. */
export function drawDigits(count, seed) {
  const random = new Random(seed)
  const pictures = new Float32Array(count * SIDE * SIDE)
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length)
  for (let i = 0; i < count; i++)
    draw(pictures.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), digits[labels[i]], random)
  return { pictures, shape: [SIDE, SIDE, 1], labels }
}

/** Digits to learn from and others to test with, as `shapesData` has them. */
export function digitsData(samples, seed) {
  const part = (count, from) => {
    const { pictures, shape, labels } = drawDigits(count, from)
    return { pictures, inputs: pictures.map((v) => 2 * v - 1), shape, labels }
  }
  return {
    classes,
    learn: part(samples, 2 * seed),
    test: part(Math.min(2000, samples), 2 * seed + 1),
    augment: [shift({ pixels: 2, fill: -1 })],
  }
}
