/** Who can be measured beside filterbank in a page; bundled to /build/bench/peers.js. */
import * as litert from '@litertjs/core'
import { version as litertVersion } from '@litertjs/core/package.json'
import * as wasm from '@tensorflow/tfjs-backend-wasm'
import * as tf from '@tensorflow/tfjs-core'
import * as ort from 'onnxruntime-web/wasm'
import type { Contender } from '../compare.js'
import { liteRt } from './litert.js'
import { onnxruntime } from './onnxruntime.js'
import { tfjs } from './tfjs.js'

const MODULES = '/bench/node_modules'

export const peers: (() => Promise<Contender>)[] = [
  async () => {
    ort.env.wasm.numThreads = 1
    ort.env.wasm.wasmPaths = `${MODULES}/onnxruntime-web/dist/`
    return onnxruntime(ort, { name: 'onnxruntime-web', version: ort.env.versions.web!, provider: 'wasm' })
  },
  async () => {
    wasm.setWasmPaths(`${MODULES}/@tensorflow/tfjs-backend-wasm/dist/`)
    wasm.setThreadsCount(1)
    await tf.setBackend('wasm')
    return tfjs(tf)
  },
  async () => {
    await litert.loadLiteRt(`${MODULES}/@litertjs/core/wasm/`)
    return liteRt(litert, litertVersion)
  },
]
