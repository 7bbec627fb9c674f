/**
 * The bench in a page: this folder bundled, served with the headers of an isolated page, opened in a browser of
 * the system. The page fetches what is wanted and posts what it finds: all that a browser has to do is open an
 * address.
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { text } from 'node:stream/consumers'
import { build } from 'esbuild'
import type { News, Wanted } from './compare.js'
import type { ByteNews, WantedBytes } from './int8.js'
import type { NetworkNews, WantedNetworks } from './runNetworks.js'

interface Browser {
  /** Where it may be; the first that exists is taken. */
  executables: string[]
  /** Before its address. */
  flags(profile: string): string[]
  /** What draws for one without a display. */
  display?: string[]
  env?: Record<string, string>
}

const libraries = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64'].filter(existsSync)

export const BROWSERS: Record<string, Browser> = {
  chromium: {
    executables: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
    flags: (profile) => [
      '--headless',
      `--user-data-dir=${profile}`,
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  },
  firefox: {
    executables: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
    flags: (profile) => ['--headless', '--no-remote', '--profile', profile],
  },
  // Safari's engine: WebKitGTK's MiniBrowser, of Debian's webkit2gtk-driver.
  webkit: {
    executables: libraries.flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.startsWith('webkit2gtk-4'))
        .map((name) => join(folder, name, 'MiniBrowser')),
    ),
    flags: () => ['--private'],
    display: process.env['DISPLAY'] ? [] : ['xvfb-run', '-a'],
    // Isolated pages of Safari have shared memory by themselves.
    env: { JSC_useSharedArrayBuffer: '1' },
  },
}

const TYPES: Record<string, string> = {
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
  '.html': 'text/html',
}
const PAGE =
  '<!doctype html><title>filterbank bench</title><script type="module" src="/build/bench/page.js"></script>'
const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

type AnyNews = News | NetworkNews | ByteNews
/** What is said to who asks. */
type NewsOf<Asked> = Asked extends Wanted ? News : Asked extends WantedNetworks ? NetworkNews : ByteNews

/** `bench` of compare.ts, `benchNetworks` of runNetworks.ts or `benchInt8` of int8.ts, in a page. */
export async function benchInPage<Asked extends Wanted | WantedNetworks | WantedBytes>(
  name: string,
  wanted: Asked,
  report: (news: NewsOf<Asked>) => unknown,
): Promise<void> {
  const browser = BROWSERS[name]
  if (!browser) throw new Error(`--browser is one of ${Object.keys(BROWSERS).join(', ')}, got '${name}'`)
  const executable = browser.executables.find(existsSync)
  if (!executable) throw new Error(`no ${name} at ${browser.executables.join(', ') || libraries.join(', ')}`)
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
  const [command = executable, ...before] = browser.display?.length
    ? [...browser.display, executable]
    : [executable]
  const asked = execFileSync(command, [...before, '--version'], { stdio: ['ignore', 'pipe', 'ignore'] })
  const host = asked.toString().trim().split('\n')[0]!
  const took = (news: AnyNews): unknown =>
    report(('start' in news ? { start: { ...news.start, host } } : news) as NewsOf<Asked>)

  const profile = mkdtempSync(join(tmpdir(), 'filterbank-bench-'))
  const { promise, resolve, reject } = withResolvers()
  const server = createServer((request, response) => {
    answer(request, response, wanted, took).then((ended) => ended && resolve(), reject)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  // In a group of its own, to be ended with all that it starts.
  const child = spawn(command, [...before, ...browser.flags(profile), address], {
    detached: true,
    stdio: 'ignore',
    // What they leave behind goes with the profile.
    env: { ...process.env, TMPDIR: profile, ...browser.env },
  })
  child.once('error', reject)
  child.once('exit', (status, signal) => reject(new Error(`${name} ended with ${status ?? signal}`)))
  const end = () => {
    if (child.pid && child.exitCode === null) process.kill(-child.pid)
  }
  process.once('exit', end)
  try {
    await promise
  } finally {
    child.removeAllListeners()
    const ended = child.exitCode === null && once(child, 'exit')
    end()
    await ended
    process.off('exit', end)
    server.close()
    rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

/** Node 20 has no Promise.withResolvers. */
function withResolvers() {
  let resolve!: () => void
  let reject!: (error: Error) => void
  const promise = new Promise<void>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** One request of the page; whether it was the last. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  wanted: unknown,
  took: (news: AnyNews) => unknown,
): Promise<boolean> {
  const { pathname } = new URL(request.url!, 'http://localhost')
  if (request.method === 'POST') {
    const message = JSON.parse(await text(request)) as { news?: AnyNews; failed?: string }
    if (message.news) await took(message.news)
    response.writeHead(204, ISOLATED).end()
    if (message.failed) throw new Error(`in the page: ${message.failed}`)
    return !message.news
  }
  try {
    const body =
      pathname === '/'
        ? PAGE
        : pathname === '/wanted'
          ? JSON.stringify(wanted)
          : await readFile(join(process.cwd(), normalize(pathname)))
    response
      .writeHead(200, {
        ...ISOLATED,
        'Content-Type': TYPES[extname(pathname) || '.html'] ?? 'application/octet-stream',
      })
      .end(body)
  } catch {
    response.writeHead(404, ISOLATED).end()
  }
  return false
}
