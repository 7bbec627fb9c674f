/**
 * Rows of a comparison as text: a line for each layer while measuring, a summary by kind at the end, both as
 * Markdown for doc/benchmarks.md.
 */
import { geometricMean } from './measure.mjs'

/** Kinds that wait for memory, not for multiply-adds. */
const MEMORY_BOUND = new Set(['linear', 'pooling', 'activation', 'softmax'])
/** More threads are judged by layers that take at least so long on one. */
const THREADS_FROM_MS = 1

const milliseconds = (ms) => (ms < 1 ? ms.toFixed(4) : ms < 100 ? ms.toFixed(3) : ms.toFixed(1))
export const times = (ratio) => `${ratio.toFixed(2)} x`

/**
 * What to print about contenders, of whom the first is filterbank.
 * @param {{ name: string, peer: boolean, native: boolean, threads: number }[]} contenders
 * @param {number} peak GFLOP/s
 */
export function columnsOf([own, ...others], peak) {
  const best = (row, candidates, at = 'ms') =>
    Math.min(...candidates.map(({ name }) => row.results[name]?.[at] ?? Number.POSITIVE_INFINITY))
  /** Who is faster by medians is slower by the least times: the machine changed meanwhile. */
  const drifts = (row, candidates) =>
    best(row, candidates) > row.results[own.name].ms !==
    best(row, candidates, 'min') > row.results[own.name].min
  /** `of` gives a ratio, or undefined for a row that has none. */
  const over = (head, candidates) => ({
    head,
    present: candidates.length > 0,
    of: (row) =>
      candidates.some(({ name }) => row.results[name])
        ? best(row, candidates) / row.results[own.name].ms
        : undefined,
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
        of: (row) =>
          row.results[own.name].ms < THREADS_FROM_MS
            ? undefined
            : row.results[own.name].ms / best(row, threaded),
        drifts: (row) => drifts(row, threaded),
      },
    ].filter(({ present }) => present),
  }
}

/** GFLOP/s and the share of the peak; GB/s where memory is the limit. */
function speed(rows, { own, peak }) {
  const rate = (amount) => geometricMean(rows.map((row) => row[amount] / row.results[own].ms / 1e6))
  if (MEMORY_BOUND.has(rows[0].kind)) return [`${rate('bytes').toFixed(1)} GB/s`, '']
  return [rate('operations').toFixed(1), `${((100 * rate('operations')) / peak).toFixed(0)} %`]
}

/** Cells of one layer. */
function cells(row, columns) {
  const { ms, min, low, high } = row.results[columns.own]
  const time = (result) => {
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
    ...columns.ratios.map(({ of, drifts }) =>
      of(row) === undefined ? '' : times(of(row)) + (drifts(row) ? ' (drift)' : ''),
    ),
  ]
}

const heads = ({ others, ratios }) => [
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
function summaryCells(rows, columns) {
  const ratio = ({ of }) => {
    const all = rows.map(of).filter((value) => value !== undefined)
    return all.length ? `${times(geometricMean(all))}, each at least ${Math.min(...all).toFixed(2)}` : ''
  }
  return [rows[0].kind, String(rows.length), ...speed(rows, columns), ...columns.ratios.map(ratio)]
}

const summaryHeads = ({ ratios }) => ['kind', 'layers', 'GFLOP/s', 'peak', ...ratios.map(({ head }) => head)]

function summaryRows(rows, columns) {
  const kinds = [...new Set(rows.map(({ kind }) => kind))]
  return kinds.map((kind) =>
    summaryCells(
      rows.filter((row) => row.kind === kind),
      columns,
    ),
  )
}

/** Lines of text with the first column flush left, the others right. */
export const align = (table, widths) =>
  table
    .map((row) =>
      row
        .map((cell, i) => (i ? cell.padStart(widths[i]) : cell.slice(0, widths[0]).padEnd(widths[0])))
        .join('  '),
    )
    .join('\n')

/** A function that prints a row, and a heading before the first of each kind. */
export function rowPrinter(columns, print) {
  const head = heads(columns)
  const widths = head.map((text, i) =>
    Math.max(text.length, [34, 8, 8, 16, 9, 5][i] ?? (i < 6 + columns.others.length ? 15 : 0)),
  )
  print(`\n${align([head], widths)}`)
  let kind
  return (row) => {
    if (row.kind !== kind) print(`\n${row.kind}`)
    kind = row.kind
    print(align([cells(row, columns)], widths))
  }
}

export function summary(rows, columns) {
  const table = [summaryHeads(columns), ...summaryRows(rows, columns)]
  const widths = table[0].map((_, i) => Math.max(...table.map((row) => row[i].length)))
  return align(table, widths)
}

export function markdown(head, body) {
  const line = (row) => `| ${row.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i ? '--:' : ':--'))), ...body.map(line)].join('\n')
}

/** What stands between the markers of doc/benchmarks.md. */
export function readme(rows, columns, about) {
  const layers = rows.map((row) => cells(row, columns))
  return `${about}

${markdown(summaryHeads(columns), summaryRows(rows, columns))}

<details><summary>Every layer</summary>

${markdown(heads(columns), layers)}

</details>`
}
