/**
 * Operators between DequantizeLinear and QuantizeLinear become operators on bytes: a network of such nodes
 * stays in bytes from its first layer to its last.
 */

import { sizeOf } from '../../base/shape.js'
import { type Activation, onnxActivations } from '../../ops/activation.js'
import { type HostTensor, roundToEven } from '../file/types.js'
import { type Fusion, number } from './fusion.js'
import type { Node } from './graph.js'

const isByte = (tensor: HostTensor | undefined): boolean =>
  tensor?.type === 'int8' || tensor?.type === 'uint8'

/** Of 16 bits, which few operators take as they are, or of 8. */
const isSmall = (tensor: HostTensor | undefined): boolean =>
  isByte(tensor) || tensor?.type === 'int16' || tensor?.type === 'uint16'

/** A node of one scale and zero point of 8 bits (of `fits`), both known. */
function isPlain({ inputs, attributes }: Node, fusion: Fusion, fits = isByte): boolean {
  const [scale, zero] = [fusion.constant(inputs[1]), fusion.constant(inputs[2])]
  return (
    !attributes.get('block_size') &&
    scale?.type === 'float32' &&
    fits(zero) &&
    sizeOf(scale.shape) === 1 &&
    sizeOf(zero!.shape) === 1
  )
}

/** What makes `name` of bytes, by one scale. */
function bytesBehind(name: string | undefined, fusion: Fusion, fits = isByte): Node | undefined {
  const node = fusion.maker(name)
  return node?.op === 'DequantizeLinear' && isPlain(node, fusion, fits) ? node : undefined
}

/** The same of a constant filter, whose scales may differ along `axis`. */
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

/** Operators that move elements, or choose the largest: of bytes they give those of what they give else. */
const MOVING = [
  'Concat',
  'DepthToSpace',
  'Expand',
  'Flatten',
  'Gather',
  'GlobalMaxPool',
  'MaxPool',
  'Pad',
  'Reshape',
].concat(['Slice', 'SpaceToDepth', 'Split', 'Squeeze', 'Tile', 'Transpose', 'Unsqueeze'])

/** Those of them that look at elements, or add some. */
const LARGEST = ['GlobalMaxPool', 'MaxPool', 'Pad']

/** What moves those of one input. */
const MOVES = MOVING.filter((op) => !LARGEST.includes(op) && op !== 'Concat')

/** Whether a node gives elements of what it takes, whatever they are. */
function isMoving({ op, attributes, outputs }: Node): boolean {
  const text = (name: string, otherwise: string) => attributes.get(name) ?? otherwise
  if (op === 'MaxPool') return !outputs[1]
  // A region may reach beyond x.
  if (op === 'Resize')
    return (
      text('mode', 'nearest') === 'nearest' &&
      text('coordinate_transformation_mode', '') !== 'tf_crop_and_resize'
    )
  return MOVING.includes(op)
}

/** Whether two nodes name one type, scale and zero point. */
function sameTerms(a: Node, b: Node, fusion: Fusion): boolean {
  const [p, q] = [a, b].map(({ inputs }) => [fusion.constant(inputs[1])!, fusion.constant(inputs[2])!])
  return p![1]!.type === q![1]!.type && p!.every(({ data }, i) => Number(data[0]) === Number(q![i]!.data[0]))
}

const sameType = (a: Node, b: Node, fusion: Fusion): boolean =>
  fusion.constant(a.inputs[2])!.type === fusion.constant(b.inputs[2])!.type

/**
 * The inputs behind x of a Pad of bytes: what fills with 0 fills with the zero point. Undefined where another
 * number fills.
 */
function paddingOf({ inputs, attributes }: Node, zeroPoint: string, fusion: Fusion): string[] | undefined {
  const [, pads, value, ...axes] = inputs
  // Before opset 11 sides and value are attributes.
  if (!pads) return
  if (((attributes.get('mode') as string | undefined) ?? 'constant') !== 'constant') return inputs.slice(1)
  return !value || fusion.number(value) === 0 ? [pads, zeroPoint, ...axes] : undefined
}

/** DequantizeLinear, then what moves elements: the other way round. */
export function moveBytes(node: Node, fusion: Fusion): void {
  if (!isMoving(node)) return
  const count = node.op === 'Concat' ? node.inputs.length : 1
  const fits = LARGEST.includes(node.op) ? isByte : isSmall
  const makers = node.inputs.slice(0, count).map((name) => bytesBehind(name, fusion, fits))
  const [first] = makers
  if (!first || !makers.every((maker) => maker && sameTerms(maker, first, fusion))) return
  // Constants are dequantised as they are.
  const bytes = makers.map((maker) => maker!.inputs[0]!)
  if (bytes.some((name) => fusion.constant(name))) return
  const others = node.op === 'Pad' ? paddingOf(node, first.inputs[2]!, fusion) : node.inputs.slice(count)
  if (!others) return
  const { outputs } = node
  const moved = outputs.map((name) => name && `${name} as bytes`)
  const back = outputs.flatMap((name, i) =>
    name
      ? [
          {
            op: 'DequantizeLinear',
            name,
            inputs: [moved[i]!, ...first.inputs.slice(1, 3)],
            outputs: [name],
            attributes: new Map(),
          },
        ]
      : [],
  )
  fusion.rewire(node, [...bytes, ...others], moved, back)
}

/** Activations that a table does, and which of them the store of a sum does. */
const TABLES = [...Object.keys(onnxActivations), 'Clip', 'Elu', 'Gelu', 'HardSigmoid', 'LeakyRelu', 'Swish']
const CLAMPS = ['Clip', 'Relu']

type ActivationOf = (node: Node, fusion: Fusion) => Activation | undefined

/** DequantizeLinear, an operator, an activation that clamps, QuantizeLinear: the operator on bytes. */
export function joinBytes(node: Node, fusion: Fusion, activationOf: ActivationOf): void {
  if (node.op !== 'QuantizeLinear' || !isPlain(node, fusion, isSmall)) return
  if (requantize(node, fusion) || !isPlain(node, fusion) || mapBytes(node, fusion, activationOf)) return
  const last = fusion.sole(node.inputs[0], ...CLAMPS)
  const activation = last && activationOf(last, fusion)
  if (last && !activation) return
  const name = last ? last.inputs[0] : node.inputs[0]
  const op = fusion.sole(
    name,
    'Add',
    'AveragePool',
    'Concat',
    'Conv',
    'Gemm',
    'GlobalAveragePool',
    'MatMul',
    'Mul',
    'Resize',
    'Softmax',
  )
  if (!op || op.activation) return
  const by = ['Conv', 'Gemm', 'MatMul'].includes(op.op)
    ? productOfBytes(op, node, fusion)
    : betweenBytes(op, node, activation, fusion)
  if (!by) return
  const { attributes } = op
  fusion.replace(node, last ? [op, last] : [op], { attributes, ...by, ...(activation && { activation }) })
}

/** Between two scales: nothing where they are one, or what moved the bytes before. */
function requantize(node: Node, fusion: Fusion): boolean {
  const from = bytesBehind(node.inputs[0], fusion, isSmall)
  if (!from || fusion.constant(from.inputs[0])) return false
  if (sameTerms(from, node, fusion)) {
    const before = fusion.sole(node.inputs[0], 'DequantizeLinear')
    const move = before && fusion.sole(before.inputs[0], ...MOVING, 'Resize')
    if (move && move.outputs.length === 1) {
      before!.parts = []
      fusion.replace(node, [move, before!], { ...move })
    } else fusion.replace(node, [], { op: 'Identity', inputs: [from.inputs[0]!] })
  } else if (!isPlain(node, fusion)) return false
  else if (sameType(from, node, fusion))
    fusion.replace(node, [], {
      op: 'filterbank.QLinearActivation',
      inputs: [...from.inputs.slice(0, 3), ...node.inputs.slice(1, 3)],
    })
  return true
}

/** An activation by a table. */
function mapBytes(node: Node, fusion: Fusion, activationOf: ActivationOf): boolean {
  const last = fusion.sole(node.inputs[0], ...TABLES)
  const from = last && bytesBehind(last.inputs[0], fusion)
  if (!from || !sameType(from, node, fusion)) return false
  const activation = activationOf(last!, fusion)
  if (!activation && last!.op !== 'LeakyRelu') return false
  fusion.replace(node, [last!], {
    inputs: [...from.inputs.slice(0, 3), ...node.inputs.slice(1, 3)],
    ...(activation
      ? { op: 'filterbank.QLinearActivation', activation }
      : { op: 'com.microsoft.QLinearLeakyRelu', attributes: last!.attributes }),
  })
  return true
}

/** Those that com.microsoft does not have on bytes, or by an opset of its own. */
const OWN = ['Resize', 'Softmax']

type Joined = Pick<Node, 'op' | 'inputs'> | undefined

/** Sums of products with a constant filter. */
function productOfBytes(op: Node, node: Node, fusion: Fusion): Joined {
  const isConv = op.op === 'Conv'
  const isGemm = op.op === 'Gemm'
  const number = (name: string, otherwise: number) => Number(op.attributes.get(name) ?? otherwise)
  if (isGemm && (number('alpha', 1) !== 1 || number('beta', 1) !== 1 || number('transA', 0))) return undefined
  const x = bytesBehind(op.inputs[0], fusion)
  const filter = filterBehind(op.inputs[1], isConv || (isGemm && number('transB', 0)) ? 0 : 1, fusion)
  const shape = filter && fusion.constant(filter.inputs[0])!.shape
  if (!x || !filter || (isConv ? shape!.length < 3 || shape!.length > 4 : shape!.length !== 2))
    return undefined
  const bias = op.inputs[2] ? biasFor(op.inputs[2], x, filter, fusion) : ''
  if (bias === undefined || (bias && op.op === 'MatMul')) return undefined
  const inputs = [...x.inputs.slice(0, 3), ...filter.inputs.slice(0, 3)]
  const to = node.inputs.slice(1, 3)
  if (!isGemm) {
    const all = [...inputs, ...to]
    return { op: isConv ? 'QLinearConv' : 'QLinearMatMul', inputs: bias ? [...all, bias] : all }
  }
  const columns = shape![number('transB', 0) ? 0 : 1]!
  const own = bias ? fusion.constant(bias)!.shape : [columns]
  if (sizeOf(own) !== columns || own.at(-1) !== columns) return undefined
  return { op: 'com.microsoft.QGemm', inputs: [...inputs, bias, ...to] }
}

/** What has no filter: of operands of one type, that of the result. */
function betweenBytes(op: Node, node: Node, activation: Activation | undefined, fusion: Fusion): Joined {
  const isArithmetic = op.op === 'Add' || op.op === 'Mul'
  // Before opset 7 an axis may say where b stands.
  if ((isArithmetic && op.attributes.has('axis')) || (!isArithmetic && activation)) return undefined
  // What Resize has behind x says how.
  const count = op.op === 'Resize' ? 1 : op.inputs.length
  const operands = op.inputs.slice(0, count).map((name) => bytesBehind(name, fusion))
  if (!operands.every((maker) => maker && sameType(maker, node, fusion))) return undefined
  const inputs = operands.flatMap((maker) => maker!.inputs.slice(0, 3))
  const to = node.inputs.slice(1, 3)
  const domain = OWN.includes(op.op) ? 'filterbank' : 'com.microsoft'
  return {
    op: `${domain}.QLinear${op.op}`,
    inputs: op.op === 'Concat' ? [...to, ...inputs] : [...inputs, ...to, ...op.inputs.slice(count)],
  }
}

/**
 * QuantizeLinear, what moves elements, DequantizeLinear by the same terms: the numbers in between, moved.
 * Bytes are less to move than numbers.
 */
export function roundNumbers(node: Node, fusion: Fusion): void {
  if (node.op !== 'DequantizeLinear' || !isPlain(node, fusion, isSmall)) return
  const moves = isByte(fusion.constant(node.inputs[2])) ? [] : MOVES
  let first = fusion.sole(node.inputs[0], 'QuantizeLinear', ...moves)
  while (first && first.op !== 'QuantizeLinear')
    first = fusion.sole(first.inputs[0], 'QuantizeLinear', ...moves)
  if (!first || !isPlain(first, fusion, isSmall) || !sameTerms(first, node, fusion)) return
  fusion.replace(first, [], { ...first, op: 'filterbank.Rounded' })
  fusion.replace(node, [], { op: 'Identity', inputs: [node.inputs[0]!] })
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
    if (
      !integers ||
      scale?.type !== 'float32' ||
      (node.inputs[2] && !zero) ||
      node.attributes.get('block_size')
    )
      return
    const count = sizeOf(scale.shape)
    const rank = integers.shape.length
    const axis = (Number(node.attributes.get('axis') ?? 1) + rank) % Math.max(1, rank)
    const inner = count === 1 ? 1 : sizeOf(integers.shape.slice(axis + 1))
    const at = (list: HostTensor, i: number) => Number(list.data[Math.floor(i / inner) % count])
    if (count > 1 && integers.shape[axis] !== count) return
    fusion.drop(node)
    fusion.constantNamed(output, () => ({
      type: 'float32',
      shape: integers.shape,
      data: Float32Array.from(
        integers.data as Int32Array,
        (q, i) => Math.fround(q - (zero ? at(zero, i) : 0)) * at(scale, i),
      ),
    }))
  } else fusion.drop(node)
}
