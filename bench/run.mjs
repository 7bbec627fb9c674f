/**
 * `npm run bench`: this machine's peak, then every layer in bench/shapes; `npm run bench -- networks`: whole
 * networks. `--help` lists the options.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { bench } from './compare.mjs'
import { parseLayers } from './shapes.mjs'
import { columnsOf, readme, rowPrinter, summary } from './table.mjs'

const HELP = `npm run bench -- [networks | models DIR | train | recurrent | images] [options]
  networks        LeNet-5 to VGG-16 from their ONNX files, instead of layers
  models DIR      each ONNX file of a folder (or one file) beside onnxruntime-web, on made-up inputs
  --dimensions L  of models: lengths that files leave open, by their names: batch=1,x[1]=512
  --values L      of models: what inputs are filled with instead, by their names: sr=16000
  train           steps of three networks, and layers backwards; with --peers, --threads, --simd and --readme
  recurrent       LSTM and GRU from ONNX files, and a training step of an LSTM; with --peers, --threads, --simd, --only and --readme
  images          filters on images of 1920 x 1080 (with --peers beside opencv.js, wasm-vips and sharp)
  --batch-norm    of networks: batch normalisation by itself, not folded into the convolutions
  --only A,B      layers whose name, kind or line contains A or B; networks whose name does
  --quick         one layer of each kind, in seconds; the small networks
  --peers         beside onnxruntime-web, tfjs-wasm and onnxruntime-node (installed into bench/node_modules on first use)
  --threads N     also with N threads
  --simd BUILD    simd128 or relaxed; by default what createEngine picks
  --assert        fails where algorithm 'auto' is over 10% slower than another one
  --calls         what a call costs beside its work, instead of the layers
  --chromium      in a page of the system's headless Chromium
  --json FILE     writes all results
  --readme        writes the table into doc/benchmarks.md`

/** What a quick run of networks takes. */
const SMALL_NETWORKS = ['LeNet-5', 'SqueezeNet 1.1', 'MobileNetV2']

/**
 * 'auto' may take this much longer than the best algorithm before --assert complains: choices closer than
 * that change places with the noise.
 */
const ALLOWED = 1.1

/** Where the tables stand. */
const TABLES = 'doc/benchmarks.md'

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    peers: { type: 'boolean' },
    threads: { type: 'string' },
    simd: { type: 'string' },
    assert: { type: 'boolean' },
    calls: { type: 'boolean' },
    chromium: { type: 'boolean' },
    json: { type: 'string' },
    readme: { type: 'boolean' },
    'batch-norm': { type: 'boolean' },
    dimensions: { type: 'string' },
    values: { type: 'string' },
    help: { type: 'boolean' },
  },
})
if (options.help) {
  console.log(HELP)
  process.exit()
}

const cameFrom = process.env.INIT_CWD ?? process.cwd()
process.chdir(join(import.meta.dirname, '..'))
if (options.calls) {
  await (await import('./calls.mjs')).benchCalls()
  process.exit()
}
if (options.peers || positionals[0] === 'models') installPeers()
if (positionals[0] === 'models') {
  if (positionals.length !== 2) throw new Error('models takes a folder: npm run bench -- models DIR')
  const { only, simd, quick } = options
  await peersHere({ simd })
  const rows = await (await import('./models.mjs')).benchModels(
    {
      folder: resolve(cameFrom, positionals[1]),
      only,
      simd,
      dimensions: numbersByName(options.dimensions),
      values: numbersByName(options.values),
      ...(quick && { budget: 500 }),
    },
    console.log,
  )
  if (options.json) writeFileSync(options.json, JSON.stringify(rows, null, 1))
  process.exit()
}
if (positionals.includes('networks')) {
  await runNetworks()
  process.exit()
}
if (positionals.includes('images')) {
  const { markdown, rows, wrong } = await (await import('./images.mjs')).benchImages(options, console.log)
  if (options.json) writeFileSync(options.json, JSON.stringify(rows, null, 1))
  if (options.readme) writeBetween('images', markdown)
  process.exit(Number(wrong))
}
if (positionals.includes('train')) {
  const { simd, threads, peers } = options
  const { build, table } = await (await import('./train.mjs')).benchTraining({
    simd,
    threads: threads && Number(threads),
    peers,
  })
  const about = `${place({ contenders: [{ version: build }] })}\nTimes are medians in ms; one thread unless it says otherwise.`
  if (options.readme) writeBetween('train', `${about}\n\n${table}`)
  process.exit()
}
if (positionals.includes('recurrent')) {
  const { simd, threads, peers, only, quick } = options
  const { build, table } = await (await import('./recurrent.mjs')).benchRecurrent({
    simd,
    threads: threads && Number(threads),
    peers,
    only,
    ...(quick && { budget: 300 }),
  })
  const about = `${place({ contenders: [{ version: build }] })}\nTimes are medians in ms, numbers in and numbers out (behind them: by ours); one thread unless it says otherwise.`
  if (options.readme) writeBetween('recurrent', `${about}\n\n${table}`)
  process.exit()
}
const wanted = {
  problems: select(),
  simd: options.simd,
  threads: options.threads && Number(options.threads),
  assert: options.assert,
  peers: options.peers,
  budget: options.quick ? 300 : 1000,
}
const rows = []
let started
let columns
let print
const host = options.chromium ? (await import('./chromium.mjs')).benchInPage : benchHere
await host(wanted, ({ start, row }) => {
  if (start) {
    started = start
    columns = columnsOf(start.contenders, start.peak)
    console.log(about(start))
    print = rowPrinter(columns, console.log)
  } else if (row.missing) console.log(`${row.name}: ${row.missing}`)
  else if (row.wrong) {
    console.error(`${row.name}: ${row.wrong}`)
    process.exitCode = 1
  } else {
    rows.push(row)
    print(row)
  }
})
console.log(`\nGeometric means\n${summary(rows, columns)}`)
if (options.json)
  writeFileSync(options.json, JSON.stringify({ about: about(started), ...started, rows }, null, 1))
if (options.readme) writeReadme()
if (options.assert) assertChoices()
// Workers and the peers' pools would keep the process.
process.exit()

/** Whole networks, in Node or in a page. */
async function runNetworks() {
  const { networkNames } = await import('./networks.mjs')
  const { benchNetworks, tableOf } = await import('./runNetworks.mjs')
  const parts = options.only?.split(',') ?? ['']
  const names = networkNames.filter((name) => parts.some((part) => name.includes(part)))
  const wanted = {
    networks: true,
    names: options.quick ? names.filter((name) => SMALL_NETWORKS.includes(name)) : names,
    batchNorm: options['batch-norm'],
    simd: options.simd,
    threads: options.threads && Number(options.threads),
    peers: options.peers,
    budget: options.quick ? 500 : 4000,
  }
  const rows = []
  let started
  let table
  const here = async (wanted, report) => {
    const library = { ...(await import('../dist/index.js')), ...(await import('../dist/onnx.js')) }
    await benchNetworks(wanted, { library, peers: await peersHere(wanted), alone: measureAlone }, report)
  }
  const host = options.chromium ? (await import('./chromium.mjs')).benchInPage : here
  await host(wanted, ({ start, row }) => {
    if (start) {
      started = start
      table = tableOf(start.contenders, options.chromium)
      console.log(`${aboutNetworks(start)}\n\n${table.head()}`)
    } else {
      rows.push(row)
      console.log(table.line(row))
      for (const failure of row.failures) console.error(`${row.name}: ${failure}`)
      if (row.failures.length) process.exitCode = 1
    }
  })
  console.log(`\n${table.summary(rows)}`)
  if (options.json)
    writeFileSync(options.json, JSON.stringify({ about: aboutNetworks(started), ...started, rows }, null, 1))
  if (options.readme)
    writeBetween(
      options.chromium ? 'networks chromium' : 'networks node',
      `${aboutNetworks(started)}\n\n${table.markdown(rows)}`,
    )
}

/** In a process of its own. */
async function measureAlone(name, contender, bytes) {
  mkdirSync('build', { recursive: true })
  const file = join('build', 'bench-network.onnx')
  writeFileSync(file, bytes)
  try {
    const args = [...process.execArgv, 'bench/alone.mjs', name, String(contender), file, options.simd ?? '']
    if (options.simd === 'relaxed' && process.versions.node.startsWith('20.'))
      args.unshift('--experimental-wasm-relaxed-simd')
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  } finally {
    unlinkSync(file)
  }
}

/** The layers asked for; a quick run takes the first of each kind. */
function select() {
  const text = readdirSync('bench/shapes').map((file) => readFileSync(`bench/shapes/${file}`, 'utf8'))
  const parts = options.only?.split(',') ?? ['']
  const problems = parseLayers(text.join('\n')).filter(({ line, names, kind }) =>
    parts.some((part) => [line, kind, ...names].some((word) => word.includes(part))),
  )
  return options.quick ? problems.filter(({ kind }, i) => kind !== problems[i - 1]?.kind) : problems
}

/** 'batch=1,x[1]=512' -> { batch: 1, 'x[1]': 512 } */
function numbersByName(text) {
  return Object.fromEntries(
    (text?.split(',') ?? []).map((part) => {
      const [, name, number] = /^(.+)=(-?[\d.]+)$/.exec(part) ?? []
      if (!name) throw new Error(`expected NAME=NUMBER, as batch=1, got '${part}'`)
      return [name, Number(number)]
    }),
  )
}

/** Who else is asked, after this process was given the build that is wanted. */
async function peersHere(wanted) {
  // Node 20 has relaxed SIMD behind this flag; later ones do not know it any more.
  if (wanted.simd === 'relaxed' && process.versions.node.startsWith('20.'))
    setFlagsFromString('--experimental-wasm-relaxed-simd')
  return wanted.peers ? (await import('./peers/node.mjs')).peers : []
}

async function benchHere(wanted, report) {
  const library = await import('../dist/index.js')
  await bench(
    wanted,
    {
      library,
      peers: await peersHere(wanted),
      peak: async (build) => readFileSync(`build/peak-${build}.wasm`),
    },
    report,
  )
}

function installPeers() {
  const age = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (age('bench/node_modules/.package-lock.json') >= age('bench/package-lock.json')) return
  console.log('Installing the peers into bench/node_modules ...')
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: 'bench', stdio: 'inherit' })
}

/** What ran where and when. */
function place({ contenders, host, features }) {
  const own = JSON.parse(readFileSync('package.json', 'utf8'))
  return `filterbank ${own.version} (${contenders[0].version}), ${host ?? `Node ${process.versions.node}`}, ${cpus()[0].model.trim()}, ${new Date().toISOString().slice(0, 10)}.${features ? ` The host has ${features}.` : ''}`
}

function versionsOf({ contenders }) {
  return contenders.filter(({ peer }) => peer).map(({ name, version }) => `${name} ${version}`)
}

function aboutNetworks(start) {
  const versions = versionsOf(start)
  return [
    place(start),
    `Batch 1, batch normalisation ${options['batch-norm'] ? 'by itself' : 'folded'}. Times are medians in ms of whole runs, numbers in and numbers out; one thread unless it says otherwise.`,
    options.chromium
      ? '"first answer": from the bytes of the file to the end of the first run.'
      : '"first answer": from nothing to the end of the first run; "MB": the most memory of the process by then and two runs later; each in a process of its own.',
    ...(versions.length ? [`Beside it, in the same run: ${versions.join(', ')}.`] : []),
  ].join('\n')
}

function about({ peak, contenders, host, features }) {
  const versions = versionsOf({ contenders })
  return [
    place({ contenders, host, features }),
    `Multiply-add peak of one thread: ${peak.toFixed(1)} GFLOP/s. Times are medians in ms, beside the least; one thread unless it says otherwise. (drift): who is faster by medians is slower by the least times.`,
    ...(versions.length
      ? [
          `Beside it, in the same run: ${versions.join(', ')}. "a + b": a with input and output kept inside, b what copying them in and out adds to each call.`,
        ]
      : []),
  ].join('\n')
}

/** Writes the table between `<!-- bench node -->` and `<!-- /bench node -->`, or the same with chromium. */
function writeReadme() {
  writeBetween(options.chromium ? 'chromium' : 'node', readme(rows, columns, about(started)))
}

/** Writes between the markers of a place in doc/benchmarks.md. */
function writeBetween(place, table) {
  const text = readFileSync(TABLES, 'utf8')
  const before = `<!-- bench ${place} -->`
  const after = `<!-- /bench ${place} -->`
  const [start, end] = [text.indexOf(before), text.indexOf(after)]
  if (start < 0 || end < start) throw new Error(`${TABLES} has no ${before} with ${after} behind it`)
  writeFileSync(TABLES, `${text.slice(0, start) + before}\n${table}\n${text.slice(end)}`)
}

/** Slower by median and by 10th percentile, so that a noisy neighbour is not taken for a bad choice. */
function assertChoices() {
  const [auto, ...choices] = started.contenders
    .filter(({ peer, threads }) => !peer && threads === 1)
    .map(({ name }) => name)
  for (const { name, results } of rows) {
    const slower = (choice) =>
      results[choice] && ['ms', 'low'].every((at) => results[auto][at] > ALLOWED * results[choice][at])
    for (const choice of choices.filter(slower)) {
      console.error(
        `${name}: auto takes ${results[auto].ms.toFixed(3)} ms, ${choice} ${results[choice].ms.toFixed(3)} ms`,
      )
      process.exitCode = 1
    }
  }
}
