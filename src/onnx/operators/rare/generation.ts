/**
 * com.microsoft's GreedySearch, Sampling and BeamSearch: texts that a language model goes on with, token by
 * token, where the model is a graph inside the node. It takes tokens, their places, a mask and what it knew
 * (`past`), and gives the logits of what is next and what it knows now. Definitions: ContribOperators.md of
 * ONNX Runtime, and its contrib_ops/cpu/transformers where that says nothing.
 */
import type { Steps } from '../../../base/turns.js'
import type { Call, SteppedOperator } from '../../run/call.js'
import type { Value } from '../../run/value.js'
import { beamSearch } from './beams.js'
import { Decoder, type Inputs, type Processor, processorsOf, textsOf } from './decoder.js'

/** The place of the largest, of equal ones the first. */
function largestAt(row: Float32Array): number {
  let best = 0
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i
  return best
}

/** Texts that go on by one token at a time, each by itself: `choose` says which of its scores. */
function* goOn(
  call: Call,
  inputs: Inputs,
  choose: (row: Float32Array, i: number, step: number) => number,
  more: (texts: number, vocabulary: number) => Processor[] = () => [],
  shown?: readonly Float32Array[],
): Steps<Value[]> {
  const type = call.number('model_type', 0)
  if (type !== 0) call.fail('model_type', '0, a decoder alone', type)
  const { texts, longest } = textsOf(call)
  const [end, pad] = [call.number('eos_token_id', -1), call.number('pad_token_id', -1)]
  const decoder = new Decoder(call, texts, 1, call.inputs[inputs.attentionMask])
  const { vocabulary } = decoder
  const processors = [
    ...processorsOf(call, inputs, texts.length, vocabulary),
    ...more(texts.length, vocabulary),
  ]
  const ended = texts.map(() => false)
  try {
    for (let step = 1; decoder.lines[0] && decoder.lines[0].length < longest; step++) {
      const rows = yield* decoder.next()
      for (const process of processors) process(decoder.lines, rows, step)
      const tokens = rows.map((row, i) => {
        const token = choose(row, i, step)
        ended[i] ||= token === end
        return ended[i] ? pad : token
      })
      decoder.append(tokens)
      if (ended.every(Boolean)) break
      yield
    }
    const y = call.host('int32', [texts.length, longest], (to) => {
      to.fill(pad)
      for (const [i, line] of decoder.lines.entries()) to.set(line, i * longest)
    })
    if (!shown) return [y]
    const scores = call.host('float32', [texts.length, vocabulary], (to) => {
      for (const [i, row] of shown.entries()) to.set(row, i * vocabulary)
    })
    return [y, scores]
  } finally {
    decoder.dispose()
  }
}

/** The random numbers of ONNX Runtime on Linux: minstd_rand0 of C++, two of which make a float64 below 1. */
function minimalStandard(seed: number): () => number {
  const modulus = 2147483647
  let state = seed % modulus || 1
  const next = () => {
    state = (state * 16807) % modulus
    return state - 1
  }
  return () => (next() + next() * (modulus - 1)) / (modulus - 1) ** 2
}

const softmaxOf = (row: ArrayLike<number>): Float64Array => {
  let most = Number.NEGATIVE_INFINITY
  for (let i = 0; i < row.length; i++) most = Math.max(most, row[i]!)
  const y = Float64Array.from(row, (value) => Math.exp(value - most))
  const sum = y.reduce((total, value) => total + value, 0)
  return y.map((value) => value / sum)
}

/**
 * What the least likely tokens get that are not among those of `top_p` in all: by sums from the least likely
 * one, or (`custom`) from the likeliest.
 */
function filterTop(call: Call, row: Float32Array): void {
  const [share, filtered] = [call.number('top_p', 0), call.number('filter_value', -1e20)]
  const custom = call.flag('custom')
  const sign = custom ? -1 : 1
  const order = Uint32Array.from(row, (_, i) => i).sort((a, b) => {
    const [x, y] = [sign * row[a]!, sign * row[b]!]
    return x < y ? -1 : Number(x > y)
  })
  const chances = softmaxOf(Float64Array.from(order, (token) => row[token]!))
  const kept = custom ? 1 : call.number('min_tokens_to_keep', 0)
  let sum = 0
  for (let i = 0; i < order.length - kept; i++) {
    sum += chances[i]!
    if (custom ? sum > share : sum <= 1 - share) row[order[custom ? i + 1 : i]!] = filtered
  }
}

const SAMPLING: Inputs = { minLength: 2, repetitionPenalty: 3, vocabMask: 4, prefixMask: 5, attentionMask: 6 }

/**
 * The same and presence_mask [texts, vocabulary], seed: one of the likely tokens, each as often as it is
 * likely.
 */
const sampling: SteppedOperator = (call) => {
  // Nothing that is known before the run, so that it is never kept.
  call.run.hostReads = true
  const seed = call.scalar(8) ?? 0
  const next = minimalStandard(seed || Math.floor(Math.random() * 2 ** 31))
  const filtered: Float32Array[] = []
  const choose = (row: Float32Array, i: number): number => {
    filterTop(call, row)
    filtered[i] = row
    const most = row.reduce((best, value) => Math.max(best, value), Number.NEGATIVE_INFINITY)
    let sum = 0
    const sums = Float64Array.from(row, (value) => (sum += Math.exp(value - most)))
    const wanted = next() * sum
    const token = sums.findIndex((value) => value > wanted)
    return token < 0 ? row.length - 1 : token
  }
  const temperature = call.number('temperature', 1)
  const penalty = call.number('presence_penalty', 0)
  return goOn(
    call,
    SAMPLING,
    choose,
    (texts, vocabulary) => {
      const present = call.inputs[7]?.data as Int32Array | undefined
      if (present && present.length !== texts * vocabulary)
        call.fail('presence_mask', `of ${texts} x ${vocabulary} numbers`, call.inputs[7]!.shape)
      return [
        (_, scores) => {
          for (const row of scores) for (let k = 0; k < vocabulary; k++) row[k]! /= temperature
        },
        (_, scores) => {
          if (!present) return
          for (const [i, row] of scores.entries())
            for (let k = 0; k < vocabulary; k++) row[k]! -= present[i * vocabulary + k]! * penalty
        },
      ]
    },
    filtered,
  )
}

const GREEDY: Inputs = { minLength: 2, repetitionPenalty: 3, vocabMask: 4, prefixMask: 5, attentionMask: 6 }

/** input_ids, max_length, min_length, repetition_penalty, vocab_mask, prefix_vocab_mask, attention_mask */
const greedySearch: SteppedOperator = (call) => goOn(call, GREEDY, largestAt)

export const generation: Record<string, SteppedOperator> = {
  'com.microsoft.BeamSearch': beamSearch,
  'com.microsoft.GreedySearch': greedySearch,
  'com.microsoft.Sampling': sampling,
}
