/**
 * Linear Resize of float32 gives the bits of ONNX Runtime, whose four products it takes in the same order: where
 * what follows quantises its results, one that is a last bit away may land on another level, and a network of
 * such layers end up far from there.
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=4000 npx vitest run tests/referee/resizeBits.test.ts
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import { SEED, sizeOf } from './inputs.js'

const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 200)

const RULES = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric']

interface Problem {
  file: Uint8Array
  shape: number[]
  about: string
}

function problemOf(random: Random): Problem {
  const channels = random.pick([1, 2, 3, 4, 5, 7, 8, 16, 33])
  const shape = [random.integer(1, 2), channels, random.integer(1, 14), random.integer(1, 14)]
  const rule = random.pick([...RULES, 'tf_crop_and_resize'])
  // A length that stays is one of two axes that are not both resized.
  const wanted = [2, 3].map((axis) =>
    random.next() < 0.15 ? shape[axis]! : random.next() < 0.3 ? 2 * shape[axis]! : random.integer(1, 30),
  )
  const isBySize = rule === 'align_corners' || random.next() < 0.5
  const scales = wanted.map((length, i) => Math.fround(length / shape[i + 2]!))
  const size = isBySize ? wanted : scales.map((scale, i) => Math.floor(Math.fround(scale * shape[i + 2]!)))
  const region = [0, 0, ...random.floats(2, -0.2, 0.4), 1, 1, ...random.floats(2, 0.6, 1.2)]
  const whole = [...shape.slice(0, 2), ...size]
  const factors = { name: 'factors', shape: [4], data: Float32Array.of(1, 1, ...scales) }
  const lengths = { name: 'lengths', shape: [4], data: BigInt64Array.from(whole, BigInt) }
  const roi = { name: 'roi', shape: [8], data: Float32Array.from(region) }
  const attributes = {
    mode: 'linear',
    coordinate_transformation_mode: rule,
    extrapolation_value: { float: 2.5 },
  }
  const inputs = ['x', 'roi', isBySize ? '' : 'factors', isBySize ? 'lengths' : '']
  const file = writeModel({
    opset: 19,
    nodes: [{ op: 'Resize', inputs, outputs: ['y'], attributes }],
    inputs: [{ name: 'x', shape: shape.map(() => null) }],
    initializers: [roi, isBySize ? lengths : factors],
    outputs: [{ name: 'y', shape: shape.map(() => null) }],
  })
  return { file, shape, about: `${rule}, [${shape}] to [${whole}] by ${isBySize ? 'sizes' : 'scales'}` }
}

inEveryBuild((engine) => {
  it(`linear Resize, the bits of ONNX Runtime, ${PROBLEMS} problems from seed ${SEED}`, {
    timeout: 1000 * PROBLEMS,
  }, async () => {
    const random = new Random(SEED)
    for (let i = 0; i < PROBLEMS; i++) {
      const { file, shape, about } = problemOf(random)
      const data = random.floats(sizeOf(shape))
      const session = await InferenceSession.create(file, { logSeverityLevel: 4 })
      const { y: wanted } = await session.run({ x: new OnnxTensor('float32', data, shape) })
      await session.release()
      using model = await loadModel(engine(), file)
      const y = model.run({ x: { data, shape } }).y!
      expect([...y.shape], about).toEqual([...wanted!.dims])
      const got = y.toArray()
      const apart = (wanted!.data as Float32Array).findIndex((value, at) => got[at] !== value)
      if (apart >= 0)
        expect.fail(
          `problem ${i}: ${about}: element ${apart} is ${got[apart]}, expected ${wanted!.data[apart]}`,
        )
    }
  })
})
