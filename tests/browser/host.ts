/** What the browser suite stands on: the system's Chromium, a server of files, and pages that are watched. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../support/outside.js'

/** @param more flags beside those of all tests */
export const launch = (more: readonly string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: chromiumPath!,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  })

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

export interface Site {
  /** http://127.0.0.1:port */
  origin: string
  close(): void
}

/** Serves pages by path, and files from folders by path prefix; the first that has it. */
export async function serve(
  pages: Record<string, string>,
  folders: Record<string, string> = {},
  headers: Record<string, string> = {},
): Promise<Site> {
  const find = (path: string): string | Buffer | undefined => {
    if (path in pages) return pages[path]
    for (const [prefix, folder] of Object.entries(folders)) {
      const file = join(folder, path.slice(prefix.length))
      if (path.startsWith(prefix) && existsSync(file)) return readFileSync(file)
    }
    return path === '/favicon.ico' ? '' : undefined
  }
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url!, 'http://host').pathname)
    const body = find(path.endsWith('/') ? `${path}index.html` : path)
    response.writeHead(body === undefined ? 404 : 200, {
      ...headers,
      'content-type': TYPES[extname(path) || '.html'] ?? 'application/octet-stream',
    })
    response.end(body)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

/**
 * Opens a page; `complaints` collects what a user would see in its console: errors, and requests that failed
 * or went elsewhere.
 */
export async function open(
  browser: Browser,
  { origin }: Site,
  path = '/',
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage()
  const complaints: string[] = []
  page.on(
    'console',
    (message) =>
      ['error', 'warning'].includes(message.type()) && complaints.push(`console: ${message.text()}`),
  )
  page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`))
  // Workers start from a blob of the page's own.
  const isOwn = (url: string) => url.startsWith(`${origin}/`) || url.startsWith(`blob:${origin}/`)
  page.on(
    'request',
    (request) => isOwn(request.url()) || complaints.push(`request to ${request.url().slice(0, 100)}`),
  )
  page.on('requestfailed', (request) =>
    complaints.push(`failed: ${request.url().slice(0, 100)} (${request.failure()?.errorText})`),
  )
  page.on(
    'response',
    (response) => response.ok() || complaints.push(`status ${response.status()}: ${response.url()}`),
  )
  await page.goto(origin + path)
  return { page, complaints }
}
