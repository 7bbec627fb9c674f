/** loadModel with a cache where there is none: Node. tests/browser/cache.test.ts has the rest. */
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import {
  type CacheReport,
  cachedModels,
  evictModels,
  type LoadOptions,
  loadModel,
  writeModel,
} from '../../src/onnx/index.js'
import { createWorker } from '../../src/worker/index.js'
import { temporaryFolder } from '../support/package.js'

const bytes = writeModel({
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
  inputs: [{ name: 'x', shape: [2] }],
  outputs: [{ name: 'y' }],
})

describe('a model that cannot be kept', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  it('loads from a path, and from an address, and says why it is not kept', async () => {
    using folder = temporaryFolder()
    const path = join(folder.path, 'model.onnx')
    writeFileSync(path, bytes)
    const server = createServer((_, response) => response.end(bytes)).listen(0, '127.0.0.1')
    await new Promise((ready) => server.once('listening', ready))
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.onnx`
    try {
      for (const cache of ['cache-api', 'opfs'] as const) {
        const reports: CacheReport[] = []
        const options: LoadOptions = { cache, key: 'k', onCache: (report) => reports.push(report) }
        for (const source of [path, address]) {
          using model = await loadModel(engine, source, options)
          expect([...(model.run({ x: [-1, 2] })['y']!.data as Float32Array)]).toEqual([0, 2])
        }
        expect(reports).toEqual([
          { from: 'file', kept: false, reason: 'files stay where they are' },
          { from: 'network', kept: false, reason: expect.stringContaining('this host has no') },
        ])
        expect(await cachedModels(cache)).toEqual([])
        expect(await evictModels(cache)).toBe(0)
      }
      using worker = await createWorker({ threads: 1 })
      let report: CacheReport | undefined
      await worker.loadModel(address, {
        cache: 'opfs',
        onCache: (told) => {
          report = told
        },
      })
      expect(report).toMatchObject({ from: 'network', kept: false })
    } finally {
      server.close()
    }
  })

  it.each([
    ['cache', { cache: 'indexeddb' }, 'cache must be one of none, cache-api, opfs, got "indexeddb"'],
    ['key', { cache: 'opfs', key: '' }, 'key must be a string that is not empty, got ""'],
    ['key', { cache: 'opfs', key: 7 }, 'key must be a string that is not empty, got 7'],
    ['revalidate', { cache: 'opfs', revalidate: 1 }, 'revalidate must be true or false, got 1'],
    [
      'source',
      { cache: 'opfs' },
      "source must be an address where it is kept by cache: 'opfs', got Uint8Array of length",
    ],
  ])('is refused for a wrong %s', async (argument, options, message) => {
    const source = argument === 'source' ? bytes : 'http://127.0.0.1:1/model.onnx'
    const wrong = { name: 'FilterbankError', argument, message: expect.stringContaining(message) }
    await expect(loadModel(engine, source, options as LoadOptions)).rejects.toMatchObject(wrong)
    using worker = await createWorker({ threads: 1 })
    await expect(worker.loadModel(source, options as LoadOptions)).rejects.toMatchObject(wrong)
  })

  it('is not listed under a wrong name', async () => {
    await expect(cachedModels('none' as never)).rejects.toMatchObject({
      op: 'cachedModels',
      argument: 'cache',
    })
    await expect(evictModels('all' as never)).rejects.toMatchObject({ op: 'evictModels', argument: 'cache' })
    await expect(evictModels('opfs', '')).rejects.toMatchObject({ op: 'evictModels', argument: 'key' })
  })
})
