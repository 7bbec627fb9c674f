/**
 * Trains the network of one of the examples in `train/`, and draws what it has learned.
 *
 *   npm run train                        ten shapes, drawn for this, told apart
 *   npm run train -- --help              what else there is
 *   npm run train -- autoencoder -o DIR
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { createEngine } from 'filterbank'
import { readArguments, UsageError } from './train/support/options.mjs'
import { writeResult } from './train/support/results.mjs'

const folder = new URL('train/', import.meta.url)
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.mjs') ? [file.slice(0, -4)] : []))
const examples = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await import(new URL(`${name}.mjs`, folder))])),
)

function read() {
  try {
    return readArguments(process.argv.slice(2), examples, 'classifier')
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`train: ${error.message}`)
    process.exit(2)
  }
}

const { name, help, settings } = read()
if (help) {
  console.log(help)
  process.exit(0)
}
const { threads, ...rest } = settings
mkdirSync(rest.out, { recursive: true })
const engine = await createEngine({ threads })
const result = await examples[name].run(engine, rest)
engine.dispose()
writeResult(rest.out, result)
