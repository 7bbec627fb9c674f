import { type ParseArgsConfig, parseArgs } from 'node:util'
import { wrongUsage } from './failure.js'

export interface Command {
  /** What it does, in a few words, for the list of commands. */
  summary: string
  help: string
  /** Resolves to the exit code. */
  run(args: string[]): Promise<number>
}

/** `parseArgs`, its complaints cut to their first sentence. */
export function parse<T extends NonNullable<ParseArgsConfig['options']>>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true })
  } catch (error) {
    throw wrongUsage((error as Error).message.split(/\. |\n/)[0]!)
  }
}

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`

/** The line that a command starts with: what does the work. */
export const engineLine = ({ simd, simdReason, threads }: { simd: string; simdReason: string; threads: number }, version: string): string =>
  `filterbank ${version}, ${simd} build (${simdReason}), ${plural(threads, 'thread')}`

/** The result of `fn` and the milliseconds it took. */
export function timed<T>(fn: () => T): [result: T, milliseconds: string] {
  const start = performance.now()
  const result = fn()
  return [result, `${(performance.now() - start).toFixed(1)} ms`]
}
