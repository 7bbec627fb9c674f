/** The bench of bench/ on this machine, in a quarter of a minute: filterbank alone, a layer of each kind. */
import { readFileSync } from 'node:fs'
import { conv2dOptions, type Problem, parseLayers } from '../../bench/cases.js'
import { type Row as Measured, bench as measureAll, type Start } from '../../bench/compare.js'
import type { Timing } from '../../bench/measure.js'
import { LAYERS } from '../../bench/short.js'
import { isMemoryBound } from '../../bench/table.js'
import { planConv2d } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { version } from '../version.js'
import type { Build } from '../wasm/load.js'
import { type Command, parse } from './command.js'
import { parseThreads } from './model.js'
import { progress } from './progress.js'
import { type Column, milliseconds, table } from './table.js'

/** Milliseconds of samples for a layer, beside the warm-up. */
const BUDGET = 400

interface Row extends Measured {
  /** How `conv2d` does it; '' of ops that have one way. */
  algorithm: string
}

function algorithmOf(problem: Problem, simd: Build): string {
  if (problem.op !== 'conv2d') return ''
  return planConv2d(problem.input, problem.filter!, { ...conv2dOptions(problem), simd }).algorithm
}

const columns: Column[] = [
  { head: 'layer', kind: 'text' },
  { head: 'kind', kind: 'text' },
  { head: 'runs as', kind: 'text' },
  { head: 'ms', kind: 'number' },
  { head: 'speed', kind: 'number' },
  { head: 'of peak', kind: 'number' },
]

function cells(row: Row, { peak, contenders }: Start): string[] {
  const [own, threaded] = contenders.map(({ name }) => row.results[name]!) as [Timing, Timing | undefined]
  const speed = row.operations / own.ms / 1e6
  const rate = isMemoryBound(row.kind)
    ? [`${(row.bytes / own.ms / 1e6).toFixed(1)} GB/s`, '']
    : [`${speed.toFixed(1)} GFLOP/s`, `${Math.round((100 * speed) / peak)} %`]
  const more = threaded ? [milliseconds(threaded.ms), `${(own.ms / threaded.ms).toFixed(2)} x`] : []
  return [row.name, row.kind, row.algorithm, milliseconds(own.ms), ...rate, ...more]
}

async function measured(
  problems: Problem[],
  threads: number,
  simd: Build | undefined,
): Promise<{ start: Start; rows: Row[] }> {
  const peak = async (build: string) => readFileSync(new URL(`peak-${build}.wasm`, import.meta.url))
  // Every op by its name, without an object of them in the core.
  const library = await import('../index.js')
  let start: Start | undefined
  const rows: Row[] = []
  using line = progress('measuring')
  await measureAll({ problems, simd, threads, budget: BUDGET }, { library, peak, peers: [] }, (news) => {
    if ('start' in news) {
      start = news.start
      return
    }
    const { row } = news
    if (!('results' in row)) {
      const trouble = 'wrong' in row ? row.wrong : row.missing
      throw new Failure(`${row.name}: ${trouble}; please report this`)
    }
    const problem = problems.find((other) => other.line === row.line)!
    rows.push({
      ...row,
      algorithm: algorithmOf(problem, start!.contenders[0]!.version as Build),
    })
    line.at(rows.length / problems.length, row.name)
  })
  return { start: start!, rows }
}

export const bench: Command = {
  summary: 'measures this machine: its peak, and a dozen kinds of layers',
  help: `Usage: filterbank bench [--threads N] [--simd BUILD] [--json]

Measures how many multiply-adds a thread of this machine does at all, and then
how near to it layers of known networks come: medians of milliseconds, the
speed and its share of that peak. 3x3 layers at stride 1 come out above it,
since Winograd's algorithm does a quarter of the multiplications. Takes about a
quarter of a minute; other programs that run meanwhile show in the numbers.

      --threads N   also with N threads
      --simd BUILD  simd128, relaxed or wide; by default what createEngine picks
      --only WORD   layers whose name or kind has it
      --json        all of it as JSON
  -h, --help`,
  async run(args) {
    const { values, positionals } = parse(args, {
      threads: { type: 'string' },
      simd: { type: 'string' },
      only: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
    })
    if (positionals.length) throw wrongUsage(`bench takes options alone, got '${positionals[0]}'`)
    const threads = parseThreads(values.threads) ?? 1
    const simd = values.simd as Build | undefined
    if (simd !== undefined && simd !== 'simd128' && simd !== 'relaxed' && simd !== 'wide')
      throw wrongUsage(`--simd takes simd128, relaxed or wide, got '${simd}'`)
    const problems = parseLayers(LAYERS).filter(({ kind, names }) =>
      [kind, ...names].some((word) => word.includes(values.only)),
    )
    if (!problems.length) throw wrongUsage(`no layer has '${values.only}' in its name or kind`)
    const { start, rows } = await measured(problems, threads, simd)
    if (values.json) console.log(JSON.stringify({ filterbank: version, ...start, rows }, null, 1))
    else {
      const more: Column[] =
        threads > 1
          ? [
              { head: `${threads} threads`, kind: 'number' },
              { head: 'gain', kind: 'number' },
            ]
          : []
      const lines = rows.map((row) => cells(row, start))
      console.log(
        `filterbank ${version}, ${start.contenders[0]!.version} build, Node ${process.versions.node}, one thread${threads > 1 ? ` and ${threads}` : ''}`,
      )
      console.log(
        `The host has ${start.features}. Peak of one thread: ${start.peak.toFixed(1)} GFLOP/s of multiply-adds\n\n${table([...columns, ...more], lines, process.stdout.columns)}`,
      )
    }
    return 0
  },
}
