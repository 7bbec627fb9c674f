/**
 * Every kind of picture that a page has, in the system's Chromium, on dist/: the numbers that `fromImage` makes
 * of it beside those of the same pixels as ImageData, or beside what the browser itself draws of a frame.
 */
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chromiumPath, chromiumRequired } from '../support/outside.js'
import { root } from '../support/package.js'
import { launch, open, type Site, serve } from './host.js'

/** Shared by the scripts of all pages. */
const PRELUDE = `
import { createEngine } from '/dist/index.js'
import { fromImage, fromImageData, toCanvas } from '/dist/image.js'
const engine = await createEngine({ threads: 1 })
const W = 14, H = 10
const canvas = document.createElement('canvas')
canvas.width = W
canvas.height = H
const context = canvas.getContext('2d', { willReadFrequently: true })
// Blocks of two by two pixels, so that chroma of half the size loses nothing.
const pixels = new ImageData(W, H)
for (let y = 0; y < H; y++) for (let x = 0; x < W; x++)
  pixels.data.set([(x >> 1) * 30, (y >> 1) * 50, ((x >> 1) * 7 + (y >> 1) * 40) % 256, 255], (y * W + x) * 4)
context.putImageData(pixels, 0, 0)
/** The largest distance of two tensors, times 255. */
const apart = (a, b) => {
  if (String(a.shape) !== String(b.shape)) return a.shape + ' beside ' + b.shape
  const [p, q] = [a.toArray(), b.toArray()]
  return 255 * p.reduce((most, v, i) => Math.max(most, Math.abs(v - q[i])), 0)
}
const wanted = fromImageData(engine, pixels)
const failure = (promise) => promise.then(() => 'nothing', (error) => error.name + ': ' + error.message)
`

/** Distances of what lets pixels through unchanged. */
const SAME = `
const image = (source) => new Promise((resolve, reject) => {
  const element = Object.assign(new Image(), { onload: () => resolve(element), onerror: reject, src: source })
})
const blob = await new Promise((resolve) => canvas.toBlob(resolve))
const address = URL.createObjectURL(blob)
const offscreen = new OffscreenCanvas(W, H)
offscreen.getContext('2d').putImageData(pixels, 0, 0)
const words = new Uint8Array(pixels.data)
const bgra = words.map((_, i) => words[i - i % 4 + [2, 1, 0, 3][i % 4]])
const frame = (format, data) => new VideoFrame(data, { format, codedWidth: W, codedHeight: H, timestamp: 0 })
const cut = new VideoFrame(words, {
  format: 'RGBX', codedWidth: W, codedHeight: H, timestamp: 0, visibleRect: { x: 2, y: 4, width: 6, height: 4 },
})
const sources = {
  ImageData: pixels,
  canvas,
  OffscreenCanvas: offscreen,
  ImageBitmap: await createImageBitmap(canvas),
  'a Blob': blob,
  'a File': new File([blob], 'picture.png'),
  'an image': await image(address),
  'an image that loads': Object.assign(new Image(), { src: address }),
  'a frame of RGBA': frame('RGBA', words),
  'a frame of RGBX': frame('RGBX', words),
  'a frame of BGRA': frame('BGRA', bgra),
  'a frame of BGRX': frame('BGRX', bgra),
  'a frame of a canvas': new VideoFrame(canvas, { timestamp: 0 }),
}
const report = {}
for (const [name, source] of Object.entries(sources)) report[name] = apart(await fromImage(engine, source), wanted)
const { data } = context.getImageData(2, 4, 6, 4)
report['a part of a frame'] = apart(await fromImage(engine, cut), fromImageData(engine, { data, width: 6, height: 4 }))
if (typeof Float16Array === 'function') {
  const half = Float16Array.from(pixels.data, (v) => v / 255)
  // Eleven bits: 255 of them lie 0.0625 apart at most.
  report['samples of float16'] = Math.floor(apart(await fromImage(engine, { data: half, width: W, height: H }), wanted) * 8)
  try {
    const wide = new ImageData(half, W, H, { pixelFormat: 'rgba-float16' })
    report['ImageData of float16'] = Math.floor(apart(await fromImage(engine, wide), wanted) * 8)
  } catch {}
}
for (const [name, made] of [['canvas', document.createElement('canvas')], ['OffscreenCanvas', new OffscreenCanvas(1, 1)]]) {
  toCanvas(wanted, made)
  const drawn = made.getContext('2d').getImageData(0, 0, W, H).data
  report['drawn on a new ' + name] = Math.max(...drawn.map((v, i) => Math.abs(v - pixels.data[i])))
}
globalThis.report = report
`

/** How far frames of luma and chroma are from what the browser draws of them. */
const PLANAR = `
const [cw, ch] = [W / 2, H / 2]
const colours = {
  smpte170m: { kr: 0.299, kb: 0.114 }, bt709: { kr: 0.2126, kb: 0.0722 },
}
const report = {}
// Blocks beside each other differ little: how chroma is spread over pixels is up to each.
const shade = (x, y, c) => [[30, 70, 190], [200, 40, 90], [120, 210, 30]][y % 3][c] + [2, -1, 1][c] * x
for (const [matrix, { kr, kb }] of Object.entries(colours)) for (const fullRange of [false, true])
  for (const format of ['I420', 'NV12']) for (const hue of [0, 1, 2]) {
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++)
      pixels.data.set([0, 1, 2].map((c) => shade((x >> 1) + (y >> 1), hue, c)), (y * W + x) * 4)
    const [black, luma, chroma] = fullRange ? [0, 255, 255] : [16, 219, 224]
    const bytes = new Uint8Array(W * H + 2 * cw * ch)
    for (let y = 0; y < H; y++) for (let x = 0; x < W; x++) {
      const at = (y * W + x) * 4
      const [r, g, b] = [0, 1, 2].map((c) => pixels.data[at + c] / 255)
      const l = kr * r + (1 - kr - kb) * g + kb * b
      bytes[y * W + x] = Math.round(black + luma * l)
      const u = Math.round(128 + chroma * (b - l) / (2 - 2 * kb)), v = Math.round(128 + chroma * (r - l) / (2 - 2 * kr))
      const i = (y >> 1) * cw + (x >> 1)
      if (format === 'I420') bytes[W * H + i] = u, bytes[W * H + cw * ch + i] = v
      else bytes[W * H + 2 * i] = u, bytes[W * H + 2 * i + 1] = v
    }
    const colorSpace = { matrix, fullRange, primaries: 'bt709', transfer: 'iec61966-2-1' }
    const frame = new VideoFrame(bytes, { format, codedWidth: W, codedHeight: H, timestamp: 0, colorSpace })
    const own = await fromImage(engine, frame)
    context.drawImage(frame, 0, 0)
    report[[matrix, fullRange ? 'full' : 'limited', format, hue].join(' ')] = {
      drawn: apart(own, fromImageData(engine, context.getImageData(0, 0, W, H))),
      made: apart(own, fromImageData(engine, pixels)),
    }
    frame.close()
  }
globalThis.report = report
`

const REFUSED = `
const load = (source, settings = {}) => new Promise((resolve, reject) => {
  const element = Object.assign(new Image(), { ...settings, onload: () => resolve(element), onerror: reject, src: source })
})
const foreign = await load(OTHER + '/open.svg')
const tainted = document.createElement('canvas')
tainted.width = tainted.height = 4
tainted.getContext('2d').drawImage(foreign, 0, 0)
const closed = new VideoFrame(canvas, { timestamp: 0 })
closed.close()
const before = engine.memory().live
const webgl = document.createElement('canvas')
webgl.getContext('bitmaprenderer')
const drawn = (() => { try { toCanvas(wanted, webgl) } catch (error) { return error.name + ': ' + error.message } })()
globalThis.report = {
  foreign: await failure(fromImage(engine, foreign)),
  tainted: await failure(fromImage(engine, tainted)),
  allowed: await failure(fromImage(engine, await load(OTHER + '/open.svg', { crossOrigin: 'anonymous' }))),
  missing: await failure(fromImage(engine, Object.assign(new Image(), { src: '/404.png' }))),
  text: await failure(fromImage(engine, new Blob(['no picture'], { type: 'image/png' }))),
  video: await failure(fromImage(engine, document.createElement('video'))),
  closed: await failure(fromImage(engine, closed)),
  empty: await failure(fromImage(engine, document.createElement('canvas'), { size: 0 })),
  flat: await failure(fromImage(engine, Object.assign(document.createElement('canvas'), { width: 0 }))),
  drawn, left: engine.memory().live - before,
}
`

const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>'

describe.skipIf(!chromiumPath && !chromiumRequired)('pictures of a page', { timeout: 120_000 }, () => {
  const sites: Site[] = []
  let browser: Browser | undefined

  /** What a page that runs the script reports, and what its console says. */
  async function reportOf<T>(script: string): Promise<{ report: T; complaints: string[] }> {
    const html =
      '<!doctype html><meta charset="utf-8"><title>pictures</title><script type="module" src="/page.js"></script>'
    const site = await serve(
      { '/index.html': html, '/page.js': PRELUDE + script },
      { '/dist/': join(root, 'dist') },
    )
    sites.push(site)
    const { page, complaints } = await open(browser!, site)
    await page.waitForFunction('globalThis.report', undefined, { timeout: 30_000 }).catch((error) => {
      throw new Error(complaints.join('\n') || String(error))
    })
    const report = (await page.evaluate('globalThis.report')) as T
    await page.close()
    return { report, complaints }
  }

  beforeAll(async () => {
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    for (const { close } of sites) close()
  })

  it('are the same numbers, whatever they come as, and on a canvas the same bytes', async () => {
    const { report, complaints } = await reportOf<Record<string, number | string>>(SAME)
    for (const [name, distance] of Object.entries(report)) expect(distance, name).toBe(0)
    expect(Object.keys(report).length).toBeGreaterThan(14)
    expect(complaints).toEqual([])
  })

  it('of frames in luma and chroma are what the browser draws of them, within two levels', async () => {
    const { report, complaints } =
      await reportOf<Record<string, { drawn: number | string; made: number | string }>>(PLANAR)
    expect(Object.keys(report).length).toBe(24)
    for (const [name, { drawn, made }] of Object.entries(report)) {
      // Chromium holds factors of that matrix in a byte, with 2 for blue's 2.11.
      expect(drawn, `${name}, drawn`).toBeLessThan(name.startsWith('bt709 limited') ? 9 : 2.5)
      expect(made, `${name}, made`).toBeLessThan(2.5)
    }
    expect(complaints).toEqual([])
  })

  it('that cannot be read say why, what to do, and leave nothing', async () => {
    const other = await serve({ '/open.svg': svg }, {}, { 'access-control-allow-origin': '*' })
    sites.push(other)
    const { report } = await reportOf<Record<string, unknown>>(
      `const OTHER = ${JSON.stringify(other.origin)}\n${REFUSED}`,
    )
    const says = (name: string, text: string) => expect(report[name], name).toContain(text)
    says('foreign', "Set crossOrigin = 'anonymous' before src")
    says('tainted', 'a picture of another origin')
    says('allowed', 'nothing')
    says('missing', '/404.png')
    says('text', 'that is no picture')
    says('video', "Wait for its event 'loadeddata'")
    says('closed', 'a closed VideoFrame')
    says('empty', 'size')
    says('flat', '0 x 150 pixels')
    says('drawn', 'one with another context')
    // The picture that was allowed, 4 x 4 x 3 floats.
    expect(report['left']).toBe(192)
  })
})
