/**
 * A worker that runs the code of a panel on the package. The code finds `engine`, what it is given, and `show`,
 * which tells the page: numbers and text as they are, tensors as { shape, data }, functions by what they give
 * when it is time to look.
 *
 * Code without `await` runs in a scope of one engine that stays; other code has an engine of its own, which
 * lasts until the next such code, so that the model that it trained can be asked.
 */

import * as core from 'filterbank'
import * as image from 'filterbank/image'
import * as nn from 'filterbank/nn'
import * as onnx from 'filterbank/onnx'
import { conv2dOptions, parseLayers } from '../bench/cases.js'
import { bench } from '../bench/compare.js'
import type { Contender } from '../bench/contender.js'
import * as game from '../examples/train/support/catch.mjs'
import * as digits from '../examples/train/support/digits.mjs'
import * as shapes from '../examples/train/support/shapes.mjs'
import { compile } from './evaluate.js'
import type { Job } from './runner.js'

/** Milliseconds between what the page is told, and between looks at filters and pictures. */
const TELL = 60
const LOOK = 300

interface News {
  loss?: number
  model?: nn.Layer
  /** Of one sample that the model takes. */
  shape?: readonly number[]
  [name: string]: unknown
}

const MODULES = {
  filterbank: core,
  'filterbank/image': image,
  'filterbank/nn': nn,
  'filterbank/onnx': onnx,
  './digits.mjs': digits,
  './shapes.mjs': shapes,
  './catch.mjs': game,
  './bench.mjs': { bench, parseLayers },
  './drawings.mjs': { withDrawings },
}

interface Samples {
  inputs: Float32Array
  labels: Int32Array
}

/** How often a drawing of the visitor's counts. */
const COPIES = 12

/** Data with the visitor's drawings among it. */
function withDrawings<Data extends { learn: Samples }>(data: Data, drawings: Samples): Data {
  const { learn } = data
  const inputs = new Float32Array(learn.inputs.length + COPIES * drawings.inputs.length)
  const labels = new Int32Array(learn.labels.length + COPIES * drawings.labels.length)
  inputs.set(learn.inputs)
  labels.set(learn.labels)
  for (let copy = 0; copy < COPIES; copy++) {
    inputs.set(drawings.inputs, learn.inputs.length + copy * drawings.inputs.length)
    labels.set(drawings.labels, learn.labels.length + copy * drawings.labels.length)
  }
  return { ...data, learn: { ...learn, inputs, labels } }
}

let lasting: Promise<core.Engine> | undefined
let own: core.Engine | undefined
let shown: News = {}
let told: { probe?: Float32Array } = {}
let stopping = false

const post = (message: object, transfer: Transferable[] = []) =>
  (self as unknown as Worker).postMessage(message, transfer)
const turn = () => new Promise((resolve) => setTimeout(resolve))

/** What can travel; tensors as numbers, functions by what they give. */
function pack(value: unknown): unknown {
  if (typeof value === 'function')
    return own && !own.disposed ? own.scope(() => pack(value())) : pack(value())
  if (value instanceof core.Tensor) return { shape: [...value.shape], data: value.toArray() }
  if (Array.isArray(value)) return value.map(pack)
  if (value && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, pack(each)]))
  return value
}

/** What the model says of a sample: a share for each class. */
function predict({ model, shape }: News, sample: Float32Array): Float32Array {
  if (!own || own.disposed || !model || !shape) throw new Error('There is no trained network yet.')
  const engine = own
  return engine.scope(() => core.softmax(model.forward(engine.tensor(sample, [1, ...shape]))).toArray())
}

/** The filters of a model's first layer, where it has such. */
function firstFilters({ model }: News): unknown {
  const filter = model?.parameters[0]
  return filter?.shape.length === 4 ? pack(filter) : undefined
}

/** `show` of code that trains: losses add up, and are told with the rest now and then. */
function teller(id: number) {
  const losses: number[] = []
  let [last, lastLook] = [0, 0]
  const flush = (news: News, look: boolean) => {
    const { model: _model, loss: _loss, ...rest } = news
    const kept = Object.entries(rest).filter(([, value]) => look || typeof value !== 'function')
    post({
      id,
      show: {
        ...(pack(Object.fromEntries(kept)) as object),
        losses: losses.splice(0),
        ...(look ? { filters: firstFilters(news) } : {}),
        ...(look && told.probe && news.model ? { prediction: predict(news, told.probe) } : {}),
      },
    })
  }
  const show = async (news: News) => {
    if (stopping) throw new Error('Stopped.')
    shown = { ...shown, ...news }
    if (news.loss !== undefined) losses.push(news.loss)
    const now = performance.now()
    if (now - last < TELL) return
    last = now
    const look = now - lastLook >= LOOK
    flush(shown, look)
    // Looking takes time too: it is to be the lesser part of all.
    if (look) lastLook = Math.max(now, performance.now() + 2 * (performance.now() - now) - LOOK)
    await turn()
  }
  return { show, end: () => flush(shown, true) }
}

type Opener = () => Promise<Contender>

/** Those that start here, of the module at an address; of the others what they say. */
async function openPeers(address: string | undefined, refuse: (why: string) => unknown): Promise<Opener[]> {
  if (!address) return []
  Object.assign(globalThis, { peerModules: new URL('peers', address).href })
  const { peers } = (await import(address)) as { peers: Opener[] }
  const opened: Opener[] = []
  for (const open of peers) {
    try {
      const peer = await open()
      opened.push(async () => peer)
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error))
    }
  }
  return opened
}

async function work(id: number, { kind, code, given }: Job): Promise<void> {
  stopping = false
  const { isAsync, run } = compile(code, MODULES)
  let start = performance.now()
  const show = (value: unknown) => {
    if (stopping) throw new Error('Stopped.')
    const ms = performance.now() - start
    const packed = pack(value)
    const { data } = (packed ?? {}) as { data?: Float32Array<ArrayBuffer> }
    post({ id, show: kind === 'maps' ? { ...(packed as object), ms } : packed }, data ? [data.buffer] : [])
    return turn()
  }
  if (!isAsync) {
    lasting ??= core.createEngine()
    const engine = await lasting
    start = performance.now()
    engine.scope(() => {
      run({ engine, show, ...given })
    })
    return
  }
  if (kind === 'bench') {
    const peers = await openPeers(given['peers'] as string | undefined, (refused) => show({ refused }))
    const host = { library: core, peak: async (build: string) => (given['peak'] as never)[build], peers }
    const showRow = (news: { row?: { line: string; algorithm?: string } }) => {
      const [problem] = news.row ? parseLayers(news.row.line) : []
      if (problem?.op === 'conv2d')
        news.row!.algorithm = core.planConv2d(
          problem.input,
          problem.filter!,
          conv2dOptions(problem),
        ).algorithm
      return show(news)
    }
    await run({ host, show: showRow })
    return
  }
  own?.dispose()
  own = await core.createEngine()
  shown = {}
  if (kind !== 'train') {
    await run({ engine: own, show, ...given })
    own.dispose()
    return
  }
  const { show: showTraining, end } = teller(id)
  try {
    await run({ engine: own, show: showTraining, ...given })
  } finally {
    if (shown.model) end()
  }
}

function answer(question: string, argument: unknown): unknown {
  if (question === 'predict') return predict(shown, argument as Float32Array)
  const { model, shape } = shown
  if (!model || !shape) throw new Error('There is no trained network yet.')
  return nn.saveOnnx(model, shape as number[])
}

self.onmessage = async ({ data }) => {
  const { id, job, question, argument, tell, stop } = data
  if (tell) told = tell
  else if (stop) stopping = true
  else {
    try {
      post({ id, result: job ? await work(id, job) : answer(question, argument) })
    } catch (error) {
      post({ id, error: error instanceof Error ? error.message : String(error) })
    }
  }
}
post({ ready: true })
