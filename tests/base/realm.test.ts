/**
 * Values of another realm, as an iframe, jsdom or a vm context gives them: none is an instance of this
 * realm's classes.
 */
import { readFileSync } from 'node:fs'
import { createContext, runInContext } from 'node:vm'
import { afterAll, describe, expect, it } from 'vitest'
import { arrayName, isArrayBuffer, isModule, isResponse, isThenable, isUrl } from '../../src/base/realm.js'
import { sobel } from '../../src/image/index.js'
import { createEngine, type Tensor } from '../../src/index.js'
import { Linear, load, readIdx, save } from '../../src/nn/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'

const context = createContext({})
const inContext = (code: string) => runInContext(code, context)

type List = { length: number; [index: number]: unknown }
/** The same numbers in the other realm's array of that name. */
function foreign<T extends List>(array: T): T {
  const copy = inContext(array.constructor.name)
  const made = new copy(array.length)
  for (let i = 0; i < array.length; i++) made[i] = array[i]
  expect(made).not.toBeInstanceOf(array.constructor)
  return made
}

const engine = await createEngine({ threads: 1 })
afterAll(() => engine.dispose())

const kinds = [
  'Int8',
  'Uint8',
  'Uint8Clamped',
  'Int16',
  'Uint16',
  'Int32',
  'Uint32',
  'Float32',
  'Float64',
  'BigInt64',
  'BigUint64',
] as const

describe('brands', () => {
  it.each(kinds)('know a %sArray of any realm', (kind) => {
    expect(arrayName(inContext(`new ${kind}Array(3)`))).toBe(`${kind}Array`)
    expect(arrayName(new (globalThis[`${kind}Array`] as Float32ArrayConstructor)(3))).toBe(`${kind}Array`)
  })

  it('are not taken in by names', () => {
    expect(arrayName({ [Symbol.toStringTag]: 'Float32Array', length: 3 })).toBeUndefined()
    expect(arrayName(inContext('new DataView(new ArrayBuffer(8))'))).toBeUndefined()
    expect(arrayName(null)).toBeUndefined()
    expect(isUrl({ [Symbol.toStringTag]: 'URL' })).toBe(false)
    expect(isResponse({ [Symbol.toStringTag]: 'Response' })).toBe(false)
  })

  it('know buffers, modules, promises, URLs and responses', () => {
    expect(isArrayBuffer(inContext('new ArrayBuffer(8)'))).toBe(true)
    expect(isModule(inContext('new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))'))).toBe(
      true,
    )
    expect(isThenable(inContext('Promise.resolve(1)'))).toBe(true)
    expect(isUrl(new URL('file:///x'))).toBe(true)
    expect(isResponse(new Response(''))).toBe(true)
  })
})

describe('values of another realm', () => {
  it('fill tensors', () => {
    for (const kind of kinds.slice(0, 9)) {
      const data = foreign(new (globalThis[`${kind}Array`] as Float32ArrayConstructor)([1, 2, 3]))
      engine.scope(() => {
        expect([...engine.tensor(data, [3]).toArray()]).toEqual([1, 2, 3])
        expect([...engine.zeros([3]).set(data).toArray()]).toEqual([1, 2, 3])
      })
    }
    expect(() => engine.tensor(inContext('new BigInt64Array(3)'), [3])).toThrow(
      'engine.tensor: data must be an array or typed array of numbers',
    )
  })

  it('are the binary', async () => {
    const bytes = foreign(new Uint8Array(readFileSync(new URL('../../dist/simd128.wasm', import.meta.url))))
    Object.assign(context, { bytes })
    for (const wasm of [bytes, bytes.buffer, inContext('new WebAssembly.Module(bytes)')]) {
      using made = await createEngine({ wasm, threads: 1 })
      expect(made.simd).toBe('simd128')
    }
  })

  it('are models, their inputs, and what is read of files', async () => {
    const bytes = writeModel({
      nodes: [{ op: 'Add', inputs: ['x', 'c'], outputs: ['y'] }],
      inputs: [{ name: 'x', shape: [3] }],
      outputs: [{ name: 'y' }],
      initializers: [{ name: 'c', shape: [3], data: foreign(Float32Array.of(10, 20, 30)) }],
    })
    const theirs = foreign(bytes)
    for (const source of [theirs, theirs.buffer as ArrayBuffer]) {
      using model = await loadModel(engine, source)
      expect([...model.run({ x: foreign(Float32Array.of(1, 2, 3)) })['y']!.toArray()]).toEqual([11, 22, 33])
    }
    using layer = new Linear(engine, { inFeatures: 2, outFeatures: 2 })
    load(foreign(save(layer)), layer)
    expect([...readIdx(foreign(Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 9))).data]).toEqual([7, 9])
  })

  it('are pixels', () => {
    const pixels = Uint8ClampedArray.from({ length: 256 }, (_, i) => (i * 37) % 256)
    const ours = sobel({ data: pixels, width: 8, height: 8 }, { engine })
    const out = foreign(new Uint8ClampedArray(256)) as Uint8ClampedArray<ArrayBuffer>
    const theirs = sobel({ data: foreign(pixels), width: 8, height: 8 }, { engine, out })
    expect(theirs.data).toBe(out)
    expect([...out]).toEqual([...ours.data])
  })

  it('hold tensors that a scope keeps, and make it async', () => {
    for (const code of ['({ x })', '[x]', 'new Map([[1, x]])', 'new Set([x])']) {
      let x: Tensor | undefined
      engine.scope(() => {
        x = engine.zeros([1])
        return Object.assign(context, { x }) && inContext(code)
      })
      expect(x!.disposed, code).toBe(false)
      x!.dispose()
    }
    expect(() => engine.scope(() => inContext('Promise.resolve(1)'))).toThrow('engine.scope: fn must be')
  })
})
