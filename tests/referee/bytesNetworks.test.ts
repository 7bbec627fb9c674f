/** Networks as quantisers export them: in bytes from the first layer to the last, with ONNX Runtime's answers. */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { byteTypes, Qdq } from '../support/qdq.js'
import { mobileNet, segmenter } from '../support/qdqNetworks.js'
import { Random } from '../support/random.js'
import { SEED } from './inputs.js'

const shape = [2, 3, 32, 40]

const meanDistance = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0) / a.length

it.each(byteTypes.flatMap((type) => [mobileNet, segmenter].map((make) => ({ type, make }))))(
  '$make.name of $type',
  async ({ type, make }) => {
    const random = new Random(SEED)
    const graph = new Qdq(type, random, [shape])
    const file = graph.file(make(graph, 16), [1 / 256, 0])
    const data = random.floats(
      shape.reduce((a, b) => a * b),
      -2.5,
      2.5,
    )
    const engine = await createEngine({ threads: 1 })
    const model = await loadModel(engine, file)
    let ours: number[] = []
    for (let i = 0; i < 3; i++)
      ours = Array.from((await model.run({ x0: { shape, data } })).y!.toArray() as Int8Array)
    const steps = model.summary()
    expect(steps.filter((step) => step.type !== type)).toEqual([])
    expect(steps.filter(({ kernels }) => kernels.includes('dequantize'))).toEqual([])
    expect(steps.filter(({ kernels }) => kernels.includes('quantize'))).toHaveLength(1)
    engine.dispose()
    const theirs: number[][] = []
    for (const graphOptimizationLevel of ['disabled', 'all'] as const) {
      const options = { logSeverityLevel: 4, intraOpNumThreads: 1, graphOptimizationLevel } as const
      const session = await InferenceSession.create(file, options)
      const { y } = await session.run({ x0: new OnnxTensor('float32', data, shape) })
      await session.release()
      theirs.push(Array.from(y!.data as Int8Array))
    }
    const [plain, optimised] = theirs as [number[], number[]]
    // Ties within are a level each, of which the layers behind make more: its own ways are as far apart.
    const apart = meanDistance(plain, optimised)
    expect(apart).toBeGreaterThan(0)
    for (const other of [plain, optimised]) expect(meanDistance(ours, other)).toBeLessThan(2 * apart + 0.1)
    // What it says differs from place to place.
    expect(new Set(ours).size).toBeGreaterThan(7)
  },
)
