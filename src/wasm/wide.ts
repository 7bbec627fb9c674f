/**
 * The build `wide`: loops for a pass of V8's that joins vectors to ones of 256 bits. The pass is an
 * experiment of V8's and of the whole process, so that nobody gets it who did not ask, and nobody before
 * every kernel was seen to give the bytes of V8's first code with it: in processes of their own, since V8
 * ends those where the pass fails. doc/kernels.md, "Joined vectors".
 */
import { check, FilterbankError, messageOf } from '../base/errors.js'
import { builtin, compilerOf } from './host.js'

const PASS = '--experimental-wasm-revectorize'
/** Makes functions warm at once, and waits for their best code. */
const WARM = ['--wasm-tiering-budget=1000', '--wasm-sync-tier-up']
/** V8's of Node 24. */
const FIRST_V8 = 13.6
/** How much faster a dense layer must be than by the build `relaxed`, for the pass to be there at all. */
const LEAST_GAIN = 1.1
const CHECK_MS = 60_000

/** What every-kernel.js says. */
interface Answer {
  first: Record<string, string>
  last: Record<string, string>
  gain: number
}

const refuse = (got: string, hint?: string, cause?: unknown) =>
  new FilterbankError(
    {
      ...{ op: 'createEngine', argument: 'simd', expected: "'relaxed' or 'simd128' on this host" },
      got: `'wide', ${got}`,
      ...(hint && { hint }),
    },
    cause === undefined ? undefined : { cause },
  )

let checked: Promise<Uint8Array<ArrayBuffer>> | undefined

/**
 * The binary, once it was checked, and V8's flag set: once in a process.
 * @throws FilterbankError where this is no such host, or a kernel fails
 */
export function admitWide(): Promise<Uint8Array<ArrayBuffer>> {
  checked ??= admit()
  return checked
}

async function admit(): Promise<Uint8Array<ArrayBuffer>> {
  const { process } = globalThis as { process?: NodeJS.Process }
  const compiler = compilerOf()
  const isNode =
    process?.release?.name === 'node' && !('deno' in process.versions || 'electron' in process.versions)
  check(isNode && compiler?.name === 'V8' && compiler.version >= FIRST_V8 && process.arch === 'x64', () => ({
    ...{
      op: 'createEngine',
      argument: 'simd',
      expected: "'relaxed' or 'simd128' on this host",
      got: "'wide'",
    },
    hint: 'It needs Node 24 or later on x64: it rests on an experiment of its V8',
  }))
  const folder = folderOf()
  const { readFileSync } = builtin('node:fs')!
  const { join } = builtin('node:path')!
  const [wide, program] = [join(folder, 'wide.wasm'), join(folder, 'every-kernel.js')]
  // V8's first code knows no pass. The best code, and code that becomes warm, must give the same.
  const [plain, best, warm] = await Promise.all([
    ask(['--liftoff-only', program, wide, '1', '2']),
    ask([PASS, '--no-liftoff', program, wide, '1', '2']),
    ask([program, wide, '4', '2', PASS, ...WARM]),
  ])
  for (const { first, last } of [best, warm])
    for (const [name, digest] of Object.entries(plain.first))
      if (first[name] !== digest || last[name] !== digest)
        throw refuse(`whose kernels give other bytes with V8's pass: ${name}`, VERSION)
  if (!(warm.gain >= LEAST_GAIN))
    throw refuse(
      `which has ${warm.gain.toFixed(2)} times the speed of 'relaxed' here`,
      'V8 joins no vectors: the processor lacks AVX2, or V8 the pass',
    )
  builtin('node:v8')!.setFlagsFromString(PASS)
  return new Uint8Array(readFileSync(wide))
}

const VERSION = `V8 ${globalThis.process?.versions?.v8}; doc/kernels.md tells which versions were tried`

/** Where the package stands, seen from the program or from where it runs. */
function folderOf(): string {
  const { createRequire } = builtin('node:module')!
  const { dirname, join } = builtin('node:path')!
  const places = [globalThis.process.argv[1] ?? '', join(globalThis.process.cwd(), 'index.js')]
  for (const place of places) {
    try {
      return dirname(createRequire(place).resolve('filterbank/wide.wasm'))
    } catch {
      // The next one.
    }
  }
  throw refuse(
    'whose file was not found',
    `filterbank/wide.wasm must resolve from ${places.join(' or ')}: the package has to be installed, not bundled`,
  )
}

/** Runs this Node with flags and arguments. */
function ask(args: string[]): Promise<Answer> {
  const { execFile } = builtin('node:child_process')!
  const options = {
    maxBuffer: 2 ** 26,
    timeout: CHECK_MS,
    env: { ...globalThis.process.env, NODE_OPTIONS: '' },
  }
  return new Promise((resolve, reject) => {
    execFile(globalThis.process.execPath, args, options, (error, stdout, stderr) => {
      if (!error) {
        resolve(JSON.parse(stdout) as Answer)
        return
      }
      const last = stderr.match(/^[^\n#]+: \w+$/gm)?.at(-1) ?? 'the start'
      const why = /^# (?!Fatal)\S.*/m.exec(stderr)?.[0].slice(2) ?? messageOf(error).slice(0, 200)
      reject(refuse(`whose check ended at ${last} (${why})`, VERSION, error))
    })
  })
}
