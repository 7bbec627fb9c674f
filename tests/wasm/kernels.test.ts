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
})
