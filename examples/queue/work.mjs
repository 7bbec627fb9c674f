/**
 * Takes pictures from the queue, as many at once as there are up to a batch, and answers with their classes.
 * Start as many of these as there are machines; each uses the cores of its own by the engine's threads.
 *
 *   node work.mjs MODEL.onnx [--batch 16] [--threads N]
 *
 * SIGTERM lets the batch end. A process that is killed loses its pictures to the others after LOCK milliseconds.
 */
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'
import { Worker } from 'bullmq'
import { concat, createEngine, transpose } from 'filterbank'
import { fromImage } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { PNG } from 'pngjs'
import { connection, LOCK, QUEUE } from './queue.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { batch: { type: 'string', default: '16' }, threads: { type: 'string' } },
})
const batch = Number(values.batch)
const engine = await createEngine(values.threads ? { threads: Number(values.threads) } : {})
await engine.started
const model = await loadModel(engine, positionals[0] ?? 'digits.onnx')
const [input] = model.inputs
const [, channels, height, width] = input.shape
/** A model that was saved for one picture takes them one by one. */
const atOnce = Number.isInteger(input.shape[0]) ? input.shape[0] : batch

const worker = new Worker(QUEUE, null, {
  ...{ connection, name: String(process.pid), autorun: false, maxStalledCount: 10 },
  ...{ lockDuration: LOCK, stalledInterval: LOCK },
})
// Whoever lives looks after the pictures of those who died.
await worker.startStalledCheckTimer()
const token = randomUUID()
let going = true
for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, () => {
    going = false
  })
console.log(`${process.pid}: ${engine.simd}, threads ${engine.threads}, batches of ${batch}`)

let answered = 0
while (going) {
  // Waits for the first for some seconds; what else is there comes along.
  const first = await worker.getNextJob(token)
  if (!first) continue
  const rest = Array.from({ length: batch - 1 }, () => worker.getNextJob(token, { block: false }))
  await answer([first, ...(await Promise.all(rest)).filter(Boolean)])
}
await worker.close()
model.dispose()
engine.dispose()
console.log(`${process.pid}: answered ${answered}`)

/** One that is no picture fails by itself; the others of its batch go on. */
async function answer(jobs) {
  const read = await Promise.all(
    jobs.map(async (job) => {
      try {
        const png = PNG.sync.read(Buffer.from(job.data.png, 'base64'))
        const options = { size: [height, width], channels: channels === 1 ? 'gray' : 'rgb' }
        return { job, x: await fromImage(engine, png, options) }
      } catch (error) {
        await job.moveToFailed(new Error(`no PNG: ${error.message}`), token, false)
        return undefined
      }
    }),
  )
  const good = read.filter(Boolean)
  for (let i = 0; i < good.length; i += atOnce) {
    const some = good.slice(i, i + atOnce)
    const classes = classify(some.map(({ x }) => x))
    // Done only by the process that still holds the lock, so once.
    await Promise.all(
      some.map(({ job }, k) =>
        job.moveToCompleted({ class: classes[k], by: process.pid }, token, false).then(
          () => {
            answered++
          },
          (error) => console.error(`${process.pid}: ${job.id} is another's now: ${error.message}`),
        ),
      ),
    )
  }
}

/** Tensors [1, height, width, channels], which are given up -> the class of each. */
function classify(pictures) {
  const scores = engine.scope(() => {
    const x = transpose(concat(pictures, { axis: 0 }), [0, 3, 1, 2])
    const [output] = Object.values(model.run({ [input.name]: x }))
    return output.toArray()
  })
  for (const picture of pictures) picture.dispose()
  const count = scores.length / pictures.length
  return pictures.map((_, i) => {
    const own = scores.subarray(i * count, (i + 1) * count)
    return own.indexOf(Math.max(...own))
  })
}
