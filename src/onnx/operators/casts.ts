/** Operators that bring values to another type. */
import type { Tensor } from '../../core/tensor.js'
import { add, sub } from '../../ops/arithmetic.js'
import { mod } from '../../ops/binary.js'
import { notEqual } from '../../ops/compare.js'
import { type OutOptions, runUnary } from '../../plans/elementwise.js'
import { UnaryOp } from '../../wasm/abi.js'
import { type ElementType, isFloat, roundedTo, typeOf } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { mapInEngine, mapOnHost } from './broadcast.js'
import { castLongs, takesLongs } from './longs.js'

/** A kernel's function that has no name of its own, since it is part of another one. */
const truncated = (x: Tensor, { out }: OutOptions = {}): Tensor => {
  if (!out) return x.engine.make(x.shape, (y) => runUnary(UnaryOp.trunc, x, y, 0, 0))
  runUnary(UnaryOp.trunc, x, out, 0, 0)
  return out.changed()
}

/** Whole numbers in the range of a type of few bits, by its lowest bits, as the host's arrays have them. */
function wrapped(x: Tensor, type: ElementType): Tensor {
  const bits = /^u?int(8|16)$/.exec(type)?.[1]
  if (!bits) return x
  const length = 2 ** Number(bits)
  const least = type.startsWith('u') ? 0 : -length / 2
  return least ? add(mod(sub(x, least), length), least) : mod(x, length)
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
    return call.host(
      type,
      x.shape,
      Array.from(x.data as Float64Array, (v) => printed(v, x.type)),
    )
  if (x.type === 'string')
    return call.host(type, x.shape, (to) => to.set((x.data as string[]).map((text) => parsed(text, type))))
  const long = takesLongs([x]) && x.onHost ? castLongs(call, x, type) : undefined
  if (long) return long
  if (!x.isHost) {
    const whole = /int(8|16|32|64)/.test(type)
    if ((isFloat(type) && type !== 'float64') || (whole && x.type === 'bool')) return x.alias(type)
    if (type === 'bool') return mapInEngine(call, x, (t) => notEqual(t, 0), type)
    if (whole && isFloat(x.type))
      return mapInEngine(call, x, (tensor, options) => wrapped(truncated(tensor, options), type), type)
    // The same whole numbers, of a type that has at least as many.
    if (whole && x.dtype !== 'float32' && (/64|32/.test(type) || x.type === type)) return x.alias(type)
  }
  return mapOnHost(call, x, roundedTo(type, call.flag('saturate', true), call.text('round_mode', 'up')), type)
}

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
