/**
 * Modules that hold a file as text: ASCII in lines of ordinary length, so that no charset and no editor can
 * spoil them.
 */
const LINE = 380

/** A module that exports `bytes` in hexadecimal digits by a name. */
function digitsModule(name, bytes, origin) {
  const text = bytes.toString('hex')
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, i) =>
    text.slice(i * LINE, (i + 1) * LINE),
  )
  // One string in many lines: V8 reads a template by a fifth more slowly.
  return `// Written by tools/build.mjs: ${origin}.\nexport const ${name} =\n  '\\\n${lines.join('\\\n')}'\n`
}

/**
 * The module whose `binary` is `bytes` in hexadecimal digits; `unpack` in src/wasm/inlined.ts gives them
 * back.
 */
export const binaryModule = (bytes, origin) => digitsModule('binary', bytes, origin)

/** The module whose `delta` is one of `deltaOf`; `patch` in src/wasm/inlined.ts takes it. */
export const deltaModule = (delta, origin) => digitsModule('delta', delta, origin)

/**
 * Bytes that have to be alike to be worth a copy, and places that are tried for each. Shorter ones would
 * save a KB of 75 after brotli, and cost each page at its start more than that.
 */
const LEAST = 16
const MOST_PLACES = 64

/**
 * What makes `bytes` of `base`, as LEB128 numbers: how many bytes in all, and then, until they are there, how
 * many are new, those, how far from the end of the last copy the next one begins (zigzag), and how long it
 * is. The longest copy is taken at each place, the nearest of equal ones.
 */
export function deltaOf(base, bytes) {
  const places = new Map()
  for (let at = 0; at + LEAST <= base.length; at++) {
    const key = base.toString('latin1', at, at + LEAST)
    const list = places.get(key)
    if (!list) places.set(key, [at])
    else if (list.length < MOST_PLACES) list.push(at)
  }
  const out = []
  const number = (value) => {
    for (; value > 127; value >>>= 7) out.push((value & 127) | 128)
    out.push(value)
  }
  number(bytes.length)
  let [begin, end] = [0, 0]
  const copy = (at, from, length) => {
    number(at - begin)
    out.push(...bytes.subarray(begin, at))
    number(from < end ? 2 * (end - from) - 1 : 2 * (from - end))
    number(length)
    begin = at + length
    end = from + length
  }
  for (let at = 0; at < bytes.length; ) {
    let [best, from] = [0, 0]
    for (const place of places.get(bytes.toString('latin1', at, at + LEAST)) ?? []) {
      let length = LEAST
      while (
        at + length < bytes.length &&
        place + length < base.length &&
        bytes[at + length] === base[place + length]
      )
        length++
      const nearer = Math.abs(place - end) < Math.abs(from - end)
      if (length > best || (length === best && nearer)) [best, from] = [length, place]
    }
    if (best) copy(at, from, best)
    at += best || 1
  }
  if (begin < bytes.length) copy(bytes.length, end, 0)
  return Buffer.from(out)
}

/** The module whose default export is `text`, line by line. */
export function textModule(text, origin) {
  const escaped = text.replace(/[\\`]|\$\{/g, '\\$&')
  return `// Written by tools/build.mjs: ${origin}.\nexport default \`\n${escaped}\``
}
