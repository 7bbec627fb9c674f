/** Ranges of activations from what runs show of them. */

export type Range = readonly [low: number, high: number]
export type RangeMethod = 'minmax' | 'percentile' | 'entropy'

const HALF = 2048
/** The share of numbers that 'percentile' keeps. */
const KEPT = 0.9999
const LEVELS = 128

/** A histogram over [-limit, limit), whose limit doubles as larger numbers come. */
export class Histogram {
  low = 0
  high = 0
  count = 0
  private limit = 2 ** -20
  private bins = new Float64Array(2 * HALF)

  /** @returns whether all numbers are finite */
  add(data: ArrayLike<number>): boolean {
    let [low, high] = [this.low, this.high]
    for (let i = 0; i < data.length; i++) {
      const v = data[i]!
      if (v < low) low = v
      if (v > high) high = v
      if (v - v !== 0) return false
    }
    ;[this.low, this.high] = [low, high]
    while (Math.max(-low, high) >= this.limit) this.double()
    const { bins } = this
    const scale = HALF / this.limit
    for (let i = 0; i < data.length; i++) bins[Math.floor(data[i]! * scale) + HALF]!++
    this.count += data.length
    return true
  }

  private double(): void {
    const bins = new Float64Array(2 * HALF)
    this.bins.forEach((n, i) => {
      bins[((i - HALF) >> 1) + HALF]! += n
    })
    this.bins = bins
    this.limit *= 2
  }

  range(method: RangeMethod): Range {
    if (method === 'minmax') return [this.low, this.high]
    const most = method === 'percentile' ? undefined : this.leastDivergence()
    const [low, high] = most === undefined ? this.percentiles() : [-most, most]
    return [Math.max(this.low, low), Math.min(this.high, high)]
  }

  private percentiles(): Range {
    const tail = (this.count * (1 - KEPT)) / 2
    const step = this.limit / HALF
    let [low, high] = [0, 2 * HALF - 1]
    for (let sum = this.bins[low]!; sum <= tail && low < HALF; sum += this.bins[low]!) low++
    for (let sum = this.bins[high]!; sum <= tail && high >= HALF; sum += this.bins[high]!) high--
    return [(low - HALF) * step, (high + 1 - HALF) * step]
  }

  /**
   * The limit of |x| at which 128 levels tell least less than the numbers themselves: Migacz, 8-bit inference
   * with TensorRT, 2017. Zeros, which each scale has, do not count.
   */
  private leastDivergence(): number {
    const sizes = new Float64Array(HALF)
    for (let i = 0; i < HALF; i++) sizes[i] = this.bins[HALF + i]! + this.bins[HALF - 1 - i]!
    sizes[0] = 0
    const used = sizes.findLastIndex((n) => n > 0) + 1
    let [best, least] = [used, Number.POSITIVE_INFINITY]
    for (let end = LEVELS; end <= used; end += 8) {
      const divergence = divergenceAt(sizes, end, used)
      if (divergence < least) [best, least] = [end, divergence]
    }
    return (best * this.limit) / HALF
  }
}

/** sum p log(p / q), p clipped at `end` bins, q of 128 levels. */
function divergenceAt(sizes: Float64Array, end: number, used: number): number {
  const total = sizes.subarray(0, used).reduce((sum, n) => sum + n, 0)
  const inside = sizes.subarray(0, end).reduce((sum, n) => sum + n, 0)
  const outside = total - inside
  if (inside === 0) return Number.POSITIVE_INFINITY
  let divergence = 0
  for (let level = 0; level < LEVELS; level++) {
    const from = Math.floor((level * end) / LEVELS)
    const to = Math.floor(((level + 1) * end) / LEVELS)
    let [sum, filled] = [0, 0]
    for (let i = from; i < to; i++) {
      sum += sizes[i]!
      if (sizes[i]! > 0 || (i === end - 1 && outside > 0)) filled++
    }
    for (let i = from; i < to; i++) {
      const p = (sizes[i]! + (i === end - 1 ? outside : 0)) / total
      if (p > 0) divergence += p * Math.log(p / Math.max(sum / filled / inside, 1e-12))
    }
  }
  return divergence
}
