/**
 * `npm run bench`: this machine's peak, then every layer in bench/shapes; `npm run bench -- networks`: whole
 * networks. `--help` lists the options.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { type Problem, parseLayers } from './cases.js'
import { bench, type News, type Row, type Start, type Wanted } from './compare.js'
import type { Contender } from './contender.js'
import { ABOUT_TIMES, placeOf, versionsOf, writeBetween } from './document.js'
import type { ByteNews, WantedBytes } from './int8.js'
import type { Alone, NetworkNews, NetworkRow, NetworkStart, WantedNetworks } from './runNetworks.js'
import { type Columns, columnsOf, readme, rowPrinter, summary } from './table.js'

const HELP = `npm run bench -- [networks | models DIR | train | recurrent | images | int8] [options]
  networks        LeNet-5 to VGG-16 from their ONNX files, instead of layers
  models DIR      each ONNX file of a folder (or one file) beside onnxruntime-web, on made-up inputs
  --dimensions L  of models: lengths that files leave open, by their names, of all files or of those whose name
                  contains what stands before a colon: batch=1,voice:x[1]=512
  --values L      of models: what inputs are filled with, by their names: sr=16000,boxes:config=100/0.5
  train           steps of three networks, and layers backwards; with --peers, --threads, --simd and --readme
  recurrent       LSTM and GRU from ONNX files, and a training step of an LSTM; with --peers, --threads, --simd, --only and --readme
  images          filters on images of 1920 x 1080 (with --peers beside opencv.js, wasm-vips and sharp)
  int8            8-bit layers beside the same in float32; with --peers, --simd, --browser, --only and --readme
  --batch-norm    of networks: batch normalisation by itself, not folded into the convolutions
  --only A,B      layers whose name, kind or line contains A or B; networks whose name does
  --quick         one layer of each kind, in seconds; the small networks
  --peers         beside onnxruntime-web, tfjs-wasm and onnxruntime-node (installed into bench/node_modules on first use)
  --threads N     also with N threads
  --simd BUILD    simd128, relaxed or wide; by default what createEngine picks
  --assert        fails where algorithm 'auto' is over 10% slower than another one
  --tiles         also by the other loop of dense products (engine.tile); with --assert: fails where that is faster
  --calls         what a call costs beside its work, instead of the layers
  --browser NAME  in a page of the system's chromium, firefox or webkit (WebKitGTK's MiniBrowser: Safari's engine)
  --chromium      the same as --browser chromium
  --json FILE     writes all results
  --readme        writes the table into doc/benchmarks.md
bench/build/builds.js is a bench of its own.`

/** What a quick run of networks takes. */
const SMALL_NETWORKS = ['LeNet-5', 'SqueezeNet 1.1', 'MobileNetV2']

/**
 * 'auto' may take this much longer than the best algorithm before --assert complains: choices closer than
 * that change places with the noise.
 */
const ALLOWED = 1.1

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    peers: { type: 'boolean' },
    threads: { type: 'string' },
    simd: { type: 'string' },
    assert: { type: 'boolean' },
    tiles: { type: 'boolean' },
    calls: { type: 'boolean' },
    browser: { type: 'string' },
    chromium: { type: 'boolean' },
    json: { type: 'string' },
    readme: { type: 'boolean' },
    'batch-norm': { type: 'boolean' },
    dimensions: { type: 'string' },
    values: { type: 'string' },
    help: { type: 'boolean' },
  },
})
const {
  simd,
  peers,
  only,
  quick,
  json,
  browser = options.chromium ? 'chromium' : undefined,
} = options as typeof options & { simd?: 'simd128' | 'relaxed' | 'wide' }
const threads = options.threads ? Number(options.threads) : undefined

const benches: Record<string, () => Promise<void>> = {
  layers: runLayers,
  networks: runNetworks,
  models: runModels,
  images: runImages,
  train: runTraining,
  recurrent: runRecurrent,
  int8: runInt8,
  calls: async () => (await import('./calls.js')).benchCalls(),
}
const [asked = options.calls ? 'calls' : 'layers'] = positionals
const run = benches[asked]
if (options.help || !run) {
  console.log(HELP)
  process.exit(run ? 0 : 2)
}
if (peers || run === runModels) installPeers()
await run()
// Workers and the peers' pools would keep the process.
process.exit()

async function runLayers(): Promise<void> {
  const wanted: Wanted = {
    problems: select(),
    simd,
    threads,
    assert: options.assert,
    tiles: options.tiles,
    peers,
    budget: quick ? 300 : 1000,
  }
  const rows: Row[] = []
  let started: Start | undefined
  let columns: Columns | undefined
  let print: ((row: Row) => void) | undefined
  const report = (news: News): void => {
    if ('start' in news) {
      started = news.start
      columns = columnsOf(started.contenders, started.peak)
      console.log(aboutLayers(started))
      print = rowPrinter(columns, console.log)
      return
    }
    const { row } = news
    if ('missing' in row) console.log(`${row.name}: ${row.missing}`)
    else if ('wrong' in row) {
      console.error(`${row.name}: ${row.wrong}`)
      process.exitCode = 1
    } else {
      rows.push(row)
      print!(row)
    }
  }
  if (browser) await (await import('./browsers.js')).benchInPage(browser, wanted, report)
  else {
    const peak = async (build: string) => readFileSync(`build/peak-${build}.wasm`)
    const others = await peersHere()
    await bench(wanted, { library: await import('../src/index.js'), peers: others, peak }, report)
  }
  const about = aboutLayers(started!)
  console.log(`\nGeometric means\n${summary(rows, columns!)}`)
  if (json) writeFileSync(json, JSON.stringify({ about, ...started, rows }, null, 1))
  if (options.readme) writeBetween(browser ?? 'node', readme(rows, columns!, about))
  if (options.assert) assertChoices(started!, rows)
}

/** Whole networks, in Node or in a page. */
async function runNetworks(): Promise<void> {
  const { networkNames } = await import('./networks.js')
  const { benchNetworks, tableOf } = await import('./runNetworks.js')
  const parts = only?.split(',') ?? ['']
  const names = networkNames.filter((name) => parts.some((part) => name.includes(part)))
  const wanted: WantedNetworks = {
    names: quick ? names.filter((name) => SMALL_NETWORKS.includes(name)) : names,
    batchNorm: options['batch-norm'],
    simd,
    threads,
    peers,
    budget: quick ? 500 : 4000,
  }
  const rows: NetworkRow[] = []
  let started: NetworkStart | undefined
  let table: ReturnType<typeof tableOf> | undefined
  const report = (news: NetworkNews): void => {
    if ('start' in news) {
      started = news.start
      table = tableOf(started.contenders, browser !== undefined)
      console.log(`${aboutNetworks(started)}\n\n${table.head()}`)
    } else {
      const { row } = news
      rows.push(row)
      console.log(table!.line(row))
      for (const failure of row.failures) console.error(`${row.name}: ${failure}`)
      if (row.failures.length) process.exitCode = 1
    }
  }
  if (browser) await (await import('./browsers.js')).benchInPage(browser, wanted, report)
  else {
    const library = { ...(await import('../src/index.js')), ...(await import('../src/onnx/index.js')) }
    await benchNetworks(wanted, { library, peers: await peersHere(), alone: measureAlone }, report)
  }
  const about = aboutNetworks(started!)
  console.log(`\n${table!.summary(rows)}`)
  if (json) writeFileSync(json, JSON.stringify({ about, ...started, rows }, null, 1))
  if (options.readme) writeBetween(`networks ${browser ?? 'node'}`, `${about}\n\n${table!.markdown(rows)}`)
}

/** The files of a folder that the user named from where npm was called. */
async function runModels(): Promise<void> {
  const [, folder, ...more] = positionals
  if (!folder || more.length) throw new Error('models takes a folder: npm run bench -- models DIR')
  await peersHere()
  const { benchModels } = await import('./models.js')
  const { rows, table, peer, ...place } = await benchModels(
    {
      folder: resolve(process.env['INIT_CWD'] ?? '.', folder),
      only,
      simd,
      dimensions: mapped(numbersByName(options.dimensions), ([length]) => length!),
      values: numbersByName(options.values),
      ...(quick && { budget: 500 }),
    },
    console.log,
  )
  if (json) writeFileSync(json, JSON.stringify(rows, null, 1))
  const about = `${placeOf(place)}\nBeside it, in turns: ${peer}, one thread each; "by": its time by ours. Medians in ms and the least times, numbers in and numbers out; "apart": the largest difference of outputs, as a part of the largest number.`
  if (options.readme) writeBetween(`models ${place.build}`, `${about}\n\n${table}`)
}

/** 'batch=1,x[1]=512/2' -> { batch: [1], 'x[1]': [512, 2] } */
function numbersByName(text: string | undefined): Record<string, number[]> {
  return Object.fromEntries(
    (text?.split(',') ?? []).map((part) => {
      const [, name, numbers] = /^(.+)=(-?[\d.]+(?:\/-?[\d.]+)*)$/.exec(part) ?? []
      if (!name) throw new Error(`expected NAME=NUMBER, as batch=1, got '${part}'`)
      return [name, numbers!.split('/').map(Number)]
    }),
  )
}

function mapped<T, U>(record: Record<string, T>, change: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
}

async function runImages(): Promise<void> {
  const { benchImages } = await import('./images.js')
  const { markdown, rows, wrong } = await benchImages({ only, peers }, console.log)
  if (json) writeFileSync(json, JSON.stringify(rows, null, 1))
  if (options.readme) writeBetween('images', markdown)
  process.exitCode = Number(wrong)
}

async function runTraining(): Promise<void> {
  const { build, features, table } = await (await import('./train.js')).benchTraining({
    simd,
    threads,
    peers,
  })
  const about = `${placeOf({ build, features })}\n${ABOUT_TIMES}`
  if (options.readme) writeBetween('train', `${about}\n\n${table}`)
}

async function runRecurrent(): Promise<void> {
  const { build, features, table } = await (await import('./recurrent.js')).benchRecurrent({
    simd,
    threads,
    peers,
    only,
    ...(quick && { budget: 300 }),
  })
  const about = `${placeOf({ build, features })}\nTimes are medians in ms, numbers in and numbers out (behind them: by ours); one thread unless it says otherwise. (drift): who is faster by medians is slower by the least times.`
  if (options.readme) writeBetween('recurrent', `${about}\n\n${table}`)
}

/** 8-bit layers: a table for each build and browser. */
async function runInt8(): Promise<void> {
  const wanted: WantedBytes = { bench: 'int8', simd, peers, only, budget: quick ? 300 : undefined }
  const lines: string[] = []
  let about = ''
  let place = ''
  const take = (news: ByteNews): void => {
    if ('start' in news) {
      const { build, contenders, host } = news.start
      const versions = versionsOf(contenders)
      const beside = versions.length ? ` Beside it: ${versions.join(', ')}.` : ''
      about = `${placeOf(news.start)}${beside}\nGop/s by medians (by the least times), 2 for a multiply-add; one thread. (drift): who is faster by medians is slower by the least times.`
      place = `int8 ${host ? browser : build}`
      return
    }
    lines.push(`| ${news.cells.join(' | ')} |`)
    console.log(lines.at(-1))
    if (lines.length === 1) lines.push(`| ${news.cells.map(() => '---').join(' | ')} |`)
  }
  if (browser) await (await import('./browsers.js')).benchInPage(browser, wanted, take)
  else {
    const { benchInt8 } = await import('./int8.js')
    const library = await import('../src/index.js')
    await benchInt8(wanted, { library, peers: await peersHere() }, take)
  }
  console.log(about)
  if (options.readme) writeBetween(place, `${about}\n\n${lines.join('\n')}`)
}

/** In a process of its own. */
async function measureAlone(name: string, contender: number, bytes: Uint8Array): Promise<Alone> {
  mkdirSync('build', { recursive: true })
  const file = join('build', 'bench-network.onnx')
  writeFileSync(file, bytes)
  try {
    const args = [...process.execArgv, 'bench/build/alone.js', name, String(contender), file, simd ?? '']
    if (simd === 'relaxed' && process.versions.node.startsWith('20.'))
      args.unshift('--experimental-wasm-relaxed-simd')
    return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }))
  } finally {
    unlinkSync(file)
  }
}

/** The layers asked for; a quick run takes the first of each kind. */
function select(): Problem[] {
  const text = readdirSync('bench/shapes').map((file) => readFileSync(`bench/shapes/${file}`, 'utf8'))
  const parts = only?.split(',') ?? ['']
  const problems = parseLayers(text.join('\n')).filter(({ line, names, kind }) =>
    parts.some((part) => [line, kind, ...names].some((word) => word.includes(part))),
  )
  return quick ? problems.filter(({ kind }, i) => kind !== problems[i - 1]?.kind) : problems
}

/** Who else is asked, after this process was given the build that is wanted. */
async function peersHere(): Promise<readonly (() => Promise<Contender>)[]> {
  // Node 20 has relaxed SIMD behind this flag; later ones do not know it any more.
  if (simd === 'relaxed' && process.versions.node.startsWith('20.'))
    setFlagsFromString('--experimental-wasm-relaxed-simd')
  return peers ? (await import('./peers/node.js')).peers : []
}

function installPeers(): void {
  const age = (path: string) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (age('bench/node_modules/.package-lock.json') >= age('bench/package-lock.json')) return
  console.log('Installing the peers into bench/node_modules ...')
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: 'bench', stdio: 'inherit' })
}

function aboutNetworks({ contenders, host, features }: NetworkStart): string {
  const versions = versionsOf(contenders)
  return [
    placeOf({ build: contenders[0]!.version, host, features }),
    `Batch 1, batch normalisation ${options['batch-norm'] ? 'by itself' : 'folded'}. Of whole runs, numbers in and numbers out. ${ABOUT_TIMES}`,
    browser
      ? '"first answer": from the bytes of the file to the end of the first run.'
      : '"first answer": from nothing to the end of the first run; "MB": the most memory of the process by then and two runs later; each in a process of its own.',
    ...(versions.length ? [`Beside it, in the same run: ${versions.join(', ')}.`] : []),
  ].join('\n')
}

function aboutLayers({ peak, contenders, host, features }: Start): string {
  const versions = versionsOf(contenders)
  return [
    placeOf({ build: contenders[0]!.version, host, features }),
    `Multiply-add peak of one thread: ${peak.toFixed(1)} GFLOP/s. ${ABOUT_TIMES}`,
    ...(versions.length
      ? [
          `Beside it, in the same run: ${versions.join(', ')}. "a + b": a with input and output kept inside, b what copying them in and out adds to each call.`,
        ]
      : []),
  ].join('\n')
}

/** Slower by median and by 10th percentile, so that a noisy neighbour is not taken for a bad choice. */
function assertChoices({ contenders }: Start, rows: readonly Row[]): void {
  const [auto, ...choices] = contenders
    .filter(({ peer, threads }) => !peer && threads === 1)
    .map(({ name }) => name) as [string, ...string[]]
  for (const { name, results } of rows) {
    const own = results[auto]!
    for (const choice of choices) {
      const other = results[choice]
      if (!other || !(['ms', 'low'] as const).every((at) => own[at] > ALLOWED * other[at])) continue
      console.error(`${name}: auto takes ${own.ms.toFixed(3)} ms, ${choice} ${other.ms.toFixed(3)} ms`)
      process.exitCode = 1
    }
  }
}
