/**
 * Recordings of runs: the jobs of nodes that work in the engine alone, and for the others host steps, which
 * run them as at first on values of the replay.
 */
import { show } from '../../base/errors.js'
import { sameShape, sizeOf } from '../../base/shape.js'
import { fewByFew, othersWaitedFor, type Steps, TURN } from '../../base/turns.js'
import { arrayAt, bytesPerElement, type DType } from '../../core/dtype.js'
import type { Engine } from '../../core/engine.js'
import type { Program } from '../../core/program.js'
import type { AnyTensor } from '../../core/tensor.js'
import { type Graph, type Node, readsOf } from '../graph/graph.js'
import { find, located, runNode, type Scope, stepsOf } from './execute.js'
import { numbersAs } from './hold.js'
import { type Setup, settingOf } from './plan.js'
import {
  type HostStep,
  type Live,
  type Mark,
  type Recording,
  type Stand,
  type Stop,
  sameStand,
  standOf,
} from './recording.js'
import { type Layout, lastShape, type Run, Value } from './value.js'

/** A host step needs it: what a host step before it made, or what stands in memory of the program. */
type Source = { name: string } | { stand: Stand; pointer: number }

/** Notes down the jobs of a run, dry, and what the host does between them; where `inTurns`, in steps. */
export function* record(setup: Setup, inTurns: boolean): Steps<Recording> {
  const { graph, plan, run } = setup
  const { engine } = run
  const marks: Mark[] = []
  const inputs = new Map<string, Value>()
  const loose = new Set(plan.loose)
  let steps: HostStep[] = []
  let host: string | undefined
  let outputs: (Value | string)[] = []
  const made: Value[] = []
  /** Names whose numbers the host has in a replay. */
  const live = new Set<string>()

  const record = function* (program: Program): Steps<void> {
    const pending = (name: string, { type, shape }: Stand): Value => {
      live.add(name)
      return Value.pending(run, type, shape, (dtype) => {
        const tensor = engine.empty<DType>(shape, { dtype })
        const { pointer } = tensor
        const upload = (values: Live) => {
          const value = values.get(name)!
          if (!value.kind && value.type === type && sameShape(value.shape, shape))
            return put(value, { dtype, layout: 'plain' }, pointer)
          plan.loose.add(name)
          return false
        }
        steps.push({ at: program.length, run: upload })
        return tensor
      })
    }
    const scope: Scope = { values: new Map(plan.constants) }
    for (const [name, stand] of plan.stands) {
      const isFed = stand.form && !plan.open?.has(name)
      const value = isFed ? empty(run, stand) : pending(name, stand)
      if (isFed) inputs.set(name, value)
      value.named = true
      scope.values.set(name, value)
    }
    const setting = settingOf(setup, new Set(plan.stands.keys()))
    // Graphs inside of nodes that go without the host are part of the recording.
    setting.runBody = undefined
    setting.defer = (node, { values }, lastUse) => {
      const freed = readsOf(node).find((name) => loose.has(name))
      const isLoose = freed !== undefined
      const trace = plan.traces.get(node)
      if (!trace || !(trace.host || isLoose)) return false
      host = trace.host ?? `the shape of ${show(freed)} changes from run to run`
      if (isLoose && !plan.open) for (const name of node.outputs) loose.add(name)
      const sources = new Map<string, Source>()
      // Many of what an If reads are weights, the same in each run.
      const fixed: Scope = { values: new Map() }
      for (const name of readsOf(node)) {
        const value = find(name, scope)!
        if (value.constant) fixed.values.set(name, value)
        else sources.set(name, sourceOf(name, value, live))
      }
      const slots: Slot[] = []
      // Its outputs are made before its step runs, at the same place of the program.
      node.outputs.forEach((name, i) => {
        const known = name ? plan.constants.get(name) : undefined
        if (known) values.set(name, known)
        const stand = trace.outputs[i]
        if (!name || known || !stand) return
        const inPlace = stand.form && !loose.has(name)
        const value = inPlace ? empty(run, stand) : pending(name, stand)
        value.named = true
        values.set(name, value)
        slots.push({
          name,
          stand,
          ...(inPlace && { pointer: value.as(stand.form!.dtype, stand.form!.layout).pointer }),
        })
      })
      const last = lastUse.filter((name) => live.has(name) && !plan.stands.has(name))
      const passOn = passesOn(engine, node, sources, slots)
      steps.push({
        at: program.length,
        run: (values) => passOn() || hostStep(setup, node, { sources, fixed, last }, slots, values),
      })
      return true
    }
    for (const node of stepsOf(graph, scope, setting)) {
      if (inTurns && othersWaitedFor(TURN)) yield
      if (!node) continue
      marks.push({ node, end: program.length, steps, host })
      steps = []
      host = undefined
    }
    outputs = graph.outputs.map(({ name }) => {
      const value = find(name, scope)!
      if (live.has(name) && value.onHost) return name
      if (!value.constant) {
        made.push(value)
        value.asHeld('plain')
      }
      return value
    })
    // What an output asked for only now.
    marks.at(-1)?.steps.push(...steps)
    // What was uploaded of them is written anew in each replay.
    for (const name of live) scope.values.get(name)?.dispose()
  }
  let program: Program | undefined
  let done = false
  try {
    program = (yield* engine.recordInSteps(record, { dry: true })).program
    const stops = yield* stopsOf(program, marks)
    done = true
    const held = new Set([...inputs.values(), ...made].flatMap((value) => [...value.tensors()]))
    const bytes = [...held].reduce((sum, { storage }) => sum + storage.bytes, program.bytes)
    return { program, marks, stops, inputs, outputs, bytes }
  } finally {
    if (!done) {
      program?.dispose()
      for (const value of [...inputs.values(), ...made]) value.dispose()
    }
  }
}

/** Host steps, the nodes that may have met an index outside of its axis, and the end. */
function* stopsOf(program: Program, marks: readonly Mark[]): Steps<Stop[]> {
  let begin = 0
  const stops: Stop[] = []
  yield* fewByFew(marks, ({ node, end, steps }) => {
    // The only kernels that tell of one; what a host step ran may have been one of them.
    const looks =
      steps.length > 0 ||
      program.kernels(begin, end).some((kernel) => kernel === 'places' || kernel === 'reverseRows')
    begin = end
    for (const { at, run } of steps) stops.push({ end: at, run })
    if (looks) stops.push({ end, node })
  })
  stops.push({ end: program.length })
  return stops
}

/** A value in the engine whose numbers come later. */
function empty(run: Run, { type, shape, form }: Stand): Value {
  const { dtype, layout } = form!
  const tensor = run.engine.empty<DType>(layout === 'plain' ? shape : lastShape(shape), { dtype })
  return Value.inEngine(run, type, shape, tensor, layout)
}

function sourceOf(name: string, value: Value, live: ReadonlySet<string>): Source {
  if (live.has(name) && value.onHost) return { name }
  // Another shape of what a host step made may not have been asked for in the engine yet.
  if (!value.inEngine) value.typed()
  const stand = standOf(value)
  const { dtype, layout } = stand.form!
  return { stand, pointer: value.as(dtype, layout).pointer }
}

/** Where the output of a host step goes: to an address of the program; else it stays on the host. */
interface Slot {
  name: string
  stand: Stand
  pointer?: number
}

/**
 * Of an If whose condition stands in the engine: copies what a branch without nodes gives to where the
 * outputs are, and tells whether it was such a branch.
 */
function passesOn(
  engine: Engine,
  node: Node,
  sources: ReadonlyMap<string, Source>,
  slots: readonly Slot[],
): () => boolean {
  const condition = node.op === 'If' ? sources.get(node.inputs[0]!) : undefined
  if (!condition || !('stand' in condition) || sizeOf(condition.stand.shape) !== 1) return () => false
  const { dtype } = condition.stand.form!
  const copies = ['else_branch', 'then_branch'].map((name) => {
    // A branch that is never taken may be missing.
    const branch = node.attributes.get(name) as Graph | undefined
    if (branch?.nodes?.length !== 0) return undefined
    const all = slots.map(({ name, pointer: to, stand }) => {
      const source = sources.get(branch.outputs[node.outputs.indexOf(name)]?.name ?? '')
      if (!source || !('stand' in source) || to === undefined || !sameStand(source.stand, stand))
        return undefined
      const bytes = sizeOf(stand.shape) * bytesPerElement(stand.form!.dtype)
      return { to, from: source.pointer, end: source.pointer + bytes }
    })
    return all.every((copy) => copy !== undefined) ? all : undefined
  })
  if (!copies.some((all) => all)) return () => false
  return () => {
    const [value] = arrayAt(dtype, engine.u8.buffer, condition.pointer, 1)
    const all = copies[Number(value !== 0)]
    for (const { to, from, end } of all ?? []) engine.u8.copyWithin(to, from, end)
    return all !== undefined
  }
}

/** What a host step reads. */
interface Given {
  sources: ReadonlyMap<string, Source>
  /** Values that are the same in each run. */
  fixed: Scope
  /** Names of live values that nobody reads after it. */
  last: readonly string[]
}

/**
 * Runs a node as at first, on values of the replay. False where an output has another shape than at
 * first.
 */
function* hostStep(
  setup: Setup,
  node: Node,
  { sources, fixed, last }: Given,
  slots: readonly Slot[],
  live: Live,
): Steps<boolean> {
  const { plan, run } = setup
  const { engine } = run
  const lent: Value[] = []
  const values = new Map<string, Value>()
  for (const [name, source] of sources) {
    if ('name' in source) values.set(name, live.get(source.name)!)
    else {
      const { shape, type, form } = source.stand
      const { dtype, layout } = form!
      const tensor = engine.lend(source.pointer, layout === 'plain' ? shape : lastShape(shape), dtype)
      const value = Value.inEngine(run, type, shape, tensor, layout)
      value.named = true
      lent.push(value)
      values.set(name, value)
    }
  }
  const scope: Scope = { values, outer: fixed }
  for (const name of node.outputs) scope.values.delete(name)
  try {
    try {
      const spare = new Set(last.map((name) => values.get(name)))
      yield* runNode(node, scope, settingOf(setup, new Set()), spare)
    } catch (error) {
      throw located(error, node, engine)
    }
    let fits = true
    for (const { name, stand, pointer } of slots) {
      const value = scope.values.get(name)!
      const other = value.kind || value.type !== stand.type || !sameShape(value.shape, stand.shape)
      if ((pointer !== undefined || (plan.open && !plan.loose.has(name))) && other) {
        plan.loose.add(name)
        fits = false
      } else if (pointer !== undefined) put(value, stand.form!, pointer)
      else {
        const own = ownValue(value)
        own.named = true
        live.set(name, own)
      }
    }
    for (const name of last) {
      live.get(name)?.dispose()
      live.delete(name)
    }
    return fits
  } finally {
    for (const name of node.outputs) {
      const value = scope.values.get(name)
      if (value && !value.constant && live.get(name) !== value) value.dispose()
    }
    for (const value of lent) value.dispose()
  }
}

/** A value, or where that shares memory with others, a copy of it. */
function ownValue(value: Value): Value {
  const { engine, kind, layout, shape, type } = value
  if (kind) {
    const isLent = (part: Value) => [...part.tensors()].some(({ storage }) => storage.isLent)
    if (!isLent(value)) return value
    const own = value.items.map((item) => (isLent(item) ? ownValue(item) : item.alias()))
    return Value.holding(value.run, type, own, kind)
  }
  if (
    !value.inEngine ||
    [...value.tensors()].every(({ storage }) => storage.references === 1 && !storage.isLent)
  )
    return value
  if (value.onHost) return Value.onHost(value.run, type, shape, value.longs?.fresh() ?? value.fresh())
  return Value.inEngine(value.run, type, shape, copied(engine, value.asHeld(layout)), layout)
}

export function copied(engine: Engine, x: AnyTensor): AnyTensor {
  const y = engine.empty<DType>(x.shape, { dtype: x.dtype })
  engine.u8.copyWithin(y.pointer, x.pointer, x.pointer + x.storage.bytes)
  return y
}

/** Writes a value to an address of the engine in some form. */
function put(value: Value, { dtype, layout }: { dtype: DType; layout: Layout }, pointer: number): true {
  const { engine } = value
  if (value.onHost && layout === 'plain') {
    const { longs } = value
    if (longs?.isSigned) longs.write(engine, dtype, pointer)
    else {
      const from = numbersAs(value.data as Float64Array, value.type, dtype)
      arrayAt(dtype, engine.u8.buffer, pointer, value.size).set(from)
    }
  } else {
    const { storage } = value.as(dtype, layout)
    engine.u8.copyWithin(pointer, storage.pointer, storage.pointer + storage.bytes)
  }
  return true
}

/** Writes the inputs of a recording. */
export function feed(recording: Recording, name: string, value: Value): void {
  const input = recording.inputs.get(name)!
  const { form } = standOf(input)
  put(value, form!, input.as(form!.dtype, form!.layout).pointer)
}
