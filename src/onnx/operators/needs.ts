/**
 * What a node has to have before its operator runs, where that takes it for granted: one check for all of
 * them.
 */

/** How many axes inputs have at least, in the order of the inputs, where their lengths are taken by place. */
const axes: readonly [least: readonly number[], operators: string][] = [
  [[3], 'AveragePool MaxPool LpPool RotaryEmbedding com.microsoft.MaxpoolWithMask'],
  [[2], 'GlobalAveragePool GlobalMaxPool GlobalLpPool InstanceNormalization GroupNormalization LRN'],
  [[3, 3], 'Conv ConvInteger ConvTranspose MaxUnpool com.microsoft.ConvTransposeWithDynamicPads'],
  [[3, 0, 0, 3], 'QLinearConv'],
  [[3, 3, 0, 3], 'com.microsoft.FusedConv'],
  [[1], 'com.microsoft.GatedAdd com.microsoft.GatherBlockQuantized'],
  [[1, 1], 'com.microsoft.FusedMatMul com.microsoft.TransposeMatMul'],
  [[4], 'ImageScaler Crop com.microsoft.NhwcMaxPool'],
  [[3], 'com.microsoft.GroupQueryAttention'],
  [[3, 3, 3], 'com.microsoft.MultiHeadAttention com.microsoft.DecoderMaskedMultiHeadAttention'],
  [[3, 2, 1], 'com.microsoft.Attention'],
  [[3], 'com.microsoft.QLinearGlobalAveragePool com.microsoft.QLinearAveragePool'],
  [[3, 1, 2, 2], 'com.microsoft.MRotaryEmbedding'],
  [[3, 0, 2, 2], 'com.microsoft.RotaryEmbedding'],
  [[2, 0, 2, 2, 2], 'com.microsoft.EmbedLayerNormalization com.microsoft.QEmbedLayerNormalization'],
  [[2, 2, 3, 2, 3, 2], 'com.microsoft.MoE'],
  [[2, 2], 'com.microsoft.CDist com.microsoft.NGramRepeatBlock'],
  [[2, 4, 0, 2], 'com.microsoft.WordConvEmbedding'],
]

/** Attributes without which an operator says nothing. */
const attributes: Readonly<Record<string, string>> = {
  AveragePool: 'kernel_shape',
  BitCast: 'to',
  BitShift: 'direction',
  Cast: 'to',
  ConcatFromSequence: 'axis',
  DepthToSpace: 'blocksize',
  Einsum: 'equation',
  GroupNormalization: 'num_groups',
  LpPool: 'kernel_shape',
  LRN: 'size',
  MaxPool: 'kernel_shape',
  MaxRoiPool: 'pooled_shape',
  MaxUnpool: 'kernel_shape',
  RandomNormal: 'shape',
  RandomUniform: 'shape',
  Scan: 'num_scan_inputs',
  SpaceToDepth: 'blocksize',
}

export interface Needs {
  axes?: readonly number[]
  attribute?: string
}

export const needs: ReadonlyMap<string, Needs> = new Map(
  [...Object.entries(attributes).map(([op, attribute]): [string, Needs] => [op, { attribute }])].concat(
    axes.flatMap(([least, operators]) =>
      operators
        .split(' ')
        .map((op): [string, Needs] => [
          op,
          { axes: least, ...(attributes[op] && { attribute: attributes[op] }) },
        ]),
    ),
  ),
)
