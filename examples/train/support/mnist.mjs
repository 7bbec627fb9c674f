/**
 * MNIST from its four files, or from the test files alone: then the last fifth of them is what is tested
 * with.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { readIdx, shift } from 'filterbank/nn'

/** Of all pixels of the training pictures. */
const MEAN = 0.1307
const DEVIATION = 0.3081

function read(folder, part, kind) {
  const names = [`${part}-${kind}-ubyte`, `${part}-${kind.replace('-idx', '.idx')}-ubyte`].flatMap((name) => [
    name,
    `${name}.gz`,
  ])
  const path = names.map((name) => join(folder, name)).find(existsSync)
  if (!path) return undefined
  const bytes = readFileSync(path)
  return readIdx(path.endsWith('.gz') ? gunzipSync(bytes) : bytes)
}

function dataOf(folder, part) {
  const [images, labels] = [read(folder, part, 'images-idx3'), read(folder, part, 'labels-idx1')]
  if (!images || !labels) return undefined
  return {
    pictures: Float32Array.from(images.data, (v) => v / 255),
    shape: [...images.shape.slice(1), 1],
    labels: labels.data,
  }
}

/** Samples [from, to) of some data, as a network sees them. */
function part({ pictures, shape, labels }, from, to) {
  const size = shape[0] * shape[1]
  const shown = pictures.slice(from * size, to * size)
  return {
    pictures: shown,
    inputs: shown.map((v) => (v - MEAN) / DEVIATION),
    shape,
    labels: Int32Array.from(labels.slice(from, to)),
  }
}

export function readMnist(folder, samples = Number.POSITIVE_INFINITY) {
  const [learn, test] = [dataOf(folder, 'train'), dataOf(folder, 't10k')]
  if (!test) throw new Error(`no t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte (.gz or not) in ${folder}`)
  const count = test.labels.length
  const split = Math.floor(0.8 * count)
  return {
    classes: [...'0123456789'],
    learn: learn
      ? part(learn, 0, Math.min(samples, learn.labels.length))
      : part(test, 0, Math.min(samples, split)),
    test: learn ? part(test, 0, count) : part(test, split, count),
    augment: [shift({ pixels: 2, fill: -MEAN / DEVIATION })],
  }
}
