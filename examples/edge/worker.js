/**
 * Digits read at the edge: a POST of gray bytes, 28 x 28 for each picture, white ink, answers with a digit for
 * each. The host compiles nothing at run time: the binary and the model are modules of this program.
 */
import { createEngine } from 'filterbank'
import { loadModel } from 'filterbank/onnx'
import wasm from 'filterbank/simd128.wasm'
import file from './model.onnx'

const SIZE = 28 * 28
const MOST = 256
/** Started by the first request, kept for those that follow. */
let starting

async function start() {
  const engine = await createEngine({ wasm })
  return loadModel(engine, new Uint8Array(file))
}

export default {
  async fetch(request) {
    if (request.method !== 'POST')
      return new Response('POST gray bytes, 28 x 28 a picture\n', { status: 405 })
    const bytes = new Uint8Array(await request.arrayBuffer())
    const count = bytes.length / SIZE
    if (!Number.isInteger(count) || count < 1 || count > MOST)
      return new Response(`1 to ${MOST} pictures of ${SIZE} bytes, got ${bytes.length} bytes\n`, {
        status: 400,
      })
    starting ??= start()
    const model = await starting.catch((error) => {
      starting = undefined
      throw error
    })
    const { scores } = model.run({
      picture: { data: Float32Array.from(bytes, (v) => v / 255), shape: [count, 1, 28, 28] },
    })
    const digits = Array.from({ length: count }, (_, i) => {
      const own = scores.data.subarray(10 * i, 10 * (i + 1))
      return own.indexOf(Math.max(...own))
    })
    return Response.json({ digits })
  },
}
