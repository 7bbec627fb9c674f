/**
 * One network in one contender, in a process of its own: prints the milliseconds from nothing to a loaded
 * model, those of the first run, and the most bytes that the process took. Arguments: the name of the
 * network, the contender (0 filterbank, 1.. the peers), the file, the build of filterbank.
 */
import { readFile } from 'node:fs/promises'
import { photoOf } from './networks.js'
import { filterbankModels } from './peers/filterbank.js'
import { peers } from './peers/node.js'

const [name, contender, file, simd] = process.argv.slice(2) as [string, string, string, string | undefined]
const photo = photoOf(name)
const start = performance.now()
const own = async () =>
  filterbankModels(
    { ...(await import('../src/index.js')), ...(await import('../src/onnx/index.js')) },
    { simd: (simd || undefined) as 'simd128' | 'relaxed' | 'wide' | undefined, threads: 1 },
  )
const { network } = await [own, ...peers][Number(contender)]!()
const prepared = (await network!({ input: photo.input, layers: [] }, await readFile(file), photo.data))!
const load = performance.now() - start
await prepared.run()
const first = performance.now() - start - load
// From here on others run from what they have; this tells what a second run, which records, takes beside.
await prepared.run()
await prepared.run()
console.log(JSON.stringify({ load, first, peak: process.resourceUsage().maxRSS * 1024 }))
process.exit()
