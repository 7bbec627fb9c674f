/**
 * ONNX Runtime as the referee of single operators of ONNX models, in the variants that the standard defines:
 * modes, attributes, axes, ranks, types.
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=4000 npx vitest run tests/referee/operators.test.ts
 *
 * Not asked is what ONNX Runtime 1.30 lacks, and where it differs from the standard: align_corners by a scale
 * that makes no whole length (the standard counts with the length before it is cut), MaxUnpool into another
 * shape (whose indices count in the natural one).
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { type ElementType, loadModel, type ModelOutput } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'
import { type Line, SEED, sizeOf } from './inputs.js'
import { families as common } from './problems.js'
import { families as learned } from './problemsLearned.js'
import { families as networks } from './problemsNetworks.js'
import { families as rare } from './problemsRare.js'

const families = { ...common, ...networks, ...learned, ...rare }

const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 500)
const random = new Random(SEED)

const nameOf = (i: number) => `x${i}`

/** The model of one node; outputs of the types that it turned out to have. */
function modelOf(
  { op, inputs, attributes, outputs = 1, opset = 21, version = 1, fixed = false }: Line,
  types: readonly ElementType[] = [],
): Uint8Array {
  const ends = Array.from({ length: outputs }, (_, i) => `y${i}`)
  const named = inputs.flatMap((input, i) => (input ? [{ name: nameOf(i), ...input }] : []))
  // The first comes with each run; the others may stand in the file.
  const isFirst = ({ name }: { name: string }) => name === nameOf(0)
  return writeModel({
    opset,
    domains: { [op.slice(0, Math.max(0, op.lastIndexOf('.')))]: version },
    nodes: [
      {
        op,
        inputs: inputs.map((input, i) => (input ? nameOf(i) : '')),
        outputs: ends,
        ...(attributes && { attributes }),
      },
    ],
    inputs: named
      .filter((input) => isFirst(input) || !fixed)
      .map(({ name, type, shape }) => ({ name, type, shape: shape.map(() => null) })),
    initializers: named.filter((input) => !isFirst(input) && fixed),
    outputs: ends.map((name, i) => ({ name, ...(types[i] && { type: types[i] }) })),
  })
}

const given = ({ inputs, fixed }: Line) =>
  inputs.flatMap((input, i) => (input && !(i && fixed) ? [[nameOf(i), input] as const] : []))

async function ask(line: Line, types: readonly ElementType[]): Promise<OnnxTensor[]> {
  const session = await InferenceSession.create(modelOf(line, types), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 4,
  })
  try {
    const feeds = given(line).map(([name, { type, shape, data }]) => [
      name,
      new OnnxTensor(type, data as never, shape),
    ])
    const results = await session.run(Object.fromEntries(feeds))
    return types.map((_, i) => results[`y${i}`]!)
  } finally {
    await session.release()
  }
}

/**
 * What decides the way that a node takes: its operator, which inputs and attributes there are, and the types.
 */
function kindOf({ op, inputs, attributes = {}, opset = 21 }: Line): string {
  const settings = Object.entries(attributes).map(([name, value]) =>
    typeof value === 'string' ? `${name} ${value}` : name,
  )
  return [op, opset, ...inputs.map((input) => input?.type), ...settings].join(' ')
}

/** Attributes as a message has them: of long lists the beginning. */
const attributesOf = ({ attributes = {} }: Line): string =>
  Object.entries(attributes)
    .map(([name, value]) => {
      const text = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part)) ?? ''
      return `${name}: ${text.length > 80 ? `${text.slice(0, 80)}...` : text}`
    })
    .join(', ')

const COUNT = Object.values(families).reduce((sum, lines) => sum + lines.length, 0)

describe('a node of an ONNX model gives what ONNX Runtime gives', () => {
  for (const [name, lines] of Object.entries(families)) {
    // One of each kind, and the same share of each family, drawn anew for each seed.
    const kinds = new Set(new Map(lines.map((line) => [kindOf(line), line])).values())
    const chosen = lines
      .filter((line) => random.next() < PROBLEMS / COUNT || kinds.has(line))
      .map((line) => ({ ...line, fixed: line.fixed ?? random.next() < 0.5 }))
    it(`${name}, ${chosen.length} problems from seed ${SEED}`, {
      timeout: 1000 * chosen.length,
    }, async () => {
      using engine = await createEngine({ threads: 1 })
      for (const line of chosen) {
        const inputs = line.inputs.map(
          (input) =>
            input && `${input.type} [${input.shape}] ${sizeOf(input.shape) < 9 ? `= ${input.data}` : ''}`,
        )
        const about = `FILTERBANK_SEED=${SEED}, ${line.op} (opset ${line.opset ?? 21}) ${attributesOf(line)}, ${inputs.join('; ')}`
        if (process.env.ALL) {
          try {
            await compare(engine, line, about)
          } catch (e) {
            console.log(`${line.op} ${String(e).slice(0, 60)} ... ${String(e).slice(-200)}`)
          }
        } else await compare(engine, line, about)
        expect(engine.memory().tensors, `${about}: tensors left over`).toBe(0)
      }
    })
  }
})

async function compare(engine: Engine, line: Line, about: string): Promise<void> {
  using model = await loadModel(engine, modelOf(line))
  const feeds = Object.fromEntries(given(line).map(([name, { data, shape }]) => [name, { data, shape }]))
  const results = [1, 2, 3].map(() => {
    const outputs = model.run(feeds)
    return model.outputs.map(({ name }) => outputs[name]!)
  })
  const wanted = await ask(
    line,
    results[0]!.map(({ type }) => type),
  )
  // The second run records, the third replays.
  results.forEach((outputs, round) => {
    for (const [i, output] of outputs.entries())
      expectOutput(output, wanted[i]!, line.tolerance ?? 1e-5, `${about}: output ${i}, run ${round}`)
  })
}

/** Shape and type alike, and every number within `tolerance` of the largest. */
function expectOutput(actual: ModelOutput, wanted: OnnxTensor, tolerance: number, about: string): void {
  expect(actual.type, about).toBe(wanted.type)
  expect([...actual.shape], about).toEqual([...wanted.dims])
  if (actual.type === 'string') {
    expect(actual.toArray(), about).toEqual(wanted.data)
    return
  }
  const numbers = Array.from(wanted.data as Float32Array, Number)
  const got = actual.toArray()
  const largest = numbers.reduce((most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most), 0.1)
  for (const [i, b] of numbers.entries()) {
    const a = Number(got[i])
    const near = Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * largest
    if (!near) expect.fail(`${about}: element ${i} of [${wanted.dims.join(', ')}] is ${a}, expected ${b}`)
  }
}
