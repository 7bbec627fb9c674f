/**
 * Finds faces in a photo and draws boxes around them.
 *
 *   node examples/face.mjs ultraface.onnx photo.png faces.png
 *
 * The model: version-RFB-320 of Linzaer's Ultra-Light-Fast-Generic-Face-Detector-1MB, without
 * post-processing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createEngine, resize, transpose } from 'filterbank'
import { fromImageData } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { PNG } from 'pngjs'

const [modelPath, photoPath, drawnPath = 'faces.png'] = process.argv.slice(2)
if (!photoPath) {
  console.error('Usage: node examples/face.mjs ultraface.onnx photo.png [faces.png]')
  process.exit(1)
}
const [WIDTH, HEIGHT] = [320, 240]
/** Sides of the anchors in pixels, at the points of a grid of so many pixels. */
const ANCHORS = [
  { step: 8, sides: [10, 16, 24] },
  { step: 16, sides: [32, 48] },
  { step: 32, sides: [64, 96] },
  { step: 64, sides: [128, 192, 256] },
]
/** Least score of a face. */
const LEAST = 0.7
/** Two boxes that share more of their union are the same face. */
const MOST_SHARED = 0.3

const engine = await createEngine()
const model = await loadModel(engine, modelPath)
const photo = PNG.sync.read(readFileSync(photoPath))
const { scores, boxes } = engine.scope(() => {
  const x = fromImageData(engine, photo, { mean: 127 / 255, std: 128 / 255 })
  return model.run({
    input: transpose(resize(x, { size: [HEIGHT, WIDTH], method: 'bilinear' }), [0, 3, 1, 2]),
  })
})

const faces = apart(decode(scores.data, boxes.data))
for (const { score, left, top, right, bottom } of faces) {
  const [x0, x1] = [left, right].map((x) => Math.round(x * photo.width))
  const [y0, y1] = [top, bottom].map((y) => Math.round(y * photo.height))
  frame(photo, x0, y0, x1, y1)
  console.log(`face ${(100 * score).toFixed(1)} % at ${x0},${y0} to ${x1},${y1}`)
}
writeFileSync(drawnPath, PNG.sync.write(photo))
engine.dispose()

/**
 * Boxes in parts of the photo: each anchor moved by a tenth of what the network says in its sides, and scaled
 * by e to a fifth.
 */
function decode(scores, boxes) {
  const found = []
  let i = 0
  for (const { step, sides } of ANCHORS) {
    for (let row = 0; row < Math.ceil(HEIGHT / step); row++) {
      for (let column = 0; column < Math.ceil(WIDTH / step); column++) {
        for (const side of sides) {
          const score = scores[2 * i + 1] // [background, face]
          const [dx, dy, dw, dh] = boxes.subarray(4 * i, 4 * ++i)
          if (score < LEAST) continue
          const [w, h] = [side / WIDTH, side / HEIGHT]
          const [x, y] = [
            ((column + 0.5) * step) / WIDTH + 0.1 * dx * w,
            ((row + 0.5) * step) / HEIGHT + 0.1 * dy * h,
          ]
          const [halfW, halfH] = [(w * Math.exp(0.2 * dw)) / 2, (h * Math.exp(0.2 * dh)) / 2]
          found.push({ score, left: x - halfW, top: y - halfH, right: x + halfW, bottom: y + halfH })
        }
      }
    }
  }
  return found
}

/** The best boxes of those that are about the same: non-maximum suppression. */
function apart(found) {
  const kept = []
  for (const box of found.sort((a, b) => b.score - a.score))
    if (kept.every((other) => shared(box, other) <= MOST_SHARED)) kept.push(box)
  return kept
}

/** Intersection over union. */
function shared(a, b) {
  const area = ({ left, top, right, bottom }) => Math.max(0, right - left) * Math.max(0, bottom - top)
  const both = area({
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  })
  return both / (area(a) + area(b) - both)
}

/** A frame three pixels wide. */
function frame({ data, width, height }, x0, y0, x1, y1) {
  for (let y = Math.max(0, y0); y <= Math.min(height - 1, y1); y++) {
    for (let x = Math.max(0, x0); x <= Math.min(width - 1, x1); x++) {
      if (Math.min(x - x0, x1 - x, y - y0, y1 - y) < 3) data.set([255, 221, 0, 255], (y * width + x) * 4)
    }
  }
}
