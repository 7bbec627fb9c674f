/** Nodes that whole networks are made of, to ask ONNX Runtime about (operators.test.ts): quantised, recurrent, attention, fused. */
// biome-ignore-all format: tables

import { floats, type Input, inputsOf, ints, type Line, microsoft, product, SEED, scalar, shaped, } from './inputs.js'

const { f, u8, i8, factors, i32, i64, bool } = inputsOf(SEED + 14)

const quantize: Line[] = [
  { op: 'QuantizeLinear', inputs: [f([3, 4], -90, 90), scalar(floats(0.7)), scalar(u8([1]))] }, { op: 'QuantizeLinear', inputs: [f([3, 4], -90, 90),
    scalar(floats(0.7)), scalar(i8([1]))] }, { op: 'QuantizeLinear', inputs: [f([3, 4], -90, 90), scalar(floats(0.7))] },
  ...[0, 1, -1].flatMap((axis): Line[] => [
    { op: 'QuantizeLinear', inputs: [f([3, 4, 5], -90, 90), f([[3, 4, 5].at(axis)!], 0.3, 2), u8([[3, 4, 5].at(axis)!])], attributes: { axis } },
    { op: 'DequantizeLinear', inputs: [u8([3, 4, 5]), f([[3, 4, 5].at(axis)!], 0.3, 2), u8([[3, 4, 5].at(axis)!])], attributes: { axis } },
    { op: 'DequantizeLinear', inputs: [i8([3, 4, 5]), f([[3, 4, 5].at(axis)!], 0.3, 2)], attributes: { axis } },
  ]),
  ...[0, 1].flatMap((axis): Line[] => [
    { op: 'QuantizeLinear', inputs: [f([4, 6], -90, 90), f([4, 6].with(axis, 2), 0.3, 2), i8([4, 6].with(axis, 2))], attributes: { axis, block_size: [2,
      3][axis]! }, opset: 21 },
    { op: 'DequantizeLinear', inputs: [i8([4, 6]), f([4, 6].with(axis, 2), 0.3, 2), i8([4, 6].with(axis, 2))], attributes: { axis, block_size: [2,
      3][axis]! }, opset: 21 },
  ]),
  { op: 'DequantizeLinear', inputs: [i32([3, 4]), scalar(floats(0.5))] },
  ...[[-2, 2], [0, 4], [-4, -1], [0, 0]].map(([low, high]): Line => ({ op: 'DynamicQuantizeLinear', inputs: [f([3, 4], low, high)], outputs: 3 })),
  { op: 'MatMulInteger', inputs: [u8([3, 4]), u8([4, 5]), scalar(u8([1])), scalar(u8([1]))] }, { op: 'MatMulInteger', inputs: [u8([2, 3, 4]), factors(i8, [4, 5])] },
    { op: 'MatMulInteger', inputs: [u8([3, 4]), factors(i8, [4, 5]), scalar(u8([1])), i8([5])] },
  { op: 'ConvInteger', inputs: [u8([1, 2, 5, 5]), u8([3, 2, 3, 3]), scalar(u8([1]))] }, { op: 'ConvInteger', inputs: [u8([1, 2, 5, 5]), u8([3, 2, 3, 3])],
    attributes: { pads: [1, 1, 1, 1], strides: [2, 2] } }, { op: 'ConvInteger', inputs: [u8([1, 4, 5, 5]), u8([6, 2, 3, 3]), scalar(u8([1])),
      scalar(u8([1]))], attributes: { group: 2 } },
  ...[u8, i8].flatMap((make): Line[] => [
    { op: 'QLinearMatMul', inputs: [make([3, 4]), scalar(floats(0.1)), scalar(make([1])), factors(make, [4, 5]), scalar(floats(0.1)), scalar(make([1])),
      scalar(floats(2.3)), scalar(make([1]))] },
    { op: 'QLinearConv', inputs: [make([1, 2, 5, 5]), scalar(floats(0.1)), scalar(make([1])), factors(make, [3, 2, 3, 3]), scalar(floats(0.1)), scalar(make([1])),
      scalar(floats(3.1)), scalar(make([1])), i32([3])], attributes: { pads: [1, 0, 1, 0] } },
  ]),
  // Of com.microsoft: by floats, where the order of a sum decides ties, and by the ops on bytes where the scales are constants.
  ...[false, true].flatMap((fixed) => [u8, i8].flatMap((make): Line[] => {
    const terms = (scale: number) => [scalar(floats(scale)), scalar(make([1]))]
    const bytes = (scale: number, ...shape: number[]) => [make(shape), ...terms(scale)]
    const image = bytes(0.1, 1, 3, 5, 6)
    const line = (op: string, inputs: (Input | undefined)[], attributes: Line['attributes'] = {}): Line => ({ op: `com.microsoft.${op}`, inputs, attributes, fixed, tolerance: fixed ? 1e-6 : 0.012 })
    return [
      line('QLinearAdd', [...image, ...bytes(0.05, 3, 1, 1), ...terms(0.13)]), line('QLinearMul', [...image, ...bytes(0.05, 6), ...terms(0.5)]),
      line('QLinearSigmoid', [...image, ...terms(0.004)]), line('QLinearLeakyRelu', [...image, ...terms(0.1)], { alpha: { float: 0.3 } }),
      line('QLinearAveragePool', [...image, ...terms(0.07)], { kernel_shape: [3, 2], pads: [1, 0, 1, 0], strides: [2, 1] }),
      line('QLinearAveragePool', [...image, ...terms(0.07)], { kernel_shape: [2, 2], channels_last: 1 }),
      line('QLinearAveragePool', [...image, ...terms(0.07)], { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1, count_include_pad: 1 }),
      line('QLinearGlobalAveragePool', [...image, ...terms(0.05)], { channels_last: 0 }), line('QLinearGlobalAveragePool', [...image, ...terms(0.05)], { channels_last: 1 }),
      ...(fixed ? [] : [line('QLinearConcat', [...terms(0.1), ...image, ...bytes(0.2, 1, 2, 5, 6)], { axis: 1 })]),
      ...[0, 1].flatMap((transB) => [undefined, i32([4], -900, 900)].map((c) => line('QGemm', [...bytes(0.1, 3, 7), factors(make, transB ? [4, 7] : [7, 4]),
        ...terms(0.05), c, ...terms(1.5)], { transB, alpha: { float: c ? 1 : 0.5 } }))),
    ]
  })),
  { op: 'QLinearConv', inputs: [u8([1, 2, 5, 5]), scalar(floats(0.1)), scalar(u8([1])), factors(i8, [3, 2, 3, 3]), floats(0.1, 0.2, 0.3), i8([3], 0, 0),
    scalar(floats(3.1)), scalar(u8([1]))] },
  // Sums that float32 does not hold, or might not: depths of 97 to 1500.
  ...[u8, i8].flatMap((make): Line[] => [
    { op: 'MatMulInteger', inputs: [u8([3, 700]), factors(make, [700, 9]), scalar(u8([1])), scalar(make([1]))] },
    { op: 'MatMulInteger', inputs: [u8([3, 1500], 250), factors(make, [1500, 4], true)] },
    { op: 'MatMulInteger', inputs: [u8([2, 3, 97]), factors(make, [97, 9]), scalar(u8([1])), make([9])] },
    { op: 'ConvInteger', inputs: [u8([1, 64, 9, 9]), factors(make, [5, 64, 3, 3]), scalar(u8([1])), scalar(make([1]))], attributes: { pads: [1, 1, 1, 1] } },
    { op: 'ConvInteger', inputs: [u8([1, 160, 5, 5], 250), factors(make, [2, 160, 3, 3], true)] },
    { op: 'ConvInteger', inputs: [u8([1, 24, 8, 8]), factors(make, [24, 1, 3, 3])], attributes: { group: 24 } },
  ]),
]

const recurrent: Line[] = [
  ...product({ op: ['RNN', 'GRU', 'LSTM'], direction: ['forward', 'reverse', 'bidirectional'], extras: ['none', 'bias', 'lengths', 'all'] }).flatMap(({ op,
    direction, extras }): Line[] => {
    const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op]!
    const d = direction === 'bidirectional' ? 2 : 1
    const [t, n, i, h] = [4, 3, 2, 5]
    const all = extras === 'all'
    const inputs = [f([t, n, i]), f([d, gates * h, i]), f([d, gates * h, h], -0.5, 0.5), all || extras === 'bias' ? f([d, 2 * gates * h]) : undefined,
      all || extras === 'lengths' ? { type: 'int32' as const, shape: [3], data: Int32Array.of(4, 2, 3) } : undefined, all ? f([d, n, h]) : undefined]
    if (op === 'LSTM') inputs.push(all ? f([d, n, h]) : undefined, all ? f([d, 3 * h]) : undefined)
    const line: Line = { op, inputs, attributes: { hidden_size: h, direction }, outputs: op === 'LSTM' ? 3 : 2, opset: 14 }
    return op === 'GRU' ? [line, { ...line, attributes: { ...line.attributes!, linear_before_reset: 1 } }] : [line]
  }),
  // Whole sequences by one kernel: batches beside the rows of a tile, states of their own, a length of 0.
  ...product({ op: ['RNN', 'GRU', 'LSTM'], n: [1, 6, 11], h: [8, 13] }).flatMap(({ op, n, h }): Line[] => {
    const gates = { RNN: 1, GRU: 3, LSTM: 4 }[op]!
    const inputs = [f([5, n, 3]), f([2, gates * h, 3]), f([2, gates * h, h], -0.5, 0.5), f([2, 2 * gates * h]),
      { type: 'int32' as const, shape: [n], data: Int32Array.from({ length: n }, (_, i) => (i * 2 + 5) % 6) }, f([2, n, h])]
    if (op === 'LSTM') inputs.push(f([2, n, h]))
    const attributes = { hidden_size: h, direction: 'bidirectional', ...(op === 'GRU' && { linear_before_reset: 1 }),
      ...(op === 'RNN' && { activations: ['Relu', 'Tanh'] }) }
    return [{ op, inputs, attributes, outputs: op === 'LSTM' ? 3 : 2, opset: 14 }]
  }),
  { op: 'LSTM', inputs: [f([3, 1, 4]), f([1, 1040, 4]), f([1, 1040, 260], -0.1, 0.1)], attributes: { hidden_size: 260 }, outputs: 3, opset: 14 },
  { op: 'LSTM', inputs: [f([4, 3, 2]), f([1, 20, 2]), f([1, 20, 5])], attributes: { hidden_size: 5, input_forget: 1, clip: { float: 0.6 } }, outputs: 3 },
  { op: 'LSTM', inputs: [f([4, 3, 2]), f([1, 20, 2]), f([1, 20, 5])], attributes: { hidden_size: 5, activations: ['HardSigmoid', 'Relu', 'Softsign'] },
    outputs: 3 },
  { op: 'RNN', inputs: [f([4, 3, 2]), f([1, 5, 2]), f([1, 5, 5])], attributes: { hidden_size: 5, activations: ['LeakyRelu'],
    activation_alpha: { floats: [0.3] } }, outputs: 2 },
  { op: 'GRU', inputs: [f([4, 3, 2]), f([1, 15, 2]), f([1, 15, 5])], attributes: { hidden_size: 5, clip: { float: 0.4 } }, outputs: 2 },
]

const attention: Line[] = [
  ...product({ causal: [0, 1], kvHeads: [2, 4], scale: [undefined, 0.1], cap: [0, 2] }).flatMap(({ causal, kvHeads, scale, cap }): Line[] => {
    const attributes = { is_causal: causal, ...(scale && { scale: { float: scale } }), ...(cap && { softcap: { float: cap } }) }
    return [
      { op: 'Attention', inputs: [f([2, 4, 5, 6]), f([2, kvHeads, 5, 6]), f([2, kvHeads, 5, 3])], attributes, opset: 23, tolerance: 1e-4 },
      { op: 'Attention', inputs: [f([2, 5, 24]), f([2, 7, kvHeads * 6]), f([2, 7, kvHeads * 6])], attributes: { ...attributes, q_num_heads: 4,
        kv_num_heads: kvHeads }, opset: 23, tolerance: 1e-4 },
      { op: 'Attention', inputs: [f([2, 4, 5, 6]), f([2, kvHeads, 5, 6]), f([2, kvHeads, 5, 6]), undefined, f([2, kvHeads, 3, 6]), f([2, kvHeads, 3, 6])],
        attributes, outputs: 3, opset: 23, tolerance: 1e-4 },
      ...[[5, 7], [1, 5, 7], [2, 4, 5, 7], [2, 1, 5, 7]].flatMap((shape): Line[] => [f, bool].map((make) => ({ op: 'Attention', inputs: [f([2, 4, 5, 6]),
        f([2, kvHeads, 7, 6]), f([2, kvHeads, 7, 6]), make(shape)], attributes: { ...attributes, softcap: { float: 0 } }, opset: 23, tolerance: 1e-4 }))),
    ]
  }),
  ...[0, 3].map((mode): Line => ({ op: 'Attention', inputs: [f([2, 4, 5, 6]), f([2, 2, 5, 6]), f([2, 2, 5, 6]), f([5, 5])],
    attributes: { qk_matmul_output_mode: mode }, outputs: 4, opset: 23, tolerance: 1e-4 })),
  ...product({ interleaved: [0, 1], dim: [0, 4], places: [true, false], flat: [true, false] }).map(({ interleaved, dim, places, flat }): Line => ({
    op: 'RotaryEmbedding',
    inputs: [flat ? f([2, 3, 32]) : f([2, 4, 3, 8]), ...[1, 2].map(() => f(places ? [9, (dim || 8) / 2] : [2, 3, (dim || 8) / 2])), ...(places ? [i64([2, 3],
      0, 8)] : [])],
    attributes: { interleaved, rotary_embedding_dim: dim, ...((flat || dim) && { num_heads: 4 }) },
    opset: 23,
  })),
]

const multiHead: Line[] = [
  ...product({ unidirectional: [0, 1], scale: [undefined, 0.2] }).flatMap(({ unidirectional, scale }): Line[] => {
    const attributes = { num_heads: 2, unidirectional, ...(scale && { scale: { float: scale } }) }
    const line = (...inputs: Line['inputs']): Line => ({ op: microsoft('MultiHeadAttention'), inputs, attributes, outputs: inputs.length > 6 ? 3 : 1, tolerance: 1e-4 })
    const self = (length = 5) => [f([2, length, 8]), f([2, length, 8]), f([2, length, 8])]
    return [
      line(...self(), f([24])),
      line(...self(), undefined, i32([2, 5], 0, 1)),
      line(...self(), undefined, undefined, f([1, 2, 5, 5])),
      line(...self(), undefined, undefined, undefined, f([2, 2, 3, 4]), f([2, 2, 3, 4])),
      line(...self(), undefined, undefined, f([2, 2, 5, 8]), f([2, 2, 3, 4]), f([2, 2, 3, 4])),
      line(...self(), f([24]), undefined, undefined, f([2, 2, 3, 4]), f([2, 2, 3, 4])),
      { op: microsoft('Attention'), inputs: [f([2, 5, 6]), f([6, 24]), f([24])], attributes, tolerance: 1e-4 },
      { op: microsoft('Attention'), inputs: [f([2, 5, 6]), f([6, 24]), f([24]), i32([2, 5], 0, 1)], attributes, tolerance: 1e-4 },
      { op: microsoft('Attention'), inputs: [f([2, 5, 6]), f([6, 24]), f([24]), shaped(i32([2], 2, 5), 2)], attributes, tolerance: 1e-4 },
      { op: microsoft('Attention'), inputs: [f([2, 5, 6]), f([6, 24]), f([24]), undefined, f([2, 2, 2, 3, 4])], attributes, outputs: 2, tolerance: 1e-4 },
      { op: microsoft('Attention'), inputs: [f([2, 5, 6]), f([6, 28]), f([28])], attributes: { ...attributes, qkv_hidden_sizes: [8, 8, 12] }, tolerance: 1e-4 },
    ]
  }),
  { op: microsoft('MultiHeadAttention'), inputs: [f([2, 5, 8]), f([2, 7, 8]), f([2, 7, 12])], attributes: { num_heads: 2 }, tolerance: 1e-4 },
  // The scores, and a list of the lengths of packed images.
  { op: microsoft('MultiHeadAttention'), inputs: [f([2, 5, 8]), f([2, 5, 8]), f([2, 5, 8])], attributes: { num_heads: 2, scale: { float: 0.3 } }, outputs: 4, tolerance: 1e-4 },
  { op: microsoft('MultiHeadAttention'), inputs: [f([2, 5, 8]), f([2, 5, 8]), f([2, 5, 8]), f([24]), { type: 'int32', shape: [8], data: Int32Array.of(3, 4, 0, 5, 10, 0, 3, 7) }], attributes: { num_heads: 2 }, tolerance: 1e-4 },
  { op: microsoft('MultiHeadAttention'), inputs: [f([2, 5, 8]), f([2, 2, 7, 4]), f([2, 2, 7, 4])], attributes: { num_heads: 2 }, tolerance: 1e-4 },
  ...product({ rotary: [0, 1], interleaved: [0, 1], packed: [false, true], window: [-1, 3], past: [0, 4], cap: [0, 3] }).map(({ rotary, interleaved, packed, window, past, cap }): Line => {
    const length = past ? 1 : 5
    const last = past + length - 1
    return {
      op: microsoft('GroupQueryAttention'),
      inputs: [
        ...(packed ? [f([2, length, 128]), undefined, undefined] : [f([2, length, 64]), f([2, length, 32]), f([2, length, 32])]),
        f([2, 2, past, 16]), f([2, 2, past, 16]),
        { type: 'int32', shape: [2], data: Int32Array.of(last, last) }, { type: 'int32', shape: [], data: Int32Array.of(last + 1) },
        ...(rotary ? [f([12, 8]), f([12, 8])] : []),
      ],
      attributes: { num_heads: 4, kv_num_heads: 2, do_rotary: rotary, rotary_interleaved: interleaved, local_window_size: window, softcap: { float: cap } },
      outputs: 3,
      tolerance: 1e-4,
    }
  }),
  ...product({ interleaved: [0, 1], flat: [true, false], first: [true, false] }).map(({ interleaved, flat, first }): Line => ({
    op: microsoft('RotaryEmbedding'),
    inputs: [flat ? f([2, 3, 32]) : f([2, 4, 3, 8]), first ? ints(2) : i64([2, 3], 0, 8), f([9, 4]), f([9, 4])],
    attributes: { interleaved },
  })),
  { op: microsoft('RotaryEmbedding'), inputs: [f([2, 3, 32]), scalar(ints(1)), f([9, 4]), f([9, 4])], attributes: { scale: { float: 2 } } },
]

const contrib: Line[] = [
  ...['BiasGelu', 'FastGelu'].map((op): Line => ({ op: microsoft(op), inputs: [f([2, 3, 7], -4, 4), f([7])] })),
  { op: microsoft('FastGelu'), inputs: [f([2, 3, 7], -4, 4)] }, { op: microsoft('Gelu'), inputs: [f([2, 3, 7], -4, 4)] },
  ...[1.702, 0.5].map((alpha): Line => ({ op: microsoft('QuickGelu'), inputs: [f([5, 7], -4, 4)], attributes: { alpha: { float: alpha } } })),
  ...product({ bias: [true, false], offset: [true, false] }).map(({ bias, offset }): Line => ({
    op: microsoft('SkipLayerNormalization'),
    inputs: [f([2, 3, 8]), f([2, 3, 8]), f([8]), offset || bias ? f([8]) : undefined, ...(bias ? [f([8])] : [])],
    attributes: { epsilon: { float: 1e-5 } },
    tolerance: 1e-4,
  })),
  { op: microsoft('SkipLayerNormalization'), inputs: [f([2, 3, 8]), f([3, 8]), f([8])], tolerance: 1e-4 },
  ...[[], [f([8])]].map((bias): Line => ({ op: microsoft('SkipSimplifiedLayerNormalization'), inputs: [f([2, 3, 8]), f([2, 3, 8]), f([8]), ...bias], tolerance: 1e-4 })),
  ...product({ axis: [-1, 1], outputs: [1, 2] }).map(({ axis, outputs }): Line => ({ op: 'SimplifiedLayerNormalization', inputs: [f([2, 3, 4]), f([[3, 4], [4]][axis < 0 ? 1 : 0]!)], attributes: { axis }, outputs, tolerance: 1e-4 })),
  ...product({ segments: [true, false], mask: [true, false] }).map(({ segments, mask }): Line => ({
    op: microsoft('EmbedLayerNormalization'),
    inputs: [i32([2, 5], 0, 8), segments ? i32([2, 5], 0, 1) : undefined, f([9, 8]), f([6, 8]), segments ? f([2, 8]) : undefined, f([8]), f([8]), ...(mask ? [i32([2,
      5], 0, 1)] : [])],
    // ONNX Runtime wants to know how long tables are.
    fixed: true,
    outputs: 2,
    tolerance: 1e-4,
  })),
  ...product({ transA: [0, 1], transB: [0, 1], alpha: [1, 0.5] }).map(({ transA, transB, alpha }): Line => ({
    op: microsoft('FusedMatMul'),
    inputs: [f(transA ? [2, 4, 3] : [2, 3, 4]), f(transB ? [2, 5, 4] : [2, 4, 5])],
    attributes: { transA, transB, alpha: { float: alpha } },
  })),
  ...['Relu', 'Tanh', 'Sigmoid', 'LeakyRelu', ''].flatMap((activation): Line[] => [
    // ONNX Runtime has no FusedGemm without an activation.
    ...(activation ? [{ op: microsoft('FusedGemm'), inputs: [f([3, 4]), f([4, 5]), f([5])], attributes: { ...(activation && { activation }), ...(activation === 'LeakyRelu' && { activation_alpha: { float: 0.2 } }) } }] : []),
    { op: microsoft('FusedConv'), inputs: [f([1, 2, 5, 5]), f([3, 2, 3, 3]), f([3])], attributes: { ...(activation && { activation }), ...(activation === 'LeakyRelu' && { activation_params: {
      floats: [0.2] } }), pads: [1, 1, 1, 1] } },
  ]),
  ...Object.entries({ Elu: { alpha: 0.7 }, HardSigmoid: { alpha: 0.3, beta: 0.4 }, Selu: { alpha: 1.5, gamma: 1.1 }, Softplus: {}, Softsign: {}, ThresholdedRelu: { alpha: 0.1 } }).map(([activation,
    numbers]): Line => ({
    op: microsoft('FusedGemm'),
    inputs: [f([3, 4]), f([4, 5]), f([5])],
    attributes: { activation, ...Object.fromEntries(Object.entries(numbers).map(([name, float]) => [`activation_${name}`, { float }])) },
    tolerance: 1e-4,
  })),
  { op: microsoft('FusedConv'), inputs: [f([1, 2, 5, 5]), f([3, 2, 3, 3]), f([3]), f([1, 3, 3, 3])], attributes: { activation: 'Relu' } },
  { op: microsoft('FusedConv'), inputs: [f([1, 2, 5, 5]), f([3, 2, 3, 3])], attributes: { activation: 'Clip', activation_params: { floats: [0, 1] } } },
  { op: microsoft('FusedConv'), inputs: [f([1, 2, 5, 5]), f([3, 2, 3, 3])], attributes: { activation: 'HardSigmoid', activation_params: { floats: [0.3, 0.4] } } },
]

export const families: Record<string, Line[]> = { quantize, recurrent, attention, multiHead, contrib }
