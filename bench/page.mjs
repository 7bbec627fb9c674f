/** The page's side of chromium.mjs, which bundles it to /build/bench/page.js. */
import { bench } from './compare.mjs'

globalThis.benchHere = async (wanted) => {
  const library = await import('/dist/index.js')
  const peers = wanted.peers ? (await import('/build/bench/peers.js')).peers : []
  const peak = async (build) => (await fetch(`/build/peak-${build}.wasm`)).arrayBuffer()
  await bench(wanted, { library, peers, peak }, globalThis.report)
}
