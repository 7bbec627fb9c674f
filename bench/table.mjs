/** Rows of a comparison as text: a line for each layer while measuring, a summary by kind at the end, both as Markdown for the README. */
import { geometricMean } from './measure.mjs'

const MEMORY_BOUND = new Set(['pooling', 'activation', 'softmax', 'linear'])

const milliseconds = (ms) => (ms < 1 ? ms.toFixed(4) : ms < 100 ? ms.toFixed(3) : ms.toFixed(1))
const times = (ratio) => (ratio === undefined ? '' : `${ratio.toFixed(2)} x`)
const gflops = ({ operations, results }, name) => operations / results[name].ms / 1e6

/** The columns of a table. The first contender is filterbank; of the rest the fastest that is WebAssembly, and the native one, are compared with it. */
export function columnsOf(contenders, peak) {
  const [own, ...others] = contenders
  const peers = others.filter(({ peer }) => peer)
  const ratio = (row, candidates) => {
    const best = Math.min(...candidates.map(({ name }) => row.results[name]?.ms ?? Number.POSITIVE_INFINITY))
    return Number.isFinite(best) ? best / row.results[own.name].ms : undefined
  }
  const web = peers.filter(({ native }) => !native)
  const native = peers.filter(({ native }) => native)
  return {
    own,
    others,
    peak,
    /** Speed-ups over the best WebAssembly peer and the native one; undefined where none of them has the op. */
    overWeb: (row) => ratio(row, web),
    overNative: (row) => ratio(row, native),
    hasWeb: web.length > 0,
    hasNative: native.length > 0,
  }
}

/** Cells of one layer. */
function cells(row, { own, others, peak, overWeb, overNative, hasWeb, hasNative }) {
  const { ms, low, high } = row.results[own.name]
  const bound = MEMORY_BOUND.has(row.kind)
  return [
    row.name,
    milliseconds(ms),
    `${milliseconds(low)}..${milliseconds(high)}`,
    bound ? `${(row.bytes / ms / 1e6).toFixed(1)} GB/s` : gflops(row, own.name).toFixed(1),
    bound ? '' : `${((100 * gflops(row, own.name)) / peak).toFixed(0)} %`,
    ...others.map(({ name }) => {
      const result = row.results[name]
      if (!result) return ''
      return milliseconds(result.ms) + (result.copies === undefined ? '' : ` + ${milliseconds(Math.max(0, result.copies))}`)
    }),
    ...(hasWeb ? [times(overWeb(row))] : []),
    ...(hasNative ? [times(overNative(row))] : []),
  ]
}

const heads = ({ others, hasWeb, hasNative }) => [
  'layer',
  'ms',
  'p10..p90',
  'GFLOP/s',
  'peak',
  ...others.map(({ name }) => name),
  ...(hasWeb ? ['over wasm'] : []),
  ...(hasNative ? ['over native'] : []),
]

/** One line for each kind of layer: geometric means. */
function summaryCells(rows, columns) {
  const { own, peak, overWeb, overNative, hasWeb, hasNative } = columns
  const mean = (values) => {
    const present = values.filter((value) => value !== undefined)
    return present.length ? geometricMean(present) : undefined
  }
  const speed = mean(rows.map((row) => gflops(row, own.name)))
  const bound = MEMORY_BOUND.has(rows[0].kind)
  const least = (ratio) => {
    const ratios = rows.map(ratio).filter((value) => value !== undefined)
    return ratios.length ? `${times(geometricMean(ratios))} (${Math.min(...ratios).toFixed(2)} at least)` : ''
  }
  return [
    rows[0].kind,
    String(rows.length),
    bound ? `${mean(rows.map((row) => row.bytes / row.results[own.name].ms / 1e6)).toFixed(1)} GB/s` : speed.toFixed(1),
    bound ? '' : `${((100 * speed) / peak).toFixed(0)} %`,
    ...(hasWeb ? [least(overWeb)] : []),
    ...(hasNative ? [least(overNative)] : []),
  ]
}

const summaryHeads = ({ hasWeb, hasNative }) => [
  'layers',
  'number',
  'GFLOP/s',
  'peak',
  ...(hasWeb ? ['over the best WebAssembly peer'] : []),
  ...(hasNative ? ['over native'] : []),
]

const byKind = (rows) => [...new Set(rows.map(({ kind }) => kind))].map((kind) => rows.filter((row) => row.kind === kind))

/** Lines of text with the first column flush left, the others right. */
const align = (table, widths) =>
  table.map((row) => row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.slice(0, widths[0]).padEnd(widths[0]))).join('  ')).join('\n')

/** A function that prints a row, and a heading before the first of each kind. */
export function rowPrinter(columns, print) {
  const head = heads(columns)
  const widths = head.map((text, i) => Math.max(text.length, [34, 8, 16, 9, 5][i] ?? 15))
  print(`\n${align([head], widths)}`)
  let kind
  return (row) => {
    if (row.kind !== kind) print(`\n${row.kind}`)
    kind = row.kind
    print(align([cells(row, columns)], widths))
  }
}

export function summary(rows, columns) {
  const table = [summaryHeads(columns), ...byKind(rows).map((group) => summaryCells(group, columns))]
  return align(
    table,
    table[0].map((_, i) => Math.max(...table.map((row) => row[i].length))),
  )
}

const markdown = (head, body) => {
  const line = (row) => `| ${row.join(' | ')} |`
  return [line(head), line(head.map((_, i) => (i ? '--:' : ':--'))), ...body.map(line)].join('\n')
}

/** What stands between the README's markers. */
export function readme(rows, columns, about) {
  return `${about}

${markdown(
  summaryHeads(columns),
  byKind(rows).map((group) => summaryCells(group, columns)),
)}

<details><summary>Every layer</summary>

${markdown(
  heads(columns),
  rows.map((row) => cells(row, columns)),
)}

</details>`
}
