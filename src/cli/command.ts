import { type ParseArgsConfig, parseArgs } from 'node:util'
import { wrongUsage } from '../node/failure.js'

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
    return parseArgs({ args: joinNegative(args, options), options, allowPositionals: true })
  } catch (error) {
    throw wrongUsage((error as Error).message.split(/\. |\n/)[0]!)
  }
}

/** `--range -1,1`, which parseArgs would take for an option, as `--range=-1,1`. */
function joinNegative(args: string[], options: NonNullable<ParseArgsConfig['options']>): string[] {
  const taking = Object.entries(options).filter(([, { type }]) => type === 'string')
  const nameOf = (arg: string | undefined) =>
    taking.find(([name, { short }]) => arg === `--${name}` || (short && arg === `-${short}`))?.[0]
  const isNegative = (arg: string | undefined) => /^-[.\d]/.test(arg ?? '')
  return args.flatMap((arg, i) => {
    const name = nameOf(arg)
    if (name && isNegative(args[i + 1])) return [`--${name}=${args[i + 1]}`]
    return isNegative(arg) && nameOf(args[i - 1]) ? [] : [arg]
  })
}

/** '2 threads' */
export const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`

/** The line that a command starts with: what does the work. */
export const engineLine = (
  { simd, simdReason, threads }: { simd: string; simdReason: string; threads: number },
  version: string,
): string => `filterbank ${version}, ${simd} build (${simdReason}), ${plural(threads, 'thread')}`

/** The result of `fn` and the milliseconds it took. */
export function timed<T>(fn: () => T): [result: T, milliseconds: string] {
  const start = performance.now()
  const result = fn()
  return [result, `${(performance.now() - start).toFixed(1)} ms`]
}
