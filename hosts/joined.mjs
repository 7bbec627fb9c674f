/**
 * The kernels in Node 24 and 26 as they will be the day that V8 turns on what is --experimental-wasm-revectorize now, a
 * pass of its compiler that joins neighbouring vectors to one of 256 bits. Every kernel must give the bytes of V8's
 * quick first code, which knows no such pass: with the flag on the command line, where the best code comes first, and
 * set at run time, where it comes when functions are warm. Where the pass fails V8 ends the process.
 * doc/kernels.md, "Joined vectors".
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { kept, root, run } from './tools.mjs'

const PASS = '--experimental-wasm-revectorize'
/** Makes functions warm at once, and waits for their best code. */
const WARM = ['--wasm-tiering-budget=1000', '--wasm-sync-tier-up']

let bundled
/** The program, with the binaries that stand in src/wasm. */
function bundle() {
  bundled ??= (async () => {
    const outfile = join(kept, 'everyKernel.mjs')
    mkdirSync(kept, { recursive: true })
    const options = { bundle: true, platform: 'node', format: 'esm', logLevel: 'error' }
    await build({ ...options, entryPoints: [join(root, 'hosts/everyKernel.ts')], outfile })
    return outfile
  })()
  return bundled
}

/** What the program says; where V8 ends it, which kernel it was at. */
async function ask(node, flags, build, rounds, later = []) {
  try {
    const args = [...flags, await bundle(), build, `${rounds}`, ...later]
    return JSON.parse(await run(node, args, { seconds: 240 }))
  } catch (error) {
    if (!error.said) throw error
    const { stderr } = error.said
    const last = stderr.match(/^[^\n#]+: \w+$/gm)?.at(-1) ?? 'none'
    const why = /^# (?!Fatal)\S.*/m.exec(stderr)?.[0] ?? stderr.slice(-300)
    throw new Error(`ended in the case and kernel "${last}": ${why}`)
  }
}

/** @throws where a case gives other bytes than the first code */
function compare(wanted, got, what) {
  const wrong = Object.keys(wanted).filter((name) => got[name] !== wanted[name])
  if (wrong.length) throw new Error(`${what} gives other bytes in ${wrong.length} cases: ${wrong.join(', ')}`)
}

async function check(node, build) {
  const { first: wanted, left } = await ask(node, ['--liftoff-only'], build, 1)
  if (left.length) throw new Error(`no case runs ${left.join(', ')}`)
  const best = await ask(node, [PASS, '--no-liftoff'], build, 1)
  compare(wanted, best.first, 'code with joined vectors')
  const alone = await ask(node, [PASS, '--no-liftoff', '--no-wasm-inlining'], build, 1)
  compare(wanted, alone.first, 'code with joined vectors, of functions that are not inlined,')
  const warm = await ask(node, [], build, 4, [PASS, ...WARM])
  compare(wanted, warm.first, 'code that becomes warm')
  compare(wanted, warm.last, 'code that is warm')
  return { said: `${Object.keys(wanted).length} cases give the same bytes` }
}

/** The ways of a Node that has the pass. */
export const joinedWays = (node) =>
  Object.fromEntries(
    ['simd128', 'relaxed'].map((build) => [`${build} joined`, { act: () => check(node, build) }]),
  )
