import { check, show } from '../base/errors.js'
import { stridesOf } from '../base/shape.js'
import { ANY, type DType } from '../core/dtype.js'
import { engineOf } from '../core/engine.js'
import { alongAxis } from '../core/quantization.js'
import type { Tensor } from '../core/tensor.js'
import { copy } from '../plans/copy.js'
import { sum } from './reduce.js'

/**
 * A tensor laid next to itself: along axis i `repeats[i]` times. Definition: ONNX Tile.
 *
 * @param x of any shape and type
 * @param repeats an integer of at least 0 for each axis of x
 * @returns of x's rank, its lengths times the repeats
 * @throws FilterbankError for another number of repeats, or one that is no such integer; nothing is allocated
 *   then
 * @example const wallpaper = tile(pattern, [1, 4, 4, 1])
 */
export function tile<D extends DType>(x: Tensor<D>, repeats: readonly number[]): Tensor<D> {
  const op = 'tile'
  const engine = engineOf(op, { x }, {}, ANY)
  const { shape, dtype } = x
  const fits =
    Array.isArray(repeats) &&
    repeats.length === shape.length &&
    repeats.every((times) => Number.isInteger(times) && times >= 0)
  check(fits, () => ({
    op,
    argument: 'repeats',
    expected: `an array of ${shape.length} integers of at least 0, one per axis of x`,
    got: show(repeats),
    shapes: { x: shape },
  }))
  const repeated = (values: readonly number[], times: number) =>
    Array.from({ length: times }, () => values).flat()
  const quantization = repeats.reduce(
    (moved, times, i) => alongAxis(moved, i, (values) => repeated(values, times)),
    x.quantization,
  )
  const from = stridesOf(shape)
  const whole = shape.map((length, i) => length * repeats[i]!)
  const to = stridesOf(whole)
  const box = shape.flatMap((length, i) => [
    { length: repeats[i]!, from: 0, to: length * to[i]! },
    { length, from: from[i]!, to: to[i]! },
  ])
  const y = engine.make<D>(whole, (y) => copy(engine, x.pointer, y.pointer, box, dtype), {
    dtype,
    quantization,
  })
  engine.trace?.note(op, y, { x }, { repeats })
  engine.tape?.record(op, y, { x }, {}, (dy) => ({
    // dy as [repeats[0], length[0], repeats[1], ...], summed over the repeats.
    x: () =>
      engine.scope(() =>
        sum(dy.reshape(shape.flatMap((length, i) => [repeats[i]!, length])), {
          axes: shape.map((_, i) => 2 * i),
        }).reshape(shape),
      ),
  }))
  return y
}
