/**
 * What holds for the options of every call: each has a name that is known, and a number is one, within its
 * bounds.
 */
import { type Complaint, check, FilterbankError, show } from '../base/errors.js'
import type { Shape } from '../base/shape.js'

/** What an option is in every call that has it, in words, and whether a value is that. */
export type Kind = readonly [expected: string, fits: (value: unknown) => boolean]

export const SIGNAL: Kind = [
  'an AbortSignal',
  (value) => value === null || typeof (value as AbortSignal).throwIfAborted === 'function',
]
export const CALLBACK: Kind = ['a function', (value) => value === null || typeof value === 'function']
export const BY_NAME: Kind = ['an object of them by name', (value) => Object(value) === value]
export const NAMES: Kind = ['an array of names', Array.isArray]

/** Options of these names have a kind: what is of another would show late, or where nobody can catch it. */
type KindOf<Name> = Name extends 'signal' | `on${Capitalize<string>}` | 'dimensions' | 'externalData' | 'taps'
  ? Kind
  : true

/**
 * Every name of an options type. A field that is new in the type does not compile until it stands here too.
 */
export type Names<Options> = { readonly [Name in keyof Options]-?: KindOf<Name> }

/** The largest integer that a kernel takes. */
export const MOST = 2 ** 31 - 1

/** What an error about an option needs beside it. */
export type About = Pick<Complaint, 'op' | 'shapes'>

/**
 * Throws unless `options` is an object whose every name is among `names`: a misspelt one would silently be
 * its default; and for what is never what its name says. Allocates nothing.
 */
export function checkOptions<Options extends object>(
  op: string,
  options: Options,
  names: Names<NoInfer<Options>>,
): void {
  if (typeof options !== 'object' || options === null) throw noOptions(op, options, names)
  for (const name in options) {
    const kind: true | Kind = names[name]
    if (kind === true) continue
    // What every object has is no option.
    if (!Object.hasOwn(names, name)) throw misspelt(op, options, name, names)
    const [expected, fits] = kind
    const value: unknown = options[name]
    if (value !== undefined && !fits(value))
      throw new FilterbankError({ op, argument: name, expected, got: show(value) })
  }
}

const noOptions = (op: string, got: unknown, names: object): FilterbankError =>
  new FilterbankError({ op, argument: 'options', expected: `an object of ${listed(names)}`, got: show(got) })

function misspelt(op: string, options: object, name: string, names: object): FilterbankError {
  // An array, a tensor, an engine: not an option is wrong, but all of it stands in the wrong place.
  if (Array.isArray(options) || ArrayBuffer.isView(options) || Symbol.toStringTag in options)
    return noOptions(op, options, names)
  const near = nearTo(name, Object.keys(names))
  return new FilterbankError({
    op,
    argument: name,
    expected: Object.keys(names).length
      ? `one of its options: ${listed(names)}`
      : 'left out: there are no options',
    got: show((options as Record<string, unknown>)[name]),
    hint: near.length ? `Did you mean ${near.join(' or ')}?` : undefined,
  })
}

const listed = (names: object): string => Object.keys(names).join(', ')

/** What other libraries call an option (in small letters, without signs), and what it may be called here. */
const OTHER_WORDS: Readonly<Record<string, string>> = {
  abortsignal: 'signal',
  axis: 'axes',
  axes: 'axis',
  batch: 'batchSize',
  beta: 'offset',
  betas: 'beta1 beta2',
  bordermode: 'border',
  bordertype: 'border',
  callback: 'onEpoch onBatch onProgress',
  callbacks: 'onEpoch onBatch onProgress',
  clip: 'clipNorm',
  clipvalue: 'clipNorm',
  constant: 'value',
  constantvalue: 'value',
  constantvalues: 'value',
  decay: 'weightDecay',
  dilationrate: 'dilation',
  dilations: 'dilation',
  dim: 'axis axes',
  dims: 'axes axis',
  dimension: 'axis axes',
  embeddingdim: 'features',
  ends: 'end',
  eps: 'epsilon',
  fillvalue: 'value fill',
  filters: 'outChannels',
  filtersize: 'size',
  gamma: 'scale factor',
  globalclipnorm: 'clipNorm',
  gradientclip: 'clipNorm',
  group: 'groups',
  init: 'initial',
  initializer: 'initial',
  inputchannels: 'inChannels',
  inputdim: 'inFeatures count',
  interpolation: 'method',
  iterations: 'epochs',
  kernelinitializer: 'initial',
  kernelshape: 'size',
  kernelsize: 'size',
  ksize: 'size',
  l2: 'weightDecay',
  lr: 'learningRate',
  max: 'high',
  maxbytes: 'maximumBytes',
  maxgradnorm: 'clipNorm',
  maxmemory: 'maximumBytes',
  maxnorm: 'clipNorm',
  memorylimit: 'maximumBytes',
  min: 'low',
  minvalue: 'low',
  maxvalue: 'high',
  mode: 'method border',
  movingmean: 'mean',
  movingvariance: 'variance',
  negativeslope: 'alpha',
  normalizedshape: 'features',
  numembeddings: 'count',
  numepochs: 'epochs',
  numfeatures: 'channels',
  numgroups: 'groups',
  numthreads: 'threads',
  outchannels: 'outChannels channels',
  outputchannels: 'outChannels',
  outputdim: 'outFeatures features',
  p: 'rate',
  pads: 'padding',
  poolsize: 'size',
  probability: 'rate',
  progress: 'onProgress',
  radius: 'size sigma',
  rho: 'decay',
  runningmean: 'mean',
  runningvar: 'variance',
  runningvariance: 'variance',
  scalefactor: 'scale',
  shift: 'offset',
  slope: 'alpha',
  starts: 'begin',
  start: 'begin',
  std: 'sigma',
  steps: 'step every',
  stop: 'end',
  strength: 'amount',
  subsample: 'stride',
  target: 'targets',
  units: 'outFeatures',
  usebias: 'bias',
  valdata: 'validation',
  validationdata: 'validation',
  var: 'variance',
  vocabsize: 'count',
  wasmpath: 'wasm',
  wasmpaths: 'wasm',
  wasmurl: 'wasm',
  weight: 'scale',
  windowsize: 'size',
  workers: 'threads',
}

/**
 * Letters of a name that may be wrong, and no more than a third of them: beyond that any two names are alike.
 */
const MOST_WRONG = 4

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '')

/**
 * The names that may have been meant, the likeliest first: the same letters, what others call it, or few
 * letters off.
 */
export function nearTo(name: string, names: readonly string[]): string[] {
  const given = plain(name)
  const same = names.filter((known) => plain(known) === given)
  if (same.length) return same
  const others = (Object.hasOwn(OTHER_WORDS, given) ? OTHER_WORDS[given]! : '')
    .split(' ')
    .filter((known) => names.includes(known))
  if (others.length) return others
  const off = (known: string) => distance(given, plain(known))
  const least = Math.min(...names.map(off))
  return least <= Math.min(MOST_WRONG, Math.max(1, Math.floor(given.length / 3)))
    ? names.filter((known) => off(known) === least)
    : []
}

/**
 * How many letters to put in, take out, replace or swap with the next to make one of the other. (Damerau,
 * 1964, neighbours swapped once)
 */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_WRONG) return Number.POSITIVE_INFINITY
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const differs = Number(a[i - 1] !== b[j - 1])
      row[j] = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + differs)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1)
    }
    beforeLast = last
    last = row
  }
  return last[b.length]!
}

/** `options` without what is not among `names`: what a layer hands on to its op. */
export function only<Options extends object>(
  options: Options,
  names: Names<NoInfer<Partial<Options>>> | Readonly<Record<string, true>>,
): Partial<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => Object.hasOwn(names, name)),
  ) as Partial<Options>
}

/** Whether `value` is a string that a table has. */
export const isName = <Table extends object>(value: unknown, table: Table): value is keyof Table & string =>
  typeof value === 'string' && Object.hasOwn(table, value)

/** Whether `value` is an integer from `least` to `most`. */
export const isInteger = (value: unknown, least: number, most = MOST): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= most

/** Whether every length is an integer from 0 to 2^31 - 1. Asked for every tensor: a loop costs less here. */
export function isShape(shape: unknown): shape is Shape {
  if (!Array.isArray(shape)) return false
  for (let i = 0; i < shape.length; i++) {
    if (!Number.isInteger(shape[i]) || shape[i] < 0 || shape[i] > MOST) return false
  }
  return true
}

/**
 * What `isInteger` asks for, in words: without the bound that every integer has, unless it is what `value`
 * breaks.
 */
export function integerWords(value: unknown, least: number, most = MOST): string {
  if (most !== MOST || isInteger(value, MOST, Number.POSITIVE_INFINITY))
    return `an integer from ${least} to ${most}`
  return least === 1 ? 'a positive integer' : `an integer of at least ${least}`
}

/** Throws unless `value` is an integer from `least` to `most`. */
export function checkInteger(
  value: unknown,
  argument: string,
  least: number,
  most: number,
  about: About,
): asserts value is number {
  check(isInteger(value, least, most), () => ({
    ...about,
    argument,
    expected: integerWords(value, least, most),
    got: show(value),
  }))
}

/** Throws unless `value` is true or false. */
export function checkBoolean(value: unknown, argument: string, about: About): asserts value is boolean {
  check(typeof value === 'boolean', () => ({
    ...about,
    argument,
    expected: 'true or false',
    got: show(value),
  }))
}

/** Throws unless each of these, by its name, is a number that `fits`. */
export function checkEach(
  numbers: Record<string, unknown>,
  fits: (value: number) => boolean,
  expected: string,
  about: About,
): void {
  for (const argument in numbers) checkNumber(numbers[argument], argument, fits, expected, about)
}

/** Throws unless `value` is a number (no NaN, no string) that `fits`, which `expected` says in words. */
export function checkNumber(
  value: unknown,
  argument: string,
  fits: (value: number) => boolean,
  expected: string,
  about: About,
): asserts value is number {
  check(typeof value === 'number' && !Number.isNaN(value) && fits(value), () => ({
    ...about,
    argument,
    expected,
    got: show(value),
  }))
}
