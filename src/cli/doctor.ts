import { type Diagnosis, diagnose } from '../index.js'
import { wrongUsage } from '../node/failure.js'
import { type Command, parse } from './command.js'

const yes = (value: boolean): string => (value ? 'yes' : 'no')

function report(facts: Diagnosis): string {
  const rows: [string, string | undefined][] = [
    ['filterbank', facts.filterbank],
    ['host', facts.host],
    ['build', facts.build ? `${facts.build} (${facts.reason})` : `none: ${facts.reason}`],
    ['threads', `${facts.threads} (${facts.threadsReason})`],
    ['cores', facts.cores?.toString() ?? 'unknown'],
    ['SIMD', yes(facts.simd)],
    ['relaxed SIMD', yes(facts.relaxedSimd)],
    ['byte dot product', facts.byteDot ?? 'unknown'],
    ['dense loop', facts.tile ?? 'unknown'],
    ['shared memory', yes(facts.sharedMemory)],
    [
      'cross-origin isolated',
      facts.crossOriginIsolated === undefined ? 'not a page' : yes(facts.crossOriginIsolated),
    ],
  ]
  const lines = rows.map(([name, value]) => `${name.padEnd(22)} ${value}`)
  return [
    ...lines,
    ...(facts.advice.length ? ['', ...facts.advice.map((sentence) => `- ${sentence}.`)] : []),
  ].join('\n')
}

export const doctor: Command = {
  summary: 'tells which build runs here and why, and what this host lacks',
  help: `Usage: filterbank doctor

Tells which build runs here and why, how many threads, what this host offers
and what it lacks. Good to have in a bug report. Exits with 1 where no engine
starts.`,
  async run(args) {
    const { positionals } = parse(args, {})
    if (positionals.length) throw wrongUsage(`doctor takes no arguments, got '${positionals[0]}'`)
    const facts = await diagnose()
    console.log(report(facts))
    return facts.build ? 0 : 1
  },
}
