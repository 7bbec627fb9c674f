/**
 * Whole numbers in the fields of their types, where each takes as many bytes as it needs, as the bytes that
 * raw data have: decoded as they come in.
 */
import { FilterbankError } from '../../base/errors.js'
import { bitsOf, type ElementType } from './types.js'

/** Types of elements by the fields that hold them so; bits of smaller ones are packed in no such way. */
const HOLDS: Readonly<Record<string, readonly ElementType[]>> = {
  int32Data: ['int32', 'int16', 'int8', 'uint16', 'uint8', 'bool', 'float16', 'bfloat16'],
  int64Data: ['int64'],
  uint64Data: ['uint64', 'uint32'],
}

/** Bytes of a number as raw data, where a field holds numbers of a type; else undefined. */
export const widthIn = (field: string, type: ElementType | undefined): number | undefined =>
  type !== undefined && type !== 'string' && HOLDS[field]?.includes(type) ? bitsOf(type) / 8 : undefined

/** Where the bytes go. */
interface Target {
  readonly length: number
  write(bytes: Uint8Array, at: number): void
}

/** Bytes that are decoded before they go on. */
const PIECE = 1 << 15

export class Varints {
  private readonly piece = new Uint8Array(PIECE)
  private readonly numbers: Uint8Array | Uint16Array | Int32Array
  private filled = 0
  private written = 0
  /** Of the number that has not ended: its words so far, and bits of it. */
  private low = 0
  private high = 0
  private bits = 0

  /**
   * @param width bytes of a number as raw data
   * @param left bytes of the field that are still to come
   */
  constructor(
    private readonly room: Target,
    private readonly width: number,
    public left: number,
  ) {
    const { buffer } = this.piece
    this.numbers = width === 1 ? this.piece : width === 2 ? new Uint16Array(buffer) : new Int32Array(buffer)
  }

  /** The next bytes of the field. */
  push(bytes: Uint8Array): void {
    const { numbers } = this
    const isLong = this.width === 8
    let { low, high, bits, filled } = this
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!
      const value = byte & 127
      if (bits < 28) low |= value << bits
      else if (bits > 28) high |= value << (bits - 32)
      else {
        low |= value << 28
        high = value >> 4
      }
      bits += 7
      if (byte < 128) {
        numbers[filled++] = low
        if (isLong) numbers[filled++] = high
        low = high = bits = 0
        if (filled === numbers.length) {
          this.flush(filled)
          filled = 0
        }
      } else if (bits === 70) throw broken('a number of more than 10 bytes')
    }
    this.low = low
    this.high = high
    this.bits = bits
    this.filled = filled
    this.left -= bytes.length
    if (this.left > 0) return
    if (bits) throw broken('a number that ends beyond what holds it')
    this.flush(filled)
  }

  /** Bytes that came out: of numbers beyond the room none are kept. */
  get length(): number {
    return this.written
  }

  private flush(filled: number): void {
    const bytes = this.piece.subarray(0, filled * this.numbers.BYTES_PER_ELEMENT)
    const kept = bytes.subarray(0, Math.max(0, this.room.length - this.written))
    this.room.write(kept, this.written)
    this.written += bytes.length
  }
}

const broken = (why: string): FilterbankError =>
  new FilterbankError({
    op: 'loadModel',
    argument: 'bytes',
    expected: 'those of a whole ONNX file',
    got: `${why} in a tensor`,
  })
