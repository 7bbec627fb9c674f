/**
 * Binaries that stand in a module as text: two hexadecimal digits a byte, as tools/inline.mjs writes them.
 * Nothing is fetched, and nothing is needed of the host, which need not have fromHex, atob or
 * DecompressionStream. CONTRIBUTING.md, "The package", tells what this costs beside base64 and deflate.
 */

/** The bytes of an inlined binary. */
export function unpack(digits: string): Uint8Array<ArrayBuffer> {
  const { fromHex } = Uint8Array as { fromHex?: (text: string) => Uint8Array<ArrayBuffer> }
  if (fromHex) return fromHex.call(Uint8Array, digits)
  // Four digits, '0' is 0x30 and 'a' is 0x61, to two bytes at once: this runs before it is optimized. Where
  // WebAssembly is, the lowest byte comes first.
  const fours = new Uint32Array(Math.ceil(digits.length / 4))
  writeCodes(digits, new Uint8Array(fours.buffer))
  const pairs = new Uint16Array(fours.length)
  for (let i = 0; i < pairs.length; i++) {
    const four = fours[i]!
    const values = (four & 0x0f0f0f0f) + ((four >> 6) & 0x01010101) * 9
    const bytes = ((values & 0x000f000f) << 4) | ((values >> 8) & 0x000f000f)
    pairs[i] = (bytes & 0xff) | (bytes >> 8)
  }
  return new Uint8Array(pairs.buffer, 0, digits.length / 2)
}

/** The codes of ASCII. AudioWorklets have no TextEncoder. */
function writeCodes(text: string, to: Uint8Array<ArrayBuffer>): void {
  if (typeof TextEncoder === 'function') new TextEncoder().encodeInto(text, to)
  else for (let i = 0; i < text.length; i++) to[i] = text.charCodeAt(i)
}

/** Bytes from which on a copy by the host is faster than a loop that has only just begun to run. */
const BLOCK = 48

/** What `delta` makes of the bytes of another binary; tools/inline.mjs says how it is written. */
export function patch(base: Uint8Array, delta: Uint8Array): Uint8Array<ArrayBuffer> {
  let [at, from, to] = [0, 0, 0]
  // LEB128
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = delta[at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const bytes = new Uint8Array(number())
  const copy = (source: Uint8Array, begin: number, length: number): void => {
    if (length >= BLOCK) bytes.set(source.subarray(begin, begin + length), to)
    else for (let i = 0; i < length; i++) bytes[to + i] = source[begin + i]!
    to += length
  }
  while (to < bytes.length) {
    const fresh = number()
    copy(delta, at, fresh)
    at += fresh
    const zigzag = number()
    from += (zigzag >>> 1) ^ -(zigzag & 1)
    const length = number()
    copy(base, from, length)
    from += length
  }
  return bytes
}
