/** From an inlined, a given or a fetched binary to a compiled module, and the choice between builds. */
import { relaxedSimd, simd } from 'wasm-feature-detect'
import { check, FilterbankError, messageOf, show } from '../base/errors.js'
import { arrayName, isArrayBuffer, isModule, isResponse, isSharedBuffer, isUrl } from '../base/realm.js'
import { encodeUtf8 } from '../base/utf8.js'
import { type Compiler, compilerOf } from './host.js'
import { patch, unpack } from './inlined.js'
import { delta as relaxed } from './relaxed.js'
import { binary as simd128 } from './simd128.js'

/**
 * `'simd128'` runs wherever WebAssembly has vectors; `'relaxed'` adds fused multiply-add; `'wide'` is for an
 * experiment of V8's that joins vectors to ones of 256 bits, in Node 24 and later, where it is asked for by
 * this name.
 */
export type Build = 'simd128' | 'relaxed' | 'wide'

/** A compiled module, its bytes, or where to fetch it from. */
export type WasmSource =
  | WebAssembly.Module
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | URL
  | string
  | Response
  | Promise<Response>

export interface BuildChoice {
  build: Build
  /** Why, for `filterbank doctor`. */
  reason: string
}

/**
 * What V8 compiles to faster code than simd128. Earlier ones run out of registers. Witness: bench/builds.ts;
 * doc/hosts.md has the table.
 */
const GOOD_V8 = 13.4

const BUILDS: readonly Build[] = ['simd128', 'relaxed', 'wide']

/** Picks a build for this host, or checks the one asked for. */
export async function chooseBuild(wanted?: Build): Promise<BuildChoice> {
  const op = 'createEngine'
  check(wanted === undefined || BUILDS.includes(wanted), () => ({
    op,
    argument: 'simd',
    expected: "'simd128', 'relaxed' or 'wide'",
    got: show(wanted),
  }))
  check(typeof WebAssembly === 'object', () => ({
    op,
    argument: 'host',
    expected: 'one with WebAssembly',
    got: 'one without',
    hint: "Safari's lockdown mode and Node's --jitless turn it off",
  }))
  check(await simd(), () => ({
    op,
    argument: 'host',
    expected: 'one with WebAssembly SIMD',
    got: 'one without',
    hint: 'Chrome 91, Firefox 89, Safari 16.4 and Node 16.4 have it',
  }))
  const has = await relaxedSimd()
  check((wanted ?? 'simd128') === 'simd128' || has, () => ({
    op,
    argument: 'simd',
    expected: "'simd128' on this host",
    got: `'${wanted}'`,
    hint: LACKS_RELAXED,
  }))
  if (wanted) return { build: wanted, reason: 'as asked for' }
  if (!has) return { build: 'simd128', reason: 'this host has no relaxed SIMD' }
  return preferred(compilerOf())
}

const LACKS_RELAXED =
  'It has no relaxed SIMD: Chrome 114, Firefox 145 and Node 22 have it, Node 20 with --experimental-wasm-relaxed-simd'

/** The faster build of a host that runs both. */
export function preferred(compiler: Compiler | undefined): BuildChoice {
  if (compiler?.name === 'V8' && compiler.version < GOOD_V8) {
    const version = compiler.version.toFixed(1)
    return {
      build: 'simd128',
      reason: `this host has relaxed SIMD, but V8 ${version} compiles it to slower code; ${GOOD_V8} and later do well`,
    }
  }
  return { build: 'relaxed', reason: 'this host has relaxed SIMD' }
}

/**
 * The loop of dense products (assembly/dense): `'unrolled'`, or `'rolled'`, whose addresses have no offsets.
 * Both give the same bytes.
 */
export type Tile = 'unrolled' | 'rolled'

/**
 * The faster one, by who compiles: code is slow at first, and a measurement at the start would time that
 * (doc/kernels.md). Witness: bench/run.ts --tiles.
 */
export const tileFor = (compiler: Compiler | undefined): Tile =>
  compiler?.name === 'JavaScriptCore' ? 'rolled' : 'unrolled'

const compiled = new Map<string, Promise<WebAssembly.Module>>()

/**
 * The binary of a build, for plain or shared memory. Concurrent calls share one compilation; a failed one may
 * be tried again.
 */
export function loadModule(build: Build, shared: boolean): Promise<WebAssembly.Module> {
  const key = `${build} ${shared}`
  let module = compiled.get(key)
  if (!module) {
    const bytes = build === 'wide' ? import('./wide.js').then((wide) => wide.admitWide()) : bytesOf(build)
    module = compile(bytes, shared, `the ${build} build, bytes that do not compile`)
    module.catch(() => compiled.delete(key))
    compiled.set(key, module)
  }
  return module
}

/** Both of these builds came with this file: relaxed as what it differs in. */
export function bytesOf(build: 'simd128' | 'relaxed'): Uint8Array<ArrayBuffer> {
  const bytes = unpack(simd128)
  return build === 'relaxed' ? patch(bytes, unpack(relaxed)) : bytes
}

/** What a host says that does not compile at all, or not from bytes. */
const REFUSED = /disallow|policy|\bCSP\b|unsafe-eval|embedder|blocked/i
const MAGIC = [0, 0x61, 0x73, 0x6d]

async function compile(
  given: Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>>,
  shared: boolean,
  what: string,
): Promise<WebAssembly.Module> {
  const bytes = await given
  const isWasm = MAGIC.every((byte, i) => bytes[i] === byte)
  try {
    return await WebAssembly.compile(shared && isWasm ? importShared(bytes) : bytes)
  } catch (cause) {
    throw await refusal(cause, isWasm, what)
  }
}

/** What to tell of a binary that did not compile. */
async function refusal(cause: unknown, isWasm: boolean, what: string): Promise<FilterbankError> {
  if (cause instanceof FilterbankError) return cause
  const message = messageOf(cause)
  if (REFUSED.test(message)) {
    return new FilterbankError(
      {
        op: 'createEngine',
        argument: 'host',
        expected: 'one that compiles WebAssembly',
        got: `a refusal: ${message}`,
        hint: "A Content-Security-Policy has to allow script-src 'wasm-unsafe-eval'; a host that compiles beforehand (Cloudflare Workers) gives its module of filterbank/simd128.wasm: createEngine({ wasm: module })",
      },
      { cause },
    )
  }
  const hint = !isWasm
    ? `Was a page served in place of the file? ${message}`
    : (await relaxedSimd())
      ? message
      : `${message}. ${LACKS_RELAXED}`
  return new FilterbankError(
    { op: 'createEngine', argument: 'wasm', expected: "filterbank's binary", got: what, hint },
    { cause },
  )
}

/**
 * A module that the user brought along; one that is compiled already keeps the plain memory that it was
 * compiled for.
 */
export async function compileSource(
  source: WasmSource,
  shared: boolean,
  signal?: AbortSignal,
): Promise<WebAssembly.Module> {
  if (isModule(source)) return source
  const fail = (got: string, cause?: unknown) =>
    new FilterbankError(
      {
        op: 'createEngine',
        argument: 'wasm',
        expected: 'a WebAssembly.Module, its bytes, a URL or a Response',
        got,
      },
      cause === undefined ? undefined : { cause },
    )
  /** Its bytes, or a Response that may be compiled while it arrives. */
  const take = async (): Promise<Uint8Array<ArrayBuffer> | Response> => {
    // A copy: what is compiled must not be shared, nor change meanwhile.
    if (isArrayBuffer(source) || isSharedBuffer(source)) return new Uint8Array(source).slice()
    if (arrayName(source))
      return new Uint8Array(
        (source as Uint8Array).buffer,
        (source as Uint8Array).byteOffset,
        (source as Uint8Array).byteLength,
      ).slice()
    const response = await (typeof source === 'string' || isUrl(source)
      ? fetch(source, { signal: signal ?? null })
      : source)
    if (!isResponse(response)) throw fail(show(response))
    if (!response.ok) throw fail(`status ${response.status} for ${response.url}`)
    return !shared && streams(response) ? response : new Uint8Array(await response.arrayBuffer())
  }
  let taken: Uint8Array<ArrayBuffer> | Response
  try {
    taken = await take()
  } catch (error) {
    signal?.throwIfAborted()
    throw error instanceof FilterbankError ? error : fail(`${show(source)}: ${messageOf(error)}`, error)
  }
  if (!isResponse(taken)) return compile(taken, shared, `${taken.length} bytes that do not compile`)
  try {
    return await WebAssembly.compileStreaming(taken)
  } catch (cause) {
    signal?.throwIfAborted()
    throw await refusal(cause, true, 'a Response that does not compile')
  }
}

/**
 * Whether the host compiles a Response as it arrives (and Chromium keeps the code for the next visit): one of
 * its own, unread, that says what it is. Whoever shares memory needs the bytes first (`importShared`).
 */
const streams = (response: Response): boolean =>
  typeof WebAssembly.compileStreaming === 'function' &&
  typeof Response === 'function' &&
  response instanceof Response &&
  !response.bodyUsed &&
  response.headers.get('content-type') === 'application/wasm'

/**
 * The same module with its one import, the memory, declared shared. The import section is id 2, size, count
 * 1, and ends in ... kind 2 (memory), limits 0 (a minimum alone), the minimum; which becomes limits 3
 * (shared, with a maximum), the minimum, maximum 65536 pages: the memory given may have a smaller one.
 */
export function importShared(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const name = [3, ...encodeUtf8('env'), 6, ...encodeUtf8('memory'), 2, 0]
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
