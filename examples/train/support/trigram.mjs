/**
 * How likely each sign is behind the two before it: counts of three, of two and of one, each mixed with the
 * shorter by how many different signs followed. (Witten & Bell, 1991)
 */

/** Signs that are counted, the last one and those before it. */
const ORDER = 3

/** @param signs to learn from, integers below `count`. @returns bits(signs): the mean of those of each sign */
export function trigramOf(signs, count) {
  const followers = new Map()
  const keyOf = (list, end, length) => list.slice(end - length, end).join()
  signs.forEach((sign, i) => {
    for (let length = 0; length < ORDER && length <= i; length++) {
      const key = keyOf(signs, i, length)
      const seen = followers.get(key) ?? { total: 0, counts: new Map() }
      seen.total++
      seen.counts.set(sign, (seen.counts.get(sign) ?? 0) + 1)
      followers.set(key, seen)
    }
  })
  const likely = (list, i) => {
    let p = 1 / count
    for (let length = 0; length < ORDER && length <= i; length++) {
      const seen = followers.get(keyOf(list, i, length))
      if (!seen) break
      p = ((seen.counts.get(list[i]) ?? 0) + seen.counts.size * p) / (seen.total + seen.counts.size)
    }
    return p
  }
  return (list) => list.reduce((bits, _, i) => bits - Math.log2(likely(list, i)), 0) / list.length
}
