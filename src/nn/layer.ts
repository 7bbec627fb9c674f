/** What a layer is, what stands in it, and in which mode it computes. */
import { disposal, isMap, isSet } from '../base/realm.js'
import type { Storage } from '../core/storage.js'
import { Tensor } from '../core/tensor.js'
import { frozen } from './frozen.js'
import type { OnnxGraph, OnnxValue } from './onnxGraph.js'
import type { Random } from './random.js'

/** What a layer takes or gives: a tensor, or several. */
export type Tensors = Tensor | readonly Tensor[]

/** Values of the graph in place of tensors: one, or several. */
export type OnnxOf<T> = T extends Tensor ? OnnxValue : readonly OnnxValue[]

/** A layer of whatever inputs and outputs. */
export type AnyLayer = Layer<never, Tensors>

/**
 * All that is in a layer and in the layers in it, each once. Tensors by the names that they have from here.
 */
interface Contents {
  layers: Set<AnyLayer>
  parameters: Map<Tensor, string>
  state: Map<Tensor, string>
  generators: Set<Random>
}

/** Enters the layers in a value: itself, or those in arrays, maps, sets and plain objects. */
function findLayers(value: unknown, path: string, found: [string, AnyLayer][], seen: Set<unknown>): void {
  if (typeof value !== 'object' || value === null) return
  if (value instanceof Layer) {
    found.push([path, value])
    return
  }
  const prototype = Object.getPrototypeOf(value)
  const entries =
    // No need to look at each of a million numbers.
    Array.isArray(value)
      ? typeof value[0] === 'number'
        ? []
        : value.entries()
      : isMap(value)
        ? value
        : isSet(value)
          ? [...value].entries()
          : prototype === Object.prototype || prototype === null
            ? Object.entries(value)
            : []
  if (seen.has(value)) return
  seen.add(value)
  for (const [key, inner] of entries)
    if (typeof inner === 'object') findLayers(inner, `${path}.${key}`, found, seen)
}

/**
 * A layer of one's own extends this: `forward` computes a new tensor and leaves x alone. Layers in its fields
 * (in arrays, maps and plain objects too) belong to it: their mode, parameters, state and names follow
 * without further words. Tensors that it learns itself are given to `super`, and so is what else is saved
 * with a model: `state` (running statistics) and `generators` (where its random numbers come from).
 *
 * A layer of several inputs or outputs takes or gives an array of tensors, and says so: `extends
 * Layer<[Tensor, Tensor], Tensor>`.
 *
 * @example
 * class Block extends Layer {
 *   conv = new Conv2d(engine, { inChannels: 8, outChannels: 8, size: 3, padding: 'same' })
 *   norm = new BatchNorm2d(engine, { channels: 8 })
 *   constructor(private factor: Tensor) { super([factor]) }
 *   forward(x: Tensor) { return mul(this.norm.forward(this.conv.forward(x)), this.factor) }
 * }
 */
export abstract class Layer<X = Tensor, Y extends Tensors = Tensor> {
  #training = false
  #frozen = false
  #parameters: readonly Tensor[] = []
  #state: readonly Tensor[] = []
  #generators: readonly Random[]
  /** What this layer calls tensors of its own. */
  readonly #names = new Map<Tensor, string>()

  /**
   * @param parameters the tensors that it learns. @param state tensors that it keeps beside them. @param
   * generators its own randomness
   */
  constructor(
    parameters: readonly Tensor[] = [],
    state: readonly Tensor[] = [],
    generators: readonly Random[] = [],
  ) {
    this.parameters = parameters
    this.state = state
    this.#generators = generators
  }

  /** A new tensor from x. */
  abstract forward(x: X): Y

  /**
   * What `saveOnnx` writes for this layer, in place of the ops that its forward calls: nodes that compute the
   * same from x (an array, where forward takes one). Images are [n, channels, height, width] in the graph.
   * Needed where forward does what ONNX has no operator for, or where the standard has one operator for all
   * of it.
   * @example toOnnx(graph, x) { return graph.node('Mul', [x, graph.constant('factor', this.factor.toArray(),
   *   [channels, 1, 1])]) }
   */
  toOnnx?(graph: OnnxGraph, x: OnnxOf<X>): OnnxOf<Y>

  /**
   * The layers right inside of this one, and what they are called: by default those in its fields. A class
   * that keeps layers where no one else can see them (`#fields`, objects of other classes) tells of them
   * here.
   */
  inside(): [name: string, layer: AnyLayer][] {
    const found: [string, AnyLayer][] = []
    const seen = new Set<unknown>()
    for (const name of Object.keys(this)) {
      const value = this[name as keyof this]
      if (typeof value === 'object') findLayers(value, name, found, seen)
    }
    return found
  }

  /** The tensors that it learns: its own, then those of the layers in it; each once. */
  get parameters(): readonly Tensor[] {
    return this.inside().length ? [...this.contents().parameters.keys()] : this.#parameters
  }

  set parameters(tensors: readonly Tensor[]) {
    this.#parameters = this.#named(tensors, 'parameter')
  }

  /** The tensors that it keeps beside them, such as running statistics, in the same order. */
  get state(): readonly Tensor[] {
    return this.inside().length ? [...this.contents().state.keys()] : this.#state
  }

  set state(tensors: readonly Tensor[]) {
    this.#state = this.#named(tensors, 'state')
  }

  /** Where its random numbers come from, in the same order. */
  get generators(): readonly Random[] {
    return this.inside().length ? [...this.contents().generators] : this.#generators
  }

  set generators(generators: readonly Random[]) {
    this.#generators = generators
  }

  /**
   * What tensors are called from here: by this name they are saved. In a layer around it the same tensor has
   * a longer one, such as `blocks.0.conv.filter`.
   */
  get names(): ReadonlyMap<Tensor, string> {
    const { parameters, state } = this.contents()
    return new Map([...parameters, ...state])
  }

  /**
   * Whether it learns: dropout drops and batch norm takes the statistics of the batch. Setting it sets it for
   * every layer in it. `fit`, `evaluate`, `predict` and `saveOnnx` do not ask: each of their steps has its
   * own mode, and leaves this as it is. Of a frozen layer it is false.
   */
  get training(): boolean {
    return !this.#frozen && (mode?.of(this) ?? this.#training)
  }

  set training(value: boolean) {
    for (const layer of this.contents().layers) {
      if (layer !== this && hasOwnTraining(layer)) layer.training = value
      else layer.#training = value
    }
  }

  /**
   * Keeps it and all in it as it is: optimisers leave its parameters alone and `fit` asks for no derivatives
   * of them, its mode is that of use (statistics stay, nothing is dropped), until `unfreeze`.
   * @example base.freeze()
   */
  freeze(): this {
    return this.#setFrozen(true)
  }

  /** What was frozen learns again. */
  unfreeze(): this {
    return this.#setFrozen(false)
  }

  /** Gives parameters and state back. */
  dispose(): void {
    for (const tensor of this.names.keys()) tensor.dispose()
  }

  /** `dispose`, for `using`. */
  [disposal](): void {
    this.dispose()
  }

  /** @internal */
  contents(above: ReadonlySet<AnyLayer> = new Set()): Contents {
    const whole: Contents = {
      layers: new Set([this]),
      parameters: new Map(),
      state: new Map(),
      generators: new Set(this.#generators),
    }
    const inner: Contents = {
      layers: new Set(),
      parameters: new Map(),
      state: new Map(),
      generators: new Set(),
    }
    const around = new Set(above).add(this)
    for (const [path, layer] of this.inside()) {
      if (around.has(layer) || inner.layers.has(layer)) continue
      const { layers, generators, ...tensors } = layer.contents(around)
      for (const each of layers) inner.layers.add(each)
      for (const each of generators) inner.generators.add(each)
      for (const kind of ['parameters', 'state'] as const) {
        for (const [tensor, name] of tensors[kind])
          if (!inner[kind].has(tensor)) inner[kind].set(tensor, `${path}.${name}`)
      }
    }
    for (const each of inner.layers) whole.layers.add(each)
    for (const each of inner.generators) whole.generators.add(each)
    // Tensors of layers inside may also have been given to `super`: they stand first then, by the name that
    // tells where they are.
    const nameOf = (tensor: Tensor) =>
      inner.parameters.get(tensor) ?? inner.state.get(tensor) ?? this.#names.get(tensor)!
    for (const tensor of [...this.#parameters, ...inner.parameters.keys()])
      whole.parameters.set(tensor, nameOf(tensor))
    for (const tensor of [...this.#state, ...inner.state.keys()])
      if (!whole.parameters.has(tensor)) whole.state.set(tensor, nameOf(tensor))
    return whole
  }

  /** Whether a tensor or generator was given to this very layer. @internal */
  holds(others: ReadonlySet<unknown>): boolean {
    return [...this.#parameters, ...this.#state, ...this.#generators].some((each) => others.has(each))
  }

  #named(tensors: readonly Tensor[], kind: string): readonly Tensor[] {
    tensors.forEach((tensor, i) => {
      if (tensor instanceof Tensor && !this.#names.has(tensor))
        this.#names.set(tensor, tensor.name ?? `${kind}${i}`)
    })
    return tensors
  }

  #setFrozen(value: boolean): this {
    const { layers, parameters } = this.contents()
    for (const layer of layers) layer.#frozen = value
    for (const { storage } of parameters.keys()) frozen[value ? 'add' : 'delete'](storage)
    return this
  }
}

/** Whether its class, or somebody, gave it a `training` of its own. */
function hasOwnTraining(layer: AnyLayer): boolean {
  for (let at: object = layer; at !== Layer.prototype; at = Object.getPrototypeOf(at))
    if (Object.hasOwn(at, 'training')) return true
  return false
}

/**
 * The mode of the step that is being computed. Steps are synchronous, so that there is one at a time in this
 * realm.
 */
let mode: Mode | undefined

/**
 * In which mode each layer of a model computes while a step of `fit`, `evaluate`, `predict` or `saveOnnx`
 * runs; layers outside of it keep their own.
 */
export class Mode {
  /** Undefined for layers that are none of the model's. */
  private readonly known = new WeakMap<AnyLayer, boolean | undefined>()
  private readonly others: AnyLayer[]
  /** Tensors and generators of the model: what has one of them is part of it, wherever it stands. */
  private readonly parts: ReadonlySet<unknown>

  /**
   * @param training whether the model learns
   * @param moved the parameters that an optimiser moves: a layer that has others alone stays as it is, and so
   *   does what stands in it
   */
  constructor(
    model: AnyLayer,
    private readonly training: boolean,
    private readonly moved?: ReadonlySet<Storage>,
  ) {
    const { layers, parameters, state, generators } = model.contents()
    this.parts = new Set<unknown>([...parameters.keys(), ...state.keys(), ...generators])
    this.enter(model, training, new Set())
    this.others = [...layers].filter(hasOwnTraining)
  }

  of(layer: AnyLayer): boolean | undefined {
    if (!this.known.has(layer))
      this.known.set(layer, layer.holds(this.parts) ? this.learns(layer, this.training) : undefined)
    return this.known.get(layer)
  }

  /** Runs `fn`, which must not be async. */
  run<T>(fn: () => T): T {
    const outer = mode
    const before = this.others.map((layer) => layer.training)
    mode = this
    try {
      for (const layer of this.others) layer.training = this.of(layer)!
      return fn()
    } finally {
      this.others.forEach((layer, i) => {
        layer.training = before[i]!
      })
      mode = outer
    }
  }

  private learns(layer: AnyLayer, inherited: boolean): boolean {
    const { moved, training } = this
    const parameters = moved ? layer.parameters : []
    return parameters.length > 0
      ? training && parameters.some(({ storage }) => moved!.has(storage))
      : inherited
  }

  private enter(layer: AnyLayer, inherited: boolean, above: Set<AnyLayer>): void {
    if (above.has(layer)) return
    const learns = this.learns(layer, inherited)
    // A layer that stands in two places learns where one of them does.
    this.known.set(layer, learns || (this.known.get(layer) ?? false))
    const around = new Set(above).add(layer)
    for (const [, inner] of layer.inside()) this.enter(inner, learns, around)
  }
}
