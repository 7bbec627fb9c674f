import { at, build, type Values } from './reference.js'

/** What the reference of attention takes beside q, k and v. */
export interface Wanted {
  /** Broadcasts to [n, heads, length, keys]; as booleans (0 hides) or as numbers to add. */
  mask?: Values | undefined
  isBoolean?: boolean
  /** Query i sees keys up to causal + i. */
  causal?: number | undefined
  scale?: number | undefined
  softcap?: number
}

/** The value that broadcasts to an index. */
const spread = (part: Values, index: number[]): number =>
  at(
    part,
    part.shape.map((length, i) => (length === 1 ? 0 : index[index.length - part.shape.length + i]!)),
  )

/**
 * q [n, heads, length, size], k [n, kvHeads, keys, size], v [n, kvHeads, keys, valueSize] -> [n, heads, length,
 * valueSize]; 0 where nothing is seen.
 */
export function attention(q: Values, k: Values, v: Values, wanted: Wanted = {}): Values {
  const [n, heads, length, size] = q.shape as [number, number, number, number]
  const [, kvHeads, keys] = k.shape as [number, number, number]
  const { mask, isBoolean, causal, scale = 1 / Math.sqrt(size), softcap = 0 } = wanted
  const of = (head: number) => Math.floor((head * kvHeads) / heads)
  const scores = build([n, heads, length, keys], (image, head, i, j) => {
    let score = 0
    for (let c = 0; c < size; c++) score += at(q, [image, head, i, c]) * at(k, [image, of(head), j, c])
    score *= scale
    if (softcap) score = softcap * Math.tanh(score / softcap)
    if (causal !== undefined && j > causal + i) return -Infinity
    if (!mask) return score
    const seen = spread(mask, [image, head, i, j])
    if (isBoolean) return seen ? score : -Infinity
    return score + seen
  })
  return build([n, heads, length, v.shape[3]!], (image, head, i, c) => {
    const row = Array.from({ length: keys }, (_, j) => at(scores, [image, head, i, j]))
    const largest = Math.max(...row)
    if (largest === -Infinity) return 0
    const powers = row.map((score) => Math.exp(score - largest))
    const sum = powers.reduce((a, b) => a + b, 0)
    return powers.reduce((y, power, j) => y + (power / sum) * at(v, [image, of(head), j, c]), 0)
  })
}
