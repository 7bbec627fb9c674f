/**
 * From `import` to LeNet-5's first answer in the system's headless Chromium, each time in a process of its own.
 *
 *   node bench/startup.mjs [--latency 100] [--rounds 10] [--wasm] [--peer] [dist ...]
 *
 * Several folders (dist/ of other commits) take turns, with `--peer` onnxruntime-web too: on a shared machine only
 * their ratios mean something. `--wasm` fetches relaxed.wasm in place of the inlined binary. The model is fetched
 * beside the import. The server speaks HTTP/1.1: six requests at a time. Nobody listens to the browser, which costs it a third more: each page
 * tells its times itself and goes on to the next, of another site.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { writeModel } from '../dist/onnx.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    latency: { type: 'string', default: '0' },
    rounds: { type: 'string', default: '10' },
    wasm: { type: 'boolean', default: false },
    peer: { type: 'boolean', default: false },
  },
})
const latency = Number(values.latency)
/** Milliseconds from a page's load until it begins: what a new process does by itself is over. */
const SETTLED = 300
const folders = (positionals.length ? positionals : ['dist']).map((folder) => resolve(folder))
const peer = resolve('bench/node_modules/onnxruntime-web/dist')
if (values.peer) folders.push(peer)

let seed = 1
const weights = (...shape) => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
    seed = (seed * 16807) % 2147483647
    return seed / 2147483647 / 5 - 0.1
  }),
})
const layers = {
  w1: weights(6, 1, 5, 5),
  w2: weights(16, 6, 5, 5),
  w3: weights(400, 120),
  w4: weights(120, 84),
  w5: weights(84, 10),
}
const pool = { kernel_shape: [2, 2], strides: [2, 2] }
const lenet = writeModel({
  nodes: [
    { op: 'Conv', inputs: ['x', 'w1'], outputs: ['a'], attributes: { pads: [2, 2, 2, 2] } },
    { op: 'Relu', inputs: ['a'], outputs: ['b'] },
    { op: 'MaxPool', inputs: ['b'], outputs: ['c'], attributes: pool },
    { op: 'Conv', inputs: ['c', 'w2'], outputs: ['d'] },
    { op: 'Relu', inputs: ['d'], outputs: ['e'] },
    { op: 'MaxPool', inputs: ['e'], outputs: ['f'], attributes: pool },
    { op: 'Flatten', inputs: ['f'], outputs: ['g'] },
    { op: 'MatMul', inputs: ['g', 'w3'], outputs: ['h'] },
    { op: 'Relu', inputs: ['h'], outputs: ['i'] },
    { op: 'MatMul', inputs: ['i', 'w4'], outputs: ['j'] },
    { op: 'Relu', inputs: ['j'], outputs: ['k'] },
    { op: 'MatMul', inputs: ['k', 'w5'], outputs: ['y'] },
  ],
  inputs: [{ name: 'x', shape: [1, 1, 28, 28] }],
  outputs: [{ name: 'y' }],
  initializers: Object.entries(layers).map(([name, each]) => ({ name, ...each })),
})

/** What a page does until it has an answer. */
const ours = `
  const [{ createEngine }, { loadModel }] = await Promise.all([import('./index.js'), import('./onnx.js')])
  const imported = performance.now()
  const engine = await createEngine({ threads: 1${values.wasm ? ", wasm: fetch('relaxed.wasm'), simd: 'relaxed'" : ''} })
  const made = performance.now()
  const model = await loadModel(engine, await (await bytes).arrayBuffer())
  const y = model.run({ x }).y.toArray()
  const build = engine.simd`
const theirs = `
  const { env, InferenceSession, Tensor } = await import('./ort.wasm.min.mjs')
  const imported = performance.now()
  env.wasm.numThreads = 1
  const session = await InferenceSession.create(new Uint8Array(await (await bytes).arrayBuffer()))
  const made = performance.now()
  const y = (await session.run({ x: new Tensor('float32', x, [1, 1, 28, 28]) })).y.data
  const build = 'onnxruntime-web'`

/** The page: its files are beside it; what comes back is posted to `done`. */
const page = (script, next) => `<!doctype html><script>
const x = new Float32Array(784).fill(0.5)
const first = async () => {
  const start = performance.now()
  const bytes = fetch('lenet.onnx')
  ${script}
  const end = performance.now()
  return { import: imported - start, engine: made - imported, model: end - made, all: end - start, build, y: [...y] }
}
onload = () => setTimeout(async () => {
  const answer = await first().catch((error) => ({ error: String(error) }))
  await fetch('done', { method: 'POST', body: JSON.stringify(answer) })
  location = '${next}'
}, ${SETTLED})
</script>`

const TYPES = { js: 'text/javascript', mjs: 'text/javascript', wasm: 'application/wasm' }
const rounds = Number(values.rounds) + 1
const times = folders.map(() => [])
let requests = 0
let finish
const finished = new Promise((resolve) => {
  finish = resolve
})
/** Visit after visit: the folders in turn; the first round warms up. Each has an address, and so a site, of its own. */
const address = (visit) => `http://127.0.0.${2 + (visit % 250)}:${server.address().port}/${visit}/`
const server = createServer(async (request, response) => {
  const [, visit, file] = /^\/(\d+)\/([\w.-]*)$/.exec(request.url) ?? []
  if (!visit) return response.writeHead(404).end()
  const index = visit % folders.length
  const answer = (body, type = 'text/html') => response.writeHead(200, { 'content-type': type }).end(body)
  if (!file) {
    requests = 0
    answer(page(folders[index] === peer ? theirs : ours, address(Number(visit) + 1)))
    if (Number(visit) === rounds * folders.length) finish()
  } else if (file === 'done') {
    const time = JSON.parse((await request.toArray()).join(''))
    if (time.error) finish(`${folders[index]}: ${time.error}`)
    if (visit >= folders.length) times[index].push({ ...time, requests })
    answer('')
  } else {
    requests++
    const body = file === 'lenet.onnx' ? lenet : readFileSync(join(folders[index], file))
    setTimeout(() => answer(body, TYPES[file.split('.').at(-1)]), latency)
  }
})
await new Promise((ready) => server.listen(0, ready))
const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const profile = mkdtempSync(join(tmpdir(), 'filterbank-startup-'))
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run']
const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
const browser = spawn(chromium, [...flags, ...quiet, `--user-data-dir=${profile}`, address(0)], {
  stdio: 'ignore',
})
const failure = await finished
browser.kill()
await new Promise((gone) => browser.once('exit', gone))
// Its helpers write for a moment more.
await rm(profile, { recursive: true, force: true, maxRetries: 10 })
server.closeAllConnections()
server.close()
if (failure) throw new Error(failure)
const middle = (list) => list.toSorted((a, b) => a - b)[list.length >> 1]
for (const [index, folder] of folders.entries()) {
  const of = (name, pick) => pick(times[index].map((time) => time[name]))
  const least = (list) => Math.min(...list)
  const [{ build, requests }] = times[index]
  const parts = ['import', 'engine', 'model']
    .map((name) => `${name} ${of(name, middle).toFixed(1)}`)
    .join(', ')
  console.log(
    `${folder}: ${of('all', least).toFixed(1)} ms at best, ${of('all', middle).toFixed(1)} in the middle (${parts}); ${build}, ${requests} requests`,
  )
}
if (times.some((each) => each[0].y.some((v, i) => Math.abs(v - times[0][0].y[i]) > 1e-4)))
  throw new Error('other answers')
