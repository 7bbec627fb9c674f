/** One loading of a model that may be kept for the next visit. */
import { check, FilterbankError, messageOf, show } from '../../base/errors.js'
import { isUrl } from '../../base/realm.js'
import { reachBuiltins } from '../../wasm/host.js'
import {
  type CacheReport,
  checkCache,
  checkKey,
  type Entry,
  isCurrent,
  type Kept,
  keyOfPart,
  type ModelCache,
  type Store,
  storeOf,
} from './cache.js'
import { type DataSource, drain, Pouring, pathOf, pourBody, reach, type Settings, type Sink } from './load.js'

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

/** A model and its files of data, which are read, and written, as the loading asks for them. */
export interface Fetched {
  source: string | URL | Pouring
  externalData: Record<string, DataSource | Pouring>
  /** Whether some of it was kept. */
  readonly cached: boolean
  /** Why what was kept could not be read. */
  readonly failure: string | undefined
  /** Keeps what came from the network, and reports. Never throws. */
  keep(): Promise<void>
  /** Keeps nothing of it. Never throws. */
  discard(): Promise<void>
}

interface FetchSettings extends CacheSettings {
  signal?: AbortSignal | undefined
  externalData?: Readonly<Record<string, DataSource>> | undefined
}

const isAddress = (source: unknown): source is string | URL =>
  (typeof source === 'string' || isUrl(source)) && pathOf(source) === undefined

/** Of one loading: where it keeps things, and what went wrong with that. */
interface Keeping {
  store: Store
  /** Whether nothing is read that is kept. */
  anew: boolean
  revalidate: boolean
  /** Why the network was asked, or nothing is kept. */
  reason: string | undefined
  /** Whether something could not be kept. */
  full: boolean
  /** Why what was kept could not be read. */
  failure?: string | undefined
}

/** What is kept by a key, else what comes by its address, and is kept as it comes. */
class KeptSource extends Pouring {
  cached = false
  private entry: Entry | undefined
  private bytes = 0

  constructor(
    readonly address: string,
    private readonly key: string,
    private readonly keeping: Keeping,
  ) {
    super()
  }

  async pour(settings: Settings, sink: Sink): Promise<void> {
    const kept = this.keeping.anew ? undefined : await this.find(settings.signal)
    this.cached = kept !== undefined
    return kept ? this.pourKept(kept, settings, sink) : this.pourFetched(settings, sink)
  }

  /** What is kept, unless it was cut or the server has another. */
  private async find(signal: AbortSignal | undefined): Promise<Kept | undefined> {
    const { store, revalidate } = this.keeping
    try {
      const kept = await store.read(this.key)
      if (!kept) return undefined
      const { facts, size = facts.bytes } = kept
      if (size !== facts.bytes) this.keeping.reason = cut(size, facts.bytes)
      else if (!revalidate || (await isCurrent(facts, signal))) return kept
      else this.keeping.reason = 'the server has another version'
    } catch (error) {
      signal?.throwIfAborted()
      this.keeping.reason = messageOf(error)
    }
    return undefined
  }

  private async pourKept({ facts, stream }: Kept, settings: Settings, sink: Sink): Promise<void> {
    const { signal } = settings
    let loaded = 0
    const fail = (reason: string, cause?: unknown) => {
      this.keeping.failure = reason
      return new FilterbankError(
        { op, argument: 'cache', expected: 'what was kept', got: reason },
        cause === undefined ? {} : { cause },
      )
    }
    try {
      await drain(stream(), facts.bytes, settings, {
        ...(sink.begin && { begin: (total) => sink.begin!(total) }),
        push: (bytes) => {
          loaded += bytes.length
          return sink.push(bytes)
        },
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof FilterbankError ? error : fail(messageOf(error), error)
    }
    if (loaded !== facts.bytes) throw fail(cut(loaded, facts.bytes))
  }

  private async pourFetched(settings: Settings, sink: Sink): Promise<void> {
    const { signal } = settings
    const response = await reach(this.address, () => fetch(this.address, { signal: signal ?? null }), signal)
    if (response.ok) await this.create(response.headers.get('etag'))
    return pourBody(response, settings, {
      ...(sink.begin && { begin: (total) => sink.begin!(total) }),
      push: async (bytes) => {
        const written = this.write(bytes)
        await sink.push(bytes)
        await written
      },
    })
  }

  private async create(etag: string | null): Promise<void> {
    const facts = { key: this.key, url: this.address, date: Date.now(), ...(etag ? { etag } : {}) }
    try {
      this.entry = await this.keeping.store.create(facts)
    } catch (error) {
      this.keeping.reason = messageOf(error)
      this.keeping.full = true
    }
  }

  /** What cannot be kept is loaded all the same. */
  private async write(bytes: Uint8Array): Promise<void> {
    this.bytes += bytes.length
    try {
      await this.entry?.write(bytes)
    } catch (error) {
      await this.fail(error)
    }
  }

  private async fail(error: unknown): Promise<void> {
    this.keeping.reason = messageOf(error)
    this.keeping.full = true
    await this.discard()
  }

  async keep(): Promise<void> {
    try {
      await this.entry?.close(this.bytes)
      this.entry = undefined
    } catch (error) {
      await this.fail(error)
    }
  }

  async discard(): Promise<void> {
    const { entry } = this
    this.entry = undefined
    await entry?.abort()
  }
}

const cut = (found: number, expected: number) => `${found} of ${expected} bytes were kept`

/** What is kept is not asked of the network, unless it is to come anew, for a reason. */
export async function fetchKept(
  source: string | URL,
  options: FetchSettings,
  anew?: string,
): Promise<Fetched> {
  const { cache, key = addressOf(source), revalidate = false, signal, externalData = {}, onCache } = options
  signal?.throwIfAborted()
  await reachBuiltins()
  const files = { ...externalData }
  const absent = (from: 'file' | 'network', reason: string): Fetched => ({
    source,
    externalData: files,
    cached: false,
    failure: undefined,
    keep: async () => onCache?.({ from, kept: false, reason }),
    discard: async () => {},
  })
  if (!isAddress(source)) return absent('file', 'files stay where they are')
  let store: Store
  try {
    store = await storeOf(cache as 'cache-api' | 'opfs')
  } catch (error) {
    return absent('network', messageOf(error))
  }
  const keeping: Keeping = { store, anew: anew !== undefined, revalidate, reason: anew, full: false }
  const model = new KeptSource(addressOf(source), key, keeping)
  const parts = Object.entries(files)
    .filter(([, data]) => isAddress(data))
    .map(
      ([location, data]) =>
        [location, new KeptSource(addressOf(data as string), keyOfPart(key, location), keeping)] as const,
    )
  // The model last: where it is, they are.
  const all = [...parts.map(([, part]) => part), model]
  return {
    source: model,
    externalData: { ...files, ...Object.fromEntries(parts) },
    get cached() {
      return all.some(({ cached }) => cached)
    },
    get failure() {
      return keeping.failure
    },
    async keep() {
      for (const each of all) await each.keep()
      const { full, reason } = keeping
      onCache?.({ from: model.cached ? 'cache' : 'network', kept: !full, ...(reason ? { reason } : {}) })
    },
    async discard() {
      for (const each of all) await each.discard()
    },
  }
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
