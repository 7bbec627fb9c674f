/**
 * What is in a picture.
 *
 *   node examples/classify.mjs model.onnx picture.png [labels.txt] [white]
 *
 * labels.txt has a class in each line; white is what the model has for it: 1 (default) or 255.
 */
import { readFileSync } from 'node:fs'
import { createEngine, transpose } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { classify } from 'filterbank/tasks'
import { PNG } from 'pngjs'

const [modelPath, picturePath, labelsPath, white = 1] = process.argv.slice(2)
if (!picturePath) {
  console.error('Usage: node examples/classify.mjs model.onnx picture.png [labels.txt] [white]')
  process.exit(1)
}
const labels = labelsPath && readFileSync(labelsPath, 'utf8').trimEnd().split('\n')

const engine = await createEngine()
const model = await loadModel(engine, modelPath)
const [{ name, shape }] = model.inputs // [1, channels, height, width]
const x = await fromImage(engine, PNG.sync.read(readFileSync(picturePath)), {
  size: shape.slice(2),
  fit: 'cover',
  channels: shape[1] === 1 ? 'gray' : 'rgb',
  range: [0, Number(white)],
})
const outputs = model.run({ [name]: transpose(x, [0, 3, 1, 2]) })
for (const { label, score } of classify(outputs[model.outputs[0].name], { labels, top: 3 }))
  console.log(`${(100 * score).toFixed(1).padStart(5)} % ${label}`)
engine.dispose()
