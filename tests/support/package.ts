/** The package as a user gets it: packed, unpacked in a folder of its own. Node only. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '../..')

/** A temporary folder that is gone when the variable goes out of scope. */
export function temporaryFolder(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'filterbank-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

export interface Packed {
  filename: string
  files: { path: string; size: number }[]
}

/** `npm pack` of what `npm run build` left in dist/. */
export function pack(destination: string): Packed {
  const output = execFileSync(
    'npm',
    ['pack', '--json', '--loglevel=error', '--pack-destination', destination],
    { cwd: root, encoding: 'utf8' },
  )
  const result = JSON.parse(output)
  // npm 11 gives a list, npm 12 an object by package name.
  const [packed] = Array.isArray(result) ? result : Object.values(result)
  return packed as Packed
}

/** Unpacks the tarball to `folder`/node_modules/filterbank, where an import of 'filterbank' finds it. */
export function unpack(tarball: string, folder: string): void {
  const to = join(folder, 'node_modules/filterbank')
  mkdirSync(to, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', to, '--strip-components=1'])
}
