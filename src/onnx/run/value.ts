import { check } from '../../base/errors.js'
import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import type { Tensor } from '../../core/tensor.js'
import { copy } from '../../plans/copy.js'
import type { ElementType, HostArray, HostTensor } from '../file/types.js'
import { hostArray, isFloat } from '../file/types.js'
import type { Graph, Node } from '../graph/graph.js'

/**
 * `'plain'`: row-major as the file says. `'last'`: with axis 1, the channels, moved to the end, as the
 * engine's convolutions want it.
 */
export type Layout = 'plain' | 'last'

/**
 * Where the values of one run live, and whether the host had to look at numbers that depend on the run's
 * inputs.
 */
export interface Run {
  readonly engine: Engine
  /** Set by whoever reads such numbers: what was run cannot be replayed by kernels alone. */
  hostReads: boolean
  /**
   * What is kept as long as the model, since a replay uploads nothing. By node or graph, not by name: graphs
   * inside of nodes may use equal ones.
   */
  readonly kept: Kept
}

interface Kept {
  /** Numbers that operators worked out from attributes and constants, by their use. */
  readonly tables: Map<Node, Map<string, readonly Value[]>>
  /** Constants of the graphs inside of nodes. */
  readonly constants: Map<Graph, ReadonlyMap<string, Value>>
}

export const newRun = (engine: Engine): Run => ({
  engine,
  hostReads: false,
  kept: { tables: new Map(), constants: new Map() },
})

/** Gives back the tables of these nodes. */
export function dropTables({ kept }: Run, nodes: Iterable<Node>): void {
  for (const node of nodes) {
    for (const value of [...(kept.tables.get(node)?.values() ?? [])].flat()) value.dispose()
    kept.tables.delete(node)
  }
}

/** Gives back all that is kept. */
export function dropKept(run: Run): void {
  dropTables(run, run.kept.tables.keys())
  for (const constants of run.kept.constants.values()) for (const value of constants.values()) value.dispose()
  run.kept.constants.clear()
}

/** Distance in elements between neighbours along each of the file's axes. */
export function stridesIn(layout: Layout, shape: Shape): number[] {
  if (layout === 'plain') return stridesOf(shape)
  const [n, ...spatial] = stridesOf(lastShape(shape))
  return [n!, 1, ...spatial.slice(0, -1)]
}

/** The shape of the engine's tensor for a value in layout `'last'`: [n, c, h, w] -> [n, h, w, c]. */
export const lastShape = (shape: Shape): number[] => [shape[0]!, ...shape.slice(2), shape[1]!]

/** Where the file's axis stands in layout `'last'`. */
export const lastAxis = (axis: number, rank: number): number =>
  axis === 0 ? 0 : axis === 1 ? rank - 1 : axis - 1

/** Whether both layouts are the same bytes: one channel, or one place. */
const isBoth = (shape: Shape): boolean => shape.length < 3 || shape[1] === 1 || sizeOf(shape.slice(2)) === 1

/**
 * A value of the graph. Its numbers stand on the host, or in the engine in one layout or the other; the other
 * forms are made when they are asked for, and kept as long as the value is.
 */
export class Value {
  /** The engine's copies, by layout or by what an operator made of a constant. */
  private readonly forms = new Map<string, Tensor>()

  private constructor(
    private readonly run: Run,
    readonly type: ElementType,
    /** As the file sees it, whatever the layout. */
    readonly shape: Shape,
    private host?: Pick<HostTensor, 'data' | 'bytes'>,
    /** Whether it is the same in every run on inputs of these shapes. */
    public constant = false,
    /**
     * The constant that it shows in another shape: what goes into the engine belongs to that one, which lives
     * on.
     */
    private readonly origin?: Value,
  ) {}

  static onHost(run: Run, type: ElementType, shape: Shape, data: HostArray, constant = false): Value {
    check(data.length === sizeOf(shape), () => ({
      op: 'onnx',
      argument: 'data',
      expected: `${sizeOf(shape)} elements`,
      got: `${data.length}`,
      shapes: { shape },
    }))
    return new Value(run, type, shape, { data }, constant)
  }

  /** What the file says. */
  static constant(run: Run, tensor: HostTensor): Value {
    return new Value(run, tensor.type, tensor.shape, tensor, true)
  }

  /** A value that takes over a tensor; in layout `'last'` the tensor has the shape `lastShape(shape)`. */
  static inEngine(
    run: Run,
    type: ElementType,
    shape: Shape,
    tensor: Tensor,
    layout: Layout = 'plain',
  ): Value {
    const value = new Value(run, type, shape)
    value.forms.set(layout, tensor)
    return value
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  /**
   * Whether operators on the host should have it: what stands there and is known before the run, or of a type
   * that was made there for a reason.
   */
  get isHost(): boolean {
    return this.host !== undefined && (this.constant || this.type === 'float64' || !isFloat(this.type))
  }

  /** The layout that costs nothing; both where they are the same. */
  get layout(): Layout {
    return this.held('last') && !this.held('plain') ? 'last' : 'plain'
  }

  has(layout: Layout): boolean {
    return this.held(layout) !== undefined || (isBoth(this.shape) && this.held(this.layout) !== undefined)
  }

  /** A form that is there and was not disposed by a scope around. */
  private held(key: string): Tensor | undefined {
    const tensor = this.forms.get(key)
    return tensor?.disposed ? undefined : tensor
  }

  /** The numbers on the host, row-major. Not to be written. */
  get data(): HostArray {
    if (!this.constant) this.run.hostReads = true
    this.host ??= { data: this.download() }
    return this.host.data
  }

  private download(): HostArray {
    const numbers = this.tensor('plain').toArray()
    if (isFloat(this.type)) return numbers
    const data = hostArray(this.type, numbers.length)
    ;(data as Float64Array).set(numbers)
    return data
  }

  /** A copy of the numbers as they are now, row-major. */
  fresh(): HostArray {
    return this.host ? (this.host.data.slice() as HostArray) : this.download()
  }

  /** The same as plain numbers. */
  get numbers(): number[] {
    return Array.from(this.data as Float64Array)
  }

  /** The engine's tensor: plain of the file's shape, or [n, ...spatial, c]. */
  tensor(layout: Layout = 'plain'): Tensor {
    return this.form(layout, () => {
      const { shape, run } = this
      const wanted = layout === 'plain' ? shape : lastShape(shape)
      const other = this.held(layout === 'plain' ? 'last' : 'plain')
      if (other && isBoth(shape)) return other.reshape(wanted)
      if (!other && layout === 'plain') return this.upload()
      const source = other ?? this.tensor('plain')
      if (isBoth(shape)) return source.reshape(wanted)
      const from = stridesIn(layout === 'plain' ? 'last' : 'plain', shape)
      const to = stridesIn(layout, shape)
      // In the order of the result's memory, so that neighbours are found next to each other.
      const axes = shape
        .map((length, i) => ({ length, from: from[i]!, to: to[i]! }))
        .sort((a, b) => b.to - a.to)
      return run.engine.make(wanted, (y) => copy(run.engine, source.pointer, y.pointer, axes))
    })
  }

  /** A tensor made of this value once, and kept with it: packed weights, tables. */
  form(key: string, make: () => Tensor): Tensor {
    let tensor = this.held(key)
    if (!tensor) {
      const { hostReads } = this.run
      tensor = make()
      // What is made of a constant is made once.
      if (this.constant) this.run.hostReads = hostReads
      this.forms.set(key, tensor)
    }
    return tensor
  }

  /**
   * `use` of these numbers as a filter of this shape, whose elements stand in these strides: of a constant
   * what that packs is all that stays in the engine.
   */
  packed<T>(shape: Shape, strides: readonly number[], use: (filter: Tensor) => T): T {
    const make = () => this.temporary(shape).tensor()
    const tensor = this.form(`${shape} by ${strides}`, make)
    tensor.strides = strides
    const result = use(tensor)
    if (this.constant && this.host && tensor.storage.references === 1) tensor.storage.releaseNumbers(make)
    return result
  }

  private upload(): Tensor {
    const { host, run, shape, type } = this
    if (this.origin) return this.origin.tensor().reshape(shape)
    if (!this.constant) run.hostReads = true
    const { engine } = run
    const bytes = host?.bytes
    if (bytes) return engine.upload(shape, (pointer) => engine.u8.set(bytes, pointer))
    check(host !== undefined && type !== 'string', () => ({
      op: 'onnx',
      argument: 'value',
      expected: 'numbers',
      got: 'texts',
    }))
    return engine.tensor(host.data as Float32Array, shape)
  }

  /** The same numbers under another shape (and type), without a copy where the layout allows. */
  reshaped(shape: Shape, type = this.type): Value {
    const value = new Value(this.run, type, shape, this.host, this.constant, this.constant ? this : undefined)
    if (this.host === undefined || this.held('plain'))
      value.forms.set('plain', this.tensor('plain').reshape(shape))
    return value
  }

  /**
   * The same numbers under another shape, of a constant in a value that nobody keeps: what it puts into the
   * engine goes with the scope around.
   */
  temporary(shape: Shape): Value {
    return this.constant && this.host && !this.held('plain')
      ? new Value(this.run, this.type, shape, this.host, true)
      : this.reshaped(shape)
  }

  /** The same value once more, with a life of its own. */
  alias(type = this.type): Value {
    const value = new Value(
      this.run,
      type,
      this.shape,
      this.host,
      this.constant,
      this.constant ? this : undefined,
    )
    for (const layout of ['plain', 'last'] as const) {
      const tensor = this.held(layout)
      if (tensor) value.forms.set(layout, tensor.reshape(tensor.shape))
    }
    return value
  }

  /** Leaves its tensors to `other`, which has written over them. */
  donate(other: Value): void {
    for (const [key, tensor] of this.forms) if (other.tensors.includes(tensor)) this.forms.delete(key)
  }

  /** All tensors that live with it. */
  get tensors(): Tensor[] {
    return [...this.forms.values()]
  }

  dispose(): void {
    for (const tensor of this.forms.values()) tensor.dispose()
    this.forms.clear()
  }
}
