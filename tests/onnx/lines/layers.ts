import { f32, i64, type Line, reshaped, row, scalar, sigmoid, sum } from './line.js'

const batch = reshaped(f32(1, 3, 2, 2, 5, 7, 2, 6), 2, 2, 2)
const normal = (v: number, mean: number, variance: number) => (v - mean) / Math.sqrt(variance + 1e-5)
export const learning: Line[] = [
  {
    op: 'BatchNormalization',
    opset: 15,
    inputs: [batch, f32(1, 2), f32(0, 10), f32(0, 1), f32(1, 1)],
    attributes: { training_mode: 1, momentum: { float: 0.75 } },
    outputs: [
      reshaped(
        f32(
          ...[1, 3, 2, 2, 5, 7, 2, 6].map((v, i) => (i % 4 < 2 ? normal(v, 4, 5) : 2 * normal(v, 3, 3) + 10)),
        ),
        2,
        2,
        2,
      ),
      f32(1, 1.5),
      f32(2, 1.5),
    ],
  },
]

const leaky = (v: number) => (v < 0 ? 0.3 * v : v)
const gates: [name: string, f: (v: number) => number, alpha?: number, beta?: number][] = [
  ['Sigmoid', sigmoid],
  ['Tanh', Math.tanh],
  ['Relu', (v) => Math.max(v, 0)],
  ['LeakyRelu', leaky, 0.3],
  ['ThresholdedRelu', (v) => (v > 0.4 ? v : 0), 0.4],
  ['ScaledTanh', (v) => 2 * Math.tanh(0.5 * v), 2, 0.5],
  ['HardSigmoid', (v) => Math.min(Math.max(0.3 * v + 0.4, 0), 1), 0.3, 0.4],
  ['Elu', (v) => (v < 0 ? 0.7 * Math.expm1(v) : v), 0.7],
  ['Softsign', (v) => v / (1 + Math.abs(v))],
  ['Softplus', (v) => Math.log1p(Math.exp(v))],
  ['Affine', (v) => 0.7 * v - 0.1, 0.7, -0.1],
]
/** Two steps of one unit: f(0.5 x), then f(0.5 x + 0.25 h). */
export const recurrent: Line[] = gates.map(([name, f, alpha, beta]) => {
  const steps = [1.5, -2].reduce<number[]>(
    (done, v) => done.concat(f(0.5 * v + 0.25 * (done.at(-1) ?? 0))),
    [],
  )
  return {
    op: 'RNN',
    inputs: [reshaped(f32(1.5, -2), 2, 1, 1), reshaped(f32(0.5), 1, 1, 1), reshaped(f32(0.25), 1, 1, 1)],
    attributes: {
      hidden_size: 1,
      activations: [name],
      ...(alpha !== undefined && { activation_alpha: { floats: [alpha] } }),
      ...(beta !== undefined && { activation_beta: { floats: [beta] } }),
    },
    outputs: [reshaped(f32(...steps), 2, 1, 1, 1), reshaped(f32(steps[1]!), 1, 1, 1)],
  }
})

/** One head of one number: keys 1, 2, 3 with values 10, 20, 30, of which the first `seen` count. */
const attended = (seen: number) => {
  const weights = [1, 2, 3].slice(0, seen).map(Math.exp)
  return sum(weights.map((w, i) => w * (i + 1) * 10)) / sum(weights)
}
export const attention: Line[] = [0, 1].map((causal) => {
  const keys = f32(1, 2, 3, 1, 2, 3)
  return {
    op: 'Attention',
    opset: 24,
    inputs: [
      reshaped(f32(1, 1, 1, 1), 2, 1, 2, 1),
      reshaped(keys, 2, 1, 3, 1),
      reshaped(f32(10, 20, 30, 10, 20, 30), 2, 1, 3, 1),
      undefined,
      undefined,
      undefined,
      i64(2, 3),
    ],
    attributes: { is_causal: causal },
    // Queries are the last of two places, and of three.
    outputs: [reshaped(f32(...(causal ? [1, 2, 2, 3] : [2, 2, 3, 3]).map(attended)), 2, 1, 2, 1)],
  }
})

/** Which ONNX Runtime has for one type alone, or under another name. */
export const contrib: Line[] = [
  {
    op: 'com.microsoft.QuantizeLinear',
    inputs: [f32(3, -300, 5.5), scalar(f32(2)), scalar(row(Int8Array.of(1), 'int8'))],
    outputs: [row(Int8Array.of(3, -128, 4), 'int8')],
  },
  {
    op: 'com.microsoft.DequantizeLinear',
    inputs: [row(Int8Array.of(-97, 62, 2), 'int8'), scalar(f32(0.5)), scalar(row(Int8Array.of(1), 'int8'))],
    outputs: [f32(-49, 30.5, 0.5)],
  },
  {
    op: 'com.microsoft.BiasAdd',
    inputs: [reshaped(f32(1, 2, 3, 4), 1, 2, 2), f32(10, 20), reshaped(f32(0.5, 0, 0, -4), 1, 2, 2)],
    outputs: [reshaped(f32(11.5, 22, 13, 20), 1, 2, 2)],
  },
  {
    op: 'com.microsoft.SimplifiedLayerNormalization',
    inputs: [reshaped(f32(1, 7, 3, -4), 2, 2), f32(1, 2)],
    attributes: { epsilon: { float: 0 } },
    outputs: [reshaped(f32(0.2, 2.8, 3 / Math.sqrt(12.5), -8 / Math.sqrt(12.5)), 2, 2)],
  },
]
