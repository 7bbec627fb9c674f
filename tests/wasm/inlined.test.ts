/** The inlined binaries are those of dist/. */
import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import { patch, unpack } from '../../src/wasm/inlined.js'
import { delta } from '../../src/wasm/relaxed.js'
import { binary } from '../../src/wasm/simd128.js'
import { deltaOf } from '../../tools/inline.mjs'
import { Random } from '../support/random.js'

const fileOf = (name: string) => readFileSync(new URL(`../../dist/${name}.wasm`, import.meta.url))

describe('unpack', () => {
  it('gives back every byte of simd128.wasm', () => {
    expect(Buffer.from(unpack(binary)).equals(fileOf('simd128'))).toBe(true)
  })

  it('gives the same where the host reads digits by itself', () => {
    const fromHex = vi.fn((text: string) => new Uint8Array(Buffer.from(text, 'hex')))
    Object.assign(Uint8Array, { fromHex })
    try {
      expect(unpack('00ff7a')).toEqual(Uint8Array.of(0, 255, 0x7a))
      expect(fromHex).toHaveBeenCalledOnce()
    } finally {
      Reflect.deleteProperty(Uint8Array, 'fromHex')
    }
    expect(unpack('00ff7a')).toEqual(Uint8Array.of(0, 255, 0x7a))
  })

  it('gives the same without TextEncoder, at every length', () => {
    const bytes = Uint8Array.from({ length: 9 }, (_, i) => i * 29)
    for (const encoder of [TextEncoder, undefined]) {
      vi.stubGlobal('TextEncoder', encoder)
      for (let length = 0; length <= bytes.length; length++) {
        const part = bytes.slice(0, length)
        expect(unpack(Buffer.from(part).toString('hex'))).toEqual(part)
      }
    }
    vi.unstubAllGlobals()
  })
})

describe('patch', () => {
  it('makes every byte of relaxed.wasm of simd128.wasm, by a quarter of them', () => {
    const change = unpack(delta)
    expect(Buffer.from(patch(unpack(binary), change)).equals(fileOf('relaxed'))).toBe(true)
    expect(change.length).toBeLessThan(fileOf('relaxed').length / 4)
  })

  it('makes whatever a delta was written for', () => {
    const random = new Random(20261129)
    for (let round = 0; round < 200; round++) {
      const base = Buffer.from(Array.from({ length: random.integer(0, 400) }, () => random.integer(0, 3)))
      const pieces = Array.from({ length: random.integer(0, 8) }, () => {
        const from = random.integer(0, base.length)
        return random.integer(0, 1)
          ? base.subarray(from, from + random.integer(0, 200))
          : Buffer.from(Array.from({ length: random.integer(0, 20) }, () => random.integer(0, 255)))
      })
      const wanted = Buffer.concat(pieces)
      expect(Buffer.from(patch(base, deltaOf(base, wanted))).equals(wanted), `round ${round}`).toBe(true)
    }
  })
})
