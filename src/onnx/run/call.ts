import { type Complaint, FilterbankError, show } from '../../base/errors.js'
import { type Shape, sameShape } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import type { AnyTensor } from '../../core/tensor.js'
import { copy } from '../../plans/copy.js'
import { MadeTensor } from '../file/decode.js'
import { bitsOf, type ElementType, type HostArray, type HostTensor, hostArray } from '../file/types.js'
import { type AttributeValue, type Graph, graphsOf, type Node } from '../graph/graph.js'
import { Filling } from './filling.js'
import { MOST_AXES } from './layout.js'
import { type Layout, lastShape, type Run, Value } from './value.js'

/**
 * What a node does: from its inputs to its outputs. One function for each operator of the standard, whatever
 * the version.
 */
export type Operator = (call: Call) => Value | (Value | undefined)[]

/**
 * Operators that are fetched when a model names one of them, and which of them give shapes that follow from
 * those of the inputs, and take sequences, maps and optional values.
 */
export interface OperatorModule {
  operators: Record<string, Operator>
  /** Those that run graphs. */
  stepped?: Record<string, SteppedOperator>
  shapedByInputs?: readonly string[]
  takesContainers?: readonly string[]
}

/** An operator that runs graphs, which may take long. */
export type SteppedOperator = (call: Call) => Steps<Value[]>

/** What comes of writing an array at once (the array itself, or nothing) or in steps. */
type Written = void | Float64Array | Steps<void>

/** What attributes are, in the words of errors. */
interface Kinds {
  'a number': number
  'a string': string
  'a list of numbers': number[]
  'a list of strings': string[]
  'a tensor': HostTensor
  'a graph': Graph
}

/** Which are of a kind. Of a list all items are as the first; an empty one is of either. */
const KINDS: Record<keyof Kinds, (value: AttributeValue) => boolean> = {
  'a number': (value) => typeof value === 'number',
  'a string': (value) => typeof value === 'string',
  'a list of numbers': (value) => Array.isArray(value) && typeof value[0] !== 'string',
  'a list of strings': (value) => Array.isArray(value) && typeof value[0] !== 'number',
  'a tensor': (value) => typeof value === 'object' && 'data' in value,
  'a graph': (value) => typeof value === 'object' && 'nodes' in value,
}

const kindOf = (value: AttributeValue): string =>
  Object.keys(KINDS).find((kind) => KINDS[kind as keyof Kinds](value))!

/** One node at work: its inputs, its attributes, and ways to make its outputs. */
export class Call {
  constructor(
    readonly node: Node,
    readonly inputs: readonly (Value | undefined)[],
    /** Version of the operators that the model is written for. */
    readonly opset: number,
    readonly run: Run,
    /** Runs a graph that is an attribute, on inputs of its own and the values around it. */
    readonly stepGraph: (graph: Graph, inputs?: readonly Value[]) => Steps<Value[]>,
    /** Inputs that nobody reads any more. */
    private readonly spare: ReadonlySet<Value | undefined>,
  ) {
    this.owner = node
    this.ownInputs = inputs
  }

  /** The node of the graph and what it reads, whatever a part of the operator is called with (`on`). */
  private readonly owner: Node
  private readonly ownInputs: readonly (Value | undefined)[]

  get engine(): Engine {
    return this.run.engine
  }

  /** The same call on other inputs, and with others among its attributes. */
  on(inputs: readonly (Value | undefined)[], attributes?: Record<string, AttributeValue>): Call {
    const node = attributes && {
      ...this.node,
      attributes: new Map([...this.node.attributes, ...Object.entries(attributes)]),
    }
    return Object.create(this, { inputs: { value: inputs }, ...(node && { node: { value: node } }) }) as Call
  }

  /** The same call on a value that it has made itself, and that nobody else reads. */
  onOwn(x: Value, attributes: Record<string, AttributeValue>): Call {
    return Object.create(this.on([x], attributes), { spare: { value: new Set([x]) } }) as Call
  }

  /** The inputs, of which these have to be given; all of them, and one at least, where none are named. */
  given(...places: number[]): Value[] {
    const all = places.length ? places : Array.from({ length: this.inputs.length || 1 }, (_, i) => i)
    for (const i of all) this.input(i)
    return this.inputs as Value[]
  }

  /** Input `i`; an error where the node leaves it out. */
  input(i: number): Value {
    const value = this.inputs[i]
    if (!value) this.fail(`input ${i}`, 'given', 'none')
    return value
  }

  fail(argument: string, expected: string, got: unknown): never {
    const shapes = Object.fromEntries(
      this.inputs.map((value, i) => [this.node.inputs[i] || `input ${i}`, value?.shape]),
    )
    throw new FilterbankError({
      op: nameOf(this.node),
      argument,
      expected,
      got: typeof got === 'string' ? got : show(got),
      shapes,
    } satisfies Complaint)
  }

  /** Throws unless a value, where there is one, has this shape; of an open length any will do. */
  shaped(argument: string, value: Value | undefined, shape: readonly (number | undefined)[]): void {
    if (!value) return
    const isIt = shape.every((length, i) => length === undefined || length === value.shape[i])
    if (!isIt || value.shape.length !== shape.length)
      this.fail(argument, `[${shape.map((length) => length ?? '...').join(', ')}]`, value.shape)
  }

  has(name: string): boolean {
    return this.node.attributes.has(name)
  }

  /** An attribute, which has to be of a kind where it is given. */
  private attribute<K extends keyof Kinds>(name: string, kind: K): Kinds[K] | undefined {
    const value = this.node.attributes.get(name)
    if (value === undefined || KINDS[kind](value)) return value as Kinds[K] | undefined
    const got = typeof value !== 'object' || Array.isArray(value) ? show(value) : kindOf(value)
    return this.fail(`attribute ${show(name)}`, kind, got)
  }

  number<T extends number | undefined>(name: string, otherwise: T): number | T {
    return this.attribute(name, 'a number') ?? otherwise
  }

  /** A number that says yes, or of 0 no. */
  flag(name: string, otherwise = false): boolean {
    return this.number(name, Number(otherwise)) !== 0
  }

  text(name: string, otherwise = ''): string {
    return this.attribute(name, 'a string') ?? otherwise
  }

  /** What a table has for the string that an attribute is. */
  choice<T>(name: string, table: Readonly<Record<string, T>>, otherwise: string): T {
    const text = this.text(name, otherwise)
    if (!Object.hasOwn(table, text)) this.fail(name, `one of ${Object.keys(table).join(', ')}`, text)
    return table[text]!
  }

  numbers<T extends number[] | undefined>(name: string, otherwise: T): number[] | T {
    return this.attribute(name, 'a list of numbers') ?? otherwise
  }

  /** As many numbers as those that hold where none are given. */
  asMany(name: string, otherwise: number[]): number[] {
    const list = this.numbers(name, otherwise)
    if (list.length !== otherwise.length) this.fail(name, `of ${otherwise.length} numbers`, list)
    return list
  }

  texts(name: string): string[] | undefined {
    return this.attribute(name, 'a list of strings')
  }

  constant(name: string): HostTensor | undefined {
    return this.attribute(name, 'a tensor')
  }

  graph(name: string): Graph {
    return this.attribute(name, 'a graph') ?? this.fail(`attribute ${name}`, 'a graph', 'none')
  }

  /** The graph that runs once a step, on so many values, and gives out as many as are carried on, or more. */
  body(inputs: number, outputs: number): Graph {
    const body = this.graph('body')
    if (body.inputs.length !== inputs) this.fail('body', `a graph of ${inputs} inputs`, body.inputs.length)
    if (!(outputs >= 0 && body.outputs.length >= outputs))
      this.fail('body', `a graph of ${outputs} outputs or more`, body.outputs.length)
    return body
  }

  /** The number that input `i` is; undefined where the node leaves it out. */
  scalar(i: number): number | undefined {
    const value = this.inputs[i]
    if (value && !value.size) this.fail(`input ${i}`, 'a number', value.shape)
    return value?.data[0] as number | undefined
  }

  /**
   * A list that newer versions give as an input and older ones as an attribute, of two numbers for each axis
   * at most.
   */
  list(input: number, attribute: string, most = 2 * MOST_AXES): number[] | undefined {
    const given = this.inputs[input]
    const length = given?.size ?? this.numbers(attribute, [])!.length
    if (length > most) this.fail(attribute, `of at most ${most} numbers`, `${length}`)
    return given?.numbers ?? this.numbers(attribute, undefined)
  }

  /** The same, which has to be given, and of so many numbers where that is known. */
  neededList(input: number, attribute: string, count?: number): number[] {
    const list = this.list(input, attribute) ?? this.fail(attribute, 'given', 'none')
    if (count !== undefined && list.length !== count) this.fail(attribute, `of ${count} numbers`, list)
    return list
  }

  /** `axis` of `rank` axes, counted from the front. */
  axis(axis: number, rank: number): number {
    if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
      this.fail('axis', rank ? `an integer from ${-rank} to ${rank - 1}` : 'none, for a scalar', axis)
    return axis < 0 ? axis + rank : axis
  }

  /** The attribute `axis`, counted from the front. */
  ownAxis(rank: number, otherwise: number): number {
    return this.axis(this.number('axis', otherwise), rank)
  }

  /** Axes of `rank`, counted from the front: all where none are named. */
  axes(given: readonly number[] | undefined, rank: number): number[] {
    if (!given) return [...Array(rank).keys()]
    const axes = given.map((axis) => this.axis(axis, rank))
    if (new Set(axes).size !== axes.length) this.fail('axes', 'each axis once', given)
    return axes
  }

  /**
   * A new value on the host of numbers, or of what `data` writes: in steps where it may take long, the first
   * of them at once.
   */
  host(type: ElementType, shape: Shape, data: HostArray | ((data: Float64Array) => Written)): Value {
    if (typeof data !== 'function') return this.made(Value.onHost(this.run, type, shape, data))
    return this.written(type, shape, false, data)
  }

  /** The same of numbers that are written. `constant`: they are the same in every run on these shapes. */
  written(type: ElementType, shape: Shape, constant: boolean, write: (data: Float64Array) => Written): Value {
    const array = this.room(type, shape)
    const work = write(array as Float64Array)
    if (!(work && 'next' in work) || work.next().done)
      return this.made(Value.onHost(this.run, type, shape, array, constant))
    const value = Value.onHost(this.run, type, shape, new Filling(array, work), constant)
    this.unsettled.push(value)
    return value
  }

  /** Notes down a value of the host once its numbers are there. */
  private made(value: Value): Value {
    if (!this.run.hostReads) this.ofShapes.add(value)
    return value
  }

  /** Values of `host` whose numbers are still being written. */
  private readonly unsettled: Value[] = []

  /** What is left to do of them; undefined where nothing is. */
  get rest(): Steps<void> | undefined {
    return this.unsettled.length ? this.settled() : undefined
  }

  private *settled(): Steps<void> {
    for (const value of this.unsettled) {
      yield* value.settled()
      this.made(value)
    }
  }

  /** Memory of the host for numbers of a shape that fits: at most as much as the engine may take. */
  room(type: ElementType, shape: Shape): HostArray {
    if (shape.length > MOST_AXES) this.fail('output', `of at most ${MOST_AXES} axes`, `${shape.length}`)
    const size = shape.reduce((product, length) => product * length, 1)
    const most = Math.floor(this.engine.mostBytes / (type === 'string' ? 8 : bitsOf(type) / 8))
    if (!(size >= 0 && size <= most)) this.fail('output', `of at most ${most} elements`, shape)
    return hostArray(type, size)
  }

  /**
   * Values made before any number was read that depends on the inputs: shapes and constants alone decide
   * them.
   */
  readonly ofShapes = new Set<Value>()

  /**
   * Numbers worked out from attributes and these values: int32 or uint8 where they come so, else float32. Of
   * constants they are kept with the model, since a replay of the run uploads nothing; those that may be made
   * anew in the engine alone.
   */
  tables(
    use: string,
    shape: Shape,
    from: readonly Value[],
    make: () => readonly (Iterable<number> | Int32Array | Uint8Array | MadeTensor)[],
  ): readonly Value[] {
    const fixed = from.every(({ constant }) => constant)
    const { tables } = this.run.kept
    let values = fixed ? tables.get(this.node)?.get(use) : undefined
    if (!values) {
      values = make().map((data) =>
        data instanceof MadeTensor
          ? Value.constant(this.run, data)
          : data instanceof Int32Array || data instanceof Uint8Array
            ? Value.onHost(this.run, data instanceof Int32Array ? 'int32' : 'uint8', shape, data, fixed)
            : Value.onHost(this.run, 'float32', shape, Float32Array.from(data), fixed),
      )
      if (fixed) tables.set(this.node, (tables.get(this.node) ?? new Map()).set(use, values))
    }
    if (fixed) this.used.push(...values)
    return values
  }

  /**
   * A constant of the host that the operator made of constants, as it is or as the one of the same numbers
   * that an earlier call kept: what that puts into the engine is there when a recording asks for it.
   */
  kept(value: Value): Value {
    const { owner: node, run } = this
    // Of constants alone a node without graphs is computed once; where numbers of the run have a part, on the
    // host.
    const isFolded = !graphsOf(node).length && this.ownInputs.every((input) => input?.constant ?? true)
    if (run.hostReads || isFolded) return value
    const { tables } = run.kept
    const uses = tables.get(node) ?? new Map<string, readonly Value[]>()
    tables.set(node, uses)
    const use = `moved ${value.type} [${value.shape}]`
    const known = uses.get(use) ?? []
    const { data } = value
    const isSame = (other: Value) => (other.data as Float64Array).every((v, i) => Object.is(v, data[i]))
    const own = known.find(isSame) ?? value
    if (own === value) uses.set(use, [...known, value])
    own.named = true
    this.used.push(own)
    return own.alias()
  }

  /** How the operator did it and why, where it has a choice: for `model.summary`. */
  chosen: { algorithm: string; reason: string } | undefined

  /**
   * Values beside the inputs that this call used and that outlive it: tables, and what graphs inside of it
   * read.
   */
  readonly used: Value[] = []

  /**
   * `tensor`, a form of `x`, if a result of this shape may be written over it: nobody reads x after this
   * call, and nobody else its memory.
   */
  over<T extends AnyTensor>(x: Value, tensor: T | number, shape: Shape): T | undefined {
    return typeof tensor !== 'number' &&
      this.spare.has(x) &&
      tensor.storage.references === 1 &&
      sameShape(tensor.shape, shape)
      ? tensor
      : undefined
  }

  /** Zeros in the engine, of the file's shape as they stand in `layout`: what sums over nothing are. */
  zeros(type: ElementType, shape: Shape, layout: Layout = 'plain'): Value {
    const { engine } = this
    const tensor = engine.make(layout === 'plain' ? shape : lastShape(shape), ({ pointer, size }) => {
      if (size) copy(engine, { value: 0 }, pointer, [{ length: size, from: 0, to: 1 }])
    })
    return Value.inEngine(this.run, type, shape, tensor, layout)
  }

  /** A value that takes over a tensor of the file's shape, or in layout `'last'` of [n, ...spatial, c]. */
  tensor(type: ElementType, tensor: AnyTensor, layout: Layout = 'plain'): Value {
    const [n, ...rest] = tensor.shape
    return Value.inEngine(
      this.run,
      type,
      layout === 'plain' ? tensor.shape : [n!, rest.at(-1)!, ...rest.slice(0, -1)],
      tensor,
      layout,
    )
  }
}

/** A node as errors call it. */
export const nameOf = ({ op, name }: Node): string => `${op} ${show(name)}`
