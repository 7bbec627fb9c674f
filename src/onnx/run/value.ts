import { type Shape, sizeOf } from '../../base/shape.js'
import type { Steps } from '../../base/turns.js'
import type { DType } from '../../core/dtype.js'
import type { Engine } from '../../core/engine.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { cast } from '../../ops/cast.js'
import type { Words } from '../../plans/long.js'
import type { AnyArray, ElementType, HostArray, HostTensor } from '../file/types.js'
import { dtypeOf, isLong, staysOnHost } from '../file/types.js'
import type { Graph, Node } from '../graph/graph.js'
import { Filling } from './filling.js'
import { hostNumbers, spilled, uploaded, WITHOUT_NUMBERS } from './hold.js'
import { checkSize, isBoth, type Kind, LAYOUTS, type Layout, lastShape, moved } from './layout.js'
import { Longs, MUCH, widenedToWords, wordsFrom } from './long.js'

export { type Kind, type Layout, lastAxis, lastShape, stridesIn } from './layout.js'

/**
 * Where the values of one run live, and whether the host had to look at numbers that depend on the run's
 * inputs.
 */
export interface Run {
  readonly engine: Engine
  /** Set by whoever reads such numbers: what was run cannot be replayed by kernels alone. */
  hostReads: boolean
  /** Whose numbers the host looked at last. */
  read?: Value | undefined
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

/** In which layout a form is, and whether it has the numbers as float32 where their own type is another. */
type FormKey = Layout | `${Layout} floats`

/**
 * A value of the graph. Its numbers stand on the host, or in the engine in one layout or the other, as the
 * type that the file names (`dtypeOf`) or as float32; the other forms are made when they are asked for, and
 * kept as long as the value is.
 */
export class Value {
  /**
   * The engine's copies, by layout and type or by what an operator made of a constant. The first one that is
   * there is what the others were made of.
   */
  private readonly forms = new Map<string, AnyTensor>()
  /** What its elements are in the engine. */
  readonly dtype: DType
  /** Of a sequence its elements, which live as long as it does; null: an optional value that has none. */
  private elements: readonly Value[] | null | undefined
  /** What it is where it is no tensor. */
  kind: Kind | undefined
  /** Whether it is the value of a name in the graph. */
  named = false
  /** Whether its shape follows from the shapes of what goes into the graph. */
  steady = true
  private disposed = false
  private seen: WeakRef<HostArray> | undefined

  private constructor(
    readonly run: Run,
    readonly type: ElementType,
    /** As the file sees it, whatever the layout. */
    readonly shape: Shape,
    private host?: Pick<HostTensor, 'data' | 'bytes' | 'halves'>,
    /** Whether it is the same in every run on inputs of these shapes. */
    public constant = false,
    /**
     * The value that it shows in another shape: what goes into the engine belongs to that one as long as it
     * lives.
     */
    readonly origin?: Value,
    /** Gives its plain form where the numbers are not there yet. */
    private readonly pending?: (dtype: DType) => AnyTensor,
  ) {
    this.dtype = dtypeOf(type)
  }

  static onHost(run: Run, type: ElementType, shape: Shape, data: AnyArray | Filling, constant = false) {
    checkSize(data.length, shape)
    const host = data instanceof Filling ? data : isLong(data) ? new Longs(type, data) : { data }
    return new Value(run, type, shape, host, constant)
  }

  /** Work that is left to be done on its numbers: who reads them before waits for it, without a turn. */
  *settled(): Steps<void> {
    if (this.host instanceof Filling) yield* this.host.steps()
  }

  /** A value that takes over numbers of 64 bits in the engine. */
  static ofWords(run: Run, type: ElementType, shape: Shape, words: Words): Value {
    const value = new Value(run, type, shape)
    value.keepWords(words)
    return value
  }

  private keepWords(words: Words): void {
    this.host = new Longs(this.type, words)
    this.forms.set('words', words)
  }

  /** The host's numbers of 64 bits, where they are exact. */
  get longs(): Longs | undefined {
    return this.host instanceof Longs ? this.host : undefined
  }

  /** The same in the engine: [..., 2]. */
  get words(): Words {
    this.noteRead()
    const { engine, host, type } = this
    return this.form('words', () => (host ? wordsFrom(engine, type, host) : widenedToWords(this.asHeld())))
  }

  /**
   * A value of the host in a recording, whose numbers a replay has: `fill` makes a tensor of a type for them
   * in the engine.
   */
  static pending(run: Run, type: ElementType, shape: Shape, fill: (dtype: DType) => AnyTensor): Value {
    return new Value(run, type, shape, WITHOUT_NUMBERS, false, undefined, fill)
  }

  /** What the file says. What stands in the engine already is shared with `tensor`. */
  static constant(run: Run, tensor: HostTensor): Value {
    const { resident, shape, type, words } = tensor
    const value = new Value(run, type, shape, resident ? undefined : tensor, true)
    value.named = true
    if (words) value.keepWords(words.reshape(words.shape) as Words)
    if (resident) value.put(resident.reshape(shape), 'plain')
    return value
  }

  /**
   * A value that takes over a tensor: of the type that the engine has for `type`, or of float32. In layout
   * `'last'` the tensor has the shape `lastShape(shape)`.
   */
  static inEngine(
    run: Run,
    type: ElementType,
    shape: Shape,
    tensor: AnyTensor,
    layout: Layout = 'plain',
  ): Value {
    const value = new Value(run, type, shape)
    value.put(tensor, layout)
    return value
  }

  /** A sequence or map, which takes over its elements; of null an optional value without one. */
  static holding(run: Run, type: ElementType, elements: readonly Value[] | null, kind?: Kind): Value {
    const value = new Value(run, type, [0], { data: new Float32Array() })
    value.elements = elements
    value.kind = elements ? (kind ?? 'sequence') : 'none'
    return value
  }

  /** The elements of a sequence; keys and values of a map. To be read on the host only. */
  get items(): readonly Value[] {
    this.noteRead()
    return this.elements ?? []
  }

  /** Notes that the run depends on its numbers. */
  noteRead(): void {
    if (this.constant) return
    this.run.hostReads = true
    this.run.read = this
  }

  private put(tensor: AnyTensor, layout: Layout): void {
    this.forms.set(this.keyOf(layout, tensor.dtype), tensor)
  }

  private keyOf(layout: Layout, dtype: DType): FormKey {
    return dtype === this.dtype ? layout : `${layout} floats`
  }

  get engine(): Engine {
    return this.run.engine
  }

  /** Whose its numbers are in the engine: what an operator made for itself is nobody's to give back. */
  private get owner(): Value | undefined {
    // Words are shared in the engine.
    return this.named ? this : (this.origin ?? (this.held('words') ? undefined : this))
  }

  get size(): number {
    return sizeOf(this.shape)
  }

  /**
   * Whether operators on the host should have it: what stands there and is known before the run, or of a type
   * that was made there for a reason.
   */
  get isHost(): boolean {
    return this.host !== undefined && (this.constant || staysOnHost(this.type))
  }

  /** Whether its numbers stand on the host. */
  get onHost(): boolean {
    return this.host !== undefined
  }

  /** Whether it is a constant of halves as the file has them, of which floats are made once they are used. */
  get isHalves(): boolean {
    return this.constant && this.host?.halves !== undefined
  }

  /** Whether it stands in the engine, in whatever form. */
  get inEngine(): boolean {
    return LAYOUTS.some((layout) => this.heldIn(layout))
  }

  /** The layout that costs nothing; both where they are the same. */
  get layout(): Layout {
    return this.heldIn('last') && !this.heldIn('plain') ? 'last' : 'plain'
  }

  has(layout: Layout): boolean {
    return this.heldIn(layout) !== undefined || (isBoth(this.shape) && this.heldIn(this.layout) !== undefined)
  }

  /** A form that is there and was not disposed by a scope around. */
  private held(key: string): AnyTensor | undefined {
    const tensor = this.forms.get(key)
    return tensor?.disposed ? undefined : tensor
  }

  /** The form in a layout that is there: of its own type before float32. */
  private heldIn(layout: Layout): AnyTensor | undefined {
    return this.held(layout) ?? this.held(`${layout} floats`)
  }

  /** The numbers on the host, row-major. Not to be written. */
  get data(): HostArray {
    this.noteRead()
    if (this.constant && !this.host && !this.elements && this.size > MUCH) return this.lookedUp()
    this.host ??= { data: this.download() }
    return this.host.data
  }

  /** The same of a large constant of the engine: a copy that goes when nobody uses it. */
  private lookedUp(): HostArray {
    let data = this.seen?.deref()
    if (!data) {
      data = this.download()
      this.seen = new WeakRef(data)
    }
    return data
  }

  private download(): HostArray {
    // What the other forms were made of: float32 may hold less than they, or more.
    const [key] = [...this.forms.keys()].filter((key) => this.held(key))
    const numbers = (key?.endsWith('floats') ? this.tensor() : this.typed()).toArray()
    return hostNumbers(this.type, numbers)
  }

  /** A copy of the numbers as they are now, row-major. */
  fresh(): HostArray {
    const { host } = this
    return host && host !== WITHOUT_NUMBERS ? (host.data.slice() as HostArray) : this.download()
  }

  /** The same as plain numbers. */
  get numbers(): number[] {
    return Array.from(this.data as Float64Array)
  }

  /** The engine's tensor as float32, whatever the type: plain of the file's shape, or [n, ...spatial, c]. */
  tensor(layout: Layout = 'plain'): Tensor {
    return this.as('float32', layout) as Tensor
  }

  /** The same of the type that the engine has for it; int64 is int32 there, and saturates. */
  typed(layout: Layout = 'plain'): AnyTensor {
    return this.as(this.dtype, layout)
  }

  /** The same as it is, of either type. */
  asHeld(layout: Layout = 'plain'): AnyTensor {
    const held = this.heldIn(layout) ?? this.heldIn(layout === 'plain' ? 'last' : 'plain')
    return this.as(held?.dtype ?? this.dtype, layout)
  }

  /** Whether it stands in the engine as float32 alone, where its own type is another. */
  get holdsFloats(): boolean {
    return (
      this.dtype !== 'float32' &&
      LAYOUTS.some((layout) => this.held(`${layout} floats`)) &&
      !LAYOUTS.some((layout) => this.held(layout))
    )
  }

  /** The engine's tensor of either type. */
  as(dtype: DType, layout: Layout): AnyTensor {
    return this.form(this.keyOf(layout, dtype), () => {
      const { shape, run } = this
      const wanted = layout === 'plain' ? shape : lastShape(shape)
      const elsewhere = layout === 'plain' ? 'last' : 'plain'
      const here = this.heldIn(layout)
      if (here) return cast(here, dtype)
      const other = this.held(this.keyOf(elsewhere, dtype))
      const any = other ?? this.heldIn(elsewhere)
      if (!any && layout === 'plain') return this.upload(dtype)
      if (any && !other) return run.engine.scope(() => cast(moved(any, elsewhere, layout, shape), dtype))
      return moved(any ?? this.as(dtype, 'plain'), elsewhere, layout, shape, wanted)
    })
  }

  /** A tensor made of this value once, and kept with it: packed weights, tables. */
  form<T extends AnyTensor>(key: string, make: () => T): T {
    let tensor = this.held(key) as T | undefined
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
  packed<T, D extends DType = 'float32'>(
    shape: Shape,
    strides: readonly number[],
    use: (filter: Tensor<D>) => T,
    dtype = 'float32' as D,
  ): T {
    const make = () => this.temporary(shape).as(dtype, 'plain') as Tensor<D>
    const own = this.host !== undefined
    const tensor = this.form(`${shape} by ${strides} of ${dtype}`, () => {
      const made = make()
      // Of constants of the host nobody else has it; what it was written by does not read it again.
      if (own && made.storage.references === 1) made.storage.forgetAddress()
      return made
    })
    tensor.strides = strides
    const result = use(tensor)
    if (this.constant && (!own || tensor.storage.references === 1))
      tensor.storage.releaseNumbers(() => (own ? make : spilled(tensor)))
    return result
  }

  private upload(dtype: DType): AnyTensor {
    const { host, run, shape, type } = this
    if (this.origin?.named && !this.origin.disposed) return this.origin.as(dtype, 'plain').reshape(shape)
    if (this.pending) {
      const tensor = this.pending(dtype)
      const shaped = tensor.reshape(shape)
      tensor.dispose()
      return shaped
    }
    // A replay uploads what has a name; it knows nothing of what an operator made for itself.
    if (!this.constant && !this.named) run.hostReads = true
    const { engine } = run
    const { longs } = this
    return longs?.isSigned
      ? engine.upload<DType>(shape, (pointer) => longs.write(engine, dtype, pointer), { dtype })
      : uploaded(engine, host, type, shape, dtype)
  }

  /** The same numbers under another shape (and type), without a copy where the layout allows. */
  reshaped(shape: Shape, type = this.type): Value {
    const { constant, host, pending, run } = this
    checkSize(this.size, shape)
    const value = new Value(run, type, shape, host, constant, host && this.owner, pending)
    if (this.host === undefined || this.heldIn('plain')) {
      const tensor = this.asHeld('plain')
      value.put(value.accepts(tensor) ? tensor.reshape(shape) : this.tensor().reshape(shape), 'plain')
    }
    return this.lendWords(value)
  }

  /** Numbers of 64 bits that stand in the engine live there as long as either value does. */
  private lendWords(value: Value): Value {
    const words = this.longs && this.held('words')
    if (words) value.keepWords(words.reshape(words.shape) as Words)
    return value
  }

  /** Whether a tensor may be a form of it as it is. */
  private accepts({ dtype }: AnyTensor): boolean {
    return dtype === 'float32' || dtype === this.dtype
  }

  /**
   * The same numbers under another shape, of a constant in a value that nobody keeps: what it puts into the
   * engine goes with the scope around.
   */
  temporary(shape: Shape): Value {
    checkSize(this.size, shape)
    return this.constant && this.host && !this.heldIn('plain')
      ? new Value(this.run, this.type, shape, this.host, true)
      : this.reshaped(shape)
  }

  /** The same value once more, with a life of its own; under another type that has its numbers. */
  alias(type = this.type): Value {
    const { constant, elements, host, pending, run, shape } = this
    const value = new Value(run, type, shape, host, constant, host && this.owner, pending)
    value.elements = elements?.map((element) => element.alias()) ?? elements
    value.kind = this.kind
    for (const key of this.forms.keys()) {
      const layout = LAYOUTS.find((name) => key === name || key === `${name} floats`)
      const tensor = layout && this.held(key)
      if (tensor && value.accepts(tensor)) value.put(tensor.reshape(tensor.shape), layout)
    }
    if (!host && value.forms.size === 0) {
      const { layout } = this
      const tensor = this.tensor(layout)
      value.put(tensor.reshape(tensor.shape), layout)
    }
    return this.lendWords(value)
  }

  /** Leaves its tensors to `other`, which has written over them. */
  donate(other: Value): void {
    if (this.forms.size === 0) return
    const written = other.tensors()
    for (const [key, tensor] of this.forms) if (written.has(tensor)) this.forms.delete(key)
  }

  /** All tensors that live with it, with those of `to`. */
  tensors(to = new Set<AnyTensor>()): Set<AnyTensor> {
    for (const tensor of this.forms.values()) to.add(tensor)
    for (const element of this.elements ?? []) element.tensors(to)
    return to
  }

  dispose(): void {
    this.disposed = true
    for (const element of this.elements ?? []) element.dispose()
    for (const tensor of this.forms.values()) tensor.dispose()
    this.forms.clear()
  }
}
