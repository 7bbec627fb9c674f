/**
 * Browsers: the system's Chromium by playwright-core, Firefox by WebDriver BiDi, and Safari's engine: WebKitGTK's
 * MiniBrowser by WebDriver, in a display of its own. Each opens the same pages.
 */
import { readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { asAddresses } from './fixture.mjs'
import { Absent, end, found, freePort, serve, start } from './tools.mjs'

const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}
const STRICT = {
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'",
}
/** Milliseconds that a browser may take: CI's machine does other things too. */
const PATIENCE = 180_000
const several = availableParallelism() > 1 ? 'several' : 'one'

const IMPORT_MAP = JSON.stringify({
  imports: Object.fromEntries(
    ['', '/image', '/onnx', '/worker'].map((entry) => [
      `filterbank${entry}`,
      `/node_modules/filterbank/dist${entry || '/index'}.js`,
    ]),
  ),
})
const FAILED = '({ stack, message }) => ({ error: message + " " + stack })'
const html = (head) => `<!doctype html><meta charset="utf-8"><title>filterbank</title>${head}`
/** A page whose script makes the report, `checkAll` at hand. */
const page = (name) =>
  html(`<script src="/errors.js"></script><script type="module" src="/${name}.js"></script>`)
const asks = (make) => `globalThis.report = new Promise((resolve) => { ${make} })`

/** The texts of the pages: `/NAME.html` for each way. */
const texts = (folder) => ({
  '/errors.js': `addEventListener('error', (event) => { globalThis.report = { error: event.message ?? 'a script does not load' } }, true)`,
  '/page.html': html(
    `<script type="importmap">${IMPORT_MAP}</script><script src="/errors.js"></script><script type="module">
    import { checkAll } from '/checkAll.js'
    globalThis.report = checkAll().catch(${FAILED})</script>`,
  ),
  '/csp.html': page('csp'),
  '/csp.js': `import { checkAll } from '/at/checkAll.js'
    globalThis.report = checkAll({}, { url: '/node_modules/filterbank/dist/worker-thread.js' }).catch(${FAILED})`,
  '/at/check.js': asAddresses(folder, 'check.js'),
  '/at/checkAll.js': asAddresses(folder, 'checkAll.js'),
  '/at/numbers.js': asAddresses(folder, 'numbers.js'),
  '/module-worker.html': page('module-worker'),
  '/module-worker.js': asks(
    `new Worker('/at/worker.js', { type: 'module' }).onmessage = ({ data }) => resolve(data)`,
  ),
  '/at/worker.js': `import { checkAll } from './checkAll.js'; checkAll().catch(${FAILED}).then(postMessage)`,
  '/classic-worker.html': page('classic-worker'),
  '/classic-worker.js': asks(`new Worker('/worker.js').onmessage = ({ data }) => resolve(data)`),
  '/worker.js': `importScripts('/classic.bundle.js'); checkAll().catch(${FAILED}).then(postMessage)`,
  '/shared-worker.html': page('shared-worker'),
  '/shared-worker.js': asks(
    `new SharedWorker('/at/shared.js', { type: 'module' }).port.onmessage = ({ data }) => resolve(data)`,
  ),
  '/at/shared.js': `import { check } from './check.js'
    onconnect = ({ ports: [port] }) => check().catch(${FAILED}).then((report) => port.postMessage(report))`,
  ...service('service-worker', '/service.js', 'classic'),
  '/service.js': `importScripts('/classic.bundle.js'); ${SERVES}`,
  ...service('module-service-worker', '/service-module.js', 'module'),
  '/service-module.js': `import { check } from '/at/check.js'; ${SERVES}`,
  '/audio-worklet.html': page('audio-worklet'),
  '/audio-worklet.js': `globalThis.report = (async () => {
    const audio = new OfflineAudioContext(1, 48000, 48000)
    await audio.audioWorklet.addModule('/at/worklet.js')
    const node = new AudioWorkletNode(audio, 'check')
    node.connect(audio.destination)
    const answer = new Promise((resolve) => { node.port.onmessage = ({ data }) => resolve(data) })
    audio.startRendering()
    return answer
  })().catch(${FAILED})`,
  '/at/worklet.js': `import { check } from './check.js'
    registerProcessor('check', class extends AudioWorkletProcessor {
      constructor() { super(); check().catch(${FAILED}).then((report) => this.port.postMessage(report)) }
      process() { return true }
    })`,
})
const SERVES = `
  self.addEventListener('install', () => self.skipWaiting())
  self.addEventListener('message', (event) =>
    event.waitUntil(check().catch(${FAILED}).then((report) => event.source.postMessage(report))))`

const service = (name, script, type) => ({
  [`/${name}.html`]: page(name),
  [`/${name}.js`]: `globalThis.report = (async () => {
    const registration = await navigator.serviceWorker.register('${script}', { type: '${type}' })
    const { active } = await navigator.serviceWorker.ready
    const answer = new Promise((resolve) => { navigator.serviceWorker.addEventListener('message', ({ data }) => resolve(data)) })
    navigator.serviceWorker.startMessages()
    active.postMessage('go')
    return answer.finally(() => registration.unregister())
  })().catch(${FAILED})`,
})

/** Waits in a page for what its script reports. */
export const REPORT = `(async () => {
  for (let i = 0; i < 2000 && !globalThis.report; i++) await new Promise((wake) => setTimeout(wake, 20))
  return Promise.race([
    globalThis.report,
    new Promise((resolve) => setTimeout(resolve, 60_000, { error: 'no report after 60 s' })),
  ])
})()`

/** Waits for the page of six experiments, and trains in it for a while. */
const LEARN = `(async () => {
  const wrong = []
  addEventListener('error', ({ message }) => wrong.push(message))
  addEventListener('unhandledrejection', ({ reason }) => wrong.push(String(reason)))
  const until = async (what, test) => {
    for (let i = 0; i < 6000; i++) {
      if (test()) return
      await new Promise((wake) => setTimeout(wake, 20))
    }
    wrong.push(what + ' took longer than two minutes')
  }
  await until('the page', () => document.body.dataset.ready === 'true')
  const panels = document.querySelectorAll('[data-panel]').length
  const layers = document.querySelectorAll('[data-layer]').length
  if (panels !== 6 || layers < 6) wrong.push(panels + ' panels and ' + layers + ' layers')
  const button = (name) => [...document.querySelectorAll('[data-panel=train] button')].find(({ textContent }) => textContent === name)
  const loss = () => Number(document.querySelector('[data-loss]').dataset.loss)
  button('Train').click()
  await until('a loss', () => loss() > 0)
  const first = loss()
  await until('learning', () => loss() < first / 2)
  button('Stop').click()
  if (wrong.length) return { error: wrong.join('; ') }
  return { said: layers + ' layers, loss from ' + first.toFixed(2) + ' to ' + loss().toFixed(2) }
})()`

/** Fails with what a page says went wrong. */
export function reportOf(report) {
  if (report?.error) throw new Error(report.error)
  return report
}

/**
 * The ways to use the package in a browser.
 * @param visit opens an address and gives what the page reports
 */
async function waysOf(folder, visit, { without = [], plain = true, isolated = true } = {}) {
  const pages = texts(folder)
  const [open, closed, strict] = await Promise.all(
    [{}, ISOLATED, STRICT].map((headers) => serve(folder, { texts: pages, headers })),
  )
  const page = plain ? await serve(join(folder, 'site')) : undefined
  const way = (site, path, wanted) => ({
    wanted,
    act: async () => reportOf(await visit(`${site.origin}/${path}.html`)),
  })
  const one = { threads: 'one' }
  const names = ['page', 'module-worker', 'classic-worker', 'shared-worker']
  names.push('service-worker', 'module-service-worker', 'audio-worklet')
  const ways = {
    ...(plain && Object.fromEntries(names.map((name) => [name, way(open, name, one)]))),
    ...(plain && { 'strict CSP': way(strict, 'csp', one) }),
    ...(page && { 'page of site/': { act: async () => reportOf(await visit(`${page.origin}/`, LEARN)) } }),
    ...(isolated && { 'isolated page': way(closed, 'page', { threads: several }) }),
    ...(isolated && { 'isolated classic worker': way(closed, 'classic-worker', { threads: several }) }),
  }
  for (const [name, why] of Object.entries(without))
    ways[name] = {
      act() {
        throw new Absent(why)
      },
    }
  const close = () => [open, closed, strict, page].map((site) => site?.close())
  return { ways, close }
}

/** The system's Chromium, which bundlers' pages are looked at with too. */
export async function openChromium() {
  const executablePath = found(
    process.env.CHROMIUM,
    ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'].map(
      (name) => `/usr/bin/${name}`,
    ),
  )
  if (!executablePath) throw new Absent('no Chromium: install it, or name one with CHROMIUM')
  const { chromium } = await import('playwright-core')
  const browser = await chromium.launch({
    ...{ executablePath, timeout: PATIENCE },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
  })
  return {
    version: browser.version(),
    async visit(url, script = REPORT) {
      const context = await browser.newContext()
      try {
        const opened = await context.newPage()
        const complaints = []
        opened.on('pageerror', (error) => complaints.push(error.message))
        await opened.goto(url, { timeout: PATIENCE })
        const report = await opened.evaluate(script)
        if (complaints.length) throw new Error(`uncaught in the page: ${complaints.join('; ')}`)
        return report
      } finally {
        await context.close()
      }
    },
    close: () => browser.close(),
  }
}

const chromium = {
  name: 'chromium',
  async open({ folder }) {
    const { version, visit, close } = await openChromium()
    const site = await waysOf(folder, visit)
    return {
      ...{ version, ways: site.ways },
      async close() {
        site.close()
        await close()
      },
    }
  },
}

const firefox = {
  name: 'firefox',
  packages: ['puppeteer-core@24.43.1'],
  async open({ folder, tools }) {
    const executablePath = found(process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox')
    if (!executablePath)
      throw new Absent("no Firefox (Debian's firefox-esr): install it, or name one with FIREFOX")
    const puppeteer = createRequire(join(tools, 'package.json')).resolve('puppeteer-core')
    const { launch } = (await import(pathToFileURL(puppeteer).href)).default
    const browser = await launch({
      ...{ browser: 'firefox', executablePath, headless: true, timeout: PATIENCE, protocolTimeout: PATIENCE },
    })
    const visit = async (url, script = REPORT) => {
      const opened = await browser.newPage()
      try {
        await opened.goto(url, { timeout: PATIENCE })
        return await opened.evaluate(script)
      } finally {
        await opened.close()
      }
    }
    const site = await waysOf(folder, visit)
    return {
      ...{ version: (await browser.version()).replace('firefox/', ''), ways: site.ways },
      async close() {
        site.close()
        await browser.close()
      },
    }
  },
}

/** The driver's protocol is JSON over HTTP. */
async function webdriver(origin, method, path, body) {
  const response = await fetch(`${origin}${path}`, { method, body: body && JSON.stringify(body) })
  const { value } = await response.json()
  if (!response.ok) throw new Error(`WebDriver ${path}: ${value?.error}: ${value?.message}`)
  return value
}

/** WebKitGTK gives pages shared memory only where the environment says so; Safari where they are isolated. */
const webkit = (shared) => ({
  name: shared ? 'webkit-threads' : 'webkit',
  async open({ folder }) {
    const libraries = found('/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64')
    const binary = found(
      process.env.MINIBROWSER,
      ...(libraries ? readdirSync(libraries) : [])
        .filter((name) => name.startsWith('webkit2gtk-4'))
        .map((name) => join(libraries, name, 'MiniBrowser')),
    )
    const driver = found('/usr/bin/WebKitWebDriver')
    if (!driver || !binary)
      throw new Absent("no WebKitWebDriver and MiniBrowser (Debian's webkit2gtk-driver)")
    if (!process.env.DISPLAY && !found('/usr/bin/xvfb-run')) throw new Absent('no display, and no xvfb-run')
    const port = await freePort()
    const origin = `http://127.0.0.1:${port}`
    const [command, ...args] = process.env.DISPLAY
      ? [driver, `--port=${port}`]
      : ['xvfb-run', '-a', driver, `--port=${port}`]
    const { child } = await start(command, args, {
      answers: `${origin}/status`,
      env: {
        ...(process.getuid?.() === 0 && { WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1' }),
        ...(shared && { JSC_useSharedArrayBuffer: '1' }),
      },
    })
    try {
      const options = { binary, args: ['--automation'] }
      const { sessionId, capabilities } = await webdriver(origin, 'POST', '/session', {
        capabilities: { alwaysMatch: { 'webkitgtk:browserOptions': options } },
      })
      const session = `/session/${sessionId}`
      await webdriver(origin, 'POST', `${session}/timeouts`, { script: PATIENCE, pageLoad: PATIENCE })
      const visit = async (url, report = REPORT) => {
        await webdriver(origin, 'POST', `${session}/url`, { url })
        const script = `${report}.then(arguments[0], (error) => arguments[0]({ error: String(error) }))`
        return webdriver(origin, 'POST', `${session}/execute/async`, { script, args: [] })
      }
      const site = await waysOf(folder, visit, { plain: !shared, isolated: shared })
      return {
        ...{ version: `WebKitGTK ${capabilities.browserVersion}`, ways: site.ways },
        async close() {
          site.close()
          await webdriver(origin, 'DELETE', session).catch(() => {})
          // So that the display clears up after itself.
          end(child, 'SIGTERM')
          await new Promise((wake) => setTimeout(wake, 500))
          end(child)
        },
      }
    } catch (error) {
      end(child)
      throw error
    }
  },
})

export const browsers = [chromium, firefox, webkit(false), webkit(true)]
