import { type Complaint, FilterbankError, show } from '../../base/errors.js'
import { type Shape, sameShape } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { Engine } from '../../core/engine.js'
import type { AnyTensor } from '../../core/tensor.js'
import { copy } from '../../plans/copy.js'
import { MadeTensor } from '../file/decode.js'
import { bitsOf, type ElementType, type HostArray, type HostTensor, hostArray } from '../file/types.js'
import type { AttributeValue, Graph, Node } from '../graph/graph.js'
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

  number<T extends number | undefined>(name: string, otherwise: T): number | T {
    const value = this.node.attributes.get(name)
    return typeof value === 'number' ? value : otherwise
  }

  /** A number that says yes or no. */
  flag(name: string, otherwise = false): boolean {
    return this.number(name, Number(otherwise)) === 1
  }

  text(name: string, otherwise = ''): string {
    const value = this.node.attributes.get(name)
    return typeof value === 'string' ? value : otherwise
  }

  numbers<T extends number[] | undefined>(name: string, otherwise: T): number[] | T {
    const value = this.node.attributes.get(name)
    return Array.isArray(value) ? (value as number[]) : otherwise
  }

  texts(name: string): string[] | undefined {
    const value = this.node.attributes.get(name)
    return Array.isArray(value) ? (value as string[]) : undefined
  }

  constant(name: string): HostTensor | undefined {
    const value = this.node.attributes.get(name)
    return typeof value === 'object' && 'data' in value ? value : undefined
  }

  graph(name: string): Graph {
    const value: AttributeValue | undefined = this.node.attributes.get(name)
    if (typeof value !== 'object' || !('nodes' in value)) this.fail(`attribute ${name}`, 'a graph', 'none')
    return value
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
    return this.inputs[i]?.data[0] as number | undefined
  }

  /** A list that newer versions give as an input and older ones as an attribute. */
  list(input: number, attribute: string): number[] | undefined {
    return this.inputs[input]?.numbers ?? this.numbers(attribute, undefined)
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
    return given ? given.map((axis) => this.axis(axis, rank)) : [...Array(rank).keys()]
  }

  /** A new value on the host that `fill` writes. */
  host(type: ElementType, shape: Shape, data: HostArray | ((data: Float64Array) => void)): Value {
    let array: HostArray
    if (typeof data === 'function') {
      array = this.room(type, shape)
      data(array as Float64Array)
    } else array = data
    const value = Value.onHost(this.run, type, shape, array)
    if (!this.run.hostReads) this.ofShapes.add(value)
    return value
  }

  /** Memory of the host for numbers of a shape that fits: at most as much as the engine may take. */
  room(type: ElementType, shape: Shape): HostArray {
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
    // Of constants alone the node is computed once; where numbers of the run have a part, on the host.
    if (run.hostReads || this.ownInputs.every((input) => input?.constant ?? true)) return value
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
