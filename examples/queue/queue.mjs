/** What those who put pictures and those who answer them agree on. */
import { createHash } from 'node:crypto'

export const QUEUE = 'pictures'
export const connection = {
  host: process.env.REDIS_HOST ?? '127.0.0.1',
  port: Number(process.env.REDIS_PORT ?? 6379),
  maxRetriesPerRequest: null,
}

/** Milliseconds after which a process that said nothing has lost its pictures to others. A batch is shorter. */
export const LOCK = Number(process.env.LOCK ?? 30_000)

/** As many events as a producer may be behind, so that none is lost to it. */
export const streams = { events: { maxLen: 100_000 } }

/**
 * The job of a picture, a PNG. It is named by what it holds: a picture that is put twice is answered once. Its
 * answer stays for an hour.
 */
export const jobOf = (png) => ({
  name: 'classify',
  data: { png: png.toString('base64') },
  opts: {
    jobId: createHash('sha256').update(png).digest('hex'),
    removeOnComplete: { age: 3600 },
    removeOnFail: { age: 3600 },
  },
})
