/**
 * Starts the worker in workerd and sends it requests over the loopback, several at a time, for at most some
 * seconds: each answer has to be right.
 *
 *   node load.mjs [MODEL.onnx] [--requests 400] [--pictures 8] [--at-once 8] [--seconds 30]
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { drawDigits } from '../train/support/digits.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    requests: { type: 'string', default: '400' },
    pictures: { type: 'string', default: '8' },
    'at-once': { type: 'string', default: '8' },
    seconds: { type: 'string', default: '30' },
  },
})
const [requests, pictures, atOnce, seconds] = ['requests', 'pictures', 'at-once', 'seconds'].map((name) =>
  Number(values[name]),
)
const here = import.meta.dirname
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})
execFileSync(process.execPath, [join(here, 'build.mjs'), positionals[0] ?? 'digits.onnx', port])
const workerd = spawn(
  process.env.WORKERD ?? join(here, 'node_modules/.bin/workerd'),
  ['serve', join(here, 'built/config.capnp')],
  { stdio: ['ignore', 'inherit', 'inherit'], detached: true },
)
const address = `http://127.0.0.1:${port}/`

try {
  const last = Date.now() + 30_000
  while (!(await fetch(address).then(Boolean, () => false))) {
    assert(workerd.exitCode === null && Date.now() < last, 'workerd does not start')
    await new Promise((wake) => setTimeout(wake, 100))
  }
  assert.equal((await fetch(address, { method: 'POST', body: new Uint8Array(5) })).status, 400)

  const drawn = drawDigits(200, 11)
  const bytes = Uint8Array.from(drawn.pictures, (v) => Math.round(255 * v))
  const body = (from) => {
    const some = Array.from({ length: pictures }, (_, i) => (from + i) % 200)
    const data = new Uint8Array(pictures * 784)
    some.forEach((k, i) => {
      data.set(bytes.subarray(784 * k, 784 * (k + 1)), 784 * i)
    })
    return { data, wanted: some.map((k) => drawn.labels[k]) }
  }
  const times = []
  let next = 0
  let right = 0
  const start = performance.now()
  const end = start + 1000 * seconds
  const client = async () => {
    while (next < requests && performance.now() < end) {
      const { data, wanted } = body(next++ * pictures)
      const sent = performance.now()
      const response = await fetch(address, { method: 'POST', body: data })
      assert.equal(response.status, 200, await response.clone().text())
      const { digits } = await response.json()
      times.push(performance.now() - sent)
      assert.equal(digits.length, pictures)
      right += digits.filter((digit, i) => digit === wanted[i]).length
    }
  }
  await Promise.all(Array.from({ length: atOnce }, client))
  const took = (performance.now() - start) / 1000
  const sum = times.length * pictures
  assert(right > 0.9 * sum, `${right} of ${sum} read rightly`)
  times.sort((a, b) => a - b)
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))].toFixed(1)
  console.log(
    `${times.length} requests of ${pictures} pictures, ${atOnce} at once: ${Math.round(sum / took)} pictures a second, ` +
      `half of the requests within ${at(0.5)} ms, 99 % within ${at(0.99)}; ${right} of ${sum} rightly`,
  )
} finally {
  process.kill(-workerd.pid, 'SIGKILL')
}
