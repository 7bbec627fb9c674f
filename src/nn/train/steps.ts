/** What the steps of `fit`, `evaluate` and `predict` share. */

import { check, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { checkInteger, MOST } from '../../core/options.js'
import { Tensor } from '../../core/tensor.js'
import { type Around, between } from '../forwards.js'
import type { AnyLayer, Tensors } from '../layer.js'
import type { Random } from '../random.js'
import { isFiniteTensor } from './optimizer.js'

/** Milliseconds after which others have their turn: events, timers, a signal. */
export const TURN = 50

export const listOf = (tensors: Tensors): readonly Tensor[] =>
  tensors instanceof Tensor ? [tensors] : tensors
const allFinite = (tensors: Tensors): boolean => listOf(tensors).every(isFiniteTensor)

/** The place of the first layer whose output is not finite, such as `2.0`; undefined where there is none. */
function firstBad(model: AnyLayer, x: Tensors): string | undefined {
  let bad: string | undefined
  // Inner layers are done before those around them.
  const look: Around = (_, place, _x, forward) => {
    const y = forward()
    if (bad === undefined && !allFinite(y)) bad = place
    return y
  }
  between(model, look, () => model.forward(x as never))
  return bad
}

export const TRY = 'A smaller learning rate or clipNorm may help'

/** What to do about a loss that is not finite. */
export function hintFor(engine: Engine, model: AnyLayer, x: Tensors): string {
  if (!allFinite(x)) return 'An input of this batch is not finite'
  const bad = engine.scope(() => firstBad(model, x))
  return `${bad ? `The first output that is not finite is that of layer ${bad}. ` : ''}${TRY}`
}

/** Runs `fn` while nothing is recorded for derivatives. */
export function unrecorded<T>(engine: Engine, fn: () => T): T {
  const { tape } = engine
  engine.tape = undefined
  try {
    return engine.scope(fn)
  } finally {
    engine.tape = tape
  }
}

export function checkSizes(op: string, model: AnyLayer, sizes: Record<string, number | undefined>): Engine {
  for (const [argument, value] of Object.entries(sizes)) {
    if (value !== undefined) checkInteger(value, argument, 1, MOST, { op })
  }
  const [first] = model?.parameters ?? []
  check(first !== undefined, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  return first.engine
}

/** What tensors and generators hold, to be put back. */
export function kept(tensors: readonly Tensor[], generators: readonly Random[] = []): () => void {
  const numbers = tensors.map((tensor) => tensor.toArray())
  const states = generators.map(({ state }) => state)
  return () => {
    tensors.forEach((tensor, i) => {
      if (!tensor.disposed) tensor.set(numbers[i]!)
    })
    generators.forEach((generator, i) => {
      generator.state = states[i]!
    })
  }
}
