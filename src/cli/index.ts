#!/usr/bin/env node
/** `filterbank`, the command. Exit codes: 0 done, 1 the input was at fault, 2 the command line was. */
import { FilterbankError } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { version } from '../version.js'
import { bench } from './bench.js'
import type { Command } from './command.js'
import { compare } from './compare.js'
import { demo } from './demo.js'
import { doctor } from './doctor.js'
import { filter } from './filter.js'
import { inspect } from './inspect.js'
import { quantize } from './quantize.js'
import { run } from './run.js'

const commands: Record<string, Command> = { demo, filter, run, inspect, compare, quantize, bench, doctor }

const help = `filterbank ${version}: a convolution engine, from the command line

Usage: filterbank COMMAND ...

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`)
  .join('\n')}

  filterbank COMMAND --help   tells more
  filterbank --version        prints the version`

async function main([name, ...args]: string[]): Promise<number> {
  if (name === '--version' || name === '-v') return say(version)
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    const about = commands[args[0] ?? '']
    return say(about?.help ?? help, name === undefined ? 2 : 0)
  }
  const command = Object.hasOwn(commands, name) ? commands[name]! : undefined
  if (!command) throw wrongUsage(`unknown command '${name}'; there are ${Object.keys(commands).join(', ')}`)
  if (args.includes('--help') || args.includes('-h')) return say(command.help)
  return command.run(args)
}

function say(text: string, exitCode = 0): number {
  console.log(text)
  return exitCode
}

// Who reads no further, as `head`, has what they wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})
try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof Failure || error instanceof FilterbankError)) throw error
  console.error(`filterbank: ${error.message.replaceAll('\n', ' ')}`)
  process.exitCode = error instanceof Failure ? error.exitCode : 1
}
