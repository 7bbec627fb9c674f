/**
 * The ONNX standard's own tests, where the data is present: those of single operators, and the package of
 * Debian, which has small networks too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readTensor } from '../../src/onnx/file/schema.js'
import { type HostTensor, toUser } from '../../src/onnx/file/types.js'
import { loadModel } from '../../src/onnx/index.js'
import { expectTensor } from '../support/onnx.js'
import { onnxTests, shared } from '../support/outside.js'
import { readTar } from '../support/tar.js'
import { unsupported } from './unsupported.js'

/** Tests by name, and a file of one of them by its path inside. */
interface Source {
  names: string[]
  file(name: string, path: string): Uint8Array | undefined
}

const GROUPS = ['node', 'pytorch-converted', 'pytorch-operator', 'simple']

function archived(archive: string): Source {
  const files = readTar(readFileSync(archive))
  const names = [
    ...new Set([...files.keys()].map((path) => path.split('/').find((part) => part.startsWith('test_'))!)),
  ].sort()
  return { names, file: (name, path) => files.get(`${name}/${path}`) }
}

function installed(folder: string): Source {
  const folders = new Map(
    GROUPS.flatMap((group) =>
      readdirSync(join(folder, group)).map((name) => [name, join(folder, group, name)]),
    ),
  )
  const file = (name: string, path: string) => {
    const place = join(folders.get(name)!, path)
    return existsSync(place) ? new Uint8Array(readFileSync(place)) : undefined
  }
  return { names: [...folders.keys()], file }
}

let engine: Engine
beforeAll(async () => {
  engine = await createEngine()
})
afterAll(() => engine.dispose())

async function run(name: string, file: Source['file']): Promise<void> {
  const tensors = (kind: 'input' | 'output'): HostTensor[] =>
    Array.from({ length: 20 }, (_, i) => file(name, `test_data_set_0/${kind}_${i}.pb`)).flatMap((bytes) =>
      bytes ? [decodeTensor(readTensor(bytes))] : [],
    )
  const before = engine.memory()
  const model = await loadModel(engine, file(name, 'model.onnx')!)
  try {
    const given = tensors('input')
    const inputs = Object.fromEntries(
      model.inputs.map((port, i) => [
        port.name,
        { data: toUser(given[i]!.type, given[i]!.data), shape: given[i]!.shape },
      ]),
    )
    const wanted = tensors('output')
    // The second run records, the third replays.
    for (let round = 0; round < 3; round++) {
      const outputs = model.run(inputs)
      for (const [i, port] of model.outputs.entries())
        expectTensor(outputs[port.name]!, wanted[i]!, 1e-3, `${name} ${port.name}, run ${round}`)
    }
  } finally {
    model.dispose()
  }
  expect(engine.memory().tensors, 'tensors left over').toBe(before.tensors)
}

const all = new Set<string>()
const places = [
  [shared('onnx/node-dev.tar.gz'), archived],
  [onnxTests, installed],
] as const
for (const [place, open] of places) {
  describe.skipIf(!place)(`the standard's tests from ${place ?? 'nowhere'}`, () => {
    const { names, file }: Source = place ? open(place) : { names: [], file: () => undefined }
    it('are there', () => expect(names.length).toBeGreaterThan(0))
    for (const name of names) {
      all.add(name)
      const reason = unsupported.get(name)
      if (reason) it(`${name}: not yet, ${reason}`, () => expect(run(name, file)).rejects.toThrow())
      else it(name, () => run(name, file))
    }
  })
}
it.skipIf(places.some(([place]) => !place))('those left out exist', () =>
  expect([...unsupported.keys()].filter((name) => !all.has(name))).toEqual([]),
)
