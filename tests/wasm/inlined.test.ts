/** The inlined binaries are those of dist/. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { unpack } from '../../src/wasm/inlined.js'
import { binary as relaxed } from '../../src/wasm/relaxed.js'
import { binary as simd128 } from '../../src/wasm/simd128.js'

describe('unpack', () => {
  it.each(Object.entries({ simd128, relaxed }))('gives back every byte of %s.wasm', (name, packed) => {
    const file = readFileSync(new URL(`../../dist/${name}.wasm`, import.meta.url))
    expect(Buffer.from(unpack(packed)).equals(file)).toBe(true)
  })
})
