/**
 * Binaries that stand in a module as text: two hexadecimal digits a byte, in lines, as tools/inline.mjs
 * writes them. Nothing is fetched, and nothing is asked of the host, which need not have atob or
 * DecompressionStream. CONTRIBUTING.md, "The package", tells what this costs beside base64 and deflate.
 */

/** What a digit stands for: '0' is 0x30, 'a' is 0x61. */
const digit = (code: number): number => (code & 15) + (code >> 6) * 9

/** The bytes of an inlined binary. */
export function unpack(lines: string): Uint8Array<ArrayBuffer> {
  const text = lines.replaceAll('\n', '')
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = (digit(text.charCodeAt(2 * i)) << 4) | digit(text.charCodeAt(2 * i + 1))
  return bytes
}
