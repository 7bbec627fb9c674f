/** What is in an ONNX file, and what each layer costs. */
import { basename } from 'node:path'
import { createEngine, type Engine, FilterbankError } from '../index.js'
import { Failure } from '../node/failure.js'
import { inspectModel, type LayerSummary, type ModelFacts } from '../onnx/index.js'
import { version } from '../version.js'
import { type Command, engineLine, parse, plural } from './command.js'
import { sampleInputs } from './inputs.js'
import {
  checkDimensions,
  oneModel,
  openModel,
  parseDimensions,
  parseSize,
  parseThreads,
  printLengths,
  printPort,
  reading,
} from './model.js'
import { progress } from './progress.js'
import { type Column, count, milliseconds, short, table } from './table.js'

type Layer = ModelFacts['layers'][number] &
  Partial<Pick<LayerSummary, 'algorithm' | 'kernels' | 'segment' | 'host' | 'milliseconds' | 'share'>>

/** What is known: by running it, or where that cannot be, by what the file says. */
interface Findings {
  layers: readonly Layer[]
  /** Lengths that were taken for those that the file leaves open. */
  chosen: Record<string, number>
  /** Why there was no run. */
  failure?: string
}

async function measured(
  engine: Engine,
  path: string,
  facts: ModelFacts,
  options: { dimensions: Record<string, number>; size: ReturnType<typeof parseSize> },
): Promise<Findings> {
  try {
    using model = await openModel(engine, path, options.dimensions)
    const { inputs, chosen } = sampleInputs(model.inputs, options.size ? { picture: options.size } : {})
    // The second run is recorded, and tells the time of every kernel.
    for (const round of ['first', 'second']) {
      using line = progress(`${round} run of ${basename(path)}`)
      await model.runAsync(inputs, { onProgress: ({ done, total, node }) => line.at(done / total, node) })
    }
    return { layers: model.summary(), chosen }
  } catch (error) {
    if (!(error instanceof FilterbankError || error instanceof Failure)) throw error
    return { layers: facts.layers, chosen: {}, failure: error.message }
  }
}

const columns: Column[] = [
  { head: 'layer', kind: 'text' },
  { head: 'operator', kind: 'text' },
  { head: 'output', kind: 'text' },
  { head: 'params', kind: 'number' },
  { head: 'mult-adds', kind: 'number' },
]
const measuredColumns: Column[] = [
  { head: 'runs as', kind: 'text' },
  { head: 'ms', kind: 'number' },
  { head: 'time', kind: 'number' },
]

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`

/** Of a column: the sum of what is known, or undefined. */
function sum(
  layers: readonly Layer[],
  key: 'parameters' | 'multiplyAdds' | 'milliseconds',
): number | undefined {
  const known = layers.flatMap((layer) => layer[key] ?? [])
  return known.length ? known.reduce((a, b) => a + b) : undefined
}

function print({ layers, failure }: Findings): string {
  const hasTimes = layers.some((layer) => layer.milliseconds !== undefined)
  const numbers = (line: Pick<Layer, 'parameters' | 'multiplyAdds'>) => [
    line.parameters ? short(line.parameters) : '',
    line.multiplyAdds ? short(line.multiplyAdds) : '',
  ]
  const times = ({ algorithm, host, kernels = [], milliseconds: ms, share }: Partial<Layer>) =>
    hasTimes
      ? [
          host ? 'host' : (algorithm ?? kernels.join(' ')),
          ms === undefined ? '' : milliseconds(ms),
          share === undefined ? '' : percent(share),
        ]
      : []
  const rows = layers.map((layer) => [
    layer.name,
    layer.op,
    layer.shape ? printLengths(layer.shape) : '',
    ...numbers(layer),
    ...times(layer),
  ])
  const total = {
    parameters: sum(layers, 'parameters') ?? 0,
    multiplyAdds: sum(layers, 'multiplyAdds'),
    milliseconds: sum(layers, 'milliseconds'),
    share: 1,
  }
  const last = ['total', plural(layers.length, 'layer'), '', ...numbers(total), ...times(total)]
  const lines = table(
    [...columns, ...(hasTimes ? measuredColumns : [])],
    [...rows, '-', last],
    process.stdout.columns,
  )
  const steps = hostSteps(layers)
  return `${lines}\n\n${steps}${failure ? `It could not be run, so that what only a run tells is missing: ${failure}` : sentence(total)}`
}

/** What the host does between runs of kernels, and why. */
function hostSteps(layers: readonly Layer[]): string {
  const steps = layers.filter(({ host }) => host)
  if (steps.length === 0) return ''
  const segments = new Set(layers.flatMap(({ segment }) => segment ?? [])).size
  const lines = steps.map(({ name, op, host }) => `  ${name} (${op}): ${host}`)
  return `${plural(segments, 'run')} of kernels, and on the host:\n${lines.join('\n')}\n\n`
}

/** The totals in full. */
function sentence({
  parameters,
  multiplyAdds = 0,
  milliseconds: ms,
}: {
  parameters: number
  multiplyAdds?: number
  milliseconds?: number
}): string {
  const speed = ms ? ` in ${milliseconds(ms)} ms: ${((2 * multiplyAdds) / ms / 1e6).toFixed(1)} GFLOP/s` : ''
  return `${count(parameters)} parameters, ${count(multiplyAdds)} multiply-adds${speed}`
}

function head(
  path: string,
  { dataFiles, opset, problems, producer, inputs, outputs, unsupported }: ModelFacts,
  chosen: Record<string, number>,
): string {
  const ports = [
    ...inputs.map((port) => `  input   ${port.name}  ${printPort(port)}`),
    ...outputs.map((port) => `  output  ${port.name}  ${printPort(port)}`),
  ]
  const taken = Object.entries(chosen).map(([name, length]) => `${name} = ${length}`)
  const missing = unsupported.map(
    ({ op, nodes }) =>
      `  ${op}: ${nodes.slice(0, 5).join(', ')}${nodes.length > 5 ? ` and ${nodes.length - 5} more` : ''}`,
  )
  return [
    `${path}, opset ${opset}${producer ? `, written by ${producer}` : ''}`,
    ...ports,
    ...(taken.length ? [`  taken   ${taken.join(', ')}`] : []),
    ...(dataFiles.length ? [`  data    ${dataFiles.join(', ')}`] : []),
    ...(missing.length ? ['', 'filterbank cannot run it. It lacks:', ...missing] : []),
    ...(problems.length ? ['', 'What is wrong with it:', ...problems.map((one) => `  ${one}`)] : []),
  ].join('\n')
}

export const inspect: Command = {
  summary: 'tells what is in an ONNX model, and what each layer costs',
  help: `Usage: filterbank inspect MODEL.onnx [--size WxH] [--json]

Prints inputs, outputs and a table of the layers of a model: output shape,
parameters, multiply-adds, how it runs here, milliseconds and their share of
the time; it runs the model a few times on made-up input. Of a model with
operators that filterbank lacks it names these and prints what the file says.

  MODEL.onnx             a file, or a URL to fetch it from
      --size WxH         of a picture where the model takes any, by default
                         224x224
      --dimensions LIST  lengths that the model leaves open, by their names:
                         batch=1,height=480
      --threads N        by default one for each core, at most 8
      --json             all of it as JSON
  -h, --help

Example: filterbank inspect mobilenet.onnx --threads 1`,
  async run(args) {
    const { values, positionals } = parse(args, {
      size: { type: 'string' },
      dimensions: { type: 'string' },
      threads: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const path = oneModel('inspect', positionals)
    const options = { dimensions: parseDimensions(values.dimensions), size: parseSize(values.size) }
    const threads = parseThreads(values.threads)
    const facts = await reading(path, (onProgress) => inspectModel(path, { onProgress }))
    checkDimensions(options.dimensions, facts.inputs)
    using engine = await createEngine({ threads })
    await engine.started
    const findings: Findings = facts.unsupported.length
      ? { layers: facts.layers, chosen: {} }
      : await measured(engine, path, facts, options)
    if (values.json) {
      const { dataFiles, opset, problems, producer, inputs, outputs, unsupported } = facts
      const total = {
        parameters: sum(findings.layers, 'parameters'),
        multiplyAdds: sum(findings.layers, 'multiplyAdds'),
        milliseconds: sum(findings.layers, 'milliseconds'),
      }
      const { simd, threads } = engine
      console.log(
        JSON.stringify(
          {
            filterbank: version,
            simd,
            threads,
            model: path,
            opset,
            producer,
            inputs,
            outputs,
            unsupported,
            problems,
            dataFiles,
            ...findings,
            total,
          },
          null,
          1,
        ),
      )
    } else {
      console.log(
        `${engineLine(engine, version)}\n\n${head(path, facts, findings.chosen)}\n\n${print(findings)}`,
      )
    }
    return 0
  },
}
