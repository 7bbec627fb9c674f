/**
 * Numbers of 64 bits: as users give them, as two words each in the engine, where all that is done with them
 * is exact and wraps, and as the host's float64, which is made once an operator asks for it.
 */
import type { DType } from '../../core/dtype.js'
import type { AnyTensor, Engine } from '../../core/tensor.js'
import { emptyWords, runCastLong, type Words } from '../../plans/long.js'
import { LongCastOp } from '../../wasm/abi.js'
import type { AnyArray, ElementType, HostArray, HostTensor, LongArray } from '../file/types.js'
import { toHost, toUser } from '../file/types.js'
import { longView } from './hold.js'

export const isLongType = (type: ElementType): boolean => type === 'int64' || type === 'uint64'

/**
 * Whether it is for words what to do with these values: numbers of 64 bits that stand on the host, not all of
 * them known before the run.
 */
export const areLong = (values: readonly Longer[]): boolean =>
  values.every(({ type }) => isLongType(type)) && values.some(standAsWords)

/**
 * Whether it is numbers of 64 bits on the host that are the engine's to read: those that are not known before
 * the run, and large constants, which stand there.
 */
export const standAsWords = ({ type, isHost, inEngine, constant, size }: Longer): boolean =>
  isLongType(type) && isHost && !inEngine && (!constant || size > MUCH)

/** What of a value says so. */
interface Longer {
  readonly type: ElementType
  readonly size: number
  readonly isHost: boolean
  readonly inEngine: boolean
  readonly constant: boolean
}

/** Numbers that are not kept twice: in the engine, and on the host as float64. */
export const MUCH = 1 << 14

/** The numbers of 64 bits of a value that stands on the host. */
export class Longs {
  private numbers: HostArray | undefined
  private seen: WeakRef<HostArray> | undefined

  /** @param source the user's array, which nobody writes as long as the value is, or words of the engine */
  constructor(
    readonly type: ElementType,
    readonly source: LongArray | Words,
  ) {}

  get data(): HostArray {
    const known = this.numbers ?? this.seen?.deref()
    if (known) return known
    const made = toHost(this.type, this.longs)
    if (made.length > MUCH) this.seen = new WeakRef(made)
    else this.numbers = made
    return made
  }

  /** They as users have them, not to be written. */
  get longs(): LongArray {
    const { source, type } = this
    return ArrayBuffer.isView(source) ? source : longView(source, type)
  }

  /** A copy as users get it. */
  fresh(): LongArray {
    return this.longs.slice() as LongArray
  }

  get isSigned(): boolean {
    return this.type === 'int64'
  }

  /**
   * Writes them as int32 or float32 to an address of the engine; what is beyond int32 becomes the nearest of
   * it. Of int64 alone.
   */
  write(engine: Engine, dtype: DType, pointer: number): void {
    const { source, type } = this
    const op = dtype === 'float32' ? LongCastOp.toFloat : LongCastOp.toInt
    if (ArrayBuffer.isView(source)) {
      const words = engine.apart(() => wordsOf(engine, type, source))
      runCastLong(engine, op, { x: words.pointer, y: pointer, size: source.length })
      words.dispose()
    } else runCastLong(engine, op, { x: source.pointer, y: pointer, size: source.size / 2 })
  }
}

/** Numbers of the host in the engine. */
export function wordsOf(engine: Engine, type: ElementType, data: AnyArray): Words {
  const longs = (data instanceof Float64Array ? toUser(type, data) : data) as LongArray
  const words = new Int32Array(longs.buffer, longs.byteOffset, 2 * longs.length)
  return engine.upload([longs.length, 2], (pointer) => engine.i32.set(words, pointer / 4), {
    dtype: 'int32',
  })
}

/** The same, however a value has them. */
export function wordsFrom(engine: Engine, type: ElementType, host: Pick<HostTensor, 'data'>): Words {
  if (!(host instanceof Longs)) return wordsOf(engine, type, host.data)
  const { source } = host
  return ArrayBuffer.isView(source) ? wordsOf(engine, type, source) : (source.reshape(source.shape) as Words)
}

/** Numbers of the engine as words. */
export function widenedToWords(x: AnyTensor): Words {
  const y = emptyWords(x.engine, x.size)
  const op = { float32: LongCastOp.fromFloat, int32: LongCastOp.fromInt } as Partial<
    Record<DType, LongCastOp>
  >
  const byte = x.dtype === 'uint8' ? LongCastOp.fromByte : LongCastOp.fromSigned
  runCastLong(x.engine, op[x.dtype] ?? byte, { x: x.pointer, y: y.pointer, size: x.size })
  return y
}

/** Numbers of the engine as users get them. */
export function longsOf(x: AnyTensor, type: ElementType): LongArray {
  const words = x.engine.apart(() => widenedToWords(x))
  const longs = longView(words, type).slice() as LongArray
  words.dispose()
  return longs
}
