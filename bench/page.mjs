/** The page's side of chromium.mjs, which bundles it to /build/bench/page.js. */
import { bench } from './compare.mjs'
import { benchNetworks } from './runNetworks.mjs'

globalThis.benchHere = async (wanted) => {
  const library = {
    ...(await import('/dist/index.js')),
    ...(wanted.networks ? await import('/dist/onnx.js') : {}),
  }
  const peers = wanted.peers ? (await import('/build/bench/peers.js')).peers : []
  if (wanted.networks) return benchNetworks(wanted, { library, peers }, globalThis.report)
  const peak = async (build) => (await fetch(`/build/peak-${build}.wasm`)).arrayBuffer()
  await bench(wanted, { library, peers, peak }, globalThis.report)
}
