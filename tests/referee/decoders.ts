/**
 * Small language models with random weights, as exporters put them inside of nodes: a decoder as GPT-2's, and
 * an encoder before a decoder as T5's, in its two forms.
 */
// biome-ignore-all format: tables

import type { GraphParts, NodeParts } from '../../src/onnx/file/write.js'
import { Random } from '../support/random.js'
import { type Input, ints, microsoft, SEED, sizeOf } from './inputs.js'

export const WORDS = 20
export const LONGEST = 14
const [WIDTH, HEADS] = [8, 2]

const random = new Random(SEED + 5)
const uniform = (shape: number[], most = 1): Input => ({ type: 'float32', shape, data: random.floats(sizeOf(shape), -most, most) })
const square = () => uniform([WIDTH, WIDTH])
const scalar = (value: number): Input => ({ type: 'float32', shape: [], data: Float32Array.of(value) })

const node = (op: string, inputs: string, output: string, attributes?: NodeParts['attributes']): NodeParts => ({ op, inputs: inputs.split(' '), outputs: output.split(' '), attributes })
/** A graph with those of the constants that it reads. */
const graph = (constants: Record<string, Input>, parts: GraphParts): GraphParts => ({
  ...parts,
  initializers: Object.entries(constants).flatMap(([name, value]) => (parts.nodes.some(({ inputs }) => inputs.includes(name)) ? [{ name, ...value }] : [])),
})
const ids = (name: string, width: string | number = 'length') => ({ name, type: 'int32' as const, shape: ['n', width] })
const floats = (name: string, ...shape: (string | number)[]) => ({ name, type: 'float32' as const, shape })

/** Attention over what is known, on the sum of what a token and its place are. */
export const decoder = graph(
  { words: uniform([WORDS, WIDTH]), places: uniform([2 * LONGEST, WIDTH]), qkv: uniform([WIDTH, 3 * WIDTH], 0.7), bias: uniform([3 * WIDTH], 0.2), out: uniform([WIDTH, WORDS], 1.5) },
  {
    nodes: [
      node('Gather', 'words input_ids', 'word'), node('Gather', 'places position_ids', 'place'), node('Add', 'word place', 'x'),
      node(microsoft('Attention'), 'x qkv bias attention_mask past_0', 'seen present_0', { num_heads: HEADS, unidirectional: 1 }),
      node('Add', 'seen x', 'y'), node('MatMul', 'y out', 'logits'),
    ],
    inputs: [ids('input_ids'), ids('position_ids'), ids('attention_mask', 'all'), floats('past_0', 2, 'n', HEADS, 'before', WIDTH / HEADS)],
    outputs: [floats('logits', 'n', 'length', WORDS), floats('present_0', 2, 'n', HEADS, 'after', WIDTH / HEADS)],
  },
)

const constants: Record<string, Input> = {
  words: uniform([WORDS, WIDTH]), texts: square(), crossKey: square(), crossValue: square(), tokens: uniform([WORDS, WIDTH]),
  query: square(), key: square(), value: square(), look: square(), out: uniform([WIDTH, WORDS], 2), one: ints(1), two: ints(1, 2), unit: scalar(1), much: scalar(1e9),
}

/** states of the texts [n, length, width], and keys and values of these [n, 1, length, width] */
const reading = [
  node('Gather', 'words encoder_input_ids', 'word'), node('MatMul', 'word texts', 'mixed'), node('Tanh', 'mixed', 'encoder_hidden_states'),
  ...['key', 'value'].flatMap((name) => [node('MatMul', `encoder_hidden_states ${name === 'key' ? 'crossKey' : 'crossValue'}`, `cross_${name}`), node('Unsqueeze', `cross_${name} one`, `present_${name}_cross_0`)]),
]

/** queries over keys and values [n, 1, length, width], whose scores may have a mask on them */
const attending = (q: string, key: string, value: string, y: string, mask?: string) => [
  node('Unsqueeze', `${q} one`, `${y}_q`), node('Transpose', key, `${y}_k`, { perm: [0, 1, 3, 2] }), node('MatMul', `${y}_q ${y}_k`, `${y}_s`),
  ...(mask ? [node('Add', `${y}_s ${mask}`, `${y}_m`)] : []),
  node('Softmax', mask ? `${y}_m` : `${y}_s`, `${y}_p`, { axis: -1 }), node('MatMul', `${y}_p ${value}`, `${y}_a`), node('Squeeze', `${y}_a one`, y),
]

/**
 * One token of each text: attention over the tokens before, then over the text. `past`: whether there are
 * some.
 */
const going = (tokens: string, cross: (name: string) => string, past: boolean) => [
  node('Gather', `tokens ${tokens}`, 'x'), node('MatMul', 'x query', 'q'),
  ...['key', 'value'].flatMap((name) => [
    node('MatMul', `x ${name}`, `own_${name}`), node('Unsqueeze', `own_${name} one`, past ? `new_${name}` : `present_${name}_self_0`),
    ...(past ? [node('Concat', `past_${name}_self_0 new_${name}`, `present_${name}_self_0`, { axis: 2 })] : []),
  ]),
  ...attending('q', 'present_key_self_0', 'present_value_self_0', 'before'), node('Add', 'x before', 'h'), node('MatMul', 'h look', 'r'),
  node('Cast', 'encoder_attention_mask', 'counts', { to: 1 }), node('Sub', 'counts unit', 'missing'), node('Mul', 'missing much', 'less'), node('Unsqueeze', 'less two', 'mask'),
  ...attending('r', cross('key'), cross('value'), 'text', 'mask'), node('Add', 'h text', 'y'), node('MatMul', 'y out', 'logits'),
]

const both = (make: (name: string) => ReturnType<typeof floats>) => ['key', 'value'].map(make)
const logits = floats('logits', 'n', 1, WORDS)
const cross = both((name) => floats(`present_${name}_cross_0`, 'n', 1, 'length', WIDTH))

/** `begins`: the encoder goes one token ahead; `states`: the decoder is given the states of the texts. */
export function encoded({ begins, states }: { begins: boolean; states: boolean }): { encoder: GraphParts; decoder: GraphParts } {
  const first = going('decoder_input_ids', (name) => `present_${name}_cross_0`, false)
  const encoder = graph(constants, {
    nodes: [...reading, ...(begins ? first : [])],
    inputs: [ids('encoder_input_ids'), ids('encoder_attention_mask'), ...(begins ? [ids('decoder_input_ids', 1)] : [])],
    outputs: begins ? [logits, floats('encoder_hidden_states', 'n', 'length', WIDTH), ...both((name) => floats(`present_${name}_self_0`, 'n', 1, 1, WIDTH)), ...cross] : cross,
  })
  const decoder = graph(constants, {
    nodes: going('input_ids', (name) => `past_${name}_cross_0`, true),
    inputs: [
      ids('input_ids', 1), ids('encoder_attention_mask'), ...(states ? [floats('encoder_hidden_states', 'n', 'length', WIDTH)] : []),
      ...both((name) => floats(`past_${name}_self_0`, 'n', 1, 'before', WIDTH)), ...both((name) => floats(`past_${name}_cross_0`, 'n', 1, 'length', WIDTH)),
    ],
    outputs: [logits, ...both((name) => floats(`present_${name}_self_0`, 'n', 1, 'after', WIDTH))],
  })
  return { encoder, decoder }
}
