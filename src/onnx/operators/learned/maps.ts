/** Maps between tensors of keys and of values: ZipMap, DictVectorizer, CastMap. */
import type { ElementType, HostArray } from '../../file/types.js'
import type { Call, Operator } from '../../run/call.js'
import { Value } from '../../run/value.js'
import { labelsOf } from './scores.js'

/** Keys and values of input 0, which has to be a map. */
function entriesOf(call: Call): { keys: readonly (number | string)[]; values: Value } {
  const value = call.input(0)
  if (value.kind !== 'map') call.fail('input 0', 'a map', value.kind ?? 'a tensor')
  const [keys, values] = value.items
  return { keys: [...(keys!.data as string[])], values: values! }
}

/** A map for each row of x [n, classes], by the labels of the classes. */
const zipMap: Operator = (call) => {
  const x = call.input(0)
  if (x.kind) call.fail('input 0', 'a tensor', x.kind)
  const { type, list } = labelsOf(call, 'classlabels_int64s')
  const width = x.shape.at(-1) ?? 1
  if (x.shape.length > 2 || width !== list.length)
    call.fail('input 0', `of rows of ${list.length} numbers, one for each label`, x.shape)
  const data = x.data as Float64Array
  const labels = (type === 'string' ? list : Float64Array.from(list as number[])) as HostArray
  const keys = Value.onHost(call.run, type, [width], labels)
  const items = Array.from({ length: x.size / width }, (_, i) => {
    const row = Value.onHost(call.run, x.type, [width], data.slice(i * width, (i + 1) * width))
    return Value.holding(call.run, x.type, [keys.alias(), row], 'map')
  })
  keys.dispose()
  return Value.holding(call.run, x.type, items)
}

/** Values at the places that the vocabulary has their keys at; zeros (of texts nothing) elsewhere. */
const dictVectorizer: Operator = (call) => {
  const { keys, values } = entriesOf(call)
  const words =
    call.texts('string_vocabulary') ??
    call.numbers('int64_vocabulary', undefined) ??
    call.fail('attributes', 'a vocabulary', 'none')
  const places = new Map<number | string, number>(words.map((word, i) => [word, i]))
  const from = values.data as Float64Array
  return call.host(values.type, [1, words.length], (to) => {
    keys.forEach((key, i) => {
      const place = places.get(key)
      if (place !== undefined) to[place] = from[i]!
    })
  })
}

const CASTS = { TO_FLOAT: 'float32', TO_INT64: 'int64', TO_STRING: 'string' } as const

/** Values in the order of their keys (DENSE), or each at the place that its key is (SPARSE). */
const castMap: Operator = (call) => {
  const { keys, values } = entriesOf(call)
  const type = call.choice<ElementType>('cast_to', CASTS, 'TO_FLOAT')
  const form = call.text('map_form', 'DENSE')
  if (form !== 'DENSE' && form !== 'SPARSE') call.fail('map_form', 'DENSE or SPARSE', form)
  const cast = (value: unknown) =>
    type === 'string' ? String(value) : type === 'int64' ? Math.trunc(Number(value)) : Number(value)
  const from = [...(values.data as unknown as (number | string)[])]
  const order = keys.map((_, i) => i).sort((a, b) => (keys[a] as number) - (keys[b] as number))
  const length = form === 'DENSE' ? keys.length : call.number('max_map', 1)
  const to: (number | string)[] = Array(length).fill(cast(type === 'string' ? '' : 0))
  order.forEach((i, rank) => {
    const place = form === 'DENSE' ? rank : (keys[i] as number)
    if (place < 0 || place >= length) call.fail('input 0', `keys from 0 to ${length - 1}`, place)
    to[place] = cast(from[i]!)
  })
  const data =
    type === 'string'
      ? to
      : type === 'int64'
        ? Float64Array.from(to as number[])
        : new Float32Array(to as number[])
  return call.host(type, [1, length], data as HostArray)
}

export const maps: Record<string, Operator> = {
  ZipMap: zipMap,
  DictVectorizer: dictVectorizer,
  CastMap: castMap,
}
