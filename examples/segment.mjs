/**
 * What each pixel of a photo is of, painted over it.
 *
 *   node examples/segment.mjs model.onnx photo.png painted.png [labels.txt]
 *
 * The model has an input of [1, 3, height, width] as ImageNet's have it, and a map for each class.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createEngine, transpose } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { paintSegments, segment } from 'filterbank/tasks'
import { PNG } from 'pngjs'

const [modelPath, photoPath, paintedPath, labelsPath] = process.argv.slice(2)
if (!paintedPath) {
  console.error('Usage: node examples/segment.mjs model.onnx photo.png painted.png [labels.txt]')
  process.exit(1)
}
const labels = labelsPath && readFileSync(labelsPath, 'utf8').trimEnd().split('\n')
const engine = await createEngine()
const model = await loadModel(engine, modelPath)
const photo = PNG.sync.read(readFileSync(photoPath))
const [{ name, shape }] = model.inputs
const size = shape.slice(2)
const x = await fromImage(engine, photo, { size, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] })
const outputs = model.run({ [name]: transpose(x, [0, 3, 1, 2]) })
const segments = segment(outputs[model.outputs[0].name], { size, picture: photo, labels })
for (const { label, share } of segments.found)
  console.log(`${(100 * share).toFixed(1).padStart(5)} % ${label}`)

const { data } = paintSegments(segments)
photo.data.set(photo.data.map((v, i) => (data[i | 3] && i % 4 < 3 ? (v + data[i]) / 2 : v)))
writeFileSync(paintedPath, PNG.sync.write(photo))
engine.dispose()
