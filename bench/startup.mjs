/**
 * From `import` to LeNet-5's first answer in the system's headless Chromium, each time in a profile of its own.
 *
 *   node bench/startup.mjs [--latency 100] [--rounds 10] [dist ...]
 *
 * Several folders (dist/ of other commits) take turns: on a shared machine only their ratios mean something.
 * The model is fetched beside the import. The server speaks HTTP/1.1: six requests at a time.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { writeModel } from '../dist/onnx.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { latency: { type: 'string', default: '0' }, rounds: { type: 'string', default: '10' } },
})
const latency = Number(values.latency)
const folders = (positionals.length ? positionals : ['dist']).map((folder) => resolve(folder))

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

/** In the page. */
const script = `globalThis.first = async (dist) => {
  const start = performance.now()
  const bytes = fetch('/lenet.onnx')
  const [{ createEngine }, { loadModel }] = await Promise.all([import(dist + '/index.js'), import(dist + '/onnx.js')])
  const imported = performance.now()
  const engine = await createEngine({ threads: 1 })
  const made = performance.now()
  const model = await loadModel(engine, bytes)
  const { y } = model.run({ x: new Float32Array(784).fill(0.5) })
  const end = performance.now()
  return { import: imported - start, engine: made - imported, model: end - made, all: end - start, build: engine.simd, y: [...y.toArray()] }
}`

let requests = 0
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const [, index, file] = /^\/(\d+)\/([\w.-]+)$/.exec(pathname) ?? []
  const type = /\.wasm$/.test(pathname) ? 'application/wasm' : file ? 'text/javascript' : 'text/html'
  const body =
    pathname === '/lenet.onnx'
      ? lenet
      : file
        ? readFileSync(join(folders[index], file))
        : `<script>${script}</script>`
  if (file) requests++
  setTimeout(
    () => response.writeHead(200, { 'content-type': type }).end(body),
    file || body === lenet ? latency : 0,
  )
})
await new Promise((ready) => server.listen(0, '127.0.0.1', ready))
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
)
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const times = folders.map(() => [])
try {
  for (let round = -1; round < Number(values.rounds); round++) {
    for (const index of folders.keys()) {
      const context = await browser.newContext()
      const page = await context.newPage()
      await page.goto(`http://127.0.0.1:${server.address().port}/`)
      requests = 0
      const time = await page.evaluate((dist) => globalThis.first(dist), `/${index}`)
      if (round >= 0) times[index].push({ ...time, requests })
      await context.close()
    }
  }
} finally {
  await browser.close()
  server.closeAllConnections()
  server.close()
}
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
