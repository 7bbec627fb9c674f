/** How far two models, or one model in both builds and in ONNX Runtime, are apart on the same inputs. */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { createEngine, type Engine, FilterbankError } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import {
  type AnyModelOutputs,
  inspectModel,
  type Model,
  type ModelFacts,
  type ModelMap,
  type ModelOutput,
} from '../onnx/index.js'
import { version } from '../version.js'
import { type Command, parse, plural } from './command.js'
import { type Difference, differenceOf, type Numbers } from './difference.js'
import { pictureOptions } from './feed.js'
import { type Given, inputsFor } from './inputs.js'
import { openModel, parseDimensions, parseSize, parseThreads, printLengths, reading } from './model.js'
import { openRuntime } from './runtime.js'
import { type Column, table } from './table.js'

/** What gives answers: by the names of outputs and taps, in the order of the model. */
interface Contender {
  name: string
  run(inputs: Record<string, Given>, taps: readonly string[]): Promise<Map<string, Numbers | null>>
}

/** One output or layer of a contender beside the reference. */
interface Row extends Difference {
  name: string
  shape: readonly number[] | undefined
}

/** An output under its name; a map (of ZipMap) as its keys and its values. */
function numbersOf(name: string, output: ModelOutput | ModelMap): [string, Numbers][] {
  if (isTensor(output)) {
    const { type, shape } = output
    return [[name, { type, shape, data: output.toArray() as ArrayLike<number> }]]
  }
  const [keys, values] = [Object.keys(output), Object.values(output)]
  const shape = [keys.length]
  return [
    [`${name} keys`, { type: 'string', shape, data: keys }],
    [name, { type: typeof values[0] === 'string' ? 'string' : 'float32', shape, data: values }],
  ]
}

const isTensor = (output: ModelOutput | ModelMap): output is ModelOutput =>
  typeof output['toArray'] === 'function'

const byFilterbank = (name: string, model: Model): Contender => ({
  name,
  async run(inputs, taps) {
    const outputs: AnyModelOutputs = await model.runAsync(inputs as never, { taps })
    const flat = Object.entries(outputs).flatMap(([name, output]): [string, Numbers | null][] => {
      if (Array.isArray(output)) return output.flatMap((item, i) => numbersOf(`${name}[${i}]`, item))
      return output ? numbersOf(name, output) : [[name, null]]
    })
    return new Map(flat)
  },
})

/** Names of what layers give, outputs apart. */
const tapsOf = ({ layers, outputs }: ModelFacts): string[] => {
  const given = new Set(outputs.map(({ name }) => name))
  return layers.flatMap((layer) => layer.outputs).filter((name) => !given.has(name))
}

const exponential = (value: number): string => (value === 0 ? '0' : value.toExponential(2))
const columns: Column[] = [
  { head: 'name', kind: 'text' },
  { head: 'shape', kind: 'text' },
  { head: 'largest', kind: 'number' },
  { head: 'relative', kind: 'number' },
  { head: 'PSNR dB', kind: 'number' },
]

const cellsOf = ({ name, shape, mismatch, absolute, relative, psnr }: Row): string[] => [
  name,
  mismatch ?? (shape ? printLengths(shape) : ''),
  mismatch ? 'differs' : exponential(absolute),
  mismatch ? '' : exponential(relative),
  mismatch ? '' : Number.isFinite(psnr) ? psnr.toFixed(1) : 'same',
]

/** Rows for what both have. */
const rowsOf = (
  names: readonly string[],
  reference: ReadonlyMap<string, Numbers | null>,
  other: ReadonlyMap<string, Numbers | null>,
): Row[] =>
  names
    .filter((name) => reference.has(name) && other.has(name))
    .map((name) => {
      const [a, b] = [reference.get(name)!, other.get(name)!]
      return { name, shape: a?.shape, ...differenceOf(a, b) }
    })

function parseTolerance(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const tolerance = text.trim() ? Number(text) : Number.NaN
  if (!(tolerance >= 0)) throw wrongUsage(`--tolerance takes a number of at least 0, got '${text}'`)
  return tolerance
}

function parseSeed(text: string): number {
  if (!/^\d+$/.test(text)) throw wrongUsage(`--seed takes a whole number, got '${text}'`)
  return Number(text)
}

/** The other build of the kernels. */
async function otherEngine(engine: Engine, threads: number | undefined): Promise<Engine | string> {
  const simd = engine.simd === 'relaxed' ? 'simd128' : 'relaxed'
  try {
    const other = await createEngine({ simd, threads })
    await other.started
    return other
  } catch (error) {
    if (!(error instanceof FilterbankError)) throw error
    return `${simd} build: left out, since ${error.message}`
  }
}

/** Inputs under the names that another model has for them: the same, or in the same order. */
function renamed(
  inputs: Record<string, Given>,
  path: string,
  { inputs: ports }: Model,
): Record<string, Given> {
  const names = Object.keys(inputs)
  if (ports.length !== names.length)
    throw new Failure(`${path} takes ${plural(ports.length, 'input')}, and the first model ${names.length}`)
  if (ports.every(({ name }) => name in inputs)) return inputs
  return Object.fromEntries(ports.map(({ name }, i) => [name, inputs[names[i]!]!]))
}

export const compare: Command = {
  summary: 'tells how far two models are apart, or one in both builds and ONNX Runtime',
  help: `Usage: filterbank compare A.onnx [B.onnx] [--taps] [--tolerance T] [--json]

Runs two ONNX models on the same inputs and prints for each output how far the
second is from the first: the largest difference, the same as a part of the
largest number, and the peak signal-to-noise ratio. Of one model it compares
both builds of filterbank, and onnxruntime-node where that is installed (which
then is what the others are measured by).

  A.onnx, B.onnx          files, or URLs to fetch them from
      --taps              for each layer too: of two models those whose values
                          have the same names
      --input NAME=VALUE  numbers with commas between (one number fills the
                          input), a .npy file, or a file of its bare elements;
                          may be given several times
  -i, --image PHOTO       a PNG or JPEG for the one input, with --size, --crop,
                          --range, --mean, --std and --bgr as in filterbank run
      --seed N            of the numbers that other inputs get, by default 1
      --dimensions LIST   lengths that the model leaves open, by their names:
                          batch=1,height=480
      --tolerance T       exit code 1 where an output's difference, as a part
                          of its largest number, is more
      --threads N         by default one for each core, at most 8
      --json              all of it as JSON
  -h, --help

Examples:
  filterbank compare net.onnx --taps
  filterbank compare net.onnx net-8.onnx -i cat.jpg --tolerance 0.05`,
  async run(args) {
    const { values, positionals } = parse(args, {
      taps: { type: 'boolean', default: false },
      input: { type: 'string', multiple: true },
      image: { type: 'string', short: 'i' },
      ...pictureOptions,
      seed: { type: 'string', default: '1' },
      dimensions: { type: 'string' },
      tolerance: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const [path, second] = positionals
    if (path === undefined || positionals.length > 2)
      throw wrongUsage(
        `compare takes one model or two, got ${positionals.length}; see filterbank compare --help`,
      )
    if (values.image !== undefined && values.input) throw wrongUsage('compare takes --image or --input')
    const [tolerance, threads] = [parseTolerance(values.tolerance), parseThreads(values.threads)]
    const dimensions = parseDimensions(values.dimensions)
    const options = { ...values, dimensions, size: parseSize(values.size), seed: parseSeed(values.seed) }

    const facts = await reading(path, (onProgress) => inspectModel(path, { onProgress }))
    using engine = await createEngine({ threads })
    await engine.started
    using model = await openModel(engine, path, {})
    const { inputs, chosen } = inputsFor(engine, path, model, options)
    let taps = values.taps ? tapsOf(facts) : []
    const remarks: string[] = []
    const contenders: Contender[] = []
    let [other, otherModel]: [Engine | undefined, Model | undefined] = [undefined, undefined]
    try {
      if (second !== undefined) {
        otherModel = await openModel(engine, second, {})
        const own = renamed(inputs, second, otherModel)
        if (values.taps) {
          const names = new Set(tapsOf(await inspectModel(second)))
          taps = taps.filter((name) => names.has(name))
        }
        const answers = byFilterbank(basename(second), otherModel)
        contenders.push(byFilterbank(basename(path), model), {
          ...answers,
          run: (_, taps) => answers.run(own, taps),
        })
      } else {
        const found = await otherEngine(engine, threads)
        if (typeof found === 'string') remarks.push(found)
        else {
          other = found
          otherModel = await openModel(other, path, {})
        }
        const runtime = await openRuntime()
        if (runtime) {
          const file = { path, facts, bytes: () => readFileSync(path) }
          contenders.push({ name: runtime.name, run: (inputs, taps) => runtime.run(file, inputs, taps) })
        } else remarks.push('onnxruntime-node: left out, since it is not installed')
        contenders.push(byFilterbank(`${engine.simd} build`, model))
        if (otherModel) contenders.push(byFilterbank(`${other!.simd} build`, otherModel))
      }
      const report = await comparison(contenders, inputs, taps, facts, remarks)
      const worst = Math.max(0, ...report.flatMap(({ outputs }) => outputs.map(({ relative }) => relative)))
      const beyond = tolerance !== undefined && !(worst <= tolerance)
      const differs = report.some(({ outputs }) => outputs.some(({ mismatch }) => mismatch))
      if (values.json) {
        const others = report.map(({ name, outputs, layers }) => ({ name, outputs, layers }))
        console.log(
          JSON.stringify(
            { filterbank: version, model: path, chosen, reference: contenders[0]!.name, others, remarks },
            // JSON has no infinity.
            (_, value) => (value === Number.POSITIVE_INFINITY ? 'Infinity' : value),
            1,
          ),
        )
      } else {
        const taken = Object.entries(chosen).map(([name, length]) => `${name} = ${length}`)
        console.log(`filterbank ${version}, ${plural(engine.threads, 'thread')}`)
        if (taken.length) console.log(`taken: ${taken.join(', ')}`)
        for (const remark of remarks) console.log(remark)
        for (const { name, outputs, layers } of report) {
          console.log(`\n${name} beside ${contenders[0]!.name}`)
          const rows = [
            ...outputs.map(cellsOf),
            ...(layers.length ? ['-' as const] : []),
            ...layers.map(cellsOf),
          ]
          console.log(table(columns, rows, process.stdout.columns))
        }
        if (report.length === 0) console.log('\nnothing to compare with')
      }
      if (beyond)
        console.error(
          `filterbank: an output differs by ${exponential(worst)} of its largest number, and the tolerance is ${tolerance}`,
        )
      return Number(beyond || differs)
    } finally {
      if (second !== undefined) otherModel?.dispose()
      other?.dispose()
    }
  },
}

interface Compared {
  name: string
  outputs: Row[]
  layers: Row[]
}

/** Each of the others beside the first. Who fails is left out, with a remark. */
async function comparison(
  contenders: Contender[],
  inputs: Record<string, Given>,
  taps: readonly string[],
  facts: ModelFacts,
  remarks: string[],
): Promise<Compared[]> {
  const answers: [Contender, Map<string, Numbers | null>][] = []
  for (const contender of [...contenders]) {
    try {
      answers.push([contender, await contender.run(inputs, taps)])
    } catch (error) {
      if (error instanceof FilterbankError || error instanceof Failure) throw error
      remarks.push(`${contender.name}: left out, since it fails: ${(error as Error).message.split('\n')[0]}`)
      contenders.splice(contenders.indexOf(contender), 1)
    }
  }
  const [reference, ...others] = answers
  if (!reference) return []
  const tapped = new Set(taps)
  const outputs = [...reference[1].keys()].filter((name) => !tapped.has(name))
  return others.map(([{ name }, values]) => {
    // Another model may have other names for its outputs.
    const own = [...values.keys()].filter((key) => !tapped.has(key))
    const sameNames = outputs.every((output) => values.has(output))
    const answer = sameNames ? values : new Map(own.map((key, i) => [outputs[i] ?? key, values.get(key)!]))
    for (const tap of taps) if (values.has(tap)) answer.set(tap, values.get(tap)!)
    if (own.length !== outputs.length)
      remarks.push(`${name} has ${plural(own.length, 'output')}, and the first ${outputs.length}`)
    const order = facts.layers.flatMap((layer) => layer.outputs).filter((tap) => tapped.has(tap))
    return {
      name,
      outputs: rowsOf(outputs, reference[1], answer),
      layers: rowsOf(order, reference[1], answer),
    }
  })
}
