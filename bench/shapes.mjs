/**
 * A layer is a line:
 *
 *   n1 i56x56x64 o64 k3 s1 p1  # resnet50 res2a_branch2b
 *
 * op (a function of filterbank; conv2d when absent), n batch, i input height x width x channels (of a linear
 * layer channels alone), o output channels, k window, s stride, p padding, d dilation, g groups, op output
 * padding. A pair is height x width: k1x7. Behind #: where the layer comes from, network first.
 */

/**
 * @typedef {[number, number]} Pair height, width
 * @typedef {object} Problem
 * @property {string} line without the comment: two layers with the same line are the same problem
 * @property {string[]} names layers that have this shape
 * @property {string} op
 * @property {string} kind the class it counts in
 * @property {number[]} input [n, height, width, channels]; linear: [n, channels]
 * @property {number[] | undefined} filter as `op` takes it: [kh, kw, inChannels / groups, outChannels];
 *   transposed: [kh, kw, inChannels, outChannels / groups]; linear: [in, out]
 * @property {Pair} window
 * @property {Pair} stride
 * @property {Pair} padding on both sides of each axis
 * @property {Pair} dilation
 * @property {Pair} outputPadding
 * @property {number} groups
 */

const size = (shape) => shape.reduce((a, b) => a * b, 1)

/** @returns {Problem} */
export function parseLayer(text) {
  const [line, name] = text.split('#').map((part) => part.trim())
  const words = line.split(/\s+/)
  const op = /^n\d+$/.test(words[0]) ? 'conv2d' : words.shift()
  const values = {}
  for (const word of words) {
    const [, letter, numbers] = /^(n|i|o|k|s|p|d|g|op)(\d+(?:x\d+)*)$/.exec(word) ?? fail(text, word)
    values[letter] = numbers.split('x').map(Number)
  }
  const pair = (letter, otherwise) => {
    const [h, w = h] = values[letter] ?? [otherwise]
    return [h, w]
  }
  const input = [...(values.n ?? fail(text, 'n')), ...(values.i ?? fail(text, 'i'))]
  if (input.length !== (op === 'linear' ? 2 : 4)) fail(text, 'i')
  const [groups] = values.g ?? [1]
  const window = pair('k', 1)
  const [outChannels] = values.o ?? []
  const inChannels = input.at(-1)
  const filters = {
    conv2d: [...window, inChannels / groups, outChannels],
    convTranspose2d: [...window, inChannels, outChannels / groups],
    linear: [inChannels, outChannels],
  }
  const problem = {
    line,
    names: name ? [name] : [],
    op,
    input,
    filter: filters[op],
    window,
    stride: pair('s', op.includes('Pool') ? window[0] : 1),
    padding: pair('p', 0),
    dilation: pair('d', 1),
    outputPadding: pair('op', 0),
    groups,
  }
  return { ...problem, kind: kindOf(problem) }
}

function fail(text, word) {
  throw new Error(`a layer that cannot be read, at "${word}": ${text}`)
}

/** The classes of layers, in the order of the table. */
const KINDS = [
  ...['1x1', '3x3 stride 1', 'larger window', 'strided', 'dilated', 'first layer', 'linear'],
  ...[
    'depthwise 3x3',
    'depthwise 5x5',
    'depthwise 7x7',
    'grouped',
    'transposed',
    'pooling',
    'activation',
    'softmax',
  ],
]

function kindOf({ op, input, groups, window, stride, dilation }) {
  if (op.includes('Pool')) return 'pooling'
  if (op === 'convTranspose2d') return 'transposed'
  if (op === 'linear' || op === 'softmax') return op
  if (op !== 'conv2d') return 'activation'
  const channels = input[3]
  if (groups > 1) return groups === channels ? `depthwise ${window.join('x')}` : 'grouped'
  if (channels <= 4) return 'first layer'
  if (size(dilation) > 1) return 'dilated'
  if (size(stride) > 1) return 'strided'
  return size(window) === 1 ? '1x1' : size(window) === 9 ? '3x3 stride 1' : 'larger window'
}

/**
 * Distinct problems of many lines, those of the same shape joined under all their names, those of a kind
 * together. @returns {Problem[]}
 */
export function parseLayers(text) {
  const problems = new Map()
  for (const line of text.split('\n')) {
    if (!line.split('#')[0].trim()) continue
    const problem = parseLayer(line)
    const known = problems.get(problem.line)
    if (known) known.names.push(...problem.names)
    else problems.set(problem.line, problem)
  }
  return [...problems.values()].sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind))
}

/**
 * Floating-point operations that give `outputs` numbers, 2 for each multiply-add; without a filter one for
 * each input element under a window.
 */
export function operations({ op, filter, input, window }, outputs) {
  if (op === 'convTranspose2d') return 2 * size(input) * filter[0] * filter[1] * filter[3]
  if (filter) return 2 * outputs * size(filter.slice(0, -1))
  return op.startsWith('global') ? size(input) : outputs * size(window)
}

/** The same numbers every time: uniform in [low, high). (Mulberry32) */
function random(length, low, high, seed) {
  let state = seed
  return Float32Array.from({ length }, () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return low + ((t ^ (t >>> 14)) >>> 0) * ((high - low) / 2 ** 32)
  })
}

/** Input, filter and bias of a problem; activations get a range that reaches their bends. */
export function dataOf({ op, input, filter, groups }) {
  const reach = filter || op.includes('Pool') ? 1 : 6
  const outChannels = filter && filter.at(-1) * (op === 'convTranspose2d' ? groups : 1)
  return {
    x: random(size(input), -reach, reach, 1),
    filter: filter && random(size(filter), -1, 1, 2),
    bias: filter && random(outChannels, -1, 1, 3),
  }
}
