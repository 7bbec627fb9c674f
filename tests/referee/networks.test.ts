/**
 * ONNX Runtime as an independent referee on random networks: branches, residual sums, concatenations, odd
 * shapes, normalisation, activations by name and spelled out, pools, padding. Each is run node by node,
 * replayed, and once more with values inside of it given out. Others, and more of them:
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=1000 npx vitest run tests/referee
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { type ModelParts, type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'

const SEED = Number(process.env.FILTERBANK_SEED ?? 20261121)
const COUNT = Math.ceil(Number(process.env.FILTERBANK_PROBLEMS ?? 800) / 10)
/**
 * Rounding of a dozen layers, some of them by Winograd, as part of the largest number: far above what is seen
 * (1e-6), far below a wrong tap.
 */
const TOLERANCE = 1e-4

/** A value of the network, [n, channels, height, width]. */
interface Image {
  name: string
  channels: number
  height: number
  width: number
}

/** Draws a network, layer by layer. */
class Drawing {
  readonly nodes: NodeParts[] = []
  readonly initializers: NonNullable<ModelParts['initializers']>[number][] = []
  readonly images: Image[] = []

  constructor(readonly random: Random) {}

  constant(data: Float32Array | BigInt64Array, shape = [data.length]): string {
    const name = `w${this.initializers.length}`
    this.initializers.push({ name, shape, data })
    return name
  }
  number = (value: number) => this.constant(Float32Array.of(value), this.random.pick([[], [1]]))
  floats = (length: number, low = -1, high = 1, shape = [length]) =>
    this.constant(this.random.floats(length, low, high), shape)

  node(op: string, inputs: string[], attributes: NodeParts['attributes'] = {}): string {
    const name = `v${this.nodes.length}`
    this.nodes.push({ op, inputs, outputs: [name], attributes })
    return name
  }

  /** One of the last images, so that networks grow long as well as wide. */
  recent = () => this.images[Math.max(0, this.images.length - this.random.pick([1, 1, 1, 2, 3, 4]))]!

  conv(
    x: Image,
    {
      size = this.random.pick([1, 1, 3, 3, 5]),
      stride = this.random.pick([1, 1, 2]),
      same = this.random.next() < 0.6,
      out = 0,
    } = {},
  ): Image {
    const { random } = this
    const dilation = random.pick([1, 1, 1, 2])
    const reach = dilation * (size - 1) + 1
    const side = () => (same ? (reach - 1) / 2 : random.integer(0, reach - 1))
    const [top, left, bottom, right] = [side(), side(), side(), side()]
    const [height, width] = [
      Math.floor((x.height + top + bottom - reach) / stride) + 1,
      Math.floor((x.width + left + right - reach) / stride) + 1,
    ]
    if (height < 1 || width < 1) return this.conv(x, { size: 1, stride: 1, same: true, out })
    const groups = random.pick([1, 1, 1, x.channels, x.channels % 2 === 0 ? 2 : 1])
    const channels = out || groups * random.pick(groups === 1 ? [1, 3, 8, 17, 24] : [1, 1, 2])
    const divided = channels % groups === 0 ? groups : 1
    const fan = (x.channels / divided) * size * size
    const w = this.floats(channels * fan, -Math.sqrt(3 / fan), Math.sqrt(3 / fan), [
      channels,
      x.channels / divided,
      size,
      size,
    ])
    const attributes = {
      pads: [top, left, bottom, right],
      strides: [stride, stride],
      dilations: [dilation, dilation],
      group: divided,
    }
    const name = this.node(
      'Conv',
      [x.name, w, ...(random.next() < 0.5 ? [this.floats(channels)] : [])],
      attributes,
    )
    return { name, channels, height, width }
  }

  transposed(x: Image): Image {
    const { random } = this
    if (x.height * x.width > 400) return this.conv(x)
    const groups = x.channels % 2 === 0 ? random.pick([1, 2]) : 1
    const groupOut = random.pick([1, 4, 9])
    const w = this.floats(x.channels * groupOut * 9, -0.3, 0.3, [x.channels, groupOut, 3, 3])
    const name = this.node('ConvTranspose', [x.name, w], {
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      group: groups,
    })
    return { name, channels: groupOut * groups, height: 2 * x.height - 1, width: 2 * x.width - 1 }
  }

  norm(x: Image): Image {
    const { channels } = x
    const tables = [
      this.floats(channels, 0.5, 1.5),
      this.floats(channels),
      this.floats(channels),
      this.floats(channels, 0.5, 1.5),
    ]
    return { ...x, name: this.node('BatchNormalization', [x.name, ...tables]) }
  }

  pool(x: Image): Image {
    const { random } = this
    const op = random.pick(['MaxPool', 'AveragePool'])
    const size = random.pick([2, 3])
    const stride = random.pick([1, 2])
    const pad = random.integer(0, 1)
    const [height, width] = [x.height, x.width].map(
      (length) => Math.floor((length + 2 * pad - size) / stride) + 1,
    ) as [number, number]
    if (height < 1 || width < 1) return x
    const counts = op === 'AveragePool' ? { count_include_pad: random.integer(0, 1) } : {}
    const name = this.node(op, [x.name], {
      kernel_shape: [size, size],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      ...counts,
    })
    return { ...x, name, height, width }
  }

  /** Mostly zeros, and a window behind. */
  pad(x: Image): Image {
    const { random } = this
    const [top, left, bottom, right] = [
      random.integer(0, 2),
      random.integer(0, 1),
      random.integer(0, 2),
      random.integer(0, 1),
    ]
    const sides = this.constant(BigInt64Array.from([0, 0, top, left, 0, 0, bottom, right], BigInt))
    const value = random.pick([[], [this.number(0)], [this.number(0.5)]])
    const name = this.node('Pad', [x.name, sides, ...value])
    const y = { ...x, name, height: x.height + top + bottom, width: x.width + left + right }
    return random.next() < 0.5 ? this.conv(y) : this.pool(y)
  }

  activation(x: Image): Image {
    const { random } = this
    const of = (op: string, more: string[] = [], attributes: NodeParts['attributes'] = {}) =>
      this.node(op, [x.name, ...more], attributes)
    const gate = (name: string) =>
      random.next() < 0.5 ? this.node('Mul', [x.name, name]) : this.node('Mul', [name, x.name])
    const clipped = () => this.node('Clip', [of('Add', [this.number(3)]), this.number(0), this.number(6)])
    const bell = () =>
      this.node('Add', [this.node('Erf', [of('Div', [this.number(Math.SQRT2)])]), this.number(1)])
    const kinds: (() => string)[] = [
      () => of('Relu'),
      () => of('Relu'),
      () => of('Clip', [this.number(0), this.number(random.pick([1, 6]))]),
      () => of('Clip', [this.number(-0.5)]),
      () => of('LeakyRelu', [], { alpha: { float: random.pick([0.01, 0.2]) } }),
      () => of('PRelu', [this.floats(x.channels, 0, 0.5, x.height ? [x.channels, 1, 1] : [1])]),
      () => of('Elu'),
      () => of('Sigmoid'),
      () => of('Tanh'),
      () => of('HardSigmoid'),
      () => of('HardSwish'),
      () => gate(of('Sigmoid')),
      () => gate(of('HardSigmoid', [], { alpha: { float: 1 / 6 } })),
      () => gate(this.node('Div', [clipped(), this.number(6)])),
      () => this.node('Div', [gate(clipped()), this.number(6)]),
      () => gate(this.node('Tanh', [of('Softplus')])),
      () => this.node('Mul', [gate(bell()), this.number(0.5)]),
    ]
    return { ...x, name: random.pick(kinds)() }
  }

  /** x + f(x), mostly with an activation behind. */
  residual(x: Image): Image {
    let y = this.conv(x, { stride: 1, same: true, out: x.channels })
    if (this.random.next() < 0.5) y = this.norm(y)
    // A wide window on a narrow image may have been replaced.
    const sum = {
      ...x,
      name: this.node(
        'Add',
        this.random.pick([
          [x.name, y.name],
          [y.name, x.name],
        ]),
      ),
    }
    return this.random.next() < 0.7 ? this.activation(sum) : sum
  }

  concat(x: Image): Image {
    const others = this.images.filter(({ height, width }) => height === x.height && width === x.width)
    const other = this.random.pick(others)
    return {
      ...x,
      channels: x.channels + other.channels,
      name: this.node('Concat', [x.name, other.name], { axis: this.random.pick([1, -3]) }),
    }
  }

  perChannel(x: Image): Image {
    return {
      ...x,
      name: this.node(this.random.pick(['Add', 'Add', 'Mul']), [
        x.name,
        this.floats(x.channels, -1, 1, [x.channels, 1, 1]),
      ]),
    }
  }

  step(): void {
    const x = this.recent()
    const { random } = this
    const kinds: [share: number, draw: (x: Image) => Image][] = [
      [5, (from) => this.conv(from)],
      [1, (from) => this.transposed(from)],
      [3, (from) => this.norm(from)],
      [6, (from) => this.activation(from)],
      [2, (from) => this.pool(from)],
      [2, (from) => this.pad(from)],
      [3, (from) => this.residual(from)],
      [2, (from) => this.concat(from)],
      [2, (from) => this.perChannel(from)],
      [1, (from) => ({ ...from, name: this.node(random.pick(['Identity', 'Dropout']), [from.name]) })],
    ]
    this.images.push(random.pick(kinds.flatMap(([share, draw]) => Array<typeof draw>(share).fill(draw)))(x))
  }

  /** What the network ends in: an image, or numbers for classes. */
  end(n: number): void {
    const { random } = this
    const x = this.images.at(-1)!
    if (random.next() < 0.4) return void this.node('Identity', [x.name])
    const pooled =
      random.next() < 0.5 ? { ...x, name: this.node('GlobalAveragePool', [x.name]), height: 1, width: 1 } : x
    const features = pooled.channels * pooled.height * pooled.width
    const classes = random.integer(1, 12)
    const spread = Math.sqrt(3 / features)
    const flat =
      random.next() < 0.5
        ? this.node('Flatten', [pooled.name])
        : this.node('Reshape', [pooled.name, this.constant(BigInt64Array.of(BigInt(n), -1n))])
    if (random.next() < 0.5) {
      const w = this.floats(features * classes, -spread, spread, [classes, features])
      this.activation({
        ...x,
        channels: 1,
        height: 0,
        name: this.node('Gemm', [flat, w, ...(random.next() < 0.5 ? [this.floats(classes)] : [])], {
          transB: 1,
        }),
      })
    } else {
      const product = this.node('MatMul', [
        flat,
        this.floats(features * classes, -spread, spread, [features, classes]),
      ])
      this.activation({
        ...x,
        channels: 1,
        height: 0,
        name: random.next() < 0.7 ? this.node('Add', [product, this.floats(classes)]) : product,
      })
    }
  }
}

function draw(random: Random) {
  const drawing = new Drawing(random)
  const shape = [random.integer(1, 2), random.integer(1, 5), random.integer(5, 20), random.integer(5, 20)]
  const [n, channels, height, width] = shape as [number, number, number, number]
  drawing.images.push({ name: 'x', channels, height, width })
  for (let steps = random.integer(3, 14); steps > 0; steps--) drawing.step()
  drawing.end(n)
  const { nodes, initializers } = drawing
  const inner = nodes.map(({ outputs }) => outputs[0]!)
  const y = inner.at(-1)!
  // Some that others read, so that they are given out beside being joined to their readers.
  const taps = [...new Set(Array.from({ length: 3 }, () => random.pick(inner)))].filter((name) => name !== y)
  const model = (outputs: string[]) =>
    writeModel({
      opset: 17,
      nodes,
      initializers,
      inputs: [{ name: 'x', shape }],
      outputs: outputs.map((name) => ({ name })),
    })
  return {
    shape,
    data: random.floats(n * channels * height * width),
    y,
    taps,
    nodes,
    own: model([y]),
    whole: model([y, ...taps]),
  }
}

describe('agrees with ONNX Runtime', () => {
  it(`on ${COUNT} random networks from seed ${SEED}`, { timeout: 2000 * COUNT }, async () => {
    using engine = await createEngine({ threads: 1 })
    for (let index = 0; index < COUNT; index++) {
      const { shape, data, y, taps, nodes, own, whole } = draw(new Random(SEED + index))
      const about = `FILTERBANK_SEED=${SEED}, network ${index}, x [${shape}]: ${nodes.map(({ op, outputs }) => `${outputs[0]} ${op}`).join(', ')}`
      // A referee that fuses nothing itself; its own fusion makes pools that it refuses.
      const session = await InferenceSession.create(whole, {
        graphOptimizationLevel: 'disabled',
        intraOpNumThreads: 1,
        interOpNumThreads: 1,
        logSeverityLevel: 3,
      })
      const wanted = await session.run({ x: new OnnxTensor('float32', data, shape) })
      await session.release()
      using model = await loadModel(engine, own)
      const check = (outputs: ReturnType<typeof model.run>, names: string[], run: string) => {
        expect(Object.keys(outputs)).toEqual(names)
        for (const name of names) {
          const [got, expected] = [outputs[name]!, wanted[name]!]
          expect([...got.shape], `${about}: ${name}`).toEqual([...expected.dims])
          const [a, b] = [got.toArray() as Float32Array, expected.data as Float32Array]
          const largest = b.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-3)
          const apart = a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0)
          expect(apart / largest, `${about}: ${name}, ${run}`).toBeLessThan(TOLERANCE)
        }
      }
      check(model.run({ x: data }), [y], 'node by node')
      for (const run of ['recorded', 'replayed']) check(model.run({ x: data }), [y], run)
      check(model.run({ x: data }, { taps }), [y, ...taps], 'with taps')
      check(model.run({ x: data }), [y], 'after taps')
    }
    expect(engine.memory().tensors).toBe(0)
  })
})
