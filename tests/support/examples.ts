/** Runs of `npm run train`, on one thread, and what they leave. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { root, temporaryFolder } from './package.js'

const program = join(root, 'examples/train.mjs')

/** What a run says. */
export const train = (...args: string[]): string =>
  execFileSync(process.execPath, [program, '--threads', '1', ...args], { encoding: 'utf8', stdio: 'pipe' })

export type Left = Record<string, Buffer>

/** A run into a folder of its own: what it says, the files that it leaves (pictures have pixels), and its result. */
export function trained<Result>(...args: string[]): { said: string; files: Left; result: Result } {
  using folder = temporaryFolder()
  const said = train(...args, '-o', folder.path)
  const files = Object.fromEntries(
    readdirSync(folder.path)
      .sort()
      .map((name) => [name, readFileSync(join(folder.path, name))]),
  )
  for (const [name, bytes] of Object.entries(files))
    if (name.endsWith('.png')) {
      const { width, height } = PNG.sync.read(bytes)
      if (!(width > 0 && height > 0)) throw new Error(`${name} has ${width} x ${height} pixels`)
    }
  return { said, files, result: JSON.parse(files['result.json']!.toString()) }
}

/** The losses that a run told of, in order. */
export const lossesOf = (said: string): number[] =>
  [...said.matchAll(/ loss (-?[\d.]+)/g)].map(([, loss]) => Number(loss))
