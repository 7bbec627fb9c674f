/**
 * Rows of a comparison as text: a line for each layer while measuring, a summary by kind at the end, both as
 * Markdown for doc/benchmarks.md.
 */
import type { ContenderFacts, Row } from './compare.js'
import { geometricMean, type Timing } from './measure.js'

/** Whether layers of a kind wait for memory, not for multiply-adds. */
export const isMemoryBound = (kind: string): boolean =>
  ['linear', 'pooling', 'activation', 'softmax'].includes(kind)
/** More threads are judged by layers that take at least so long on one. */
const THREADS_FROM_MS = 1

const milliseconds = (ms: number) => (ms < 1 ? ms.toFixed(4) : ms < 100 ? ms.toFixed(3) : ms.toFixed(1))
export const times = (ratio: number) => `${ratio.toFixed(2)} x`

interface Ratio {
  head: string
  present: boolean
  /** Undefined for a row that has none. */
  of(row: Row): number | undefined
  /** Who is faster by medians is slower by the least times: the machine changed meanwhile. */
  drifts(row: Row): boolean
}

export interface Columns {
  own: string
  others: string[]
  /** GFLOP/s */
  peak: number
  ratios: Ratio[]
}

/** What to print about contenders, of whom the first is filterbank. */
export function columnsOf(contenders: readonly ContenderFacts[], peak: number): Columns {
  const [own, ...others] = contenders as [ContenderFacts, ...ContenderFacts[]]
  const ownTime = (row: Row, at: 'ms' | 'min' = 'ms'): number => row.results[own.name]![at]
  const best = (row: Row, candidates: readonly ContenderFacts[], at: 'ms' | 'min' = 'ms'): number =>
    Math.min(...candidates.map(({ name }) => row.results[name]?.[at] ?? Number.POSITIVE_INFINITY))
  const drifts = (row: Row, candidates: readonly ContenderFacts[]): boolean =>
    best(row, candidates) > ownTime(row) !== best(row, candidates, 'min') > ownTime(row, 'min')
  const over = (head: string, candidates: readonly ContenderFacts[]): Ratio => ({
    head,
    present: candidates.length > 0,
    of: (row) =>
      candidates.some(({ name }) => row.results[name]) ? best(row, candidates) / ownTime(row) : undefined,
    drifts: (row) => drifts(row, candidates),
  })
  const threaded = others.filter(({ peer, threads }) => !peer && threads > 1)
  return {
    own: own.name,
    others: others.map(({ name }) => name),
    peak,
    ratios: [
      over(
        'over wasm',
        others.filter(({ peer, native }) => peer && !native),
      ),
      over(
        'over native',
        others.filter(({ native }) => native),
      ),
      {
        head: 'by threads',
        present: threaded.length > 0,
        of: (row: Row) => (ownTime(row) < THREADS_FROM_MS ? undefined : ownTime(row) / best(row, threaded)),
        drifts: (row: Row) => drifts(row, threaded),
      },
    ].filter(({ present }) => present),
  }
}

/** GFLOP/s and the share of the peak; GB/s where memory is the limit. */
function speed(rows: readonly Row[], { own, peak }: Columns): [string, string] {
  const rate = (amount: 'bytes' | 'operations') =>
    geometricMean(rows.map((row) => row[amount] / row.results[own]!.ms / 1e6))
  if (isMemoryBound(rows[0]!.kind)) return [`${rate('bytes').toFixed(1)} GB/s`, '']
  return [rate('operations').toFixed(1), `${((100 * rate('operations')) / peak).toFixed(0)} %`]
}

/** Cells of one layer. */
function cells(row: Row, columns: Columns): string[] {
  const { ms, min, low, high } = row.results[columns.own]!
  const time = (result: (Timing & { copies?: number }) | undefined) => {
    if (!result) return ''
    return (
      milliseconds(result.ms) +
      (result.copies === undefined ? '' : ` + ${milliseconds(Math.max(0, result.copies))}`)
    )
  }
  return [
    row.name,
    milliseconds(ms),
    milliseconds(min),
    `${milliseconds(low)}..${milliseconds(high)}`,
    ...speed([row], columns),
    ...columns.others.map((name) => time(row.results[name])),
    ...columns.ratios.map(({ of, drifts }) => {
      const ratio = of(row)
      return ratio === undefined ? '' : times(ratio) + (drifts(row) ? ' (drift)' : '')
    }),
  ]
}

const heads = ({ others, ratios }: Columns): string[] => [
  'layer',
  'ms',
  'min',
  'p10..p90',
  'GFLOP/s',
  'peak',
  ...others,
  ...ratios.map(({ head }) => head),
]

/** Cells of all layers of one kind: geometric means. */
function summaryCells(rows: readonly Row[], columns: Columns): string[] {
  const ratio = ({ of }: Ratio) => {
    const all = rows.map(of).filter((value) => value !== undefined)
    return all.length ? `${times(geometricMean(all))}, each at least ${Math.min(...all).toFixed(2)}` : ''
  }
  return [rows[0]!.kind, String(rows.length), ...speed(rows, columns), ...columns.ratios.map(ratio)]
}

const summaryHeads = ({ ratios }: Columns): string[] => [
  'kind',
  'layers',
  'GFLOP/s',
  'peak',
  ...ratios.map(({ head }) => head),
]

function summaryRows(rows: readonly Row[], columns: Columns): string[][] {
  const kinds = [...new Set(rows.map(({ kind }) => kind))]
  return kinds.map((kind) =>
    summaryCells(
      rows.filter((row) => row.kind === kind),
      columns,
    ),
  )
}

/** Lines of text with the first column flush left, the others right. */
export const align = (table: readonly string[][], widths: readonly number[]): string =>
  table
    .map((row) =>
      row
        .map((cell, i) => (i ? cell.padStart(widths[i]!) : cell.slice(0, widths[0]).padEnd(widths[0]!)))
        .join('  '),
    )
    .join('\n')

/** A function that prints a row, and a heading before the first of each kind. */
export function rowPrinter(columns: Columns, print: (line: string) => void): (row: Row) => void {
  const head = heads(columns)
  const widths = head.map((text, i) =>
    Math.max(text.length, [34, 8, 8, 16, 9, 5][i] ?? (i < 6 + columns.others.length ? 15 : 0)),
  )
  print(`\n${align([head], widths)}`)
  let kind: string | undefined
  return (row) => {
    if (row.kind !== kind) print(`\n${row.kind}`)
    kind = row.kind
    print(align([cells(row, columns)], widths))
  }
}

export function summary(rows: readonly Row[], columns: Columns): string {
  const table = [summaryHeads(columns), ...summaryRows(rows, columns)]
  const widths = table[0]!.map((_, i) => Math.max(...table.map((row) => row[i]!.length)))
  return align(table, widths)
}

export function markdown(head: string[], body: readonly string[][]): string {
  const line = (row: string[]) => `| ${row.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i ? '--:' : ':--'))), ...body.map(line)].join('\n')
}

/** What stands between the markers of doc/benchmarks.md. */
export function readme(rows: readonly Row[], columns: Columns, about: string): string {
  const layers = rows.map((row) => cells(row, columns))
  return `${about}

${markdown(summaryHeads(columns), summaryRows(rows, columns))}

<details><summary>Every layer</summary>

${markdown(heads(columns), layers)}

</details>`
}
