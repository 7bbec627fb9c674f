/**
 * How far something is that takes long, on one line of stderr: nothing where that is no terminal, and nothing
 * of what is done at once.
 */
import { disposal } from '../base/realm.js'

/** Milliseconds that nobody is told of. */
const QUIET = 300
/** Between two pictures of the line. */
const PERIOD = 60
const BAR = 24

export interface Progress extends Disposable {
  /** `share`: from 0 to 1; undefined where nobody knows how much there is. */
  at(share: number | undefined, detail?: string): void
}

interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

export function progress(what: string, terminal: Terminal = process.stderr): Progress {
  const start = performance.now()
  let last = start - PERIOD
  let shown = false
  return {
    at(share, detail = '') {
      const now = performance.now()
      if (!terminal.isTTY || now - start < QUIET || now - last < PERIOD) return
      last = now
      shown = true
      const filled = Math.round((share ?? 0) * BAR)
      const bar =
        share === undefined
          ? ''
          : ` [${'='.repeat(filled)}${' '.repeat(BAR - filled)}] ${Math.round(share * 100)} %`
      terminal.write(`\r\x1b[K${`${what}${bar} ${detail}`.trimEnd().slice(0, (terminal.columns ?? 80) - 1)}`)
    },
    [disposal]() {
      if (shown) terminal.write('\r\x1b[K')
    },
  }
}
