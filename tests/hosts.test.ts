/** Hosts that lack things, each a process of its own that loses them before dist/ is imported. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { writeModel } from '../src/onnx/file/write.js'
import { root, temporaryFolder } from './support/package.js'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())

const modelPath = join(folder.path, 'model.onnx')
writeFileSync(
  modelPath,
  writeModel({
    nodes: [{ op: 'Relu', inputs: ['größe'], outputs: ['y'] }],
    inputs: [{ name: 'größe', shape: [2] }],
    outputs: [{ name: 'y' }],
  }),
)

/** What a script prints as JSON with its `answer`. `dist` is a URL that ends in a slash. */
function run(body: string, { dist = join(root, 'dist'), flags = [] as string[] } = {}): unknown {
  const script = join(folder.path, 'script.mjs')
  const head = `const dist = ${JSON.stringify(`${pathToFileURL(dist).href}/`)}\nconst modelPath = ${JSON.stringify(modelPath)}\n`
  writeFileSync(script, `${head}${body}\nconsole.log(JSON.stringify(answer))\n`)
  return JSON.parse(
    execFileSync(process.execPath, [...flags, script], { encoding: 'utf8', timeout: 30_000, stdio: 'pipe' }),
  )
}

describe('a host', () => {
  it('without text, clock, timers, network and workers (AudioWorklet) runs and trains', () => {
    const answer = run(`
      import { readFileSync } from 'node:fs'
      const bytes = new Uint8Array(readFileSync(modelPath))
      for (const name of ['TextDecoder', 'TextEncoder', 'performance', 'setTimeout', 'setImmediate', 'setInterval', 'clearTimeout', 'queueMicrotask', 'MessageChannel',
        'fetch', 'URL', 'Response', 'Blob', 'Worker', 'AbortController', 'AbortSignal', 'navigator', 'structuredClone', 'crypto', 'process']) {
        Object.defineProperty(globalThis, name, { value: undefined, configurable: true, writable: true })
      }
      const { createEngine, diagnose, relu } = await import(dist + 'index.js')
      await import(dist + 'image.js')
      const { Linear, load, save } = await import(dist + 'nn.js')
      const { loadModel } = await import(dist + 'onnx.js')
      const engine = await createEngine()
      const layer = new Linear(engine, { inFeatures: 1, outFeatures: 1 })
      load(save(layer), layer)
      const model = await loadModel(engine, bytes)
      for (let i = 0; i < 3; i++) await model.runAsync({ größe: [-1, 2] })
      const answer = {
        relu: [...relu(engine.tensor([-1, 2], [2])).toArray()],
        model: [...(await model.runAsync({ größe: [-1, 2] })).y.toArray()],
        threads: engine.threads, reason: engine.threadsReason, cores: (await diagnose()).cores ?? null,
      }`)
    expect(answer).toEqual({
      relu: [0, 2],
      model: [0, 2],
      threads: 1,
      reason: 'no worker can be started here (service workers and worklets cannot)',
      cores: null,
    })
  })

  it('without process.getBuiltinModule and Symbol.dispose (Node 20.0) has threads, paths and disposal', () => {
    const answer = run(`
      process.getBuiltinModule = undefined
      const { createEngine, diagnose } = await import(dist + 'index.js')
      const { loadModel } = await import(dist + 'onnx.js')
      const { pathToFileURL } = await import('node:url')
      const engine = await createEngine({ threads: 2 })
      const shapes = []
      for (const source of [modelPath, pathToFileURL(modelPath)]) shapes.push((await loadModel(engine, source)).inputs[0].shape)
      const symbol = Symbol.dispose ?? Symbol.for('Symbol.dispose')
      const answer = { threads: engine.threads, shapes, cores: (await diagnose()).cores > 0, disposes: typeof engine[symbol] }
      engine.dispose()`)
    expect(answer).toEqual({ threads: 2, shapes: [[2], [2]], cores: true, disposes: 'function' })
  })

  it('that refuses to compile is told what to allow, or to bring a module', () => {
    const answer = run(`
      WebAssembly.compile = async () => { throw new WebAssembly.CompileError('WebAssembly.compile(): Wasm code generation disallowed by embedder') }
      const { createEngine, FilterbankError, relu } = await import(dist + 'index.js')
      const error = await createEngine({ threads: 1 }).catch((error) => error)
      const { readFileSync } = await import('node:fs')
      const engine = await createEngine({ wasm: new WebAssembly.Module(readFileSync(new URL('simd128.wasm', dist))) })
      const answer = { ours: error instanceof FilterbankError, message: error.message, relu: [...relu(engine.tensor([-1, 2], [2])).toArray()] }`) as {
      ours: boolean
      message: string
      relu: number[]
    }
    expect(answer).toMatchObject({ ours: true, relu: [0, 2] })
    expect(answer.message).toContain(
      'createEngine: host must be one that compiles WebAssembly, got a refusal',
    )
    expect(answer.message).toContain("'wasm-unsafe-eval'")
  })

  it('without WebAssembly is told so', () => {
    const answer = run(`
      delete globalThis.WebAssembly
      const { createEngine, diagnose } = await import(dist + 'index.js')
      const answer = [(await createEngine().catch((error) => error)).message, (await diagnose()).simd]`)
    expect(answer).toEqual([
      expect.stringContaining('createEngine: host must be one with WebAssembly, got one without'),
      false,
    ])
  })
})
