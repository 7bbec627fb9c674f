/**
 * Which build a host should get: how many times faster the relaxed build is than simd128, layer by layer,
 * both in one process and in turns; prints a line of the table in doc/hosts.md. Behind `npm run bench --
 * --help`, which makes it, Node (20 with --experimental-wasm-relaxed-simd), Deno and Bun run
 * bench/build/builds.js as it is.
 */
import * as library from '../src/index.js'
import { parseLayers } from './cases.js'
import { compare } from './compare.js'
import { geometricMean } from './measure.js'
import { filterbank } from './peers/filterbank.js'

const LAYERS = parseLayers(`
n1 i56x56x64 o256 k1                          # 1x1
n1 i56x56x128 o128 k3 s2 p1                   # 3x3 strided
n1 i28x28x128 o128 k3 s1 p1                   # 3x3 Winograd
n1 i224x224x3 o64 k7 s2 p3                    # first layer
n1 i56x56x144 o144 k3 s1 p1 g144              # depthwise
linear n1 i2048 o1000                         # linear`)

/** For each layer times of simd128 by those of relaxed: above 1 the relaxed build is faster. */
async function compareBuilds(): Promise<number[]> {
  const contenders = []
  for (const simd of ['simd128', 'relaxed'] as const)
    contenders.push({ ...(await filterbank(library, { simd, threads: 1 })), name: simd })
  const ratios = []
  for await (const row of compare(LAYERS, contenders, { budget: 1200 })) {
    if (!('results' in row)) throw new Error(JSON.stringify(row))
    ratios.push(row.results['simd128']!.ms / row.results['relaxed']!.ms)
  }
  return ratios
}

const { node, v8, ...others } = process.versions
const { deno, bun } = others as Record<string, string | undefined>
const host = bun ? `Bun ${bun}` : `${deno ? `Deno ${deno}` : `Node ${node}`}, V8 ${v8}`
const ratios = await compareBuilds()
const { build: chosen } = await library.diagnose({ threads: 1 })
const numbers = [...ratios, geometricMean(ratios)].map((ratio) => ratio.toFixed(2))
console.log(`| host | ${LAYERS.map(({ names }) => names[0]).join(' | ')} | mean | chosen |`)
console.log(`| ${[host, ...numbers, chosen].join(' | ')} |`)
process.exit()
