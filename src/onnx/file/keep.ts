/** One loading of a model that may be kept for the next visit. */
import { check, messageOf, show } from '../../base/errors.js'
import { isUrl } from '../../base/realm.js'
import { reachBuiltins } from '../../wasm/host.js'
import {
  type CacheReport,
  checkCache,
  checkKey,
  isCurrent,
  keyOfPart,
  type ModelCache,
  type Store,
  storeOf,
} from './cache.js'
import { bytesOf, type DataSource, type Progress, pathOf, reach } from './load.js'

const op = 'loadModel'

/** Whether and where a model is kept for the next visit. */
export interface CacheSettings {
  cache?: ModelCache | undefined
  key?: string | undefined
  revalidate?: boolean | undefined
  onCache?: ((report: CacheReport) => void) | undefined
}

/** Throws unless a source can be kept as it is asked for: before anything of it is read. */
export function checkCacheSettings(
  source: unknown,
  { cache = 'none', key, revalidate }: CacheSettings,
): void {
  checkCache(op, cache)
  checkKey(op, key)
  check(revalidate === undefined || typeof revalidate === 'boolean', () => ({
    op,
    argument: 'revalidate',
    expected: 'true or false',
    got: show(revalidate),
  }))
  check(cache === 'none' || typeof source === 'string' || isUrl(source), () => ({
    op,
    argument: 'source',
    expected: `an address where it is kept by cache: '${cache}'`,
    got: show(source),
    hint: 'What comes from elsewhere has been fetched already',
  }))
}

/** A model's bytes and those of its files of data; where nothing can be kept, its sources as they are. */
export interface Fetched {
  source: string | URL | Uint8Array
  externalData: Record<string, DataSource>
  /** Whether its bytes were kept. */
  cached: boolean
  /** Keeps what came from the network, and reports. Never throws. */
  keep: () => Promise<void>
}

interface FetchSettings extends CacheSettings {
  onProgress?: ((progress: Progress) => void) | undefined
  signal?: AbortSignal | undefined
  externalData?: Readonly<Record<string, DataSource>> | undefined
}

const isAddress = (source: unknown): source is string | URL =>
  (typeof source === 'string' || isUrl(source)) && pathOf(source) === undefined

/** What is kept is not asked of the network, unless it is to come anew, for a reason. */
export async function fetchKept(
  source: string | URL,
  options: FetchSettings,
  anew?: string,
): Promise<Fetched> {
  const { cache, key = addressOf(source), onProgress, signal, externalData = {}, onCache } = options
  signal?.throwIfAborted()
  await reachBuiltins()
  let reason = anew
  const file = !isAddress(source)
  let store: Store | undefined
  try {
    if (!file) store = await storeOf(cache as 'cache-api' | 'opfs')
    else reason = 'files stay where they are'
  } catch (error) {
    reason = messageOf(error)
  }
  const fetched: Fetched = {
    source,
    externalData: { ...externalData },
    cached: false,
    async keep() {
      const from = fetched.cached ? 'cache' : file ? 'file' : 'network'
      onCache?.({ from, kept: store !== undefined, ...(reason ? { reason } : {}) })
    },
  }
  if (!store) return fetched
  const own = store
  const writes: (() => Promise<void>)[] = []

  const readKept = async (name: string, told: FetchSettings['onProgress']) => {
    try {
      const kept = await own.read(name)
      if (!kept) return undefined
      const { facts, stream } = kept
      if (options.revalidate && !(await isCurrent(facts, signal))) reason = 'the server has another version'
      else {
        // Without `total` the reader knows no better than the file.
        const bytes = await bytesOf('source', stream(), {
          signal,
          onProgress: told && (({ loaded }) => told({ loaded, total: facts.bytes })),
        })
        if (bytes.length === facts.bytes) return bytes
        reason = `${bytes.length} of ${facts.bytes} bytes were kept`
      }
    } catch (error) {
      signal?.throwIfAborted()
      reason = messageOf(error)
    }
    return undefined
  }

  const fetchNew = async (from: string | URL, name: string, told: FetchSettings['onProgress']) => {
    const response = await reach(`${from}`, () => fetch(from, { signal: signal ?? null }), signal)
    const bytes = await bytesOf('source', response, { signal, onProgress: told })
    const etag = response.headers.get('etag')
    const facts = { key: name, url: addressOf(from), bytes: bytes.length, date: Date.now() }
    writes.push(() => own.write({ ...facts, ...(etag ? { etag } : {}) }, bytes))
    return bytes
  }

  const kept = anew === undefined ? await readKept(key, onProgress) : undefined
  fetched.cached = kept !== undefined
  fetched.source = kept ?? (await fetchNew(source, key, onProgress))
  for (const [location, data] of Object.entries(externalData)) {
    if (!isAddress(data)) continue
    const name = keyOfPart(key, location)
    const part = anew === undefined ? await readKept(name, undefined) : undefined
    fetched.externalData[location] = part ?? (await fetchNew(data, name, undefined))
  }
  fetched.keep = async () => {
    let whole = true
    try {
      for (const write of writes) await write()
    } catch (error) {
      whole = false
      reason = messageOf(error)
    }
    onCache?.({ from: fetched.cached ? 'cache' : 'network', kept: whole, ...(reason ? { reason } : {}) })
  }
  return fetched
}

/** An address as the page or the worker means it. */
function addressOf(source: string | URL): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href
  try {
    return new URL(source, base).href
  } catch {
    return `${source}`
  }
}
