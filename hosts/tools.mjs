/** What the hosts are run with: packages from npm in folders of their own, processes, a server of files. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, resolve } from 'node:path'

export const root = resolve(import.meta.dirname, '..')
/** What was installed stays here from run to run. */
export const kept = join(root, 'build/hosts')

/** A host that is not on this machine: a line, not a failure. */
export class Absent extends Error {}

/** The first of some files that is there. */
export const found = (...paths) => paths.find((path) => path && existsSync(path))

/** Programs that run now: none of them outlives this one. */
const running = new Set()
process.once('exit', () => {
  for (const child of running) end(child)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** In a process group of its own, to be ended with all that it starts. */
function begin(command, args, { cwd, env }) {
  const child = spawn(command, args, {
    ...{ cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...process.env, ...env },
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

/**
 * Runs a program to its end, and all that it started with it.
 * @returns what it printed
 * @throws with the end of what it said, and all of it in `said`, where it fails or takes longer than `seconds`
 */
export async function run(command, args, { cwd, env, seconds = 120 } = {}) {
  const child = begin(command, args, { cwd, env })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8')
    child[stream].on('data', (text) => {
      said[stream] += text
    })
  }
  let late = false
  const timer = setTimeout(() => {
    late = true
    end(child)
  }, 1000 * seconds)
  try {
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => resolve(status ?? signal))
    })
    if (code === 0) return said.stdout
    const why = late ? `took longer than ${seconds} s` : `ended with ${code}`
    const tail = `${said.stdout}\n${said.stderr}`.trim().split('\n').slice(-15).join('\n')
    throw Object.assign(new Error(`${[command, ...args].join(' ')} ${why}:\n${tail}`), { said })
  } finally {
    clearTimeout(timer)
  }
}

/** Ends a process that was started detached, with its children. */
export function end(child, signal = 'SIGKILL') {
  if (!child.pid) return
  try {
    process.kill(-child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/** Starts a server and waits until it says a text, or answers at an address. */
export async function start(command, args, { cwd, env, seconds = 60, answers }) {
  const child = begin(command, args, { cwd, env })
  let said = ''
  let ended
  child.once('error', (error) => {
    ended = error.message
  })
  child.once('exit', (status, signal) => {
    ended = `ended with ${status ?? signal}`
  })
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      said = `${said}${text}`.slice(-4000)
    })
  const last = Date.now() + 1000 * seconds
  while (!(await fetch(answers).then(Boolean, () => false))) {
    if (ended || Date.now() > last) {
      end(child)
      throw new Error(`${command} ${ended ?? `does not answer at ${answers} after ${seconds} s`}: ${said}`)
    }
    await new Promise((wake) => setTimeout(wake, 100))
  }
  return { child, stop: () => end(child) }
}

/** A port that nobody listens at. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((ready) => server.once('listening', ready))
  const { port } = server.address()
  await new Promise((closed) => server.close(closed))
  return port
}

/**
 * Packages from the npm registry, in a folder of their own under build/hosts; again only where other versions
 * are asked for. Some put their program in place by a script, which this project's settings leave out.
 * @returns the folder
 */
export async function install(name, packages, flags = []) {
  const folder = join(kept, name)
  const note = join(folder, 'installed.json')
  const wanted = JSON.stringify(packages)
  if (existsSync(note) && readFileSync(note, 'utf8') === wanted) return folder
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  try {
    const usual = ['--no-audit', '--no-fund', '--loglevel=error', '--ignore-scripts=false']
    await run('npm', ['install', ...usual, ...flags, ...packages], { cwd: folder, seconds: 300 })
  } catch (error) {
    throw new Absent(`npm cannot install it: ${error.message.split('\n').slice(-3).join(' ')}`)
  }
  writeFileSync(note, wanted)
  return folder
}

/** A program of a package that `install` brought. */
export const program = (folder, name) => join(folder, 'node_modules/.bin', name)

const TYPES = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
}

/**
 * Serves texts by path and, where there is none, the files of a folder. `headers` are those of every answer.
 * @returns its origin, and what closes it
 */
export async function serve(folder, { texts = {}, headers = {} } = {}) {
  const server = createServer(({ url }, response) => {
    const path = decodeURIComponent(new URL(url, 'http://host').pathname).replace(/\/$/, '/index.html')
    const file = join(folder, path)
    const body = texts[path] ?? (existsSync(file) && statSync(file).isFile() ? readFileSync(file) : undefined)
    response.writeHead(body === undefined && path !== '/favicon.ico' ? 404 : 200, {
      ...headers,
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
    })
    response.end(body)
  })
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close() {
      server.closeAllConnections?.()
      server.close()
    },
  }
}
