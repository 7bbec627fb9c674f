/**
 * Joins neighbouring nodes of a graph whose work one kernel does: normalisation into the convolution before
 * it, padding into the one behind it, biases and activations into what makes their input, and the products
 * that files write activations as into those activations.
 *
 * A name that others read, that the graph gives out or that is to be kept stays computed: what would swallow
 * it is left as it is.
 */

import { sizeOf } from '../../base/shape.js'
import { atOnce, type Steps } from '../../base/turns.js'
import { MadeTensor } from '../file/decode.js'
import { fitsEngine, isFloat } from '../file/types.js'
import { activationOf, joinedActivation, nameActivation } from './activations.js'
import { nameAttention } from './attention.js'
import { dropDequantized, joinBytes, scaleProduct, scaleSums } from './fuseBytes.js'
import { type Constants, Fusion, number, numbers } from './fusion.js'
import type { AttributeValue, FilePort, Graph, Node } from './graph.js'
import { moveBytes, quantizeBefore, roundNumbers } from './moveBytes.js'
import { nameLayerNorm } from './normal.js'
import { turnLater } from './turn.js'

/**
 * @returns a graph of the same inputs and outputs, with the constants that are new in it; the given one stays
 * as it is
 */
export function* fuse<P extends FilePort>(
  graph: Graph<P>,
  constants: Constants,
  keep: ReadonlySet<string> = new Set(),
): Steps<Graph<P>> {
  const fusion = new Fusion(graph, constants, keep)
  yield* fusion.begin()
  yield* fusion.passOn()
  yield* fusion.each(nameActivation)
  yield* fusion.each(moveBytes)
  yield* fusion.each(quantizeBefore)
  yield* fusion.each((node) => joinBytes(node, fusion, activationOf))
  yield* fusion.each(scaleProduct)
  yield* fusion.each(dropDequantized)
  yield* fusion.each(roundNumbers)
  yield* fusion.each(turnLater)
  yield* fusion.passOn()
  yield* fusion.each(nameLayerNorm)
  yield* fusion.each(nameAttention)
  yield* fusion.each(foldNorm)
  yield* fusion.each(scaleSums)
  yield* fusion.each(addBias)
  yield* fusion.each(turnMatrix)
  yield* fusion.each(padWindow)
  yield* fusion.each(nameJoined)
  yield* fusion.each(activate)
  return { ...graph, nodes: fusion.nodes, constants: fusion.made }
}

/** A product with a transposed constant reads it as it stands. */
function turnMatrix(node: Node, fusion: Fusion): void {
  const maker = node.op === 'MatMul' ? fusion.sole(node.inputs[1], 'Transpose') : undefined
  const weight = fusion.constant(maker?.inputs[0])
  if (!maker || node.inputs[2] || weight?.shape.length !== 2 || numbers(maker, 'perm')[0] === 0) return
  if (!isFloat(weight.type) || !fitsEngine(weight.type)) return
  fusion.replace(node, [maker], {
    op: 'com.microsoft.FusedMatMul',
    inputs: [node.inputs[0]!, maker.inputs[0]!],
    attributes: new Map([['transB', 1]]),
  })
}

/**
 * The same operators with normalisation, biases and padding folded into convolutions, and nothing that a file
 * could not hold: what `quantizeModel` begins with.
 */
export function foldWeights<P extends FilePort>(graph: Graph<P>, constants: Constants): Graph<P> {
  const fusion = new Fusion(graph, constants, new Set())
  atOnce(fusion.begin())
  atOnce(fusion.passOn())
  atOnce(fusion.each(foldNorm))
  // MatMul has no bias in a file.
  const addsBias = (node: Node) => {
    if (!node.inputs.some((name) => fusion.maker(name)?.op === 'MatMul')) addBias(node, fusion)
  }
  atOnce(fusion.each(addsBias))
  atOnce(fusion.each(padWindow))
  return { ...graph, nodes: fusion.nodes, constants: fusion.made }
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
  const folded = () => {
    const given = weight.data as Float32Array
    const data = new Float32Array(given.length)
    // A run of elements of one channel after another.
    const run = transposed ? plane : columns * plane
    for (let first = 0; first < data.length; first += run) {
      const factor = factors[channelOf(first)]!
      for (let i = first; i < first + run; i++) data[i] = given[i]! * factor
    }
    return data
  }
  const w = fusion.constantNamed(
    `filterbank ${name} weight`,
    () => new MadeTensor(weight.type, weight.shape, folded),
  )
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

/** Products of integers that give floats (`scaleSums`). */
const SCALED = ['filterbank.ConvInteger', 'filterbank.MatMulInteger']

/**
 * x w, then + b: a product or convolution without a bias takes a constant for its own that is one number per
 * channel.
 */
function addBias(add: Node, fusion: Fusion): void {
  // Before opset 7 an axis may say where b stands.
  if (add.op !== 'Add' || add.attributes.has('axis')) return
  for (const [i, name] of add.inputs.entries()) {
    const bias = fusion.constant(add.inputs[1 - i])
    const maker = fusion.sole(name, 'Conv', 'ConvTranspose', 'MatMul', ...SCALED)
    const weight = fusion.constant(maker?.inputs[1])
    if (!bias || !maker || !weight) continue
    const isScaled = SCALED.includes(maker.op)
    /** Which input the bias is. */
    const at = isScaled ? 5 : 2
    if (
      maker.inputs[at] ||
      maker.activation ||
      (isScaled ? bias.type !== 'float32' : !isFloat(weight.type)) ||
      sizeOf(weight.shape) === 0
    )
      continue
    const matrix = maker.op.includes('MatMul')
    const rank = weight.shape.length
    if (matrix ? rank !== 2 : rank > 4) continue
    const channels = matrix
      ? weight.shape[1]!
      : maker.op !== 'ConvTranspose'
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
    fusion.replace(add, [maker], { ...maker, inputs: [...maker.inputs.slice(0, at), b] })
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

/** What may have an activation. */
const ACTIVATED = [
  ...['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Add'],
  ...['BatchNormalization', 'InstanceNormalization', 'GroupNormalization'],
]

/** An activation is done by what makes its input: clamps as the results are stored, others in place. */
function activate(node: Node, fusion: Fusion): void {
  if (node.activation) return
  const activation = activationOf(node, fusion)
  const maker = activation && fusion.sole(node.inputs[0], ...ACTIVATED, ...SCALED)
  if (!maker || maker.activation || !computesInEngine(maker, fusion)) return
  fusion.replace(node, [maker], { ...maker, activation })
}

/** Products of the standard by what they are called with an activation joined to them. */
const JOINED: Readonly<Record<string, string>> = {
  'com.microsoft.FusedConv': 'Conv',
  'com.microsoft.FusedConvTranspose': 'ConvTranspose',
  'com.microsoft.FusedGemm': 'Gemm',
}

/** What an optimiser has joined to a product is done as `activate` has it. */
function nameJoined(node: Node, fusion: Fusion): void {
  const op = Object.hasOwn(JOINED, node.op) ? JOINED[node.op]! : undefined
  const activation = op && joinedActivation(node, fusion)
  // A fourth input is a sum, which the activation comes after.
  if (!op || !activation || node.inputs[3]) return
  const plain = { ...node, op }
  if (computesInEngine(plain, fusion)) fusion.replace(node, [], { ...plain, activation })
}

/** Whether a node is sure to work on floats in the engine: its operands' types are not known otherwise. */
function computesInEngine(node: Node, fusion: Fusion): boolean {
  if (SCALED.includes(node.op)) return true
  // By the numbers of the batch itself it is made of several operations.
  if (number(node, 'training_mode', 0)) return false
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
