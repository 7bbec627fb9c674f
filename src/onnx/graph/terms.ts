/** What integers between QuantizeLinear and DequantizeLinear stand for. */
import { sizeOf } from '../../base/shape.js'
import type { HostTensor } from '../file/types.js'
import type { Fusion } from './fusion.js'
import type { Node } from './graph.js'

/** Operators that take two operands, element by element. */
export const PAIRS = ['Add', 'Div', 'Max', 'Min', 'Mul', 'Sub']

export const isByte = (tensor: HostTensor | undefined): boolean =>
  tensor?.type === 'int8' || tensor?.type === 'uint8'

/** Of 16 bits, which few operators take as they are, or of 8. */
export const isSmall = (tensor: HostTensor | undefined): boolean =>
  isByte(tensor) || tensor?.type === 'int16' || tensor?.type === 'uint16'

/** A node of one scale and zero point of 8 bits (of `fits`), both known. */
export function isPlain({ inputs, attributes }: Node, fusion: Fusion, fits = isByte): boolean {
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
export function bytesBehind(name: string | undefined, fusion: Fusion, fits = isByte): Node | undefined {
  const node = fusion.maker(name)
  return node?.op === 'DequantizeLinear' && isPlain(node, fusion, fits) ? node : undefined
}

/** Whether two nodes name one type, scale and zero point. */
export function sameTerms(a: Node, b: Node, fusion: Fusion): boolean {
  const [p, q] = [a, b].map(({ inputs }) => [fusion.constant(inputs[1])!, fusion.constant(inputs[2])!])
  return p![1]!.type === q![1]!.type && p!.every(({ data }, i) => Number(data[0]) === Number(q![i]!.data[0]))
}

export const sameType = (a: Node, b: Node, fusion: Fusion): boolean =>
  fusion.constant(a.inputs[2])!.type === fusion.constant(b.inputs[2])!.type
