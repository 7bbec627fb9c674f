/**
 * Binaries that stand in a module as text: two hexadecimal digits a byte, in lines, as tools/inline.mjs
 * writes them. Nothing is fetched, and nothing is needed of the host, which need not have fromHex, atob or
 * DecompressionStream. CONTRIBUTING.md, "The package", tells what this costs beside base64 and deflate.
 */

/** What a digit stands for: '0' is 0x30, 'a' is 0x61. */
const digit = (code: number): number => (code & 15) + (code >> 6) * 9

/** The bytes of an inlined binary. */
export function unpack(lines: string): Uint8Array<ArrayBuffer> {
  const text = lines.replaceAll('\n', '')
  const { fromHex } = Uint8Array as { fromHex?: (text: string) => Uint8Array<ArrayBuffer> }
  if (fromHex) return fromHex.call(Uint8Array, text)
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (digit(text.charCodeAt(2 * i)) << 4) | digit(text.charCodeAt(2 * i + 1))
  return bytes
}

/** Bytes from which on a copy by the host is faster than a loop that has only just begun to run. */
const BLOCK = 200

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
