/** com.microsoft's BeamSearch: the likeliest lines, of as many as are followed at a time. */
import type { SteppedOperator } from '../../run/call.js'
import { bounded, Decoder, type Inputs, processorsOf, textsOf } from './decoder.js'
import { EncodedDecoder } from './encoded.js'

/** Logarithms of the chances that logits stand for, in place. */
function logSoftmax(row: Float32Array): void {
  let most = Number.NEGATIVE_INFINITY
  for (const value of row) most = Math.max(most, value)
  let sum = 0
  for (const value of row) sum += Math.exp(value - most)
  const shift = most + Math.log(sum)
  for (let i = 0; i < row.length; i++) row[i]! -= shift
}

interface Hypothesis {
  line: number[]
  score: number
}

/** The best ends of one text that were found. */
class Found {
  readonly best: Hypothesis[] = []

  constructor(
    private readonly most: number,
    private readonly lengthPenalty: number,
  ) {}

  get isFull(): boolean {
    return this.best.length === this.most
  }

  private scoreOf(sum: number, length: number): number {
    return Math.fround(sum / length ** this.lengthPenalty)
  }

  add(line: number[], sum: number): void {
    const score = this.scoreOf(sum, line.length)
    if (this.isFull && score <= this.best.at(-1)!.score) return
    const at = this.best.findIndex((other) => score > other.score)
    this.best.splice(at < 0 ? this.best.length : at, 0, { line, score })
    this.best.splice(this.most)
  }

  /** Whether a line of this sum and length could still be among them. */
  canImprove(sum: number, length: number): boolean {
    return this.best.at(-1)!.score < this.scoreOf(sum, length)
  }
}

/**
 * Which tokens come next in which of a text's beams, the likeliest first, and the sums of their logarithms.
 */
function likeliest(
  rows: readonly Float32Array[],
  count: number,
): { beam: number; token: number; sum: number }[] {
  const best: { beam: number; token: number; sum: number }[] = []
  for (const [beam, row] of rows.entries()) {
    for (let token = 0; token < row.length; token++) {
      const sum = row[token]!
      if (best.length === count && sum <= best.at(-1)!.sum) continue
      let at = best.length
      while (at > 0 && best[at - 1]!.sum < sum) at--
      best.splice(at, 0, { beam, token, sum })
      if (best.length > count) best.pop()
    }
  }
  return best
}

const BEAMS: Inputs = { minLength: 2, repetitionPenalty: 6, vocabMask: 7, prefixMask: 8, attentionMask: 9 }

/**
 * input_ids, max_length, min_length, num_beams, num_return_sequences, length_penalty, repetition_penalty,
 * vocab_mask, prefix_vocab_mask, attention_mask: the lines of each text whose tokens are the likeliest in
 * all, of as many as are followed at a time.
 */
export const beamSearch: SteppedOperator = function* (call) {
  const type = call.number('model_type', 0)
  const isEncoded = type === 1
  if (type !== 0 && !isEncoded) call.fail('model_type', '0 (a decoder alone) or 1 (behind an encoder)', type)
  const { texts, longest } = textsOf(call, isEncoded)
  const beams = bounded(call, 3, 'num_beams', 1)
  const returned = bounded(call, 4, 'num_return_sequences', 1)
  if (returned > beams) call.fail('num_return_sequences', `up to ${beams}, as there are beams`, returned)
  const [end, pad] = [call.number('eos_token_id', -1), call.number('pad_token_id', -1)]
  const repeated = () => texts.flatMap((line) => Array.from({ length: beams }, () => line))
  const mask = call.inputs[BEAMS.attentionMask]
  const decoder = isEncoded
    ? new EncodedDecoder(call, texts, beams, mask)
    : new Decoder(call, repeated(), beams, mask)
  const { lines, vocabulary } = decoder
  const processors = processorsOf(call, BEAMS, texts.length, vocabulary)
  const found = texts.map(() => new Found(beams, call.scalar(5) ?? 1))
  const done = texts.map(() => false)
  // The beams of a text begin alike: all but the first wait, so that they do not go on alike.
  const sums = Float32Array.from(lines, (_, i) => (i % beams ? -1e9 : 0))
  const steps: Float32Array[][] = []
  const length = lines[0]?.length ?? longest
  try {
    for (let step = 1; length + step <= longest && texts.length; step++) {
      const rows = yield* decoder.next()
      for (const row of rows) logSoftmax(row)
      for (const process of processors) process(decoder.lines, rows, step)
      for (const [i, row] of rows.entries()) for (let k = 0; k < vocabulary; k++) row[k]! += sums[i]!
      if (call.node.outputs[2]) steps.push(rows)
      const [tokens, from] = [Array<number>(lines.length).fill(pad), lines.map((_, i) => i)]
      const candidates = texts.map((_, text) =>
        likeliest(rows.slice(text * beams, (text + 1) * beams), 2 * beams),
      )
      const all = candidates.flat()
      for (const [text, ends] of found.entries()) {
        const first = text * beams
        if (done[text]) {
          from.fill(0, first, first + beams)
          sums.fill(0, first, first + beams)
          continue
        }
        let taken = 0
        for (const [rank, { beam, token, sum }] of candidates[text]!.entries()) {
          if (taken === beams) break
          if (token === end) {
            if (rank < beams) ends.add(decoder.lines[first + beam]!, sum)
            continue
          }
          tokens[first + taken] = token
          from[first + taken] = first + beam
          sums[first + taken] = sum
          taken++
        }
        // As ONNX Runtime 1.30 counts: of a later text they are partly those of the one before, which goes on
        // from the first line of all once it is done.
        const best = Math.max(...all.slice(first, first + 2 * beams).map(({ sum }) => sum))
        done[text] = ends.isFull && (call.flag('early_stopping') || !ends.canImprove(best, length + step - 1))
      }
      decoder.append(tokens, from)
      if (done.every(Boolean)) break
      yield
    }
    for (const [i, line] of decoder.lines.entries()) {
      const text = Math.floor(i / beams)
      if (!done[text]) found[text]!.add(line, sums[i]!)
    }
    const chosen = found.flatMap(({ best }) => best.slice(0, returned))
    const sequences = call.host('int32', [texts.length, returned, longest], (to) => {
      to.fill(pad)
      for (const [i, { line }] of chosen.entries()) to.set(line, i * longest)
    })
    const scores = call.host('float32', [texts.length, returned], (to) =>
      to.set(chosen.map(({ score }) => score)),
    )
    if (!call.node.outputs[2]) return [sequences, scores]
    const all = call.host('float32', [longest - length, texts.length, beams, vocabulary], (to) => {
      for (const [i, row] of steps.flat().entries()) to.set(row, i * vocabulary)
    })
    return [sequences, scores, all]
  } finally {
    decoder.dispose()
  }
}
