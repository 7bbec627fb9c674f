/** node classify.mjs digits.onnx seven.png */
import { readFileSync } from 'node:fs'
import { createEngine, reshape } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { PNG } from 'pngjs'

const [modelPath, ...paths] = process.argv.slice(2)
const engine = await createEngine()
const model = await loadModel(engine, modelPath)
for (const path of paths) {
  const x = await fromImage(engine, PNG.sync.read(readFileSync(path)), { channels: 'gray', size: 28 })
  const { scores } = model.run({ picture: reshape(x, [1, 1, 28, 28]) })
  const all = [...scores.data]
  console.log(`${path}: ${all.indexOf(Math.max(...all))}`)
}
engine.dispose()
