/** The page's side of chromium.ts, which bundles it to /build/bench/page.js. */
import { bench, type Contender, type News, type Wanted } from './compare.js'
import { benchNetworks, type NetworkNews, type WantedNetworks } from './runNetworks.js'

declare global {
  /** What chromium.ts calls, and what it listens to. */
  var benchHere: (wanted: Wanted | WantedNetworks) => Promise<void>
  var report: (news: News | NetworkNews) => Promise<void>
}

/** A module of this server, whose types are those of a source. */
const served = <Module>(path: string): Promise<Module> => import(path)

globalThis.benchHere = async (wanted) => {
  const library = await served<typeof import('../src/index.js')>('/dist/index.js')
  const { peers } = wanted.peers
    ? await served<{ peers: (() => Promise<Contender>)[] }>('/build/bench/peers.js')
    : { peers: [] }
  if ('names' in wanted) {
    const { loadModel } = await served<typeof import('../src/onnx/index.js')>('/dist/onnx.js')
    return benchNetworks(wanted, { library: { ...library, loadModel }, peers }, globalThis.report)
  }
  const peak = async (build: string) => (await fetch(`/build/peak-${build}.wasm`)).arrayBuffer()
  return bench(wanted, { library, peers, peak }, globalThis.report)
}
