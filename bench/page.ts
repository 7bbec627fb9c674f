/** The page's side of browsers.ts, which bundles it to /build/bench/page.js. */
import { bench, type News, type Wanted } from './compare.js'
import type { Contender } from './contender.js'
import { type ByteNews, benchInt8, type WantedBytes } from './int8.js'
import { benchNetworks, type NetworkNews, type WantedNetworks } from './runNetworks.js'

/** A module of this server, whose types are those of a source. */
const served = <Module>(path: string): Promise<Module> => import(path)

/** To browsers.ts: an empty message is the last. */
const tell = (message: { news?: News | NetworkNews | ByteNews; failed?: string }) =>
  fetch('/report', { method: 'POST', body: JSON.stringify(message) })

async function benchHere(wanted: Wanted | WantedNetworks | WantedBytes): Promise<void> {
  const report = (news: News | NetworkNews | ByteNews) => tell({ news })
  const library = await served<typeof import('../src/index.js')>('/dist/index.js')
  const { peers } = wanted.peers
    ? await served<{ peers: (() => Promise<Contender>)[] }>('/build/bench/peers.js')
    : { peers: [] }
  if ('bench' in wanted) return benchInt8(wanted, { library, peers }, report)
  if ('names' in wanted) {
    const { loadModel } = await served<typeof import('../src/onnx/index.js')>('/dist/onnx.js')
    return benchNetworks(wanted, { library: { ...library, loadModel }, peers }, report)
  }
  const peak = async (build: string) => (await fetch(`/build/peak-${build}.wasm`)).arrayBuffer()
  return bench(wanted, { library, peers, peak }, report)
}

const words = (error: unknown): string => (error instanceof Error ? `${error} ${error.stack}` : String(error))
addEventListener('error', ({ message }) => tell({ failed: message }))
addEventListener('unhandledrejection', ({ reason }) => tell({ failed: words(reason) }))
fetch('/wanted')
  .then((response) => response.json())
  .then(benchHere)
  .then(
    () => tell({}),
    (error) => tell({ failed: words(error) }),
  )
