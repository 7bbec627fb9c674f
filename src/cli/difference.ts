/** How far apart two lists of numbers are. */

/** The numbers of an output of some contender. */
export interface Numbers {
  type: string
  shape: readonly number[]
  data: ArrayLike<number | bigint | string>
}

export interface Difference {
  /** Why they cannot be compared. */
  mismatch?: string
  /** The largest difference. */
  absolute: number
  /** The same as a part of the largest number of the reference. */
  relative: number
  /** Peak signal-to-noise ratio in dB, the peak being that number; Infinity where they are the same. */
  psnr: number
}

const APART = { absolute: Number.POSITIVE_INFINITY, relative: Number.POSITIVE_INFINITY, psnr: 0 }

/** `b` beside the reference `a`. Equal infinities, and NaN in both, are the same. */
export function differenceOf(a: Numbers | null, b: Numbers | null): Difference {
  if (!a || !b) {
    const same = a === b
    return same ? SAME : { ...APART, mismatch: `${a ? 'a value' : 'none'}, and ${b ? 'a value' : 'none'}` }
  }
  if (a.shape.join() !== b.shape.join())
    return { ...APART, mismatch: `[${a.shape.join(', ')}], and [${b.shape.join(', ')}]` }
  if ((a.type === 'string') !== (b.type === 'string'))
    return { ...APART, mismatch: `${a.type}, and ${b.type}` }
  if (a.type === 'string') {
    const texts = a.data as ArrayLike<string>
    const apart = Array.from(texts).filter((text, i) => text !== b.data[i]).length
    return apart ? { ...APART, mismatch: `${apart} of ${texts.length} texts differ` } : SAME
  }
  let [absolute, largest, squares] = [0, 0, 0]
  for (let i = 0; i < a.data.length; i++) {
    const [p, q] = [Number(a.data[i]), Number(b.data[i])]
    if (Number.isFinite(p)) largest = Math.max(largest, Math.abs(p))
    if (Object.is(p, q) || p === q) continue
    const apart = Math.abs(p - q)
    if (!Number.isFinite(apart)) return { ...APART, mismatch: `${p}, and ${q}, at ${i}` }
    absolute = Math.max(absolute, apart)
    squares += apart * apart
  }
  if (absolute === 0) return SAME
  const mean = Math.sqrt(squares / a.data.length)
  return {
    absolute,
    relative: largest ? absolute / largest : Number.POSITIVE_INFINITY,
    psnr: largest ? 20 * Math.log10(largest / mean) : 0,
  }
}

const SAME: Difference = { absolute: 0, relative: 0, psnr: Number.POSITIVE_INFINITY }
