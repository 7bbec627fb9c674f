/** Operators on texts: StringConcat, StringNormalizer, StringSplit, RegexFullMatch, TfIdfVectorizer. */
import { broadcastStrides } from '../../../base/shape.js'
import type { Call, Operator } from '../../run/call.js'
import { FEW, indexesOf, offsetOf } from '../../run/move.js'
import { commonShape } from '../broadcast.js'

/** Input `i`, which has to be texts. */
function textsOf(call: Call, i: number): readonly string[] {
  const value = call.input(i)
  if (value.type !== 'string') call.fail(`input ${i}`, 'texts', value.type)
  return value.data as string[]
}

const stringConcat: Operator = (call) => {
  const [a, b] = [textsOf(call, 0), textsOf(call, 1)]
  const shapes = [call.input(0).shape, call.input(1).shape] as const
  const shape = commonShape(call, shapes)
  const [p, q] = shapes.map((own) => broadcastStrides(own, shape)) as [number[], number[]]
  return call.host('string', shape, function* (to) {
    const joined = to as unknown as string[]
    let i = 0
    for (const index of indexesOf(shape)) {
      joined[i++] = a[offsetOf(index, p)]! + b[offsetOf(index, q)]!
      if (i % FEW === 0) yield
    }
  })
}

/** Of a row of texts those that are no stop words, in one case; where none is left, an empty one. */
const stringNormalizer: Operator = (call) => {
  const words = textsOf(call, 0)
  const { shape } = call.input(0)
  if (shape.length > 2 || (shape.length === 2 && shape[0] !== 1)) call.fail('input 0', '[n] or [1, n]', shape)
  const locale = call.text('locale', 'en_US').replace('_', '-')
  const changes: Record<string, (word: string) => string> = {
    NONE: (word) => word,
    LOWER: (word) => word.toLocaleLowerCase(locale),
    UPPER: (word) => word.toLocaleUpperCase(locale),
  }
  const change = call.choice('case_change_action', changes, 'NONE')
  const folded = call.flag('is_case_sensitive') ? changes['NONE']! : changes['LOWER']!
  const stops = new Set((call.texts('stopwords') ?? []).map(folded))
  const kept = words.filter((word) => !stops.has(folded(word))).map(change)
  const list = kept.length ? kept : ['']
  return call.host('string', [...shape.slice(0, -1), list.length], list)
}

/** Parts between delimiters, or runs of white space, filled up with empty texts; and how many each has. */
const stringSplit: Operator = (call) => {
  const words = textsOf(call, 0)
  const delimiter = call.text('delimiter')
  const most = call.number('maxsplit', Number.POSITIVE_INFINITY)
  const split = (word: string): string[] => {
    const parts: string[] = []
    let rest = delimiter ? word : word.trim()
    if (rest === '' && !delimiter) return []
    while (parts.length < most) {
      const found = delimiter ? rest.indexOf(delimiter) : rest.search(/\s+/)
      if (found < 0) break
      parts.push(rest.slice(0, found))
      rest = delimiter ? rest.slice(found + delimiter.length) : rest.slice(found).trimStart()
    }
    return [...parts, rest]
  }
  const parts = words.map(split)
  const width = parts.reduce((length, list) => Math.max(length, list.length), 0)
  const filled = parts.flatMap((list) => [...list, ...Array<string>(width - list.length).fill('')])
  const { shape } = call.input(0)
  return [
    call.host('string', [...shape, width], filled),
    call.host(
      'int64',
      shape,
      Float64Array.from(parts, (list) => list.length),
    ),
  ]
}

/** Whether the whole of each text is what a pattern says; the pattern is read as JavaScript's. */
const regexFullMatch: Operator = (call) => {
  const words = textsOf(call, 0)
  const pattern = call.text('pattern')
  let wanted: RegExp
  try {
    wanted = new RegExp(`^(?:${pattern})$`, 'u')
  } catch (error) {
    call.fail('pattern', 'a regular expression', (error as Error).message)
  }
  return call.host(
    'bool',
    call.input(0).shape,
    Uint8Array.from(words, (word) => Number(wanted.test(word))),
  )
}

/** How often each n-gram of the pool is in a row, with up to so many places left out between. */
const tfIdfVectorizer: Operator = (call) => {
  const x = call.input(0)
  const { shape } = x
  if (shape.length < 1 || shape.length > 2) call.fail('input 0', '[n] or [rows, n]', shape)
  const pool: readonly (number | string)[] = call.texts('pool_strings') ?? call.numbers('pool_int64s', [])
  const [starts, indexes] = [call.numbers('ngram_counts', []), call.numbers('ngram_indexes', [])]
  const [least, most] = [call.number('min_gram_length', 1), call.number('max_gram_length', 1)]
  const skips = call.number('max_skip_count', 0)
  const mode = call.text('mode', 'TF')
  if (!['TF', 'IDF', 'TFIDF'].includes(mode)) call.fail('mode', 'TF, IDF or TFIDF', mode)
  const weights = call.numbers('weights', [])
  const bounds = [0, ...starts, pool.length]
  if (bounds.some((from, i) => i > 0 && !(from >= bounds[i - 1]!)))
    call.fail('ngram_counts', `places in a pool of ${pool.length}`, starts)
  if (!indexes.every((index) => index >= 0)) call.fail('ngram_indexes', 'from 0 on', indexes)
  const keyOf = (words: readonly (number | string)[]) => JSON.stringify(words)
  const ids = new Map<string, number>()
  starts.forEach((from, i) => {
    const end = starts[i + 1] ?? pool.length
    for (let at = from; at + i < end; at += i + 1) ids.set(keyOf(pool.slice(at, at + i + 1)), ids.size)
  })
  const width = indexes.reduce((length, index) => Math.max(length, index + 1), 0)
  const columns = shape.at(-1)!
  const rows = shape.length > 1 ? shape[0]! : 1
  const data = [...(x.data as unknown as (number | string)[])]
  return call.host('float32', [...shape.slice(0, -1), width], (to) => {
    for (let row = 0; row < rows; row++) {
      const words = data.slice(row * columns, (row + 1) * columns)
      for (let skip = 0; skip <= Math.min(skips, columns); skip++) {
        for (let n = Math.max(least, skip ? 2 : 1); n <= Math.min(most, columns); n++) {
          for (let at = 0; at + (n - 1) * (skip + 1) < columns; at++) {
            const gram = Array.from({ length: n }, (_, k) => words[at + k * (skip + 1)]!)
            const id = ids.get(keyOf(gram))
            if (id !== undefined) to[row * width + indexes[id]!]!++
          }
        }
      }
      if (mode === 'TF') continue
      indexes.forEach((index, id) => {
        const place = row * width + index
        const weight = weights[id] ?? 1
        to[place] = mode === 'IDF' ? (to[place]! > 0 ? weight : 0) : to[place]! * weight
      })
    }
  })
}

export const texts: Record<string, Operator> = {
  RegexFullMatch: regexFullMatch,
  StringConcat: stringConcat,
  StringNormalizer: stringNormalizer,
  StringSplit: stringSplit,
  TfIdfVectorizer: tfIdfVectorizer,
}
