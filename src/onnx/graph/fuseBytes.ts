/**
 * Operators between DequantizeLinear and QuantizeLinear become operators on bytes: a network of such nodes
 * stays in bytes from its first layer to its last.
 */

import { sameShape, sizeOf } from '../../base/shape.js'
import type { Activation } from '../../ops/activation.js'
import { MadeTensor } from '../file/decode.js'
import { type HostTensor, roundToEven } from '../file/types.js'
import { nameFunction } from './byteFunction.js'
import { type Fusion, number } from './fusion.js'
import type { Node } from './graph.js'
import { MOVING } from './moveBytes.js'
import { bytesBehind, isByte, isPlain, isSmall, PAIRS, sameTerms, sameType } from './terms.js'

/** What makes a constant filter of bytes, whose scales may differ along `axis`. */
function filterBehind(name: string | undefined, axis: number, fusion: Fusion): Node | undefined {
  const node = fusion.maker(name)
  if (node?.op !== 'DequantizeLinear' || node.attributes.get('block_size')) return undefined
  const [filter, scale, zero] = node.inputs.map((input) => fusion.constant(input))
  if (!filter || !isByte(filter) || !scale || scale.type !== 'float32' || !zero || zero.type !== filter.type)
    return undefined
  const count = sizeOf(scale.shape)
  const along = Number(node.attributes.get('axis') ?? 1)
  const fits = count === 1 || (along + filter.shape.length) % filter.shape.length === axis
  return fits && sizeOf(zero.shape) === count ? node : undefined
}

/** A bias as int32 in units of the sums; `undefined` where it is not known. */
function biasFor(name: string, x: Node, filter: Node, fusion: Fusion): string | undefined {
  const [xScale, scales] = [fusion.constant(x.inputs[1])!, fusion.constant(filter.inputs[1])!]
  const maker = fusion.maker(name)
  const integers = maker?.op === 'DequantizeLinear' ? fusion.constant(maker.inputs[0]) : undefined
  const own = maker && fusion.constant(maker.inputs[1])
  const floats = fusion.constant(name)
  if (integers ? integers.type !== 'int32' || !own : floats?.type !== 'float32') return undefined
  const source = (integers ?? floats)!
  const zero = maker && fusion.constant(maker.inputs[2])
  if (zero && (zero.data as Int32Array).some((v) => v !== 0)) return undefined
  const at = (list: HostTensor, i: number) => Number(list.data[sizeOf(list.shape) === 1 ? 0 : i])
  const unit = (i: number) => Math.fround(at(xScale, 0) * at(scales, i))
  return fusion.constantNamed(`${name} in units of ${x.inputs[1]} and ${filter.inputs[1]}`, () => ({
    type: 'int32',
    shape: source.shape,
    data: Int32Array.from(source.data as Float32Array, (v, i) =>
      // Those of a file are mostly in these units already.
      integers && Math.abs(at(own!, i) / unit(i) - 1) < 1e-5
        ? v
        : roundToEven((integers ? v * at(own!, i) : v) / unit(i)),
    ),
  }))
}

/** Activations that the store of a sum does. */
const CLAMPS = ['Clip', 'Relu']

type ActivationOf = (node: Node, fusion: Fusion) => Activation | undefined

/** Sums of products with a filter. */
const PRODUCTS = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul']
const OTHERS = ['AveragePool', 'Concat', 'GlobalAveragePool', 'ReduceMean', 'Resize', 'Softmax', 'Where']

/** DequantizeLinear, an operator, an activation that clamps, QuantizeLinear: the operator on bytes. */
export function joinBytes(node: Node, fusion: Fusion, activationOf: ActivationOf): void {
  if (node.op !== 'QuantizeLinear' || !isPlain(node, fusion, isSmall)) return
  if (keepBytes(node, fusion) || !isPlain(node, fusion) || nameFunction(node, fusion)) return
  const last = fusion.sole(node.inputs[0], ...CLAMPS)
  const activation = last && activationOf(last, fusion)
  if (last && !activation) return
  const name = last ? last.inputs[0] : node.inputs[0]
  const op = fusion.sole(name, ...PRODUCTS, ...PAIRS, ...OTHERS)
  if (!op || op.activation) return
  const by = PRODUCTS.includes(op.op)
    ? productOfBytes(op, node, fusion)
    : (biasedProduct(op, node, fusion) ?? betweenBytes(op, node, activation, fusion))
  if (!by) return
  const { attributes, joined = [], ...rest } = { attributes: op.attributes, ...by }
  const all = last ? [...joined, op, last] : [...joined, op]
  fusion.replace(node, all, { attributes, ...rest, ...(activation && { activation }) })
}

/** Of two scales that are one nothing is left, or what moved the bytes before. */
function keepBytes(node: Node, fusion: Fusion): boolean {
  const from = bytesBehind(node.inputs[0], fusion, isSmall)
  if (!from || fusion.constant(from.inputs[0]) || !sameTerms(from, node, fusion)) return false
  const before = fusion.sole(node.inputs[0], 'DequantizeLinear')
  const move = before && fusion.sole(before.inputs[0], ...MOVING)
  if (move && move.outputs.length === 1) {
    before!.parts = []
    fusion.replace(node, [move, before!], { ...move })
  } else fusion.replace(node, [], { op: 'Identity', inputs: [from.inputs[0]!] })
  return true
}

/** Those that com.microsoft does not have on bytes, or by an opset of its own. */
const OWN = ['Div', 'Max', 'Min', 'Resize', 'Softmax', 'Sub']

/** What a node becomes, and whose work it does beside that of the operator. */
type Joined = (Pick<Node, 'op' | 'inputs'> & { attributes?: Node['attributes']; joined?: Node[] }) | undefined

/** The operands of a product: bytes, and bytes whose scales may differ along output channels. */
function operandsOf({ op, inputs, attributes }: Node, fusion: Fusion): [x: Node, filter: Node] | undefined {
  const number = (name: string, otherwise: number) => Number(attributes.get(name) ?? otherwise)
  const isGemm = op === 'Gemm'
  if (isGemm && (number('alpha', 1) !== 1 || number('beta', 1) !== 1 || number('transA', 0))) return undefined
  const x = bytesBehind(inputs[0], fusion)
  const isFirst = op === 'Conv' || (isGemm && number('transB', 0))
  const filter = filterBehind(inputs[1], isFirst ? 0 : 1, fusion)
  if (!x || !filter) return undefined
  const { length: rank } = fusion.constant(filter.inputs[0])!.shape
  return (op.startsWith('Conv') ? rank === 3 || rank === 4 : rank === 2) ? [x, filter] : undefined
}

/** Sums of products with a filter, or of two matrices of bytes; `given`: a bias that is added to them. */
function productOfBytes(op: Node, node: Node, fusion: Fusion, given = op.inputs[2]): Joined {
  const to = node.inputs.slice(1, 3)
  const operands = operandsOf(op, fusion)
  if (!operands) {
    const [a, b] = op.inputs.map((name) => bytesBehind(name, fusion))
    return op.op === 'MatMul' && !given && a && b
      ? { op: 'QLinearMatMul', inputs: [...a.inputs.slice(0, 3), ...b.inputs.slice(0, 3), ...to] }
      : undefined
  }
  const [x, filter] = operands
  const bias = given ? biasFor(given, x, filter, fusion) : ''
  if (bias === undefined) return undefined
  const inputs = operands.flatMap((maker) => maker.inputs.slice(0, 3))
  const { shape } = fusion.constant(filter.inputs[0])!
  if (op.op.startsWith('Conv')) {
    const name = op.op === 'Conv' ? 'QLinearConv' : 'filterbank.QLinearConvTranspose'
    return { op: name, inputs: [...inputs, ...to, ...(bias ? [bias] : [])] }
  }
  const columns = shape[op.op === 'Gemm' && op.attributes.get('transB') ? 0 : 1]!
  const own = bias ? fusion.constant(bias)!.shape : [columns]
  if (sizeOf(own) !== columns || own.at(-1) !== columns) return undefined
  if (op.op === 'Gemm') return { op: 'com.microsoft.QGemm', inputs: [...inputs, bias, ...to] }
  return { op: 'QLinearMatMul', inputs: [...inputs, ...to, ...(bias ? [bias] : [])] }
}

/**
 * Products in a sum from which integers are faster where they are scaled afterwards; more where their input
 * is wanted as numbers too.
 */
const MANY = 32
const MANY_BESIDE = 128

/**
 * A product of bytes that are dequantised, with a constant filter, of which numbers are wanted: sums of
 * integers, scaled.
 */
export function scaleProduct(op: Node, fusion: Fusion): void {
  if (!['Conv', 'Gemm', 'MatMul'].includes(op.op)) return
  const [x, filter] = operandsOf(op, fusion) ?? []
  if (!x || !filter) return
  const isConv = op.op === 'Conv'
  const [xScale, scales] = [fusion.constant(x.inputs[1])!, fusion.constant(filter.inputs[1])!]
  const { shape, type, data } = fusion.constant(filter.inputs[0])!
  const products = sizeOf(shape) / shape[isConv || op.attributes.get('transB') ? 0 : 1]!
  if (products < (fusion.isInner(op.inputs[0]!) ? MANY : MANY_BESIDE)) return
  const channels = sizeOf(scales.shape)
  const scale = fusion.constantNamed(
    `${x.inputs[1]} times ${filter.inputs[1]} of rank ${shape.length}`,
    () => ({
      type: 'float32',
      shape: channels === 1 ? [] : [channels, ...Array(isConv ? shape.length - 2 : 0).fill(1)],
      data: Float32Array.from(scales.data as Float32Array, (v) => v * Number(xScale.data[0])),
    }),
  )
  let [matrix] = filter.inputs as [string]
  if (op.op === 'Gemm' && op.attributes.get('transB')) {
    const [rows, columns] = shape as [number, number]
    const turned = () =>
      (data as Uint8Array).map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)] as number)
    const make = () => new MadeTensor(type, [columns, rows], turned)
    matrix = fusion.constantNamed(`${matrix} transposed`, make)
  }
  const zeros = [x.inputs[2]!, filter.inputs[2]!]
  const bias = op.inputs[2] || ''
  const inputs = [x.inputs[0]!, matrix, ...zeros, scale, ...(bias ? [bias] : [])]
  const by = { op: isConv ? 'filterbank.ConvInteger' : 'filterbank.MatMulInteger', inputs }
  const { activation, attributes } = op
  fusion.replace(op, [], { ...by, ...(isConv && { attributes }), ...(activation && { activation }) })
}

/** A product of matrices and a constant that is added to each row. */
function biasedProduct(op: Node, node: Node, fusion: Fusion): Joined {
  if (op.op !== 'Add') return undefined
  for (const [i, name] of op.inputs.entries()) {
    const product = fusion.sole(op.inputs[1 - i], 'MatMul')
    const bias = fusion.constant(name) ?? fusion.constant(fusion.maker(name)?.inputs[0])
    const by = product && bias?.shape.length === 1 && productOfBytes(product, node, fusion, name)
    if (by) return { ...by, joined: [product] }
  }
  return undefined
}

/** What has no filter: of operands of one type, that of the result. */
function betweenBytes(op: Node, node: Node, activation: Activation | undefined, fusion: Fusion): Joined {
  const isPair = PAIRS.includes(op.op)
  // Before opset 7 an axis may say where b stands.
  if (isPair ? op.inputs.length !== 2 || op.attributes.has('axis') : activation) return undefined
  // Behind x stands how: axes, sizes; in front of it which.
  const [first, count] = op.op === 'Where' ? [1, 2] : [0, isPair || op.op === 'Concat' ? op.inputs.length : 1]
  const operands = op.inputs.slice(first, first + count).map((name) => bytesBehind(name, fusion))
  if (!operands.every((maker) => maker && sameType(maker, node, fusion))) return undefined
  const inputs = operands.flatMap((maker) => maker!.inputs.slice(0, 3))
  const to = node.inputs.slice(1, 3)
  const [before, behind] = [op.inputs.slice(0, first), op.inputs.slice(first + count)]
  const domain = OWN.includes(op.op) ? 'filterbank' : 'com.microsoft'
  return {
    op: `${domain}.QLinear${op.op}`,
    inputs: op.op === 'Concat' ? [...to, ...inputs] : [...before, ...inputs, ...to, ...behind],
  }
}

/**
 * Sums of products of integers, as floats, times a scale that the run makes: the product that gives floats.
 */
export function scaleSums(node: Node, fusion: Fusion): void {
  const { inputs } = node
  // Before opset 7 an axis may say where b stands.
  if (node.op !== 'Mul' || node.attributes.has('axis') || inputs[0] === inputs[1]) return
  for (const [i, name] of inputs.entries()) {
    const cast = fusion.sole(name, 'Cast')
    const sums =
      cast && number(cast, 'to', 0) === FLOAT && fusion.sole(cast.inputs[0], 'ConvInteger', 'MatMulInteger')
    if (!sums) continue
    const four = [...sums.inputs, '', ''].slice(0, 4)
    fusion.replace(node, [sums, cast], {
      ...sums,
      op: `filterbank.${sums.op}`,
      inputs: [...four, inputs[1 - i]!],
    })
    return
  }
}

/** Of TensorProto's types. */
const FLOAT = 1

/**
 * What was dequantised for nodes that take bytes now goes; constants that others read are dequantised here,
 * since a run would do it each time.
 */
export function dropDequantized(node: Node, fusion: Fusion): void {
  if (node.op !== 'DequantizeLinear') return
  const [output] = node.outputs as [string]
  const [integers, scale, zero] = node.inputs.map((input) => fusion.constant(input))
  if (fusion.isRead(output)) {
    if (!integers || scale?.type !== 'float32' || (node.inputs[2] && !zero)) return
    const count = sizeOf(scale.shape)
    const { shape } = integers
    const rank = shape.length
    const axis = (number(node, 'axis', 1) + rank) % Math.max(1, rank)
    const block = number(node, 'block_size', 0)
    const ofBlocks = shape.map((length, i) => (i === axis ? Math.ceil(length / block) : length))
    const fits = block ? sameShape(scale.shape, ofBlocks) : count === 1 || shape[axis] === count
    if (!fits || (zero && sizeOf(zero.shape) !== count)) return
    fusion.drop(node)
    const terms = { scale, zero, axis, block: block || (count === 1 ? Number.POSITIVE_INFINITY : 1) }
    // Each by itself, or all along the axes behind.
    const make = () => dequantized(integers, { ...terms, step: block ? 1 : 0 })
    fusion.constantNamed(output, () => new MadeTensor('float32', shape, make))
  } else fusion.drop(node)
}

/** Scales and zero points: one for `block` numbers along an axis, `step` apart along those behind it. */
interface Terms {
  scale: HostTensor
  zero: HostTensor | undefined
  axis: number
  block: number
  step: number
}

function dequantized({ data, shape }: HostTensor, { scale, zero, axis, block, step }: Terms): Float32Array {
  const [from, scales, zeros] = [data as Float64Array, scale.data as Float32Array, zero?.data as Float64Array]
  const y = new Float32Array(from.length)
  const length = shape[axis] ?? 1
  const inner = sizeOf(shape.slice(axis + 1))
  for (let i = 0, row = 0; i < y.length; row++) {
    const unit = Math.floor((row % length) / block)
    const first = step ? (Math.floor(row / length) * Math.ceil(length / block) + unit) * inner : unit
    for (let k = 0; k < inner; k++, i++)
      y[i] = Math.fround(from[i]! - (zeros ? zeros[first + k * step]! : 0)) * scales[first + k * step]!
  }
  return y
}
