/**
 * The bench in a page: this folder bundled, served with the headers of an isolated page, opened in the
 * system's headless Chromium.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const TYPES = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
}
const PAGE =
  '<!doctype html><title>filterbank bench</title><script type="module" src="/build/bench/page.js"></script>'

/**
 * `bench` of compare.mjs, in a page. @type {(wanted: object, report: (news: object) => unknown) =>
 * Promise<void>}
 */
export async function benchInPage(wanted, report) {
  const executablePath = EXECUTABLES.find(existsSync)
  if (!executablePath) throw new Error(`no Chromium at ${EXECUTABLES.join(', ')}`)
  await build({
    entryPoints: { page: 'bench/page.mjs', ...(wanted.peers ? { peers: 'bench/peers/page.mjs' } : {}) },
    outdir: 'build/bench',
    bundle: true,
    format: 'esm',
    external: ['/dist/*', '/build/*', 'node:*'],
    logLevel: 'warning',
  })
  const server = createServer(serve).listen(0, '127.0.0.1')
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => console.error(error))
    await page.exposeFunction('report', ({ start, ...news }) =>
      report(start ? { start: { ...start, host: `Chromium ${browser.version()}` } } : news),
    )
    await page.goto(`http://127.0.0.1:${server.address().port}/`)
    await page.waitForFunction('globalThis.benchHere')
    await page.evaluate((all) => globalThis.benchHere(all), wanted)
  } finally {
    await browser.close()
    server.close()
  }
}

async function serve({ url }, response) {
  const { pathname } = new URL(url, 'http://localhost')
  const headers = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  }
  try {
    const body = pathname === '/' ? PAGE : await readFile(join(process.cwd(), normalize(pathname)))
    response
      .writeHead(200, {
        ...headers,
        'Content-Type': TYPES[extname(pathname) || '.html'] ?? 'application/octet-stream',
      })
      .end(body)
  } catch {
    response.writeHead(404, headers).end()
  }
}
