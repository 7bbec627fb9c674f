/**
 * Modules that hold a file as text: ASCII in lines of ordinary length, so that no charset and no editor can
 * spoil them.
 */
const LINE = 380

/**
 * The module whose `binary` is `bytes` in hexadecimal digits; `unpack` in src/wasm/inlined.ts gives them
 * back.
 */
export function binaryModule(bytes, origin) {
  const text = bytes.toString('hex')
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, i) =>
    text.slice(i * LINE, (i + 1) * LINE),
  )
  return `// Written by tools/build.mjs: ${origin}.\nexport const binary = \`\n${lines.join('\n')}\n\`\n`
}

/** The module whose default export is `text`, line by line. */
export function textModule(text, origin) {
  const escaped = text.replace(/[\\`]|\$\{/g, '\\$&')
  return `// Written by tools/build.mjs: ${origin}.\nexport default \`\n${escaped}\``
}
