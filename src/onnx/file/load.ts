/** A model's own file and its files of data, from wherever they are. */
import { check, FilterbankError, show } from '../../base/errors.js'
import { arrayName } from '../../base/realm.js'
import { builtin, reachBuiltins } from '../../wasm/host.js'
import type { External } from '../graph/graph.js'
import { type CacheSettings, checkCacheSettings, Keeper } from './keep.js'
import { type DataSource, type ModelSource, type OnProgress, pathOf, settle } from './read.js'

interface LoadSettings {
  onProgress?: OnProgress
  signal?: AbortSignal | undefined
  externalData?: Readonly<Record<string, DataSource>> | undefined
}

/** A model's bytes, and a way to its files of data. */
export interface Fetched {
  bytes: Uint8Array
  external: External
  /** Whether they were kept. */
  cached: boolean
  /** Keeps what came from the network, once it proved to be a model. */
  keep(): Promise<void>
}

const op = 'loadModel'

const files = () => builtin('node:fs')
const paths = () => builtin('node:path')

/**
 * The whole file, and a way to its files of data: those that are given, and those beside it. What is kept is
 * not asked of the network, unless it is to come `anew`.
 */
export async function fetchModel(
  source: ModelSource,
  { onProgress, signal, externalData = {}, ...settings }: LoadSettings & CacheSettings,
  anew?: string,
): Promise<Fetched> {
  signal?.throwIfAborted()
  checkCacheSettings(source, settings)
  await reachBuiltins()
  const settled = await settle('source', source, signal)
  const keeper = new Keeper(settings, settled, signal, anew)
  const bytes = await keeper.bytesOf('source', settled, onProgress)
  const given = new Map<string, Uint8Array>()
  for (const [location, data] of Object.entries(externalData)) {
    const argument = `externalData ${show(location)}`
    const own = await settle(argument, data as ModelSource, signal)
    const view = arrayName(own) && (own as unknown as ArrayBufferView)
    given.set(
      plainName(location),
      view
        ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
        : await keeper.bytesOf(argument, own, undefined, location),
    )
  }
  const path = pathOf(settled)
  const beside = path === undefined ? undefined : besides(path)
  const external: External = (location, offset, length) => {
    const data = given.get(plainName(location))
    if (data) {
      const wanted = length ?? data.length - offset
      checkPart(location, data.length, offset, wanted)
      return data.subarray(offset, offset + wanted)
    }
    if (beside) return beside(location, offset, length)
    const names = [...given.keys()].map(show).join(', ')
    throw new FilterbankError({
      op,
      argument: 'source',
      expected: `a path, so that its data file ${show(location)} can be found, or externalData of this name`,
      got: show(settled) + (names && `, and externalData of ${names}`),
    })
  }
  return { bytes, external, cached: keeper.cached, keep: () => keeper.keep() }
}

const plainName = (location: string): string => location.replace(/^(\.\/)+/, '')

/** Parts of data files in the folder of the model, and nowhere else. */
function besides(path: string): External {
  return (location, offset, length) => {
    const { dirname, isAbsolute, normalize, resolve } = paths()!
    const inside = !isAbsolute(location) && !normalize(location).startsWith('..')
    check(inside, () => ({
      op,
      argument: 'location',
      expected: "a file in the model's folder",
      got: show(location),
    }))
    const { openSync, readSync, closeSync, fstatSync, statSync } = files()!
    const place = resolve(dirname(path), location)
    const found = statSync(place, { throwIfNoEntry: false })
    check(found?.isFile() === true, () => ({
      op,
      argument: 'location',
      expected: "a file in the model's folder",
      got: `${found ? 'a folder' : 'none'} ${show(location)}`,
    }))
    const file = openSync(place, 'r')
    try {
      const { size } = fstatSync(file)
      const wanted = length ?? size - offset
      checkPart(location, size, offset, wanted)
      const bytes = new Uint8Array(wanted)
      check(readSync(file, bytes, 0, wanted, offset) === wanted, () => cut(location, size, offset, wanted))
      return bytes
    } finally {
      closeSync(file)
    }
  }
}

const cut = (location: string, size: number, offset: number, wanted: number) => ({
  op,
  argument: `data file ${show(location)}`,
  expected: `${wanted} bytes from ${offset} on`,
  got: `${Math.max(0, size - offset)}`,
})

function checkPart(location: string, size: number, offset: number, wanted: number): void {
  const isPart = [offset, wanted].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + wanted <= size
  check(isPart, () => cut(location, size, offset, wanted))
}
