/** What the examples leave beside pictures: result.json, and models that are read back and asked the same. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { transpose } from 'filterbank'
import { predict, saveOnnx } from 'filterbank/nn'
import { loadModel } from 'filterbank/onnx'

/** Of the greatest answer: what sums in another order may make. */
const TOLERANCE = 1e-5

export const tell = (folder, name, about) =>
  console.log(`  ${join(folder, name).padEnd(folder.length + 22)} ${about}`)

/** Numbers to six digits: more are noise. */
const rounded = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value)

export function writeResult(folder, result) {
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify(result, rounded, 2)}\n`)
  tell(folder, 'result.json', JSON.stringify(result, rounded))
}

/** Images as ONNX has them, [n, channels, height, width], and back. */
const first = (x) => (x.shape.length === 4 ? transpose(x, [0, 3, 1, 2]) : x)
const last = (x) => (x.shape.length === 4 ? transpose(x, [0, 2, 3, 1]) : x)

/** What a model answers to `inputs`, numbers of samples of `shape` each: all of it, as numbers. */
export async function answersOf(model, { inputs, shape }) {
  const answers = await predict(model, { inputs, shape }, { batchSize: 100 })
  const numbers = answers.toArray()
  answers.dispose()
  return numbers
}

/**
 * The greatest difference between what a model answers and what its ONNX file does, as a share of the
 * greatest answer.
 *
 * @param inputs numbers of some samples, of `shape` each
 */
export async function differenceOf(path, model, { inputs, shape }) {
  const { engine } = model.parameters[0]
  const loaded = await loadModel(engine, readFileSync(path))
  const own = await answersOf(model, { inputs, shape })
  const count = inputs.length / shape.reduce((a, b) => a * b)
  const read = engine.scope(() => {
    const { output } = loaded.run({ input: first(engine.tensor(inputs, [count, ...shape])) })
    return last(engine.tensor(output.toArray(), output.shape)).toArray()
  })
  loaded.dispose()
  const most = (values, of) => values.reduce((greatest, v, i) => Math.max(greatest, Math.abs(of(v, i))), 0)
  return most(own, (v, i) => v - read[i]) / most(own, (v) => v)
}

/**
 * Writes a model as ONNX, reads it back and compares what both answer to some samples.
 *
 * @param samples { inputs, shape }: numbers of a few samples, and the shape of one
 * @throws Error where they differ by more than the order of sums makes
 */
export async function writeOnnx(folder, name, model, samples, about) {
  const path = join(folder, name)
  writeFileSync(path, saveOnnx(model, samples.shape))
  const apart = await differenceOf(path, model, samples)
  if (!(apart < TOLERANCE))
    throw new Error(`${name} answers otherwise, by ${apart} of the greatest answer: please report this`)
  tell(
    folder,
    name,
    `${about}; answers the same in filterbank/onnx, to ${apart.toExponential(0)} of the greatest answer`,
  )
}
