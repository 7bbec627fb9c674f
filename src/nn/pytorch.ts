/**
 * Names and layouts of PyTorch: what `state_dict()` of the same layers calls a tensor, and how its axes stand
 * there.
 */
import type { Tensor } from '../core/tensor.js'
import type { AnyLayer } from './layer.js'
import { ConvTranspose2d } from './layers/conv.js'

/** What a tensor is called there, and for each axis there which axis here it is. */
export interface Foreign {
  name: string
  axes: readonly number[]
}

/** Names of tensors within a layer. */
const NAMES: Record<string, string> = {
  filter: 'weight',
  scale: 'weight',
  offset: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
  table: 'weight',
  inputWeight: 'weight_ih_l0',
  stateWeight: 'weight_hh_l0',
  stateBias: 'bias_hh_l0',
}

/** Counters that batch norms keep there, and nothing here. */
export const isCounter = (name: string): boolean => name.endsWith('num_batches_tracked')

const inOrder = (rank: number): number[] => Array.from({ length: rank }, (_, axis) => axis)

function axesOf(layer: AnyLayer, name: string, rank: number): readonly number[] {
  const window = inOrder(rank - 2)
  if (name === 'filter')
    return layer instanceof ConvTranspose2d
      ? [rank - 2, rank - 1, ...window]
      : [rank - 1, rank - 2, ...window]
  const isMatrix = rank === 2 && (name === 'weight' || name === 'inputWeight' || name === 'stateWeight')
  return isMatrix ? [1, 0] : inOrder(rank)
}

/** What PyTorch calls the tensors of a model. */
export function pytorchNames(model: AnyLayer): Map<Tensor, Foreign> {
  const names = new Map<Tensor, Foreign>()
  const walk = (layer: AnyLayer, path: string, above: readonly AnyLayer[]) => {
    const inside = layer.inside()
    for (const [name, inner] of inside)
      if (!above.includes(inner)) walk(inner, `${path}${name}.`, [...above, inner])
    const isRecurrent = [...layer.names.values()].includes('stateWeight')
    for (const [tensor, own] of layer.names) {
      if (names.has(tensor)) continue
      const name = own === 'bias' && isRecurrent ? 'bias_ih_l0' : (NAMES[own] ?? own)
      names.set(tensor, { name: `${path}${name}`, axes: axesOf(layer, own, tensor.shape.length) })
    }
  }
  walk(model, '', [model])
  return names
}
