/** A loaded model: checks what goes in, runs it, and copies what comes out. */

import { check, show } from '../../base/errors.js'
import { disposal } from '../../base/realm.js'
import { atOnce as finished, giveTurn, othersWaitedFor, TURN } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import { CALLBACK, checkOptions, NAMES, type Names, SIGNAL } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { type HostArray, staysOnHost } from '../file/types.js'
import { fuse } from '../graph/fuse.js'
import type { Graph, Node, Port } from '../graph/graph.js'
import { constantsOf, type Scope } from './execute.js'
import type { Holder } from './hold.js'
import { dropKept, dropTables } from './kept.js'
import { pictureLater, pictureNow, withPictures } from './pictures.js'
import { type Plan, Plans, roomIn, type Setup } from './plan.js'
import {
  type AnyModelOutputs,
  answerOf,
  copiedNumbers,
  copyOf,
  enter,
  type Feed,
  fail,
  feedsOf,
  type ModelInput,
  type ModelInputs,
  ModelOutput,
  type ModelOutputs,
  mapOf,
  type NumberInputs,
  overwrite,
  tensorsOf,
} from './ports.js'
import { record } from './record.js'
import { type Stands, standOfInput } from './recording.js'
import { disposeLive, nodeByNode, replay, replayUnwatched, setupOf } from './replay.js'
import { describe, type LayerSummary } from './summary.js'
import { type Run, Value } from './value.js'

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

const RUN: Names<RunOptions> = { taps: NAMES }
const RUN_ASYNC: Names<RunAsyncOptions> = { taps: NAMES, onProgress: CALLBACK, signal: SIGNAL }

/** Names and shapes of what a model takes or gives; an open length is a name or null. */
export type { Port }

/** What is known before the first run. */
const NO_RUNS = { notes: new Map(), traces: new Map(), constants: new Map() }
/** For how many sets of input shapes plans are kept; each holds the memory of one run. */
const PLANS = { least: 2, bytes: 2 ** 24, part: 1 / 16 }

/** A sequence's tensors, not numbers. */
const isList = (given: NumberInputs[string]): given is readonly ModelInput[] =>
  Array.isArray(given) && typeof given[0] === 'object'

/** Made by `loadModel`. */
export class Model {
  readonly inputs: readonly Port[]
  readonly outputs: readonly Port[]
  private readonly graph: Graph
  /** The same before nodes were joined, but for the graphs inside of them. */
  private readonly file: Graph
  private tapped: { key: string; graph: Graph } | undefined
  private readonly plans: Plans
  private readonly execution: Run
  private readonly constants: Map<string, Value>
  private readonly holder: Holder
  private queue: Promise<unknown> = Promise.resolve()
  private waiting = 0
  private gone = false

  /** @internal */
  constructor(
    private readonly engine: Engine,
    /** What the file says, constants apart, and the same with nodes joined. */
    { file, graph }: { file: Graph; graph: Graph },
    readonly opset: number,
    run: Run,
    /** Constants of the graph, as values, and what holds those of the graphs inside of nodes. */
    { constants, holder }: { constants: Map<string, Value>; holder: Holder },
  ) {
    this.execution = run
    this.constants = constants
    this.holder = holder
    this.inputs = file.inputs
    this.outputs = file.outputs
    this.file = file
    this.graph = this.completed(graph)
    this.plans = new Plans(this.graph, roomIn(engine, PLANS))
  }

  /** A graph whose new constants have joined the others. */
  private completed(graph: Graph): Graph {
    for (const [name, value] of constantsOf(graph, this.execution)) this.constants.set(name, value)
    return graph
  }

  /** The graph to run where these names are to be computed. */
  private fused(keep: ReadonlySet<string>): Graph {
    return this.completed(finished(fuse(this.file, (name) => this.constants.get(name), keep)))
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
   *   there. A sequence (`sequence` of its port) takes an array of tensors, a map (`map`) a plain object, an
   *   optional input null too
   * @returns `model.outputs` by name, and the taps. A sequence gives an array of them, a map a plain object,
   *   an optional value without its element null: `AnyModelOutputs` is the type for models that have such
   * @throws FilterbankError for missing, surplus or misnamed inputs, and for wrong types and shapes
   * @example const { logits } = model.run({ image: new Float32Array(3 * 224 * 224) })
   */
  run(inputs: ModelInputs, options: RunOptions = {}): ModelOutputs {
    checkOptions('model.run', options, RUN)
    this.checkAlive()
    const numbers = withPictures(inputs, this.inputs, (port, input) => pictureNow(this.engine, port, input))
    const steps = this.steps(this.accept(numbers), options, { apart: this.waiting > 0, atOnce: true })
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
  async runAsync(inputs: ModelInputs, options: RunAsyncOptions = {}): Promise<ModelOutputs> {
    checkOptions('model.runAsync', options, RUN_ASYNC)
    this.checkAlive()
    const later: Promise<void>[] = []
    const numbers = withPictures(inputs, this.inputs, (port, input) => {
      later.push(
        pictureLater(this.engine, port, input).then((made) => {
          numbers[port.name] = made
        }),
      )
      return null
    })
    if (later.length) {
      for (const [name, given] of Object.entries(numbers))
        if (given !== null) numbers[name] = isList(given) ? given.map(copyOf) : copyOf(given as ModelInput)
      await Promise.all(later)
      options.signal?.throwIfAborted()
    }
    const feeds = this.accept(numbers)
    for (const feed of [...feeds.values()].flatMap(tensorsOf)) feed.data = copiedNumbers(feed)
    this.waiting++
    const result = this.queue.then(() => this.inTurns(feeds, options)).finally(() => this.waiting--)
    this.queue = result.catch(() => {})
    return result as Promise<ModelOutputs>
  }

  private async inTurns(
    feeds: Map<string, Feed>,
    { onProgress, signal, ...options }: RunAsyncOptions,
  ): Promise<AnyModelOutputs> {
    signal?.throwIfAborted()
    const steps = this.steps(feeds, options, {})
    const total = this.graph.nodes.length
    try {
      for (let done = 0; ; ) {
        // Before the first node, too: the runs before this one may have kept others waiting.
        if (othersWaitedFor(TURN)) await giveTurn()
        signal?.throwIfAborted()
        const step = this.engine.apart(() => steps.next())
        if (step.done) return step.value
        if (step.value) onProgress?.({ done: ++done, total, node: step.value.name })
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
    const plan = this.plans.latest
    return describe(this.graph, this.constants, plan ?? NO_RUNS, this.waiting ? undefined : plan?.recorded)
  }

  /** Gives all memory back. A second call does nothing. */
  dispose(): void {
    if (this.gone) return
    this.gone = true
    if (this.engine.disposed) return
    this.plans.dispose()
    for (const value of this.constants.values()) value.dispose()
    this.constants.clear()
    dropKept(this.execution)
    this.holder.dispose()
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
   * to be touched. `atOnce`: nobody has a turn in between, so that a replay stops at no node.
   */
  private *steps(
    feeds: Map<string, Feed>,
    { taps = [] }: RunOptions,
    { apart = false, atOnce = false }: { apart?: boolean; atOnce?: boolean },
  ): Generator<Node | undefined, AnyModelOutputs> {
    this.checkAlive()
    this.checkTaps(taps)
    const stands: Stands = new Map(
      [...feeds].map(([name, { type, shape, kind }]) => [name, standOfInput(type, shape, kind)]),
    )
    const isAlone = !taps.length && !apart
    let plan = this.plans.find(stands, !isAlone)
    if (plan?.ran && isAlone) {
      const outputs = yield* this.replayed(plan, feeds, atOnce)
      if (outputs) return outputs
      if (plan.open) {
        this.plans.mistook(plan)
        plan = this.plans.find(stands, true)
      }
    }
    if (!plan) {
      plan = this.plans.add(stands, this.constants, apart)
      // Of a hundred thousand constants each list takes its time.
      yield
      this.checkAlive()
    }
    const outputs = yield* this.nodeByNode(plan, feeds, taps)
    if (isAlone && !plan.open) this.plans.compare(plan)
    return outputs
  }

  private *nodeByNode(
    plan: Plan,
    feeds: Map<string, Feed>,
    taps: readonly string[],
  ): Generator<Node | undefined, AnyModelOutputs> {
    // Names inside of what was joined are computed in a graph that leaves those nodes as they are.
    const computed = new Set(taps.length ? this.graph.nodes.flatMap(({ outputs }) => outputs) : [])
    const graph = taps.every((name) => computed.has(name)) ? this.graph : this.tappedAt(taps)
    const scope: Scope = { values: new Map(plan.constants) }
    yield
    this.checkAlive()
    // Those that came with taps.
    for (const [name, value] of this.constants) if (!scope.values.has(name)) scope.values.set(name, value)
    const keep = new Set([...taps, ...this.inputs.map(({ name }) => name)])
    try {
      for (const [name, feed] of feeds) scope.values.set(name, this.entered(plan, name, feed))
      const steps = nodeByNode({ ...this.setup(plan), graph }, scope, keep, graph === this.graph)
      yield* this.whileAlive(steps)
      return this.collect(
        [...this.outputs.map(({ name }) => name), ...taps].map((name) => [name, scope.values.get(name)]),
      )
    } finally {
      for (const value of scope.values.values()) if (!value.constant) value.dispose()
    }
  }

  /** A replay, recorded before; nothing where the shapes of a value are others than those recorded. */
  private *replayed(
    plan: Plan,
    feeds: Map<string, Feed>,
    atOnce: boolean,
  ): Generator<Node | undefined, AnyModelOutputs | undefined> {
    const setup = this.setup(plan)
    if (!plan.recorded) {
      const made = yield* this.whileAlive(record(setup, !atOnce))
      plan.recorded ??= made
      this.plans.trim()
    }
    const { recorded } = plan
    const live = new Map<string, Value>()
    for (const [name, feed] of feeds) {
      const input = recorded.inputs.get(name)
      if (input) overwrite(input.typed(), feed)
      else live.set(name, this.entered(plan, name, feed))
    }
    try {
      const fits = atOnce
        ? yield* replayUnwatched(setup, recorded, live)
        : yield* this.whileAlive(replay(setup, recorded, live))
      if (!fits) return undefined
      return this.collect(
        this.outputs.map(({ name }, i) => {
          const output = recorded.outputs[i]!
          return [name, typeof output === 'string' ? live.get(output) : output]
        }),
      )
    } finally {
      disposeLive(live)
    }
  }

  /** The same steps, as long as the model is not disposed in a pause. */
  private *whileAlive<T, R>(steps: Generator<T, R>): Generator<T, R> {
    let done = false
    try {
      for (;;) {
        const step = steps.next()
        done = step.done === true
        if (step.done) return step.value
        yield step.value
        this.checkAlive()
      }
    } finally {
      if (!done) steps.return(undefined as R)
    }
  }

  private setup(plan: Plan): Setup {
    return setupOf(this.execution, this.opset, this.graph, plan)
  }

  private collect(values: [string, Value | undefined][]): AnyModelOutputs {
    const output = (name: string, value: Value) => {
      const { type, shape, kind } = value
      if (kind === 'map') return mapOf(value)
      return new ModelOutput(name, type, shape, answerOf(value))
    }
    return Object.fromEntries(
      values.map(([name, made]): [string, AnyModelOutputs[string]] => {
        const value = made ?? fail(`output ${show(name)}`, 'made by a node', 'none that makes it')
        if (value.kind === 'none') return [name, null]
        const isList = value.kind === 'sequence'
        return [name, isList ? value.items.map((item) => output(name, item)) : output(name, value)]
      }),
    )
  }

  /** An input as a value, from whose shape nothing follows that outlives the run where it is open. */
  private entered({ open }: Plan, name: string, feed: Feed): Value {
    const value = this.enter(feed)
    value.steady = !open?.has(name)
    return value
  }

  private enter(feed: Feed): Value {
    const { engine, execution } = this
    const { type, shape, data, kind, items } = feed
    if (kind) {
      const elements = items?.map((item) => this.enter(item)) ?? null
      const value = Value.holding(execution, type, elements, kind)
      value.named = true
      return value
    }
    const value = staysOnHost(type)
      ? Value.onHost(
          execution,
          type,
          shape,
          (data instanceof Tensor ? Float64Array.from(data.toArray()) : data) as HostArray,
        )
      : Value.inEngine(execution, type, shape, enter(engine, feed))
    value.named = true
    return value
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
  private accept(inputs: NumberInputs): Map<string, Feed> {
    this.checkAlive()
    return feedsOf(this.inputs, inputs, (data) => this.engine.steady(data))
  }
}
