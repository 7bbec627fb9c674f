/**
 * Mixtures of experts, and matrices of bitsandbytes. Definitions: ContribOperators.md of ONNX Runtime;
 * Shazeer et al., "Outrageously large neural networks", 2017; Dettmers et al., "QLoRA", 2023.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { clamp, gelu, relu, sigmoid, silu } from '../../../ops/activation.js'
import { add, div, mul } from '../../../ops/arithmetic.js'
import { scatterOnZeros } from '../../../ops/elements.js'
import { takeRows } from '../../../ops/gather.js'
import { matmul } from '../../../ops/matmul.js'
import { sum } from '../../../ops/reduce.js'
import { slice } from '../../../ops/slice.js'
import { softmax } from '../../../ops/softmax.js'
import { topK } from '../../../ops/topK.js'
import { transpose } from '../../../ops/transpose.js'
import type { Call, Operator } from '../../run/call.js'
import { permuted } from '../../run/move.js'
import type { Value } from '../../run/value.js'
import { product } from '../matrix.js'

/** A layer of all experts: [experts, in, out] and [experts, 1, out]. */
interface Layer {
  weights: Tensor
  bias: Tensor | undefined
}

const activations: Record<string, (x: Tensor) => Tensor> = {
  relu: (x) => relu(x),
  gelu: (x) => gelu(x, { approximate: 'tanh' }),
  silu: (x) => silu(x),
  identity: (x) => x,
}

/** Numbers of each pair, or of both halves, of the last axis. */
function pairOf(x: Tensor, together: boolean): [Tensor, Tensor] {
  const width = x.shape.at(-1)! / 2
  const outer = x.shape.slice(0, -1)
  const split = x.reshape([...outer, ...(together ? [width, 2] : [2, width])])
  const rank = split.shape.length
  const axis = together ? rank - 1 : rank - 2
  const part = (i: number) =>
    slice(split, {
      begin: split.shape.map((_, k) => (k === axis ? i : 0)),
      end: split.shape.map((length, k) => (k === axis ? i + 1 : length)),
    }).reshape([...outer, width])
  return [part(0), part(1)]
}

/** G sigmoid(alpha G) (L + beta) of a gate G and a line L, cut at a limit. */
function swiglu(call: Call, x: Tensor): Tensor {
  const fusion = call.number('swiglu_fusion', 0)
  if (fusion !== 1 && fusion !== 2) call.fail('swiglu_fusion', '1 or 2', fusion)
  const [alpha, beta] = [call.number('activation_alpha', 1), call.number('activation_beta', 0)]
  const limit = call.number('swiglu_limit', Number.POSITIVE_INFINITY)
  let [gate, line] = pairOf(x, fusion === 1)
  if (Number.isFinite(limit)) {
    gate = clamp(gate, { low: Number.NEGATIVE_INFINITY, high: limit })
    line = clamp(line, { low: -limit, high: limit })
  }
  return mul(mul(gate, sigmoid(mul(gate, alpha))), add(line, beta))
}

function activated(call: Call, x: Tensor): Tensor {
  const type = call.text('activation_type', 'relu')
  if (type === 'swiglu') return swiglu(call, x)
  const activation = Object.hasOwn(activations, type) ? activations[type] : undefined
  return activation?.(x) ?? call.fail('activation_type', `one of ${Object.keys(activations)} or swiglu`, type)
}

const through = (x: Tensor, { weights, bias }: Layer): Tensor => {
  const y = matmul(x, weights)
  return bias ? add(y, bias, { out: y }) : y
}

/**
 * Each row of x through the k experts of the largest probabilities, by these. Of few rows only their experts'
 * weights are read; of more, all experts see all rows.
 */
function mixture(call: Call, x: Value, layers: readonly [Layer, Layer], router: Value): Value {
  const width = x.shape.at(-1)!
  const rows = sizeOf(x.shape) / width
  const experts = layers[0].weights.shape[0]!
  const k = call.number('k', 1)
  if (router.size !== rows * experts) call.fail('router_probs', `[${rows}, ${experts}]`, router.shape)
  if (!(k >= 1 && k <= experts)) call.fail('k', `from 1 to ${experts}`, k)
  if (call.flag('use_sparse_mixer')) call.fail('use_sparse_mixer', '0', 1)
  const all = softmax(router.tensor().reshape([rows, experts]), { axis: 1 })
  const { values, indices } = topK(all, { k })
  const shares = call.flag('normalize_routing_weights')
    ? div(values, sum(values, { axes: 1, keepDims: true }))
    : values
  const tokens = x.tensor().reshape([rows, 1, width])
  if (rows * k <= experts) {
    const own = indices.reshape([rows * k])
    const chosen = layers.map(({ weights, bias }) => ({
      weights: takeRows(weights, own, 0),
      bias: bias && takeRows(bias, own, 0),
    })) as [Layer, Layer]
    const repeated = k === 1 ? tokens : takeRows(tokens, repeatsOf(call, rows, k), 0)
    const y = through(activated(call, through(repeated, chosen[0])), chosen[1])
    const weighed = mul(y.reshape([rows, k, width]), shares.reshape([rows, k, 1]))
    return call.tensor(x.type, sum(weighed, { axes: 1 }).reshape(x.shape))
  }
  const y = through(activated(call, through(tokens.reshape([1, rows, width]), layers[0])), layers[1])
  const weights = transpose(scatterOnZeros(shares, indices, experts, 1), [1, 0]).reshape([experts, rows, 1])
  return call.tensor(x.type, sum(mul(y, weights, { out: y }), { axes: 0 }).reshape(x.shape))
}

/** Each row k times, one after the other. */
const repeatsOf = (call: Call, rows: number, k: number): Tensor<'int32'> =>
  call
    .tables(`rows ${rows}`, [rows * k], [], () => [
      Int32Array.from({ length: rows * k }, (_, i) => Math.floor(i / k)),
    ])[0]!
    .as('int32', 'plain') as Tensor<'int32'>

const biasOf = (bias: Value | undefined): Tensor | undefined =>
  bias?.tensor().reshape([bias.shape[0]!, 1, bias.shape[1]!])

/** x, probabilities, weights [experts, out, in] and bias of two layers; a third is not ONNX Runtime's. */
const mixtureOfExperts: Operator = (call) => {
  if (call.inputs[6] || call.inputs[7]) call.fail('fc3_experts_weights', 'left out', 'given')
  const layer = (weights: Value, bias: Value | undefined): Layer => ({
    weights: weights.form('turned', () => permuted(call, weights, [0, 2, 1]).tensor()),
    bias: biasOf(bias),
  })
  const layers = [layer(call.input(2), call.inputs[3]), layer(call.input(4), call.inputs[5])] as const
  return mixture(call, call.input(0), layers, call.input(1))
}

/** Number `i` of a row of bytes, the lowest bits first. */
const numberAt = (bytes: ArrayLike<number>, row: number, i: number, bits: number): number =>
  (bytes[row + ((i * bits) >> 3)]! >> ((i * bits) & 7)) & ((1 << bits) - 1)

/** The same with weights of few bits, [experts, out, in] in bytes, with scales of rows or of blocks. */
const quantizedExperts: Operator = (call) => {
  for (const [i, name] of Object.entries({ 8: 'fc3_experts_weights', 14: 'router_weights' }))
    if (call.inputs[Number(i)]) call.fail(name, 'left out', 'given')
  const bits = call.number('expert_weight_bits', 4)
  if (![2, 4, 8].includes(bits)) call.fail('expert_weight_bits', '2, 4 or 8', bits)
  const kind = call.text('quant_type', 'int')
  if (kind !== 'int') call.fail('quant_type', 'int', kind)
  const layer = (first: number, zeroInput: number): Layer => {
    const [bytes, scales, zeros] = [call.input(first), call.input(first + 1), call.inputs[zeroInput]]
    const [experts, out, width] = bytes.shape as [number, number, number]
    const depth = (width * 8) / bits
    const blocks = scales.size / (experts * out)
    if (!Number.isInteger(depth / blocks)) call.fail(`input ${first + 1}`, 'scales of blocks', scales.shape)
    const make = () => {
      const [q, s] = [bytes.data as Uint8Array, scales.data as Float32Array]
      const z = zeros?.data as Uint8Array | undefined
      const y = new Float32Array(experts * depth * out)
      const zeroOf = (row: number, block: number): number => {
        if (!z) return 2 ** (bits - 1)
        // Of whole rows the zero points of an expert stand together, of blocks those of a row.
        if (blocks > 1) return numberAt(z, row * Math.ceil((blocks * bits) / 8), block, bits)
        return numberAt(z, Math.floor(row / out) * Math.ceil((out * bits) / 8), row % out, bits)
      }
      for (let row = 0; row < experts * out; row++) {
        const to = Math.floor(row / out) * depth * out + (row % out)
        for (let i = 0; i < depth; i++) {
          const block = Math.floor((i * blocks) / depth)
          y[to + i * out] =
            (numberAt(q, row * width, i, bits) - zeroOf(row, block)) * s[row * blocks + block]!
        }
      }
      return [y]
    }
    const from = [bytes, scales, ...(zeros ? [zeros] : [])]
    const [weights] = call.tables(`weights ${first}`, [experts, depth, out], from, make)
    return { weights: weights!.tensor(), bias: biasOf(call.inputs[first + 2]) }
  }
  return mixture(call, call.input(0), [layer(2, 11), layer(5, 12)], call.input(1))
}

/** What 4 bits of bitsandbytes stand for: a small float, or the quantiles of a normal distribution. */
const FP4 = [0, 5.208333333e-3, 2 / 3, 1, 1 / 3, 0.5, 1 / 6, 0.25]
const NF4 = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
]

/** A, the numbers of [N, K] in halves of bytes, the upper one first, and the largest of each block. */
const matMulBnb4: Operator = (call) => {
  const [a, bytes, largest] = [call.input(0), call.input(1), call.input(2)]
  const [depth, columns] = [call.number('K', 0), call.number('N', 0)]
  const block = call.number('block_size', 0)
  const kind = call.number('quant_type', 0)
  if (kind !== 0 && kind !== 1) call.fail('quant_type', '0 or 1', kind)
  const size = depth * columns
  if (bytes.size !== Math.ceil(size / 2)) call.fail('input 1', `${Math.ceil(size / 2)} bytes`, bytes.shape)
  if (!(block > 0) || largest.size !== Math.ceil(size / block))
    call.fail('input 2', `${Math.ceil(size / block)} scales`, largest.shape)
  const isTurned = call.flag('transB', true)
  const shape = isTurned ? [depth, columns] : [columns, depth]
  const make = () => {
    const [q, scales] = [bytes.data as Uint8Array, largest.data as Float32Array]
    const y = new Float32Array(size)
    for (let i = 0; i < size; i++) {
      const four = i % 2 ? q[i >> 1]! & 15 : q[i >> 1]! >> 4
      const value = kind ? NF4[four]! : four > 7 ? -FP4[four - 8]! : FP4[four]!
      const [row, column] = [Math.floor(i / depth), i % depth]
      y[isTurned ? column * columns + row : i] = Math.fround(value) * scales[Math.floor(i / block)]!
    }
    return [y]
  }
  const [weights] = call.tables('weights', shape, [bytes, largest], make)
  return product(call, a, weights!)
}

export const experts: Record<string, Operator> = {
  'com.microsoft.MatMulBnb4': matMulBnb4,
  'com.microsoft.MoE': mixtureOfExperts,
  'com.microsoft.QMoE': quantizedExperts,
}
