/** Whole networks with the answers that others gave, where the data is present. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readTensor } from '../../src/onnx/file/schema.js'
import { type HostTensor, toUser } from '../../src/onnx/file/types.js'
import { loadModel } from '../../src/onnx/index.js'
import { expectTensor } from '../support/onnx.js'
import { shared } from '../support/outside.js'
import { readTar } from '../support/tar.js'

const LIGHT = shared('onnx/light.tar.gz')
const MODELS = shared('models')

let engine: Engine
beforeAll(async () => {
  engine = await createEngine()
})
afterAll(() => {
  expect(engine.memory().tensors, 'tensors left over').toBe(0)
  engine.dispose()
})

const tensorOf = (bytes: Uint8Array): HostTensor => decodeTensor(readTensor(bytes))
const given = ({ type, shape, data }: HostTensor) => ({ data: toUser(type, data), shape })

describe.skipIf(!LIGHT)(`architectures with constant weights, from ${LIGHT ?? 'nowhere'}`, () => {
  const files = LIGHT ? readTar(readFileSync(LIGHT)) : new Map<string, Uint8Array>()
  const names = [...files.keys()].filter((path) => path.endsWith('.onnx')).sort()
  for (const path of names) {
    it(path, { timeout: 300_000 }, async () => {
      using model = await loadModel(engine, files.get(path)!)
      const wanted = tensorOf(files.get(path.replace('.onnx', '_output_0.pb'))!)
      const { name, shape } = model.inputs[0]!
      const lengths = shape!.map((length) => (typeof length === 'number' ? length : 1))
      // As the standard's own runner makes them: 0, 1, 2, ... divided by how many they are.
      const size = lengths.reduce((product, length) => product * length, 1)
      const data = Float32Array.from({ length: size }, (_, i) => i / size)
      for (let round = 0; round < 2; round++) {
        const outputs = model.run({ [name]: { data, shape: lengths } })
        expectTensor(
          outputs[model.outputs[0]!.name]!,
          wanted,
          path.includes('densenet') ? 2e-3 : 1e-3,
          `run ${round}`,
        )
      }
    })
  }
})

describe.skipIf(!MODELS)(`published networks, from ${MODELS ?? 'nowhere'}`, () => {
  const names = MODELS ? readdirSync(MODELS) : []
  for (const name of names) {
    it(name, { timeout: 300_000 }, async () => {
      const folder = join(MODELS!, name)
      using model = await loadModel(engine, join(folder, 'model.onnx'))
      for (const set of readdirSync(folder).filter((entry) => entry.includes('data_set'))) {
        const read = (kind: string, i: number) => tensorOf(readFileSync(join(folder, set, `${kind}_${i}.pb`)))
        const inputs = Object.fromEntries(model.inputs.map((port, i) => [port.name, given(read('input', i))]))
        for (let round = 0; round < 2; round++) {
          const outputs = model.run(inputs)
          for (const [i, port] of model.outputs.entries())
            expectClose(
              outputs[port.name]!.toArray() as Float32Array,
              read('output', i),
              `${set}, ${port.name}`,
            )
        }
      }
    })
  }
})

/**
 * Sums of many products differ by what they are rounded from: each number within 1e-3 of itself and of the
 * largest / 1000.
 */
function expectClose(actual: Float32Array, wanted: HostTensor, about: string): void {
  const numbers = wanted.data as Float32Array
  expect(actual.length, about).toBe(numbers.length)
  const largest = numbers.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  for (const [i, v] of actual.entries()) {
    const near = Math.abs(v - numbers[i]!) <= 1e-3 * Math.abs(numbers[i]!) + 1e-4 * largest
    if (!near) expect.fail(`${about}: element ${i} is ${v}, expected ${numbers[i]}`)
  }
}
