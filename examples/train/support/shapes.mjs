/**
 * A data set that draws itself: ten shapes, turned, scaled and moved, bright on dark or dark on bright, under
 * noise and between scraps of lines.
 */
import { flip, Random, shift } from 'filterbank/nn'

/** Pixels a side. */
export const SIDE = 28

/** Math.hypot takes ten times as long. */
const length = (x, y) => Math.sqrt(x * x + y * y)

const box = (x, y, a, b) => Math.max(Math.abs(x) - a, Math.abs(y) - b)

/**
 * A regular polygon with `n` corners at distance 1, whose edges fold inwards: 1 for none, less for a star.
 */
function star(x, y, n, inner) {
  const wedge = Math.PI / n
  const angle = Math.abs(((Math.atan2(x, -y) + 2 * Math.PI * n + wedge) % (2 * wedge)) - wedge)
  const radius = length(x, y)
  const [px, py] = [radius * Math.cos(angle), radius * Math.sin(angle)]
  // The edge from the tip (1, 0) to the notch between two tips.
  const [qx, qy] = [inner * Math.cos(wedge), inner * Math.sin(wedge)]
  const [ex, ey] = [qx - 1, qy]
  return ((px - 1) * -ey + py * ex) / -length(ex, ey)
}

/** How far (x, y) lies outside of each shape, negative inside; shapes reach from about -1 to 1. */
const shapes = {
  disc: (x, y) => length(x, y) - 0.8,
  ring: (x, y) => Math.abs(length(x, y) - 0.7) - 0.2,
  square: (x, y) => box(x, y, 0.7, 0.7),
  triangle: (x, y) => star(x, y, 3, 0.5),
  star: (x, y) => star(x, y, 5, 0.4),
  cross: (x, y) => Math.min(box(x, y, 0.9, 0.27), box(x, y, 0.27, 0.9)),
  moon: (x, y) => Math.max(length(x, y) - 0.9, 0.75 - length(x - 0.5, y)),
  heart: (x, y) =>
    Math.min(
      (Math.abs(x) + Math.abs(y - 0.1) - 0.74) * Math.SQRT1_2,
      length(Math.abs(x) - 0.37, y + 0.27) - 0.52,
    ),
  arrow: (x, y) =>
    Math.min(box(x, y - 0.35, 0.17, 0.6), Math.max(Math.abs(x) - (y + 0.95) * 0.75, y + 0.1) * 0.8),
  bars: (x, y) => Math.max(Math.abs(((y + 3) % 0.6) - 0.3) - 0.15, box(x, y, 0.75, 0.9)),
}

export const classes = Object.keys(shapes)

const clamp = (v, low, high) => Math.min(high, Math.max(low, v))

/** One picture of a shape, values 0 to 1, into `pixels`. */
function draw(pixels, distance, random) {
  const between = (low, high) => low + (high - low) * random.next()
  const size = between(7.5, 11)
  const angle = between(0, 2 * Math.PI)
  const [cos, sin] = [Math.cos(angle) / size, Math.sin(angle) / size]
  const [cx, cy] = [between(11.5, 16.5), between(11.5, 16.5)]
  const sign = random.next() < 0.5 ? -1 : 1
  const contrast = sign * between(0.35, 0.7)
  const paper = 0.5 - contrast / 2 + between(-0.1, 0.1)
  const [slopeX, slopeY] = [between(-0.006, 0.006), between(-0.006, 0.006)]
  const scraps = Array.from({ length: 5 }, () => {
    const turn = between(0, Math.PI)
    return {
      x: between(0, SIDE),
      y: between(0, SIDE),
      dx: Math.cos(turn),
      dy: Math.sin(turn),
      reach: between(0, 4),
      level: between(-0.5, 0.5),
    }
  })
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      let level = paper + slopeX * (x - SIDE / 2) + slopeY * (y - SIDE / 2)
      for (const scrap of scraps) {
        const [u, v] = [x - scrap.x, y - scrap.y]
        const along = clamp(u * scrap.dx + v * scrap.dy, -scrap.reach, scrap.reach)
        level += scrap.level * clamp(1.2 - length(u - along * scrap.dx, v - along * scrap.dy), 0, 1)
      }
      const [u, v] = [x - cx, y - cy]
      const cover = clamp(0.5 - distance(u * cos + v * sin, v * cos - u * sin) * size, 0, 1)
      level += cover * (paper + contrast - level)
      pixels[y * SIDE + x] = clamp(
        level + 0.1 * (random.next() + random.next() + random.next() + random.next() - 2),
        0,
        1,
      )
    }
  }
}

/** `count` pictures, as many of each class: [28, 28, 1] from 0 to 1. */
export function drawShapes(count, seed) {
  const random = new Random(seed)
  const inputs = new Float32Array(count * SIDE * SIDE)
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes.length)
  const distances = Object.values(shapes)
  for (let i = 0; i < count; i++)
    draw(inputs.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE), distances[labels[i]], random)
  return { inputs, shape: [SIDE, SIDE, 1], labels }
}

const invert = (sample, _shape, random) => (random.next() < 0.5 ? sample.map((v) => -v) : sample)

/**
 * Shapes to learn from and others to test with: `pictures` from 0 to 1, `inputs` around 0, and what leaves a
 * shape the shape that it is.
 */
export function shapesData(samples, seed) {
  const part = (count, from) => {
    const { inputs: pictures, shape, labels } = drawShapes(count, from)
    return { pictures, inputs: pictures.map((v) => 4 * v - 2), shape, labels }
  }
  return {
    classes,
    learn: part(samples, 2 * seed),
    test: part(Math.min(2000, samples), 2 * seed + 1),
    augment: [flip({ vertical: true }), shift({ pixels: 2 }), invert],
  }
}
