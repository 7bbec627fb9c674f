/** filterbank/worker in the system's Chromium: from pages and workers, isolated or not, with and without blob:. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writeModel } from '../../src/onnx/file/write.js'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { root, temporaryFolder } from '../support/package.js'
import { launch, open, type Site, serve } from './host.js'

const html = (head: string) => `<!doctype html><meta charset="utf-8"><title>filterbank</title>${head}`
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}
const STRICT =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'"

/** What is tried everywhere: a filter, a model on numbers and on pictures, and an error. */
const WORK = `
import { createWorker } from '/dist/worker.js'
const photo = () => {
  const data = Uint8ClampedArray.from({ length: 4 * 8 * 8 }, (_, i) => (i % 4 === 3 ? 255 : (i * 29) % 256))
  return new ImageData(data, 8, 8)
}
const pixels = (bitmap) => {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height)
  const context = canvas.getContext('2d')
  context.drawImage(bitmap, 0, 0)
  return [...context.getImageData(0, 0, bitmap.width, bitmap.height).data]
}
const blob = async () => {
  const canvas = new OffscreenCanvas(8, 8)
  canvas.getContext('2d').putImageData(photo(), 0, 0)
  return canvas.convertToBlob({ type: 'image/png' })
}
export async function work(options) {
  const worker = await createWorker(options)
  try {
    const inverted = await worker.filter('filter2d', photo(), { kernel: [[1]] })
    const model = await worker.loadModel(await fetch('/model.onnx'))
    const sum = async (image) => (await model.run({ x: { image, channels: 'bgr' } })).y.toArray().map((v) => Math.round(v * 255))
    const answers = {
      pixels: await sum(photo()),
      bitmap: await sum(await createImageBitmap(photo())),
      blob: await sum(await blob()),
      address: [...(await (await worker.loadModel('/model.onnx')).run({ x: new Float32Array(3 * 8 * 8).fill(-1) })).y.toArray()].length,
    }
    const length = async (source) =>
      (await (await worker.loadModel(source)).run({ x: new Float32Array(3 * 8 * 8) })).y.toArray().length
    const { structuredClone } = globalThis
    const streams = [await length((await fetch('/model.onnx')).body)]
    // As in Safari, whose messages carry no streams.
    globalThis.structuredClone = undefined
    streams.push(await length(await fetch('/model.onnx')))
    globalThis.structuredClone = structuredClone
    const failure = await model.run({ x: [1] }).catch(({ op, argument, name }) => ({ op, argument, name }))
    return {
      same: pixels(inverted).join() === [...photo().data].join(),
      equal: [answers.bitmap, answers.blob].every((each) => each.join() === answers.pixels.join()),
      some: [...answers.pixels.slice(0, 3)], address: answers.address, streams, failure, threads: worker.threads, simd: worker.simd,
    }
  } finally {
    worker.dispose()
  }
}`

describe.skipIf(!chromiumPath && !chromiumRequired)(
  `filterbank/worker in ${chromiumPath ?? 'no browser'}`,
  { timeout: 120_000 },
  () => {
    const folder = temporaryFolder()
    const sites: Site[] = []
    let browser: Browser
    beforeAll(async () => {
      browser = await launch()
      const bytes = writeModel({
        opset: 13,
        nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', shape: [1, 3, 8, 8] }],
        outputs: [{ name: 'y' }],
      })
      writeFileSync(join(folder.path, 'model.onnx'), bytes)
    })
    afterAll(async () => {
      await browser?.close()
      for (const { close } of sites) close()
      folder[Symbol.dispose]()
    })

    /** What a script of the page comes to, and what the console said. */
    async function report(
      script: string,
      headers: Record<string, string>,
      more: Record<string, string> = {},
    ) {
      const pages = {
        '/index.html': html('<script type="module" src="/start.js"></script>'),
        '/start.js': `import { work } from '/work.js'\nglobalThis.report = (async () => { ${script} })()`,
        '/work.js': WORK,
        ...more,
      }
      const on = await serve(pages, { '/dist/': join(root, 'dist'), '/': folder.path }, headers)
      sites.push(on)
      const { page, complaints } = await open(browser, on)
      await page.waitForFunction('globalThis.report')
      const answer = (await page.evaluate('globalThis.report')) as unknown
      await page.close()
      return { answer, complaints }
    }
    // The first three of blue, as 0 to 255: bytes 2, 6 and 10 of the photo.
    const works = {
      same: true,
      equal: true,
      some: [58, 174, 34],
      address: 192,
      streams: [192, 192],
      failure: { op: 'model.run', argument: 'input "x"', name: 'FilterbankError' },
      simd: 'relaxed',
    }

    it('filters and runs models from a page, with threads where it is isolated', async () => {
      const alone = await report('return work({ threads: 2 }).catch((error) => error.message)', {})
      expect(alone).toEqual({ answer: expect.stringContaining('threads'), complaints: [] })
      expect(await report('return work()', {})).toEqual({ answer: { ...works, threads: 1 }, complaints: [] })
      expect(await report('return work({ threads: 2 })', ISOLATED)).toEqual({
        answer: { ...works, threads: 2 },
        complaints: [],
      })
    })

    it('says which picture cannot be shown, and waits for one that is loading', async () => {
      const script = `
        const { createWorker } = await import('/dist/worker.js')
        const worker = await createWorker()
        const model = await worker.loadModel('/model.onnx')
        const canvas = document.createElement('canvas')
        const picture = (src) => Object.assign(new Image(), { src })
        const size = ({ width, height }) => [width, height]
        const complaint = ({ op, argument, name }) => [op, argument, name]
        const closed = await createImageBitmap(new ImageData(8, 8))
        closed.close()
        const broken = [picture('/none.png'), document.createElement('video'), document.createElement('p'), closed]
        const said = []
        for (const image of [...broken, Object.assign(document.createElement('canvas'), { width: 0 })])
          said.push(await model.run({ x: { image } }).catch(complaint), await worker.filter('sobel', image).catch(complaint))
        const empty = { data: new Uint8Array(0), width: 0, height: 0 }
        return {
          loading: size(await worker.filter('sobel', picture(canvas.toDataURL()))),
          said: [...new Set(said.map(String))].sort(),
          empty: await worker.filter('sobel', empty).catch(complaint),
        }`
      const { answer } = await report(script, {})
      expect(answer).toEqual({
        loading: [300, 150],
        said: [
          'model.run,arguments,FilterbankError',
          'model.run,image of input "x",FilterbankError',
          'worker.filter,arguments,FilterbankError',
          'worker.filter,image,FilterbankError',
        ],
        empty: ['worker.filter', 'output', 'FilterbankError'],
      })
    })

    it('starts from a module worker and from a classic one', async () => {
      const ask = (type: string) =>
        `new Promise((resolve) => { new Worker('/${type}.js', { type: '${type}' }).onmessage = ({ data }) => resolve(data) })`
      const { answer, complaints } = await report(
        `return Promise.all([${ask('module')}, ${ask('classic')}])`,
        {},
        {
          '/module.js':
            "import { work } from '/work.js'; work().then(postMessage, ({ message }) => postMessage(message))",
          '/classic.js':
            "import('/work.js').then(({ work }) => work()).then(postMessage, ({ message }) => postMessage(message))",
        },
      )
      expect(answer).toEqual([
        { ...works, threads: 1 },
        { ...works, threads: 1 },
      ])
      expect(complaints).toEqual([])
    })

    it('starts from an address where blob: is forbidden, and says so where it is given none or a wrong one', async () => {
      const { answer } = await report(
        `const fails = (options) => work(options).catch(({ op, argument, message }) => ({ op, argument, message }))
        return { works: await work({ url: '/dist/worker-thread.js' }), none: await fails({}), wrong: await fails({ url: '/nowhere.js' }) }`,
        { 'content-security-policy': STRICT },
      )
      expect(answer).toEqual({
        works: { ...works, threads: 1 },
        none: {
          op: 'createWorker',
          argument: 'worker',
          message: expect.stringContaining('worker-thread.js'),
        },
        wrong: { op: 'createWorker', argument: 'url', message: expect.stringContaining('404') },
      })
    })
  },
)
