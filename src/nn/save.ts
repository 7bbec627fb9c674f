/**
 * Weights and all that training goes on from, as a safetensors file: the length of a header (8 bytes,
 * little-endian), the header (JSON: type, shape and place of each tensor; text under `__metadata__`), the
 * numbers. https://huggingface.co/docs/safetensors (its format section)
 */

import { check, show } from '../base/errors.js'
import { isBytes } from '../base/realm.js'
import { type Shape, sameShape, sizeOf } from '../base/shape.js'
import { decodeUtf8, encodeUtf8 } from '../base/utf8.js'
import { engineOf } from '../core/engine.js'
import { checkOptions, isShape, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer } from './layer.js'
import { settle } from './random.js'
import type { Optimizer, UnfinishedEpoch } from './train/optimizer.js'

/** The longest header that readers of the format accept. */
const MOST_HEADER_BYTES = 100e6

interface Entry {
  dtype: string
  shape: Shape
  data_offsets: [begin: number, end: number]
}

/** What `save` and `load` take beside the model. */
export interface SaveOptions {
  /** The optimiser whose state and steps belong to the model, for training to go on. */
  optimizer?: Optimizer
}

const SAVE: Names<SaveOptions> = { optimizer: true }

/** Every tensor by the name that it has in the file. */
function named(op: string, model: AnyLayer, optimizer?: Optimizer): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>()
  const enter = (name: string, tensor: Tensor) => {
    check(!tensors.has(name), () => ({
      op,
      argument: 'model',
      expected: 'of tensors with a name each',
      got: `two of the name ${show(name)}`,
      hint: 'Layers in fields and in a Sequential have names of their own; else set tensor.name before the layer is made',
    }))
    tensors.set(name, tensor)
  }
  for (const [tensor, name] of model.names) enter(name, tensor)
  for (const [i, { of, kind, tensor }] of (optimizer?.kept() ?? []).entries())
    enter(`optimizer.${model.names.get(of) ?? i}.${kind}`, tensor)
  check(tensors.size > 0, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  engineOf(op, Object.fromEntries(tensors))
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
  const { optimizer } = options
  const tensors = named('save', model, optimizer)
  const metadata: Record<string, string> = { format: 'filterbank' }
  const { generators } = model
  const [any] = tensors.values()
  for (const generator of generators) settle(generator, any!.engine)
  if (generators.length > 0) metadata['generators'] = JSON.stringify(generators.map(({ state }) => state))
  if (optimizer) Object.assign(metadata, { optimizer: optimizer.name, steps: String(optimizer.steps) })
  if (optimizer?.unfinished) metadata['epoch'] = JSON.stringify(optimizer.unfinished)
  const header: Record<string, Entry | Record<string, string>> = { __metadata__: metadata }
  let at = 0
  for (const [name, { shape, size }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + size * 4] }
    at += size * 4
  }
  const text = encodeUtf8(JSON.stringify(header))
  // Spaces after the header bring the numbers to a multiple of 8.
  const start = Math.ceil((8 + text.length) / 8) * 8
  const bytes = new Uint8Array(start + at)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true)
  bytes.fill(0x20, 8, start)
  bytes.set(text, 8)
  at = start
  for (const tensor of tensors.values()) {
    bytes.set(new Uint8Array(tensor.toArray().buffer), at)
    at += tensor.size * 4
  }
  return bytes
}

/** The header of a safetensors file, each of its places checked, and where the numbers start. */
function parse(bytes: Uint8Array): {
  metadata: Record<string, string>
  entries: Map<string, Entry>
  start: number
} {
  const op = 'load'
  check(isBytes(bytes), () => ({ op, argument: 'bytes', expected: 'a Uint8Array', got: show(bytes) }))
  const fail = (got: string) => () => ({ op, argument: 'bytes', expected: 'a safetensors file', got })
  check(bytes.length >= 8, fail(`${bytes.length} bytes`))
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  check(length >= 2 && length <= MOST_HEADER_BYTES && bytes[8] === 0x7b, fail('something else'))
  const start = 8 + length
  const whole = (end: number) =>
    check(end <= bytes.length, () => ({
      op,
      argument: 'bytes',
      expected: `${end} bytes`,
      got: `${bytes.length}`,
      hint: 'The file ends early',
    }))
  whole(start)
  let header: Record<string, unknown>
  try {
    header = JSON.parse(decodeUtf8(bytes.slice(8, start), { fatal: true }))
  } catch {
    header = {}
    check(false, fail('one whose header is no JSON'))
  }
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, Entry> & {
    __metadata__?: Record<string, string>
  }
  const entries = new Map(Object.entries(rest as Record<string, Entry>))
  let end = 0
  for (const [name, entry] of entries) {
    const { dtype, shape, data_offsets: offsets } = entry ?? {}
    check(
      typeof dtype === 'string' && isShape(shape) && isShape(offsets) && offsets.length === 2,
      fail(`one whose ${name} has no type, shape or place`),
    )
    check(dtype === 'F32', () => ({ op, argument: name, expected: 'float32 (F32)', got: dtype }))
    check(
      offsets[1] - offsets[0] === 4 * sizeOf(shape),
      fail(`one whose ${name} has ${offsets[1] - offsets[0]} bytes for ${show(shape)}`),
    )
    end = Math.max(end, offsets[1])
  }
  whole(start + end)
  check(
    start + end === bytes.length,
    fail(`one of ${start + end} bytes, and ${bytes.length - start - end} more`),
  )
  return { metadata, entries, start }
}

const isState = (value: unknown): boolean =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32

/** What the metadata say of generators; undefined where nothing, as in files of others. */
function generatorsIn(text: string | undefined, count: number): number[] | undefined {
  if (text === undefined) return undefined
  let states: unknown
  try {
    states = JSON.parse(text)
  } catch {}
  check(Array.isArray(states) && states.length === count && states.every(isState), () => ({
    op: 'load',
    argument: 'generators',
    expected: `the states of ${count}`,
    got: text,
  }))
  return states
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
 * of one is left aside. Files of others will do where names and shapes are the same.
 *
 * @param bytes a safetensors file
 * @throws FilterbankError for a file of another kind or one that ends early; for tensors that it lacks, has
 *   too many, or has in another shape, by their names.
 * Nothing has changed then
 * @example load(readFileSync('digits.safetensors'), model, { optimizer })
 */
export function load(bytes: Uint8Array, model: AnyLayer, options: SaveOptions = {}): void {
  const op = 'load'
  checkOptions(op, options, SAVE)
  const { optimizer } = options
  const { metadata, entries, start } = parse(bytes)
  const tensors = named(op, model, optimizer)
  const list = (names: string[]) =>
    names.slice(0, 8).join(', ') + (names.length > 8 ? ` and ${names.length - 8} more` : '')
  const missing = [...tensors.keys()].filter((name) => !entries.has(name))
  check(missing.length === 0, () => ({
    op,
    argument: 'bytes',
    expected: 'a file with every tensor',
    got: `one without ${list(missing)}`,
  }))
  const surplus = [...entries.keys()].filter(
    (name) => !tensors.has(name) && (optimizer || !name.startsWith('optimizer.')),
  )
  check(surplus.length === 0, () => ({
    op,
    argument: 'bytes',
    expected: 'a file of this model alone',
    got: `one that also has ${list(surplus)}`,
  }))
  for (const [name, { shape }] of tensors) {
    const got = entries.get(name)!.shape
    check(sameShape(got, shape), () => ({ op, argument: name, expected: show(shape), got: show(got) }))
  }
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
  const states = generatorsIn(metadata['generators'], model.generators.length)
  const unfinished = optimizer && epochIn(metadata['epoch'], steps)
  const [first] = tensors.values()
  check(first!.engine.tape === undefined, () => ({
    op,
    argument: 'model',
    expected: 'left as it is inside valueAndGradients',
    got: 'a write',
  }))

  for (const [name, tensor] of tensors) {
    const [begin, end] = entries.get(name)!.data_offsets
    // A copy for alignment; the `slice` of Node's Buffer is none.
    tensor.set(new Float32Array(new Uint8Array(bytes.subarray(start + begin, start + end)).buffer))
  }
  const { generators } = model
  states?.forEach((state, i) => {
    generators[i]!.state = state
  })
  if (optimizer) Object.assign(optimizer, { steps, unfinished })
}
