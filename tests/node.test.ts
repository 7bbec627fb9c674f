/** Pictures in folders, as data to learn from. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../src/index.js'
import { Flatten, Linear, Sequential, sgd, fit as train } from '../src/nn/index.js'
import { readImages } from '../src/node/index.js'
import { temporaryFolder } from './support/package.js'

function writePng(path: string, width: number, height: number, color: readonly number[]): void {
  const png = new PNG({ width, height })
  for (let i = 0; i < width * height; i++) png.data.set([...color, 255], i * 4)
  writeFileSync(path, PNG.sync.write(png))
}

describe('readImages', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  it('reads a folder of pictures by class, scales them, and says what is wrong', async () => {
    using folder = temporaryFolder()
    for (const name of ['red', 'blue']) mkdirSync(join(folder.path, name))
    writePng(join(folder.path, 'red', 'b.png'), 3, 2, [255, 0, 0])
    writePng(join(folder.path, 'red', 'a.PNG'), 3, 2, [204, 0, 0])
    writePng(join(folder.path, 'blue', '1.png'), 3, 2, [0, 0, 255])
    writeFileSync(join(folder.path, 'blue', 'notes.txt'), 'nothing to see')
    const images = readImages(engine, folder.path)
    expect(images).toMatchObject({ shape: [2, 3, 3], classes: ['blue', 'red'] })
    expect([...images.labels]).toEqual([0, 1, 1])
    expect(images.paths.map((path) => path.slice(folder.path.length + 1))).toEqual(
      ['blue/1.png', 'red/a.PNG', 'red/b.png'].map((path) => join(path)),
    )
    expect(images.inputs[18]).toBeCloseTo(0.8, 6)
    expect(images.inputs.slice(0, 3)).toEqual(Float32Array.of(0, 0, 1))

    const model = new Sequential(new Flatten(), new Linear(engine, { inFeatures: 18, outFeatures: 2 }))
    const optimizer = sgd(model.parameters, { learningRate: 0.1 })
    const history = await train(model, images, { optimizer, epochs: 20, batchSize: 3 })
    expect(history.at(-1)!.accuracy).toBe(1)
    model.dispose()
    optimizer.dispose()

    writePng(join(folder.path, 'red', 'c.png'), 4, 4, [255, 0, 0])
    expect(() => readImages(engine, folder.path)).toThrow(
      'c.png must be 3 x 2 pixels, as the first, got 4 x 4. Give a size',
    )
    expect(readImages(engine, folder.path, { size: [5, 5], channels: 'gray' })).toMatchObject({
      shape: [5, 5, 1],
      inputs: { length: 100 },
    })
    const half = readImages(engine, folder.path, { size: [1, 2] })
    expect([...half.inputs].map((v) => Math.round(v * 1000) / 1000)).toEqual([
      0,
      0,
      1,
      0,
      0,
      1,
      ...[0.8, 1, 1].flatMap((red) => [red, 0, 0, red, 0, 0]),
    ])
    expect(() => readImages(engine, folder.path, { size: [0, 2] })).toThrow(
      'readImages: size must be [height, width], positive integers, got [0, 2]',
    )
    writeFileSync(join(folder.path, 'red', 'd.jpg'), 'no picture')
    expect(() => readImages(engine, folder.path, { size: [5, 5] })).toThrow('it is neither a PNG nor a JPEG')
    expect(() => readImages(engine, join(folder.path, 'green'))).toThrow(
      'readImages: folder must be a folder that can be read',
    )
    expect(() => readImages(engine, join(folder.path, 'red'))).toThrow(
      'a folder of PNG or JPEG files for every class',
    )
    expect(engine.memory().tensors).toBe(0)
  })
})
