/**
 * Where heads are in a photo: their middles, of a heatmap, and the heatmap itself laid over the photo as a mask.
 *
 *   node examples/heads.mjs mnv3_detection_opt.onnx photo.png heads.png
 *
 * The model: the face detector of OpenSeeFace.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createEngine, transpose } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { paintMask, peaks } from 'filterbank/tasks'
import { PNG } from 'pngjs'

const [modelPath, photoPath, maskedPath = 'heads.png'] = process.argv.slice(2)
if (!photoPath) {
  console.error('Usage: node examples/heads.mjs mnv3_detection_opt.onnx photo.png [heads.png]')
  process.exit(1)
}
const size = 224
const engine = await createEngine()
const model = await loadModel(engine, modelPath)
const photo = PNG.sync.read(readFileSync(photoPath))
const x = await fromImage(engine, photo, { size, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] })
const { output } = model.run({ input: transpose(x, [0, 3, 1, 2]) }) // how likely, how large
const place = { size, picture: photo }
for (const { x, y, score } of peaks(output, { ...place, threshold: 0.6 }))
  console.log(`head ${(100 * score).toFixed(1)} % at ${Math.round(x)},${Math.round(y)}`)

const { data } = paintMask(output, { ...place, channel: 0 })
for (let i = 3; i < data.length; i += 4) photo.data[i] = data[i]
writeFileSync(maskedPath, PNG.sync.write(photo))
engine.dispose()
