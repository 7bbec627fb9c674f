/** What tables say of where they come from, and their places in doc/benchmarks.md. */
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import type { ContenderFacts } from './compare.js'

/** Where the tables stand. */
const TABLES = 'doc/benchmarks.md'

interface Ran {
  /** The build of filterbank. */
  build: string
  /** Where it is not Node. */
  host?: string | undefined
  features?: string | undefined
}

/** What tables say of their times. */
export const ABOUT_TIMES =
  'Times are medians in ms, beside the least; one thread unless it says otherwise. (drift): who is faster by medians is slower by the least times.'

/** What ran where and when. */
export function placeOf({ build, host, features }: Ran): string {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  const where = host ?? `Node ${process.versions.node}`
  const day = new Date().toISOString().slice(0, 10)
  const has = features ? ` The host has ${features}.` : ''
  return `filterbank ${version} (${build}), ${where}, ${cpus()[0]!.model.trim()}, ${day}.${has}`
}

/** Whom filterbank stands beside, with their versions. */
export const versionsOf = (contenders: readonly ContenderFacts[]): string[] =>
  contenders.filter(({ peer }) => peer).map(({ name, version }) => `${name} ${version}`)

/** Writes a table between `<!-- bench PLACE -->` and `<!-- /bench PLACE -->`. */
export function writeBetween(place: string, table: string): void {
  const text = readFileSync(TABLES, 'utf8')
  const before = `<!-- bench ${place} -->`
  const after = `<!-- /bench ${place} -->`
  const [start, end] = [text.indexOf(before), text.indexOf(after)]
  if (start < 0 || end < start) throw new Error(`${TABLES} has no ${before} with ${after} behind it`)
  writeFileSync(TABLES, `${text.slice(0, start) + before}\n${table}\n${text.slice(end)}`)
}
