/**
 * A case is a line:
 *
 *   n1 i56x56x64 o64 k3 s1 p1  # resnet50 res2a_branch2b
 *
 * op (a function of filterbank; conv2d when absent), n batch, i input height x width x channels (of linear,
 * lstm and gru channels alone), t steps of a sequence, o output channels or hidden units, k window, s stride,
 * p padding, d dilation, g groups, op output padding; last the algorithm of conv2d, where it is not to choose
 * by itself. A pair is height x width: k1x7. Behind #: where the layer comes from, network first. Benches,
 * tables and tests read these lines.
 */
import type { ConvAlgorithm } from '../src/index.js'

/** Height, width. */
export type Pair = [height: number, width: number]

export interface Problem {
  /** Without the comment: two layers with the same line are the same problem. */
  line: string
  /** Layers that have this shape. */
  names: string[]
  op: string
  /** The class it counts in. */
  kind: string
  /** [n, height, width, channels]; linear: [n, channels]; lstm and gru: [n, steps, channels] */
  input: number[]
  /**
   * As `op` takes it: [kh, kw, inChannels / groups, outChannels]; transposed: [kh, kw, inChannels,
   * outChannels / groups]; linear: [in, out]
   */
  filter: number[] | undefined
  /** Output channels, or hidden units. */
  outChannels: number | undefined
  window: Pair
  stride: Pair
  /** On both sides of each axis. */
  padding: Pair
  dilation: Pair
  outputPadding: Pair
  groups: number
  /** Of conv2d; undefined: its own choice. */
  algorithm: Exclude<ConvAlgorithm, 'auto'> | undefined
}

/** What an op takes: numbers for its input, its filter and its bias. */
export interface Numbers {
  x: Float32Array<ArrayBuffer>
  filter?: Float32Array<ArrayBuffer>
  bias?: Float32Array<ArrayBuffer>
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

export function parseLine(text: string): Problem {
  const [line, name] = text.split('#').map((part) => part.trim()) as [string, string | undefined]
  const words = line.split(/\s+/)
  const op = /^n\d+$/.test(words[0]!) ? 'conv2d' : words.shift()!
  const algorithm = op === 'conv2d' && /^[a-z]+$/.test(words.at(-1)!) ? words.pop() : undefined
  const values: Record<string, number[]> = {}
  for (const word of words) {
    const [, letter, numbers] = /^(n|t|i|o|k|s|p|d|g|op)(\d+(?:x\d+)*)$/.exec(word) ?? fail(text, word)
    values[letter!] = numbers!.split('x').map(Number)
  }
  const pair = (letter: string, otherwise: number): Pair => {
    const [h = otherwise, w = h] = values[letter] ?? []
    return [h, w]
  }
  const input = [
    ...(values['n'] ?? fail(text, 'n')),
    ...(values['t'] ?? []),
    ...(values['i'] ?? fail(text, 'i')),
  ]
  if (input.length !== (op === 'linear' ? 2 : isRecurrent(op) ? 3 : 4)) fail(text, 'i')
  const [groups = 1] = values['g'] ?? []
  const window = pair('k', 1)
  const inChannels = input.at(-1)!
  const outChannels = values['o']?.[0]
  const channels = (): number => outChannels ?? fail(text, 'o')
  const filters: Record<string, () => number[]> = {
    conv2d: () => [...window, inChannels / groups, channels()],
    convTranspose2d: () => [...window, inChannels, channels() / groups],
    linear: () => [inChannels, channels()],
  }
  const problem = {
    line,
    names: name ? [name] : [],
    op,
    input,
    filter: filters[op]?.(),
    outChannels,
    window,
    stride: pair('s', op.includes('Pool') ? window[0] : 1),
    padding: pair('p', 0),
    dilation: pair('d', 1),
    outputPadding: pair('op', 0),
    groups,
    algorithm: algorithm as Problem['algorithm'],
  }
  return { ...problem, kind: kindOf(problem) }
}

const isRecurrent = (op: string): boolean => op === 'lstm' || op === 'gru'

function fail(text: string, word: string): never {
  throw new Error(`a layer that cannot be read, at "${word}": ${text}`)
}

/** The classes of layers, in the order of the table. */
const KINDS = [
  '1x1',
  '3x3 stride 1',
  'larger window',
  'strided',
  'dilated',
  'first layer',
  'linear',
  'depthwise 3x3',
  'depthwise 5x5',
  'depthwise 7x7',
  'grouped',
  'transposed',
  'pooling',
  'activation',
  'softmax',
  'recurrent',
]

function kindOf({ op, input, groups, window, stride, dilation }: Omit<Problem, 'kind'>): string {
  if (op.includes('Pool')) return 'pooling'
  if (op === 'convTranspose2d') return 'transposed'
  if (op === 'linear' || op === 'softmax') return op
  if (isRecurrent(op)) return 'recurrent'
  if (op !== 'conv2d') return 'activation'
  const channels = input[3]!
  if (groups > 1) return groups === channels ? `depthwise ${window.join('x')}` : 'grouped'
  if (channels <= 4) return 'first layer'
  if (sizeOf(dilation) > 1) return 'dilated'
  if (sizeOf(stride) > 1) return 'strided'
  return sizeOf(window) === 1 ? '1x1' : sizeOf(window) === 9 ? '3x3 stride 1' : 'larger window'
}

/** The problems of many lines, in their order; lines that are empty or a comment say nothing. */
export const parseLines = (text: string): Problem[] =>
  text
    .split('\n')
    .filter((line) => line.split('#')[0]!.trim())
    .map(parseLine)

/**
 * Distinct problems of many lines, those of the same shape joined under all their names, those of a kind
 * together.
 */
export function parseLayers(text: string): Problem[] {
  const problems = new Map<string, Problem>()
  for (const problem of parseLines(text)) {
    const known = problems.get(problem.line)
    if (known) known.names.push(...problem.names)
    else problems.set(problem.line, problem)
  }
  return [...problems.values()].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
}

/** What `conv2d` and `planConv2d` take of a problem beside tensors. */
export const conv2dOptions = ({ stride, padding, dilation, groups, algorithm }: Problem) => ({
  stride,
  padding,
  dilation,
  groups,
  ...(algorithm && { algorithm }),
})

/**
 * Floating-point operations that give `outputs` numbers, 2 for each multiply-add; without a filter one for
 * each input element under a window.
 */
export function operations({ op, filter, input, window }: Problem, outputs: number): number {
  if (op === 'convTranspose2d') return 2 * sizeOf(input) * filter![0]! * filter![1]! * filter![3]!
  if (filter) return 2 * outputs * sizeOf(filter.slice(0, -1))
  return op.startsWith('global') ? sizeOf(input) : outputs * sizeOf(window)
}

/** The same numbers every time: uniform in [low, high). (Mulberry32) */
function random(length: number, low: number, high: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return low + ((t ^ (t >>> 14)) >>> 0) * ((high - low) / 2 ** 32)
  })
}

/** Input, filter and bias of a problem; activations get a range that reaches their bends. */
export function dataOf({ op, input, filter, groups }: Problem): Numbers {
  const reach = filter || op.includes('Pool') ? 1 : 6
  const x = random(sizeOf(input), -reach, reach, 1)
  if (!filter) return { x }
  const outChannels = filter.at(-1)! * (op === 'convTranspose2d' ? groups : 1)
  return { x, filter: random(sizeOf(filter), -1, 1, 2), bias: random(outChannels, -1, 1, 3) }
}

/** The sizes of a recurrent layer: batch, steps, features, units. */
export interface SequenceSizes {
  n: number
  steps: number
  features: number
  hidden: number
}

export function sequenceSizes({ input, outChannels }: Problem): SequenceSizes {
  const [n, steps, features] = input as [number, number, number]
  return { n, steps, features, hidden: outChannels! }
}
