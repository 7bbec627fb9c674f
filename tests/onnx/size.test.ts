import { existsSync, readFileSync } from 'node:fs'
import { brotliCompressSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'

const dist = new URL('../../dist/', import.meta.url)

/** A module of dist/ and all that it imports. */
function closure(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found
  found.add(file)
  const text = readFileSync(new URL(file, dist), 'utf8')
  for (const [, name] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) closure(name!, found)
  return found
}

describe.skipIf(!existsSync(dist))('download', () => {
  it('of the engine and ONNX together is under 80 KB brotli', () => {
    const files = new Set([...closure('index.js'), ...closure('onnx.js')])
    const bytes = [...files].reduce((sum, file) => sum + brotliCompressSync(readFileSync(new URL(file, dist))).length, 0)
    expect(bytes).toBeLessThan(80 * 1024)
  })
})
