/** From the bytes of a file to a model that runs. */

import { check, FilterbankError, show } from '../base/errors.js'
import { inTurns, shareTurns, TURN } from '../base/turns.js'
import type { Engine } from '../core/engine.js'
import { BY_NAME, CALLBACK, checkInteger, checkOptions, MOST, type Names, SIGNAL } from '../core/options.js'
import { takeIn } from './file/arrival.js'
import type { CacheReport, ModelCache } from './file/cache.js'
import type { Keeper } from './file/intake.js'
import { checkCacheSettings, type Fetched, fetchKept } from './file/keep.js'
import type { DataSource, ModelSource, Pouring, Progress } from './file/load.js'
import { fuse } from './graph/fuse.js'
import { type Graph, openGraph } from './graph/graph.js'
import { fuseInner } from './graph/inner.js'
import { checkGraph } from './graph/known.js'
import { checkQuantized } from './graph/quantized.js'
import { foldConstants } from './run/fold.js'
import { Holder } from './run/hold.js'
import { newRun } from './run/kept.js'
import { Model } from './run/model.js'

/** What `loadModel` takes beside the source. */
export interface LoadOptions {
  /** Told as the bytes of the model's own file come in. */
  onProgress?: (progress: Progress) => void
  /** Stops the loading. */
  signal?: AbortSignal
  /**
   * Lengths for the axes that the file leaves open, by their names: `{ batch: 1 }`. What is not given follows
   * from the inputs of each run.
   */
  dimensions?: Record<string, number>
  /**
   * The model's data files by the names that it has for them: `{ 'model.onnx.data': await response }`. Those
   * of a model that comes by its path are found beside it where they are not given.
   */
  externalData?: Record<string, DataSource>
  /**
   * Where a model that comes from an address is kept, with its data files, so that the next visit needs no
   * network: in the Cache API, or in the origin's private file system. What is kept is checked by its
   * length. Where the host has no such storage, refuses it, or it is full, the model is loaded all the
   * same: `onCache` tells. Default 'none'.
   */
  cache?: ModelCache
  /** What it is kept by: another key is another model, or another version. Default: its address. */
  key?: string
  /**
   * Whether the server is asked first (by HEAD) whether it still has what is kept: the same ETag, else
   * the same length. A server that cannot be reached counts as yes. Default false.
   */
  revalidate?: boolean
  /** Told once of a loading with `cache`: where the bytes came from, and whether they are kept. */
  onCache?: (report: CacheReport) => void
}

const LOAD: Names<LoadOptions> = {
  onProgress: CALLBACK,
  signal: SIGNAL,
  dimensions: BY_NAME,
  externalData: BY_NAME,
  cache: true,
  key: true,
  revalidate: true,
  onCache: CALLBACK,
}

/**
 * Reads an ONNX model (opset 6 and later) and gets it ready: what needs no input is computed.
 *
 * @param source the bytes, a Blob (a File too), a Response, a stream of bytes, a promise of one of them, a
 *   URL, or in Node a path, beside which data files are found too
 * @param options no progress, no signal, no dimensions, no external data
 * @throws FilterbankError where there is no such file, the bytes are no ONNX model, a scale that its bytes
 *   stand for is none, or it uses what filterbank lacks: all operators at once, with the names of their
 *   nodes. What was loaded is given back then
 * @example using model = await loadModel(engine, new URL('squeezenet.onnx', import.meta.url))
 */
export async function loadModel(
  engine: Engine,
  source: ModelSource,
  options: LoadOptions = {},
): Promise<Model> {
  checkOptions('loadModel', options, LOAD)
  const { dimensions = {} } = options
  check(!engine.disposed, () => ({
    op: 'loadModel',
    argument: 'engine',
    expected: 'alive',
    got: 'a disposed one',
  }))
  for (const [name, length] of Object.entries(dimensions)) {
    checkInteger(length, `dimensions.${name}`, 0, MOST, { op: 'loadModel' })
  }
  checkCacheSettings(source, options)
  if ((options.cache ?? 'none') === 'none') return load(engine, source, options)
  const fetched = await fetchKept(source as string | URL, options)
  try {
    return await loadKept(engine, fetched, options)
  } catch (error) {
    // What was kept did load once: it is spoilt, or the dimensions are wrong.
    const spoilt = error instanceof FilterbankError && error.argument !== 'dimensions'
    if (!fetched.cached || !spoilt || engine.disposed) throw error
    const reason = fetched.failure ?? `what was kept does not load: ${error.message}`
    return loadKept(engine, await fetchKept(source as string | URL, options, reason), options)
  }
}

/** A model is kept once it has proved to be one. */
async function loadKept(engine: Engine, fetched: Fetched, options: LoadOptions): Promise<Model> {
  const { source, externalData } = fetched
  try {
    const model = await load(engine, source, { ...options, externalData })
    await fetched.keep()
    return model
  } catch (error) {
    await fetched.discard()
    throw error
  }
}

/** How a model is loaded, once it is known where it is from. */
type Settings = Omit<LoadOptions, 'externalData'> & { externalData?: Record<string, DataSource | Pouring> }

async function load(engine: Engine, source: ModelSource | Pouring, options: Settings): Promise<Model> {
  const holder = new Holder(engine)
  try {
    return await opened(engine, source, options, holder)
  } catch (error) {
    if (!engine.disposed) holder.dispose()
    throw error
  }
}

async function opened(
  engine: Engine,
  source: ModelSource | Pouring,
  options: Settings,
  holder: Holder,
): Promise<Model> {
  const { dimensions = {}, signal } = options
  const checkAlive = () => {
    check(!engine.disposed, () => ({
      op: 'loadModel',
      argument: 'engine',
      expected: 'alive until the model is loaded',
      got: 'a disposed one',
    }))
  }
  const keep: Keeper = (type, length) => {
    checkAlive()
    return holder.keep(type, length)
  }
  /** After a turn of others. */
  const checkOn = () => {
    signal?.throwIfAborted()
    checkAlive()
  }
  const { proto, tensorOf } = await takeIn(source, options, keep)
  signal?.throwIfAborted()
  const found = await inTurns(openGraph(proto, tensorOf), checkOn)
  await shareTurns(TURN)
  await checkGraph(found)
  await shareTurns(TURN)
  checkOn()
  holder.close()
  const graph = found.graph as Graph
  const { opset } = found
  await inTurns(checkQuantized(graph), checkOn)
  const symbols = new Set(graph.inputs.flatMap(({ shape }) => shape ?? []))
  for (const name of Object.keys(dimensions)) {
    const known = [...symbols].filter((symbol) => typeof symbol === 'string')
    check(symbols.has(name), () => ({
      op: 'loadModel',
      argument: 'dimensions',
      expected: known.length ? `of ${known.map(show).join(', ')}` : 'none',
      got: show(name),
    }))
  }
  for (const port of graph.inputs) {
    if (port.shape)
      port.shape = port.shape.map((length) =>
        typeof length === 'string' ? (dimensions[length] ?? length) : length,
      )
  }
  const run = newRun(engine)
  const constants = await inTurns(foldConstants(graph, opset, run, true), checkOn, (step) =>
    engine.apart(step),
  )
  try {
    const known = (name: string) => constants.get(name)
    const file = await inTurns(fuseInner(graph, known), checkOn)
    const joined = await inTurns(fuse(file, known), checkOn, (step) => engine.apart(step))
    return new Model(engine, { file, graph: joined }, opset, run, { constants, holder })
  } catch (error) {
    if (!engine.disposed) for (const value of constants.values()) value.dispose()
    throw error
  }
}
