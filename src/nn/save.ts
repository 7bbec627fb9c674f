/** Weights and all that training goes on from, as a safetensors file. */

import { check, show } from '../base/errors.js'
import { type Shape, sameShape } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, isName, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer } from './layer.js'
import { isCounter, pytorchNames } from './pytorch.js'
import { settle } from './random.js'
import { along, reordered } from './reordered.js'
import { readSafetensors, type SavedType, writeSafetensors } from './safetensors.js'
import type { Optimizer, UnfinishedEpoch } from './train/optimizer.js'

/** What `save` and `load` take beside the model. */
export interface FileOptions {
  /** The optimiser whose state and steps belong to the model, for training to go on. */
  optimizer?: Optimizer
  /**
   * What tensors are called in the file, and how their axes stand: `'filterbank'`, as `model.names` has it;
   * or `'pytorch'`, as `state_dict()` of the same layers: `weight`, `bias`, `running_mean`, filters [out,
   * in, height, width], matrices [out, in]. Default 'filterbank'.
   */
  names?: 'filterbank' | 'pytorch'
}

/** What `save` takes beside the model. */
export interface SaveOptions extends FileOptions {
  /** What the model's numbers are kept as; those of the optimiser are float32. Default 'float32'. */
  dtype?: SavedType
}

/** What `load` takes beside the model. */
export interface LoadOptions extends FileOptions {
  /**
   * Whether the file has to have every tensor of the model, and no other. `false`: those that it has under
   * the same name and of the same shape are loaded, and the report tells of the others. Default true.
   */
  strict?: boolean
}

/** What `load` did, by the names of the file. */
export interface LoadReport {
  loaded: string[]
  /** Tensors of the model that the file lacks: they stay. */
  missing: string[]
  /** Tensors of the file that the model lacks. */
  unexpected: string[]
  /** Tensors of another shape: they stay. */
  mismatched: { name: string; expected: Shape; got: Shape }[]
}

const FILE = { optimizer: true, names: true } as const
const SAVE: Names<SaveOptions> = { ...FILE, dtype: true }
const LOAD: Names<LoadOptions> = { ...FILE, strict: true }
const DTYPES: Record<SavedType, true> = { float32: true, float16: true, bfloat16: true }

/** A tensor of the model, and for each axis in the file which axis here it is. */
interface Place {
  tensor: Tensor
  axes: readonly number[]
  /** Whether it belongs to the optimiser. */
  moves: boolean
  /** Another tensor of the file that is added to it. */
  more?: string | undefined
}

/** Every tensor by the name that it has in the file. */
function named(
  op: string,
  model: AnyLayer,
  { optimizer, names = 'filterbank' }: FileOptions,
): Map<string, Place> {
  check(names === 'filterbank' || names === 'pytorch', () => ({
    op,
    argument: 'names',
    expected: "'filterbank' or 'pytorch'",
    got: show(names),
  }))
  const tensors = new Map<string, Place>()
  const enter = (
    name: string,
    tensor: Tensor,
    moves: boolean,
    axes = [...tensor.shape.keys()],
    more?: string,
  ) => {
    check(!tensors.has(name), () => ({
      op,
      argument: 'model',
      expected: 'of tensors with a name each',
      got: `two of the name ${show(name)}`,
      hint: 'Layers in fields and in a Sequential have names of their own; else set tensor.name before the layer is made',
    }))
    tensors.set(name, { tensor, axes, moves, more })
  }
  if (names === 'pytorch')
    for (const [tensor, { name, axes, more }] of pytorchNames(model))
      enter(name, tensor, false, [...axes], more)
  else for (const [tensor, name] of model.names) enter(name, tensor, false)
  for (const [i, { of, kind, tensor }] of (optimizer?.kept() ?? []).entries())
    enter(`optimizer.${model.names.get(of) ?? i}.${kind}`, tensor, true)
  check(tensors.size > 0, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  engineOf(op, Object.fromEntries([...tensors].map(([name, { tensor }]) => [name, tensor])))
  return tensors
}

/**
 * Weights, running statistics and the state of random generators of a model, and with `optimizer` its state
 * and steps (and how far `fit` is in an epoch that it has not ended), as the bytes of a safetensors file.
 * Tensors have the names that `model.names` tells; those of the optimiser are called `optimizer.NAME.mean`
 * and `optimizer.NAME.square`.
 *
 * @throws FilterbankError where two tensors have the same name
 * @example writeFileSync('digits.safetensors', save(model, { optimizer }))
 */
export function save(model: AnyLayer, options: SaveOptions = {}): Uint8Array<ArrayBuffer> {
  checkOptions('save', options, SAVE)
  const { optimizer, dtype = 'float32' } = options
  check(isName(dtype, DTYPES), () => ({
    op: 'save',
    argument: 'dtype',
    expected: "'float32', 'float16' or 'bfloat16'",
    got: show(dtype),
  }))
  const places = named('save', model, options)
  const metadata: Record<string, string> = { format: options.names === 'pytorch' ? 'pt' : 'filterbank' }
  const { generators } = model
  const [any] = places.values()
  for (const generator of generators) settle(generator, any!.tensor.engine)
  if (generators.length > 0) metadata['generators'] = JSON.stringify(generators.map(({ state }) => state))
  if (optimizer) Object.assign(metadata, { optimizer: optimizer.name, steps: String(optimizer.steps) })
  if (optimizer?.unfinished) metadata['epoch'] = JSON.stringify(optimizer.unfinished)
  const tensors = [...places].flatMap(([name, { tensor, axes, moves, more }]) => {
    const { shape, size } = tensor
    const numbers = reordered(tensor.toArray(), shape, axes)
    const saved = { shape: along(axes, shape), numbers, type: moves ? 'float32' : dtype }
    // All of a sum stands in its first part.
    return [
      [name, saved] as const,
      ...(more ? [[more, { ...saved, numbers: new Float32Array(size) }] as const] : []),
    ]
  })
  return writeSafetensors(new Map(tensors), metadata)
}

const isState = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32

/** What the metadata say of generators; undefined where nothing, as in files of others. */
function generatorsIn(text: string | undefined, count: number, strict: boolean): number[] | undefined {
  if (text === undefined) return undefined
  let states: unknown
  try {
    states = JSON.parse(text)
  } catch {}
  const fits = Array.isArray(states) && states.length === count && states.every(isState)
  if (!fits && !strict) return undefined
  check(fits, () => ({
    op: 'load',
    argument: 'generators',
    expected: `the states of ${count}`,
    got: text,
  }))
  return states as number[]
}

/** What the metadata say of an epoch that was not done. */
function epochIn(text: string | undefined, steps: number): UnfinishedEpoch | undefined {
  if (text === undefined) return undefined
  let epoch: UnfinishedEpoch | undefined
  try {
    epoch = JSON.parse(text)
  } catch {}
  const { first, seed, batchSize, samples, batches } = epoch ?? {}
  const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0
  const fits = [first, batchSize, samples, batches].every(isCount) && first! <= steps && Number.isFinite(seed)
  check(fits, () => ({
    op: 'load',
    argument: 'epoch',
    expected: 'numbers of first, seed, batchSize, samples and batches',
    got: text,
  }))
  return epoch
}

/**
 * Takes back what `save` gave, into a model of the same layers (and an optimiser of the same kind). What else
 * they were made with, such as the learning rate, is not in the file. Without `optimizer`, what the file has
 * of one is left aside. Files of others will do where names and shapes are the same, or those of PyTorch
 * (`names: 'pytorch'`; weights right behind a Flatten of an image follow its order there: `new Permute([0,
 * 3, 1, 2])` before the Flatten gives the same). Numbers of 16 and 64 bits become float32.
 *
 * @param bytes a safetensors file
 * @param options no optimizer; strict true; names 'filterbank'
 * @returns what was loaded, and with `strict: false` what was not
 * @throws FilterbankError for a file of another kind or one that ends early; for tensors that it lacks, has
 *   too many, or has in another shape, by their names.
 * Nothing has changed then
 * @example load(readFileSync('digits.safetensors'), model, { optimizer })
 * @example const { missing } = load(bytes, model, { strict: false, names: 'pytorch' })
 */
export function load(bytes: Uint8Array, model: AnyLayer, options: LoadOptions = {}): LoadReport {
  const op = 'load'
  checkOptions(op, options, LOAD)
  const { optimizer, strict = true } = options
  const { metadata, tensors } = readSafetensors(bytes)
  const places = named(op, model, options)
  const report = compared(places, tensors, Boolean(optimizer), options.names === 'pytorch')
  if (strict) checkWhole(report)
  const steps = Number(metadata['steps'])
  if (optimizer) {
    check(metadata['optimizer'] === optimizer.name, () => ({
      op,
      argument: 'optimizer',
      expected: `${metadata['optimizer']}, as in the file`,
      got: optimizer.name,
    }))
    check(Number.isInteger(steps) && steps >= 0, () => ({
      op,
      argument: 'steps',
      expected: 'an integer of at least 0',
      got: show(metadata['steps']),
    }))
  }
  const states = generatorsIn(metadata['generators'], model.generators.length, strict)
  const unfinished = optimizer && epochIn(metadata['epoch'], steps)
  const [first] = places.values()
  check(first!.tensor.engine.tape === undefined, () => ({
    op,
    argument: 'model',
    expected: 'left as it is inside valueAndGradients',
    got: 'a write',
  }))
  // All of them before the first is written: one may be of a type that is not read.
  const numbers = report.loaded.map((name) => {
    const { axes, more } = places.get(name)!
    const order = [...axes.keys()].map((axis) => axes.indexOf(axis))
    const saved = tensors.get(name)!
    const other = more === undefined ? undefined : tensors.get(more)?.numbers()
    const sum = other ? saved.numbers().map((value, i) => value + other[i]!) : saved.numbers()
    return reordered(sum, saved.shape, order)
  })

  report.loaded.forEach((name, i) => void places.get(name)!.tensor.set(numbers[i]!))
  const { generators } = model
  states?.forEach((state, i) => {
    generators[i]!.state = state
  })
  if (optimizer) Object.assign(optimizer, { steps, unfinished })
  return report
}

/** Which tensors of a model a file has. */
function compared(
  places: ReadonlyMap<string, Place>,
  tensors: ReadonlyMap<string, { shape: Shape }>,
  withOptimizer: boolean,
  fromPytorch: boolean,
): LoadReport {
  const report: LoadReport = { loaded: [], missing: [], unexpected: [], mismatched: [] }
  for (const [name, { tensor, axes, more }] of places) {
    const got = tensors.get(name)?.shape
    const expected = along(axes, tensor.shape)
    const other = more === undefined ? undefined : tensors.get(more)?.shape
    if (other && !sameShape(other, expected)) report.mismatched.push({ name: more!, expected, got: other })
    else if (!got) report.missing.push(name)
    else if (sameShape(got, expected)) report.loaded.push(name)
    else report.mismatched.push({ name, expected, got })
  }
  const summands = new Set([...places.values()].map(({ more }) => more))
  const isAside = (name: string) =>
    (!withOptimizer && name.startsWith('optimizer.')) ||
    (fromPytorch && isCounter(name)) ||
    summands.has(name)
  report.unexpected = [...tensors.keys()].filter((name) => !places.has(name) && !isAside(name))
  return report
}

/** Throws unless the file has every tensor, and no other. */
function checkWhole({ missing, unexpected, mismatched }: LoadReport): void {
  const op = 'load'
  const list = (names: string[]) =>
    names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '')
  const hint = 'strict: false loads what there is'
  check(missing.length === 0, () => ({
    op,
    argument: 'bytes',
    expected: 'a file with every tensor',
    got: `one without ${list(missing)}`,
    hint,
  }))
  check(unexpected.length === 0, () => ({
    op,
    argument: 'bytes',
    expected: 'a file of this model alone',
    got: `one that also has ${list(unexpected)}`,
    hint,
  }))
  for (const { name, expected, got } of mismatched)
    check(false, () => ({ op, argument: name, expected: show(expected), got: show(got), hint }))
}
