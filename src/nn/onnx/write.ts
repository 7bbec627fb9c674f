/** A traced model as nodes: what its outputs need, in the order in which it ran. */

import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import type { ArrayOf, DType } from '../../core/dtype.js'
import type { OnnxGraph, OnnxValue } from '../onnxGraph.js'
import { Call, type Fold, type Result } from './call.js'
import { operators } from './operators/index.js'
import { statisticsOf } from './operators/matrix.js'
import type { Note, Recorder, Source, Use } from './trace.js'
import { inOrder, portOrder, Sheet, Value } from './value.js'

/** Ops whose weights take a batch norm that follows. */
const FOLDABLE = new Set(['conv1d', 'conv2d', 'conv3d', 'convTranspose2d', 'linear'])

const isUse = (use: Use | number): use is Use => typeof use !== 'number'

/** Notes that an output depends on. */
function needed(run: Recorder): Set<Note> {
  const wanted = new Set(run.outputs.map(({ source }) => source))
  const notes = new Set<Note>()
  for (const note of [...run.notes].reverse()) {
    if (!note.outputs.some((source) => wanted.has(source))) continue
    notes.add(note)
    for (const use of Object.values(note.inputs)) if (isUse(use)) wanted.add(use.source)
  }
  return notes
}

/** Batch norms with known statistics right after weights that nobody else reads the result of. */
function foldsOf(run: Recorder, notes: ReadonlySet<Note>): Map<Note, Note> {
  const makers = new Map<Source, Note>()
  const readers = new Map<Source, number>()
  const read = ({ source }: Use) => readers.set(source, (readers.get(source) ?? 0) + 1)
  for (const note of notes) {
    for (const source of note.outputs) makers.set(source, note)
    for (const use of Object.values(note.inputs)) if (isUse(use)) read(use)
  }
  run.outputs.forEach(read)
  const isConstant = (use: Use | number | undefined) =>
    use === undefined || (isUse(use) && use.source.numbers !== undefined)
  const folds = new Map<Note, Note>()
  for (const norm of notes) {
    if (norm.op !== 'batchNorm') continue
    const { x, ...statistics } = norm.inputs as Record<string, Use>
    const maker = makers.get(x!.source)
    const fits =
      maker !== undefined &&
      FOLDABLE.has(maker.op) &&
      (maker.options as { activation?: unknown }).activation === undefined &&
      isConstant(maker.inputs['filter'] ?? maker.inputs['weight']) &&
      isConstant(maker.inputs['bias']) &&
      Object.values(statistics).every(isConstant) &&
      readers.get(x!.source) === 1 &&
      x!.shape.length === x!.source.shape.length
    if (fits) folds.set(maker, norm)
  }
  return folds
}

/** Values by where they come from, each under the shapes that it is used with. */
class Values {
  private readonly bySource = new Map<Source, Value>()
  private readonly views = new Map<Value, Map<string, Value>>()

  constructor(private readonly sheet: Sheet) {}

  enter(source: Source, value: Value): void {
    this.bySource.set(source, value)
  }

  /** One value in all runs. */
  of(uses: readonly Use[]): Value {
    const { source } = uses[0]!
    const known = this.bySource.get(source) ?? this.constant(uses)
    const shapes = uses.map(({ shape }) => shape)
    const views = this.views.get(known) ?? new Map<string, Value>()
    this.views.set(known, views)
    const key = JSON.stringify(shapes)
    const view = views.get(key) ?? this.sheet.reshaped(known, shapes)
    views.set(key, view)
    return view
  }

  /** One for all runs; along an axis that is open, the same number again and again. */
  private constant(uses: readonly Use[]): Value {
    const sources = uses.map(({ source }) => source)
    const [first] = sources as [Source]
    const { dtype, name } = first
    const shapes = sources.map(({ shape }) => shape)
    const short = first.shape.map((length, axis) => shapes.every((shape) => shape[axis] === length))
    const shape = first.shape.map((length, axis) => (short[axis] ? length : 1))
    const parts = sources.map((source) => ({ source, part: partOf(source, shape) }))
    const numbers = parts[0]!.part
    const alike = parts.every(
      ({ source, part }) =>
        source === first ||
        (isRepeated(source, shape, part) && part.every((value, i) => Object.is(value, numbers[i]))),
    )
    if (!alike || (shapes.length > 1 && !isRepeated(first, shape, numbers)))
      this.sheet.fails(
        `one whose constants are the same for every length of ${this.sheet.open}`,
        'numbers that change with it',
      )
    const constant = this.sheet.constant(numbers, shape, name)
    const value = short.every(Boolean)
      ? constant
      : new Value(this.sheet, { shapes, dtype }, () => {
          const order = inOrder(shape.length)
          const lengths = this.sheet.allLengths(shapes)
          return { name: this.sheet.node('Expand', [constant.as(order), lengths]), order }
        })
    this.bySource.set(first, value)
    return value
  }
}

/** What stands at the first index of the axes of which `shape` has length 1. */
function partOf({ numbers, shape: whole }: Source, shape: Shape): ArrayOf<DType> {
  if (sizeOf(shape) === numbers!.length) return numbers!
  const steps = stridesOf(whole)
  return numbers!.slice(0, sizeOf(shape)).map((_, i) => numbers![placeOf(i, shape, steps)]!) as ArrayOf<DType>
}

/** Whether it is `part` again and again along those axes. */
function isRepeated({ numbers, shape: whole }: Source, shape: Shape, part: ArrayOf<DType>): boolean {
  if (part.length === numbers!.length) return true
  const steps = stridesOf(shape).map((step, axis) => (shape[axis] === 1 ? 0 : step))
  return (numbers as Float32Array).every((value, i) => Object.is(value, part[placeOf(i, whole, steps)]))
}

/** Where an element of `shape` stands by other steps. */
function placeOf(index: number, shape: Shape, steps: readonly number[]): number {
  let place = 0
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place += (index % shape[axis]!) * steps[axis]!
    index = Math.floor(index / shape[axis]!)
  }
  return place
}

/** A graph of the runs, and its outputs. */
export function writeRuns(
  runs: readonly Recorder[],
  graph: OnnxGraph,
  names: readonly string[],
  open: string,
  foldBatchNorm: boolean,
): Value[] {
  const [first] = runs as [Recorder]
  const sheet = new Sheet(graph, open, runs.length)
  const values = new Values(sheet)
  first.inputs.forEach((source, i) => {
    const shapes = runs.map(({ inputs }) => inputs[i]!.shape)
    const form = { name: names[i]!, order: portOrder(source.shape.length) }
    const value = new Value(sheet, { shapes, dtype: source.dtype }).add(form)
    sheet.inputs.push(value)
    values.enter(source, value)
  })
  const notes = needed(first)
  const folds = foldBatchNorm ? foldsOf(first, notes) : new Map<Note, Note>()
  const folded = new Set(folds.values())

  first.notes.forEach((note, i) => {
    if (!notes.has(note) || folded.has(note)) return
    graph.place = note.place
    sheet.spot = note
    const each = runs.map((run) => run.notes[i]!)
    const norm = folds.get(note)
    const normEach = norm && runs.map((run) => run.notes[first.notes.indexOf(norm)]!)
    const result = note.layer
      ? layerResult(sheet, note, each, values)
      : opResult(sheet, each, values, normEach)
    const results = Array.isArray(result) ? result : [result]
    const writes = norm ?? note
    writes.outputs.forEach((source, output) => {
      const { name, order, mask } = results[output]!
      const shapes = each.map(({ outputs }) => outputs[output]!.shape)
      values.enter(source, new Value(sheet, { shapes, dtype: source.dtype, mask }).add({ name, order }))
    })
  })
  graph.place = ''
  sheet.spot = { op: 'output', place: '' }
  return first.outputs.map((_, i) => values.of(runs.map(({ outputs }) => outputs[i]!)).asMask(false))
}

function opResult(
  sheet: Sheet,
  each: readonly Note[],
  values: Values,
  norm: readonly Note[] | undefined,
): Result | Result[] {
  const settle = (uses: readonly Use[]) => values.of(uses)
  const fold = norm && foldOf(new Call(sheet, norm, settle))
  const call = new Call(sheet, each, settle, fold)
  const operator = Object.hasOwn(operators, call.op) ? operators[call.op] : undefined
  return operator ? operator(call) : sheet.fails('an op that ONNX has', call.op)
}

const foldOf = (norm: Call): Fold => ({
  ...statisticsOf(norm),
  activation: norm.options<{ activation?: unknown }>().activation,
})

/** What a layer writes itself. */
function layerResult(sheet: Sheet, note: Note, each: readonly Note[], values: Values): Result[] {
  const { graph } = sheet
  const x = Object.keys(note.inputs).map((name): OnnxValue => {
    const value = values.of(each.map(({ inputs }) => inputs[name] as Use))
    return { name: value.as(portOrder(value.rank)), shape: value.shape }
  })
  const { several } = note.options as { several: boolean }
  const written = note.layer!.toOnnx!(graph, (several ? x : x[0]) as never) as OnnxValue | OnnxValue[]
  const list = Array.isArray(written) ? written : [written]
  if (list.length !== note.outputs.length || list.some((value) => typeof value?.name !== 'string'))
    sheet.fails(`a value of the graph for each of ${note.outputs.length} outputs`, String(list.length))
  return list.map(({ name }, i) => ({ name, order: portOrder(note.outputs[i]!.shape.length) }))
}

/**
 * Lengths of a port of the graph: what differs between runs has the name of the open axis that is as
 * long.
 */
export function portShape(
  shapes: readonly Shape[],
  nameOf: (lengths: readonly number[]) => string | null,
): (number | string | null)[] {
  const order = portOrder(shapes[0]!.length)
  return order.map((axis) => {
    const lengths = shapes.map((shape) => shape[axis]!)
    return lengths.every((length) => length === lengths[0]) ? lengths[0]! : nameOf(lengths)
  })
}
