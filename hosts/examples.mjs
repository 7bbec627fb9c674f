/**
 * The examples that people start from, as they stand in examples/, with the packed package: each has to come to
 * what it says it does.
 */
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { openChromium } from './browsers.mjs'
import { project } from './processes.mjs'
import { Absent, end, found, freePort, kept, program, root, run, serve, start } from './tools.mjs'

/** The model of the examples and its picture, a seven. */
async function digits() {
  const folder = join(kept, 'digits')
  if (!existsSync(join(folder, 'seven.png'))) {
    mkdirSync(folder, { recursive: true })
    await run(process.execPath, [join(root, 'examples/digits.mjs'), folder], { seconds: 300 })
  }
  return folder
}

/** What an example's package.json asks for, without the package itself. */
function dependencies(path) {
  const { dependencies = {}, devDependencies = {} } = JSON.parse(
    readFileSync(join(root, 'examples', path, 'package.json'), 'utf8'),
  )
  return Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name]) => name !== 'filterbank')
    .map(([name, version]) => `${name}@${version}`)
}

/** A project that has the package, the examples' tools and examples/, with the model where an example has it. */
async function lay(path, folder, tools, to = '') {
  const at = tools ? project(folder, tools) : folder
  const source = join(root, 'examples')
  const own = (name) => !name.slice(source.length).includes('node_modules') && !name.endsWith('built')
  cpSync(source, join(at, 'examples'), { recursive: true, filter: own })
  const here = join(at, 'examples', path)
  cpSync(await digits(), join(here, to), { recursive: true })
  return { at, here }
}

const example = (path, act, more = {}) => ({
  name: `example-${path.replace('start/', '')}`,
  ...more,
  async open({ folder, tools }) {
    return { ways: { '': { act: async () => ({ said: await act({ path, folder, tools }) }) } } }
  },
})

/** Waits for what an example's page says, in the system's Chromium. */
async function look(url) {
  const browser = await openChromium()
  try {
    const said = await browser.visit(
      url,
      `(async () => {
        for (let i = 0; i < 1500; i++) {
          const { value, textContent } = document.querySelector('output') ?? {}
          if (value && value !== '…') return value
          await new Promise((wake) => setTimeout(wake, 20))
        }
        return 'nothing after 30 s'
      })()`,
    )
    return said
  } finally {
    await browser.close()
  }
}

const expected = (said, wanted) => {
  if (said !== wanted) throw new Error(`said ${said}, not ${wanted}`)
  return `says "${said}"`
}

/** A page as it stands, from a site that has the package too. */
const plain =
  (wanted) =>
  async ({ path, folder, tools }) => {
    const { at } = await lay(path, folder, tools)
    const site = await serve(at)
    try {
      return expected(await look(`${site.origin}/examples/${path}/index.html`), wanted)
    } finally {
      site.close()
    }
  }

async function vite({ path, folder, tools }) {
  const { here } = await lay(path, folder, tools, 'public')
  await run(program(tools, 'vite'), ['build', '--logLevel', 'warn'], { cwd: here })
  const site = await serve(join(here, 'dist'))
  try {
    return expected(await look(`${site.origin}/`), '7')
  } finally {
    site.close()
  }
}

async function next({ path, folder, tools }) {
  const { here } = await lay(path, folder, tools, 'public')
  const env = { NEXT_TELEMETRY_DISABLED: '1' }
  await run(program(tools, 'next'), ['build'], { cwd: here, env, seconds: 400 })
  const port = await freePort()
  const address = `http://127.0.0.1:${port}/`
  const args = ['start', '--hostname', '127.0.0.1', '--port', String(port)]
  const { child } = await start(program(tools, 'next'), args, { cwd: here, env, answers: address })
  try {
    return expected(await look(address), '7')
  } finally {
    end(child)
  }
}

async function script({ path, folder }) {
  const { here } = await lay(path, folder)
  const said = await run(process.execPath, ['classify.mjs', 'digits.onnx', 'seven.png'], { cwd: here })
  return expected(said.trim(), 'seven.png: 7')
}

async function commandLine({ path, folder }) {
  const { here } = await lay(path, folder)
  // What npx looks for where a package is installed.
  const bin = join(folder, 'node_modules/.bin')
  mkdirSync(bin, { recursive: true })
  const command = join(folder, 'node_modules/filterbank/dist/cli.js')
  chmodSync(command, 0o755)
  symlinkSync(command, join(bin, 'filterbank'))
  const said = await run('sh', ['try.sh', 'digits.onnx', 'seven.png'], { cwd: here })
  const files = readdirSync(join(here, 'edges'))
  if (!/scores.*\n.*class 7$/m.test(said) || files.length < 2)
    throw new Error(`left ${files.join(', ')}, said ${said}`)
  return `reads the seven, and writes ${files.join(', ')}`
}

async function queue({ path, folder, tools }) {
  if (!found('/usr/bin/redis-server', '/usr/local/bin/redis-server')) throw new Absent('no redis-server')
  const { here } = await lay(path, folder, tools)
  const said = await run(process.execPath, ['test.mjs', 'digits.onnx'], { cwd: here, seconds: 300 })
  const line = said.split('\n').find((each) => each.startsWith('killed a process'))
  if (!line) throw new Error(`said ${said}`)
  return line
}

async function edge({ path, folder, tools }) {
  const { here } = await lay(path, folder, tools)
  const env = { WORKERD: program(tools, 'workerd') }
  const said = await run(process.execPath, ['load.mjs', 'digits.onnx'], { cwd: here, env })
  return said.trim()
}

export const examples = [
  example('start/page', plain('7')),
  example('start/worker', plain('7')),
  example('start/service-worker', plain('its edges')),
  example('start/node', script),
  example('start/command-line', commandLine),
  example('start/vite', vite, { packages: dependencies('start/vite') }),
  example('start/next', next, { packages: dependencies('start/next'), heavy: true }),
  example('queue', queue, { packages: dependencies('queue') }),
  example('edge', edge, { packages: dependencies('edge') }),
]
