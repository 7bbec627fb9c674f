/**
 * The file that weights are kept in: the length of a header (8 bytes, little-endian), the header (JSON: type,
 * shape and place of each tensor; text under `__metadata__`), the numbers.
 * https://huggingface.co/docs/safetensors (its format section)
 */
import { check, show } from '../base/errors.js'
import { isBytes } from '../base/realm.js'
import { type Shape, sizeOf } from '../base/shape.js'
import { decodeUtf8, encodeUtf8 } from '../base/utf8.js'
import { isShape } from '../core/options.js'
import { toHost, toUser } from '../onnx/file/types.js'

/** The longest header that readers of the format accept. */
const MOST_HEADER_BYTES = 100e6

/**
 * Types of numbers that are read, by their names in the file; those of files of one's own are the first
 * three.
 */
const TYPES = { F32: 'float32', F16: 'float16', BF16: 'bfloat16', F64: 'float64' } as const
const BYTES = { F32: 4, F16: 2, BF16: 2, F64: 8 } as const

type Code = keyof typeof TYPES
const isCode = (dtype: string): dtype is Code => Object.hasOwn(TYPES, dtype)

/** What numbers are kept as. */
export type SavedType = 'float32' | 'float16' | 'bfloat16'
const CODES: Record<SavedType, Code> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

/** A tensor of a file. */
export interface Saved {
  dtype: string
  shape: Shape
  /** Throws where they are of a type that is not read. */
  numbers(): Float32Array
}

interface Entry {
  dtype: string
  shape: Shape
  data_offsets: [begin: number, end: number]
}

/** A file of tensors by name. */
export function writeSafetensors(
  tensors: ReadonlyMap<string, { shape: Shape; numbers: Float32Array; type: SavedType }>,
  metadata: Record<string, string>,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, Entry | Record<string, string>> = { __metadata__: metadata }
  let at = 0
  for (const [name, { shape, type }] of tensors) {
    const dtype = CODES[type]
    const end = at + sizeOf(shape) * BYTES[dtype]
    header[name] = { dtype, shape, data_offsets: [at, end] }
    at = end
  }
  const text = encodeUtf8(JSON.stringify(header))
  // Spaces after the header bring the numbers to a multiple of 8.
  const start = Math.ceil((8 + text.length) / 8) * 8
  const bytes = new Uint8Array(start + at)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true)
  bytes.fill(0x20, 8, start)
  bytes.set(text, 8)
  at = start
  for (const { numbers, type } of tensors.values()) {
    const { buffer, byteOffset, byteLength } = toUser(type, numbers) as Float32Array
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
    at += byteLength
  }
  return bytes
}

/** What a file holds, each of its places checked. */
export function readSafetensors(bytes: Uint8Array): {
  metadata: Record<string, string>
  tensors: Map<string, Saved>
} {
  const op = 'load'
  check(isBytes(bytes), () => ({ op, argument: 'bytes', expected: 'a Uint8Array', got: show(bytes) }))
  const fail = (got: string) => () => ({ op, argument: 'bytes', expected: 'a safetensors file', got })
  check(bytes.length >= 8, fail(`${bytes.length} bytes`))
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
  check(length >= 2 && length <= MOST_HEADER_BYTES && bytes[8] === 0x7b, fail('something else'))
  const start = 8 + length
  const whole = (end: number) =>
    check(end <= bytes.length, () => ({
      op,
      argument: 'bytes',
      expected: `${end} bytes`,
      got: `${bytes.length}`,
      hint: 'The file ends early',
    }))
  whole(start)
  let header: Record<string, unknown>
  try {
    header = JSON.parse(decodeUtf8(bytes.slice(8, start), { fatal: true }))
  } catch {
    header = {}
    check(false, fail('one whose header is no JSON'))
  }
  const { __metadata__: metadata = {}, ...rest } = header as Record<string, Entry> & {
    __metadata__?: Record<string, string>
  }
  const tensors = new Map<string, Saved>()
  let end = 0
  for (const [name, entry] of Object.entries(rest as Record<string, Entry>)) {
    const { dtype, shape, data_offsets: offsets } = entry ?? {}
    check(
      typeof dtype === 'string' && isShape(shape) && isShape(offsets) && offsets.length === 2,
      fail(`one whose ${name} has no type, shape or place`),
    )
    const [first, last] = offsets
    const fits = !isCode(dtype) ? last >= first : last - first === BYTES[dtype] * sizeOf(shape)
    check(fits, fail(`one whose ${name} has ${last - first} bytes for ${show(shape)}`))
    end = Math.max(end, last)
    const numbers = () => {
      const expected = 'of floats (F32, F16, BF16 or F64)'
      check(isCode(dtype), () => ({ op, argument: name, expected, got: dtype }))
      // A copy for alignment; the `slice` of Node's Buffer is none.
      const copy = new Uint8Array(bytes.subarray(start + first, start + last)).buffer
      const type = TYPES[dtype]
      const array =
        type === 'float32'
          ? new Float32Array(copy)
          : type === 'float64'
            ? new Float64Array(copy)
            : new Uint16Array(copy)
      return Float32Array.from(toHost(type, array) as Float32Array)
    }
    tensors.set(name, { dtype, shape, numbers })
  }
  whole(start + end)
  check(
    start + end === bytes.length,
    fail(`one of ${start + end} bytes, and ${bytes.length - start - end} more`),
  )
  return { metadata, tensors }
}
