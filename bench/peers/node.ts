/** Who can be measured beside filterbank in Node. */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Wasm from '@tensorflow/tfjs-backend-wasm'
import type * as Tensorflow from '@tensorflow/tfjs-core'
import type { Contender } from '../compare.js'
import { onnxruntime } from './onnxruntime.js'
import { tfjs } from './tfjs.js'

const require = createRequire(import.meta.url)

export const peers: (() => Promise<Contender>)[] = [
  async () => {
    const ort = await import('onnxruntime-web')
    ort.env.wasm.numThreads = 1
    return onnxruntime(ort, { name: 'onnxruntime-web', version: ort.env.versions.web!, provider: 'wasm' })
  },
  async () => {
    const tf: typeof Tensorflow = require('@tensorflow/tfjs-core')
    const wasm: typeof Wasm = require('@tensorflow/tfjs-backend-wasm')
    wasm.setWasmPaths(
      `${join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'dist')}/`,
    )
    wasm.setThreadsCount(1)
    await tf.setBackend('wasm')
    return tfjs(tf)
  },
  async () => {
    const ort = await import('onnxruntime-node')
    return onnxruntime(ort, {
      name: 'onnxruntime-node',
      version: ort.env.versions.node!,
      provider: 'cpu',
      native: true,
    })
  },
]
