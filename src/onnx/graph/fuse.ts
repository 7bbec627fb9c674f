/**
 * Joins neighbouring nodes of a graph whose work one kernel does: normalisation into the convolution before
 * it, padding into the one behind it, biases and activations into what makes their input, and the products
 * that files write activations as into those activations.
 *
 * A name that others read, that the graph gives out or that is to be kept stays computed: what would swallow
 * it is left as it is.
 */

import { sizeOf } from '../../base/shape.js'
import type { Activation } from '../../ops/activation.js'
import { type HostTensor, isFloat } from '../file/types.js'
import { type AttributeValue, type FilePort, type Graph, graphsOf, type Node, readsOf } from './graph.js'

/** Known constants by name. */
type Constants = (name: string) => HostTensor | undefined

/**
 * @returns a graph of the same inputs and outputs, with the constants that are new in it; the given one stays
 * as it is
 */
export function fuse<P extends FilePort>(
  graph: Graph<P>,
  constants: Constants,
  keep: ReadonlySet<string> = new Set(),
): Graph<P> {
  const fusion = new Fusion(graph, constants, keep)
  fusion.passOn()
  fusion.each(nameActivation)
  fusion.each(foldNorm)
  fusion.each(addBias)
  fusion.each(padWindow)
  fusion.each(activate)
  return { ...graph, nodes: fusion.nodes, constants: fusion.made }
}

/** A graph being changed: who makes and who reads a name. */
class Fusion {
  nodes: Node[]
  readonly made = new Map<string, HostTensor>()
  private readonly makers = new Map<string, Node>()
  private readonly readers = new Map<string, Node[]>()
  private readonly gone = new Set<Node>()
  /** Names that must stay. */
  private readonly held: Set<string>

  constructor(
    graph: Graph<FilePort>,
    private readonly known: Constants,
    keep: ReadonlySet<string>,
  ) {
    this.nodes = graph.nodes.map((node) => ({ ...node }))
    // What a graph inside of a node reads is not followed.
    this.held = new Set([
      ...keep,
      ...graph.outputs.map(({ name }) => name),
      ...graph.nodes.flatMap((node) => (graphsOf(node).length ? readsOf(node) : [])),
    ])
    for (const node of this.nodes) this.enter(node)
  }

  private enter(node: Node): void {
    for (const name of node.outputs) this.makers.set(name, node)
    for (const name of new Set(node.inputs)) this.readers.set(name, [...(this.readers.get(name) ?? []), node])
  }

  private leave(node: Node): void {
    for (const name of node.outputs) if (this.makers.get(name) === node) this.makers.delete(name)
    for (const name of new Set(node.inputs))
      this.readers.set(
        name,
        this.readers.get(name)!.filter((reader) => reader !== node),
      )
  }

  /** Tries a rule on every node, in order of the run. */
  each(rule: (node: Node, fusion: Fusion) => void): void {
    for (const node of this.nodes) rule(node, this)
    this.nodes = this.nodes.filter((node) => !this.gone.has(node))
  }

  constant(name: string | undefined): HostTensor | undefined {
    return name ? (this.made.get(name) ?? this.known(name)) : undefined
  }

  /** The number that a name stands for, if it is a single known one. */
  number(name: string | undefined): number | undefined {
    const constant = this.constant(name)
    return constant && isFloat(constant.type) && sizeOf(constant.shape) === 1
      ? (constant.data[0] as number)
      : undefined
  }

  maker(name: string | undefined): Node | undefined {
    return name ? this.makers.get(name) : undefined
  }

  /** The node of one of these operators that makes `name` for a single reader. */
  sole(name: string | undefined, ...ops: string[]): Node | undefined {
    const maker = this.maker(name)
    return maker &&
      ops.includes(maker.op) &&
      this.isInner(name!) &&
      maker.outputs.slice(1).every((other) => !this.isRead(other))
      ? maker
      : undefined
  }

  isInner(name: string): boolean {
    return !this.held.has(name) && this.readers.get(name)?.length === 1
  }

  isRead(name: string): boolean {
    return this.held.has(name) || (this.readers.get(name)?.length ?? 0) > 0
  }

  /** `by` does the work of `joined` and of `node`, whose place and outputs it takes. */
  replace(node: Node, joined: readonly Node[], by: Partial<Node> & Pick<Node, 'op' | 'inputs'>): void {
    for (const old of [node, ...joined]) this.leave(old)
    for (const old of joined) this.gone.add(old)
    const parts = [...joined, node].flatMap(partsOf)
    for (const key of ['activation', 'parts', 'rank'] as const) delete node[key]
    Object.assign(node, { attributes: new Map(), ...by, outputs: [node.outputs[0]!], parts })
    this.enter(node)
  }

  constantNamed(name: string, make: () => HostTensor): string {
    if (!this.constant(name)) this.made.set(name, make())
    return name
  }

  /** Identity, and Dropout which drops nothing in a run: readers take what goes in. */
  passOn(): void {
    this.each((node) => {
      const [from, to] = [node.inputs[0]!, node.outputs[0]!]
      const drops =
        node.op === 'Dropout' && !node.inputs[2] && !node.outputs.slice(1).some((name) => this.isRead(name))
      if ((node.op !== 'Identity' && !drops) || this.held.has(to)) return
      const readers = this.readers.get(to) ?? []
      for (const old of [node, ...readers]) this.leave(old)
      for (const reader of readers) {
        reader.inputs = reader.inputs.map((name) => (name === to ? from : name))
        this.enter(reader)
      }
      this.gone.add(node)
    })
  }
}

/** Operators of the file that a node does the work of. */
export const partsOf = (node: Node): readonly string[] => node.parts ?? [node.op]

const number = (node: Node, name: string, otherwise: number): number => {
  const value = node.attributes.get(name)
  return typeof value === 'number' ? value : otherwise
}
const numbers = (node: Node, name: string, otherwise: number[] = []): number[] => {
  const value = node.attributes.get(name)
  return Array.isArray(value) ? (value as number[]) : otherwise
}

/**
 * scale * (x w + b - mean) / sqrt(variance + epsilon) + offset = x (factor w) + (factor (b - mean) + offset),
 * factor = scale / sqrt(variance + epsilon)
 */
function foldNorm(norm: Node, fusion: Fusion): void {
  if (
    norm.op !== 'BatchNormalization' ||
    number(norm, 'training_mode', 0) ||
    norm.outputs.slice(1).some((name) => fusion.isRead(name))
  )
    return
  const conv = fusion.sole(norm.inputs[0], 'Conv', 'ConvTranspose')
  const weight = fusion.constant(conv?.inputs[1])
  const bias = fusion.constant(conv?.inputs[2])
  const tables = [1, 2, 3, 4].map((i) => fusion.constant(norm.inputs[i]))
  if (
    !conv ||
    conv.activation ||
    !weight ||
    weight.shape.length < 3 ||
    (conv.inputs[2] && !bias) ||
    tables.some((table) => !table)
  )
    return
  const [scale, offset, mean, variance] = tables.map((table) => table!.data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ]
  const epsilon = number(norm, 'epsilon', 1e-5)
  const factors = Float64Array.from(scale, (s, c) => s / Math.sqrt(variance[c]! + epsilon))
  const channels = factors.length
  const transposed = conv.op === 'ConvTranspose'
  const [rows, columns] = weight.shape as [number, number]
  const groups = number(conv, 'group', 1)
  if (
    channels !== (transposed ? columns * groups : rows) ||
    [offset, mean, variance, bias?.data ?? scale].some(({ length }) => length !== channels)
  )
    return
  const plane = sizeOf(weight.shape.slice(2))
  // [out, in / groups, ...] or transposed [in, out / groups, ...]
  const channelOf = (i: number) => {
    const row = Math.floor(i / (columns * plane))
    return transposed ? Math.floor((row * groups) / rows) * columns + (Math.floor(i / plane) % columns) : row
  }
  const name = norm.outputs[0]!
  const w = fusion.constantNamed(`filterbank ${name} weight`, () => {
    const data = new Float32Array(weight.data.length)
    // A run of elements of one channel after another.
    const run = transposed ? plane : columns * plane
    for (let first = 0; first < data.length; first += run) {
      const factor = factors[channelOf(first)]!
      for (let i = first; i < first + run; i++) data[i] = (weight.data[i] as number) * factor
    }
    return { type: weight.type, shape: weight.shape, data }
  })
  const b = fusion.constantNamed(`filterbank ${name} bias`, () => ({
    type: weight.type,
    shape: [channels],
    data: Float32Array.from(
      factors,
      (factor, c) => factor * (((bias?.data[c] as number) ?? 0) - mean[c]!) + offset[c]!,
    ),
  }))
  fusion.replace(norm, [conv], { ...conv, name: conv.name, inputs: [conv.inputs[0]!, w, b] })
}

/**
 * x w, then + b: a product or convolution without a bias takes a constant for its own that is one number per
 * channel.
 */
function addBias(add: Node, fusion: Fusion): void {
  // Before opset 7 an axis may say where b stands.
  if (add.op !== 'Add' || add.attributes.has('axis')) return
  for (const [i, name] of add.inputs.entries()) {
    const bias = fusion.constant(add.inputs[1 - i])
    const maker = fusion.sole(name, 'Conv', 'ConvTranspose', 'MatMul')
    const weight = fusion.constant(maker?.inputs[1])
    if (
      !bias ||
      !maker ||
      !weight ||
      maker.inputs[2] ||
      maker.activation ||
      !isFloat(weight.type) ||
      sizeOf(weight.shape) === 0
    )
      continue
    const matrix = maker.op === 'MatMul'
    const rank = weight.shape.length
    if (matrix ? rank !== 2 : rank > 4) continue
    const channels = matrix
      ? weight.shape[1]!
      : maker.op === 'Conv'
        ? weight.shape[0]!
        : weight.shape[1]! * number(maker, 'group', 1)
    // [channels] stands at the last axis of a matrix, and before the spatial axes of an image.
    const axis = matrix ? bias.shape.length - 1 : bias.shape.length - rank + 1
    if (
      axis < 0 ||
      bias.shape.length > (matrix ? 1 : rank) ||
      bias.data.length !== channels ||
      bias.shape[axis] !== channels
    )
      continue
    const b = fusion.constantNamed(`filterbank ${add.outputs[0]} bias`, () => ({
      type: bias.type,
      shape: [channels],
      data: bias.data,
    }))
    fusion.replace(add, [maker], { ...maker, inputs: [maker.inputs[0]!, maker.inputs[1]!, b] })
    return
  }
}

/** Zeros around an image, then a convolution: its own padding. */
function padWindow(window: Node, fusion: Fusion): void {
  const { attributes } = window
  if (
    window.op !== 'Conv' ||
    !['', 'NOTSET'].includes((attributes.get('auto_pad') as string | undefined) ?? '')
  )
    return
  const pad = fusion.sole(window.inputs[0], 'Pad')
  if (
    !pad ||
    ((pad.attributes.get('mode') as string | undefined) ?? 'constant') !== 'constant' ||
    pad.inputs[3]
  )
    return
  const given = fusion.constant(pad.inputs[1])
  const sides = given ? Array.from(given.data as Float64Array) : numbers(pad, 'pads')
  const value = pad.inputs[2] ? fusion.number(pad.inputs[2]) : number(pad, 'value', 0)
  const rank = sides.length / 2
  const spatial = rank - 2
  if (
    (pad.inputs[1] && !given) ||
    value !== 0 ||
    spatial < 1 ||
    spatial > 2 ||
    sides.some((side) => side < 0)
  )
    return
  if ([0, 1, rank, rank + 1].some((i) => sides[i] !== 0)) return
  const own = numbers(window, 'pads', Array(2 * spatial).fill(0))
  const pads = own.map((side, i) => side + sides[i < spatial ? i + 2 : i + 4]!)
  fusion.replace(window, [pad], {
    ...window,
    inputs: [pad.inputs[0]!, ...window.inputs.slice(1)],
    attributes: new Map<string, AttributeValue>([...attributes, ['pads', pads]]),
  })
}

/** Activations that need no numbers, by operator. */
const plain: Record<string, Activation> = {
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  HardSwish: 'hardSwish',
  Mish: 'mish',
  Softplus: 'softplus',
}

/** The activation that a node is, as the engine has it: by itself, or with its defaults. */
function activationOf(node: Node, fusion: Fusion): Activation | undefined {
  const { op, inputs, attributes } = node
  if (Object.hasOwn(plain, op)) return plain[op]
  if (op === 'LeakyRelu' && near(number(node, 'alpha', 0.01), 0.01)) return 'leakyRelu'
  if (op === 'Elu' && number(node, 'alpha', 1) === 1) return 'elu'
  if (op === 'Swish' && number(node, 'alpha', 1) === 1) return 'silu'
  if (op === 'Gelu' && attributes.get('approximate') !== 'tanh') return 'gelu'
  if (op === 'HardSigmoid' && near(number(node, 'alpha', 0.2), 1 / 6) && number(node, 'beta', 0.5) === 0.5)
    return 'hardSigmoid'
  if (op !== 'Clip') return undefined
  const bound = (i: number, name: string, otherwise: number) =>
    inputs[i] ? fusion.number(inputs[i]) : number(node, name, otherwise)
  const [low, high] = [bound(1, 'min', Number.NEGATIVE_INFINITY), bound(2, 'max', Number.POSITIVE_INFINITY)]
  return low !== undefined && high !== undefined && low <= high ? [low, high] : undefined
}

/** An activation is done by what makes its input: clamps as the results are stored, others in place. */
function activate(node: Node, fusion: Fusion): void {
  if (node.activation) return
  const activation = activationOf(node, fusion)
  const maker = activation && fusion.sole(node.inputs[0], 'Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Add')
  if (!maker || maker.activation || !computesInEngine(maker, fusion)) return
  fusion.replace(node, [maker], { ...maker, activation })
}

/** Whether a node is sure to work on floats in the engine: its operands' types are not known otherwise. */
function computesInEngine(node: Node, fusion: Fusion): boolean {
  if (node.op === 'Add')
    return node.inputs.some(
      (name) =>
        fusion.maker(name) !== undefined &&
        ['Conv', 'ConvTranspose', 'Gemm'].includes(fusion.maker(name)!.op) &&
        computesInEngine(fusion.maker(name)!, fusion),
    )
  const weight = fusion.constant(node.inputs[1])
  // Products of several matrices take none.
  const most = node.op === 'MatMul' ? 2 : 4
  return (
    weight !== undefined && isFloat(weight.type) && weight.shape.length <= most && sizeOf(weight.shape) > 0
  )
}

const near = (a: number | undefined, b: number): boolean =>
  a !== undefined && Math.abs(a - b) <= 1e-3 * Math.abs(b)

/** A product of names and a number, with the nodes that compute it. */
interface Product {
  number: number
  factors: string[]
  nodes: Node[]
}

/** A product taken apart, through products and quotients by numbers that nobody else reads. */
function productOf(name: string, fusion: Fusion, root = fusion.sole(name, 'Mul', 'Div')): Product {
  const known = fusion.number(name)
  if (known !== undefined) return { number: known, factors: [], nodes: [] }
  const divisor = root?.op === 'Div' ? fusion.number(root.inputs[1]) : undefined
  if (!root || (root.op === 'Div' && divisor === undefined)) return { number: 1, factors: [name], nodes: [] }
  const [a, b] = [
    productOf(root.inputs[0]!, fusion),
    divisor ? { number: 1 / divisor, factors: [], nodes: [] } : productOf(root.inputs[1]!, fusion),
  ]
  return {
    number: a.number * b.number,
    factors: [...a.factors, ...b.factors],
    nodes: [...a.nodes, ...b.nodes, root],
  }
}

/** What is added to a number, `sum = other + number`. */
function addedTo(
  value: number,
  name: string | undefined,
  fusion: Fusion,
): { other: string; nodes: Node[] } | undefined {
  const add = fusion.sole(name, 'Add')
  const i = add?.inputs.findIndex((input) => near(fusion.number(input), value)) ?? -1
  return i < 0 ? undefined : { other: add!.inputs[1 - i]!, nodes: [add!] }
}

/** Activations as files spell them out. What they are made of may be read by nobody else, but for x. */
function nameActivation(root: Node, fusion: Fusion): void {
  if (root.op !== 'Mul' && root.op !== 'Div') return
  const product = productOf(root.outputs[0]!, fusion, root)
  const [a, b] = product.factors
  const found = spelled(product, a, b, fusion) ?? spelled(product, b, a, fusion)
  if (!found) return
  const { op, x, nodes, attributes = {} } = found
  const joined = [...product.nodes.slice(0, -1), ...nodes]
  // A constant of more axes than x has gives its axes to the result.
  const rank = Math.max(
    ...[root, ...joined].flatMap(({ inputs, rank = 0 }) => [
      rank,
      ...inputs.map((name) => fusion.constant(name)?.shape.length ?? 0),
    ]),
  )
  fusion.replace(root, joined, {
    op,
    inputs: [x],
    attributes: new Map(Object.entries(attributes)),
    ...(rank > 0 && { rank }),
  })
}

/** An activation of x that is computed by these nodes and a product. */
interface Spelled {
  op: string
  x: string
  nodes: Node[]
  attributes?: Record<string, number | string>
}

/** number * gate, or number * x * gate */
function spelled(
  { number: scale, factors }: Product,
  x: string | undefined,
  gate: string | undefined,
  fusion: Fusion,
): Spelled | undefined {
  if (factors.length > 2 || !x) return undefined
  if (factors.length === 1) {
    const sixth = near(scale, 1 / 6) ? sixfold(x, fusion) : undefined
    return sixth && { op: 'HardSigmoid', ...sixth, attributes: { alpha: 1 / 6, beta: 0.5 } }
  }
  if (near(scale, 1 / 6)) {
    const sixth = sixfold(gate, fusion)
    return sixth?.x === x ? { op: 'HardSwish', ...sixth } : undefined
  }
  if (near(scale, 0.5)) {
    const inner = gaussian(x, gate, fusion)
    return inner && { op: 'Gelu', x, nodes: inner.nodes, attributes: { approximate: inner.approximate } }
  }
  const maker = fusion.sole(gate, 'Sigmoid', 'HardSigmoid', 'Tanh')
  if (scale !== 1 || !maker) return undefined
  if (maker.op === 'Tanh') {
    const softplus = fusion.sole(maker.inputs[0], 'Softplus')
    return softplus?.inputs[0] === x ? { op: 'Mish', x, nodes: [softplus, maker] } : undefined
  }
  if (maker.inputs[0] !== x || !activationOf(maker, fusion)) return undefined
  return { op: maker.op === 'Sigmoid' ? 'Swish' : 'HardSwish', x, nodes: [maker] }
}

/** clip(x + 3, 0, 6) */
function sixfold(name: string | undefined, fusion: Fusion): { x: string; nodes: Node[] } | undefined {
  const clip = fusion.sole(name, 'Clip')
  const range = clip && activationOf(clip, fusion)
  const sum = clip && addedTo(3, clip.inputs[0], fusion)
  return sum && Array.isArray(range) && range[0] === 0 && range[1] === 6
    ? { x: sum.other, nodes: [...sum.nodes, clip] }
    : undefined
}

/** 1 + erf(x / sqrt 2), or near it 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
function gaussian(
  x: string,
  name: string | undefined,
  fusion: Fusion,
): { nodes: Node[]; approximate: string } | undefined {
  const sum = addedTo(1, name, fusion)
  const maker = fusion.sole(sum?.other, 'Erf', 'Tanh')
  if (!sum || !maker) return undefined
  const { number: scale, factors, nodes } = productOf(maker.inputs[0]!, fusion)
  if (factors.length !== 1) return undefined
  const all = [...sum.nodes, maker, ...nodes]
  if (maker.op === 'Erf')
    return factors[0] === x && near(scale, Math.SQRT1_2) ? { nodes: all, approximate: 'none' } : undefined
  const cubic = fusion.sole(factors[0], 'Add')
  const i = cubic?.inputs.indexOf(x) ?? -1
  if (i < 0 || !near(scale, Math.sqrt(2 / Math.PI))) return undefined
  const cube = productOf(cubic!.inputs[1 - i]!, fusion)
  const power = cube.factors.length === 1 ? fusion.sole(cube.factors[0], 'Pow') : undefined
  const isCube = power
    ? power.inputs[0] === x && cubes(fusion.constant(power.inputs[1]))
    : cube.factors.length === 3 && cube.factors.every((factor) => factor === x)
  return isCube && near(cube.number, 0.044715)
    ? { nodes: [...all, cubic!, ...cube.nodes, ...(power ? [power] : [])], approximate: 'tanh' }
    : undefined
}

/** An exponent may be whole. */
const cubes = (exponent: HostTensor | undefined): boolean =>
  exponent !== undefined && sizeOf(exponent.shape) === 1 && exponent.data[0] === 3
