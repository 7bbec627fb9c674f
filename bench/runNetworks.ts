/**
 * Runs whole networks in every contender: outputs checked against each other, then timed in turns. Runs in
 * Node and in a page.
 */
import type { loadModel } from '../src/onnx/index.js'
import { type ContenderFacts, factsOf, featuresOf, messageOf } from './compare.js'
import type { Contender, Core, PreparedNetwork } from './contender.js'
import { difference, driftMark, geometricMean, measure, type Timing } from './measure.js'
import { network, photoFor, toOnnx } from './networks.js'
import { filterbankModels } from './peers/filterbank.js'
import { align, markdown, times } from './table.js'

/**
 * Outputs may differ by this part of the largest number: the rounding of fifty layers is within it, a wrong
 * tap is not.
 */
const TOLERANCE = 1e-3

/** What starting takes. */
export interface Alone {
  /** Milliseconds from nothing to a loaded model. */
  load: number
  /** Milliseconds of the first run. */
  first: number
  /** The most bytes that the process took; a page does not tell. */
  peak?: number
}

export interface NetworkRow {
  name: string
  /** By contender. */
  results: Record<string, Timing>
  /** By contender, each in a process of its own; in a page one after another. */
  alone: Record<string, Alone>
  failures: string[]
}

export interface WantedNetworks {
  names: string[]
  batchNorm?: boolean | undefined
  simd?: 'simd128' | 'relaxed' | 'wide' | undefined
  threads?: number | undefined
  peers?: boolean | undefined
  budget?: number
}

export interface NetworkStart {
  features: string
  contenders: ContenderFacts[]
  host?: string
}

export type NetworkNews = { start: NetworkStart } | { row: NetworkRow }

/** Starts a contender in a process of its own: 0 is filterbank, then the peers. */
type MeasureAlone = (name: string, contender: number, bytes: Uint8Array) => Promise<Alone>

export interface NetworkHost {
  library: Core & { loadModel: typeof loadModel }
  peers: readonly (() => Promise<Contender>)[]
  alone?: MeasureAlone
}

export async function benchNetworks(
  { names, batchNorm, simd, threads = 1, budget = 4000 }: WantedNetworks,
  { library, peers, alone }: NetworkHost,
  report: (news: NetworkNews) => unknown,
): Promise<void> {
  const contenders: Contender[] = [await filterbankModels(library, { simd, threads: 1 })]
  if (threads > 1) contenders.push(await filterbankModels(library, { simd, threads }))
  const own = contenders.length
  for (const open of peers) {
    const peer = await open()
    if (peer.network) contenders.push(peer)
  }
  await report({
    start: {
      features: featuresOf(await library.diagnose()),
      contenders: contenders.map((contender, i) => factsOf(contender, i >= own)),
    },
  })
  for (const name of names) {
    const net = network(name, { batchNorm })
    const bytes = toOnnx(net)
    const photo = photoFor(net)
    const row: NetworkRow = { name, results: {}, alone: {}, failures: [] }
    const present: { contender: Contender; prepared: PreparedNetwork }[] = []
    try {
      let expected: ArrayLike<number> | undefined
      for (const [i, contender] of contenders.entries()) {
        try {
          // More threads start with one process as one thread does, and tfjs reads no such files.
          const measured =
            alone && contender.reads && (i === 0 || i >= own)
              ? await alone(name, i ? i - own + 1 : 0, bytes)
              : undefined
          const start = performance.now()
          const prepared = await contender.network?.(net, bytes, photo)
          if (!prepared) continue
          const load = performance.now() - start
          present.push({ contender, prepared })
          const output = await prepared.run()
          if (contender.reads)
            row.alone[contender.name] = measured ?? { load, first: performance.now() - start - load }
          expected ??= output
          const apart = difference(expected, output)
          if (!(apart <= TOLERANCE))
            row.failures.push(`${contender.name} differs by ${apart} of the largest number`)
        } catch (error) {
          row.failures.push(`${contender.name} fails: ${messageOf(error)}`)
        }
      }
      const timings = await measure(
        present.map(({ prepared }) => prepared.run),
        { budget, rounds: [5, 51] },
      )
      for (const [i, { contender }] of present.entries()) row.results[contender.name] = timings[i]!
    } finally {
      for (const { prepared } of present) prepared.dispose()
    }
    await report({ row })
  }
}

const milliseconds = (ms: number | undefined): string =>
  ms === undefined ? '' : ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)

/** Ratios that are not: of contenders that failed. */
const NONE = Number.NaN

/**
 * Rows as text.
 * @param contenders the first is filterbank on one thread
 * @param inPage no process tells its memory there
 */
export function tableOf(contenders: readonly ContenderFacts[], inPage: boolean) {
  const [own, ...others] = contenders.map(({ name }) => name) as [string, ...string[]]
  const named = (test: (contender: ContenderFacts) => boolean) =>
    contenders.filter(test).map(({ name }) => name)
  const time = (row: NetworkRow, name: string): number => row.results[name]?.ms ?? NONE
  const ratio = (head: string, names: readonly string[]) => ({
    head,
    of: (row: NetworkRow) =>
      Math.min(...names.map((name) => row.results[name]?.ms ?? Number.POSITIVE_INFINITY)) / time(row, own),
    drift: (row: NetworkRow) => {
      const best = names.flatMap((name) => row.results[name] ?? []).sort((a, b) => a.ms - b.ms)[0]
      return driftMark(row.results[own], best)
    },
    present: names.length > 0,
  })
  const web = named(({ name }) => name === 'onnxruntime-web')[0]
  const threaded = named(({ peer, threads }) => !peer && threads > 1)[0]
  const ratios = [
    ratio(
      'over wasm',
      named(({ peer, native }) => peer && !native),
    ),
    ratio(
      'over native',
      named(({ native }) => native),
    ),
    {
      head: 'by threads',
      of: (row: NetworkRow) => time(row, own) / time(row, threaded!),
      drift: (row: NetworkRow) => driftMark(row.results[own], row.results[threaded!]),
      present: threaded !== undefined,
    },
  ].filter(({ present }) => present)
  const start = (alone: Alone | undefined) => (alone ? milliseconds(alone.load + alone.first) : '')
  const memory = ({ peak }: Partial<Alone> = {}) => (peak === undefined ? '' : (peak / 2 ** 20).toFixed(0))
  const both = [own, ...(web ? [web] : [])]
  const withPeer = (head: string) => [head, ...(web ? [`of ${web}`] : [])]
  const heads = [
    'network',
    'ms',
    'min',
    'p10..p90',
    ...others,
    ...ratios.map(({ head }) => head),
    ...withPeer('first answer'),
    ...(inPage ? [] : withPeer('MB')),
  ]
  const cells = (row: NetworkRow): string[] => {
    const timing = row.results[own]
    const value = (of: (row: NetworkRow) => number) => (Number.isFinite(of(row)) ? times(of(row)) : '')
    return [
      row.name,
      milliseconds(timing?.ms),
      milliseconds(timing?.min),
      timing ? `${milliseconds(timing.low)}..${milliseconds(timing.high)}` : '',
      ...others.map((name) => milliseconds(row.results[name]?.ms)),
      ...ratios.map(({ of, drift }) => value(of) && value(of) + drift(row)),
      ...both.map((name) => start(row.alone[name])),
      ...(inPage ? [] : both.map((name) => memory(row.alone[name]))),
    ]
  }
  const widths = heads.map((head, i) => Math.max(head.length, i ? 9 : 16))
  const mean = ({ head, of }: (typeof ratios)[number], rows: readonly NetworkRow[]) => {
    const all = rows.map(of).filter(Number.isFinite)
    return all.length ? `${head} ${times(geometricMean(all))}` : ''
  }
  return {
    head: () => align([heads], widths),
    line: (row: NetworkRow) => align([cells(row)], widths),
    summary: (rows: readonly NetworkRow[]) =>
      `geometric means: ${
        ratios
          .map((one) => mean(one, rows))
          .filter(Boolean)
          .join(', ') || 'none without peers'
      }`,
    markdown: (rows: readonly NetworkRow[]) => markdown(heads, rows.map(cells)),
  }
}
