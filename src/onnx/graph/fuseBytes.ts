/**
 * Convolutions and products between DequantizeLinear and QuantizeLinear become the operator on bytes: a
 * network of such nodes stays in bytes from its first layer to its last.
 */

import { sizeOf } from '../../base/shape.js'
import type { Activation } from '../../ops/activation.js'
import { type HostTensor, roundToEven } from '../file/types.js'
import type { Fusion } from './fusion.js'
import type { Node } from './graph.js'

const isByte = (tensor: HostTensor | undefined): boolean =>
  tensor?.type === 'int8' || tensor?.type === 'uint8'

/** A node of one scale and zero point of 8 bits, both known. */
function isPlain({ inputs, attributes }: Node, fusion: Fusion): boolean {
  const [scale, zero] = [fusion.constant(inputs[1]), fusion.constant(inputs[2])]
  return (
    !attributes.get('block_size') &&
    scale?.type === 'float32' &&
    isByte(zero) &&
    sizeOf(scale.shape) === 1 &&
    sizeOf(zero!.shape) === 1
  )
}

/** What makes `name` of bytes, by one scale. */
function bytesBehind(name: string | undefined, fusion: Fusion): Node | undefined {
  const node = fusion.maker(name)
  return node?.op === 'DequantizeLinear' && isPlain(node, fusion) ? node : undefined
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

/** DequantizeLinear, Conv or MatMul, an activation that clamps, QuantizeLinear. */
export function joinBytes(
  node: Node,
  fusion: Fusion,
  activationOf: (node: Node, fusion: Fusion) => Activation | undefined,
): void {
  if (node.op !== 'QuantizeLinear' || !isPlain(node, fusion)) return
  const last = fusion.sole(node.inputs[0], 'Relu', 'Clip')
  const activation = last && activationOf(last, fusion)
  if (last && !activation) return
  const op = fusion.sole(last ? last.inputs[0] : node.inputs[0], 'Conv', 'MatMul')
  if (!op || op.activation) return
  const isConv = op.op === 'Conv'
  const x = bytesBehind(op.inputs[0], fusion)
  const filter = filterBehind(op.inputs[1], isConv ? 0 : 1, fusion)
  const shape = filter && fusion.constant(filter.inputs[0])!.shape
  if (!x || !filter || (isConv ? shape!.length < 3 || shape!.length > 4 : shape!.length !== 2)) return
  const bias = op.inputs[2] ? biasFor(op.inputs[2], x, filter, fusion) : ''
  if (bias === undefined || (bias && !isConv)) return
  const inputs = [...x.inputs.slice(0, 3), ...filter.inputs.slice(0, 3), node.inputs[1]!, node.inputs[2]!]
  fusion.replace(node, last ? [op, last] : [op], {
    op: isConv ? 'QLinearConv' : 'QLinearMatMul',
    inputs: bias ? [...inputs, bias] : inputs,
    attributes: op.attributes,
    ...(activation && { activation }),
  })
}

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
