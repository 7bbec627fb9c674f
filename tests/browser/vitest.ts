/**
 * Vitest's describe, it and expect for a page: the test files of tests/ops and tests/image are bundled
 * against this file.
 */
import { JestAsymmetricMatchers, JestChaiExpect, JestExtend } from '@vitest/expect'
import * as chai from 'chai'

type Body = () => unknown

interface Suite {
  name: string
  before: Body[]
  after: Body[]
  entries: (Suite | { name: string; body: Body })[]
}

export interface Report {
  passed: number
  /** "suite > test: message" */
  failures: string[]
}

for (const plugin of [JestExtend, JestChaiExpect, JestAsymmetricMatchers]) chai.use(plugin as Chai.ChaiPlugin)

chai.config.truncateThreshold = 1000

export const { expect } = chai

const root: Suite = { name: '', before: [], after: [], entries: [] }
let current = root

/** `each` titles know %s, %d, %i and %j. */
const title = (template: string, values: unknown[]): string => {
  let next = 0
  return template.replace(/%[sdij]/g, (mark) =>
    mark === '%j' ? JSON.stringify(values[next++]) : String(values[next++]),
  )
}

const withEach = <F>(declare: (name: string, body: F) => void) =>
  Object.assign(
    (name: string, ...rest: unknown[]) => declare(name, rest.find((part) => typeof part === 'function') as F),
    {
      each: (table: readonly unknown[]) => (template: string, body: (...row: unknown[]) => unknown) => {
        for (const row of table) {
          const values = Array.isArray(row) ? row : [row]
          declare(title(template, values), (() => body(...values)) as F)
        }
      },
    },
  )

export const describe = withEach((name: string, body: () => void) => {
  const outer = current
  current = { name, before: [], after: [], entries: [] }
  outer.entries.push(current)
  body()
  current = outer
})
export const it = withEach((name: string, body: Body) => void current.entries.push({ name, body }))
export const test = it
export const beforeAll = (body: Body) => void current.before.push(body)
export const afterAll = (body: Body) => void current.after.push(body)

/** Runs all that was declared, in order. */
export async function run(): Promise<Report> {
  const report: Report = { passed: 0, failures: [] }
  const attempt = async (path: string, body: Body): Promise<boolean> => {
    try {
      await body()
      return true
    } catch (error) {
      report.failures.push(`${path}: ${error instanceof Error ? `${error.name}: ${error.message}` : error}`)
      return false
    }
  }
  const visit = async ({ before, entries, after }: Suite, path: string): Promise<void> => {
    for (const body of before) if (!(await attempt(`${path} (before)`, body))) return
    for (const entry of entries) {
      const name = path ? `${path} > ${entry.name}` : entry.name
      if ('entries' in entry) await visit(entry, name)
      else if (await attempt(name, entry.body)) report.passed++
    }
    for (const body of after) await attempt(`${path} (after)`, body)
  }
  await visit(root, '')
  return report
}
