/** A loaded model: checks what goes in, runs it, and copies what comes out. */

import { check, FilterbankError, show } from '../../base/errors.js'
import { disposal } from '../../base/realm.js'
import { printShape, type Shape, sizeOf } from '../../base/shape.js'
import { giveTurn, othersWaitedFor } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, isShape, type Names } from '../../core/options.js'
import type { Program } from '../../core/program.js'
import { Tensor } from '../../core/tensor.js'
import {
  dtypeOf,
  type ElementType,
  fitsEngine,
  type HostArray,
  isFloat,
  isHalf,
  isUserArray,
  toHost,
  toUser,
  type UserArray,
  userArrayName,
} from '../file/types.js'
import { fuse } from '../graph/fuse.js'
import type { Graph, Node, Port } from '../graph/graph.js'
import { constantsOf, type Scope, type Setting, stepsOf } from './execute.js'
import { describe, type LayerSummary, type Note } from './summary.js'
import { dropKept, dropTables, type Run, Value } from './value.js'

/**
 * What an input takes: a tensor of the engine, the array of the input's type where the file fixes the shape,
 * or both named.
 */
export type ModelInput =
  | Tensor
  | UserArray
  | readonly number[]
  | { data: UserArray | readonly number[]; shape: Shape }

/** What `model.run` takes beside the inputs. */
export interface RunOptions {
  /** Names of values inside the graph to give out beside the outputs. */
  taps?: readonly string[]
}

/** What `model.runAsync` takes beside the inputs. */
export interface RunAsyncOptions extends RunOptions {
  /** Told after each node that ran. */
  onProgress?: (progress: { done: number; total: number; node: string }) => void
  /** Stops the run between two nodes. */
  signal?: AbortSignal
}

const RUN: Names<RunOptions> = { taps: true }
const RUN_ASYNC: Names<RunAsyncOptions> = { taps: true, onProgress: true, signal: true }

/** What came out, copied out of the engine: row-major, in the shape and layout of the file. */
export class ModelOutput {
  constructor(
    readonly name: string,
    readonly type: ElementType,
    readonly shape: Shape,
    private readonly host: HostArray,
  ) {}

  /**
   * In the array of its type: float16 as bits in a Uint16Array, bool as Uint8Array, int64 as BigInt64Array.
   */
  get data(): UserArray {
    return toUser(this.type, this.host)
  }

  /**
   * As plain numbers (strings where it holds strings): int64 as a Float64Array, small integers and bool in
   * the array of their type, floats as a Float32Array.
   */
  toArray(): HostArray {
    return this.host.slice() as HostArray
  }
}

/** What a run gives, by the names of outputs and taps. */
export type ModelOutputs = Record<string, ModelOutput>

/** Names and shapes of what a model takes or gives; an open length is a name or null. */
export type { Port }

/** What is known about runs on inputs of certain shapes. */
interface Plan {
  /** Values that only the shapes decide. */
  constants: Map<string, Value>
  /** The same of the graphs inside of nodes. */
  inner: Setting['inner']
  /** Whether a run came to its end: then all that outlives a recording is there. */
  ran: boolean
  /** Whether the host had to look at numbers: then every run goes node by node. */
  hostReads: boolean
  /** Of the last run node by node. */
  notes: Map<Node, Note>
  recorded?: { program: Program; inputs: Map<string, Value>; outputs: Value[]; ends: Map<Node, number> }
}

/** Programs for this many sets of input shapes are kept; each holds the memory of one run. */
const PLANS = 2
/** Milliseconds that `runAsync` goes on for before it lets others have their turn. */
const TURN = 12

/** Made by `loadModel`. */
export class Model {
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  private readonly graph: Graph
  private tapped: { key: string; graph: Graph } | undefined
  private readonly plans = new Map<string, Plan>()
  private readonly execution: Run
  private readonly constants: Map<string, Value>
  private queue: Promise<unknown> = Promise.resolve()
  private waiting = 0
  private gone = false

  /** @internal */
  constructor(
    private readonly engine: Engine,
    /** What the file says, constants apart. */
    private readonly file: Graph,
    readonly opset: number,
    run: Run,
    /** Of the graph, as values. */
    constants: Map<string, Value>,
  ) {
    this.execution = run
    this.constants = constants
    this.inputs = file.inputs
    this.outputs = file.outputs
    this.graph = this.fused(new Set())
  }

  /** The graph to run where these names are to be computed. Constants that are new in it join the others. */
  private fused(keep: ReadonlySet<string>): Graph {
    const graph = fuse(this.file, (name) => this.constants.get(name), keep)
    for (const [name, value] of constantsOf(graph, this.execution)) this.constants.set(name, value)
    return graph
  }

  /** The graph for runs with these taps. The last one is kept: taps are mostly the same from run to run. */
  private tappedAt(taps: readonly string[]): Graph {
    const key = JSON.stringify(taps)
    if (this.tapped?.key !== key) {
      dropTables(this.execution, this.tapped?.graph.nodes ?? [])
      this.tapped = { key, graph: this.fused(new Set(taps)) }
    }
    return this.tapped.graph
  }

  get disposed(): boolean {
    return this.gone || this.engine.disposed
  }

  /**
   * Runs the model on `inputs`, one for each of `model.inputs`, by name.
   *
   * The first run on inputs of new shapes goes node by node; from the second on what it did is replayed, and
   * allocates nothing but the answer.
   * @param inputs of the type, shape and layout that the file says; images are [n, channels, height, width]
   *   there
   * @returns `model.outputs` by name, and the taps
   * @throws FilterbankError for missing, surplus or misnamed inputs, and for wrong types and shapes
   * @example const { logits } = model.run({ image: new Float32Array(3 * 224 * 224) })
   */
  run(inputs: Record<string, ModelInput>, options: RunOptions = {}): ModelOutputs {
    checkOptions('model.run', options, RUN)
    const steps = this.steps(this.accept(inputs), options, this.waiting > 0)
    for (;;) {
      const { done, value } = this.engine.apart(() => steps.next())
      if (done) return value as ModelOutputs
    }
  }

  /**
   * The same in turns with others: every few milliseconds, between two nodes or two runs, the page may draw.
   * Overlapping runs wait for each other; inputs are copied at once, and may be written or disposed then.
   * @throws FilterbankError as `run`; the signal's reason where it stops the run, and another run may follow
   * @example const outputs = await model.runAsync({ image }, { onProgress: ({ done, total }) => bar(done /
   *   total), signal })
   */
  async runAsync(inputs: Record<string, ModelInput>, options: RunAsyncOptions = {}): Promise<ModelOutputs> {
    checkOptions('model.runAsync', options, RUN_ASYNC)
    const feeds = this.accept(inputs)
    for (const feed of feeds.values()) feed.data = numbersOf(feed).slice()
    this.waiting++
    const result = this.queue.then(() => this.inTurns(feeds, options)).finally(() => this.waiting--)
    this.queue = result.catch(() => {})
    return result
  }

  private async inTurns(
    feeds: Map<string, Feed>,
    { onProgress, signal, ...options }: RunAsyncOptions,
  ): Promise<ModelOutputs> {
    signal?.throwIfAborted()
    const steps = this.steps(feeds, options, false)
    const total = this.graph.nodes.length
    try {
      for (let done = 1; ; done++) {
        // Before the first node, too: the runs before this one may have kept others waiting.
        if (othersWaitedFor(TURN)) await giveTurn()
        signal?.throwIfAborted()
        const step = this.engine.apart(() => steps.next())
        if (step.done) return step.value
        onProgress?.({ done, total, node: step.value.name })
      }
    } finally {
      // Gives back what a run that was stopped holds; after the end it does nothing.
      steps.return({})
    }
  }

  /**
   * A line for each step, in the order of the run: operators, output shape, parameters, multiply-adds,
   * algorithm, kernels, time. Before the first run shapes and times are not known; after it the times are its
   * own, with the packing of weights; after the second, what was recorded runs a few times more for them,
   * unless a `runAsync` is under way.
   * @example console.table(model.summary(), ['op', 'name', 'shape', 'milliseconds'])
   */
  summary(): LayerSummary[] {
    this.checkAlive()
    const plan = [...this.plans.values()].at(-1)
    return describe(
      this.graph,
      this.constants,
      plan?.notes ?? new Map(),
      this.waiting ? undefined : plan?.recorded,
    )
  }

  /** Gives all memory back. A second call does nothing. */
  dispose(): void {
    if (this.gone) return
    this.gone = true
    if (this.engine.disposed) return
    for (const plan of this.plans.values()) dropPlan(plan, this.constants)
    this.plans.clear()
    for (const value of this.constants.values()) value.dispose()
    this.constants.clear()
    dropKept(this.execution)
  }

  /** `dispose`, for `using`. */
  [disposal](): void {
    this.dispose()
  }

  get [Symbol.toStringTag](): string {
    return 'Model'
  }

  private checkAlive(): void {
    check(!this.disposed, () => ({
      op: 'model',
      argument: 'model',
      expected: 'alive',
      got: this.gone ? 'a disposed one' : 'one whose engine was disposed',
    }))
  }

  /**
   * A run, node by node; it returns the outputs. `apart`: while another run is under way, whose memory is not
   * to be touched.
   */
  private *steps(
    feeds: Map<string, Feed>,
    { taps = [] }: RunOptions,
    apart: boolean,
  ): Generator<Node, ModelOutputs> {
    this.checkAlive()
    this.checkTaps(taps)
    const key = this.inputs.map(({ name }) => `${name} ${feeds.get(name)!.shape.join()}`).join(';')
    let plan = this.plans.get(key)
    if (!plan?.ran || plan.hostReads || taps.length || apart) {
      if (!plan) {
        // Long numbers and texts are the host's, also where they only pass through.
        const hostReads = this.inputs.some(({ type }) => !fitsEngine(type))
        plan = {
          constants: new Map(this.constants),
          inner: new Map(),
          ran: false,
          hostReads,
          notes: new Map(),
        }
        for (const [oldest, old] of this.plans) {
          if (this.plans.size < PLANS || apart) break
          dropPlan(old, this.constants)
          this.plans.delete(oldest)
        }
        this.plans.set(key, plan)
      }
      return yield* this.nodeByNode(plan, feeds, taps)
    }
    // The plan in use is the youngest.
    this.plans.delete(key)
    this.plans.set(key, plan)
    plan.recorded ??= this.record(plan, feeds)
    const { program, inputs: held, outputs, ends } = plan.recorded
    for (const [name, feed] of feeds) held.get(name)!.typed().set(numbersOf(feed))
    let begin = 0
    for (const [node, end] of ends) {
      this.checkAlive()
      program.run(begin, end)
      begin = end
      yield node
    }
    program.run(begin)
    return this.collect(this.outputs.map(({ name }, i) => [name, outputs[i]!]))
  }

  private *nodeByNode(
    plan: Plan,
    feeds: Map<string, Feed>,
    taps: readonly string[],
  ): Generator<Node, ModelOutputs> {
    const computed = new Set(this.graph.nodes.flatMap(({ outputs }) => outputs))
    // Names inside of what was joined are computed in a graph that leaves those nodes as they are.
    const graph = taps.every((name) => computed.has(name)) ? this.graph : this.tappedAt(taps)
    const scope: Scope = { values: new Map([...this.constants, ...plan.constants]) }
    const setting = this.setting(plan, new Set(taps))
    let hostReads = false
    setting.onNode = (node, note, reads) => {
      plan.notes.set(node, note)
      hostReads ||= reads
    }
    try {
      for (const [name, feed] of feeds) scope.values.set(name, this.enter(feed))
      for (const node of stepsOf(graph, scope, setting)) {
        yield node
        this.checkAlive()
      }
      const outputs = this.collect(
        [...this.outputs.map(({ name }) => name), ...taps].map((name) => [name, scope.values.get(name)]),
      )
      if (graph === this.graph) {
        plan.ran = true
        plan.hostReads ||= hostReads
      }
      return outputs
    } finally {
      for (const value of scope.values.values()) if (!value.constant) value.dispose()
    }
  }

  /**
   * The program of a run: inputs that can be written, outputs that can be read, and where in it each node
   * ends.
   */
  private record(plan: Plan, feeds: Map<string, Feed>): NonNullable<Plan['recorded']> {
    const { engine, execution } = this
    const inputs = new Map<string, Value>()
    const ends = new Map<Node, number>()
    let outputs: Value[] = []
    try {
      for (const [name, { type, shape }] of feeds)
        inputs.set(
          name,
          Value.inEngine(execution, type, shape, engine.zeros(shape, { dtype: dtypeOf(type) })),
        )
      const { program } = engine.record(
        (program) => {
          const scope: Scope = { values: new Map([...plan.constants, ...inputs]) }
          const setting = this.setting(plan, new Set(inputs.keys()))
          for (const node of stepsOf(this.graph, scope, setting)) ends.set(node, program.length)
          outputs = this.outputs.map(({ name }) => scope.values.get(name)!)
          for (const value of outputs) if (!value.constant) value.asHeld('plain')
        },
        { dry: true },
      )
      return { program, inputs, outputs, ends }
    } catch (error) {
      for (const value of [...inputs.values(), ...outputs]) if (!value.constant) value.dispose()
      throw error
    }
  }

  private setting(plan: Plan, keep: Set<string>): Setting {
    const { constants, inner } = plan
    return {
      run: this.execution,
      opset: this.opset,
      constants,
      inner,
      keep: new Set([...keep, ...this.inputs.map(({ name }) => name)]),
    }
  }

  private collect(values: [string, Value | undefined][]): ModelOutputs {
    return Object.fromEntries(
      values.map(([name, made]) => {
        const value = made ?? fail(`output ${show(name)}`, 'made by a node', 'none that makes it')
        const { type, shape } = value
        const data = value.fresh()
        // Halves are rounded here alone: inside all is float32.
        return [
          name,
          new ModelOutput(name, type, shape, isHalf(type) ? toHost(type, toUser(type, data)) : data),
        ]
      }),
    )
  }

  private enter({ type, shape, data }: Feed): Value {
    if (!fitsEngine(type))
      return Value.onHost(
        this.execution,
        type,
        shape,
        (data instanceof Tensor ? Float64Array.from(data.toArray()) : data) as HostArray,
      )
    return Value.inEngine(
      this.execution,
      type,
      shape,
      this.engine.tensor(numbersOf({ type, shape, data }), shape, { dtype: dtypeOf(type) }),
    )
  }

  private checkTaps(taps: readonly string[]): void {
    const known = () =>
      new Set([
        ...this.constants.keys(),
        ...this.file.nodes.flatMap(({ outputs }) => outputs),
        ...this.inputs.map(({ name }) => name),
      ])
    for (const name of taps) if (!known().has(name)) fail('taps', 'a name in the graph', show(name))
  }

  /** The inputs in order of the file, checked. */
  private accept(inputs: Record<string, ModelInput>): Map<string, Feed> {
    this.checkAlive()
    if (typeof inputs !== 'object' || inputs === null)
      fail('inputs', 'an object of inputs by name', show(inputs))
    const names = this.inputs.map(({ name }) => name)
    for (const name of Object.keys(inputs))
      if (!names.includes(name)) fail('inputs', `of the names ${names.map(show).join(', ')}`, show(name))
    const lengths = new Map<string, number>()
    return new Map(
      this.inputs.map((port) => {
        const { name, type, shape: wanted } = port
        const feed = feedOf(
          port,
          inputs[name] ?? fail(`input ${show(name)}`, `given: ${describePort(port)}`, 'none'),
        )
        feed.data = this.engine.steady(feed.data)
        const fits =
          !wanted ||
          (wanted.length === feed.shape.length &&
            wanted.every((length, i) => {
              if (typeof length === 'number') return length === feed.shape[i]
              if (length === null) return true
              if (!lengths.has(length)) lengths.set(length, feed.shape[i]!)
              return lengths.get(length) === feed.shape[i]
            }))
        if (!fits) {
          const bound = [...lengths].map(([symbol, length]) => `${symbol} = ${length}`).join(', ')
          fail(
            `input ${show(name)}`,
            `${describePort(port)}${bound && ` with ${bound}`}`,
            `${type} ${printShape(feed.shape)}`,
          )
        }
        return [name, feed]
      }),
    )
  }
}

function fail(argument: string, expected: string, got: string): never {
  throw new FilterbankError({ op: 'model.run', argument, expected, got })
}

/** An input as it came: the user may write its numbers later, so that they are used or copied at once. */
interface Feed {
  type: ElementType
  shape: Shape
  data: HostArray | Tensor
}

export const describePort = ({ type, shape }: Port): string =>
  `${type} ${shape ? `[${shape.map((length) => length ?? '?').join(', ')}]` : 'of any shape'}`

function feedOf(port: Port, given: ModelInput): Feed {
  const { name, type, shape: wanted } = port
  const argument = `input ${show(name)}`
  if (given instanceof Tensor) {
    if (given.disposed) fail(argument, 'alive', `a disposed tensor ${printShape(given.shape)}`)
    if (!isFloat(type))
      fail(
        argument,
        `${describePort(port)} in a ${userArrayName(type)}`,
        `a tensor ${printShape(given.shape)}, which is float32`,
      )
    return { type, shape: given.shape, data: given }
  }
  const named = typeof given === 'object' && 'data' in given && 'shape' in given
  const data = named ? given.data : given
  const fixed = wanted?.every((length) => typeof length === 'number')
  if (!named && !fixed)
    fail(argument, `a tensor or { data, shape } of ${describePort(port)}, whose shape is open`, show(data))
  const shape = (named ? given.shape : wanted) as Shape
  if (!isShape(shape)) fail(argument, 'of a shape of integers of at least 0', show(shape))
  const numbers = Array.isArray(data) && type !== 'string' && data.every((value) => typeof value === 'number')
  if (!numbers && !isUserArray(type, data))
    fail(argument, `${describePort(port)} in a ${userArrayName(type)}`, show(data))
  const { length } = data as ArrayLike<unknown>
  if (length !== sizeOf(shape))
    fail(argument, `of ${sizeOf(shape)} elements for its shape ${printShape(shape)}`, `${length}`)
  return {
    type,
    shape,
    data: numbers ? fromNumbers(type, data as number[]) : toHost(type, data as UserArray),
  }
}

/** Plain numbers in the host's array of a type. */
function fromNumbers(type: ElementType, numbers: readonly number[]): HostArray {
  if (isFloat(type) || type === 'int64' || type === 'uint64') return Float64Array.from(numbers)
  const Host = toUser(type, []).constructor as unknown as { from(numbers: readonly number[]): HostArray }
  return Host.from(numbers)
}

/** What goes into the engine, as float32. */
const numbersOf = ({ data }: Feed): Float32Array =>
  data instanceof Tensor ? data.toArray() : (data as Float32Array)

function dropPlan({ constants, inner, recorded }: Plan, shared: Map<string, Value>): void {
  for (const [name, value] of constants) if (shared.get(name) !== value) value.dispose()
  for (const found of inner.values()) for (const value of found.values()) value.dispose()
  recorded?.program.dispose()
  if (recorded) for (const value of [...recorded.inputs.values(), ...recorded.outputs]) value.dispose()
}

/** Runs at load what needs no input, and takes it out of the graph. */
export function foldConstants(graph: Graph, opset: number, run: Run): Map<string, Value> {
  const constants = constantsOf(graph, run)
  const foldable = graph.nodes.filter((node) => {
    const folds =
      !NEVER_FOLDED.has(node.op) &&
      ![...node.attributes.values()].some((value) => typeof value === 'object' && 'nodes' in value)
    return (
      folds &&
      node.inputs.every((name) => !name || constants.has(name)) &&
      node.outputs.every((name) => !name || constants.set(name, undefined as never))
    )
  })
  for (const node of foldable) for (const name of node.outputs) constants.delete(name)
  const scope: Scope = { values: new Map(constants) }
  const part: Graph = { nodes: foldable, constants: new Map(), inputs: [], outputs: [] }
  const names = new Set(foldable.flatMap(({ outputs }) => outputs))
  try {
    for (const _ of stepsOf(part, scope, { run, opset, constants, inner: new Map(), keep: names }));
  } catch (error) {
    for (const value of constants.values()) value.dispose()
    throw error
  }
  const gone = new Set(foldable)
  graph.nodes = graph.nodes.filter((node) => !gone.has(node))
  return constants
}

/** What is not the same every time. */
const NEVER_FOLDED = new Set([
  'RandomNormal',
  'RandomUniform',
  'RandomNormalLike',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
])

type Nodes = Pick<Graph, 'nodes'>

/** The operators of a graph that filterbank lacks, each with the names of its nodes. */
export function missingOperators(graph: Nodes, known: (op: string) => boolean): Map<string, string[]> {
  const missing = new Map<string, string[]>()
  const visit = ({ nodes }: Nodes) => {
    for (const node of nodes) {
      if (!known(node.op)) missing.set(node.op, [...(missing.get(node.op) ?? []), node.name])
      for (const value of node.attributes.values())
        if (typeof value === 'object' && 'nodes' in value) visit(value)
    }
  }
  visit(graph)
  return missing
}

/** Throws unless filterbank has all operators of a graph: all that it lacks at once. */
export function checkOperators(graph: Nodes, opset: number, known: (op: string) => boolean): void {
  const missing = missingOperators(graph, known)
  check(missing.size === 0, () => ({
    op: 'loadModel',
    argument: 'model',
    expected: 'of operators that filterbank has',
    got: [...missing]
      .map(([op, names]) => `${op} (opset ${opset}: ${names.map(show).join(', ')})`)
      .join('; '),
  }))
}
