/**
 * Trains a network that classifies pictures, or an autoencoder, and draws what they have learned.
 *
 *   npm run train                        ten shapes, drawn for this
 *   npm run train -- --mnist DIR         the digits in MNIST's idx files (.gz or not)
 *   npm run train -- autoencoder
 */
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createEngine } from 'filterbank'
import { autoencode } from './autoencoder.mjs'
import { classify } from './classifier.mjs'
import { readMnist } from './mnist.mjs'
import { shapesData } from './shapes.mjs'

const help = `Usage: npm run train -- [classifier | autoencoder] [options]

  --mnist DIR      learn from the idx files of MNIST instead of shapes
  --samples N      pictures to learn from, by default 12000 (all of MNIST)
  --epochs N       by default 8
  --seed N         what all that is random follows from, by default 1
  --threads N      by default as many as there are cores, up to 8
  -o, --out DIR    where pictures and models go, by default training
  -h, --help`

const examples = { classifier: classify, autoencoder: autoencode }

function fail(message) {
  console.error(`train: ${message}\n\n${help}`)
  process.exit(2)
}

function parse() {
  const options = {
    mnist: { type: 'string' },
    samples: { type: 'string' },
    epochs: { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string' },
    out: { type: 'string', short: 'o', default: 'training' },
    help: { type: 'boolean', short: 'h' },
  }
  try {
    return parseArgs({ options, allowPositionals: true })
  } catch (error) {
    return fail(error.message)
  }
}

const { values, positionals } = parse()
if (values.help) {
  console.log(help)
  process.exit(0)
}
const [name = 'classifier', ...more] = positionals
if (!Object.hasOwn(examples, name) || more.length > 0) fail(`there is no example ${positionals.join(' ')}`)
const whole = (option, least) => {
  if (values[option] === undefined) return undefined
  const value = Number(values[option])
  if (!Number.isInteger(value) || value < least)
    fail(`--${option} takes an integer of at least ${least}, got ${values[option]}`)
  return value
}
const settings = { epochs: whole('epochs', 1), seed: whole('seed', 0), out: values.out }
const [samples, threads] = [whole('samples', 100), whole('threads', 1)]

mkdirSync(settings.out, { recursive: true })
const data =
  values.mnist === undefined ? shapesData(samples ?? 12_000, settings.seed) : readMnist(values.mnist, samples)
console.log(
  `${data.learn.labels.length} pictures to learn from, ${data.test.labels.length} to test with: ${data.classes.join(', ')}`,
)
const engine = await createEngine({ threads })
await examples[name](engine, data, settings)
engine.dispose()
