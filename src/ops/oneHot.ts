import { check, show } from '../base/errors.js'
import { NUMBERS } from '../core/dtype.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import { type AnyTensor, Tensor } from '../core/tensor.js'

/** What `oneHot` is told beside the indices. */
export interface OneHotOptions {
  /** How many classes there are. */
  depth: number
  /** Where the result lives; needed where the indices are no tensor. */
  engine?: Engine
}

const ONE_HOT: Names<OneHotOptions> = { depth: true, engine: true }

/**
 * Vectors with a 1 at an index and zeros elsewhere: labels as probabilities. Nothing is derived from them.
 *
 * @param indices integers from 0 to depth - 1: an int32 tensor (or one of float32 that holds whole numbers)
 *   of any shape, or a list
 * @param options depth; engine where the indices are a list
 * @returns float32 [...shape of indices, depth]
 * @throws FilterbankError for an index outside of depth (its position is told), a depth that is no positive
 *   integer, or a list without an engine; nothing is
 * allocated then
 * @example const targets = oneHot([2, 0, 1], { depth: 3, engine })
 */
export function oneHot(
  indices: Tensor<'int32'> | Tensor | ArrayLike<number>,
  options: OneHotOptions,
): Tensor {
  checkOptions('oneHot', options, ONE_HOT)
  const op = 'oneHot'
  const { depth } = options
  const given: AnyTensor | undefined = indices instanceof Tensor ? indices : undefined
  check(given !== undefined || options.engine !== undefined, () => ({
    op,
    argument: 'engine',
    expected: 'given where the indices are a list',
    got: 'none',
  }))
  const engine = given ? engineOf(op, { indices: given }, {}, NUMBERS) : options.engine!
  const shapes = { indices: given?.shape }
  const list = given ? given.elements : (indices as ArrayLike<number>)
  check(Array.isArray(list) || ArrayBuffer.isView(list), () => ({
    op,
    argument: 'indices',
    expected: 'a tensor or a list of integers',
    got: show(list),
  }))
  check(Number.isInteger(depth) && depth > 0, () => ({
    op,
    argument: 'depth',
    expected: 'a positive integer',
    got: show(depth),
    shapes,
  }))
  const chosen = Array.from(list as ArrayLike<number>)
  for (const [i, index] of chosen.entries()) {
    const fits = Number.isInteger(index) && index >= 0 && index < depth
    check(fits, () => ({
      op,
      argument: `indices[${i}]`,
      expected: `an integer from 0 to ${depth - 1}`,
      got: show(index),
      shapes,
    }))
  }
  const y = engine.upload([...(given?.shape ?? [chosen.length]), depth], (pointer) => {
    const { f32 } = engine
    f32.fill(0, pointer / 4, pointer / 4 + chosen.length * depth)
    for (const [i, index] of chosen.entries()) f32[pointer / 4 + i * depth + index] = 1
  })
  if (given) engine.trace?.note(op, y, { indices: given }, { depth })
  return y
}
