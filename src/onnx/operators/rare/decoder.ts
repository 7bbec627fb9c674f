/**
 * A language model inside of a node, which is asked for the next token of lines again and again, and what its
 * scores go through: what GreedySearch, Sampling and BeamSearch of com.microsoft have in common.
 */
import type { Steps } from '../../../base/turns.js'
import type { Graph } from '../../graph/graph.js'
import type { Call } from '../../run/call.js'
import type { Value } from '../../run/value.js'
import { taken } from '../indexing.js'

/** What stands in for minus infinity in scores: the least float32. */
const NEVER = -3.4028234663852886e38

/** Tokens of each line so far; all are of one length. */
export type Lines = number[][]

/**
 * What the scores of the next token go through, in this order. `scores`: one row of the vocabulary each line.
 */
export type Processor = (lines: Lines, scores: Float32Array[], step: number) => void

/** Where a node gives the same settings: inputs by their number, -1 where it has none. */
export interface Inputs {
  minLength: number
  repetitionPenalty: number
  vocabMask: number
  prefixMask: number
  attentionMask: number
}

export const bounded = (call: Call, i: number, name: string, least: number): number => {
  const value = call.scalar(i)
  if (value === undefined || !Number.isInteger(value) || value < least)
    call.fail(name, `a whole number of at least ${least}`, value)
  return value
}

/** What forbids tokens or makes them less likely; `lines` of one text follow one another. */
export function processorsOf(call: Call, inputs: Inputs, texts: number, vocabulary: number): Processor[] {
  const processors: Processor[] = []
  const penalty = call.scalar(inputs.repetitionPenalty) ?? 1
  if (!(penalty > 0)) call.fail('repetition_penalty', 'above 0', penalty)
  if (penalty !== 1)
    processors.push((lines, scores) => {
      for (const [i, row] of scores.entries())
        for (const token of new Set(lines[i]))
          row[token]! = row[token]! < 0 ? row[token]! * penalty : row[token]! / penalty
    })
  const size = call.number('no_repeat_ngram_size', 0)
  if (size > 0)
    processors.push((lines, scores) => {
      for (const [i, row] of scores.entries()) {
        const line = lines[i]!
        const end = line.slice(line.length - size + 1)
        for (let at = 0; at + size <= line.length; at++)
          if (end.every((token, k) => line[at + k] === token)) row[line[at + size - 1]!] = NEVER
      }
    })
  const mask = (input: number, name: string, rows: number) => {
    const value = call.inputs[input]
    if (value && value.size !== rows * vocabulary)
      call.fail(name, `of ${rows} x ${vocabulary} numbers`, value.shape)
    return value?.data as Int32Array | undefined
  }
  const masked =
    (kept: Int32Array, rows: number): Processor =>
    (_, scores) => {
      for (const [i, row] of scores.entries()) {
        const first = Math.floor((i * rows) / scores.length) * vocabulary
        for (let token = 0; token < vocabulary; token++) if (!kept[first + token]) row[token] = NEVER
      }
    }
  const words = mask(inputs.vocabMask, 'vocab_mask', 1)
  if (words) processors.push(masked(words, 1))
  const prefixes = mask(inputs.prefixMask, 'prefix_vocab_mask', texts)
  if (prefixes) {
    const first = masked(prefixes, texts)
    processors.push((lines, scores, step) => step === 1 && first(lines, scores, step))
  }
  const least = call.scalar(inputs.minLength) ?? 0
  const end = call.number('eos_token_id', -1)
  if (least > 0)
    processors.push((lines, scores) => {
      if (lines[0]!.length < least) for (const row of scores) row[end] = NEVER
    })
  return processors
}

/** How many tokens there are, by the logits that a graph gives first. */
export function vocabularyOf(call: Call, { outputs }: Graph): number {
  const width = outputs[0]!.shape?.at(-1)
  if (typeof width !== 'number')
    call.fail('decoder', 'a graph whose logits name their vocabulary', outputs[0]!.shape)
  return width
}

/** Rows of tokens, places or a mask as a graph takes them. */
export function tokensOf(call: Call, rows: readonly ArrayLike<number>[]): Value {
  const width = rows[0]!.length
  return call.host('int32', [rows.length, width], (to) => {
    for (const [i, row] of rows.entries()) to.set(row, i * width)
  })
}

/** Of logits [lines, length, vocabulary] the last ones of each line. */
export function lastRows(logits: Value, lines: number, vocabulary: number): Float32Array[] {
  const data = logits.data as Float32Array
  const each = data.length / lines
  return Array.from({ length: lines }, (_, i) =>
    Float32Array.from(data.subarray((i + 1) * each - vocabulary, (i + 1) * each)),
  )
}

/** A decoder that is asked for the scores of the next token of each line, and what it knows of the lines. */
export class Decoder {
  private readonly body: Graph
  readonly vocabulary: number
  private known: Value[] = []
  private mask: Int32Array[]
  /** Which of the given tokens are none that fill up: a mask that is given does not move their places. */
  private readonly words: Int32Array[]
  /** Where the first token of its own stands in each line: behind those that count. */
  private readonly first: number[]
  private generated = 0

  /** @param beams lines of each text, which begin alike */
  constructor(
    private readonly call: Call,
    readonly lines: Lines,
    beams: number,
    given: Value | undefined,
  ) {
    this.body = call.graph('decoder')
    const { inputs, outputs } = this.body
    const names = inputs.slice(0, 4).map(({ name }) => name)
    if (
      names.join() !== 'input_ids,position_ids,attention_mask,past_0' ||
      inputs.length !== outputs.length + 2
    )
      call.fail(
        'decoder',
        'a graph of input_ids, position_ids, attention_mask and past_0, ..., without a buffer that past and present share',
        names,
      )
    this.vocabulary = vocabularyOf(call, this.body)
    const pad = call.number('pad_token_id', -1)
    this.words = lines.map((line) => Int32Array.from(line, (token) => Number(token !== pad)))
    this.first = this.words.map((row) => row.reduce((sum, counts) => sum + counts, 0))
    const kept = given?.numbers
    this.mask = this.words.map((row, i) =>
      kept ? row.map((_, k) => kept[Math.floor(i / beams) * row.length + k]!) : row,
    )
  }

  /** The last logits of each line. */
  *next(): Steps<Float32Array[]> {
    const { body, call, first, generated, lines, mask, vocabulary, words } = this
    const isFirst = generated === 0
    const places = words.map((row, i) => {
      let place = 0
      return isFirst ? row.map((counts) => (counts ? place++ : 0)) : [first[i]! + generated - 1]
    })
    const past = isFirst ? this.nothing() : this.known
    const starts = isFirst && call.node.attributes.has('init_decoder')
    const given = [isFirst ? lines : lines.map((line) => line.slice(-1)), places, mask]
    const inputs = [...given.map((rows) => tokensOf(call, rows)), ...past]
    const [logits, ...present] = yield* call.stepGraph(starts ? call.graph('init_decoder') : body, inputs)
    for (const value of past) value.dispose()
    this.known = present
    const rows = lastRows(logits!, lines.length, vocabulary)
    logits!.dispose()
    return rows
  }

  /** Nothing known before the first token. */
  private nothing(): Value[] {
    return this.body.inputs.slice(3).map(({ shape, type }) => {
      const [, , heads, , size] = shape ?? []
      if (typeof heads !== 'number' || typeof size !== 'number')
        this.call.fail('decoder', 'past of a known number of heads and their size', shape)
      return this.call.host(type, [2, this.lines.length, heads, 0, size], () => {})
    })
  }

  /** One token more of each line; `from`: which line each goes on with. */
  append(tokens: readonly number[], from = tokens.map((_, i) => i)): void {
    const { call, lines } = this
    const before = lines.slice()
    for (const [i, token] of tokens.entries()) lines[i] = [...before[from[i]!]!, token]
    this.mask = this.mask.map((row) => Int32Array.of(...row, 1))
    this.generated++
    if (from.every((line, i) => line === i)) return
    this.known = this.known.map((value) => {
      const moved = taken(call, value, 1, from)
      value.dispose()
      return moved
    })
  }

  dispose(): void {
    for (const value of this.known) value.dispose()
    this.known = []
  }
}

/** More tokens than any model goes on with, before there is no memory for them. */
const MOST_TOKENS = 2 ** 26

/** What all three take, checked. `isEncoded`: whether an encoder reads the texts. */
export function textsOf(call: Call, isEncoded = false): { texts: Lines; longest: number } {
  const ids = call.input(0)
  if (ids.shape.length !== 2) call.fail('input_ids', '[texts, tokens]', ids.shape)
  const [count, length] = ids.shape as [number, number]
  const longest = bounded(call, 1, 'max_length', 1)
  if (count * longest > MOST_TOKENS)
    call.fail('max_length', `up to ${MOST_TOKENS} tokens in all texts`, longest)
  if (!isEncoded && length > longest)
    call.fail('max_length', `at least ${length}, as many as there are tokens`, longest)
  const tokens = ids.numbers
  const texts = Array.from({ length: count }, (_, i) => tokens.slice(i * length, (i + 1) * length))
  return { texts, longest }
}
