import { relaxedSimd, simd } from 'wasm-feature-detect'
import { createEngine, ENGINE, type Engine, type EngineOptions } from './core/engine.js'
import { checkOptions } from './core/options.js'
import { version } from './version.js'
import { compilerOf, coresOf, reachBuiltins } from './wasm/host.js'
import { type Build, preferred } from './wasm/load.js'
import { sharingRefused } from './wasm/workers.js'

/** What a host offers and what an engine makes of it. */
export interface Diagnosis {
  /** Version of filterbank. */
  filterbank: string
  /** Node with its V8 and platform, or the user agent of a browser, Deno or Bun. */
  host: string
  /** The build that an engine runs here; undefined where none starts. */
  build: Build | undefined
  /** Why that build, or why none. */
  reason: string
  /** Threads of that engine. */
  threads: number
  /** Why as many, and what a page lacks for more. */
  threadsReason: string
  /** Cores that the host admits to. */
  cores: number | undefined
  simd: boolean
  relaxedSimd: boolean
  /** How that engine multiplies bytes: `engine.byteDot`; undefined where none starts. */
  byteDot: Engine['byteDot'] | undefined
  /** The loop of that engine's dense products: `engine.tile`; undefined where none starts. */
  tile: Engine['tile'] | undefined
  /** Whether threads can share memory. */
  sharedMemory: boolean
  /** Whether the page is cross-origin isolated; undefined where there is no page. */
  crossOriginIsolated: boolean | undefined
  /** What to change for more speed, a sentence each. */
  advice: string[]
}

/**
 * Tells what this host offers: for bug reports, and for pages that want to know why they are slow. Never
 * throws for what the host lacks.
 * @param options those of `createEngine`, for the engine to try
 * @example console.table(await diagnose())
 */
export async function diagnose(options: EngineOptions = {}): Promise<Diagnosis> {
  checkOptions('diagnose', options, ENGINE)
  const { process, navigator, crossOriginIsolated } = globalThis as Partial<typeof globalThis>
  // Deno and Bun give themselves out as a Node, and name themselves where browsers do.
  const { node, v8, deno, bun } = process?.versions ?? ({} as Partial<NodeJS.ProcessVersions>)
  const isNode = node !== undefined && !deno && !bun
  await reachBuiltins()
  const hasWasm = typeof WebAssembly === 'object'
  const facts = {
    filterbank: version,
    host: isNode
      ? `Node ${node}, V8 ${v8}, ${process!.platform} ${process!.arch}`
      : (navigator?.userAgent ?? 'unknown'),
    cores: coresOf(),
    simd: hasWasm && (await simd()),
    relaxedSimd: hasWasm && (await relaxedSimd()),
    sharedMemory: sharingRefused() === undefined,
    crossOriginIsolated,
  }
  const advice: string[] = []
  if (isNode && preferred(compilerOf()).build === 'simd128')
    advice.push('Node 24 and later run the relaxed build, which is faster')
  try {
    const engine = await createEngine(options)
    await engine.started
    const { simd: build, simdReason: reason, threads, threadsReason, byteDot, tile } = engine
    engine.dispose()
    return { ...facts, build, reason, threads, threadsReason, byteDot, tile, advice }
  } catch (error) {
    return {
      ...facts,
      build: undefined,
      reason: (error as Error).message,
      threads: 0,
      byteDot: undefined,
      tile: undefined,
      threadsReason: 'no engine starts',
      advice,
    }
  }
}
