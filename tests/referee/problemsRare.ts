/**
 * Nodes that few models have, to ask ONNX Runtime about (operators.test.ts): a case is a line. It adds up long
 * transforms in float32, so that only those of powers of two are compared closely (rare.test.ts has others), takes a
 * complex STFT for another one, splits an empty text by a delimiter to nothing, and needs locales for cases.
 */
// biome-ignore-all format: tables

import type { UserArray } from '../../src/onnx/index.js'
import { floats, type Input, inputsOf, ints, type Line, microsoft, SEED, scalar } from './inputs.js'

const { random, f, i32, u8, i64, i8: anyI8 } = inputsOf(SEED + 16)
const long = (value: number): Input => scalar(ints(value))
// Of seven bits: what ONNX Runtime saturates without VNNI (inputs.ts).
const i8 = (shape: readonly number[], low = -64, high = 63): Input => anyI8(shape, low, high)
const texts = (shape: readonly number[], ...data: string[]): Input => ({ type: 'string', shape, data: data as UserArray })
const scale = (value = 0.05): Input => scalar(floats(value))

const sound: Line[] = [
  // Of a product, of two factors and more, of primes, cut and filled.
  ...[1, 2, 5, 16, 100, 257, 320, 511, 600, 1024, 4096].flatMap((n): Line[] => [1, 2].flatMap((parts): Line[] => [
    { op: 'DFT', opset: 20, inputs: [f([2, n, parts]), undefined, long(1)], attributes: { onesided: parts === 1 ? 1 : 0 }, tolerance: Number.isInteger(Math.log2(n)) ? 1e-5 : 1e-3 },
    ...(n < 600 ? [{ op: 'DFT', opset: 20, inputs: [f([2, n, parts]), undefined, long(1)], attributes: { inverse: 1 }, tolerance: 1e-3 } as Line] : []),
  ])),
  ...[3, 8, 20].map((n): Line => ({ op: 'DFT', opset: 20, inputs: [f([2, 12, 3, 1]), long(n), long(1)] })),
  ...[0, 1, 2].map((axis): Line => ({ op: 'DFT', opset: 17, inputs: [f([3, 4, 5, 2])], attributes: { axis } })),
  { op: 'DFT', opset: 20, inputs: [f([3, 4, 5, 2])] },
  ...[1, 0].flatMap((onesided): Line[] => [[16, 4], [600, 100], [12, 12]].flatMap(([frame, step]): Line[] => [
    { op: 'STFT', opset: 17, inputs: [f([2, 1250, 1]), long(step!), f([frame!], 0, 1)], attributes: { onesided }, fixed: true, tolerance: 1e-3 },
    { op: 'STFT', opset: 17, inputs: [f([2, 1250, 1]), long(step!), undefined, long(frame!)], attributes: { onesided }, fixed: true, tolerance: 1e-3 },
  ])),
  ...['HannWindow', 'HammingWindow', 'BlackmanWindow'].flatMap((op): Line[] => [0, 1].flatMap((periodic): Line[] => [2, 10, 11].map((n): Line => ({ op, opset: 17, inputs: [long(n)], attributes: { periodic } })))),
  { op: 'MelWeightMatrix', opset: 17, inputs: [long(8), long(512), long(16000), scalar(floats(20)), scalar(floats(7600))] },
]

const lists: Line[] = [
  ...[undefined, 0, 1, -1].flatMap((axis): Line[] => [0, 1].flatMap((sorted): Line[] => [i64([3, 4], 0, 1), { ...f([3, 4]), data: Float32Array.from(random.integers(12, 0, 2)) }].map((x): Line => ({
    op: 'Unique', inputs: [x], outputs: 4, attributes: { sorted, ...(axis !== undefined && { axis }) },
  })))),
  { op: 'Unique', inputs: [texts([5], 'b', 'a', 'b', 'c', 'a')], outputs: 4 },
  ...[[3, 3], [2, 3, 4, 4], [1, 1], [2, 6, 6]].map((shape): Line => ({ op: 'Det', inputs: [f(shape)], tolerance: 1e-4 })),
  ...[1, 0.5].map((spatial): Line => ({ op: 'MaxRoiPool', inputs: [f([2, 3, 9, 11]), { ...floats(0, 1, 2, 7, 6, 1, 0, 0, 10, 8, 0, 3, 3, 3, 3, 1, 5.5, 2.5, 20, 20), shape: [4, 5] }], attributes: { pooled_shape: [2, 3], spatial_scale: { float: spatial } } })),
  { op: microsoft('Inverse'), inputs: [f([2, 4, 4])], tolerance: 1e-3 },
  { op: microsoft('Unique'), inputs: [{ ...f([12]), data: Float32Array.from(random.integers(12, 0, 4)) }], outputs: 3 },
]

const words = texts([2, 2], 'Ab', 'cd', '', 'é')
const strings: Line[] = [
  { op: 'StringConcat', opset: 20, inputs: [words, texts([2], 'x', 'y')] },
  { op: 'StringSplit', opset: 20, inputs: [texts([3], 'a b  c', ' d ', '')], outputs: 2 },
  { op: 'StringSplit', opset: 20, inputs: [texts([3], 'a,b,,c', 'd', ',')], outputs: 2, attributes: { delimiter: ',' } },
  { op: 'StringSplit', opset: 20, inputs: [texts([1, 2], 'a,b,,c', 'd')], outputs: 2, attributes: { delimiter: ',', maxsplit: 1 } },
  { op: 'RegexFullMatch', opset: 20, inputs: [texts([3], 'a1', 'a', '1a1')], attributes: { pattern: '[a-z]\\d' } },
  { op: 'StringNormalizer', opset: 10, inputs: [texts([4], 'Monday', 'tuesday', 'MONDAY', 'x')], attributes: { is_case_sensitive: 1, stopwords: ['Monday', 'x'] } },
  ...['TF', 'IDF', 'TFIDF'].flatMap((mode): Line[] => [0, 2].flatMap((max_skip_count): Line[] => [[1, 1], [1, 2], [2, 3]].map(([least, most]): Line => ({
    op: 'TfIdfVectorizer', opset: 9, inputs: [i64([2, 12], 2, 7)],
    attributes: { mode, max_skip_count, min_gram_length: least, max_gram_length: most, ngram_counts: [0, 3, 11], ngram_indexes: [0, 1, 3, 2, 5, 4, 6, 7], pool_int64s: [2, 3, 5, 2, 3, 5, 4, 7, 2, 2, 6, 2, 3, 5], weights: { floats: [1, 2, 0.5, 3, 1, 1, 2, 4] } },
  })))),
]

const bits: Line[] = [
  ...[u8, i8].flatMap((b): Line[] => [false, true].flatMap((each): Line[] => [false, true].map((bias): Line => {
    const own = [each ? f([5], 0.01, 0.1) : scale(), each ? b([5], 1, 9) : scalar(b([1], 1, 9))] as const
    return { op: microsoft('MatMulIntegerToFloat'), inputs: [u8([2, 3, 8]), b([8, 5]), scale(0.02), own[0], scalar(u8([1])), own[1], ...(bias ? [f([5])] : [])] }
  }))),
  ...[u8, i8].flatMap((b): Line[] => [false, true].map((zero): Line => ({
    op: microsoft('DynamicQuantizeMatMul'), inputs: [f([2, 3, 8]), b([8, 5]), scale(), ...(zero ? [scalar(b([1], 1, 9)), f([5])] : [])], fixed: true,
  }))),
  ...[4, 8].flatMap((bits): Line[] => [false, true].map((zeros): Line => ({
    op: microsoft('GatherBlockQuantized'), fixed: true,
    inputs: [u8([7, (48 * bits) / 8]), i64([2, 3], -7, 6), f([7, 3], 0.01, 0.1), ...(zeros ? [u8([7, bits === 4 ? 2 : 3])] : [])],
    attributes: { bits, block_size: 16, gather_axis: 0, quantize_axis: 1 },
  }))),
  // Within a level of some 90.
  ...[-1, 1].flatMap((axis): Line[] => [13, 11].map((opset): Line => ({
    op: microsoft('QLinearSoftmax'), inputs: [u8([2, 3, 5]), scale(0.02), scalar(u8([1])), scale(1 / 256), scalar(u8([1], 0, 0))],
    attributes: { axis, opset }, fixed: true, tolerance: 1 / 60,
  }))),
  { op: microsoft('QAttention'), inputs: [u8([2, 3, 8]), i8([8, 24]), f([24]), scale(0.01), scale(0.01), i32([2, 3], 1, 1), scalar(u8([1])), scalar(i8([1], 0, 0))], attributes: { num_heads: 2 }, fixed: true, tolerance: 1e-4 },
  // Its inputs are bytes there.
  { op: microsoft('DynamicQuantizeLSTM'), inputs: [f([4, 2, 3]), i8([1, 3, 20]), i8([1, 5, 20]), f([1, 40]), undefined, undefined, undefined, undefined, { ...floats(0.01), shape: [1] }, { ...i8([1], 0, 0), shape: [1] }, { ...floats(0.01), shape: [1] }, { ...i8([1], 0, 0), shape: [1] }], attributes: { hidden_size: 5 }, outputs: 3, fixed: true, tolerance: 0.02 },
]

const fused: Line[] = [
  ...['euclidean', 'sqeuclidean'].map((metric): Line => ({ op: microsoft('CDist'), inputs: [f([4, 3]), f([5, 3])], attributes: { metric }, tolerance: 1e-4 })),
  { op: microsoft('ExpandDims'), inputs: [f([2, 3]), { type: 'int32', shape: [], data: Int32Array.of(-1) }] },
  { op: microsoft('GatherND'), inputs: [f([2, 3, 4]), i64([2, 2], 0, 1)] },
  { op: microsoft('TransposeMatMul'), inputs: [f([4, 3]), f([4, 5])], attributes: { transA: 1, alpha: { float: 2 } } },
  ...[0, 1].map((upper): Line => ({ op: microsoft('Trilu'), inputs: [f([2, 4, 5])], attributes: { upper } })),
  ...['bilinear', 'nearest'].flatMap((mode): Line[] => [[3, 5], [1, 1], [1, 4]].map((size): Line => ({
    op: microsoft('CropAndResize'), attributes: { mode, extrapolation_value: { float: 7 } },
    inputs: [f([2, 3, 6, 5]), { type: 'float32', shape: [3, 4], data: Float32Array.of(0, 0, 1, 1, 0.9, 0.1, 0.2, 0.8, -0.1, 0.2, 0.7, 1.3) }, { type: 'int32', shape: [3], data: Int32Array.of(1, 0, 1) }, { type: 'int32', shape: [2], data: Int32Array.from(size) }],
  }))),
  ...[i32([5], -9, 9), i64([2, 2], -9, 9), f([3]), { type: 'float64', shape: [2], data: Float64Array.of(0.1, -3) } as Input, texts([5], '', 'a', 'abcd', 'abcdefg', 'é')].flatMap((x): Line[] =>
    [{}, { positive: 0 }, { seed: 42 }].map((attributes): Line => ({ op: microsoft('MurmurHash3'), inputs: [x], attributes }))),
  ...['bilinear', 'nearest', 'bicubic'].map((mode): Line => ({ op: microsoft('GridSample'), inputs: [f([1, 2, 4, 5]), f([1, 3, 3, 2], -1, 1)], attributes: { mode }, tolerance: 1e-4 })),
  ...['constant', 'edge', 'reflect'].map((mode): Line => ({ op: microsoft('Pad'), inputs: [f([3, 4]), ints(1, 0, 2, 1), scalar(floats(5))], attributes: { mode } })),
  { op: microsoft('Range'), inputs: [scalar(ints(2)), scalar(ints(7))] },
  { op: microsoft('Range'), inputs: [scalar(floats(2)), scalar(floats(-1)), scalar(floats(-0.75))] },
  ...[[0, 2, 1], [1, 3, 2], [-1, 4, 3]].map(([dim, size, step]): Line => ({ op: microsoft('UnfoldTensor'), inputs: [f([3, 5, 9])], attributes: { dim: dim!, size: size!, step: step! } })),
  ...[1, 2, 3].map((ngram_size): Line => ({ op: microsoft('NGramRepeatBlock'), inputs: [i64([3, 8], 0, 2), f([3, 4])], attributes: { ngram_size } })),
  ...[0, 1].map((channels_last): Line => ({
    op: microsoft('QLinearConv'), fixed: true, attributes: { channels_last, pads: [1, 1, 1, 1] },
    inputs: [u8(channels_last ? [1, 6, 5, 3] : [1, 3, 6, 5]), scale(), scalar(u8([1])), i8([4, 3, 3, 3]), scale(0.02), scalar(i8([1], 0, 0)), scale(0.5), scalar(u8([1])), i32([4])],
  })),
  ...[[1, 3], [1, 2]].map(([n, keys]): Line => ({ op: microsoft('MultiHeadAttention'), inputs: [f([1, n!, 8]), f([1, keys!, 8]), f([1, keys!, 8]), undefined, undefined, undefined, f([1, 2, 3, 4]), f([1, 2, 3, 4])], attributes: { num_heads: 2 }, tolerance: 1e-4 })),
  { op: microsoft('MultiHeadAttention'), inputs: [f([1, 1, 8]), f([1, 2, 8]), f([1, 2, 8]), undefined, undefined, f([1, 1, 1, 5]), f([1, 1, 3, 8]), f([1, 1, 3, 8])], attributes: { num_heads: 1 }, tolerance: 1e-4 },
]

const sinks: Line[] = [0, 4].flatMap((past): Line[] => [-1, 3].flatMap((window): Line[] => ['smooth', 'sink', 'bias'].map((kind): Line => {
  const length = past ? 1 : 5
  const last = past + length - 1
  return {
    op: microsoft('GroupQueryAttention'),
    inputs: [
      f([2, length, 64]), f([2, length, 32]), f([2, length, 32]), f([2, 2, past, 16]), f([2, 2, past, 16]), { type: 'int32', shape: [2], data: Int32Array.of(last, last) }, { type: 'int32', shape: [], data: Int32Array.of(last + 1) },
      ...(kind === 'smooth' ? [] : [undefined, undefined, undefined, kind === 'bias' ? f([1, 4, length, last + 1]) : undefined, f([4])]),
    ],
    attributes: { num_heads: 4, kv_num_heads: 2, local_window_size: window, ...(kind === 'smooth' && { smooth_softmax: 1 }) }, outputs: 3, tolerance: 1e-4,
  }
})))

// States that go on from place to place: each rule, heads that share keys and keys that share queries, a start of their own.
const states: Line[] = [
  ...['linear', 'gated', 'delta', 'gated_delta'].flatMap((update_rule): Line[] => [[2, 2], [4, 2]].flatMap(([heads, kvHeads]): Line[] => [0, 1].map((past): Line => ({
    op: microsoft('LinearAttention'),
    inputs: [
      f([2, past ? 1 : 5, heads! * 4]), f([2, past ? 1 : 5, kvHeads! * 4]), f([2, past ? 1 : 5, kvHeads! * 3]), past ? f([2, kvHeads!, 4, 3]) : undefined,
      update_rule.startsWith('gated') ? f([2, past ? 1 : 5, past ? kvHeads! * 4 : kvHeads!], -1, 0) : undefined, ...(update_rule.endsWith('delta') ? [f([2, past ? 1 : 5, kvHeads!], 0, 1)] : []),
    ],
    attributes: { q_num_heads: heads!, kv_num_heads: kvHeads!, update_rule, ...(past && { scale: { float: 0.3 } }) }, outputs: 2, tolerance: 1e-4,
  })))),
  { op: microsoft('LinearAttention'), inputs: [f([1, 3, 8]), f([1, 3, 8]), f([1, 3, 12])], attributes: { q_num_heads: 2, kv_num_heads: 4, update_rule: 'linear' }, outputs: 2, tolerance: 1e-4 },
  ...['none', 'silu'].flatMap((activation): Line[] => [0, 1].map((past): Line => ({
    op: microsoft('CausalConvWithState'), inputs: [f([2, 5, past ? 1 : 7]), f([5, 1, 4]), f([5]), ...(past ? [f([2, 5, 3])] : [])], attributes: { activation }, outputs: 2,
  }))),
]

// Experts, few rows and many, and weights of few bits.
const experts: Line[] = [
  ...['relu', 'gelu', 'silu', 'identity', 'swiglu'].flatMap((activation_type): Line[] => [1, 2].flatMap((k): Line[] => [1, 7].map((rows): Line => {
    const wide = activation_type === 'swiglu' ? 2 : 1
    return {
      op: microsoft('MoE'), tolerance: 1e-4, fixed: rows === 7, inputs: [f([rows, 8]), f([rows, 4]), f([4, 6 * wide, 8]), f([4, 6 * wide]), f([4, 8, 6]), ...(k === 1 ? [f([4, 8])] : [])],
      attributes: { activation_type, k, normalize_routing_weights: k - 1, ...(wide === 2 && { swiglu_fusion: 1, activation_alpha: { float: 1.702 }, activation_beta: { float: 1 }, swiglu_limit: { float: 0.7 } }) },
    }
  }))),
  ...[4, 8].flatMap((bits): Line[] => [1, 7].flatMap((rows): Line[] => [false, true].map((zeros): Line => ({
    op: microsoft('QMoE'), tolerance: bits === 8 ? 0.05 : 1e-3, fixed: true,
    inputs: [f([1, rows, 32]), f([rows, 4]), u8([4, 64, (32 * bits) / 8]), f([4, 64], 0.01, 0.02), f([4, 64]), u8([4, 32, (64 * bits) / 8]), f([4, 32], 0.01, 0.02), f([4, 32]),
      ...(zeros ? [undefined, undefined, undefined, u8([4, (64 * bits) / 8]), u8([4, (32 * bits) / 8])] : [])],
    attributes: { k: 2, activation_type: 'silu', expert_weight_bits: bits, normalize_routing_weights: 1 },
  })))),
  ...[0, 1].flatMap((quant_type): Line[] => [[48, 5], [32, 8]].map(([K, N]): Line => ({
    op: microsoft('MatMulBnb4'), inputs: [f([2, 3, K!]), u8([(K! * N!) / 2]), f([(K! * N!) / 16], 0.1, 1)], fixed: true, attributes: { K: K!, N: N!, block_size: 16, quant_type }, tolerance: 1e-4,
  }))),
]

const decoding: Line[] = [
  // Over keys that are given whole, with a mask.
  ...[false, true].map((mask): Line => ({
    op: microsoft('DecoderMaskedMultiHeadAttention'), inputs: [f([2, 1, 8]), f([2, 2, 7, 4]), f([2, 2, 7, 4]), ...(mask ? [i32([2, 7], 0, 1)] : [])], attributes: { num_heads: 2, ...(mask && { scale: { float: 0.3 } }) }, tolerance: 1e-4,
  })),
  // Behind those of a buffer. ONNX Runtime's CPU takes no packed ones, and no bias of them.
  ...[false, true].flatMap((bias): Line[] => [1, 5].flatMap((past): Line[] => [false, true].map((added): Line => ({
    op: microsoft('DecoderMaskedMultiHeadAttention'),
    inputs: [f([2, 1, 8]), f([2, 1, 8]), f([2, 1, 8]), undefined, added ? f([1, 2, 1, past + 1]) : undefined, f([2, 2, 8, 4]), f([2, 2, 8, 4]),
      { type: 'int32', shape: [1], data: Int32Array.of(past) }, undefined, undefined, ...(bias ? [f([24])] : [])],
    attributes: { num_heads: 2, past_present_share_buffer: 1 }, outputs: 3, tolerance: 1e-4,
  })))),
  ...[0, 1].flatMap((mrope_layout): Line[] => [true, false].map((flat): Line => ({
    op: microsoft('MRotaryEmbedding'), inputs: [flat ? f([2, 3, 32]) : f([2, 2, 3, 16]), i64([3, 2, 3], 0, 8), f([9, 8]), f([9, 8])], attributes: { mrope_layout, mrope_section: [4, 2, 2], num_heads: 2, rotary_embedding_dim: 16, interleaved: Number(flat) },
  }))),
  { op: microsoft('GatedRMSNorm'), inputs: [f([2, 3, 24]), f([8]), f([2, 3, 24])], attributes: { epsilon: { float: 1e-5 } }, tolerance: 1e-4 },
  { op: microsoft('GatedRMSNorm'), inputs: [f([2, 8], -1e-3, 1e-3), f([8]), f([2, 8])] },
  ...[1, 2].map((outputs): Line => ({ op: microsoft('LinearAttentionGate'), inputs: [f([2, 3, 4]), f([4]), f([4]), ...(outputs === 2 ? [f([2, 3, 4])] : [])], outputs })),
]

const cut = (attributes: Line['attributes'], input: Input): Line => ({ op: microsoft('Tokenizer'), inputs: [input], attributes: { mark: 0, mincharnum: 1, pad_value: '#', ...attributes } })
const tokens: Line[] = [
  { op: microsoft('GatedAdd'), inputs: [f([2, 3, 5]), f([2, 3, 5]), f([2, 3, 1])] },
  ...[0, 1].flatMap((mark): Line[] => [
    cut({ mark, separators: [''] }, texts([2], 'abc', 'é漢')), cut({ mark, separators: [' '] }, texts([2], 'Hello World!', 'a b  c')), cut({ mark, separators: [';', ','] }, texts([1, 2], 'a,b;c', ',x;;y,')),
    cut({ mark, separators: [','], mincharnum: 2 }, texts([2], 'aa,b,ccc', 'd,ee')), cut({ mark, separators: [','] }, texts([2], ',,', '')), cut({ mark, separators: ['[0-9]+'] }, texts([2], 'a1b22', 'x')),
    cut({ mark, tokenexp: '[a-z]+', mincharnum: 2 }, texts([3], 'hello world', 'a', 'ab cd 12')),
  ]),
  cut({ separators: [', ', ','] }, texts([1], 'a, b,c')), cut({ separators: ['aba', 'bab'] }, texts([1], 'xababx')),
  ...[1, 2].flatMap((min_ngram_size): Line[] => [0, 3, 8].flatMap((from): Line[] => [true, false].map((guesses): Line => ({
    op: microsoft('BifurcationDetector'), inputs: [i64([8], 0, 2), i64([4], 0, 2), ints(from), guesses ? i64([9 - from], 0, 2) : undefined], outputs: 2, attributes: { min_ngram_size, max_ngram_size: 3 },
  })))),
  ...[i32, i64].flatMap((make): Line[] => [1, 6].flatMap((length): Line[] => [true, false].map((past): Line => ({
    op: microsoft('NGramHashMapping'), inputs: [make([2, length], 0, 9), make([4], make === i32 ? 2 ** 30 : 2 ** 50, make === i32 ? 2 ** 31 - 1 : 2 ** 51), make([6], 100, 999), past ? make([2, 3], 0, 9) : undefined],
    outputs: 2, attributes: { max_ngram_size: 4, n_head_per_ngram: 2, pad_id: 2 },
  })))),
  ...[[5, 7], [1, 4, 9], [1, 6], [6, 1]].flatMap((shape): Line[] => [f(shape, 0, 1), { ...f(shape), data: Float32Array.from(random.integers(shape.reduce((a, b) => a * b), 0, 2)) }].map((x) => ({ op: microsoft('DynamicTimeWarping'), inputs: [x] }))),
]

// Words of no characters are not asked about: there ONNX Runtime leaves what was in its memory.
const characters = (count: number, longest: number): Input => ({ ...i32([count, longest]), data: Int32Array.from({ length: count * longest }, (_, i) => (i % longest <= Math.floor(i / longest) ? random.integer(1, 19) : 0)) })
const windows: Line[] = [
  ...[[[2, 3, 9], [3], [2, 3, 9]], [[2, 3, 7, 8], [3, 2], [2, 3, 7, 8]], [[2, 3, 7, 8], [2, 3], [1, 1, 7, 8]], [[1, 2, 4, 5, 6], [2, 2, 2], [1, 2, 4, 5, 6]]].flatMap(([shape, window, mask]): Line[] => [1, 2].flatMap((stride): Line[] => [0, 1].map((pad): Line => ({
    op: microsoft('MaxpoolWithMask'), inputs: [f(shape!), i32(mask!, 0, 1)], attributes: { kernel_shape: window!, strides: window!.map(() => stride), pads: [...window!, ...window!].map(() => pad) },
  })))),
  ...[[0, 0, 0, 0], [1, 1, 0, 1]].flatMap((pads): Line[] => [[f([3])], []].map((bias): Line => ({ op: microsoft('ConvTransposeWithDynamicPads'), inputs: [f([1, 2, 5, 6]), f([2, 3, 3, 3]), ints(...pads), ...bias], attributes: { strides: [2, 2] } }))),
  ...[{}, { embedding_size: 6, conv_window_size: 3, char_embedding_size: 4 }].map((attributes): Line => ({ op: microsoft('WordConvEmbedding'), inputs: [characters(5, 7), f([6, 1, 3, 4]), f([6]), f([20, 4])], attributes })),
  ...[u8, anyI8].flatMap((make): Line[] => [true, false].flatMap((kinds): Line[] => [true, false].map((mask): Line => {
    const [scales, zeros] = [Array.from({ length: 5 }, () => scale(random.integer(10, 30) / 1000)), Array.from({ length: 5 }, () => scalar(make([1])))]
    const only = (list: Input[]) => list.map((value, i) => (i === 2 && !kinds ? undefined : value))
    return {
      op: microsoft('QEmbedLayerNormalization'), fixed: true, outputs: 2, attributes: { epsilon: { float: 1e-5 } }, tolerance: 1e-4,
      inputs: [i32([2, 4], 0, 9), kinds ? i32([2, 4], 0, 1) : undefined, make([10, 8]), make([6, 8]), kinds ? make([2, 8]) : undefined, make([8]), make([8]), mask ? i32([2, 4], 0, 1) : undefined, ...only(scales), ...only(zeros)],
    }
  }))),
]

export const families: Record<string, Line[]> = { tokens, windows, decoding, experts, sinks, sound, lists, strings, fewBits: bits, fused, states }
