/** Operators that bring values to another type. */
import { bySlices } from '../../base/turns.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import { add, sub } from '../../ops/arithmetic.js'
import { mod } from '../../ops/binary.js'
import { notEqual } from '../../ops/compare.js'
import { runCast } from '../../plans/cast.js'
import type { OutOptions } from '../../plans/elementwise.js'
import { UnaryOp } from '../../wasm/abi.js'
import { type ElementType, isFloat, roundedTo, typeOf } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { kernelOf, mapInEngine, mapOnHost } from './broadcast.js'
import { castLongs, takesLongs } from './longs.js'

const truncated = kernelOf(UnaryOp.trunc)

/** Whole numbers of floats in a type of them: of those of few bits the lowest ones, as C has them. */
function whole(x: Tensor, type: ElementType, options: OutOptions): AnyTensor {
  if (type === 'int8' || type === 'uint8')
    return x.engine.make(x.shape, (y) => runCast(x, y, true), { dtype: type })
  if (type === 'int32') return x.engine.make(x.shape, (y) => runCast(x, y), { dtype: type })
  const y = truncated(x, options)
  if (!type.endsWith('16')) return y
  const least = type === 'int16' ? -(2 ** 15) : 0
  return least ? add(mod(sub(y, least), 2 ** 16), least) : mod(y, 2 ** 16)
}

const cast: Operator = (call) =>
  castTo(
    call,
    call.input(0),
    typeOf(call.number('to', 1)) ??
      call.fail('attribute to', 'a type that filterbank knows', call.number('to', 1)),
  )

function castTo(call: Call, x: Value, type: ElementType): Value {
  if (x.type === type) return x.alias()
  if (type === 'string')
    return call.host(type, x.shape, (to) => {
      const from = x.data as Float64Array
      const texts = to as unknown as string[]
      return bySlices(
        to.length,
        (begin, end) => {
          for (let i = begin; i < end; i++) texts[i] = printed(from[i]!, x.type)
        },
        PRINTED,
      )
    })
  if (x.type === 'string')
    return call.host(type, x.shape, (to) => {
      const texts = x.data as string[]
      return bySlices(
        to.length,
        (begin, end) => {
          for (let i = begin; i < end; i++) to[i] = parsed(texts[i]!, type)
        },
        PRINTED,
      )
    })
  if (type === 'float32' && x.isHalves) return x.alias(type)
  const long = takesLongs([x]) && x.onHost ? castLongs(call, x, type) : undefined
  if (long) return long
  if (!x.isHost) {
    const isWhole = /int(8|16|32|64)/.test(type)
    if ((isFloat(type) && type !== 'float64') || (isWhole && x.type === 'bool')) return x.alias(type)
    if (type === 'bool') return mapInEngine(call, x, (t) => notEqual(t, 0), type)
    if (isWhole && isFloat(x.type))
      return mapInEngine(call, x, (tensor, options) => whole(tensor, type, options), type)
    // The same whole numbers, of a type that has at least as many.
    if (isWhole && x.dtype !== 'float32' && (/64|32/.test(type) || x.type === type)) return x.alias(type)
  }
  if (type === 'float64') return call.host(type, x.shape, (to) => to.set(x.data as Float64Array))
  return mapOnHost(call, x, roundedTo(type, call.flag('saturate', true), call.text('round_mode', 'up')), type)
}

/** How many times longer than a sum it takes to print a number, or to read one. */
const PRINTED = 16

const printed = (v: number, type: ElementType): string =>
  isFloat(type)
    ? Number.isFinite(v)
      ? `${Number(v.toPrecision(7))}`
      : Number.isNaN(v)
        ? 'NaN'
        : v > 0
          ? 'INF'
          : '-INF'
    : `${v}`
const parsed = (text: string, type: ElementType): number => {
  const v = /^[+-]?inf$/i.test(text)
    ? text.startsWith('-')
      ? Number.NEGATIVE_INFINITY
      : Number.POSITIVE_INFINITY
    : Number(text)
  return isFloat(type) ? v : Math.trunc(v)
}

export const casts: Record<string, Operator> = {
  Cast: cast,
  CastLike: (call) => castTo(call, call.input(0), call.input(1).type),
}
