/**
 * Puts pictures into the queue, and prints answers as they come.
 *
 *   node produce.mjs photo.png ...
 *   node produce.mjs --digits 1000     draws them
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Queue, QueueEvents } from 'bullmq'
import { PNG } from 'pngjs'
import { drawDigits } from '../train/support/digits.mjs'
import { connection, jobOf, QUEUE, streams } from './queue.mjs'

const { values, positionals } = parseArgs({ allowPositionals: true, options: { digits: { type: 'string' } } })
const names = values.digits ? [] : positionals
const pngs = values.digits ? drawn(Number(values.digits)) : positionals.map((path) => readFileSync(path))
const jobs = pngs.map(jobOf)
const waiting = new Map(jobs.map(({ opts }, i) => [opts.jobId, names[i] ?? i]))
const total = waiting.size
if (!total) throw new Error('produce.mjs takes paths of PNG files, or --digits N')

const queue = new Queue(QUEUE, { connection, streams })
const events = new QueueEvents(QUEUE, { connection })
await events.waitUntilReady()
const start = performance.now()
const all = new Promise((done) => {
  const take = (jobId, text) => {
    if (!waiting.has(jobId)) return
    if (names.length) console.log(`${waiting.get(jobId)}: ${text}`)
    waiting.delete(jobId)
    const share = Math.floor((10 * (total - waiting.size)) / total)
    if (share > Math.floor((10 * (total - waiting.size - 1)) / total)) console.log(`${10 * share} %`)
    if (!waiting.size) done()
  }
  events.on('completed', ({ jobId, returnvalue }) => take(jobId, `class ${returnvalue.class}`))
  events.on('failed', ({ jobId, failedReason }) => take(jobId, failedReason))
  // It was put before, by this one or another.
  events.on('duplicated', async ({ jobId }) => {
    const job = await queue.getJob(jobId)
    if (job?.finishedOn) take(jobId, job.failedReason ?? `class ${job.returnvalue.class}`)
  })
})
for (let i = 0; i < jobs.length; i += 500) await queue.addBulk(jobs.slice(i, i + 500))
await all
const seconds = (performance.now() - start) / 1000
console.log(`${total} pictures in ${seconds.toFixed(2)} s: ${Math.round(total / seconds)} a second`)
await Promise.all([events.close(), queue.close()])

/** Digits as PNG files. */
function drawn(count) {
  const { pictures, shape } = drawDigits(count, Date.now() % 1e6)
  const [height, width] = shape
  return Array.from({ length: count }, (_, i) => pngOf(pictures.subarray(i * height * width), width, height))
}

function pngOf(values, width, height) {
  const png = new PNG({ width, height })
  png.data.set(
    Uint8Array.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : 255 * values[i >> 2])),
  )
  return PNG.sync.write(png)
}
