/**
 * Finds faces in a photo and draws boxes around them.
 *
 *   node examples/face.mjs ultraface.onnx photo.png faces.png
 *
 * The model: version-RFB-320 of Linzaer's Ultra-Light-Fast-Generic-Face-Detector-1MB, without
 * post-processing.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createEngine, transpose } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { anchors, detect } from 'filterbank/tasks'
import { PNG } from 'pngjs'

const [modelPath, photoPath, drawnPath = 'faces.png'] = process.argv.slice(2)
if (!photoPath) {
  console.error('Usage: node examples/face.mjs ultraface.onnx photo.png [faces.png]')
  process.exit(1)
}
const size = [240, 320]
const priors = anchors(size, [
  { step: 8, sides: [10, 16, 24] },
  { step: 16, sides: [32, 48] },
  { step: 32, sides: [64, 96] },
  { step: 64, sides: [128, 192, 256] },
])

const engine = await createEngine()
const model = await loadModel(engine, modelPath)
const photo = PNG.sync.read(readFileSync(photoPath))
const x = await fromImage(engine, photo, { size, range: [0, 255], mean: 127, std: 128 })
const outputs = model.run({ input: transpose(x, [0, 3, 1, 2]) })
for (const { score, ...box } of detect(outputs, { anchors: priors, threshold: 0.7, size, picture: photo })) {
  const [x0, y0, x1, y1] = [box.left, box.top, box.right, box.bottom].map(Math.round)
  console.log(`face ${(100 * score).toFixed(1)} % at ${x0},${y0} to ${x1},${y1}`)
  for (let y = y0; y < y1; y++) {
    for (let x = x0; x < x1; x++) {
      const edge = Math.min(x - x0, x1 - 1 - x, y - y0, y1 - 1 - y)
      if (edge < 3) photo.data.set([255, 221, 0, 255], (y * photo.width + x) * 4)
    }
  }
}
writeFileSync(drawnPath, PNG.sync.write(photo))
engine.dispose()
