/**
 * Attention as files spell it out: softmax(q k^T * scale + mask) v, with the scale at the product or at one
 * of its factors, and with scores that a `Where` sets so low that they have no share.
 */
import { type Fusion, number, numbers } from './fusion.js'
import type { Node } from './graph.js'

/** A number at most this high swallows every score that is added to it. */
const SWALLOWS = -1e30

interface Scores {
  q: string
  /** What makes k^T, and what stands in its place once it makes k. */
  transpose: Node
  turned: number[]
  scale: number
  mask: string
  /** Where a score counts, and what stands in its place elsewhere. */
  sees: string
  low: number
  joined: Node[]
}

/** A factor of a product with a number, where `node` is one that nobody else reads. */
function scaled(node: Node | undefined, fusion: Fusion): { x: string; factor: number } | undefined {
  if ((node?.op !== 'Mul' && node?.op !== 'Div') || node.activation) return undefined
  const [a, b] = node.inputs as [string, string]
  const second = fusion.number(b)
  if (second !== undefined) return { x: a, factor: node.op === 'Mul' ? second : 1 / second }
  const first = node.op === 'Mul' ? fusion.number(a) : undefined
  return first === undefined ? undefined : { x: b, factor: first }
}

/** The scores that a name is; `found` what stands behind them. */
function scoresOf(name: string | undefined, fusion: Fusion, found: Partial<Scores> = {}): Scores | undefined {
  const { joined = [], mask = '', sees = '', low = 0, scale = 1 } = found
  const node = fusion.sole(name, 'Add', 'Div', 'MatMul', 'Mul', 'Where')
  if (!node || node.attributes.has('axis')) return undefined
  const behind = { ...found, joined: [...joined, node] }
  if (node.op === 'MatMul') return productOf(node, fusion, { joined: behind.joined, mask, sees, low, scale })
  // What is added or hidden is not scaled.
  if (node.op === 'Add' && !mask && scale === 1) {
    for (const [i, other] of node.inputs.toReversed().entries()) {
      const scores = scoresOf(node.inputs[i], fusion, { ...behind, mask: other })
      if (scores) return scores
    }
    return undefined
  }
  if (node.op === 'Where' && !sees && scale === 1) {
    const low = fusion.number(node.inputs[2])
    if (low === undefined || !(low <= SWALLOWS) || low === Number.NEGATIVE_INFINITY) return undefined
    return scoresOf(node.inputs[1], fusion, { ...behind, sees: node.inputs[0]!, low })
  }
  const product = scaled(node, fusion)
  return product && scoresOf(product.x, fusion, { ...behind, scale: scale * product.factor })
}

type Behind = Pick<Scores, 'joined' | 'mask' | 'sees' | 'low' | 'scale'>

/** The factors of q k^T, where the file turns k for it. */
function productOf(node: Node, fusion: Fusion, behind: Behind): Scores | undefined {
  if (node.inputs.length !== 2 || node.activation) return undefined
  let [q, turnedK] = node.inputs as [string, string]
  const { joined } = behind
  let { scale } = behind
  const query = scaled(fusion.sole(q, 'Div', 'Mul'), fusion)
  if (query) {
    joined.push(fusion.maker(q)!)
    q = query.x
    scale *= query.factor
  }
  const key = scaled(fusion.sole(turnedK, 'Div', 'Mul'), fusion)
  if (key) {
    joined.push(fusion.maker(turnedK)!)
    turnedK = key.x
    scale *= key.factor
  }
  const transpose = fusion.sole(turnedK, 'Transpose')
  const order = transpose && numbers(transpose, 'perm')
  if (!transpose || (order?.length !== 3 && order?.length !== 4)) return undefined
  const turned = [...order.slice(0, -2), order.at(-1)!, order.at(-2)!]
  return { ...behind, q, scale, transpose, turned }
}

interface Shares {
  softmax: Node
  joined: Node[]
  /** What a row has of which nothing is seen. */
  unseen: number
}

/** The softmax that a name is; where files put 0 for rows of which nothing is seen, too. */
function sharesOf(name: string | undefined, fusion: Fusion): Shares | undefined {
  const choice = fusion.sole(name, 'Where')
  if (!choice) {
    const softmax = fusion.sole(name, 'Softmax')
    return softmax && { softmax, joined: [softmax], unseen: Number.NaN }
  }
  const test = fusion.sole(choice.inputs[0], 'IsNaN')
  const shares = choice.inputs[2]!
  const softmax = fusion.maker(shares)
  return test?.inputs[0] === shares &&
    fusion.number(choice.inputs[1]) === 0 &&
    softmax?.op === 'Softmax' &&
    fusion.isReadBy(shares, [test, choice])
    ? { softmax, joined: [choice, test, softmax], unseen: 0 }
    : undefined
}

/** The rule of `fuse`: at the product with v. */
export function nameAttention(root: Node, fusion: Fusion): void {
  if (root.op !== 'MatMul' || root.inputs.length !== 2) return
  const shares = sharesOf(root.inputs[0], fusion)
  const scores = shares && scoresOf(shares.softmax.inputs[0], fusion)
  if (!shares || !scores) return
  const { q, transpose, turned, scale, mask, sees, low, joined } = scores
  // Before opset 13 the default is not the last one.
  if (![-1, turned.length - 1].includes(number(shares.softmax, 'axis', 0))) return
  const isPlain = turned.every((axis, i) => axis === i)
  const k = isPlain ? transpose.inputs[0]! : transpose.outputs[0]!
  if (isPlain) joined.push(transpose)
  else transpose.attributes = new Map([['perm', turned]])
  fusion.replace(root, [...joined.toReversed(), ...shares.joined.toReversed()], {
    op: 'filterbank.Attention',
    inputs: [q, k, root.inputs[1]!, mask, sees],
    attributes: new Map([
      ['scale', scale],
      ['low', low],
      ['unseen', shares.unseen],
    ]),
  })
}
