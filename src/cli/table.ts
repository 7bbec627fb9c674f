/** Text in columns, for terminals of any width. */

export interface Column {
  head: string
  /** Numbers are flush right; texts flush left, and wrapped where the terminal is too narrow. */
  kind: 'text' | 'number'
}

const GAP = 2
/** No text column is made narrower. */
const NARROWEST = 8

/**
 * Lines of a table. A row `'-'` is a rule.
 * @param width columns of the terminal; undefined where nobody looks: then nothing is wrapped
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[] | '-')[],
  width: number | undefined,
): string {
  const all = [columns.map(({ head }) => head), ...rows.filter((row) => row !== '-')]
  const widths = columns.map((_, i) => Math.max(...all.map((row) => row[i]!.length)))
  if (width !== undefined) narrow(columns, widths, width)
  const line = (row: readonly string[]): string => {
    const cells = row.map((cell, i) => (columns[i]!.kind === 'text' ? wrap(cell, widths[i]!) : [cell]))
    return Array.from({ length: Math.max(...cells.map(({ length }) => length)) }, (_, at) =>
      cells
        .map((lines, i) => {
          const text = lines[at] ?? ''
          return columns[i]!.kind === 'text' ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)
        })
        .join(' '.repeat(GAP))
        .trimEnd(),
    ).join('\n')
  }
  const rule = '-'.repeat(widths.reduce((sum, w) => sum + w + GAP, -GAP))
  return [line(all[0]!), rule, ...rows.map((row) => (row === '-' ? rule : line(row)))].join('\n')
}

/** Takes from the widest text column until all fit, or none has any to give. */
function narrow(columns: readonly Column[], widths: number[], width: number): void {
  for (let over = widths.reduce((sum, w) => sum + w + GAP, -GAP) - width; over > 0; over--) {
    let widest = -1
    columns.forEach(({ kind }, i) => {
      if (kind === 'text' && widths[i]! > NARROWEST && (widest < 0 || widths[i]! > widths[widest]!))
        widest = i
    })
    if (widest < 0) return
    widths[widest]!--
  }
}

/**
 * Pieces of at most `width`, cut behind a space, a sign of punctuation or the small letter before a capital,
 * where there is one in the second half.
 */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let rest = text
  while (rest.length > width) {
    const ends = [...rest.slice(0, width + 1).matchAll(/(?<=[\s/_.,:+-])|(?<=[a-z])(?=[A-Z])/g)].map(
      ({ index }) => index,
    )
    const last = ends.findLast((end) => end <= width) ?? 0
    const cut = last > width >> 1 ? last : width
    lines.push(rest.slice(0, cut).trimEnd())
    rest = rest.slice(cut).trimStart()
  }
  return [...lines, rest]
}

/** 1234567 -> '1,234,567' */
export const count = (value: number): string => value.toLocaleString('en-US')

/** 1234567 -> '1.23 M' */
export function short(value: number): string {
  if (value < 1000) return String(value)
  const step = Math.min(4, Math.floor(Math.log10(value) / 3))
  return `${(value / 1000 ** step).toPrecision(3)} ${' KMGT'[step]}`
}

export const milliseconds = (ms: number): string =>
  ms < 1 ? ms.toFixed(3) : ms < 10 ? ms.toFixed(2) : ms.toFixed(1)
