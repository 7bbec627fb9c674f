import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { decode, decodeUtf8, encodeUtf8 } from '../../src/base/utf8.js'

afterEach(() => vi.unstubAllGlobals())

/** Bytes as they come, and bytes that are nearly text. */
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        0x41,
        0x7f,
        0x80,
        0x9f,
        0xa0,
        0xbf,
        0xc1,
        0xc2,
        0xdf,
        0xe0,
        0xed,
        0xef,
        0xf0,
        0xf4,
        0xf5,
        0xbb,
      ),
      { maxLength: 12 },
    )
    .map((list) => Uint8Array.from(list)),
)

describe('UTF-8 of our own', () => {
  it('reads any bytes as TextDecoder does', () => {
    fc.assert(
      fc.property(bytes, (given) => {
        expect(decode(given)).toBe(new TextDecoder().decode(given))
      }),
      { numRuns: 2000 },
    )
  })

  it('refuses where TextDecoder does', () => {
    const attempt = (read: () => string) => {
      try {
        return read()
      } catch (error) {
        return (error as Error).name
      }
    }
    fc.assert(
      fc.property(bytes, (given) => {
        expect(attempt(() => decode(given, true))).toBe(
          attempt(() => new TextDecoder('utf-8', { fatal: true }).decode(given)),
        )
      }),
    )
  })

  it('writes any text as TextEncoder does, halves of pairs included', () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0xffff }),
      fc.constantFrom(0x41, 0xd800, 0xdc00, 0xdbff, 0xdfff),
    )
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 30 }), (units) => {
        const text = String.fromCharCode(...units)
        expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text))
      }),
      { numRuns: 2000 },
    )
  })

  it('is taken where the host has none', () => {
    vi.stubGlobal('TextDecoder', undefined)
    expect(decodeUtf8(encodeUtf8('größe 深さ 🙂'))).toBe('größe 深さ 🙂')
    expect(() => decodeUtf8(Uint8Array.of(0xff), { fatal: true })).toThrow(TypeError)
  })
})
