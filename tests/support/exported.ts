/** What a file of `saveOnnx` answers, by ONNX Runtime and by our own loader, beside the model itself. */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { expect } from 'vitest'
import { type AnyTensor, type Engine, type Tensor, transpose } from '../../src/index.js'
import { type AnyLayer, type SaveOnnxOptions, saveOnnx } from '../../src/nn/index.js'
import { loadModel } from '../../src/onnx/index.js'
import type { Random } from './random.js'

/** A batch of samples, and lengths other than those that the file was made with. */
export interface Asked {
  about: string
  options?: SaveOnnxOptions
  /** Samples; 0: as the default, a random number of them. */
  n?: number
  /** Shapes of one sample to ask with. Default: those of the export. */
  shapes?: readonly (readonly number[])[]
  /** Numbers to ask with. */
  numbers?: (size: number, input: number) => ArrayLike<number>
  tolerance?: number
}

interface Numbers {
  data: ArrayLike<number>
  shape: readonly number[]
}

const listOf = <T>(one: T | readonly T[]): readonly T[] => (Array.isArray(one) ? one : [one as T])

/** Images as the file has them. */
const ported = (x: AnyTensor): Numbers =>
  x.engine.scope(() => {
    const y = x.shape.length === 4 ? transpose(x, [0, 3, 1, 2]) : x
    return { data: y.toArray(), shape: y.shape }
  })

/** The model, ONNX Runtime and our loader give the same for a random batch; gives the file. */
export async function expectExported(
  engine: Engine,
  model: AnyLayer,
  shapes: readonly (readonly number[])[],
  random: Random,
  asked: Asked,
): Promise<Uint8Array> {
  const { about, options, tolerance = 1e-5 } = asked
  const bytes = saveOnnx(model, shapes.length > 1 ? shapes : shapes[0]!, options)
  const n = asked.n ?? random.integer(1, 3)
  const { given, wanted } = engine.scope(() => {
    const x = (asked.shapes ?? shapes).map((sample, i) => {
      const shape = [n, ...sample]
      const size = shape.reduce((a, b) => a * b, 1)
      return engine.tensor((asked.numbers?.(size, i) ?? random.floats(size)) as Float32Array, shape)
    })
    const y = model.forward((x.length > 1 ? x : x[0]) as never) as Tensor | Tensor[]
    return { given: x.map(ported), wanted: listOf(y).map(ported) }
  })
  const compare = (who: string, got: Numbers, i: number) => {
    const { data, shape } = wanted[i]!
    expect([...got.shape], `${about}: ${who}`).toEqual([...shape])
    const scale = Math.max(1e-3, ...Array.from(data, Math.abs).filter(Number.isFinite))
    for (let at = 0; at < data.length; at++) {
      const [a, b] = [Number(got.data[at]), data[at]!]
      if (!(Math.abs(a - b) <= tolerance * scale || Object.is(a, b)))
        expect.fail(
          `${about}: ${who} gives ${a} at ${at} of [${shape}], expected ${b} within ${tolerance} of ${scale}`,
        )
    }
  }
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 3 })
  const feeds = session.inputNames.map((name, i) => [
    name,
    new OnnxTensor('float32', Float32Array.from(given[i]!.data), given[i]!.shape),
  ])
  const answers = await session.run(Object.fromEntries(feeds))
  session.outputNames.forEach((name, i) => {
    const { data, dims } = answers[name]!
    compare('onnxruntime', { data: data as Float32Array, shape: dims }, i)
  })
  await session.release()
  const loaded = await loadModel(engine, bytes)
  const ours = loaded.run(
    Object.fromEntries(
      loaded.inputs.map(({ name }, i) => [
        name,
        { data: Float32Array.from(given[i]!.data), shape: given[i]!.shape },
      ]),
    ),
  )
  loaded.outputs.forEach(({ name }, i) => {
    const { shape } = ours[name]!
    compare('loadModel', { data: ours[name]!.toArray() as ArrayLike<number>, shape }, i)
  })
  loaded.dispose()
  return bytes
}
