/** What moves elements between QuantizeLinear and DequantizeLinear moves bytes: less than numbers are. */

import type { ByteType } from '../../core/dtype.js'
import { quantized } from '../../ops/quantize.js'
import type { Fusion } from './fusion.js'
import type { Node } from './graph.js'
import { bytesBehind, isByte, isPlain, isSmall, sameTerms } from './terms.js'

/** Operators that move elements, or choose the largest: of bytes they give those of what they give else. */
export const MOVING = [
  ...['Concat', 'DepthToSpace', 'Expand', 'Flatten', 'Gather', 'GatherElements', 'GatherND', 'GlobalMaxPool'],
  ...['MaxPool', 'Pad', 'Reshape', 'Resize', 'ReverseSequence', 'Slice', 'SpaceToDepth', 'Split', 'Squeeze'],
  ...['Tile', 'Transpose', 'Unsqueeze'],
]

/** Those of them that look at elements, or add some. */
const LARGEST = ['GlobalMaxPool', 'MaxPool', 'Pad']

/** What moves those of one input. */
const MOVES = MOVING.filter((op) => !LARGEST.includes(op) && op !== 'Concat' && op !== 'Resize')

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

/** What leaves elements out, so that there is less to quantise behind it. */
const CHOOSING = ['Gather', 'GatherElements', 'GatherND', 'Slice']

/** What moves elements, then QuantizeLinear: the other way round, so that this joins what makes them. */
export function quantizeBefore(node: Node, fusion: Fusion): void {
  if (node.op !== 'QuantizeLinear' || !isPlain(node, fusion)) return
  const move = fusion.sole(node.inputs[0], ...MOVING)
  if (!move || move.op === 'Concat' || move.outputs.length > 1 || !isMoving(move)) return
  const [x, ...others] = move.inputs as [string, ...string[]]
  if (fusion.constant(x) || (CHOOSING.includes(move.op) && !fusion.maker(x))) return
  const rest = move.op === 'Pad' ? paddingBy(move, node, fusion) : others
  if (!rest) return
  const between = `${node.outputs[0]} before ${move.op}`
  const { op, name, attributes, inputs } = node
  fusion.exchange(move, node, [
    { op, name, attributes, inputs: [x, ...inputs.slice(1)], outputs: [between] },
    { op: move.op, name: move.name, attributes: move.attributes, inputs: [between, ...rest] },
  ])
  quantizeBefore(move, fusion)
}

/** The inputs behind x of a Pad behind a QuantizeLinear: a known number that fills, as this has it. */
function paddingBy(pad: Node, { inputs: [, scale, zero] }: Node, fusion: Fusion): string[] | undefined {
  const known = paddingOf(pad, zero!, fusion)
  const value = fusion.number(pad.inputs[2])
  if (known || value === undefined) return known
  const [s, z] = [fusion.constant(scale)!, fusion.constant(zero)!]
  const { data, type } = z
  const filling = fusion.constantNamed(`${pad.inputs[2]} by ${scale} and ${zero}`, () => ({
    ...z,
    shape: [],
    data: (data as Uint8Array)
      .slice(0, 1)
      .fill(quantized(value, s.data[0] as number, data[0] as number, type as ByteType)),
  }))
  return [pad.inputs[1]!, filling, ...pad.inputs.slice(3)]
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
