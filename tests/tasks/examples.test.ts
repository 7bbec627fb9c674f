/** The examples that decode answers: on a model made here, and on those of others where they are present. */
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { describe, expect, it } from 'vitest'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readTensor } from '../../src/onnx/file/schema.js'
import { writeModel } from '../../src/onnx/index.js'
import { shared } from '../support/outside.js'
import { root, temporaryFolder } from '../support/package.js'

const run = (name: string, ...args: string[]): string =>
  execFileSync(process.execPath, [join(root, 'examples', name), ...args], { encoding: 'utf8' })

it.each(['classify.mjs', 'heads.mjs', 'segment.mjs'])('%s says how it is used', (name) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'examples', name)], {
    encoding: 'utf8',
  })
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
  expect(stderr).toMatch(new RegExp(`^Usage: node examples/${name} [^\\n]*\\n$`))
})

it('segment.mjs paints each pixel by what it is of', () => {
  using folder = temporaryFolder()
  const path = (name: string) => join(folder.path, name)
  // The higher of red and blue, a quarter of the picture each way.
  const photo = new PNG({ width: 32, height: 32 })
  for (let i = 0; i < 1024; i++) photo.data.set(i % 32 < 8 ? [255, 0, 0, 255] : [0, 0, 255, 255], 4 * i)
  writeFileSync(path('photo.png'), PNG.sync.write(photo))
  const bytes = writeModel({
    nodes: [{ op: 'Conv', inputs: ['x', 'w'], outputs: ['y'] }],
    inputs: [{ name: 'x', shape: [1, 3, 16, 16] }],
    outputs: [{ name: 'y' }],
    initializers: [{ name: 'w', shape: [2, 3, 1, 1], data: Float32Array.of(1, 0, 0, 0, 0, 1) }],
  })
  writeFileSync(path('model.onnx'), bytes)
  writeFileSync(path('labels.txt'), 'red\nblue\n')
  expect(
    run('segment.mjs', path('model.onnx'), path('photo.png'), path('painted.png'), path('labels.txt')),
  ).toBe(' 75.0 % blue\n 25.0 % red\n')
  const { data } = PNG.sync.read(readFileSync(path('painted.png')))
  // Class 0 has no colour; class 1 has VOC's red for half.
  expect([...data.subarray(0, 4)]).toEqual([255, 0, 0, 255])
  expect([...data.subarray(4 * 31, 4 * 32)]).toEqual([64, 0, 127, 255])
})

const digits = shared('models/mnist_8')
describe.skipIf(!digits)('classify.mjs', () => {
  it('names a digit', () => {
    using folder = temporaryFolder()
    const read = (file: string) =>
      decodeTensor(readTensor(readFileSync(join(digits!, 'test_data_set_0', file))))
    const pixels = read('input_0.pb').data as Float32Array
    const wanted = [...(read('output_0.pb').data as Float32Array)]
    const picture = new PNG({ width: 28, height: 28 })
    pixels.forEach((v, i) => {
      picture.data.set([v, v, v, 255], 4 * i)
    })
    const place = join(folder.path, 'digit.png')
    writeFileSync(place, PNG.sync.write(picture))
    const names = join(folder.path, 'labels.txt')
    writeFileSync(names, Array.from({ length: 10 }, (_, i) => `a ${i}\n`).join(''))
    const output = run('classify.mjs', join(digits!, 'model.onnx'), place, names, '255')
    expect(output).toMatch(new RegExp(`^ *(9\\d|100)\\.\\d % a ${wanted.indexOf(Math.max(...wanted))}\\n`))
  })
})

const heads = shared('zoo/osf_mnv3_detection_opt.onnx')
const photo = shared('images/astronaut.png')
describe.skipIf(!heads || !photo)('heads.mjs', () => {
  it('finds the head, and leaves nothing else', () => {
    using folder = temporaryFolder()
    const masked = join(folder.path, 'heads.png')
    const [, x, y] = /^head [\d.]+ % at (\d+),(\d+)\n$/
      .exec(run('heads.mjs', heads!, photo!, masked))!
      .map(Number)
    expect(x! > 179 && x! < 269 && y! > 63 && y! < 173).toBe(true)
    const { data, width } = PNG.sync.read(readFileSync(masked))
    expect(data[4 * (y! * width + x!) + 3]).toBeGreaterThan(127)
    expect(data[4 * (400 * width + 100) + 3]).toBeLessThan(26)
  })
})
