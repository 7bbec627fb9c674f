/**
 * Three processes answer digits, one of them is killed with pictures in its hands, and every picture is answered
 * once; one that is no picture fails alone.
 *
 *   node test.mjs [MODEL.onnx]     starts a Redis of its own, /usr/bin/redis-server
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { drawDigits } from '../train/support/digits.mjs'

const PICTURES = 2000
const here = import.meta.dirname
const redis = ['/usr/bin/redis-server', '/usr/local/bin/redis-server'].find((path) => existsSync(path))
if (!redis) {
  console.log('left out: no redis-server')
  process.exit(0)
}
const folder = mkdtempSync(join(tmpdir(), 'filterbank-queue-'))
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(port))
  })
})
process.env.REDIS_PORT = String(port)
process.env.LOCK = '2000'
const { Queue, QueueEvents } = await import('bullmq')
const { connection, jobOf, QUEUE, streams } = await import('./queue.mjs')
const children = []
const begin = (command, args, output = 'inherit') => {
  const child = spawn(command, args, { cwd: here, stdio: ['ignore', output, 'inherit'] })
  children.push(child)
  return child
}
const rest = (milliseconds) => new Promise((wake) => setTimeout(wake, milliseconds))

try {
  const options = [
    '--bind',
    '127.0.0.1',
    '--port',
    port,
    '--save',
    '',
    '--dir',
    folder,
    '--loglevel',
    'warning',
  ]
  begin(redis, [...options, '--maxmemory-policy', 'noeviction'], 'ignore')
  let model = process.argv[2]
  if (!model) {
    model = join(folder, 'digits.onnx')
    execFileSync(process.execPath, [join(here, '../digits.mjs'), folder])
  }

  const { pictures, shape, labels } = drawDigits(PICTURES, 7)
  const jobs = Array.from(labels, (_, i) => jobOf(pngOf(pictures.subarray(i * shape[0] * shape[1]), shape)))
  const label = new Map(jobs.map(({ opts }, i) => [opts.jobId, labels[i]]))
  assert.equal(label.size, PICTURES, 'the pictures differ')
  const queue = new Queue(QUEUE, { connection, streams })
  const events = new QueueEvents(QUEUE, { connection })
  await events.waitUntilReady()
  /** What was heard of each picture, in order. */
  const heard = new Map()
  const failures = []
  events.on('completed', ({ jobId, returnvalue }) =>
    heard.set(jobId, [...(heard.get(jobId) ?? []), returnvalue]),
  )
  events.on('failed', ({ failedReason }) => failures.push(failedReason))
  const broken = jobOf(Buffer.from('no picture'))
  await queue.addBulk([...jobs.slice(0, 100), broken, ...jobs.slice(100)])
  // Twice the same is the same.
  await queue.addBulk(jobs.slice(0, 50))

  const workers = Array.from({ length: 3 }, () =>
    begin(process.execPath, ['work.mjs', model, '--threads', '1']),
  )
  const [victim] = workers
  const last = Date.now() + 120_000
  let held = []
  while (heard.size < 200) await rest(20)
  while (!held.length) {
    assert(Date.now() < last && heard.size < PICTURES, 'no moment to kill a process')
    await rest(20)
    // Stopped it holds what it holds; killed before it could answer.
    victim.kill('SIGSTOP')
    held = (await queue.getActive()).filter((job) => job.processedBy === String(victim.pid))
    if (held.length) victim.kill('SIGKILL')
    else victim.kill('SIGCONT')
  }
  const before = heard.size
  while (heard.size < PICTURES || !failures.length) {
    assert(Date.now() < last, `${heard.size} of ${PICTURES} answered`)
    await rest(50)
  }
  // Whatever came a second time would come now.
  await rest(2 * Number(process.env.LOCK))

  const answers = [...heard.values()]
  assert.deepEqual(
    answers.filter((given) => given.length !== 1),
    [],
    'answered once',
  )
  assert.deepEqual([...heard.keys()].sort(), [...label.keys()].sort(), 'all of them')
  assert.equal(await queue.getCompletedCount(), PICTURES)
  assert.deepEqual(
    failures.map((reason) => reason.slice(0, 6)),
    ['no PNG'],
    'one that is no picture failed, and nothing else',
  )
  for (const { id } of held) assert.notEqual(heard.get(id)[0].by, victim.pid, 'answered by another')
  const right = [...label].filter(([id, wanted]) => heard.get(id)[0].class === wanted).length
  assert(right > 0.9 * PICTURES, `${right} of ${PICTURES} read rightly`)
  const by = new Set(answers.map(([{ by }]) => by))
  console.log(
    `killed a process that held ${held.length} pictures, with ${before} answered; all ${PICTURES} are answered once, ` +
      `by ${by.size} processes, ${right} rightly`,
  )
  for (const worker of workers.slice(1)) worker.kill('SIGTERM')
  await Promise.all([events.close(), queue.close()])
  const ended = workers
    .slice(1)
    .map((worker) => worker.exitCode ?? new Promise((done) => worker.once('exit', done)))
  assert.deepEqual(await Promise.all(ended), [0, 0], 'SIGTERM lets them end well')
} finally {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

function pngOf(values, [height, width]) {
  const png = new PNG({ width, height })
  png.data.set(
    Uint8Array.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? 255 : 255 * values[i >> 2])),
  )
  return PNG.sync.write(png)
}
