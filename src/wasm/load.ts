/** From an inlined, a given or a fetched binary to a compiled module, and the choice between builds. */
import { relaxedSimd, simd } from 'wasm-feature-detect'
import { FilterbankError, show } from '../errors.js'
import simd128 from './simd128.js'

/** `'simd128'` runs wherever WebAssembly has vectors; `'relaxed'` adds fused multiply-add. */
export type Build = 'simd128' | 'relaxed'

/** A compiled module, its bytes, or where to fetch it from. */
export type WasmSource = WebAssembly.Module | ArrayBuffer | Uint8Array | URL | string | Response | Promise<Response>

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

const compiled = new Map<Build, Promise<WebAssembly.Module>>()

/** The binary of a build: simd128 stands in this bundle, relaxed in a chunk of its own. Concurrent calls share one compilation; a failed one may be tried again. */
export function loadModule(build: Build): Promise<WebAssembly.Module> {
  let module = compiled.get(build)
  if (!module) {
    const inlined = build === 'relaxed' ? import('./relaxed.js').then((chunk) => chunk.default) : Promise.resolve(simd128)
    module = inlined.then(inflate).then((bytes) => WebAssembly.compile(bytes))
    module.catch(() => compiled.delete(build))
    compiled.set(build, module)
  }
  return module
}

/** A module that the user brought along. */
export async function compileSource(source: WasmSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) return WebAssembly.compile(source as BufferSource)
  const response = await (typeof source === 'string' || source instanceof URL ? fetch(source) : source)
  if (!(response instanceof Response) || !response.ok) {
    throw new FilterbankError({
      op: 'createEngine',
      argument: 'wasm',
      expected: 'a WebAssembly.Module, its bytes, a URL or a Response',
      got: response instanceof Response ? `status ${response.status} for ${response.url}` : show(response),
    })
  }
  return WebAssembly.compile(await response.arrayBuffer())
}

/** base64 of deflated bytes -> bytes. Nothing is fetched, so that this works offline and under any connect-src. */
async function inflate(text: string): Promise<ArrayBuffer> {
  const deflated = Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
  return new Response(new Blob([deflated]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).arrayBuffer()
}
