/** Pictures as inputs of models, on this thread. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { loadModel, type Model, writeModel } from '../../src/onnx/index.js'

const bytes = (elemType: 'float32' | 'uint8', shape: (number | string)[]) =>
  writeModel({
    nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    inputs: [{ name: 'x', type: elemType, shape }],
    outputs: [{ name: 'y', type: elemType }],
  })
const photo = {
  data: Uint8ClampedArray.from({ length: 4 * 6 * 4 }, (_, i) => (i * 7) % 256),
  width: 6,
  height: 4,
}

describe('a picture as the input of a model', () => {
  let engine: Engine
  let model: Model
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
    model = await loadModel(engine, bytes('float32', [1, 3, 4, 6]))
  })
  afterAll(() => engine.dispose())

  const wanted = Float32Array.from({ length: 72 }, (_, i) => {
    const [c, pixel] = [Math.floor(i / 24), i % 24]
    return (photo.data[4 * pixel + (2 - c)]! / 255 - [0.1, 0.2, 0.3][c]!) / 0.5
  })
  const input = { image: photo, channels: 'bgr', mean: [0.1, 0.2, 0.3], std: 0.5 } as const

  it('is scaled, ordered and laid out as the input says, at once or in turns', async () => {
    let tensors = 0
    for (let run = 0; run < 6; run++) {
      // By then the run is recorded, and keeps what it needs.
      if (run === 3) tensors = engine.memory().tensors
      const now = model.run({ x: input })['y']!
      const later = (await model.runAsync({ x: input }))['y']!
      expect(now).toEqual(later)
      expect(now.shape).toEqual([1, 3, 4, 6])
      for (const [i, v] of (now.toArray() as Float32Array).entries())
        expect(Math.abs(v - wanted[i]!)).toBeLessThan(1e-5)
    }
    expect(engine.memory().tensors).toBe(tensors)
    const small = { data: new Uint8Array([9, 9, 9, 255]), width: 1, height: 1 }
    expect(model.run({ x: { image: small } })['y']!.shape).toEqual([1, 3, 4, 6])
  })

  it('is bytes for an input of bytes, channels last, gray for one channel', async () => {
    using bytesIn = await loadModel(engine, bytes('uint8', [1, 4, 6, 1]))
    const { data } = bytesIn.run({ x: { image: photo } })['y']!
    expect([...(data as Uint8Array)]).toEqual(
      Array.from({ length: 24 }, (_, i) => {
        const [r, g, b] = photo.data.subarray(4 * i)
        return Math.round(0.299 * r! + 0.587 * g! + 0.114 * b!)
      }),
    )
  })

  it('leaves other inputs as they were when the run was asked for', async () => {
    using sum = await loadModel(
      engine,
      writeModel({
        nodes: [{ op: 'Add', inputs: ['x', 'z'], outputs: ['y'] }],
        inputs: [
          { name: 'x', shape: [1, 3, 4, 6] },
          { name: 'z', shape: [1] },
        ],
        outputs: [{ name: 'y' }],
      }),
    )
    const z = Float32Array.of(2)
    const running = sum.runAsync({ x: input, z })
    z[0] = 100
    const y = (await running)['y']!.toArray() as Float32Array
    expect(Math.abs(y[0]! - wanted[0]! - 2)).toBeLessThan(1e-5)
  })

  it('says which input is wrong, and what to do', async () => {
    const failure = async (x: object) => {
      const caught: FilterbankError[] = []
      try {
        model.run({ x: x as never })
      } catch (error) {
        caught.push(error as FilterbankError)
      }
      await model.runAsync({ x: x as never }).catch((error) => caught.push(error))
      expect(caught.every((error) => error instanceof FilterbankError)).toBe(true)
      return caught.map(({ message }) => message)
    }
    for (const [x, text] of [
      [{ image: 5 }, 'model.run: image of input "x" must be ImageData'],
      [{ image: photo, std: 0 }, 'model.run: std of input "x" must be a finite, non-zero number'],
      [{ image: photo, channels: 'gray' }, 'model.run: channels of input "x" must be "rgb" or "bgr"'],
      [{ image: photo, sice: 3 }, 'model.run: sice must be one of its options'],
      [
        { image: photo, size: 3 },
        'model.run: input "x" must be float32 [1, 3, 4, 6], got float32 [1, 3, 3, 3]',
      ],
    ] as const) {
      const messages = await failure(x)
      expect(messages.length).toBe(2)
      for (const message of messages) expect(message).toContain(text)
    }
    const blob = new Blob([new Uint8Array(3)])
    expect(() => model.run({ x: { image: blob } })).toThrow(/a Blob, which takes time to decode.*runAsync/)
    using vector = await loadModel(engine, bytes('float32', [3]))
    expect(() => vector.run({ x: { image: photo } })).toThrow(/a picture goes into an input of/)
  })
})
