/** From an inlined, a given or a fetched binary to a compiled module, and the choice between builds. */
import { relaxedSimd, simd } from 'wasm-feature-detect'
import { check, FilterbankError, show } from '../errors.js'
import { unpack } from './inlined.js'
import { binary as simd128 } from './simd128.js'

/** `'simd128'` runs wherever WebAssembly has vectors; `'relaxed'` adds fused multiply-add. */
export type Build = 'simd128' | 'relaxed'

/** A compiled module, its bytes, or where to fetch it from. */
export type WasmSource = WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer> | URL | string | Response | Promise<Response>

export interface BuildChoice {
  build: Build
  /** Why, for `filterbank doctor`. */
  reason: string
}

/** Picks a build for this host, or checks the one asked for. */
export async function chooseBuild(wanted?: Build): Promise<BuildChoice> {
  if (wanted !== undefined && wanted !== 'simd128' && wanted !== 'relaxed') {
    throw new FilterbankError({ op: 'createEngine', argument: 'simd', expected: "'simd128' or 'relaxed'", got: show(wanted) })
  }
  if (!(await simd())) {
    throw new FilterbankError({
      op: 'createEngine',
      argument: 'host',
      expected: 'one with WebAssembly SIMD',
      got: 'one without',
      hint: 'Chrome 91, Firefox 89, Safari 16.4 and Node 16.4 have it',
    })
  }
  const relaxed = await relaxedSimd()
  if (wanted === 'relaxed' && !relaxed) {
    throw new FilterbankError({
      op: 'createEngine',
      argument: 'simd',
      expected: "'simd128' on this host",
      got: "'relaxed'",
      hint: 'It has no relaxed SIMD: Chrome 114, Firefox 145 and Node 22 have it, Node 20 with --experimental-wasm-relaxed-simd',
    })
  }
  if (wanted) return { build: wanted, reason: 'as asked for' }
  if (!relaxed) return { build: 'simd128', reason: 'this host has no relaxed SIMD' }
  // V8 before 12 spills the relaxed build's larger tile: half the speed. Witness: bench/run.mjs under Node 20.
  const node = Number(globalThis.process?.versions?.node?.split('.')[0] ?? Number.POSITIVE_INFINITY)
  if (node < 22) return { build: 'simd128', reason: `Node ${node} has relaxed SIMD, but compiles it badly` }
  return { build: 'relaxed', reason: 'this host has relaxed SIMD' }
}

const compiled = new Map<string, Promise<WebAssembly.Module>>()

/**
 * The binary of a build, for plain or shared memory: simd128 is imported with this file, relaxed only when it is wanted. Concurrent calls share one
 * compilation; a failed one may be tried again.
 */
export function loadModule(build: Build, shared: boolean): Promise<WebAssembly.Module> {
  const key = `${build} ${shared}`
  let module = compiled.get(key)
  if (!module) {
    const inlined = build === 'relaxed' ? import('./relaxed.js').then((chunk) => chunk.binary) : Promise.resolve(simd128)
    module = inlined.then(unpack).then((bytes) => WebAssembly.compile(shared ? importShared(bytes) : bytes))
    module.catch(() => compiled.delete(key))
    compiled.set(key, module)
  }
  return module
}

/** A module that the user brought along; one that is compiled already keeps the plain memory that it was compiled for. */
export async function compileSource(source: WasmSource, shared: boolean): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source
  const compile = async (bytes: Uint8Array<ArrayBuffer>) => {
    try {
      return await WebAssembly.compile(shared ? importShared(bytes) : bytes)
    } catch (cause) {
      const complaint = { op: 'createEngine', argument: 'wasm', expected: "filterbank's binary", got: `${bytes.length} bytes that do not compile` }
      throw new FilterbankError({ ...complaint, hint: `Was a page served in place of the file? ${(cause as Error).message}` }, { cause })
    }
  }
  if (source instanceof ArrayBuffer) return compile(new Uint8Array(source))
  if (ArrayBuffer.isView(source)) return compile(new Uint8Array(source))
  const response = await (typeof source === 'string' || source instanceof URL ? fetch(source) : source)
  if (!(response instanceof Response) || !response.ok) {
    throw new FilterbankError({
      op: 'createEngine',
      argument: 'wasm',
      expected: 'a WebAssembly.Module, its bytes, a URL or a Response',
      got: response instanceof Response ? `status ${response.status} for ${response.url}` : show(response),
    })
  }
  return compile(new Uint8Array(await response.arrayBuffer()))
}

/**
 * The same module with its one import, the memory, declared shared. The import section is id 2, size, count 1, and ends in
 * ... kind 2 (memory), limits 0 (a minimum alone), the minimum; which becomes limits 3 (shared, with a maximum), the minimum, maximum 65536 pages.
 */
export function importShared(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = [3, ...new TextEncoder().encode('env'), 6, ...new TextEncoder().encode('memory'), 2, 0]
  const at = bytes.findIndex((_, start) => name.every((byte, i) => bytes[start + i] === byte))
  check(at >= 0, () => ({
    op: 'createEngine',
    argument: 'wasm',
    expected: "filterbank's own binary",
    got: `${bytes.length} bytes that import no plain memory`,
    hint: 'threads: 1 takes them as they are',
  }))
  const minimum = at + name.length
  let end = minimum + 1
  // The minimum goes on while the top bit is set (LEB128).
  while (bytes[end - 1]! & 0x80) end++
  const maximum = [0x80, 0x80, 0x04]
  const patched = new Uint8Array(bytes.length + maximum.length)
  patched.set(bytes.subarray(0, end))
  patched[minimum - 1] = 3
  patched.set(maximum, end)
  patched.set(bytes.subarray(end), end + maximum.length)
  patched[at - 2]! += maximum.length
  return patched
}
