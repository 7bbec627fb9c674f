import { gunzipSync } from 'node:zlib'

/**
 * The files in a gzipped tar archive, by path. (POSIX ustar, where sizes are octal, and pax entries `x`
 * before files of long paths.)
 */
export function readTar(bytes: Uint8Array): Map<string, Uint8Array> {
  const all = gunzipSync(bytes)
  const text = (from: number, length: number) =>
    all.toString('latin1', from, from + length).replace(/\0.*$/s, '')
  const files = new Map<string, Uint8Array>()
  let long = ''
  for (let at = 0; at < all.length && all[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8)
    const isFile = all[at + 156] === 48 || all[at + 156] === 0
    const prefix = text(at + 345, 155)
    if (isFile)
      files.set(long || (prefix ? `${prefix}/` : '') + text(at, 100), all.subarray(at + 512, at + 512 + size))
    long =
      all[at + 156] === 'x'.charCodeAt(0) ? (/\d+ path=(.*)\n/.exec(text(at + 512, size))?.[1] ?? '') : ''
    at += 512 + Math.ceil(size / 512) * 512
  }
  return files
}
