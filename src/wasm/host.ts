/**
 * What runs this JavaScript: Node's own modules where there are any, and which engine compiles WebAssembly.
 */

interface Builtins {
  'node:child_process': typeof import('node:child_process')
  'node:fs': typeof import('node:fs')
  'node:module': typeof import('node:module')
  'node:os': typeof import('node:os')
  'node:path': typeof import('node:path')
  'node:url': typeof import('node:url')
  'node:v8': typeof import('node:v8')
  'node:worker_threads': typeof import('node:worker_threads')
}
const builtinNames: readonly (keyof Builtins)[] = [
  'node:fs',
  'node:os',
  'node:path',
  'node:url',
  'node:worker_threads',
]
const imported = new Map<string, unknown>()

/** One of Node's modules; undefined outside of Node. Before Node 20.16 `reachBuiltins` has to come first. */
export const builtin = <Name extends keyof Builtins>(name: Name): Builtins[Name] | undefined =>
  (globalThis.process?.getBuiltinModule?.(name) ?? imported.get(name)) as Builtins[Name] | undefined

/**
 * Node before 20.16 lacks process.getBuiltinModule: brings its modules by require where that is a global, in
 * scripts given as text, whose import() crashes Node 20.0; else by import(), which no bundler is to follow.
 */
export async function reachBuiltins(): Promise<void> {
  const { process, require } = globalThis as { process?: NodeJS.Process; require?: NodeJS.Require }
  if (!process?.versions?.node || typeof process.getBuiltinModule === 'function' || imported.size) return
  const bring = async (name: string) => {
    imported.set(
      name,
      typeof require === 'function'
        ? require(name)
        : await import(/* webpackIgnore: true */ /* @vite-ignore */ name),
    )
  }
  // A host that only poses as Node has none: it goes without.
  await Promise.allSettled(builtinNames.map(bring))
}

/** Cores that the host admits to. */
export const coresOf = (): number | undefined =>
  globalThis.navigator?.hardwareConcurrency ?? builtin('node:os')?.availableParallelism()

/**
 * Who compiles. V8's versions are those of Chrome: 12.4 is in Chrome 124, Node 22, and as many Electrons and
 * Denos.
 */
export type Compiler = { name: 'V8'; version: number } | { name: 'JavaScriptCore' | 'SpiderMonkey' }

/** What it says of itself; undefined where it says nothing, as in an AudioWorklet. */
export function compilerOf({
  process,
  navigator,
}: Partial<Pick<typeof globalThis, 'process' | 'navigator'>> = globalThis): Compiler | undefined {
  const { bun, v8 } = process?.versions ?? ({} as Partial<NodeJS.ProcessVersions>)
  // Bun gives itself out as a Node, V8 included.
  if (bun) return { name: 'JavaScriptCore' }
  if (v8) return { name: 'V8', version: Number.parseFloat(v8) }
  const agent = navigator?.userAgent ?? ''
  const chrome = /Chrom(?:e|ium)\/(\d+)/.exec(agent)
  if (chrome) return { name: 'V8', version: Number(chrome[1]) / 10 }
  // Chrome on iOS calls itself CriOS, and is WebKit as all browsers there.
  if (/AppleWebKit\//.test(agent)) return { name: 'JavaScriptCore' }
  if (/Gecko\/\d/.test(agent)) return { name: 'SpiderMonkey' }
  return undefined
}
