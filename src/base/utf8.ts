/**
 * Text to UTF-8 and back, also where TextDecoder and TextEncoder are absent (AudioWorklet, jsdom in jest).
 * https://encoding.spec.whatwg.org/#utf-8
 */

/**
 * The text in `bytes`; what is no UTF-8 becomes U+FFFD as TextDecoder has it, or throws a TypeError where
 * `fatal`. A mark of byte order is left out.
 */
export function decodeUtf8(bytes: Uint8Array, { fatal = false } = {}): string {
  if (typeof TextDecoder !== 'function') return decode(bytes, fatal)
  if (fatal) return new TextDecoder('utf-8', { fatal }).decode(bytes)
  lenient ??= new TextDecoder()
  return lenient.decode(bytes)
}
let lenient: TextDecoder | undefined

/** Lengths, and the range of the second byte, by the first byte: Unicode 16, table 3-7. */
function sequence(first: number): [length: number, low: number, high: number] | undefined {
  if (first >= 0xc2 && first <= 0xdf) return [2, 0x80, 0xbf]
  if (first >= 0xe0 && first <= 0xef) return [3, first === 0xe0 ? 0xa0 : 0x80, first === 0xed ? 0x9f : 0xbf]
  if (first >= 0xf0 && first <= 0xf4) return [4, first === 0xf0 ? 0x90 : 0x80, first === 0xf4 ? 0x8f : 0xbf]
  return undefined
}

/** As TextDecoder does it; exported for its test. */
export function decode(bytes: Uint8Array, fatal = false): string {
  let text = ''
  let at = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  while (at < bytes.length) {
    const first = bytes[at++]!
    if (first < 0x80) {
      text += String.fromCharCode(first)
      continue
    }
    const [length, low, high] = sequence(first) ?? [0, 0, 0]
    let point = first & (0x7f >> length)
    let read = 1
    for (; read < length; read++, at++) {
      const byte = bytes[at]
      if (byte === undefined || byte < (read === 1 ? low : 0x80) || byte > (read === 1 ? high : 0xbf)) break
      point = (point << 6) | (byte & 0x3f)
    }
    const whole = length > 0 && read === length
    if (!whole && fatal) throw new TypeError('text that is no UTF-8')
    text += String.fromCodePoint(whole ? point : 0xfffd)
  }
  return text
}

/** The bytes of `text`; half a surrogate pair becomes U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(3 * text.length)
  let at = 0
  for (const character of text) {
    let point = character.codePointAt(0)!
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd
    if (point < 0x80) bytes[at++] = point
    else {
      const rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3
      bytes[at++] = (0xff00 >> (rest + 1)) | (point >> (6 * rest))
      for (let i = rest - 1; i >= 0; i--) bytes[at++] = 0x80 | ((point >> (6 * i)) & 0x3f)
    }
  }
  return bytes.slice(0, at)
}
