/** Models that a page keeps, in the system's Chromium: what goes over the network is counted by the server. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { writeModel } from '../../src/onnx/file/write.js'
import { split } from '../support/external.js'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { root } from '../support/package.js'
import { launch } from './host.js'

/** y = x + 1, and a megabyte that nobody reads. */
const bytes = writeModel({
  opset: 13,
  nodes: [{ op: 'Add', inputs: ['x', 'one'], outputs: ['y'] }],
  inputs: [{ name: 'x', shape: [2] }],
  outputs: [{ name: 'y' }],
  initializers: [
    { name: 'one', shape: [1], data: Float32Array.of(1) },
    { name: 'rest', shape: [1 << 18], data: new Float32Array(1 << 18) },
  ],
})

/** What a visit comes to. */
interface Visit {
  y?: number[]
  report?: { from: string; kept: boolean; reason?: string }
  progress?: { loaded: number; total?: number }[]
  milliseconds?: number
  error?: string
}

const SCRIPT = `
import { createEngine } from '/dist/index.js'
import * as onnx from '/dist/onnx.js'
import { createWorker } from '/dist/worker.js'
Object.assign(globalThis, onnx)
let engine
globalThis.visit = async (options, { inWorker = false, address = '/model.onnx' } = {}) => {
  const progress = []
  let report
  const all = { ...options, onProgress: (each) => progress.push(each), onCache: (told) => { report = told } }
  const owner = inWorker ? await createWorker({ threads: 1 }) : (engine ??= await createEngine({ threads: 1 }))
  const start = performance.now()
  try {
    const model = inWorker ? await owner.loadModel(address, all) : await onnx.loadModel(owner, address, all)
    const milliseconds = performance.now() - start
    const { y } = await model.run({ x: [1, 2].concat(0).slice(0, model.inputs[0].shape?.[0] ?? 2) })
    return { y: [...y.toArray()], report, progress: progress.slice(-1), milliseconds }
  } catch (error) {
    return { error: error.message, report }
  } finally {
    if (inWorker) owner.dispose()
  }
}
globalThis.ready = true`

describe.skipIf(!chromiumPath && !chromiumRequired)(
  `models kept in ${chromiumPath ?? 'no browser'}`,
  { timeout: 120_000 },
  () => {
    let browser: Browser
    let server: Server
    let origin: string
    let context: BrowserContext
    let asked: string[]
    /** What the server has, and how. */
    let served: { body: Uint8Array; etag?: string; status?: number; breaks?: boolean }
    let files: Record<string, Uint8Array>

    beforeAll(async () => {
      browser = await launch()
      server = createServer(({ url, method }, response) => {
        if (url === '/')
          return response
            .setHeader('content-type', 'text/html')
            .end('<script type="module" src="/start.js"></script>')
        if (url === '/favicon.ico') return response.end()
        if (url!.startsWith('/dist/') || url === '/start.js') {
          response.setHeader('content-type', 'text/javascript').setHeader('cache-control', 'max-age=600')
          return response.end(url === '/start.js' ? SCRIPT : readFileSync(join(root, url!)))
        }
        asked.push(`${method} ${url}`)
        const file = files[url!]
        if (file) return response.setHeader('cache-control', 'no-store').end(file)
        const { body, etag, status = 200, breaks = false } = served
        response.writeHead(status, {
          // HTTP's own cache is not what is tried here.
          'cache-control': 'no-store',
          ...(etag ? { etag } : {}),
          'content-length': body.length,
        })
        if (breaks && method === 'GET')
          return response.write(body.subarray(0, body.length / 2), () => response.destroy())
        return response.end(method === 'HEAD' ? undefined : body)
      })
      await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    })
    afterAll(async () => {
      await browser?.close()
      server?.closeAllConnections()
      server?.close()
    })
    beforeEach(async () => {
      await context?.close()
      context = await browser.newContext()
      asked = []
      files = {}
      served = { body: bytes, etag: '"1"' }
    })

    /** A page of its own: nothing is left of the one before but what the origin stores. */
    async function page(): Promise<Page> {
      const made = await context.newPage()
      await made.goto(`${origin}/`)
      await made.waitForFunction('globalThis.ready')
      return made
    }
    const visitOn = (on: Page, options: object, more: object = {}): Promise<Visit> =>
      on.evaluate(`visit(${JSON.stringify(options)}, ${JSON.stringify(more)})`)
    async function visit(options: object, more: object = {}): Promise<Visit> {
      const on = await page()
      const result = await visitOn(on, options, more)
      await on.close()
      return result
    }
    const whole = { loaded: bytes.length, total: bytes.length }

    describe.each(['cache-api', 'opfs'])('in %s', (cache) => {
      it.each([false, true])('need no network the second time, in a worker: %s', async (inWorker) => {
        const first = await visit({ cache, key: 'plus one' }, { inWorker })
        expect(first).toMatchObject({ y: [2, 3], report: { from: 'network', kept: true }, progress: [whole] })
        expect(asked).toEqual(['GET /model.onnx'])
        served.status = 500
        const second = await visit({ cache, key: 'plus one' }, { inWorker })
        expect(second).toMatchObject({ y: [2, 3], report: { from: 'cache', kept: true }, progress: [whole] })
        expect(asked).toEqual(['GET /model.onnx'])
        console.log(
          `${cache}, ${inWorker ? 'worker' : 'page'}: ${first.milliseconds!.toFixed(0)} ms, then ${second.milliseconds!.toFixed(0)}`,
        )
        // Another key is another model.
        expect((await visit({ cache, key: 'plus two' }, { inWorker })).error).toContain('status 500')
        expect((await visit({ cache }, { inWorker })).error).toContain('status 500')
      })

      it('go by their address without a key, and tell what they are until they are evicted', async () => {
        await visit({ cache })
        await visit({ cache, key: 'mine' })
        const on = await page()
        const list = (await on.evaluate(`cachedModels('${cache}')`)) as { key: string; date: number }[]
        expect(list.map(({ key }) => key)).toEqual(['mine', `${origin}/model.onnx`])
        expect(list[0]).toEqual({
          key: 'mine',
          url: `${origin}/model.onnx`,
          bytes: bytes.length,
          etag: '"1"',
          date: expect.any(Number),
        })
        expect(await on.evaluate(`evictModels('${cache}', 'mine')`)).toBe(1)
        expect(await on.evaluate(`evictModels('${cache}', 'mine')`)).toBe(0)
        expect(await on.evaluate(`cachedModels('${cache}')`)).toHaveLength(1)
        expect(await on.evaluate(`evictModels('${cache}')`)).toBe(1)
        expect(await on.evaluate(`cachedModels('${cache}')`)).toEqual([])
        asked = []
        expect((await visitOn(on, { cache })).report).toEqual({ from: 'network', kept: true })
        expect(asked).toEqual(['GET /model.onnx'])
      })

      it('are asked for by ETag, else by length, where that is wanted', async () => {
        const options = { cache, key: 'k', revalidate: true }
        const again = async (): Promise<string[]> => {
          asked = []
          const { y } = await visit(options)
          expect(y).toEqual([2, 3])
          return asked.map((each) => each.split(' ')[0]!)
        }
        expect(await again()).toEqual(['GET'])
        expect(await again()).toEqual(['HEAD'])
        served.etag = '"2"'
        expect(await again()).toEqual(['HEAD', 'GET'])
        expect(await again()).toEqual(['HEAD'])
        served = { body: bytes }
        expect(await again()).toEqual(['HEAD'])
        // Longer by a field that nobody knows.
        served = { body: Uint8Array.from([...bytes, 0xa0, 0x3f, 0x00]) }
        expect(await again()).toEqual(['HEAD', 'GET'])
        served.status = 503
        expect(await again()).toEqual(['HEAD'])
      })

      it('are fetched again where what is kept was cut', async () => {
        await visit({ cache, key: 'k' })
        const on = await page()
        const cut =
          cache === 'opfs'
            ? `const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('filterbank-models')
               for await (const file of folder.values()) {
                 const stream = await file.createWritable({ keepExistingData: true })
                 await stream.truncate(5000)
                 await stream.close()
               }`
            : `const cache = await caches.open('filterbank-models')
               for (const request of await cache.keys()) {
                 if (request.url.endsWith('?facts')) continue
                 const { headers } = await cache.match(request)
                 await cache.put(request, new Response(new Uint8Array(5000), { headers }))
               }`
        await on.evaluate(`(async () => { ${cut} })()`)
        const { y, report } = await visitOn(on, { cache, key: 'k' })
        expect([y, report]).toEqual([
          [2, 3],
          { from: 'network', kept: true, reason: expect.stringMatching(/^\d+ of \d+ bytes were kept$/) },
        ])
        asked = []
        expect((await visit({ cache, key: 'k' })).report).toEqual({ from: 'cache', kept: true })
        expect(asked).toEqual([])
      })

      it('load all the same where the storage is full, and say so', async () => {
        const on = await page()
        const session = await context.newCDPSession(on)
        await session.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 100_000 })
        const { y, report } = await visitOn(on, { cache, key: 'k' })
        expect(y).toEqual([2, 3])
        expect(report).toEqual({ from: 'network', kept: false, reason: expect.stringMatching(/quota/i) })
        expect(await on.evaluate(`cachedModels('${cache}')`)).toEqual([])
      })

      it('load all the same where the host has no such storage, and say so', async () => {
        const on = await page()
        await on.evaluate(
          `for (const name of ['caches', 'navigator']) Object.defineProperty(globalThis, name, { value: undefined, configurable: true })`,
        )
        const { y, report } = await visitOn(on, { cache, key: 'k' })
        expect(y).toEqual([2, 3])
        expect(report).toEqual({
          from: 'network',
          kept: false,
          reason: expect.stringContaining('this host has no'),
        })
        expect(await on.evaluate(`cachedModels('${cache}')`)).toEqual([])
        expect(await on.evaluate(`evictModels('${cache}')`)).toBe(0)
      })

      it('are not kept where they are none', async () => {
        served = { body: new TextEncoder().encode('<!doctype html><title>Not found</title>') }
        const { error } = await visit({ cache, key: 'k' })
        expect(error).toMatch(/^loadModel: /)
        served = { body: bytes }
        const { y, report } = await visit({ cache, key: 'k' })
        expect([y, report]).toEqual([[2, 3], { from: 'network', kept: true }])
      })

      it('are kept with their data files, and come whole again where one of these was cut', async () => {
        served = { body: split('w.bin', 4, 12) }
        const weights = Uint8Array.from(new Uint8Array(Float32Array.of(9, 1, 2, 9).buffer))
        files = { '/w.bin': weights, '/unused.bin': weights }
        const options = { cache, externalData: { 'w.bin': '/w.bin', 'unused.bin': '/unused.bin' } }
        expect(await visit(options)).toMatchObject({ y: [2, 4, 9], report: { from: 'network', kept: true } })
        expect(asked).toEqual(['GET /model.onnx', 'GET /w.bin'])
        asked = []
        expect(await visit(options)).toMatchObject({ y: [2, 4, 9], report: { from: 'cache', kept: true } })
        expect(asked).toEqual([])
        const on = await page()
        const cut = `(async () => {
          const cache = await caches.open('filterbank-models')
          await cache.put('https://filterbank.invalid/' + encodeURIComponent('${origin}/model.onnx\\nw.bin'), new Response('cut'))
        })()`
        if (cache === 'cache-api') {
          await on.evaluate(cut)
          expect(await visitOn(on, options)).toMatchObject({
            y: [2, 4, 9],
            report: { from: 'network', kept: true, reason: '3 of 16 bytes were kept' },
          })
        }
        expect(await on.evaluate(`evictModels('${cache}', '${origin}/model.onnx')`)).toBe(2)
        expect(await on.evaluate(`cachedModels('${cache}')`)).toEqual([])
      })

      it('leave nothing of a download that breaks, and what was there before', async () => {
        served.breaks = true
        const broken = await visit({ cache, key: 'k' })
        expect(broken).toEqual({ error: expect.stringMatching(/^loadModel: .*model\.onnx/) })
        const on = await page()
        const stored = () =>
          on.evaluate(
            cache === 'opfs'
              ? `(async () => {
                   const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('filterbank-models')
                   return (await Array.fromAsync(folder.keys())).length
                 })()`
              : `caches.open('filterbank-models').then(async (cache) => (await cache.keys()).length)`,
          )
        expect(await stored()).toBe(0)
        // A stop is a break, too.
        served.breaks = false
        const stopped = await on.evaluate(`(async () => {
          const stop = new AbortController()
          const options = { cache: '${cache}', key: 'k', signal: stop.signal, onProgress: () => stop.abort(new Error('enough')) }
          const engine = await (await import('/dist/index.js')).createEngine({ threads: 1 })
          const failure = await loadModel(engine, '/model.onnx', options).catch((error) => error.message)
          return [failure, engine.memory().tensors]
        })()`)
        expect([stopped, await stored()]).toEqual([['enough', 0], 0])
        await visitOn(on, { cache, key: 'k' })
        served = { body: bytes, etag: '"2"', breaks: true }
        expect((await visitOn(on, { cache, key: 'k', revalidate: true })).error).toBeDefined()
        asked = []
        expect(await visitOn(on, { cache, key: 'k' })).toMatchObject({ y: [2, 3], report: { from: 'cache' } })
        expect(asked).toEqual([])
      })
    })

    it('are fetched each time without a cache', async () => {
      for (let i = 0; i < 2; i++) expect(await visit({})).toMatchObject({ y: [2, 3], report: undefined })
      expect(asked).toHaveLength(2)
      expect(
        await (await page()).evaluate(`Promise.all([cachedModels('cache-api'), cachedModels('opfs')])`),
      ).toEqual([[], []])
    })
  },
)
