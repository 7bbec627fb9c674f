/**
 * The ONNX standard's own tests, where the data is present: those of single operators, and the package of
 * Debian, which has small networks too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import {
  type Message,
  readMessage,
  readTensor,
  type TensorProto,
  tensor as tensorMessage,
} from '../../src/onnx/file/schema.js'
import { type HostTensor, toUser } from '../../src/onnx/file/types.js'
import {
  type AnyModelOutputs,
  loadModel,
  type ModelInputs,
  type ModelOutput,
  type Port,
} from '../../src/onnx/index.js'
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

type Held = HostTensor | HostTensor[] | null

/** SequenceProto and OptionalProto of the standard's onnx-data.proto: 2 is the kind of what they hold. */
const sequenceProto: Message = { 2: ['kind', 'int'], 3: ['tensors', [tensorMessage]] }
const optionalProto: Message = {
  2: ['kind', 'int'],
  3: ['tensor', tensorMessage],
  5: ['sequence', sequenceProto],
}

/** The same, or zeros where it should have as many numbers as this shape. */
function numbersLike(value: HostTensor, shape: readonly number[]): HostTensor {
  const { type, data } = value
  const length = shape.reduce((size, n) => size * n, 1)
  if (data.length === length) return value
  return { type, shape, data: new (data.constructor as Float32ArrayConstructor)(length) }
}

/** Types of elements in the standard's numbering. */
const [UINT16, BFLOAT16] = [4, 16]

/** What a file of the test data holds, by the port that it is for. */
function held(bytes: Uint8Array, { sequence, optional, type }: Port): Held {
  const decoded = (list: unknown) => (list as TensorProto[]).map((proto) => decodeTensor(proto))
  const read = (message: Message) => readMessage<Record<string, unknown>>(message, bytes)
  if (optional) {
    const { tensor, sequence: list } = read(optionalProto)
    if (list) return decoded((list as { tensors: unknown }).tensors)
    return tensor ? decodeTensor(tensor as TensorProto) : null
  }
  if (sequence) return decoded(read(sequenceProto)['tensors'])
  const tensor = readTensor(bytes)
  // Some tests of bfloat16 have their bits as uint16.
  return decodeTensor(
    type === 'bfloat16' && tensor.dataType === UINT16 ? { ...tensor, dataType: BFLOAT16 } : tensor,
  )
}

async function run(name: string, file: Source['file']): Promise<void> {
  const given = (kind: 'input' | 'output', ports: readonly Port[]): Held[] =>
    ports.map((port, i) => {
      const bytes = file(name, `test_data_set_0/${kind}_${i}.pb`)
      return bytes ? held(bytes, port) : null
    })
  const before = engine.memory()
  const model = await loadModel(engine, file(name, 'model.onnx')!)
  try {
    const input = ({ type, data, shape }: HostTensor) => ({ data: toUser(type, data), shape })
    const values = given('input', model.inputs).map((value, i) => {
      const { name, shape } = model.inputs[i]!
      // Of what only tells a type, some files have fewer numbers than the model declares.
      const isLike = name === 'like' && value && !Array.isArray(value)
      return isLike ? numbersLike(value, shape as number[]) : value
    })
    const inputs: ModelInputs = Object.fromEntries(
      model.inputs.map((port, i) => {
        const value = values[i]!
        return [port.name, Array.isArray(value) ? value.map(input) : value && input(value)]
      }),
    )
    const wanted = given('output', model.outputs)
    // The second run records, the third replays.
    for (let round = 0; round < 3; round++) {
      const outputs: AnyModelOutputs = model.run(inputs)
      for (const [i, port] of model.outputs.entries()) {
        const about = `${name} ${port.name}, run ${round}`
        const [output, value] = [outputs[port.name]!, wanted[i]!]
        if (!Array.isArray(value)) {
          if (value && /bernoulli/.test(name)) {
            // Chance has no right answer: yes and no in the right shape.
            const { type, shape } = output as ModelOutput
            expect([type, ...shape], about).toEqual([value.type, ...value.shape])
            expect(new Set([...(output as ModelOutput).toArray(), 0, 1]), about).toEqual(new Set([0, 1]))
          } else if (value) {
            // Those tests cut bfloat16 off, where newer ones and the standard round.
            const relative = value.type === 'bfloat16' ? 2 ** -7 : 1e-3
            expectTensor(output as ModelOutput, value, relative, about)
          } else expect(output, about).toBeNull()
          continue
        }
        expect(output, about).toHaveLength(value.length)
        value.forEach((item, k) => {
          expectTensor((output as ModelOutput[])[k]!, item, 1e-3, `${about}[${k}]`)
        })
      }
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
