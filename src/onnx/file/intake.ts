/**
 * Reads a file as it comes in, and cuts the numbers of large tensors out: they go where they are to stay, and
 * what is left is a small file of the same messages, in which those fields are empty.
 */
import { FilterbankError } from '../../base/errors.js'
import type { Shape } from '../../base/shape.js'
import { type Message, model, tensor } from './schema.js'
import { type ElementType, type HostTensor, typeOf } from './types.js'
import { Varints, widthIn } from './varints.js'

/** Where the bytes of a large tensor go. */
export interface Room {
  /** In bytes. */
  readonly length: number
  write(bytes: Uint8Array, at: number): void
  /** All of them, once they are there. */
  bytes(): Uint8Array
  /** The tensor that they are, where the room is made for its type. It may be asked for several times. */
  tensor?(type: ElementType, shape: Shape): HostTensor | undefined
}

/** Makes room for so many bytes of a type (undefined: none that is known). */
export type Keeper = (type: ElementType | undefined, length: number) => Room

/** Rooms by where in the small file their fields stand. */
export type Rooms = ReadonlyMap<number, Room>

/** Room that is an array of the host. */
export function hostRoom(length: number): Room {
  let bytes: Uint8Array
  try {
    bytes = new Uint8Array(length)
  } catch (cause) {
    throw new FilterbankError(
      {
        op: 'loadModel',
        argument: 'tensor',
        expected: 'one that the host has memory for',
        got: `${length} bytes`,
      },
      { cause },
    )
  }
  return { length, write: (part, at) => bytes.set(part, at), bytes: () => bytes }
}

/** The least bytes that are kept apart. */
export const LARGE = 1 << 16

/** Wire types of protobuf. */
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5
/** Bytes of a key or a length, at most. */
const LONGEST = 10
/** Bytes of lengths that are looked at. */
const MOST_DIMS = 1 << 10
/** The field of raw data, whose key is one byte. */
const RAW = 9

/** A message that is gone into. */
interface Level {
  message: Message
  /** Where it ends in the file as it came. */
  end: number
  /** Where its length stands in the small file, and in how many bytes; without one it is the file. */
  lengthAt: number
  lengthBytes: number
  /** Of a tensor: its type and how many elements it has, as far as that was told. */
  type: number | undefined
  size: number
}

export class Intake {
  private out = new Uint8Array(1 << 12)
  private filled = 0
  /** Bytes that came in. */
  size = 0
  private readonly levels: Level[]
  private readonly made = new Map<number, Room>()
  /** The beginning of a field that has not come in yet. */
  private carry: Uint8Array = new Uint8Array(0)
  /** Bytes that go into the small file as they are. */
  private passing = 0
  private room: Room | undefined
  private written = 0
  /** The field of whole numbers that comes in. */
  private varints: Varints | undefined

  /** @param total how long the file is; Infinity where nobody knows */
  constructor(
    private readonly keep: Keeper,
    total = Number.POSITIVE_INFINITY,
  ) {
    this.levels = [{ message: model, end: total, lengthAt: 0, lengthBytes: 0, type: undefined, size: 0 }]
  }

  /** The next bytes, which are not used any more when this returns. */
  push(chunk: Uint8Array): void {
    let bytes = chunk
    if (this.carry.length) {
      bytes = new Uint8Array(this.carry.length + chunk.length)
      bytes.set(this.carry)
      bytes.set(chunk, this.carry.length)
      this.size -= this.carry.length
      this.carry = new Uint8Array(0)
    }
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.length - at
      const { room, varints } = this
      if (varints) {
        const count = Math.min(rest, varints.left)
        varints.push(bytes.subarray(at, at + count))
        at += this.count(count)
        if (varints.left === 0) this.endVarints(varints)
      } else if (room) {
        const count = Math.min(rest, room.length - this.written)
        room.write(bytes.subarray(at, at + count), this.written)
        this.written += count
        if (this.written === room.length) this.room = undefined
        at += this.count(count)
      } else if (this.passing > 0) {
        const count = Math.min(rest, this.passing)
        this.append(bytes.subarray(at, at + count))
        this.passing -= count
        at += this.count(count)
      } else {
        const header = this.field(bytes, at)
        if (header === undefined) {
          this.carry = bytes.slice(at)
          this.size += rest
          return
        }
        at += this.count(header)
      }
    }
  }

  /** The small file, and what was cut out of it. */
  end(): { bytes: Uint8Array; rooms: Rooms } {
    this.leave()
    this.append(this.carry)
    return { bytes: this.out.subarray(0, this.filled), rooms: this.made }
  }

  private count(bytes: number): number {
    this.size += bytes
    return bytes
  }

  private append(bytes: Uint8Array): void {
    if (this.filled + bytes.length > this.out.length) {
      const larger = new Uint8Array(Math.max(this.filled + bytes.length, 2 * this.out.length))
      larger.set(this.out.subarray(0, this.filled))
      this.out = larger
    }
    this.out.set(bytes, this.filled)
    this.filled += bytes.length
  }

  /** Closes the messages that end here: what was cut out of them makes them shorter. */
  private leave(): void {
    for (let level = this.levels.at(-1)!; this.levels.length > 1; level = this.levels.at(-1)!) {
      if (level.end !== this.size) return
      this.writeLength(level, this.filled - level.lengthAt - level.lengthBytes)
      this.levels.pop()
    }
  }

  /** In as many bytes as before: a varint may end in zeros. */
  private writeLength(
    { lengthAt, lengthBytes }: Pick<Level, 'lengthAt' | 'lengthBytes'>,
    length: number,
  ): void {
    let left = length
    for (let i = 0; i < lengthBytes; i++) {
      this.out[lengthAt + i] = (left % 128) + (i < lengthBytes - 1 ? 128 : 0)
      left = Math.floor(left / 128)
    }
  }

  /** Begins a field: how many bytes its beginning takes; undefined where that is not whole yet. */
  private field(bytes: Uint8Array, at: number): number | undefined {
    this.leave()
    const level = this.levels.at(-1)!
    const key = varint(bytes, at)
    if (!key) return this.unfinished(bytes, at)
    const wire = key.value % 8
    const known = level.message[Math.floor(key.value / 8)]
    const begin = at + key.length
    if (wire === VARINT) {
      const value = varint(bytes, begin)
      if (!value) return this.unfinished(bytes, begin)
      if (level.message === tensor && known?.[0] === 'dataType') level.type = value.value
      if (level.message === tensor && known?.[0] === 'dims') lengthen(level, value.value)
      return this.pass(bytes, at, key.length + value.length)
    }
    if (wire === FIXED32 || wire === FIXED64) {
      this.passing = wire === FIXED32 ? 4 : 8
      return this.copy(bytes, at, key.length)
    }
    const length = wire === BYTES ? varint(bytes, begin) : undefined
    if (wire === BYTES && !length) return this.unfinished(bytes, begin)
    const header = key.length + (length?.length ?? 0)
    const end = this.size + header + (length?.value ?? 0)
    // Whoever reads the small file says what is wrong with it.
    if (!length || !(end <= level.end)) {
      this.passing = Number.POSITIVE_INFINITY
      return this.copy(bytes, at, header)
    }
    const [name, kind] = known ?? ['', 'bytes' as const]
    const isLarge = length.value >= LARGE
    const lengthAt = this.filled + key.length
    const type = typeOf(level.type ?? 0)
    // Numbers that are told of one by one, each with a key, go with the small file; no writer does that.
    const isNumbers =
      name === 'rawData' ||
      (name === 'floatData' && type === 'float32') ||
      (name === 'doubleData' && type === 'float64')
    const width = widthIn(name, type)
    // Each number takes a byte at least.
    const isWhole = width !== undefined && key.length === 1 && level.size > 0 && level.size <= length.value
    if (isLarge && level.message === tensor && (isNumbers || isWhole)) {
      this.copy(bytes, at, header)
      this.writeLength({ lengthAt, lengthBytes: length.length }, 0)
      const room = this.keep(type, isWhole ? level.size * width : length.value)
      this.made.set(this.filled, room)
      if (isWhole) {
        this.out[lengthAt - 1] = (RAW << 3) | BYTES
        this.varints = new Varints(room, width, length.value)
      } else {
        this.room = room
        this.written = 0
      }
      return header
    }
    if (level.message === tensor && name === 'dims' && length.value <= MOST_DIMS) {
      const from = at + header
      const last = from + length.value
      if (last > bytes.length) return undefined
      for (let next = varint(bytes, from), to = from; next && to < last; next = varint(bytes, to)) {
        lengthen(level, next.value)
        to += next.length
      }
    }
    const inner = Array.isArray(kind) ? kind[0] : kind
    if (isLarge && typeof inner === 'object') {
      this.levels.push({
        message: inner,
        end,
        lengthAt,
        lengthBytes: length.length,
        type: undefined,
        size: 0,
      })
    } else this.passing = length.value
    return this.copy(bytes, at, header)
  }

  /** As long as its numbers are: whoever makes a tensor of it says what is wrong with that. */
  private endVarints({ length }: Varints): void {
    this.varints = undefined
    const room = this.made.get(this.filled)!
    if (room.length !== length) this.made.set(this.filled, { ...room, length })
  }

  private copy(bytes: Uint8Array, at: number, count: number): number {
    this.append(bytes.subarray(at, at + count))
    return count
  }

  /** A field that is whole: it has to end within what holds it. */
  private pass(bytes: Uint8Array, at: number, count: number): number {
    if (this.size + count > this.levels.at(-1)!.end) this.passing = Number.POSITIVE_INFINITY
    return this.copy(bytes, at, count)
  }

  /** Waits for more of a number, unless it is longer than numbers are. */
  private unfinished(bytes: Uint8Array, at: number): number | undefined {
    if (bytes.length - at < LONGEST) return undefined
    this.passing = Number.POSITIVE_INFINITY
    return 0
  }
}

const lengthen = (level: Level, length: number): void => {
  level.size = (level.size || 1) * length
}

/** A number of seven bits a byte; undefined where its end is not there. */
function varint(bytes: Uint8Array, at: number): { value: number; length: number } | undefined {
  let value = 0
  for (let i = 0; i < LONGEST; i++) {
    const byte = bytes[at + i]
    if (byte === undefined) return undefined
    value += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return { value, length: i + 1 }
  }
  return undefined
}
