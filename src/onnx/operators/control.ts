/** Operators that run the graphs inside of them: If, Loop, Scan, and SequenceMap of sequences. */

import type { Steps } from '../../base/turns.js'
import type { Graph } from '../graph/graph.js'
import type { Call, SteppedOperator } from '../run/call.js'
import { move, moveBox, whole } from '../run/move.js'
import type { Value } from '../run/value.js'
import { sequenceMap } from './sequence.js'

const condition: SteppedOperator = (call) =>
  call.stepGraph(call.graph(call.input(0).data[0] ? 'then_branch' : 'else_branch'))

/** What the steps of a body leave: values that are carried on, and those that are gathered of every step. */
class Rounds {
  readonly gathered: Value[][]
  /** Values that nobody else gives back. */
  private readonly own = new Set<Value>()

  constructor(
    private readonly call: Call,
    private readonly body: Graph,
    public state: readonly Value[],
    /** Outputs of the body in front of the state. */
    private readonly before: number,
  ) {
    this.gathered = body.outputs.slice(before + state.length).map(() => [])
  }

  /** One step; what the body gives out in front of the state. */
  *run(front: readonly Value[], behind: readonly Value[]): Steps<readonly Value[]> {
    const { before, body, call, own, state } = this
    const results = yield* call.stepGraph(body, [...front, ...state, ...behind])
    for (const value of results) own.add(value)
    this.state = results.slice(before, before + state.length)
    results.slice(before + state.length).forEach((value, i) => {
      this.gathered[i]!.push(value)
    })
    for (const value of state) this.drop(value)
    return results.slice(0, before)
  }

  drop(value: Value): void {
    if (this.own.delete(value)) value.dispose()
  }

  /** The values carried on, to be given out. */
  finish(): Value[] {
    const { own, state } = this
    const result = state.map((value) => (own.has(value) ? value : value.alias()))
    for (const value of result) own.delete(value)
    this.dispose()
    return result
  }

  dispose(): void {
    for (const value of this.own) value.dispose()
    this.own.clear()
  }
}

/** Values along a new axis; of none the shape that the body names. */
function stacked(call: Call, values: readonly Value[], port: Graph['outputs'][number], axis = 0): Value {
  const [first] = values
  if (!first) {
    const inner = (port.shape ?? []).map((length) => (typeof length === 'number' ? length : 0))
    return call.host(port.type, [0, ...inner], () => {})
  }
  const at = axis < 0 ? axis + first.shape.length + 1 : axis
  const shape = first.shape.toSpliced(at, 0, values.length)
  const parts = values.map((value, to) => {
    if (value.shape.join() !== first.shape.join())
      call.fail(`output ${port.name}`, `${first.shape} in each step, as in the first`, value.shape)
    const source = value.reshaped(value.shape.toSpliced(at, 0, 1))
    return { source, axes: whole(source.shape).map((box, i) => (i === at ? { ...box, to } : box)) }
  })
  return move(call, shape, parts, { layout: 'plain' })
}

const loop: SteppedOperator = function* (call) {
  const body = call.body(call.inputs.length, call.inputs.length - 1)
  const most = call.scalar(0) ?? Number.POSITIVE_INFINITY
  let goes = call.scalar(1) ?? 1
  const host = (type: 'int64' | 'bool', value: number) => call.host(type, [], (data) => data.fill(value))
  const carried = call.inputs.slice(2).map((_, i) => call.input(i + 2))
  const rounds = new Rounds(call, body, carried, 1)
  try {
    for (let i = 0; i < most && goes; i++) {
      const [next] = yield* rounds.run([host('int64', i), host('bool', 1)], [])
      goes = next!.data[0] as number
      rounds.drop(next!)
      yield
    }
    const ports = body.outputs.slice(1 + rounds.state.length)
    const results = ports.map((port, i) => stacked(call, rounds.gathered[i]!, port))
    return [...rounds.finish(), ...results]
  } finally {
    rounds.dispose()
  }
}

const scan: SteppedOperator = (call) =>
  call.opset < 9 ? scanImages(call) : scanned(call, call.given(), call.numbers('scan_input_directions', []))

/** A Scan of initial values and, behind them, what is gone through; `backwards`: 1 for each from its end. */
function* scanned(call: Call, given: readonly Value[], backwards: readonly number[]): Steps<Value[]> {
  const count = call.number('num_scan_inputs', 1)
  const carried = given.length - count
  if (!(count >= 1 && count <= given.length)) call.fail('num_scan_inputs', `from 1 to ${given.length}`, count)
  const body = call.body(given.length, carried)
  const inputs = given.slice(carried)
  const axes = call
    .asMany('scan_input_axes', Array(count).fill(0))
    .map((axis, i) => call.axis(axis, inputs[i]!.shape.length))
  const lengths = inputs.map(({ shape }, i) => shape[axes[i]!]!)
  const length = lengths[0] ?? 0
  if (lengths.some((other) => other !== length))
    call.fail('inputs', 'of one length along their axes', lengths)
  const outputs = body.outputs.length - carried
  const outAxes = call.asMany('scan_output_axes', Array(outputs).fill(0))
  const outBackwards = call.asMany('scan_output_directions', Array(outputs).fill(0))
  const rounds = new Rounds(call, body, given.slice(0, carried), 0)
  try {
    for (let step = 0; step < length; step++) {
      const parts = inputs.map((x, i) => {
        const axis = axes[i]!
        const from = backwards[i] ? length - 1 - step : step
        const box = whole(x.shape).with(axis, { length: 1, axis, from } as { length: number; axis: number })
        return moveBox(call, x, box, { layout: 'plain' }).reshaped(x.shape.toSpliced(axis, 1))
      })
      yield* rounds.run([], parts)
      for (const part of parts) part.dispose()
      yield
    }
    const results = body.outputs.slice(carried).map((port, i) => {
      const values = rounds.gathered[i]!
      return stacked(call, outBackwards[i] ? values.toReversed() : values, port, outAxes[i])
    })
    return [...rounds.finish(), ...results]
  } finally {
    rounds.dispose()
  }
}

/**
 * Scan as opset 8 has it: how long each sequence is, then batches [n, ...] of what newer versions take, each
 * by itself. Behind the end of a shorter one stand zeros.
 */
function* scanImages(call: Call): Steps<Value[]> {
  const body = call.graph('body')
  const lengths = call.inputs[0]
  const batches = Array.from({ length: Math.max(1, call.inputs.length - 1) }, (_, i) => call.input(i + 1))
  const last = batches.at(-1)!
  if (last.shape.length < 2) call.fail('inputs', '[n, length, ...] to go through', last.shape)
  const [n, longest] = last.shape as [number, number]
  const carried = batches.length - call.number('num_scan_inputs', 1)
  const ends = lengths?.numbers ?? Array<number>(n).fill(longest)
  if (ends.length !== n || ends.some((end) => !(end >= 0 && end <= longest)))
    call.fail('sequence_lens', `${n} lengths up to ${longest}`, ends)
  const all: Value[][] = []
  try {
    for (let image = 0; image < n; image++) {
      const parts = batches.map((x, i) => {
        const box: { length: number; axis: number; from?: number }[] = whole(x.shape)
        box[0] = { length: 1, axis: 0, from: image }
        if (i >= carried) box[1] = { length: ends[image]!, axis: 1 }
        return moveBox(call, x, box, { layout: 'plain' }).reshaped(box.slice(1).map(({ length }) => length))
      })
      all.push(yield* scanned(call, parts, call.numbers('directions', [])))
      for (const part of parts) part.dispose()
    }
    return body.outputs.map((port, i) => {
      const values = all.map((results) => results[i]!)
      if (i < carried) return stacked(call, values, port)
      const shape = [n, longest, ...(values[0]?.shape.slice(1) ?? [])]
      const boxes = values.map((value, to) => ({
        source: value.reshaped([1, ...value.shape]),
        axes: whole([1, ...value.shape]).map((box, axis) => (axis ? box : { ...box, to })),
      }))
      return boxes.length ? move(call, shape, boxes, { layout: 'plain' }) : stacked(call, values, port)
    })
  } finally {
    for (const value of all.flat()) value.dispose()
  }
}

/** Those that run graphs, in steps. */
export const control: Record<string, SteppedOperator> = {
  If: condition,
  Loop: loop,
  Scan: scan,
  SequenceMap: sequenceMap,
}
