/**
 * com.microsoft's operators on tokens: Tokenizer, which makes them of texts, BifurcationDetector (guesses of
 * what comes next, taken from a source) and NGramHashMapping (DeepSeek's Engram). Definitions:
 * ContribOperators.md of ONNX Runtime.
 */
import type { Call, Operator } from '../../run/call.js'

const [START, END] = ['\u0002', '\u0003']

/** A regular expression of the file's, which finds all places. */
function expression(call: Call, name: string, source: string): RegExp {
  try {
    return new RegExp(source, 'gu')
  } catch {
    return call.fail(name, 'a regular expression', source)
  }
}

const lengthOf = (text: string): number => [...text].length

/** Between what an expression finds, and behind the last of it; an empty match takes a character. */
function parted(text: string, separator: RegExp): string[] {
  const parts: string[] = []
  let from = 0
  for (;;) {
    separator.lastIndex = from
    const found = from <= text.length ? separator.exec(text) : null
    if (!found) return from < text.length ? [...parts, text.slice(from)] : parts
    parts.push(text.slice(from, found.index))
    from = found.index + Math.max(1, found[0].length)
  }
}

/** Texts [c] or [n, c] cut into tokens [..., most of one], filled up with `pad_value`. */
const tokenizer: Operator = (call) => {
  const x = call.input(0)
  if (x.type !== 'string' || x.shape.length < 1 || x.shape.length > 2)
    call.fail('input 0', 'texts [c] or [n, c]', `${x.type} [${x.shape}]`)
  const separators = call.texts('separators') ?? []
  const token = call.text('tokenexp', '')
  if (Boolean(token) === separators.length > 0)
    call.fail('separators', 'given, or tokenexp in their place', separators)
  const least = call.number('mincharnum', 1)
  const isLong = (text: string) => lengthOf(text) >= least
  const byCharacters = separators.length === 1 && separators[0] === ''
  const expressions = byCharacters ? [] : separators.map((source) => expression(call, 'separators', source))
  const found = token ? expression(call, 'tokenexp', token) : undefined
  const rows = (x.data as string[]).map((text) => {
    if (found) return (text.match(found) ?? []).filter((part) => part !== '' && isLong(part))
    if (byCharacters) return [...text]
    return expressions.reduce<string[]>(
      (parts, separator) => parts.flatMap((part) => parted(part, separator)).filter(isLong),
      [text],
    )
  })
  const most = Math.max(0, ...rows.map((row) => row.length))
  if (most === 0) return call.host('string', [...x.shape, 0], [])
  const pad = call.text('pad_value', '')
  const [before, behind] = call.flag('mark') ? [[START], [END]] : [[], []]
  const padding = (row: string[]) => Array<string>(most - row.length).fill(pad)
  const tokens = rows.flatMap((row) => [...before, ...row, ...behind, ...padding(row)])
  return call.host('string', [...x.shape, most + before.length + behind.length], tokens)
}

/** Where a list stands in another from a place on; -1 where it does not. */
function placeOf(part: ArrayLike<number>, all: ArrayLike<number>, from: number): number {
  for (let at = from; at + part.length <= all.length; at++) {
    let k = 0
    while (k < part.length && all[at + k] === part[k]) k++
    if (k === part.length) return at
  }
  return -1
}

/**
 * src_tokens, cur_tokens, prev_suffix_match_idx, pred_tokens: the tokens with what was predicted of the
 * source up to where the two differ, and where the source goes on behind their last tokens, if it has these
 * once.
 */
const bifurcationDetector: Operator = (call) => {
  const [source, current, match, predicted] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const [all, known] = [source.data as Float64Array, current.data as Float64Array]
  const [least, most] = [call.number('min_ngram_size', 1), call.number('max_ngram_size', 1)]
  if (!(least >= 1 && most >= least))
    call.fail('min_ngram_size and max_ngram_size', 'of at least 1, in order', [least, most])
  let tokens = known
  if (predicted) {
    const guess = predicted.data as Float64Array
    const from = match.data[0] as number
    if (!(from >= 0 && from <= all.length))
      call.fail('prev_suffix_match_idx', `from 0 to ${all.length}`, from)
    if (guess.length !== all.length + 1 - from)
      call.fail('pred_tokens', `[${all.length + 1 - from}]`, predicted.shape)
    let same = 0
    while (same < all.length - from && guess[same] === all[from + same]) same++
    tokens = Float64Array.of(...known, ...guess.subarray(0, same + 1))
  }
  let suffix = -1
  for (let size = least; size <= most && size <= tokens.length; size++) {
    const end = tokens.subarray(tokens.length - size)
    const at = placeOf(end, all, 0)
    if (at < 0) break
    suffix = at + size
    if (suffix >= all.length) break
    if (placeOf(end, all, at + 1) >= 0) suffix = -1
  }
  return [
    call.host('int64', [tokens.length], tokens.slice()),
    call.host('int64', match.shape, (to) => to.fill(suffix)),
  ]
}

/**
 * input_ids [n, length], multipliers [most], vocab_sizes [(most - 1) * heads], past_ids [n, most - 1]: for
 * each token, of the last two, three, ... up to `most` the exclusive or of their products with the
 * multipliers, by each head's size; and the last tokens of all.
 */
const nGramHashMapping: Operator = (call) => {
  const [ids, multipliers, sizes, past] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const [most, heads, pad] = [
    call.number('max_ngram_size', 0),
    call.number('n_head_per_ngram', 0),
    call.number('pad_id', 0),
  ]
  const end = call.number('eos_token_id', undefined)
  if (!(most >= 2 && heads >= 1))
    call.fail('max_ngram_size and n_head_per_ngram', 'of at least 2 and 1', [most, heads])
  if (ids.shape.length !== 2) call.fail('input_ids', '[n, length]', ids.shape)
  const [n, length] = ids.shape as [number, number]
  const [before, width] = [most - 1, (most - 1) * heads]
  if (multipliers.size !== most) call.fail('multipliers', `[${most}]`, multipliers.shape)
  if (sizes.size !== width) call.fail('vocab_sizes', `[${width}]`, sizes.shape)
  if (past && past.size !== n * before) call.fail('past_ids', `[${n}, ${before}]`, past.shape)
  const isExact = [multipliers, sizes, ids].every((value) =>
    (value.data as Float64Array).every(Number.isSafeInteger),
  )
  if (!isExact) call.fail('multipliers', 'whole numbers below 2^53', multipliers.numbers)
  if (sizes.numbers.some((size) => size <= 0)) call.fail('vocab_sizes', 'above 0', sizes.numbers)
  const bits = ids.type === 'int32' ? 32 : 64
  const [factors, divisors] = [multipliers.numbers.map(BigInt), sizes.numbers.map(BigInt)]
  const [own, known] = [ids.data as Float64Array, past?.data as Float64Array | undefined]
  /** Token t of a text, in front of which stands what was there before. */
  const tokenAt = (text: number, t: number): number => {
    if (t >= 0) return own[text * length + t]!
    return t >= -before && known ? known[text * before + before + t]! : pad
  }
  const y = call.host(ids.type, [n, length, width], (to) => {
    let at = 0
    for (let text = 0; text < n; text++) {
      for (let t = 0; t < length; t++) {
        let mix = 0n
        let isOver = false
        for (let k = 0; k < most; k++) {
          const token = tokenAt(text, t - k)
          isOver ||= k > 0 && token === end
          mix ^= BigInt.asIntN(bits, BigInt(isOver ? pad : token) * factors[k]!)
          for (let head = 0; k > 0 && head < heads; head++) {
            const size = divisors[(k - 1) * heads + head]!
            to[at++] = Number(((mix % size) + size) % size)
          }
        }
      }
    }
  })
  const present = call.host(ids.type, [n, before], (to) => {
    for (let i = 0; i < to.length; i++)
      to[i] = tokenAt(Math.floor(i / before), length - before + (i % before))
  })
  return [y, present]
}

export const tokens: Record<string, Operator> = {
  'com.microsoft.BifurcationDetector': bifurcationDetector,
  'com.microsoft.NGramHashMapping': nGramHashMapping,
  'com.microsoft.Tokenizer': tokenizer,
}
