/** What is done to features before a model sees them. */

import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { div, mul, sub } from '../../../ops/arithmetic.js'
import { cast } from '../../../ops/cast.js'
import { equal, greater, notEqual } from '../../../ops/compare.js'
import { norm } from '../../../ops/norms.js'
import { max, sum } from '../../../ops/reduce.js'
import { abs } from '../../../ops/unary.js'
import { where } from '../../../ops/where.js'
import { type ElementType, type HostTensor, isFloat } from '../../file/types.js'
import type { Call, Operator } from '../../run/call.js'
import { move, whole } from '../../run/move.js'
import type { Value } from '../../run/value.js'
import { mapInEngine, mapOnHost, zipOnHost } from '../broadcast.js'
import { taken } from '../indexing.js'

/** Numbers of an attribute: one for all features, or one for each. */
function perFeature(call: Call, name: string, x: Value, otherwise: readonly number[]): Value {
  const list = call.numbers(name, undefined)
  const given = list?.length ? list : otherwise
  const features = x.shape.at(-1) ?? 1
  if (given.length !== 1 && given.length !== features)
    call.fail(`attribute ${name}`, `1 number or ${features}`, given.length)
  return call.tables(name, [given.length], [], () => [given])[0]!
}

/** (x - offset) * scale */
const scaler: Operator = (call) => {
  const x = call.input(0)
  const [offset, scale] = [perFeature(call, 'offset', x, [0]), perFeature(call, 'scale', x, [1])]
  if (x.isHost) return zipOnHost(call, [x, offset, scale], 'float32', (v, o, s) => (v - o) * s)
  return mapInEngine(call, alike(x), (t) => mul(sub(t, offset.tensor()), scale.tensor()), 'float32')
}

/** In the layout that features broadcast to: row-major. */
const alike = (x: Value): Value => (x.layout === 'plain' ? x : x.reshaped(x.shape))

/** What equals one number becomes another. */
const imputer: Operator = (call) => {
  const x = call.input(0)
  const floats = isFloat(x.type)
  const wanted = call.number(floats ? 'replaced_value_float' : 'replaced_value_int64', 0)
  const news = perFeature(call, floats ? 'imputed_value_floats' : 'imputed_value_int64s', x, [])
  const missing = Number.isNaN(wanted) ? Number.isNaN : (v: number) => v === wanted
  if (x.isHost || !floats) return zipOnHost(call, [x, news], x.type, (v, n) => (missing(v) ? n : v))
  return mapInEngine(call, alike(x), (t) =>
    where(Number.isNaN(wanted) ? notEqual(t, t) : equal(t, wanted), news.tensor(), t),
  )
}

/** x / max(x), x / sum |x| or x / |x| along the last axis; where that is 0, x. */
const normalizer: Operator = (call) => {
  const x = call.input(0)
  const along = { axes: -1, keepDims: true } as const
  const sizes: Record<string, (t: Tensor) => Tensor> = {
    MAX: (t) => max(t, along),
    L1: (t) => sum(abs(t), along),
    L2: (t) => norm(t, along),
  }
  const size = call.choice('norm', sizes, 'MAX')
  return mapInEngine(
    call,
    alike(x),
    (t) => {
      const s = size(t)
      return div(t, where(equal(s, 0), 1, s))
    },
    'float32',
  )
}

const binarizer: Operator = (call) => {
  const x = call.input(0)
  const threshold = call.number('threshold', 0)
  if (x.isHost || !isFloat(x.type)) return mapOnHost(call, x, (v) => Number(v > threshold))
  return mapInEngine(call, x, (t) => cast(greater(t, threshold), 'float32'))
}

/** Along the last axis what the second input names; of a row a matrix of one. */
const arrayFeatureExtractor: Operator = (call) => {
  const [x, wanted] = [call.input(0), call.input(1)]
  const rank = x.shape.length
  if (rank === 0) call.fail('input 0', 'of at least one axis', x.shape)
  const features = x.shape.at(-1)!
  const indexes = wanted.numbers
  const outside = indexes.find((i) => !(i >= 0 && i < features))
  if (outside !== undefined) call.fail('input 1', `indices from 0 to ${features - 1}`, outside)
  if (indexes.length === 0) call.fail('input 1', 'of at least one index', wanted.shape)
  const y = taken(call, x, rank - 1, indexes)
  return rank === 1 ? y.reshaped([1, indexes.length]) : y
}

/** All inputs beside each other, as floats; each is so wide as the attribute says. */
const featureVectorizer: Operator = (call) => {
  const widths = call.numbers('inputdimensions', undefined)
  const sources = call.inputs.map((_, i) => {
    const x = call.input(i)
    const [n, rest] = x.shape.length > 1 ? [x.shape[0]!, sizeOf(x.shape.slice(1))] : [1, x.size]
    if (widths && widths[i] !== rest) call.fail(`input ${i}`, `rows of ${widths[i] ?? 0} numbers`, x.shape)
    const floats =
      x.type === 'float32' ? x : x.isHost ? mapOnHost(call, x, (v) => v, 'float32') : x.alias('float32')
    return floats.reshaped([n, rest])
  })
  const [n] = sources[0]!.shape as [number, number]
  let to = 0
  const parts = sources.map((source, i) => {
    if (source.shape[0] !== n) call.fail(`input ${i}`, `${n} rows as the first`, source.shape)
    const [rows, columns] = whole(source.shape)
    const part = { source, axes: [rows!, { ...columns!, to }] }
    to += source.shape[1]!
    return part
  })
  return move(call, [n, to], parts, { layout: 'plain' })
}

/** Numbers or texts of an attribute, by the names that it has for each type. */
interface List {
  type: ElementType
  data: readonly (number | string)[]
}

const TYPES = { floats: 'float32', int64s: 'int64', strings: 'string' } as const

function listOf(call: Call, what: string): List | undefined {
  const tensor = call.constant(`${what}_tensor`)
  if (tensor) return { type: tensor.type, data: [...(tensor.data as unknown as number[])] }
  for (const [end, type] of Object.entries(TYPES)) {
    const name = `${what}_${end}`
    const data: (number | string)[] | undefined =
      type === 'string' ? call.texts(name) : call.numbers(name, undefined)
    if (data?.length) return { type, data }
  }
  return undefined
}

/** What stands for a key that is not there. */
function defaultOf(call: Call, type: ElementType): number | string {
  const tensor: HostTensor | undefined = call.constant('default_tensor')
  if (tensor) return tensor.data[0]!
  if (type === 'string') return call.text('default_string', '_Unused')
  return type === 'int64' || !isFloat(type)
    ? call.number('default_int64', -1)
    : call.number('default_float', -0)
}

/** A value for each element by its key. */
function looked(call: Call, keys: List, values: List, otherwise: number | string): Value {
  const x = call.input(0)
  if ((x.type === 'string') !== (keys.type === 'string')) call.fail('input 0', keys.type, x.type)
  if (keys.data.length !== values.data.length)
    call.fail('attributes', `as many values as keys, ${keys.data.length}`, values.data.length)
  const table = new Map(keys.data.map((key, i) => [key, values.data[i]!]))
  const found = Array.from(x.data as unknown as number[], (v) => table.get(v) ?? otherwise)
  if (values.type === 'string') return call.host('string', x.shape, found as string[])
  return call.host(values.type, x.shape, (to) => {
    found.forEach((v, i) => {
      to[i] = v as number
    })
  })
}

const labelEncoder: Operator = (call) => {
  const classes = call.texts('classes_strings')
  if (classes) {
    // As version 1 has it: texts and where they stand in a list.
    const places: List = { type: 'int64', data: classes.map((_, i) => i) }
    const texts: List = { type: 'string', data: classes }
    return call.input(0).type === 'string'
      ? looked(call, texts, places, call.number('default_int64', -1))
      : looked(call, places, texts, call.text('default_string', '_Unused'))
  }
  const keys = listOf(call, 'keys') ?? call.fail('attributes', 'keys', 'none')
  const values = listOf(call, 'values') ?? call.fail('attributes', 'values', 'none')
  return looked(call, keys, values, defaultOf(call, values.type))
}

const categoryMapper: Operator = (call) => {
  const numbers: List = { type: 'int64', data: call.numbers('cats_int64s', []) }
  const texts: List = { type: 'string', data: call.texts('cats_strings') ?? [] }
  return call.input(0).type === 'string'
    ? looked(call, texts, numbers, call.number('default_int64', -1))
    : looked(call, numbers, texts, call.text('default_string', '_Unused'))
}

/** An axis more, with a one at the place of the category. */
const oneHotEncoder: Operator = (call) => {
  const x = call.input(0)
  const isText = x.type === 'string'
  const name = isText ? 'cats_strings' : 'cats_int64s'
  const categories: readonly (number | string)[] =
    (isText ? call.texts(name) : call.numbers(name, undefined)) ??
    call.fail(`attribute ${name}`, 'given', 'none')
  const places = new Map<number | string, number>(categories.map((category, i) => [category, i]))
  const width = categories.length
  return call.host('float32', [...x.shape, width], (to) => {
    ;(x.data as unknown as (number | string)[]).forEach((v, i) => {
      const place = places.get(isText ? v : Math.trunc(v as number))
      if (place !== undefined) to[i * width + place] = 1
      else if (!call.flag('zeros', true)) call.fail('input 0', `of ${width} categories`, v)
    })
  })
}

export const features: Record<string, Operator> = {
  ArrayFeatureExtractor: arrayFeatureExtractor,
  Binarizer: binarizer,
  CategoryMapper: categoryMapper,
  FeatureVectorizer: featureVectorizer,
  Imputer: imputer,
  LabelEncoder: labelEncoder,
  Normalizer: normalizer,
  OneHotEncoder: oneHotEncoder,
  Scaler: scaler,
}
