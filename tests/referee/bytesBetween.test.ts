/**
 * ONNX Runtime as the referee of what stands between convolutions of 8-bit integers: its own operators on
 * them, and networks that stay in bytes from the first layer to the last.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'
import { SEED } from './inputs.js'

const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 60)

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

const types = ['uint8', 'int8'] as const
type ByteType = (typeof types)[number]
const arrays = { int8: Int8Array, uint8: Uint8Array }
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)
const bytesOf = (random: Random, type: ByteType, shape: readonly number[]) =>
  new arrays[type](
    Array.from({ length: product(shape) }, () => random.integer(0, 255) - (type === 'int8' ? 128 : 0)),
  )

interface Input {
  name: string
  type: ByteType | 'float32'
  shape: number[]
  data: Float32Array | Int8Array | Uint8Array
}

const constant = (name: string, shape: number[], data: TensorParts['data']) => ({ name, shape, data })

/** The largest difference to its answer, in levels, of a first run, a recorded and a replayed one. */
async function levels(
  nodes: NodeParts[],
  initializers: ReturnType<typeof constant>[],
  inputs: Input[],
  type: ByteType,
  graphOptimizationLevel: 'all' | 'disabled' = 'all',
) {
  const file = writeModel({
    opset: 17,
    nodes,
    initializers,
    inputs: inputs.map(({ name, type, shape }) => ({ name, type, shape })),
    outputs: [{ name: 'y', type }],
  })
  const bytes = new Uint8Array(file)
  const session = await InferenceSession.create(bytes, {
    logSeverityLevel: 4,
    intraOpNumThreads: 1,
    graphOptimizationLevel,
  })
  const feeds = inputs.map(({ name, type, shape, data }) => [
    name,
    new OnnxTensor(type, data as never, shape),
  ])
  const { y } = await session.run(Object.fromEntries(feeds))
  await session.release()
  const theirs = Array.from(y!.data as Int8Array)
  const model = await loadModel(engine, bytes)
  const feed = Object.fromEntries(inputs.map(({ name, shape, data }) => [name, { shape, data }]))
  let [most, others] = [0, 0]
  for (let i = 0; i < 3; i++) {
    const ours = (await model.run(feed as never)).y!
    expect(ours.shape).toEqual(y!.dims)
    const numbers = Array.from(ours.toArray() as Int8Array)
    others = Math.max(others, numbers.filter((v, j) => v !== theirs[j]).length / numbers.length)
    most = numbers.reduce((far, v, j) => Math.max(far, Math.abs(v - theirs[j]!)), most)
  }
  const summary = model.summary()
  model.dispose()
  return { most, others, summary }
}

const terms = (random: Random, name: string, type: ByteType) => [
  constant(`${name}s`, [], Float32Array.of(0.01 + random.next() * 0.1)),
  constant(`${name}z`, [], bytesOf(random, type, [1])),
]

/** An operator of com.microsoft: the shapes of its operands, and attributes. */
function problem(random: Random) {
  const n = random.integer(1, 2)
  const c = random.integer(1, 40)
  const [h, w] = [random.integer(3, 9), random.integer(3, 9)]
  const image = [n, c, h, w]
  const op = random.pick(
    ['Add', 'Mul', 'AveragePool', 'GlobalAveragePool', 'Sigmoid', 'LeakyRelu', 'Concat'].concat('Softmax'),
  )
  const other = random.pick([image, [1], [n, c, 1, 1], [w]])
  if (op === 'Add' || op === 'Mul') return { op, shapes: [image, other], attributes: {} }
  if (op === 'Concat')
    return { op, shapes: [image, [n, random.integer(1, 9), h, w], image], attributes: { axis: 1 } }
  if (op === 'LeakyRelu') return { op, shapes: [image], attributes: { alpha: { float: 0.2 } } }
  if (op === 'Softmax')
    return { op, shapes: [image], attributes: { axis: random.integer(-4, 3), opset: random.pick([11, 13]) } }
  const last = Number(random.next() < 0.3)
  if (op === 'GlobalAveragePool') return { op, shapes: [image], attributes: { channels_last: last } }
  if (op === 'AveragePool') {
    const attributes = {
      kernel_shape: [2, 3],
      strides: [random.integer(1, 2), 2],
      pads: random.next() < 0.5 ? [0, 0, 0, 0] : [1, 1, 0, 1],
      count_include_pad: random.integer(0, 1),
      channels_last: last,
    }
    return { op, shapes: [last ? [n, h, w, c] : image], attributes }
  }
  return { op, shapes: [image], attributes: {} }
}

it('operators of com.microsoft on bytes give its bytes', async () => {
  const random = new Random(SEED)
  const apart: Record<string, number> = {}
  for (let i = 0; i < PROBLEMS; i++) {
    const type = random.pick([...types])
    const { op, shapes, attributes } = problem(random)
    const operands = shapes.map((shape, j) => {
      const name = `x${j}`
      return {
        input: { name, type, shape, data: bytesOf(random, type, shape) },
        terms: terms(random, name, type),
      }
    })
    const to = terms(random, 'y', type)
    const names = operands.flatMap(({ input, terms }) => [input.name, ...terms.map(({ name }) => name)])
    const inputs = op === 'Concat' ? ['ys', 'yz', ...names] : [...names, 'ys', 'yz']
    const { most } = await levels(
      [{ op: `com.microsoft.QLinear${op}`, inputs, outputs: ['y'], attributes }],
      [...operands.flatMap(({ terms }) => terms), ...to],
      operands.map(({ input }) => input),
      type,
    )
    apart[op] = Math.max(apart[op] ?? 0, most)
    expect(most, `problem ${i}: ${op} ${type} ${JSON.stringify({ shapes, attributes })}`).toBeLessThanOrEqual(
      1,
    )
  }
  if (process.env.FILTERBANK_VERBOSE) console.log(apart)
})

it('a residual network stays in bytes from its first layer to its last', async () => {
  const random = new Random(SEED + 1)
  for (const type of types) {
    const nodes: NodeParts[] = []
    const constants: ReturnType<typeof constant>[] = []
    const zero = type === 'uint8' ? 120 : -8
    const scales: Record<string, number> = {}
    const setScale = (name: string, scale: number) => {
      scales[name] = scale
      constants.push(
        constant(`${name} s`, [], Float32Array.of(scale)),
        constant(`${name} z`, [], new arrays[type]([zero])),
      )
    }
    // Quantised by a scale of its own, or by that of another.
    const quantized = (name: string, scale: number | string) => {
      if (typeof scale === 'number') setScale(name, scale)
      const own = typeof scale === 'string' ? scale : name
      scales[name] = scales[own]!
      nodes.push(
        { op: 'QuantizeLinear', inputs: [name, `${own} s`, `${own} z`], outputs: [`${name} q`] },
        { op: 'DequantizeLinear', inputs: [`${name} q`, `${own} s`, `${own} z`], outputs: [`${name} d`] },
      )
      return `${name} d`
    }
    const node = (op: string, inputs: string[], name: string, attributes = {}) => {
      nodes.push({ op, inputs, outputs: [name], attributes })
      return name
    }
    const weights = (name: string, from: string, shape: number[], bias = shape[0]!) => {
      const [w, b] = [`${name} w`, `${name} b`]
      const each = Float32Array.from({ length: bias }, () => 0.004 + random.next() * 0.004)
      constants.push(
        constant(w, shape, bytesOf(random, 'int8', shape)),
        constant(`${w} s`, [bias], each),
        constant(`${w} z`, [bias], new Int8Array(bias)),
        constant(
          b,
          [bias],
          Int32Array.from({ length: bias }, () => random.integer(-2000, 2000)),
        ),
        constant(
          `${b} s`,
          [bias],
          each.map((v) => Math.fround(v) * Math.fround(scales[from.slice(0, -2)]!)),
        ),
        constant(`${b} z`, [bias], new Int32Array(bias)),
      )
      for (const part of [w, b])
        node('DequantizeLinear', [part, `${part} s`, `${part} z`], `${part} d`, { axis: 0 })
      return [from, `${w} d`, `${b} d`]
    }
    const pads = { pads: [1, 1, 1, 1] }
    let h = quantized('x', 0.03)
    h = quantized(node('Relu', [node('Conv', weights('c1', h, [16, 3, 3, 3]), 'c1', pads)], 'r1'), 0.04)
    h = quantized(node('MaxPool', [h], 'm1', { kernel_shape: [2, 2], strides: [2, 2] }), 'r1')
    const skip = h
    h = quantized(node('Conv', weights('c2', h, [16, 16, 3, 3]), 'c2', pads), 0.09)
    h = quantized(node('Relu', [node('Add', [h, skip], 'a1')], 'r2'), 0.08)
    const gate = quantized(
      node('Sigmoid', [quantized(node('GlobalAveragePool', [h], 'g1'), 0.05)], 's1'),
      1 / 256,
    )
    h = quantized(node('Mul', [h, gate], 'p1'), 0.05)
    const left = quantized(
      node('AveragePool', [h], 'v1', { kernel_shape: [3, 3], strides: [1, 1], ...pads }),
      0.05,
    )
    const right = quantized(node('LeakyRelu', [h], 'l1', { alpha: { float: 0.1 } }), 0.05)
    h = quantized(node('Concat', [left, right], 'k1', { axis: 1 }), 0.06)
    h = quantized(node('GlobalAveragePool', [h], 'g2'), 0.03)
    h = quantized(node('Flatten', [h], 'f1'), 'g2')
    const last = node('Gemm', weights('fc', h, [10, 32]), 'fc', { transB: 1 })
    setScale('y', 0.07)
    nodes.push({ op: 'QuantizeLinear', inputs: [last, 'y s', 'y z'], outputs: ['y'] })
    const shape = [2, 3, 12, 10]
    const data = random.floats(product(shape), -3, 3)
    const { most, summary } = await levels(
      nodes,
      constants,
      [{ name: 'x', type: 'float32', shape, data }],
      type,
    )
    if (process.env.FILTERBANK_VERBOSE)
      console.log(
        summary.map(({ op, type, kernels }) => `${op}: ${type} ${kernels}`),
        most,
      )
    expect(new Set(summary.map((layer) => layer.type))).toEqual(new Set([type]))
    expect(summary.filter(({ op }) => op.includes('Dequantize'))).toEqual([])
    expect(summary).toHaveLength(15)
    expect(most).toBeLessThanOrEqual(1)
  }
})

/** A random network between DequantizeLinear and QuantizeLinear, not all of it quantised as files should be. */
function network(random: Random) {
  const nodes: NodeParts[] = []
  const constants: ReturnType<typeof constant>[] = []
  const list = (name: string, values: number[]) =>
    constants.push(constant(name, [values.length], BigInt64Array.from(values, BigInt)))
  let count = 0
  const make = (op: string, inputs: string[], attributes = {}, outputs = 1) => {
    const names = Array.from({ length: outputs }, () => `v${count++}`)
    nodes.push({ op, inputs, outputs: names, attributes })
    return names
  }
  const settings: [scale: string, zero: string][] = []
  const setting = (type: ByteType) => {
    const [scale, zero] = [`s${settings.length}`, `z${settings.length}`]
    constants.push(
      constant(scale, [], Float32Array.of(0.03 + random.next() * 0.01)),
      constant(zero, [], new arrays[type]([type === 'uint8' ? 100 : -10])),
    )
    settings.push([scale, zero])
    return settings.at(-1)!
  }
  const main = random.pick([...types])
  interface Step {
    name: string
    shape: number[]
    terms: [scale: string, zero: string]
  }
  const quantized = (name: string, shape: number[], terms: Step['terms']): Step => {
    const [q] = make('QuantizeLinear', [name, ...terms])
    return { name: make('DequantizeLinear', [q!, ...terms])[0]!, shape, terms }
  }
  const shape = [2, random.integer(2, 6) * 2, 6, 6]
  const steps = [quantized('x', shape, setting(main))]
  for (let i = random.integer(3, 9); i > 0; i--) {
    const from = random.pick(steps.slice(-3))
    const [n, c, h, w] = from.shape as [number, number, number, number]
    const alike = steps.filter((step) => `${step.shape}` === `${from.shape}`)
    const op = random.pick(
      ['Relu', 'Clip', 'Sigmoid', 'Tanh', 'HardSwish', 'LeakyRelu', 'MaxPool', 'AveragePool', 'Add'].concat([
        'Mul',
        'Transpose',
        'Slice',
        'Pad',
        'Concat',
        'Split',
        'Reshape',
        'GlobalAveragePool',
        'Nothing',
        'Add',
      ]),
    )
    let results: string[]
    let to = from.shape
    const window = { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1] }
    if (op === 'Clip') {
      const bounds = [-1, 2].map((v, j) => {
        constants.push(constant(`c${count}${j}`, [], Float32Array.of(v)))
        return `c${count}${j}`
      })
      results = make(op, [from.name, ...bounds])
    } else if (op === 'Add' || (op === 'Concat' && c < 24)) {
      const other = random.pick(alike)
      results = make(op, [from.name, other.name], op === 'Concat' ? { axis: 1 } : {})
      if (op === 'Concat') to = [n, 2 * c, h, w]
      if (op === 'Add' && random.next() < 0.4) results = make('Relu', results)
    } else if (op === 'Mul') {
      const [scale, zero] = setting(main)
      constants.push(constant(`k${count}`, [c, 1, 1], bytesOf(random, main, [c, 1, 1])))
      results = make(op, [from.name, make('DequantizeLinear', [`k${count}`, scale, zero])[0]!])
    } else if (op === 'Transpose') {
      results = make(op, [from.name], { perm: [0, 1, 3, 2] })
      to = [n, c, w, h]
    } else if (op === 'Slice' && c > 2) {
      const names = ['starts', 'ends', 'axes'].map((name) => `${name}${count}`)
      for (const [j, name] of names.entries()) list(name, [[1, c, 1][j]!])
      results = make(op, [from.name, ...names])
      to = [n, c - 1, h, w]
    } else if (op === 'Pad') {
      list(`to${count}`, [0, 0, 1, 0, 0, 0, 0, 2])
      results = make(op, [from.name, `to${count}`], { mode: random.pick(['constant', 'reflect', 'edge']) })
      to = [n, c, h + 1, w + 2]
    } else if (op === 'Split' && c % 2 === 0) {
      results = make(op, [from.name], { axis: 1 }, 2)
      to = [n, c / 2, h, w]
    } else if (op === 'Reshape') {
      list(`to${count}`, [n, c, w, h])
      results = make(op, [from.name, `to${count}`])
      to = [n, c, w, h]
    } else if (op === 'GlobalAveragePool') results = make('Add', [make(op, [from.name])[0]!, from.name])
    else if (op === 'Sigmoid' || op === 'Relu' || op === 'Tanh' || op === 'HardSwish')
      results = make(op, [from.name])
    else if (op === 'LeakyRelu') results = make(op, [from.name], { alpha: { float: 0.3 } })
    else if (op.endsWith('Pool')) results = make(op, [from.name], window)
    else results = [from.name]
    for (const name of results) {
      const odd = random.next()
      if (odd < 0.1 && name !== from.name) steps.push({ ...from, name, shape: to })
      else {
        const type = odd < 0.2 ? random.pick([...types]) : main
        steps.push(quantized(name, to, odd > 0.6 ? from.terms : setting(type)))
      }
    }
  }
  const [scale, zero] = setting(main)
  nodes.push({ op: 'QuantizeLinear', inputs: [steps.at(-1)!.name, scale, zero], outputs: ['y'] })
  return { nodes, constants, main, shape }
}

// Ties that float32 brings to either side are a level, which the steps that follow may make more of: only few
// values, but all numbers of such a value, differ. ONNX Runtime's own optimiser makes more of them differ from what its nodes give one by one.
it('networks of any kind between DequantizeLinear and QuantizeLinear give its answers', async () => {
  const random = new Random(SEED + 2)
  let exact = 0
  for (let i = 0; i < PROBLEMS; i++) {
    const { nodes, constants, main, shape } = network(random)
    const data = random.floats(product(shape), -3, 3)
    const inputs: Input[] = [{ name: 'x', type: 'float32', shape, data }]
    const { most, others } = await levels(nodes, constants, inputs, main, 'disabled')
    if (most === 0) exact++
    if (process.env.FILTERBANK_VERBOSE && most > 0) console.log(`apart ${most} ${others}`)
    expect(others, `problem ${i}: ${nodes.map(({ op }) => op)}`).toBeLessThan(0.2)
    expect(engine.memory().tensors).toBe(0)
  }
  expect(exact).toBeGreaterThan(0.8 * PROBLEMS)
})
