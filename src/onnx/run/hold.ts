/** Large tensors of a file, in the engine from the moment that they come in. */
import { check } from '../../base/errors.js'
import type { Shape } from '../../base/shape.js'
import { type ArrayOf, bytesPerElement, type DType } from '../../core/dtype.js'
import type { Engine } from '../../core/engine.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { widenHalves } from '../../plans/cast.js'
import { MadeTensor } from '../file/decode.js'
import { hostRoom, type Keeper, type Room } from '../file/intake.js'
import {
  dtypeOf,
  type ElementType,
  type Halves,
  type HostArray,
  type HostTensor,
  hostArray,
  isFloat,
  isHalf,
  type LongArray,
  limit,
  staysOnHost,
  toHost,
} from '../file/types.js'

/**
 * Types whose bytes in the file are those of the engine; halves stay as they are until they are used, and
 * numbers of 64 bits are two words there.
 */
const HELD = new Set<ElementType>([
  ...(['float32', 'int8', 'uint8', 'bool', 'int32', 'float16', 'bfloat16', 'int64', 'uint64'] as const),
])

/** A tensor whose numbers stand in the engine; a copy of them goes when nobody uses it. */
class HeldTensor implements HostTensor {
  readonly resident: AnyTensor | undefined
  readonly halves: Halves | undefined
  readonly words: Tensor<'int32'> | undefined
  private seen: WeakRef<HostArray> | undefined

  constructor(
    readonly type: ElementType,
    readonly shape: Shape,
    private readonly read: () => HostArray,
    { resident, halves, words }: Pick<HostTensor, 'resident' | 'halves' | 'words'>,
  ) {
    this.resident = resident
    this.halves = halves
    this.words = words
  }

  get data(): HostArray {
    let data = this.seen?.deref()
    if (!data) {
      data = this.read()
      this.seen = new WeakRef(data)
    }
    return data
  }
}

/** The numbers of 16 bits that these bytes are. */
const halfBits = ({ bytes: { elements } }: Halves): Uint16Array =>
  new Uint16Array(elements.buffer, elements.byteOffset, elements.length / 2)

/** Numbers of 64 bits in the engine as users have them, without a copy. */
export function longView({ elements }: Tensor<'int32'>, type: ElementType): LongArray {
  const { buffer, byteOffset, length } = elements
  return type === 'int64'
    ? new BigInt64Array(buffer, byteOffset, length / 2)
    : new BigUint64Array(buffer, byteOffset, length / 2)
}

/** Brain floats made floats at a time: more would be another large copy. */
const PIECE = 1 << 16

/** Halves as float32 in the engine. */
export const widened = (engine: Engine, halves: Halves, shape: Shape): Tensor =>
  engine.upload(shape, (pointer) => {
    if (halves.type === 'float16') {
      widenHalves(engine, halves.bytes.pointer, pointer, halves.bytes.size / 2)
      return
    }
    const bits = halfBits(halves)
    const to = new Float32Array(engine.u8.buffer, pointer, bits.length)
    for (let i = 0; i < bits.length; i += PIECE)
      to.set(toHost(halves.type, bits.subarray(i, i + PIECE)) as Float32Array, i)
  })

/** What holds the large tensors of a model, which go with it. */
export class Holder {
  private readonly tensors = new Set<AnyTensor>()
  /** Whole rooms: what the file says to be in them are tensors of their own. */
  private readonly rooms = new Set<AnyTensor>()

  constructor(private readonly engine: Engine) {}

  /** Makes room in the engine, or on the host for what the engine has no type for. */
  readonly keep: Keeper = (type, length) => {
    if (!type || !HELD.has(type)) return hostRoom(length)
    const dtype = isHalf(type) ? 'uint8' : dtypeOf(type)
    return length % bytesPerElement(dtype) ? hostRoom(length) : this.inEngine(type, dtype, length)
  }

  private inEngine(type: ElementType, dtype: DType, length: number): Room {
    const { engine, rooms, tensors } = this
    const all = engine.apart(() => engine.empty<DType>([length / bytesPerElement(dtype)], { dtype }))
    ;(isHalf(type) ? tensors : rooms).add(all)
    const { address } = all.storage
    return {
      length,
      write: (part, at) => engine.u8.set(part, address + at),
      bytes: () => engine.u8.slice(address, address + length),
      tensor: (asked, shape) => {
        if (asked !== type) return undefined
        if (isHalf(type)) {
          const halves = { type, bytes: all as Tensor<'uint8'> }
          return new HeldTensor(type, shape, () => toHost(type, halfBits(halves)), { halves })
        }
        const isLong = type === 'int64' || type === 'uint64'
        const held = engine.apart(() => all.reshape(isLong ? [all.size / 2, 2] : shape))
        tensors.add(held)
        if (isLong) {
          const words = held as Tensor<'int32'>
          return new HeldTensor(type, shape, () => toHost(type, longView(words, type)), { words })
        }
        return new HeldTensor(type, shape, () => held.toArray() as HostArray, { resident: held })
      },
    }
  }

  /** Once all rooms are tensors. */
  close(): void {
    for (const room of this.rooms) room.dispose()
    this.rooms.clear()
  }

  dispose(): void {
    this.close()
    for (const tensor of this.tensors) tensor.dispose()
    this.tensors.clear()
  }
}

/** The host's numbers as a type of the engine; int64 beyond int32 becomes the nearest of it. */
export function numbersAs(data: Float64Array, type: ElementType, dtype: DType): Float32Array | Int32Array {
  if (dtype !== 'int32' || !staysOnHost(type)) return data as unknown as Float32Array
  const numbers = new Int32Array(data.length)
  for (let i = 0; i < numbers.length; i++) {
    const value = data[i]!
    const whole = value | 0
    numbers[i] = whole === value ? whole : limit(value, -(2 ** 31), 2 ** 31 - 1)
  }
  return numbers
}

/** The host's numbers in the engine: bytes of the file as they are, halves widened. */
export function uploaded(
  engine: Engine,
  host: Pick<HostTensor, 'data' | 'bytes' | 'halves'> | undefined,
  type: ElementType,
  shape: Shape,
  dtype: DType,
): AnyTensor {
  const { bytes, halves } = host ?? {}
  if (halves && dtype === 'float32') return widened(engine, halves, shape)
  if (bytes) return engine.upload(shape, (pointer) => engine.u8.set(bytes, pointer))
  check(host !== undefined && type !== 'string', () => ({
    op: 'onnx',
    argument: 'value',
    expected: 'numbers',
    got: 'texts',
  }))
  const data = host instanceof MadeTensor ? host.once() : host.data
  return engine.tensor(numbersAs(data as Float64Array, type, dtype), shape, { dtype })
}

/** Numbers of the engine as the host has those of a type. */
export function hostNumbers(type: ElementType, numbers: ArrayOf<DType>): HostArray {
  if (isFloat(type) && numbers instanceof Float32Array) return numbers
  const data = hostArray(type, numbers.length)
  ;(data as Float64Array).set(numbers)
  return data
}

/** The numbers of a tensor on the host, where they stood in the engine alone; how to bring them back. */
export function spilled({ dtype, engine, shape, storage }: AnyTensor): () => AnyTensor {
  const bytes = engine.u8.slice(storage.address, storage.address + storage.bytes)
  return () => engine.upload(shape, (pointer) => engine.u8.set(bytes, pointer), { dtype })
}

/** What a recording has in the place of numbers. */
export const WITHOUT_NUMBERS = {
  get data(): never {
    throw new Error('a recording has no numbers')
  },
}
