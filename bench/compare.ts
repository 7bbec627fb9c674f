/**
 * Measures layers in every contender: same data, outputs checked against each other, then timed in turns.
 * Runs in Node and in a page.
 */
import type * as Library from '../src/index.js'
import { conv2dOptions, dataOf, type Numbers, operations, type Problem } from './cases.js'
import type { Contender, Core, Prepared } from './contender.js'
import { difference, measure, measurePeak, type Timing } from './measure.js'
import { filterbank } from './peers/filterbank.js'

/** What a report says of a contender. */
export interface ContenderFacts {
  name: string
  version: string
  /** Not a way of filterbank. */
  peer: boolean
  native: boolean
  threads: number
}

export const factsOf = (
  { name, version, native = false, threads = 1 }: Contender,
  peer: boolean,
): ContenderFacts => ({ name, version, native, threads, peer })

/** A layer that was measured. */
export interface Row {
  line: string
  name: string
  kind: string
  operations: number
  /** Read and written, filter included. */
  bytes: number
  /** By contender; `copies` is the milliseconds that its copies add. */
  results: Record<string, Timing & { copies?: number }>
}

/** A layer that was not: filterbank lacks the op, or two outputs differ. */
export type Unmeasured = { line: string; name: string } & ({ missing: string } | { wrong: string })

/** What comes before the rows. `host`: where it is not Node. */
export interface Start {
  /** GFLOP/s of multiply-adds. */
  peak: number
  features: string
  contenders: ContenderFacts[]
  host?: string
}

export interface Wanted {
  problems: Problem[]
  simd?: 'simd128' | 'relaxed' | 'wide' | undefined
  threads?: number | undefined
  assert?: boolean | undefined
  /** Also by the other loop of dense products. */
  tiles?: boolean | undefined
  peers?: boolean | undefined
  budget?: number | undefined
}

/** filterbank's core entry, the program of bench/peak, who else there is. */
export interface Host {
  library: Core
  peak(build: string): Promise<BufferSource>
  peers: readonly (() => Promise<Contender>)[]
}

export type News = { start: Start } | { row: Row | Unmeasured }

/** The whole bench: the peak, then every layer. */
export async function bench(
  { problems, simd, threads = 1, assert, tiles, budget }: Wanted,
  { library, peak, peers }: Host,
  report: (news: News) => unknown,
): Promise<void> {
  const own = await filterbank(library, { simd, threads: 1 })
  const variants: Contender[] = []
  if (threads > 1) variants.push(await filterbank(library, { simd, threads }))
  if (tiles) {
    const tile = own.engine.tile === 'rolled' ? 'unrolled' : 'rolled'
    variants.push(await filterbank(library, { simd, threads: 1, tile }))
  }
  if (assert)
    for (const algorithm of algorithmsOf(library, problems))
      variants.push(await filterbank(library, { simd, threads: 1, algorithm }))
  const contenders = [own, ...variants]
  if (new Set(contenders.map(({ name }) => name)).size < contenders.length)
    throw new Error(`this engine does not take ${threads} threads`)
  for (const open of peers) contenders.push(await open())
  await report({
    start: {
      peak: await measurePeak(await peak(own.version)),
      features: featuresOf(await library.diagnose()),
      contenders: contenders.map((contender, i) => factsOf(contender, i > variants.length)),
    },
  })
  for await (const row of compare(problems, contenders, { budget })) await report({ row })
}

/** What the host has of what kernels may use, in words. */
export const featuresOf = ({
  simd,
  relaxedSimd,
  sharedMemory,
  byteDot,
  cores,
  tile,
}: Library.Diagnosis): string =>
  [
    simd && 'SIMD',
    relaxedSimd && 'relaxed SIMD',
    byteDot && byteDot !== 'none' && `a byte dot product (${byteDot})`,
    sharedMemory && 'shared memory',
    cores && `${cores} core${cores > 1 ? 's' : ''}`,
    tile && `the ${tile} loop`,
  ]
    .filter(Boolean)
    .join(', ')

/** Every algorithm that fits one of these layers. */
const algorithmsOf = ({ planConv2d }: Core, problems: readonly Problem[]) => [
  ...new Set(
    problems.flatMap((problem) =>
      problem.op === 'conv2d' ? planConv2d(problem.input, problem.filter!, conv2dOptions(problem)).fits : [],
    ),
  ),
]

/**
 * Outputs may differ by this part of the largest number: Winograd's rounding is within it, a wrong tap is
 * not.
 */
const TOLERANCE = 1e-4

interface Present {
  contender: Contender
  prepared: Prepared
}

/**
 * Measures each problem in every contender that can do it; outputs are checked against those of the first,
 * which is filterbank. `budget`: milliseconds of samples for one problem.
 */
export async function* compare(
  problems: readonly Problem[],
  contenders: readonly Contender[],
  options: { budget?: number | undefined },
): AsyncGenerator<Row | Unmeasured> {
  for (const problem of problems) {
    const { line, names, kind } = problem
    const name = names[0] ?? line
    const data = dataOf(problem)
    const present: Present[] = []
    try {
      for (const contender of contenders) {
        const prepared = await prepare(contender, problem, data)
        if (prepared instanceof Error) yield { line, name, wrong: prepared.message }
        else if (prepared) present.push({ contender, prepared })
        else if (contender === contenders[0]) break
      }
      const [first, ...others] = present
      if (!first) {
        yield { line, name, missing: `${contenders[0]!.name} has no ${problem.op}` }
        continue
      }
      const output = await first.prepared.output()
      const wrong = await check(output, first, others)
      if (wrong) {
        yield { line, name, wrong }
        continue
      }
      const runs = present.flatMap(({ contender: { name }, prepared: { run, runWithCopies } }) => [
        { name, run, copies: false },
        ...(runWithCopies ? [{ name, run: runWithCopies, copies: true }] : []),
      ])
      const timings = await measure(
        runs.map(({ run }) => run),
        options,
      )
      const results: Row['results'] = {}
      for (const [i, { name, copies }] of runs.entries()) {
        if (copies) results[name]!.copies = timings[i]!.ms - results[name]!.ms
        else results[name] = timings[i]!
      }
      const bytes = 4 * (data.x.length + output.length + (data.filter?.length ?? 0))
      yield { line, name, kind, operations: operations(problem, output.length), bytes, results }
    } finally {
      for (const { prepared } of present) prepared.dispose()
    }
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** A layer that one of them trips over is still measured in the others. */
async function prepare(contender: Contender, problem: Problem, data: Numbers) {
  try {
    return await contender.prepare(problem, data)
  } catch (error) {
    return new Error(`${contender.name} fails: ${messageOf(error)}`)
  }
}

/** Compares everyone's output with the first one's; a sentence where one differs. */
async function check(expected: ArrayLike<number>, first: Present, others: readonly Present[]) {
  for (const { contender, prepared } of others) {
    const apart = difference(expected, await prepared.output())
    if (!(apart <= TOLERANCE))
      return `${contender.name} and ${first.contender.name} differ by ${apart} of the largest number`
  }
  return undefined
}
