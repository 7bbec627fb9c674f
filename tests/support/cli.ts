/** The built command, run in a folder of its own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { expect } from 'vitest'
import { root } from './package.js'

export interface Ended {
  code: number
  out: string
  err: string
}

export const commandIn =
  (folder: () => string) =>
  (...args: string[]): Promise<Ended> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        [join(root, 'dist/cli.js'), ...args],
        { cwd: folder(), maxBuffer: 1 << 26 },
        (error, out, err) => resolve({ code: Number(error?.code ?? 0), out, err }),
      )
    })

/** It failed with this code and one line on stderr that has every part. */
export function expectFailed({ code, err }: Ended, wanted: number, ...parts: string[]): void {
  expect(err).toMatch(/^filterbank: [^\n]+\n$/)
  for (const part of parts) expect(err).toContain(part)
  expect(code).toBe(wanted)
}
