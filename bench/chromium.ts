/**
 * The bench in a page: this folder bundled, served with the headers of an isolated page, opened in the
 * system's headless Chromium.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'
import type { News, Wanted } from './compare.js'
import type { NetworkNews, WantedNetworks } from './runNetworks.js'

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
const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
}
const PAGE =
  '<!doctype html><title>filterbank bench</title><script type="module" src="/build/bench/page.js"></script>'

/** `bench` of compare.ts or `benchNetworks` of runNetworks.ts, in a page. */
export async function benchInPage<Asked extends Wanted | WantedNetworks>(
  wanted: Asked,
  report: (news: Asked extends Wanted ? News : NetworkNews) => unknown,
): Promise<void> {
  const executablePath = EXECUTABLES.find(existsSync)
  if (!executablePath) throw new Error(`no Chromium at ${EXECUTABLES.join(', ')}`)
  await build({
    entryPoints: { page: 'bench/page.ts', ...(wanted.peers ? { peers: 'bench/peers/page.ts' } : {}) },
    outdir: 'build/bench',
    bundle: true,
    format: 'esm',
    external: ['/dist/*', '/build/*', 'node:*'],
    logLevel: 'warning',
    // Else paths of types would be those of programs.
    tsconfigRaw: {},
  })
  const server = createServer(serve).listen(0, '127.0.0.1')
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  try {
    const page = await browser.newPage()
    page.on('pageerror', (error) => console.error(error))
    await page.exposeFunction('report', (news: Parameters<typeof report>[0]) =>
      report(
        'start' in news
          ? ({ start: { ...news.start, host: `Chromium ${browser.version()}` } } as typeof news)
          : news,
      ),
    )
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await page.waitForFunction('globalThis.benchHere')
    await page.evaluate<void, Wanted | WantedNetworks>((all) => globalThis.benchHere(all), wanted)
  } finally {
    await browser.close()
    server.close()
  }
}

async function serve({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname } = new URL(url!, 'http://localhost')
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
