import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { conv2d, convTranspose2d, createEngine, type Engine, maxPool2d } from '../src/index.js'
import { Control } from '../src/wasm/job.js'
import { chooseThreads } from '../src/wasm/workers.js'
import { Random } from './support/random.js'

const engines: Engine[] = []
async function engineOf(options: Parameters<typeof createEngine>[0]): Promise<Engine> {
  const engine = await createEngine(options)
  // Every job goes to the workers, however small.
  engine.parallelWork = 0
  engines.push(engine)
  return engine
}

afterEach(() => {
  for (const engine of engines.splice(0)) engine.dispose()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** What a handful of ops answer, as one list of numbers. */
function answers(engine: Engine): number[] {
  const random = new Random(5)
  return engine.scope(() => {
    const x = engine.tensor(random.floats(2 * 13 * 17 * 24), [2, 13, 17, 24])
    const filter = (kh: number, kw: number, i: number, o: number) =>
      engine.tensor(random.floats(kh * kw * i * o), [kh, kw, i, o])
    return [
      conv2d(x, filter(3, 3, 24, 40), { padding: 1 }),
      conv2d(x, filter(3, 3, 24, 40), { padding: 1, algorithm: 'igemm', stride: 2 }),
      conv2d(x, filter(1, 1, 24, 9)),
      conv2d(x, filter(5, 5, 1, 24), { padding: 'same', groups: 24 }),
      convTranspose2d(x, filter(4, 4, 24, 11), { stride: 2, padding: 1 }),
      maxPool2d(x, { size: 3, stride: 2 }),
    ].flatMap((y) => [...y.toArray()])
  })
}

describe('threads', () => {
  for (const simd of ['simd128', 'relaxed'] as const) {
    it(`1 to 4 threads give the same bytes, by both loops (${simd})`, async () => {
      const one = answers(await engineOf({ simd, threads: 1 }))
      for (const threads of [2, 3, 4]) {
        const engine = await engineOf({ simd, threads })
        expect(engine.threads).toBe(threads)
        for (let round = 0; round < 6; round++) {
          Object.assign(engine, { tile: round % 2 ? 'rolled' : 'unrolled' })
          expect(answers(engine)).toEqual(one)
        }
      }
    })
  }

  it('two engines side by side do not disturb each other', async () => {
    const [a, b] = [await engineOf({ threads: 2 }), await engineOf({ threads: 3 })]
    const want = answers(a)
    for (let round = 0; round < 5; round++) for (const engine of [a, b]) expect(answers(engine)).toEqual(want)
    a.dispose()
    expect(answers(b)).toEqual(want)
  })

  it('a worker that cannot start leaves a working engine on fewer threads, which says why', async () => {
    const builtin = process.getBuiltinModule
    vi.spyOn(process, 'getBuiltinModule').mockImplementation(((name: string) => {
      if (name !== 'node:worker_threads') return builtin(name)
      return {
        Worker: class {
          constructor() {
            throw new Error('no threads today')
          }
        },
      }
    }) as typeof builtin)
    const engine = await engineOf({ threads: 3 })
    expect(engine.threads).toBe(1)
    expect(engine.threadsReason).toContain('no threads today')
    vi.restoreAllMocks()
    expect(answers(engine)).toEqual(answers(await engineOf({ threads: 1 })))
  })

  it('a worker that dies in a job means an error after a bounded wait, and an engine that goes on', async () => {
    const engine = await engineOf({ threads: 2 })
    // What a worker leaves behind that was ended between joining a job and leaving it.
    const control = engine.i32.subarray((engine as unknown as { control: number }).control / 4)
    Atomics.add(control, Control.active, 1)
    expect(() => answers(engine)).toThrow(/worker did not finish its share/)
    expect(engine.threads).toBe(1)
    expect(answers(engine)).toEqual(answers(await engineOf({ threads: 1 })))
  })

  it('by default are counted once they have started, and started settles then', async () => {
    const os = process.getBuiltinModule('node:os')
    vi.spyOn(os, 'availableParallelism').mockReturnValue(3)
    vi.stubGlobal('navigator', undefined)
    const engine = await engineOf({})
    expect(engine.threads).toBe(1)
    expect(engine.threadsReason).toBe('this host has 3 cores; of 2 more threads 0 have started')
    await engine.started
    expect([engine.threads, engine.threadsReason]).toEqual([3, 'this host has 3 cores'])
    const gone = await engineOf({})
    gone.dispose()
    await gone.started
    expect(gone.threads).toBe(1)
  })

  it('say what a host lacks for them', () => {
    const reason = () => chooseThreads(undefined, undefined).reason
    vi.stubGlobal('crossOriginIsolated', false)
    expect(reason()).toContain('this page is not cross-origin isolated')
    vi.stubGlobal('SharedArrayBuffer', undefined)
    expect(reason()).toContain('this page is not cross-origin isolated')
    vi.stubGlobal('crossOriginIsolated', true)
    expect(reason()).toBe('this page is cross-origin isolated, but its browser has no SharedArrayBuffer')
    expect(() => chooseThreads(undefined, 2)).toThrow(
      'createEngine: threads must be 1 on this host, got 2. Threads share memory, but this page is cross-origin isolated',
    )
    vi.stubGlobal('crossOriginIsolated', undefined)
    expect(reason()).toBe('this host has no SharedArrayBuffer')
  })

  it('refuses what makes no sense', async () => {
    await expect(createEngine({ threads: 0 })).rejects.toThrow(
      'createEngine: threads must be an integer from 1 to 64, got 0',
    )
    await expect(createEngine({ threads: 1.5 })).rejects.toThrow('threads')
  })

  it('a process that forgets to dispose its engine still exits', () => {
    const folder = mkdtempSync(join(tmpdir(), 'filterbank-'))
    const script = join(folder, 'forget.mjs')
    const entry = pathToFileURL(join(import.meta.dirname, '../dist/index.js')).href
    writeFileSync(
      script,
      `import { createEngine } from '${entry}'\nconst engine = await createEngine({ threads: 3 })\nconsole.log(engine.threads)\n`,
    )
    expect(execFileSync(process.execPath, [script], { encoding: 'utf8', timeout: 20_000 }).trim()).toBe('3')
    rmSync(folder, { recursive: true })
  })
})
