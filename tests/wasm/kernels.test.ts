import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { kernelNames } from '../../src/wasm/kernels.js'

describe('kernelNames', () => {
  it.each(['simd128', 'relaxed'])('is what %s exports', (build) => {
    const module = new WebAssembly.Module(readFileSync(new URL(`../../build/${build}.wasm`, import.meta.url)))
    const exported = WebAssembly.Module.exports(module).filter(
      ({ name }) => !['bind', 'dotOfBytes', 'fused', 'heapBase', 'tileRows'].includes(name),
    )
    expect(exported.map(({ name }) => name).sort()).toEqual([...kernelNames].sort())
    expect(exported.every(({ kind }) => kind === 'function')).toBe(true)
    expect(WebAssembly.Module.imports(module)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }])
  })

  it.each(['simd128', 'relaxed'])('has no vector in a signature of %s: V8 fails to join those', (build) => {
    const bytes = readFileSync(new URL(`../../build/${build}.wasm`, import.meta.url))
    const types = signatures(bytes)
    expect(types.length).toBeGreaterThan(20)
    expect(types.filter((type) => type.includes(V128))).toEqual([])
  })
})

const V128 = 0x7b

/** Types of what each signature takes and gives, from the first section of a module: id 1, size, count, types. */
function signatures(bytes: Uint8Array): number[][] {
  let at = 8
  // LEB128
  const number = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
    }
  }
  expect(bytes[at++]).toBe(1)
  number()
  return Array.from({ length: number() }, () => {
    expect(bytes[at++]).toBe(0x60)
    return [0, 1].flatMap(() => Array.from({ length: number() }, () => bytes[at++]!))
  })
}
