/** Operators of the standard and of com.microsoft that few models have. A module of its own. */
import type { OperatorModule } from '../../run/call.js'
import { addOperators } from '../index.js'
import { bits } from './bits.js'
import { chance } from './chance.js'
import { channelsLast } from './channelsLast.js'
import { crops } from './crops.js'
import { decoding } from './decoding.js'
import { experts } from './experts.js'
import { former, fused } from './fused.js'
import { generation } from './generation.js'
import { hashes } from './hash.js'
import { lists, longLists } from './lists.js'
import { losses } from './losses.js'
import { spectra } from './spectra.js'
import { states } from './states.js'
import { texts } from './texts.js'
import { tokens } from './tokens.js'
import { windows } from './windows.js'

export const module: OperatorModule = {
  operators: {
    ...bits,
    ...chance,
    ...channelsLast,
    ...crops,
    ...decoding,
    ...experts,
    ...former,
    ...fused,
    ...hashes,
    ...lists,
    ...losses,
    ...spectra,
    ...states,
    ...texts,
    ...tokens,
    ...windows,
  },
  stepped: { ...generation, ...longLists },
  shapedByInputs: [
    ...Object.keys(bits),
    ...Object.keys(channelsLast),
    ...Object.keys(hashes),
    ...Object.keys(states),
    ...Object.keys(experts),
    ...['com.microsoft.NGramHashMapping', 'com.microsoft.MaxpoolWithMask', 'com.microsoft.WordConvEmbedding'],
    ...['com.microsoft.GatedRMSNorm', 'com.microsoft.LinearAttentionGate', 'com.microsoft.MRotaryEmbedding'],
    ...['Bernoulli', 'RandomNormalLike', 'RandomUniformLike', 'Det', 'MaxRoiPool', 'TensorScatter'],
    ...['NegativeLogLikelihoodLoss', 'SoftmaxCrossEntropyLoss', 'StringConcat', 'RegexFullMatch'],
  ],
}

export const add = (): void => addOperators(module)
