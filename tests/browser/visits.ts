/** A page of site/, built and served, as visitors open it. */
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import { root, temporaryFolder } from '../support/package.js'
import { launch, open, type Site, serve } from './host.js'

const READY = 'body[data-ready="true"]'

/** A file of a visitor's. */
export const file = (name: string, buffer: Buffer) => ({ name, mimeType: 'application/octet-stream', buffer })

export const numberOf = async (locator: Locator, name: string): Promise<number> =>
  Number(await locator.getAttribute(name))

/** Waits for what a panel says of itself. */
export const says = (panel: Locator, text: RegExp): Promise<void> =>
  expect.poll(() => panel.locator('[data-status]').textContent(), { timeout: 60_000 }).toMatch(text)

/** Puts code in place of a panel's own and runs it. */
export async function rewrite(panel: Locator, change: (code: string) => string): Promise<void> {
  const code = panel.locator('textarea')
  await code.fill(change(await code.inputValue()))
  await panel.locator('[data-run]').click()
}

export const ready = (page: Page) => page.waitForSelector(READY, { timeout: 120_000 })

export class Visits implements AsyncDisposable {
  readonly folder = temporaryFolder()
  browser!: Browser
  site!: Site

  async start(): Promise<void> {
    execFileSync(process.execPath, ['tools/site.mjs', this.folder.path], { cwd: root })
    this.browser = await launch(['--use-fake-device-for-media-stream'])
    this.site = await serve({}, { '/': this.folder.path })
  }

  /** Opens the page; `complaints` is what a visitor would see in the console, and has to be empty. */
  async visit(hash = '') {
    const opened = await open(this.browser, this.site, `/${hash}`)
    await ready(opened.page)
    return { ...opened, panel: (name: string) => opened.page.locator(`[data-panel=${name}]`) }
  }

  /** The page's own file. */
  get index(): string {
    return join(this.folder.path, 'index.html')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser?.close()
    this.site?.close()
    this.folder[Symbol.dispose]()
  }
}
