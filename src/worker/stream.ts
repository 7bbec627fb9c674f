/** Streams of bytes that go to a worker: moved where the host moves them, else chunk by chunk as it asks. */

import { isBytes } from '../base/realm.js'
import { type ArrivedStream, type PackedError, packError, unpackError } from './protocol.js'

/** From the worker: for the next chunk, or that it wants none any more. */
type Ask = 'next' | 'cancel'
/** To it. */
type Chunk = { value: unknown } | { done: true } | { error: PackedError }

/** A stream on its way. */
export interface Sending {
  arrived: ArrivedStream
  moves: Transferable
  /** Stops what is not read yet, once nobody is there to read it. */
  stop(): void
}

/** Whether a message may carry streams: Safari's may not. */
function movesStreams(): boolean {
  try {
    const stream = new ReadableStream()
    return structuredClone(stream, { transfer: [stream] }) instanceof ReadableStream
  } catch {
    return false
  }
}

/** @param total how many bytes it says to have */
export function send(stream: ReadableStream<Uint8Array>, total: number | undefined): Sending {
  if (movesStreams()) return { arrived: { stream, total }, moves: stream, stop: () => {} }
  const reader = stream.getReader()
  const { port1, port2 } = new MessageChannel()
  let ended = false
  const end = () => {
    ended = true
    port1.close()
  }
  const post = (chunk: Chunk, moves: Transferable[] = []) => {
    if (!ended) port1.postMessage(chunk, moves)
  }
  const next = async () => {
    try {
      const { done, value } = await reader.read()
      if (done) return post({ done })
      if (!isBytes(value)) return post({ value })
      // The stream's own buffer may be one that it goes on with.
      const copy = value.slice()
      post({ value: copy }, [copy.buffer])
    } catch (error) {
      post({ error: packError(error) })
    }
  }
  const stop = () => {
    if (ended) return
    end()
    reader.cancel().catch(() => {})
  }
  port1.onmessage = ({ data }: MessageEvent<Ask>) => {
    if (data === 'next') next()
    else stop()
  }
  return { arrived: { stream: port2, total }, moves: port2, stop }
}

/** What was sent, in the worker. */
export function receive({ stream, total }: ArrivedStream): ReadableStream<Uint8Array> | Response {
  const bytes = 'getReader' in stream ? stream : streamOf(stream)
  if (total === undefined) return bytes
  return new Response(bytes as BodyInit, { headers: { 'content-length': `${total}` } })
}

function streamOf(port: MessagePort): ReadableStream<Uint8Array> {
  const ask = (what: Ask) => port.postMessage(what)
  return new ReadableStream<Uint8Array>(
    {
      pull: (controller) =>
        new Promise((pulled) => {
          port.onmessage = ({ data }: MessageEvent<Chunk>) => {
            if ('value' in data) controller.enqueue(data.value as Uint8Array)
            else {
              if ('error' in data) controller.error(unpackError(data.error))
              else controller.close()
              port.close()
            }
            pulled()
          }
          ask('next')
        }),
      cancel() {
        // A chunk may be under way: there is nothing left that could take it.
        port.onmessage = null
        ask('cancel')
      },
    },
    // One is under way while another is read.
    { highWaterMark: 2 },
  )
}
