/** How far training is: a bar where someone looks at it, plain lines elsewhere. */
import { SingleBar } from 'cli-progress'

const seconds = (value) => {
  const whole = Math.ceil(value)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}

/**
 * Tells of steps done, the loss, and the time left.
 *
 * @param {string} what that is done: `Learning`
 * @param {number} total steps in all
 * @param {{ lines?: number, stream?: NodeJS.WritableStream & { isTTY?: boolean }, print?: (line: string) =>
 *   void }} options lines: how many there are where no terminal is, 10 by default; stream: where the bar is
 *   drawn, stderr; print: where lines go
 * @returns at(step, loss): step of `total` done; end(): the bar stays as it is
 */
export function progress(what, total, { lines = 10, stream = process.stderr, print = console.log } = {}) {
  const start = performance.now()
  const bar = stream.isTTY
    ? new SingleBar({
        format: `${what} {bar} {percentage} %  loss {loss}  {left} to go`,
        barsize: 30,
        hideCursor: true,
        stream,
      })
    : undefined
  const end = () => bar?.stop()
  let told = 0
  bar?.start(total, 0, { loss: '-', left: '-' })
  // A bar hides the cursor: what throws must not leave it so.
  process.once('exit', end)
  return {
    at(step, loss) {
      const left = seconds((((performance.now() - start) / 1000) * (total - step)) / step)
      if (bar) {
        bar.update(step, { loss: loss.toFixed(4), left })
        return
      }
      const line = Math.floor((step * lines) / total)
      if (line <= told) return
      told = line
      print(`  ${what}: step ${step} of ${total}, loss ${loss.toFixed(4)}, ${left} to go`)
    },
    end() {
      process.off('exit', end)
      end()
    },
  }
}

/**
 * The same for `fit`: what it takes as `onBatch` and `onEpoch`.
 *
 * @param {string} what
 * @param {number} epochs
 * @param {Parameters<typeof progress>[2]} options
 */
export function fitProgress(what, epochs, options = {}) {
  const { print = console.log, stream = process.stderr } = options
  let bar
  const start = performance.now()
  return {
    onBatch({ epoch, batch, batches, loss }) {
      bar ??= progress(what, epochs * batches, { ...options, lines: 0 })
      bar.at((epoch - 1) * batches + batch, loss)
    },
    onEpoch({ epoch, loss, validation }) {
      if (epoch === epochs) bar?.end()
      if (stream.isTTY) return
      const test = validation ? `, ${validation.loss.toFixed(4)} in the test` : ''
      const left = seconds((((performance.now() - start) / 1000) * (epochs - epoch)) / epoch)
      print(`  ${what}: epoch ${epoch} of ${epochs}, loss ${loss.toFixed(4)}${test}, ${left} to go`)
    },
  }
}
