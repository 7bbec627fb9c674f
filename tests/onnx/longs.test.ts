/**
 * Numbers of 64 bits in models: exact where float64 is not, and wrapping, as ONNX Runtime has them; in the first run,
 * in those after it, and in turns.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { ElementType, NodeParts, UserArray } from '../../src/onnx/index.js'
import { loadModel, writeModel } from '../../src/onnx/index.js'
import { inEveryBuild } from '../support/check.js'
import { node } from '../support/onnx.js'
import { Random } from '../support/random.js'

interface Input {
  type: ElementType
  shape: number[]
  data: UserArray
}

interface Line {
  nodes: NodeParts[]
  inputs: Input[]
  /** Inputs from this one on are constants of the file. */
  fixed?: number
  outputs?: string[]
  opset?: number
}

const random = new Random(7)
const size = (shape: number[]) => shape.reduce((a, b) => a * b, 1)
const many = <T>(shape: number[], make: (i: number) => T): T[] =>
  Array.from({ length: size(shape) }, (_, i) => make(i))

/** By turns small, of more than 32 bits, and of more than a float64 holds. */
const long = (shape: number[], type: 'int64' | 'uint64' = 'int64'): Input => {
  const signed = (v: bigint) => (type === 'int64' && random.integer(0, 1) ? -v : v)
  const number = (i: number) => signed([3n, 2n ** 35n, 2n ** 60n + 1n][i % 3]! + BigInt(random.integer(0, 5)))
  const data = many(shape, number)
  return { type, shape, data: type === 'int64' ? BigInt64Array.from(data) : BigUint64Array.from(data) }
}
const small = (shape: number[], low = -9, high = 9): Input => ({
  type: 'int64',
  shape,
  data: BigInt64Array.from(many(shape, () => BigInt(random.integer(low, high)))),
})
/** What no sum of leaves float64, or int32: ONNX Runtime sums in those. */
const addends = (input: Input): Input => ({
  ...input,
  data:
    input.type === 'int64'
      ? (input.data as BigInt64Array).map((v) => v % 2n ** 40n)
      : (input.data as Int32Array).map((v) => v % 2 ** 20),
})
/** Of more bits than 32, and of no more than float64 holds. */
const wide = (shape: number[]): Input => ({
  ...small(shape),
  data: BigInt64Array.from(many(shape, () => BigInt(random.integer(-(2 ** 50), 2 ** 50)))),
})
/** Bytes of which many are equal. */
const equals = (input: Input): Input =>
  input.type.endsWith('8') ? { ...input, data: (input.data as Uint8Array).map((v) => v & 3) } : input
const divisors = (shape: number[]): Input => ({
  type: 'int64',
  shape,
  data: BigInt64Array.from(many(shape, (i) => [3n, -7n, 2n ** 33n + 1n, -1n, 5n][i % 5]!)),
})
const list = (...values: number[]): Input => ({
  type: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
})
const number = (value: number): Input => ({ ...list(value), shape: [] })
const mask = (shape: number[]): Input => ({
  type: 'bool',
  shape,
  data: Uint8Array.from(many(shape, () => random.integer(0, 1))),
})
const bytes = (shape: number[], type: 'uint8' | 'int8' = 'uint8'): Input => ({
  type,
  shape,
  data: (type === 'uint8' ? Uint8Array : Int8Array).from(many(shape, () => random.integer(0, 255))),
})
const ints = (shape: number[]): Input => ({
  type: 'int32',
  shape,
  data: Int32Array.from(many(shape, () => random.integer(-2e9, 2e9))),
})
const floats = (shape: number[]): Input => ({ type: 'float32', shape, data: random.floats(size(shape)) })

/** A node of these inputs. */
const one = (
  op: string,
  inputs: Input[],
  attributes: NodeParts['attributes'] = {},
  { fixed, outputs = ['y'], opset }: Partial<Line> = {},
): Line => ({
  nodes: [
    node(
      op,
      inputs.map((_, i) => `x${i}`),
      outputs,
      attributes,
    ),
  ],
  inputs,
  outputs,
  ...(fixed !== undefined && { fixed }),
  ...(opset !== undefined && { opset }),
})

const lines: Record<string, Line> = {}
const put = (name: string, line: Line) => {
  lines[name] = line
}
for (const op of [
  'Add',
  'Sub',
  'Mul',
  'Max',
  'Min',
  'Equal',
  'Less',
  'LessOrEqual',
  'Greater',
  'GreaterOrEqual',
]) {
  put(`${op} of two`, one(op, [long([3, 70]), long([3, 70])]))
  put(`${op}, broadcast`, one(op, [long([3, 1, 7]), long([5, 1])]))
  put(`${op} and a constant`, one(op, [long([3, 70]), number(5)], {}, { fixed: 1 }))
  put(`${op} of uint64`, one(op, [long([40], 'uint64'), long([40], 'uint64')]))
}
for (const op of ['Div', 'Mod']) {
  put(op, one(op, [long([3, 70]), divisors([3, 70])]))
  put(`${op} of small ones`, one(op, [small([90]), divisors([90])]))
}
put('Mod as C has it', one('Mod', [wide([99]), divisors([99])], { fmod: 1 }))
for (const op of ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor']) put(op, one(op, [long([50]), long([50])]))
for (const op of ['Neg', 'Abs', 'Sign']) put(op, one(op, [long([77])]))
put('Clip', one('Clip', [long([77]), number(-4), number(2 ** 40)], {}, { fixed: 1 }))
put('Clip below', one('Clip', [long([77]), number(4)]))
put('Where', one('Where', [mask([4, 30]), long([4, 30]), long([4, 30])]))
put('Where, broadcast', one('Where', [mask([4, 1]), long([1, 30]), long([])]))
for (const [name, to] of [
  ['float32', 1],
  ['int32', 6],
  ['bool', 9],
  ['float64', 11],
  ['uint64', 13],
  ['uint8', 2],
] as const)
  put(`Cast to ${name}`, one('Cast', [long([67])], { to }))
for (const input of [bytes([50]), bytes([50], 'int8'), ints([50]), mask([50])])
  put(`Cast of ${input.type}`, one('Cast', [input], { to: 7 }))
for (const type of ['int64', 'uint64'] as const) {
  const x = (shape: number[]) => long(shape, type)
  put(`Identity, ${type}`, one('Identity', [x([50])]))
  put(`Gather, ${type}`, one('Gather', [x([6, 5, 4]), small([3, 2], -5, 4)], { axis: 1 }))
  put(`GatherElements, ${type}`, one('GatherElements', [x([6, 5, 4]), small([6, 3, 4], -5, 4)], { axis: 1 }))
  put(`GatherND, ${type}`, one('GatherND', [x([6, 5, 4]), small([7, 2], -5, 4)]))
  put(
    `ScatterND, ${type}`,
    one(
      'ScatterND',
      [x([6, 5]), list(3, 0, 5), x([3, 5])].map((v, i) => (i === 1 ? { ...v, shape: [3, 1] } : v)),
    ),
  )
  put(
    `ScatterElements, ${type}`,
    one('ScatterElements', [x([6, 3]), { ...list(3, 0, 5), shape: [1, 3] }, x([1, 3])]),
  )
  put(`Transpose, ${type}`, one('Transpose', [x([6, 5, 4])], { perm: [2, 0, 1] }))
  put(
    `Slice, ${type}`,
    one('Slice', [x([9, 7]), list(8, 1), list(-20, 7), list(0, 1), list(-2, 3)], {}, { fixed: 1 }),
  )
  put(`Concat, ${type}`, one('Concat', [x([4, 3]), x([4, 5])], { axis: 1 }))
  put(`Split, ${type}`, one('Split', [x([4, 6])], { axis: 1, num_outputs: 2 }, { outputs: ['y', 'z'] }))
  put(`Tile, ${type}`, one('Tile', [x([4, 3]), list(2, 3)], {}, { fixed: 1 }))
  put(`Expand, ${type}`, one('Expand', [x([4, 1]), list(3, 4, 5)], {}, { fixed: 1 }))
  put(`Pad, ${type}`, one('Pad', [x([4, 3]), list(1, 2, 0, 1)], {}, { fixed: 1 }))
  put(`Reshape, ${type}`, one('Reshape', [x([4, 3]), list(-1)], {}, { fixed: 1 }))
  put(`ReverseSequence, ${type}`, one('ReverseSequence', [x([5, 4, 3]), list(5, 0, 3, 1)]))
  put(`Compress, ${type}`, one('Compress', [x([5, 40, 3]), mask([40])], { axis: 1 }))
  put(`Compress all, ${type}`, one('Compress', [x([5, 40]), mask([150])]))
  if (type === 'int64') put('Trilu', one('Trilu', [x([2, 5, 6])]))
}
for (const [axes, shape] of [
  [[1], [4, 9, 3]],
  [[2], [4, 3, 50]],
  [
    [0, 2],
    [4, 5, 33],
  ],
] as const)
  for (const input of [long([...shape]), ints([...shape]), bytes([...shape]), bytes([...shape], 'int8')]) {
    const about = `of ${input.type} [${shape}] over ${axes}`
    put(`ReduceMax ${about}`, one('ReduceMax', [input, list(...axes)], {}, { fixed: 1 }))
    put(`ReduceMin ${about}`, one('ReduceMin', [input, list(...axes)], { keepdims: 0 }, { fixed: 1 }))
    if (axes.length === 1)
      for (const last of [0, 1]) {
        const attributes = { axis: axes[0], select_last_index: last, keepdims: 1 - last }
        const few = equals(input)
        put(`ArgMax ${about}, ${last}`, one('ArgMax', [few], attributes))
        if (input.type !== 'int64' && !(input.type === 'uint8' || input.type === 'int8'))
          put(`ArgMin ${about}, ${last}`, one('ArgMin', [few], attributes))
      }
    if (!input.type.endsWith('8'))
      put(`ReduceSum ${about}`, one('ReduceSum', [addends(input), list(...axes)], {}, { fixed: 1 }))
  }
put('ReduceProd', one('ReduceProd', [small([5, 7]), list(1)], {}, { fixed: 1 }))
for (const input of [long([4, 9, 3]), ints([4, 9, 3])])
  for (const flags of [{}, { exclusive: 1 }, { reverse: 1 }, { exclusive: 1, reverse: 1 }])
    put(
      `CumSum of ${input.type} ${JSON.stringify(flags)}`,
      one('CumSum', [input, number(1)], flags, { fixed: 1 }),
    )
for (const input of [mask([7, 40]), floats([3, 5, 40]), ints([99]), small([9, 9], -1, 1), bytes([130])])
  put(`NonZero of ${input.type}`, one('NonZero', [input]))
put('TopK of many bits', one('TopK', [wide([4, 50]), list(5)], {}, { outputs: ['y', 'z'] }))
put('TopK of few bits', one('TopK', [small([4, 50]), list(5)], { largest: 0 }, { outputs: ['y', 'z'] }))
put('OneHot', one('OneHot', [small([40], -6, 5), number(6), list(3, 5)], {}, { fixed: 1 }))
put('Compress by a constant', one('Compress', [long([5, 40]), mask([40])], { axis: 1 }, { fixed: 1 }))
put(
  'Compress of floats by a constant',
  one('Compress', [floats([5, 40]), mask([40])], { axis: 1 }, { fixed: 1 }),
)
put('Range', one('Range', [number(-7), number(900), number(13)]))
put('Range downwards', one('Range', [number(5), number(-50), number(-3)]))
put(
  'int32 through ReverseSequence',
  one('ReverseSequence', [ints([5, 4, 3]), list(5, 0, 3, 1)], { batch_axis: 1, time_axis: 0 }),
)
put(
  'floats through ReverseSequence',
  one('ReverseSequence', [floats([4, 5]), list(5, 0, 3, 1)], { batch_axis: 0, time_axis: 1 }),
)
put('several', {
  nodes: [
    node('Mul', ['x0', 'x1'], ['a']),
    node('Identity', ['a'], ['b']),
    node('Gather', ['b', 'x2'], ['c']),
    node('Cast', ['c'], ['d'], { to: 1 }),
    node('Sub', ['c', 'a2'], ['e']),
    node('Reshape', ['a', 'x3'], ['a1']),
    node('Gather', ['a1', 'x2'], ['a2']),
    node('Less', ['c', 'e'], ['f']),
  ],
  inputs: [long([30]), long([30]), small([9], 0, 29), list(-1)],
  outputs: ['a', 'b', 'c', 'd', 'e', 'f'],
})

function bytesOf(
  { nodes, inputs, fixed = inputs.length, outputs = ['y'], opset = 20 }: Line,
  types?: ElementType[],
) {
  const named = inputs.map((input, i) => ({ name: `x${i}`, ...input }))
  return writeModel({
    opset,
    nodes,
    inputs: named.slice(0, fixed).map(({ name, type, shape }) => ({ name, type, shape })),
    initializers: named.slice(fixed),
    outputs: outputs.map((name, i) => ({ name, ...(types && { type: types[i] }) })),
  })
}

describe('numbers of 64 bits', () => {
  inEveryBuild(
    (engine) => {
      it.each(Object.entries(lines))('%s', async (_, line) => {
        const { inputs, fixed = inputs.length, outputs = ['y'] } = line
        const feeds = Object.fromEntries(
          inputs.slice(0, fixed).map(({ data, shape }, i) => [`x${i}`, { data, shape }]),
        )
        const live = engine().memory().tensors
        const model = await loadModel(engine(), bytesOf(line))
        const numbers = (from: Record<string, { data: unknown; shape: readonly number[] }>) =>
          outputs.map((name) => ({ data: from[name]!.data, shape: [...from[name]!.shape] }))
        const first = model.run(feeds)
        const types = outputs.map((name) => first[name]!.type)
        const session = await InferenceSession.create(bytesOf(line, types), { logSeverityLevel: 4 })
        const asked = await session.run(
          Object.fromEntries(
            inputs
              .slice(0, fixed)
              .map(({ type, data, shape }, i) => [
                `x${i}`,
                new OnnxTensor(type as 'int64', data as BigInt64Array, shape),
              ]),
          ),
        )
        const wanted = outputs.map((name) => ({ data: asked[name]!.data, shape: [...asked[name]!.dims] }))
        expect(numbers(first)).toEqual(wanted)
        for (let i = 0; i < 3; i++) expect(numbers(model.run(feeds))).toEqual(wanted)
        expect(numbers(await model.runAsync(feeds))).toEqual(wanted)
        await session.release()
        model.dispose()
        expect(engine().memory().tensors).toBe(live)
      })
    },
    { threads: 1 },
  )
})

describe('ReverseSequence', () => {
  inEveryBuild((engine) => {
    it('refuses lengths beyond the axis, in every run', async () => {
      for (const x of [floats([4, 3]), long([4, 3]), floats([4, 3])]) {
        const model = await loadModel(engine(), bytesOf(one('ReverseSequence', [x, list(1, 4, 0)])))
        const feeds = (...lengths: number[]) => ({
          x0: { data: x.data, shape: x.shape },
          x1: { data: BigInt64Array.from(lengths, BigInt), shape: [3] },
        })
        for (let i = 0; i < 3; i++) {
          for (const wrong of [5, -1, 2 ** 40])
            expect(() => model.run(feeds(1, wrong, 0))).toThrow(/sequence_lens must be from 0 to 4/)
          expect(model.run(feeds(0, 4, 1))['y']!.data[1]).toBe(x.data[10])
        }
        model.dispose()
      }
    })
  })
})

describe('ModelOutput', () => {
  inEveryBuild((engine) => {
    it('gives the same array each time, and others by toArray', async () => {
      const model = await loadModel(engine(), bytesOf(one('Add', [long([4]), long([4])])))
      const x = BigInt64Array.of(1n, 2n ** 62n, -1n, 2n ** 53n)
      const { y } = model.run({ x0: x, x1: BigInt64Array.of(1n, 1n, 1n, 1n) })
      expect(y!.data).toEqual(BigInt64Array.of(2n, 2n ** 62n + 1n, 0n, 2n ** 53n + 1n))
      expect(y!.data).toBe(y!.data)
      expect(y!.toArray()).toEqual(Float64Array.of(2, 2 ** 62, 0, 2 ** 53))
      expect(y!.toArray()).not.toBe(y!.toArray())
      model.dispose()
    })

    it('keeps what the input was, whatever is written into either', async () => {
      const model = await loadModel(engine(), bytesOf(one('Identity', [long([2])])))
      const x = BigInt64Array.of(5n, 6n)
      for (let i = 0; i < 3; i++) {
        const { y } = model.run({ x0: x })
        x[0] = 7n
        expect(y!.data[0]).toBe(5n)
        y!.data[1] = 9n
        x[0] = 5n
        expect(x[1]).toBe(6n)
      }
      model.dispose()
    })
  })
})
