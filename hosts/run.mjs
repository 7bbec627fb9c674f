/**
 * npm run hosts -- [--light] [--write] [NAME...]: packs the package and runs a convolution, a model and a filter of it
 * wherever it is to run. A NAME stands for all that begin with it. Tools come from the npm registry into
 * build/hosts; `--light` leaves out what downloads more than 100 MB; `--write` puts the table into doc/hosts.md.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { browsers } from './browsers.mjs'
import { bundlers } from './bundlers.mjs'
import { examples } from './examples.mjs'
import { prepare } from './fixture.mjs'
import { processes } from './processes.mjs'
import { Absent, install, root } from './tools.mjs'

const FLAGS = ['--light', '--write']
const hosts = [...processes, ...browsers, ...bundlers, ...examples]
const options = process.argv.slice(2)
const names = options.filter((option) => !option.startsWith('-'))
const unknown = [
  ...options.filter((option) => option.startsWith('-') && !FLAGS.includes(option)),
  ...names.filter((name) => !hosts.some((host) => host.name.startsWith(name))),
]
if (unknown.length) {
  console.error(
    `npm run hosts: ${unknown.join(', ')} is none of ${FLAGS.join(', ')}, ${hosts.map(({ name }) => name).join(', ')}`,
  )
  process.exit(2)
}
const chosen = hosts
  .filter(({ name }) => names.length === 0 || names.some((each) => name.startsWith(each)))
  .filter(({ heavy }) => !(heavy && options.includes('--light')))

const folder = mkdtempSync(join(tmpdir(), 'filterbank-hosts-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
const lines = []

/** A line, said at once. */
function say(line) {
  lines.push(line)
  const { host, way, state, version, report, why = '' } = line
  const found = report
    ? (report.said ?? `${report.simd}, threads ${report.threads}, in a worker ${report.worker ?? 'none'}`)
    : why
  console.log(`${state.padEnd(7)} ${`${host} ${way}`.padEnd(38)} ${version ? `${version}: ` : ''}${found}`)
}

/** Throws where a report of the checks is not what it is to be. */
function judge(report, { threads, simd } = {}) {
  // An example checks itself, and says what it came to; so do kernels with joined vectors.
  if (report?.said) return report
  if (!report?.wrong) throw new Error(`no report came, but ${JSON.stringify(report)}`)
  if (report.wrong.length) throw new Error(report.wrong.join('; '))
  if (threads && threads !== (report.threads > 1 ? 'several' : 'one'))
    throw new Error(`${report.threads} threads, where ${threads} were expected: ${report.why}`)
  if (simd && simd !== report.simd) throw new Error(`the build ${report.simd}, where ${simd} was expected`)
  return report
}

/** Installs while hosts run, two at a time. */
function installAll() {
  const places = [Promise.resolve(), Promise.resolve()]
  return new Map(
    chosen.map(({ name, packages }, i) => {
      if (!packages) return [name, undefined]
      const installed = places[i % 2].then(() => install(name, packages))
      places[i % 2] = installed.catch(() => {})
      return [name, installed]
    }),
  )
}

/** Runs the ways to use a host: each is a line. */
async function visit({ name: host, open }, installed) {
  const failure = (error) => ({ state: error instanceof Absent ? 'absent' : 'failed', why: error.message })
  let opened
  try {
    opened = await open({ folder, tools: await installed })
  } catch (error) {
    say({ host, way: '', ...failure(error) })
    return
  }
  const { ways, version, close } = opened
  try {
    for (const [way, { wanted, act }] of Object.entries(ways)) {
      try {
        say({ host, way, state: 'ok', version, report: judge(await act(), wanted) })
      } catch (error) {
        say({ host, way, version, ...failure(error) })
      }
    }
  } finally {
    await close?.()
  }
}

/** The lines of hosts as a table; ways of a host that came to the same are one row. */
function table() {
  const rows = new Map()
  for (const { host, way, state, version = '', report, why = '' } of lines) {
    if (host.startsWith('example-') || report?.said) continue
    const found = report
      ? `${report.simd} | ${report.threads > 1 ? 'several' : 'one'} | ${report.worker ? 'yes' : ''}`
      : `${state}: ${why.split('\n')[0]} | |`
    const key = `${host}|${version}|${found}`
    const row = rows.get(key) ?? { host, version, found, ways: [] }
    row.ways.push(way)
    rows.set(key, row)
  }
  const written = [...rows.values()].map(
    ({ host, version, ways, found }) => `| ${host} | ${version} | ${ways.join(', ')} | ${found} |`,
  )
  const head = '| host | version | from | build | threads | `filterbank/worker` |\n|---|---|---|---|---|---|'
  return [head, ...written].join('\n')
}

await prepare(folder)
const installed = installAll()
for (const tools of installed.values()) tools?.catch(() => {})
for (const host of chosen) await visit(host, installed.get(host.name))
const count = (state) => lines.filter((line) => line.state === state).length
console.log(
  `\n${table()}\n\nhosts and examples: ${count('ok')} ok, ${count('failed')} failed, ${count('absent')} absent`,
)
if (count('failed')) process.exitCode = 1
else if (options.includes('--write')) {
  const path = join(root, 'doc/hosts.md')
  const place = /(<!-- hosts -->\n)[\s\S]*?(\n<!-- \/hosts -->)/
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(place, (_, from, to) => `${from}${table()}${to}`),
  )
}
