/** Floats of 16 bits: IEEE halves, and brain floats, which are the upper half of a float32. */

/** float32 of the 16 bits of an IEEE half. */
export function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  const size =
    exponent === 31
      ? fraction
        ? Number.NaN
        : Number.POSITIVE_INFINITY
      : exponent
        ? 2 ** (exponent - 25) * (1024 + fraction)
        : 2 ** -24 * fraction
  return bits & 0x8000 ? -size : size
}

/** The same of many: by their bits, which takes nanoseconds each. */
export function fromHalves(halves: Uint16Array): Float32Array {
  const floats = new Float32Array(halves.length)
  const bits = new Uint32Array(floats.buffer)
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i]!
    const size = half & 0x7fff
    // The exponent's bias is 112 more, and that of infinities and NaN twice that; the numbers below 2^-14 are
    // multiples of 2^-24.
    if (size < 0x400) floats[i] = (half & 0x8000 ? -1 : 1) * size * 2 ** -24
    else bits[i] = ((half & 0x8000) << 16) | ((size << 13) + (size < 0x7c00 ? 0x38000000 : 0x70000000))
  }
  return floats
}

export function fromBrains(brains: Uint16Array): Float32Array {
  const bits = new Uint32Array(brains.length)
  for (let i = 0; i < brains.length; i++) bits[i] = brains[i]! << 16
  return new Float32Array(bits.buffer)
}

const word = new Float32Array(1)
const bitsOfWord = new Uint32Array(word.buffer)

/** The 16 bits of the IEEE half nearest to a float32; ties to even, too large to infinity. */
export function toHalf(value: number): number {
  word[0] = value
  return halfOf(bitsOfWord[0]!, word[0])
}

/** The same of many. */
export function toHalves(numbers: ArrayLike<number>): Uint16Array {
  const floats = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers)
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length)
  const halves = new Uint16Array(floats.length)
  for (let i = 0; i < halves.length; i++) halves[i] = halfOf(bits[i]!, floats[i]!)
  return halves
}

/** The half nearest to a float32 that has these bits. */
function halfOf(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000
  const rest = bits & 0x7fffffff
  if (rest > 0x7f800000) return sign | 0x7e00
  // From 65520 on.
  if (rest >= 0x477ff000) return sign | 0x7c00
  // Below the normal halves, from 2^-14 on, all are 2^-24 apart: sums with 2^52 are whole, rounded to even.
  if (rest < 0x38800000) return sign | (Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52)
  // A half keeps 10 of 23 bits.
  return sign | ((rest - 0x38000000 + 0xfff + ((rest >>> 13) & 1)) >>> 13)
}

export const fromBrain = (bits: number): number => {
  bitsOfWord[0] = bits << 16
  return word[0]!
}

export function toBrain(value: number): number {
  word[0] = value
  const bits = bitsOfWord[0]!
  return Number.isNaN(value) ? 0x7fc0 : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The same of many. */
export function toBrains(numbers: ArrayLike<number>): Uint16Array {
  const brains = new Uint16Array(numbers.length)
  for (let i = 0; i < brains.length; i++) brains[i] = toBrain(numbers[i]!)
  return brains
}
