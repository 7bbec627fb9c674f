/** Numbers that look random and are the same every time: the seed is printed where a test fails. */
export class Random {
  private state: number
  constructor(readonly seed: number) {
    this.state = seed >>> 0
  }

  /** Uniform in [0, 1). (Mulberry32) */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer from `low` to `high`, both included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!
  }

  /** Small integers: sums of their products are exact in float32, so that results compare bit for bit. */
  integers(length: number, low = -4, high = 4): Float32Array {
    return Float32Array.from({ length }, () => this.integer(low, high))
  }

  /** Uniform in [low, high), rounded to float32. */
  floats(length: number, low = -1, high = 1): Float32Array {
    return Float32Array.from({ length }, () => low + this.next() * (high - low))
  }
}
