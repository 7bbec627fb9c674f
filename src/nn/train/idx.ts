/** idx files, as MNIST comes in. */
import { check, show } from '../../base/errors.js'
import { isBytes } from '../../base/realm.js'
import { sizeOf } from '../../base/shape.js'

const IDX_TYPES: Record<
  number,
  [
    make: (length: number) => Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array,
    read: keyof DataView,
  ]
> = {
  8: [(length) => new Uint8Array(length), 'getUint8'],
  9: [(length) => new Int8Array(length), 'getInt8'],
  11: [(length) => new Int16Array(length), 'getInt16'],
  12: [(length) => new Int32Array(length), 'getInt32'],
  13: [(length) => new Float32Array(length), 'getFloat32'],
  14: [(length) => new Float64Array(length), 'getFloat64'],
}

/**
 * Reads an idx file, as MNIST comes in: two zero bytes, a type, the number of axes, their lengths, the
 * numbers; all big-endian. A `.gz` has to be unpacked first.
 *
 * @returns the shape, and a typed array of the numbers as they are: pixels are 0 to 255
 * @throws FilterbankError for a file of another kind, or one that ends early
 * @example
 * const [images, labels] = [readIdx(imageBytes), readIdx(labelBytes)] const data = { inputs:
 * Float32Array.from(images.data, (v) => v / 255), shape: [28, 28, 1], labels: labels.data }
 */
export function readIdx(bytes: Uint8Array) {
  const op = 'readIdx'
  check(isBytes(bytes), () => ({ op, argument: 'bytes', expected: 'a Uint8Array', got: show(bytes) }))
  const type = bytes[0] === 0 && bytes[1] === 0 ? IDX_TYPES[bytes[2]!] : undefined
  const hint = bytes[0] === 0x1f && bytes[1] === 0x8b ? 'It is packed by gzip: unpack it first' : undefined
  check(type !== undefined, () => ({
    op,
    argument: 'bytes',
    expected: 'an idx file',
    got: bytes.length < 4 ? `${bytes.length} bytes` : 'something else',
    hint,
  }))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rank = bytes[3]!
  const start = 4 + 4 * rank
  const expected = (length: number) =>
    check(bytes.length === length, () => ({
      op,
      argument: 'bytes',
      expected: `${length} bytes`,
      got: `${bytes.length}`,
    }))
  if (bytes.length < start) expected(start)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  const [make, read] = type
  const size = sizeOf(shape)
  const width = make(0).BYTES_PER_ELEMENT
  expected(start + size * width)
  const data = make(size)
  const get = view[read] as (at: number) => number
  for (let i = 0; i < size; i++) data[i] = get.call(view, start + i * width)
  return { shape, data }
}
