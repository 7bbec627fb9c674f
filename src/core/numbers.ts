/** Numbers as users give them. */
import { check, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import { type Shape, sizeOf } from '../base/shape.js'

/** Any numbers that a tensor can be filled with: they become its type. */
export type Numbers =
  | readonly number[]
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array

function lengthHint(data: unknown): string | undefined {
  if (Array.isArray(data)) return undefined
  const { length, buffer } = data as Float32Array
  return length === 0 && buffer.byteLength === 0
    ? 'A view of a tensor is empty once the memory has grown: take it anew, or toArray()'
    : undefined
}

/** Checks that `data` is numeric and has as many elements as `shape`. @internal */
export function checkNumbers(data: unknown, shape: Shape, op: string): asserts data is Numbers {
  const kind = arrayName(data)
  const numeric = kind ? !kind.startsWith('Big') : Array.isArray(data)
  check(numeric, () => ({
    op,
    argument: 'data',
    expected: 'an array or typed array of numbers',
    got: show(data),
    shapes: { shape },
  }))
  const { length } = data as ArrayLike<number>
  const [first] = Array.isArray(data) ? data : []
  check(!Array.isArray(first) && !ArrayBuffer.isView(first), () => ({
    op,
    argument: 'data[0]',
    expected: 'a number',
    got: show(first),
    shapes: { shape },
    hint: 'Rows are not taken: give all numbers in one array, such as rows.flat(Infinity)',
  }))
  check(length === sizeOf(shape), () => ({
    op,
    argument: 'data',
    expected: `${sizeOf(shape)} numbers for its shape`,
    got: `${length}`,
    shapes: { shape },
    hint: lengthHint(data),
  }))
  if (Array.isArray(data)) {
    const odd = data.findIndex((value) => typeof value !== 'number')
    check(odd < 0, () => ({
      op,
      argument: `data[${odd}]`,
      expected: 'a number',
      got: show(data[odd]),
      shapes: { shape },
    }))
  }
}
