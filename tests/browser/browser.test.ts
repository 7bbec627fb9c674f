/**
 * The tests of tests/ops and tests/image once more, in the system's Chromium and on the built package: from a
 * plain module page, and from a page that Vite bundled. CHROMIUM names another browser than the one found;
 * FILTERBANK_REQUIRE_CHROMIUM=1 makes a missing one a failure.
 */
import { readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { build as bundle } from 'esbuild'
import type { Browser } from 'playwright-core'
import { build as viteBuild } from 'vite'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { pack, root, temporaryFolder, unpack } from '../support/package.js'
import { Random } from '../support/random.js'
import { launch, open, type Site, serve } from './host.js'
import type { Report } from './vitest.js'

const PACKAGE: Record<string, string> = {
  'src/index.ts': 'filterbank',
  'src/image/index.ts': 'filterbank/image',
  'src/nn/index.ts': 'filterbank/nn',
}

/**
 * All test files in one module that exports `run`; what they import from src/ becomes an import of the
 * package.
 */
async function bundleTests(outfile: string): Promise<void> {
  const files = ['tests/ops', 'tests/image'].flatMap((folder) =>
    readdirSync(join(root, folder)).flatMap((file) =>
      file.endsWith('.test.ts') ? [`${folder}/${file}`] : [],
    ),
  )
  await bundle({
    stdin: {
      contents: `${files.map((file) => `import './${file}'`).join('\n')}\nexport { run } from 'vitest'`,
      resolveDir: root,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    // package.json says that no file has side effects; declaring tests is one.
    ignoreAnnotations: true,
    logLevel: 'error',
    plugins: [
      {
        name: 'tests of the package',
        setup({ onResolve }) {
          onResolve({ filter: /^vitest$/ }, () => ({ path: join(root, 'tests/browser/vitest.ts') }))
          onResolve({ filter: /\/src\// }, ({ path, resolveDir }) => {
            const source = relative(root, join(resolveDir, path)).replace(/\.js$/, '.ts')
            if (source in PACKAGE) return { path: PACKAGE[source]!, external: true }
            return {
              errors: [
                {
                  text: `${source} is not public: a test that runs in browsers imports ${Object.keys(PACKAGE).join(' or ')}`,
                },
              ],
            }
          })
        },
      },
    ],
  })
}

const START = "import { run } from './tests.js'; globalThis.report = run()"
const IMPORT_MAP = JSON.stringify({
  imports: {
    filterbank: '/dist/index.js',
    'filterbank/image': '/dist/image.js',
    'filterbank/nn': '/dist/nn.js',
  },
})
const html = (head: string) => `<!doctype html><meta charset="utf-8"><title>filterbank</title>${head}`

describe.skipIf(!chromiumPath && !chromiumRequired)(
  `in ${chromiumPath ?? 'no browser'}`,
  { timeout: 240_000 },
  () => {
    const folder = temporaryFolder()
    const sites: Site[] = []
    let browser: Browser | undefined
    const site = async (...contents: Parameters<typeof serve>): Promise<Site> => {
      const made = await serve(...contents)
      sites.push(made)
      return made
    }

    beforeAll(async () => {
      expect(chromiumPath, 'path of a Chromium').toBeDefined()
      browser = await launch()
      await bundleTests(join(folder.path, 'tests.js'))
    })
    afterAll(async () => {
      await browser?.close()
      for (const { close } of sites) close()
      folder[Symbol.dispose]()
    })

    /** The tests ran, none failed, and the console stayed quiet. */
    async function expectGreen(on: Site): Promise<void> {
      const { page, complaints } = await open(browser!, on)
      const report = (await page.evaluate('globalThis.report')) as Report
      await page.close()
      expect(report, complaints.join('\n')).toBeDefined()
      expect(report.failures.join('\n')).toBe('')
      expect(report.passed).toBeGreaterThan(10)
      expect(complaints).toEqual([])
      console.log(`${report.passed} tests passed in Chromium ${browser!.version()}`)
    }

    it('a plain module page runs the op and image tests on dist/', async () => {
      const page = html(
        `<script type="importmap">${IMPORT_MAP}</script><script type="module" src="/start.js"></script>`,
      )
      await expectGreen(
        await site(
          { '/index.html': page, '/start.js': START },
          { '/dist/': join(root, 'dist'), '/': folder.path },
        ),
      )
    })

    it('a Vite bundle runs them on the packed package', async () => {
      const { filename } = pack(folder.path)
      unpack(join(folder.path, filename), folder.path)
      writeFileSync(join(folder.path, 'index.html'), html('<script type="module" src="/start.js"></script>'))
      writeFileSync(join(folder.path, 'start.js'), START)
      await viteBuild({
        root: folder.path,
        configFile: false,
        logLevel: 'error',
        build: { outDir: 'site', chunkSizeWarningLimit: 10_000 },
      })
      await expectGreen(await site({}, { '/': join(folder.path, 'site') }))
    })

    it('works under a Content-Security-Policy without inline scripts and eval, from the inlined and from the fetched binary', async () => {
      const script = `
      import { conv2d, createEngine } from '/dist/index.js'
      const solve = async (options) => {
        const engine = await createEngine(options)
        const y = conv2d(engine.tensor([1, 2, 3, 4], [1, 2, 2, 1]), engine.tensor([1, 10, 100, 1000], [2, 2, 1, 1]))
        return [engine.simd, y.toArray()[0]]
      }
      const missing = createEngine({ wasm: '/404.wasm' }).catch((error) => error.message)
      globalThis.report = Promise.all([
        solve(), solve({ simd: 'simd128' }),
        solve({ wasm: new URL('/dist/simd128.wasm', location) }), solve({ wasm: '/dist/relaxed.wasm', simd: 'relaxed' }), solve({ wasm: fetch('/dist/simd128.wasm') }),
      ]).then(async (answers) => ({ answers, failure: await missing }))`
      const policy = {
        'content-security-policy':
          "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'",
      }
      const on = await site(
        { '/index.html': html('<script type="module" src="/smoke.js"></script>'), '/smoke.js': script },
        { '/dist/': join(root, 'dist') },
        policy,
      )
      const { page, complaints } = await open(browser!, on)
      const { answers, failure } = (await page.evaluate('globalThis.report')) as {
        answers: [string, number][]
        failure: string
      }
      expect(answers).toEqual(
        ['relaxed', 'simd128', 'simd128', 'relaxed', 'simd128'].map((build) => [build, 4321]),
      )
      expect(failure).toContain('404')
      // The missing file that was asked for on purpose, and nothing else.
      expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
      await page.close()
    })

    it('starts and runs models in a module service worker and in an AudioWorklet, which refuse import()', async () => {
      const bytes = writeModel({
        nodes: [{ op: 'Relu', inputs: ['größe'], outputs: ['y'] }],
        inputs: [{ name: 'größe', shape: [2] }],
        outputs: [{ name: 'y' }],
      })
      const work = `
      import { createEngine, relu } from '/dist/index.js'
      import { loadModel } from '/dist/onnx.js'
      import '/dist/nn.js'
      const work = async () => {
        try {
          const engine = await createEngine()
          const model = await loadModel(engine, Uint8Array.from(${JSON.stringify([...bytes])}))
          let outputs
          for (let run = 0; run < 3; run++) outputs = await model.runAsync({ größe: [-1, 2] })
          return { relu: [...relu(engine.tensor([-1, 2], [2])).toArray()], model: [...outputs.y.toArray()], build: engine.simd, reason: engine.simdReason, threads: engine.threads }
        } catch (error) {
          return String(error)
        }
      }`
      const pages = {
        '/index.html': html(''),
        '/worker.js': `${work}
        self.addEventListener('install', () => self.skipWaiting())
        self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))
        self.addEventListener('message', async ({ source }) => source.postMessage(await work()))`,
        '/worklet.js': `${work}
        registerProcessor('filterbank', class extends AudioWorkletProcessor {
          constructor() { super(); work().then((answer) => this.port.postMessage(answer)) }
          process() { return true }
        })`,
      }
      const { page, complaints } = await open(browser!, await site(pages, { '/dist/': join(root, 'dist') }))
      const inWorker = await page.evaluate(`(async () => {
      await navigator.serviceWorker.register('/worker.js', { type: 'module' })
      const { active } = await navigator.serviceWorker.ready
      return new Promise((resolve) => { navigator.serviceWorker.onmessage = ({ data }) => resolve(data); active.postMessage('go') })
    })()`)
      const inWorklet = await page.evaluate(`(async () => {
      const audio = new OfflineAudioContext(1, 48000, 48000)
      await audio.audioWorklet.addModule('/worklet.js')
      const node = new AudioWorkletNode(audio, 'filterbank')
      node.connect(audio.destination)
      audio.startRendering()
      return new Promise((resolve) => { node.port.onmessage = ({ data }) => resolve(data) })
    })()`)
      for (const answer of [inWorker, inWorklet]) {
        expect(answer).toEqual({
          relu: [0, 2],
          model: [0, 2],
          build: 'relaxed',
          reason: 'this host has relaxed SIMD',
          threads: 1,
        })
      }
      expect(complaints).toEqual([])
      await page.close()
    })

    it('takes the arrays of an iframe, and lets frames through a loop of short runs', async () => {
      const script = `
      import { createEngine, relu } from '/dist/index.js'
      import { loadModel } from '/dist/onnx.js'
      const { Float32Array: Theirs, ImageData: Image } = document.body.appendChild(document.createElement('iframe')).contentWindow
      const engine = await createEngine({ threads: 1 })
      const { fromImageData } = await import('/dist/image.js')
      const model = await loadModel(engine, '/model.onnx')
      let frames = 0, timers = 0, on = true
      const frame = () => { frames++; if (on) requestAnimationFrame(frame) }
      const timer = () => { timers++; if (on) setTimeout(timer) }
      requestAnimationFrame(frame)
      setTimeout(timer)
      const start = performance.now()
      let runs = 0
      while (performance.now() - start < 600) { await model.runAsync({ x: Theirs.of(-1, 2) }); runs++ }
      on = false
      globalThis.report = {
        numbers: [...relu(engine.tensor(Theirs.of(-1, 2), [2])).toArray()],
        pixels: fromImageData(engine, new Image(2, 2)).shape,
        frames, timers, runs,
      }`
      const bytes = writeModel({
        nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', shape: [2] }],
        outputs: [{ name: 'y' }],
      })
      writeFileSync(join(folder.path, 'model.onnx'), bytes)
      const pages = {
        '/index.html': html('<body></body><script type="module" src="/frame.js"></script>'),
        '/frame.js': script,
      }
      const { page, complaints } = await open(
        browser!,
        await site(pages, { '/dist/': join(root, 'dist'), '/': folder.path }),
      )
      await page.waitForFunction('globalThis.report')
      const report = (await page.evaluate('globalThis.report')) as {
        numbers: number[]
        pixels: number[]
        frames: number
        timers: number
        runs: number
      }
      expect(report).toMatchObject({ numbers: [0, 2], pixels: [1, 2, 2, 3] })
      expect(report.runs).toBeGreaterThan(report.timers)
      expect(report.timers).toBeGreaterThan(5)
      expect(report.frames).toBeGreaterThan(5)
      expect(complaints).toEqual([])
      await page.close()
    })

    it('loads a model from a URL and from a response, and answers as Node does: alone, and with threads where the page is isolated', async () => {
      const random = new Random(11)
      const conv = (x: string, y: string) => ({
        op: 'Conv',
        inputs: [x, 'w', 'b'],
        outputs: [y],
        attributes: { pads: [1, 1, 1, 1] },
      })
      const bytes = writeModel({
        nodes: [conv('x', 'c'), { op: 'Relu', inputs: ['c'], outputs: ['r'] }, conv('r', 'y')],
        inputs: [{ name: 'x', shape: [1, 16, 48, 48] }],
        outputs: [{ name: 'y' }],
        initializers: [
          { name: 'w', shape: [16, 16, 3, 3], data: random.floats(16 * 16 * 9) },
          { name: 'b', shape: [16], data: random.floats(16) },
        ],
      })
      const x = Float32Array.from({ length: 16 * 48 * 48 }, (_, i) => ((i * 7) % 13) - 6)
      using engine = await createEngine({ simd: 'simd128', threads: 1 })
      using model = await loadModel(engine, bytes)
      const wanted = [...model.run({ x })['y']!.toArray()]
      writeFileSync(join(folder.path, 'model.onnx'), bytes)
      const script = `
      import { createEngine } from '/dist/index.js'
      import { loadModel } from '/dist/onnx.js'
      const x = Float32Array.from({ length: 16 * 48 * 48 }, (_, i) => ((i * 7) % 13) - 6)
      const answer = async (source, threads) => {
        const engine = await createEngine({ simd: 'simd128', threads })
        const loaded = [], done = []
        const model = await loadModel(engine, await source, { onProgress: (news) => loaded.push(news.loaded) })
        const runs = []
        for (let round = 0; round < 3; round++) runs.push(await model.runAsync({ x }, { onProgress: (news) => done.push(news.done) }))
        const { threads: own } = engine
        engine.dispose()
        return { threads: own, loaded: loaded.at(-1), steps: done.length > 0, answers: runs.map(({ y }) => [...y.data]) }
      }
      const missing = loadModel(await createEngine(), '/404.onnx').catch((error) => error.message)
      globalThis.report = (async () => ({
        isolated: crossOriginIsolated,
        all: [await answer(new URL('/model.onnx', location)), await answer('/model.onnx'), await answer(fetch('/model.onnx')), ...(crossOriginIsolated ? [await answer('/model.onnx', 2)] : [])],
        failure: await missing,
      }))()`
      const alone = {
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-embedder-policy': 'require-corp',
      }
      for (const headers of [{}, alone]) {
        const pages = {
          '/index.html': html('<script type="module" src="/model.js"></script>'),
          '/model.js': script,
        }
        const { page, complaints } = await open(
          browser!,
          await site(pages, { '/dist/': join(root, 'dist'), '/': folder.path }, headers),
        )
        await page.waitForFunction('globalThis.report')
        const { isolated, all, failure } = (await page.evaluate('globalThis.report')) as {
          isolated: boolean
          all: { threads: number; loaded: number; steps: boolean; answers: number[][] }[]
          failure: string
        }
        expect(isolated).toBe(headers === alone)
        expect(all.length).toBe(isolated ? 4 : 3)
        for (const { loaded, steps, answers } of all) {
          expect({ loaded, steps }).toEqual({ loaded: bytes.length, steps: true })
          for (const answer of answers) expect(answer).toEqual(wanted)
        }
        if (isolated) expect(all[3]!.threads).toBe(2)
        else for (const { threads } of all) expect(threads).toBe(1)
        expect(failure).toContain('404')
        expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
        await page.close()
      }
    })
  },
)
