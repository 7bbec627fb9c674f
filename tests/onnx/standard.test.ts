/** The ONNX standard's own tests of single operators, where the data is present. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { readTensor } from '../../src/onnx/schema.js'
import { decodeTensor, type HostTensor, toUser } from '../../src/onnx/types.js'
import { expectTensor } from '../support/onnx.js'
import { readTar } from '../support/tar.js'
import { unsupported } from './unsupported.js'

const ARCHIVE = join(import.meta.dirname, '../../../shared/testdata/onnx/node-dev.tar.gz')

describe.skipIf(!existsSync(ARCHIVE))(`the standard's tests of operators, from ${ARCHIVE}`, () => {
  const files = existsSync(ARCHIVE) ? readTar(readFileSync(ARCHIVE)) : new Map<string, Uint8Array>()
  const names = [...new Set([...files.keys()].map((path) => path.split('/').find((part) => part.startsWith('test_'))!))].sort()
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine()
  })
  afterAll(() => engine.dispose())

  it('are all there, and those left out exist', () => {
    expect(names.length).toBeGreaterThan(0)
    for (const name of Object.keys(unsupported)) expect(names, 'a name in unsupported.ts').toContain(name)
  })

  for (const name of names) {
    const tensors = (kind: 'input' | 'output'): HostTensor[] =>
      Array.from({ length: 20 }, (_, i) => files.get(`${name}/test_data_set_0/${kind}_${i}.pb`)).flatMap((bytes) =>
        bytes ? [decodeTensor(readTensor(bytes))] : [],
      )
    const run = async () => {
      const before = engine.memory()
      const model = await loadModel(engine, files.get(`${name}/model.onnx`)!)
      try {
        const given = tensors('input')
        const inputs = Object.fromEntries(model.inputs.map((port, i) => [port.name, { data: toUser(given[i]!.type, given[i]!.data), shape: given[i]!.shape }]))
        const wanted = tensors('output')
        // The second run records, the third replays.
        for (let round = 0; round < 3; round++) {
          const outputs = model.run(inputs)
          for (const [i, port] of model.outputs.entries()) expectTensor(outputs[port.name]!, wanted[i]!, 1e-3, `${name} ${port.name}, run ${round}`)
        }
      } finally {
        model.dispose()
      }
      expect(engine.memory().tensors, 'tensors left over').toBe(before.tensors)
    }
    if (name in unsupported) it(`${name}: not yet, ${unsupported[name]}`, () => expect(run()).rejects.toThrow())
    else it(name, run)
  }
})
