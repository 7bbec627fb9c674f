import { check, show } from '../errors.js'
import type { Context } from '../window.js'

const clamps = { relu: [0, Number.POSITIVE_INFINITY], relu6: [0, 6] } as const

/** An activation by name, or a clamp to [low, high]. */
export type Activation = keyof typeof clamps | readonly [number, number]

/** The bounds that a tile's store clamps to: those of the activation where it is a clamp, else none. */
export function fusedClamp(activation: Activation | undefined, context: Context): readonly [number, number] {
  if (activation === undefined) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  if (typeof activation === 'string' && activation in clamps) return clamps[activation]
  const isRange = Array.isArray(activation) && activation.length === 2 && activation.every((v) => typeof v === 'number') && activation[0] <= activation[1]
  check(isRange, () => ({ ...context, argument: 'activation', expected: `one of ${Object.keys(clamps).join(', ')} or [low, high]`, got: show(activation) }))
  return activation as readonly [number, number]
}
