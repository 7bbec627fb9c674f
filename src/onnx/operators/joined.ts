/** Activations that optimisers join to products: com.microsoft.FusedConv, FusedGemm and their kin. */
import type { AttributeValue } from '../graph/graph.js'

/** Those there are, and the names of their numbers, in the standard's order. */
const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  Clip: ['min', 'max'],
  Elu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
  HardSwish: [],
  LeakyRelu: ['alpha'],
  Relu: [],
  Selu: ['alpha', 'gamma'],
  Sigmoid: [],
  Softplus: [],
  Softsign: [],
  Tanh: [],
  ThresholdedRelu: ['alpha'],
}

export const joinedNames: readonly string[] = Object.keys(NUMBERS)

/** The attributes of such an activation as a node of its own; `numberOf` one by its name and its place. */
export function joinedAttributes(
  name: string,
  numberOf: (name: string, i: number) => number | undefined,
): Record<string, AttributeValue> {
  const given = NUMBERS[name]!.flatMap((parameter, i) => {
    const value = numberOf(parameter, i)
    return value === undefined ? [] : [[parameter, value] as const]
  })
  return Object.fromEntries(given)
}
