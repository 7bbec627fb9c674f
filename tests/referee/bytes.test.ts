/**
 * ONNX Runtime as the referee of 8-bit models: operators on bytes to the byte, and networks of DequantizeLinear
 * and QuantizeLinear within one level of the last quantisation.
 *
 * ONNX Runtime's own product of uint8 by int8 saturates on x86 without VNNI; there its sums are wrong, and weights
 * of 7 bits would be needed to compare.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'
import { RANGES } from '../support/referenceBytes.js'
import { SEED } from './inputs.js'

const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 60)

type ByteType = 'int8' | 'uint8'
const arrays = { int8: Int8Array, uint8: Uint8Array }
const product = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

const bytesOf = (random: Random, type: ByteType, length: number) =>
  new arrays[type](
    Array.from({ length }, () =>
      random.next() < 0.1 ? random.pick(RANGES[type]) : random.integer(...(RANGES[type] as [number, number])),
    ),
  )
const scaleOf = (random: Random) => Math.fround(0.002 + random.next() * 0.1)

type Inputs = Record<string, Required<Pick<TensorParts, 'shape' | 'data'>> & { type: ByteType | 'float32' }>

async function both(
  engine: Engine,
  given: Uint8Array,
  inputs: Inputs,
): Promise<{ ours: ArrayLike<number>[]; theirs: ArrayLike<number> }> {
  const model = new Uint8Array(given)
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 })
  const feeds = Object.entries(inputs).map(([name, { type, shape, data }]) => [
    name,
    new OnnxTensor(type, data as never, shape),
  ])
  const { y } = await session.run(Object.fromEntries(feeds))
  await session.release()
  const loaded = await loadModel(engine, model)
  const feed = Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, { data, shape }]),
  )
  // The first run goes node by node, the second is recorded, the third replayed.
  const ours: ArrayLike<number>[] = []
  for (let i = 0; i < 3; i++) {
    const outputs = await loaded.run(feed as never)
    ours.push(Array.from(outputs.y!.toArray() as Int32Array))
  }
  loaded.dispose()
  return { ours, theirs: Array.from(y!.data as Int32Array) }
}

const constant = (name: string, shape: number[], data: TensorParts['data']) => ({ name, shape, data })

/** Scale and zero point as constants, one or one each. */
const terms = (
  random: Random,
  name: string,
  type: ByteType,
  count: number | undefined,
  symmetric = false,
) => {
  const length = count ?? 1
  const zeros = symmetric ? new arrays[type](length) : bytesOf(random, type, length)
  return [
    constant(
      `${name}s`,
      count === undefined ? [] : [count],
      Float32Array.from({ length }, () => scaleOf(random)),
    ),
    constant(`${name}z`, count === undefined ? [] : [count], zeros),
  ]
}

function convolution(random: Random) {
  const depthwise = random.next() < 0.3
  const groups = depthwise ? random.integer(2, 20) : random.pick([1, 1, 1, 2])
  const [depth, each] = depthwise ? [1, 1] : [random.integer(1, 20), random.integer(1, 20)]
  const size = random.pick([1, 3, 3, 5])
  const plain = random.next() < 0.6
  const [stride, dilation] = plain ? [1, 1] : [random.integer(1, 2), random.integer(1, 2)]
  const least = dilation * (size - 1) + 1
  const x = [random.integer(1, 2), groups * depth, least + random.integer(0, 9), least + random.integer(0, 9)]
  const attributes = {
    group: groups,
    strides: [stride, stride],
    dilations: [dilation, dilation],
    pads: Array<number>(4).fill(random.integer(0, 1)),
  }
  return { x, w: [groups * each, depth, size, size], attributes }
}

describe('8-bit models, with ONNX Runtime for a referee', () => {
  it('QLinearConv, QLinearMatMul, ConvInteger and MatMulInteger give its bytes', async () => {
    using engine = await createEngine({ threads: 1 })
    const random = new Random(SEED)
    for (let problem = 0; problem < PROBLEMS; problem++) {
      const [xType, wType] = random.pick([
        ['uint8', 'int8'],
        ['uint8', 'uint8'],
        ['int8', 'int8'],
      ] as const)
      const op = random.pick(['QLinearConv', 'QLinearConv', 'QLinearMatMul', 'ConvInteger', 'MatMulInteger'])
      const isConv = op.includes('Conv')
      const toBytes = op.startsWith('Q')
      const layer = isConv
        ? convolution(random)
        : {
            x: [random.integer(1, 9), random.integer(1, 40)],
            w: [0, random.integer(1, 20)],
            attributes: {},
          }
      if (!isConv) layer.w[0] = layer.x[1]!
      const channels = isConv ? layer.w[0]! : layer.w[1]!
      const each = toBytes && isConv && random.next() < 0.5 ? channels : undefined
      const x = terms(random, 'x', xType, undefined)
      const w = terms(random, 'w', wType, each, wType === 'int8' && (isConv || xType === 'int8'))
      // ConvInteger of ONNX Runtime takes uint8 alone.
      if (op === 'ConvInteger' && xType === 'int8') continue
      const y = terms(random, 'y', xType, undefined)
      ;(y[0]!.data as Float32Array)[0]! *= Math.sqrt(product(layer.w) / channels)
      const bias =
        op === 'QLinearConv' && random.next() < 0.7
          ? [
              constant(
                'b',
                [channels],
                Int32Array.from({ length: channels }, () => random.integer(-9999, 9999)),
              ),
            ]
          : []
      const node: NodeParts = toBytes
        ? {
            op,
            inputs: ['x', 'xs', 'xz', 'w', 'ws', 'wz', 'ys', 'yz', ...bias.map(({ name }) => name)],
            outputs: ['y'],
            attributes: layer.attributes,
          }
        : { op, inputs: ['x', 'w', 'xz', 'wz'], outputs: ['y'], attributes: layer.attributes }
      const used = toBytes ? [...x, ...w, ...y, ...bias] : [x[1]!, w[1]!]
      const model = writeModel({
        nodes: [node],
        initializers: [...used, constant('w', layer.w, bytesOf(random, wType, product(layer.w)))],
        inputs: [{ name: 'x', type: xType, shape: layer.x }],
        outputs: [{ name: 'y', type: toBytes ? xType : 'int32', shape: layer.x.map(() => null) }],
      })
      const data = bytesOf(random, xType, product(layer.x))
      const { ours, theirs } = await both(engine, model, { x: { type: xType, shape: layer.x, data } })
      for (const run of ours)
        expect(
          run,
          `problem ${problem}: ${op} ${xType} ${wType} x [${layer.x}] w [${layer.w}] ${JSON.stringify(layer.attributes)}`,
        ).toEqual(theirs)
    }
  })

  it('layers that are quantised dynamically run on bytes, and give its answers on any range of inputs', async () => {
    using engine = await createEngine({ threads: 1 })
    const random = new Random(SEED + 2)
    for (let problem = 0; problem < PROBLEMS; problem++) {
      const isConv = random.next() < 0.6
      const layer = isConv
        ? convolution(random)
        : {
            x: [2, random.integer(1, 9), random.integer(1, 40)],
            w: [0, random.integer(1, 20)],
            attributes: {},
          }
      if (!isConv) layer.w[0] = layer.x[2]!
      const channels = isConv ? layer.w[0]! : layer.w[1]!
      const wType = random.pick(['int8', 'uint8'] as const)
      const byChannel = random.next() < 0.4
      const ws = Float32Array.from({ length: byChannel ? channels : 1 }, () => scaleOf(random))
      const along = (n: number) => (isConv ? [n, 1, 1] : [n])
      const hasBias = random.next() < 0.7
      const end = hasBias ? 'sum' : 'scaled'
      const isActive = random.next() < 0.5
      const nodes: NodeParts[] = [
        { op: 'DynamicQuantizeLinear', inputs: ['x'], outputs: ['q', 'xs', 'xz'] },
        {
          op: isConv ? 'ConvInteger' : 'MatMulInteger',
          inputs: ['q', 'w', 'xz', 'wz'],
          outputs: ['sums'],
          attributes: layer.attributes,
        },
        { op: 'Cast', inputs: ['sums'], outputs: ['floats'], attributes: { to: 1 } },
        { op: 'Mul', inputs: ['xs', 'ws'], outputs: ['scale'] },
        {
          op: 'Mul',
          inputs: random.next() < 0.5 ? ['floats', 'scale'] : ['scale', 'floats'],
          outputs: ['scaled'],
        },
        ...(hasBias ? [{ op: 'Add', inputs: ['scaled', 'b'], outputs: ['sum'] }] : []),
        isActive
          ? { op: random.pick(['Relu', 'Tanh']), inputs: [end], outputs: ['y'] }
          : { op: 'Neg', inputs: [end], outputs: ['y'] },
      ]
      const model = new Uint8Array(
        writeModel({
          nodes,
          initializers: [
            constant('w', layer.w, bytesOf(random, wType, product(layer.w))),
            constant('wz', [], isConv ? new arrays[wType](1) : bytesOf(random, wType, 1)),
            constant('ws', byChannel ? along(channels) : [], ws),
            constant(
              'b',
              along(channels),
              Float32Array.from({ length: channels }, () => random.next() * 4 - 2),
            ),
          ],
          inputs: [{ name: 'x', type: 'float32', shape: layer.x }],
          outputs: [{ name: 'y', type: 'float32' }],
        }),
      )
      const session = await InferenceSession.create(model, {
        logSeverityLevel: 4,
        intraOpNumThreads: 1,
        graphOptimizationLevel: 'disabled',
      })
      const loaded = await loadModel(engine, model)
      // Node by node, recorded, and replayed, each on another range: zero points differ from run to run.
      for (const [low, high] of [
        [-1, 1],
        [0, 3],
        [-5, 0],
        [-0.2, 0.7],
        [0, 0],
      ] as const) {
        const data = Float32Array.from({ length: product(layer.x) }, () => low + random.next() * (high - low))
        const { y } = await session.run({ x: new OnnxTensor('float32', data, layer.x) })
        const own = loaded.run({ x: data }).y!.toArray() as Float32Array
        const expected = y!.data as unknown as Float32Array
        const largest = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-3)
        const apart = expected.reduce((most, v, i) => Math.max(most, Math.abs(v - own[i]!)), 0)
        const what = `problem ${problem}: ${nodes[1]!.op} x [${layer.x}] w [${layer.w}] ${JSON.stringify(layer.attributes)}`
        expect(own.length, what).toBe(expected.length)
        expect(apart / largest, what).toBeLessThan(1e-5)
      }
      if (problem === 0) expect(loaded.summary().some(({ host }) => host)).toBe(false)
      await session.release()
      loaded.dispose()
    }
  })

  it('what is rounded to 16 bits, and moved in between, gives its numbers', async () => {
    using engine = await createEngine({ threads: 1 })
    const random = new Random(SEED + 3)
    for (let problem = 0; problem < PROBLEMS / 3; problem++) {
      const type = random.pick(['uint16', 'int16'] as const)
      const zero = type === 'uint16' ? random.integer(0, 65535) : random.integer(-32768, 32767)
      const [scale, isMoved] = [Math.fround(10 ** -random.integer(2, 5)), random.next() < 0.7]
      const shape = [1, random.integer(1, 9), random.integer(1, 9), random.integer(1, 9)]
      const node = (op: string, input: string, output: string, others: string[] = []): NodeParts => ({
        op,
        inputs: [input, ...others],
        outputs: [output],
      })
      const model = writeModel({
        opset: 21,
        nodes: [
          node('QuantizeLinear', 'x', 'q', ['s', 'z']),
          node('DequantizeLinear', 'q', 'd', ['s', 'z']),
          node(isMoved ? 'Transpose' : 'Abs', 'd', 'm'),
          node('QuantizeLinear', 'm', 'p', ['s', 'z']),
          node('DequantizeLinear', 'p', 'y', ['s', 'z']),
        ],
        initializers: [
          constant('s', [], Float32Array.of(scale)),
          { ...constant('z', [], (type === 'uint16' ? Uint16Array : Int16Array).of(zero)), type },
        ],
        inputs: [{ name: 'x', type: 'float32', shape }],
        outputs: [{ name: 'y', type: 'float32' }],
      })
      // Beyond both ends of the range, and between two steps of it.
      const data = Float32Array.from(
        { length: product(shape) },
        () => (random.next() * 2 - 1) * 70000 * scale,
      )
      const { ours, theirs } = await both(engine, model, { x: { type: 'float32', shape, data } })
      for (const run of ours)
        expect(run, `problem ${problem}: ${type} ${scale} ${zero} [${shape}]`).toEqual(theirs)
    }
  })

  it('networks of DequantizeLinear and QuantizeLinear run on bytes, within one level of its answer', async () => {
    using engine = await createEngine({ threads: 1 })
    const random = new Random(SEED + 1)
    for (let problem = 0; problem < PROBLEMS / 6; problem++) {
      const nodes: NodeParts[] = []
      const constants: ReturnType<typeof constant>[] = []
      const scale = 0.03
      constants.push(constant('s', [], Float32Array.of(scale)), constant('z', [], Uint8Array.of(120)))
      const quantized = (from: string, to: string) =>
        nodes.push(
          { op: 'QuantizeLinear', inputs: [from, 's', 'z'], outputs: [`${to} q`] },
          { op: 'DequantizeLinear', inputs: [`${to} q`, 's', 'z'], outputs: [to] },
        )
      quantized('x', 'h0')
      let channels = 3
      const layers = random.integer(1, 4)
      for (let i = 0; i < layers; i++) {
        const depthwise = i > 0 && random.next() < 0.4
        const out = depthwise ? channels : random.integer(4, 20)
        const size = random.pick([1, 3])
        const shape = [out, depthwise ? 1 : channels, size, size]
        const scales = Float32Array.from({ length: out }, () => 0.004 + random.next() * 0.004)
        constants.push(
          constant(`w${i}`, shape, bytesOf(random, 'int8', product(shape))),
          constant(`ws${i}`, [out], scales),
          constant(`wz${i}`, [out], new Int8Array(out)),
          constant(
            `b${i}`,
            [out],
            Int32Array.from({ length: out }, () => random.integer(-2000, 2000)),
          ),
          constant(
            `bs${i}`,
            [out],
            scales.map((v) => Math.fround(v) * Math.fround(scale)),
          ),
          constant(`bz${i}`, [out], new Int32Array(out)),
        )
        nodes.push(
          {
            op: 'DequantizeLinear',
            inputs: [`w${i}`, `ws${i}`, `wz${i}`],
            outputs: [`wd${i}`],
            attributes: { axis: 0 },
          },
          {
            op: 'DequantizeLinear',
            inputs: [`b${i}`, `bs${i}`, `bz${i}`],
            outputs: [`bd${i}`],
            attributes: { axis: 0 },
          },
          {
            op: 'Conv',
            inputs: [`h${i}`, `wd${i}`, `bd${i}`],
            outputs: [`c${i}`],
            attributes: { pads: Array<number>(4).fill(size >> 1), group: depthwise ? channels : 1 },
          },
        )
        const isLast = i === layers - 1
        if (random.next() < 0.6) nodes.push({ op: 'Relu', inputs: [`c${i}`], outputs: [`r${i}`] })
        const from = nodes.at(-1)!.outputs[0]!
        if (isLast) nodes.push({ op: 'QuantizeLinear', inputs: [from, 's', 'z'], outputs: ['y'] })
        else quantized(from, `h${i + 1}`)
        channels = out
      }
      const shape = [1, 3, random.integer(5, 12), random.integer(5, 12)]
      const model = writeModel({
        nodes,
        initializers: constants,
        inputs: [{ name: 'x', shape }],
        outputs: [{ name: 'y', type: 'uint8', shape: [null, null, null, null] }],
      })
      const loaded = await loadModel(engine, model)
      const ops = loaded.summary().map(({ op }) => op)
      loaded.dispose()
      expect(ops.filter((op) => /^Conv.* QuantizeLinear$/.test(op)).length, `${ops}`).toBe(layers)
      const data = random.floats(product(shape), -3, 3)
      const { ours, theirs } = await both(engine, model, { x: { type: 'float32', shape, data } })
      expect(ours[1]).toEqual(ours[0])
      expect(ours[2]).toEqual(ours[0])
      const apart = Array.from(theirs, (v, i) => Math.abs(v - ours[0]![i]!))
      expect(Math.max(...apart), `problem ${problem}`).toBeLessThanOrEqual(1)
    }
  })
})
