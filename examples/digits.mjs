/**
 * A small network that reads digits, for the other examples: learned in seconds from digits that are drawn.
 *
 *   node examples/digits.mjs [FOLDER]     writes digits.onnx there, and seven.png to try it with
 *
 * It takes `picture` [n, 1, 28, 28], 1 where there is ink and 0 where there is paper, and gives `scores` [n, 10].
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEngine } from 'filterbank'
import { adam, Conv2d, evaluate, Flatten, fit, Linear, MaxPool2d, Sequential, saveOnnx } from 'filterbank/nn'
import { PNG } from 'pngjs'
import { drawDigits } from './train/support/digits.mjs'

const [folder = '.'] = process.argv.slice(2)
const path = join(folder, 'digits.onnx')
const engine = await createEngine()
const model = new Sequential(
  new Conv2d(engine, { inChannels: 1, outChannels: 16, size: 5, activation: 'relu', seed: 1 }),
  new MaxPool2d({ size: 2 }),
  new Conv2d(engine, { inChannels: 16, outChannels: 32, size: 5, activation: 'relu', seed: 2 }),
  new MaxPool2d({ size: 2 }),
  new Flatten(),
  new Linear(engine, { inFeatures: 512, outFeatures: 10, seed: 3 }),
)
const part = (count, seed) => {
  const { pictures, shape, labels } = drawDigits(count, seed)
  return { inputs: pictures, shape, labels }
}
await fit(model, part(2000, 1), { optimizer: adam(model.parameters), epochs: 3, seed: 4 })
const { accuracy } = await evaluate(model, part(1000, 2))
writeFileSync(path, saveOnnx(model, [28, 28, 1], { inputs: ['picture'], outputs: ['scores'] }))
console.log(`${path}: reads ${(100 * accuracy).toFixed(1)} % of 1000 digits that it has not seen`)
engine.dispose()

const seven = drawDigits(8, 3).pictures.subarray(7 * 28 * 28)
const png = new PNG({ width: 28, height: 28 })
png.data.set(Uint8Array.from(png.data, (_, i) => (i % 4 === 3 ? 255 : 255 * seven[i >> 2])))
writeFileSync(join(folder, 'seven.png'), PNG.sync.write(png))
