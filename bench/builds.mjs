/**
 * Which build a host should get: how many times faster the relaxed build is than simd128, layer by layer,
 * both in one process and in turns. Node (20 with --experimental-wasm-relaxed-simd), Deno and Bun run this
 * file as it is; it prints a line of the table in doc/hosts.md.
 */
import { compare } from './compare.mjs'
import { geometricMean } from './measure.mjs'
import { filterbank } from './peers/filterbank.mjs'
import { parseLayers } from './shapes.mjs'

const LAYERS = `
n1 i56x56x64 o256 k1                          # 1x1
n1 i56x56x128 o128 k3 s2 p1                   # 3x3 strided
n1 i28x28x128 o128 k3 s1 p1                   # 3x3 Winograd
n1 i224x224x3 o64 k7 s2 p3                    # first layer
n1 i56x56x144 o144 k3 s1 p1 g144              # depthwise
linear n1 i2048 o1000                         # linear`

/**
 * Times of simd128 by those of relaxed: above 1 the relaxed build is faster. @returns {Promise<{ ratios:
 * Record<string, number>, mean: number, chosen: string }>}
 */
async function compareBuilds(library) {
  const contenders = []
  for (const simd of ['simd128', 'relaxed'])
    contenders.push({ ...(await filterbank(library, { simd, threads: 1 })), name: simd })
  const ratios = {}
  for await (const row of compare(parseLayers(LAYERS), contenders, { budget: 1200 })) {
    if (row.wrong) throw new Error(row.wrong)
    ratios[row.name] = row.results.simd128.ms / row.results.relaxed.ms
  }
  const { build: chosen } = await library.diagnose({ threads: 1 })
  return { ratios, mean: geometricMean(Object.values(ratios)), chosen }
}

function rowOf(host, { ratios, mean, chosen }) {
  const numbers = [...Object.values(ratios), mean].map((ratio) => ratio.toFixed(2))
  return `| ${[host, ...numbers, chosen].join(' | ')} |`
}

const head = `| host | ${parseLayers(LAYERS)
  .map(({ names }) => names[0])
  .join(' | ')} | mean | chosen |`

const { node, deno, bun, v8 } = process.versions
const host = bun ? `Bun ${bun}` : `${deno ? `Deno ${deno}` : `Node ${node}`}, V8 ${v8}`
console.log(`${head}\n${rowOf(host, await compareBuilds(await import('../dist/index.js')))}`)
process.exit()
