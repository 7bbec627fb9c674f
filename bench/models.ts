/**
 * `npm run bench -- models DIR`: every ONNX file of a folder beside onnxruntime-web, one thread, in turns, on
 * the same made-up inputs, numbers in and numbers out.
 */
import { readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { InferenceSession, Tensor } from 'onnxruntime-common'
import { createEngine, diagnose } from '../src/index.js'
import { inspectModel, loadModel, type Model } from '../src/onnx/index.js'
import { featuresOf, messageOf } from './compare.js'
import { type Feed, type Port, type SampleOptions, sampleInputs } from './inputs.js'
import { difference, geometricMean, type Measured, measure, type Timing } from './measure.js'
import { align, times } from './table.js'

/** Outputs may differ by this part of the largest number of each; beyond it they are marked. */
const TOLERANCE = 1e-3
const WIDTHS = [32, 9, 9, 9, 9, 9, 9, 9]
const HEADS = ['model', 'ms', 'min', 'ort-web', 'min', 'by median', 'by min', 'apart']

/** Tried one after the other where a file leaves last axes open, and runs on none before: tokens, sound. */
const LENGTHS = [1, 16, 512, 16000]

/** What the command line says for all files, and for those whose name contains what stands before a colon. */
function notesFor<T>(file: string, notes: Record<string, T> = {}): Record<string, T> {
  return Object.fromEntries(
    Object.entries(notes).flatMap(([key, value]): [string, T][] => {
      const [part = '', ...rest] = key.split(':')
      return rest.length && file.includes(part) ? [[rest.join(':'), value]] : [[key, value]]
    }),
  )
}

/** The first inputs on which a model runs; it has run then. `lengths`: what was chosen for open axes. */
function tried(
  model: Model,
  ports: readonly Port[],
  options: SampleOptions,
): { inputs: Record<string, Feed>; own: ReturnType<Model['run']>; lengths: string } {
  let refused: unknown
  for (const length of LENGTHS) {
    const { inputs, chosen } = sampleInputs(ports, { ...options, length })
    const isOpen = Object.entries(chosen).some(
      ([name, value]) => value === length && !options.dimensions?.[name],
    )
    if (refused && !isOpen) break
    try {
      const own = model.run(inputs)
      return {
        inputs,
        own,
        lengths: Object.entries(chosen)
          .map((pair) => pair.join(' = '))
          .join(', '),
      }
    } catch (error) {
      refused ??= error
    }
  }
  throw refused
}

/** The files of a folder and those below it; or the one file. */
function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path]
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.onnx'),
  )
  return names.sort().map((name) => join(path, name))
}

const milliseconds = (ms: number) => (ms < 10 ? ms.toFixed(3) : ms.toFixed(1))

/** Of numbers, bigints or texts. */
const numbersOf = (values: ArrayLike<unknown>) => Float64Array.from(values, Number)

/** The largest of the outputs' differences. */
function apart(own: ReturnType<Model['run']>, other: Record<string, Tensor>): number {
  return Math.max(
    ...Object.entries(own).map(([name, output]) => {
      const peer = other[name]
      if (peer?.type === 'string') return 0
      return peer && output.toArray ? difference(numbersOf(peer.data), numbersOf(output.toArray())) : 0
    }),
  )
}

interface Row {
  name: string
  /** Of the axes that the file leaves open. */
  lengths?: string
  /** The largest difference of outputs, as a part of the largest number. */
  apart?: number
  timed?: { ours: Timing; theirs: Timing; byMedian: number; byMin: number }
  failure?: string
}

interface Options extends Pick<SampleOptions, 'dimensions' | 'values'>, Omit<Measured, 'threads' | 'peers'> {
  folder: string
}

/** Measures and prints; gives a row for each file: its timings, or why there are none. */
export async function benchModels(
  { folder, only = '', simd, budget = 3000, dimensions, values }: Options,
  say: (line: string) => void,
): Promise<{ rows: Row[]; build: string; features: string; peer: string; table: string }> {
  const ort = await import('onnxruntime-web')
  ort.env.wasm.numThreads = 1
  const engine = await createEngine({ simd, threads: 1 })
  say(
    `${engine.simd} build beside onnxruntime-web ${ort.env.versions.web}, one thread each; "by": its time by ours`,
  )
  say(align([HEADS], WIDTHS))
  const parts = only.split(',')
  const rows: Row[] = []
  for (const file of filesOf(folder)) {
    if (!parts.some((part) => file.includes(part))) continue
    const row: Row = { name: basename(file) }
    rows.push(row)
    let model: Model | undefined
    let session: InferenceSession | undefined
    try {
      const { inputs: ports } = await inspectModel(file)
      const notes = { dimensions: notesFor(row.name, dimensions), values: notesFor(row.name, values) }
      const loaded = await loadModel(engine, file)
      model = loaded
      const { inputs, own, lengths } = tried(loaded, ports, notes)
      row.lengths = lengths
      session = await ort.InferenceSession.create(file, {
        executionProviders: ['wasm'],
        logSeverityLevel: 4,
      })
      const feeds = Object.fromEntries(
        Object.entries(inputs).map(([name, { type, data, shape }]) => [
          name,
          new ort.Tensor(type as 'float32', data as Float32Array, shape),
        ]),
      )
      row.apart = apart(own, await session.run(feeds))
      const peer = session
      const runs = [() => void loaded.run(inputs), () => peer.run(feeds)]
      const [ours, theirs] = (await measure(runs, { budget, rounds: [7, 101] })) as [Timing, Timing]
      const [byMedian, byMin] = [theirs.ms / ours.ms, theirs.min / ours.min]
      row.timed = { ours, theirs, byMedian, byMin }
      const cells = [ours.ms, ours.min, theirs.ms, theirs.min].map(milliseconds)
      const note = row.apart > TOLERANCE ? `${row.apart.toExponential(1)} !` : row.apart.toExponential(1)
      const line = [row.name, ...cells, times(byMedian), times(byMin), note]
      say(align([line], WIDTHS) + (lengths && `  ${lengths}`))
    } catch (error) {
      row.failure = `${row.lengths === undefined ? 'filterbank' : 'onnxruntime-web'}: ${messageOf(error)}`
      say(`${row.name}: ${row.failure.split('\n', 1)[0]}`)
    } finally {
      model?.dispose()
      await session?.release()
    }
  }
  const summary = summaryOf(rows)
  say(`\n${summary}`)
  const { simd: build } = engine
  engine.dispose()
  const peer = `onnxruntime-web ${ort.env.versions.web}`
  return { rows, build, features: featuresOf(await diagnose()), peer, table: tableOf(rows, summary) }
}

/** The rows that were measured, as Markdown. */
function tableOf(rows: readonly Row[], summary: string): string {
  const lines = rows.flatMap(({ name, lengths = '', timed, apart = 0 }) => {
    if (!timed) return []
    const { ours, theirs, byMedian, byMin } = timed
    const cells = [ours.ms, ours.min, theirs.ms, theirs.min].map(milliseconds)
    const of = lengths ? ` (${lengths})` : ''
    return [`| ${[name + of, ...cells, times(byMedian), times(byMin), apart.toExponential(1)].join(' | ')} |`]
  })
  return [
    '| model | ms | min | onnxruntime-web | min | by median | by min | apart |',
    '| :-- | --: | --: | --: | --: | --: | --: | --: |',
    ...lines,
    '',
    summary,
  ].join('\n')
}

function summaryOf(rows: readonly Row[]): string {
  const timed = rows.flatMap(({ name, timed }) => (timed ? [{ name, ...timed }] : []))
  if (timed.length === 0) return 'none measured'
  const slower = timed.filter(({ byMedian }) => byMedian < 1)
  const names = slower.map(({ name, byMedian }) => `${name} ${times(byMedian)}`)
  return [
    `${timed.length} of ${rows.length} measured; geometric mean by medians ${times(geometricMean(timed.map(({ byMedian }) => byMedian)))}, by minima ${times(geometricMean(timed.map(({ byMin }) => byMin)))}`,
    `slower than onnxruntime-web: ${names.join(', ') || 'none'}`,
  ].join('\n')
}
