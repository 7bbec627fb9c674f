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
  /** Another tensor there that is added to it: the state's bias of a layer that has one for both here. */
  more?: string
}

/** Names of tensors within a layer. */
const NAMES: Record<string, string> = {
  filter: 'weight',
  scale: 'weight',
  offset: 'bias',
  mean: 'running_mean',
  variance: 'running_var',
  table: 'weight',
}

/** Those of recurrent layers, of which there are several in one: `inputWeight.1.reverse`. */
const RECURRENT = /^(inputWeight|stateWeight|bias|stateBias)(?:\.(\d+))?(\.reverse)?$/
const RECURRENT_NAMES: Record<string, string> = {
  inputWeight: 'weight_ih',
  stateWeight: 'weight_hh',
  bias: 'bias_ih',
  stateBias: 'bias_hh',
}

/** Name and summand of a tensor of a recurrent layer. */
function recurrentName(own: string, all: readonly string[]): { name: string; more?: string } {
  const [, use, layer = '0', reverse] = RECURRENT.exec(own)!
  const name = (use: string) => `${RECURRENT_NAMES[use]}_l${layer}${reverse ? '_reverse' : ''}`
  const isAlone = use === 'bias' && !all.some((other) => other.startsWith('stateBias'))
  return { name: name(use!), ...(isAlone && { more: name('stateBias') }) }
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
  const isMatrix = rank === 2 && /^(weight|inputWeight|stateWeight)\b/.test(name)
  return isMatrix ? [1, 0] : inOrder(rank)
}

/** What PyTorch calls the tensors of a model. */
export function pytorchNames(model: AnyLayer): Map<Tensor, Foreign> {
  const names = new Map<Tensor, Foreign>()
  const walk = (layer: AnyLayer, path: string, above: readonly AnyLayer[]) => {
    const inside = layer.inside()
    for (const [name, inner] of inside)
      if (!above.includes(inner)) walk(inner, `${path}${name}.`, [...above, inner])
    const all = [...layer.names.values()]
    const isRecurrent = all.includes('stateWeight')
    for (const [tensor, own] of layer.names) {
      if (names.has(tensor)) continue
      const { name, more } =
        isRecurrent && RECURRENT.test(own)
          ? recurrentName(own, all)
          : { name: NAMES[own] ?? own, more: undefined }
      names.set(tensor, {
        name: `${path}${name}`,
        axes: axesOf(layer, own, tensor.shape.length),
        ...(more && { more: `${path}${more}` }),
      })
    }
  }
  walk(model, '', [model])
  return names
}
