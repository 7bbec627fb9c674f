/**
 * Activations: each element by itself. Functions and error bounds: assembly/math.ts. NaN gives NaN
 * everywhere.
 */

import { check, show } from '../base/errors.js'
import { engineOf } from '../core/engine.js'
import { checkEach, checkOptions, isName, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { NO_CLAMP, type OutOptions, produce, runUnary, unaryBackward } from '../plans/elementwise.js'
import { UnaryOp } from '../wasm/abi.js'
import { activateBytes } from './activationBytes.js'
import {
  type ByteResultOptions,
  checkNoQuantization,
  FLOATS_AND_BYTES,
  type FloatOrByte,
  isByteTensor,
} from './byteResult.js'

/** An operation of the kernel with its two numbers. */
export type Formula = readonly [op: UnaryOp, a: number, b: number]

const SELU_ALPHA = 1.6732632423543772
const SELU_SCALE = 1.0507009873554805

/** An activation by name, with its defaults; a leaky ReLU of any slope below 0; or a clamp to [low, high]. */
export type Activation =
  | 'relu'
  | 'relu6'
  | 'leakyRelu'
  | 'elu'
  | 'selu'
  | 'gelu'
  | 'sigmoid'
  | 'hardSigmoid'
  | 'tanh'
  | 'silu'
  | 'hardSwish'
  | 'mish'
  | 'softplus'
  | readonly ['leakyRelu', alpha: number]
  | readonly [low: number, high: number]

/** Every activation that needs nothing but x, with its defaults. */
const formulas: Record<Extract<Activation, string>, Formula> = {
  relu: [UnaryOp.clamp, 0, Number.POSITIVE_INFINITY],
  relu6: [UnaryOp.clamp, 0, 6],
  leakyRelu: [UnaryOp.leakyRelu, 0.01, 0],
  elu: [UnaryOp.elu, 1, 1],
  selu: [UnaryOp.elu, SELU_SCALE * SELU_ALPHA, SELU_SCALE],
  gelu: [UnaryOp.gelu, 0, 0],
  sigmoid: [UnaryOp.sigmoid, 0, 0],
  hardSigmoid: [UnaryOp.hardSigmoid, 1 / 6, 0.5],
  tanh: [UnaryOp.tanh, 0, 0],
  silu: [UnaryOp.silu, 0, 0],
  hardSwish: [UnaryOp.hardSwish, 0, 0],
  mish: [UnaryOp.mish, 0, 0],
  softplus: [UnaryOp.softplus, 0, 0],
}

/** Those that are an ONNX operator without attributes, by its name. @internal */
export const onnxActivations: Readonly<Record<string, Extract<Activation, string>>> = {
  Relu: 'relu',
  Sigmoid: 'sigmoid',
  Tanh: 'tanh',
  HardSwish: 'hardSwish',
  Mish: 'mish',
  Softplus: 'softplus',
}

export function formulaOf(activation: Activation): Formula {
  if (typeof activation === 'string') return formulas[activation]
  const [first, second] = activation
  return first === 'leakyRelu' ? [UnaryOp.leakyRelu, second, 0] : [UnaryOp.clamp, first, second]
}

/**
 * The bounds that a tile's store clamps to: those of the activation where it is a clamp, else none. Throws
 * for what is no activation.
 */
export function fusedClamp(activation: Activation | undefined, context: Context): readonly [number, number] {
  if (activation === undefined) return NO_CLAMP
  const named = isName(activation, formulas)
  const isPair =
    Array.isArray(activation) &&
    activation.length === 2 &&
    typeof activation[1] === 'number' &&
    (activation[0] === 'leakyRelu'
      ? Number.isFinite(activation[1])
      : typeof activation[0] === 'number' && activation[0] <= activation[1])
  check(named || isPair, () => ({
    ...context,
    argument: 'activation',
    expected: `one of ${Object.keys(formulas).join(', ')}, ['leakyRelu', alpha] or [low, high]`,
    got: show(activation),
  }))
  const [op, a, b] = formulaOf(activation)
  return op === UnaryOp.clamp ? [a, b] : NO_CLAMP
}

/**
 * What is left of the activation once the store has clamped: nothing for clamps, else the function itself. It
 * is done in place, but while derivatives are wanted as an op of its own: most functions need their input on
 * backward.
 */
export function finishActivation(activation: Activation | undefined, y: Tensor): Tensor {
  if (activation === undefined) return y
  const [op, a, b] = formulaOf(activation)
  if (op === UnaryOp.clamp) return y
  if (y.engine.tape) {
    try {
      return activate(typeof activation === 'string' ? activation : String(activation[0]), y, [op, a, b], {})
    } finally {
      y.dispose()
    }
  }
  runUnary(op, y, y, a, b)
  return y
}

/**
 * dx = dy where y = clamp(x) lies between the bounds, 0 where it was brought to one of them (and on it).
 * Nothing is brought to an infinite bound.
 */
export function clampBackward(dy: Tensor, y: Tensor, [low, high]: readonly [number, number]): Tensor {
  const bound = (v: number) => (Number.isFinite(v) ? v : Number.NaN)
  return unaryBackward(UnaryOp.clamp, dy, y, bound(low), bound(high))
}

const word = new Float32Array(1)
const bits = new Int32Array(word.buffer)

/** The float32 next to a number, `way` 1: above it, -1: below. */
function neighbour(v: number, way: 1 | -1): number {
  word[0] = v
  if (!Number.isFinite(word[0])) return v
  if (word[0] === 0) return way * 2 ** -149
  bits[0]! += word[0] > 0 === way > 0 ? 1 : -1
  return word[0]
}

/** An activation by name or bounds, as an op of its own. */
export function applyActivation(
  op: string,
  x: Tensor,
  activation: Activation,
  options: ActivationOptions = {},
): Tensor {
  fusedClamp(activation, { op, shapes: { x: x.shape } })
  return activate(op, x, formulaOf(activation), options)
}

function activate<D extends FloatOrByte>(
  op: string,
  given: Tensor<D>,
  [code, a, b]: Formula,
  { out: to, quantization }: ActivationOptions<D>,
): Tensor<D> {
  if (isByteTensor(given)) return activateBytes(op, given, [code, a, b], { out: to, quantization })
  const [x, out] = [given, to] as unknown as [Tensor, Tensor | undefined]
  const engine = engineOf(op, { x }, { out })
  checkNoQuantization(op, x, quantization)
  const y = produce(engine, x.shape, out, { op, shapes: { x: x.shape, out: out?.shape } }, (to) =>
    runUnary(code, x, to, a, b),
  )
  engine.trace?.note('activation', y, { x }, { formula: [code, a, b] })
  // Clamps go back by their output, which the next op mostly keeps anyway.
  if (code === UnaryOp.clamp)
    engine.tape?.record(op, y, { x }, { y }, (dy, kept) => ({ x: () => clampBackward(dy, kept.y, [a, b]) }))
  else
    engine.tape?.record(op, y, { x }, { x }, (dy, kept) => ({
      x: () => unaryBackward(code, dy, kept.x, a, b),
    }))
  return y as Tensor<FloatOrByte> as Tensor<D>
}

function checkSettings(op: string, x: AnyTensor, numbers: Record<string, unknown>): void {
  engineOf(op, { x }, {}, FLOATS_AND_BYTES)
  checkEach(numbers, () => true, 'a number', { op, shapes: { x: x.shape } })
}

/** What every activation takes beside x. */
export interface ActivationOptions<D extends FloatOrByte = 'float32'>
  extends OutOptions<D>,
    ByteResultOptions {}

/** How an activation goes on below 0. */
export interface AlphaOptions<D extends FloatOrByte = 'float32'> extends ActivationOptions<D> {
  /** The slope of `leakyRelu` below 0 (default 0.01), or minus the limit of `elu` (default 1). */
  alpha?: number
}

/** How `gelu` is computed. */
export interface GeluOptions<D extends FloatOrByte = 'float32'> extends ActivationOptions<D> {
  /** `'none'`: by the error function; `'tanh'`: by the formula that came before it. Default `'none'`. */
  approximate?: 'none' | 'tanh'
}

/** The straight line of `hardSigmoid`. */
export interface HardSigmoidOptions<D extends FloatOrByte = 'float32'> extends ActivationOptions<D> {
  /** Its slope. Default 1/6. */
  alpha?: number
  /** Its value at 0. Default 0.5. */
  beta?: number
}

/** The bounds of `clamp`. */
export interface ClampOptions<D extends FloatOrByte = 'float32'> extends ActivationOptions<D> {
  /** Default -Infinity. */
  low?: number
  /** Default Infinity. */
  high?: number
}

const ACTIVATION: Names<ActivationOptions> = { out: true, quantization: true }
const ALPHA: Names<AlphaOptions> = { alpha: true, out: true, quantization: true }
const GELU: Names<GeluOptions> = { approximate: true, out: true, quantization: true }
const HARD_SIGMOID: Names<HardSigmoidOptions> = { alpha: true, beta: true, out: true, quantization: true }
const CLAMP: Names<ClampOptions> = { low: true, high: true, out: true, quantization: true }

/**
 * max(x, 0). Definition: ONNX Relu.
 *
 * @param x any shape; float32, or int8 or uint8 with a quantization, which gives the same type. The same for
 *   all activations
 * @param options out: a tensor of x's shape to write into; it may be x itself; quantization: of an 8-bit
 *   result, default that of x (of a sigmoid 1/256 from the least integer on). The same for all activations
 * @returns x's shape
 * @throws FilterbankError for an `out` of another shape; nothing is allocated then. The same for all
 *   activations
 * @example const y = relu(x)
 */
export function relu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('relu', options, ACTIVATION)
  return activate('relu', x, formulas.relu, options)
}

/**
 * min(max(x, 0), 6). Definition: PyTorch ReLU6.
 * @example const y = relu6(x)
 */
export function relu6<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('relu6', options, ACTIVATION)
  return activate('relu6', x, formulas.relu6, options)
}

/**
 * x where x >= 0, else alpha * x. Definition: ONNX LeakyRelu.
 * @param options alpha 0.01
 * @example const y = leakyRelu(x, { alpha: 0.2 })
 */
export function leakyRelu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: AlphaOptions<D> = {},
): Tensor<D> {
  checkOptions<AlphaOptions<D>>('leakyRelu', options, ALPHA)
  const { alpha = 0.01 } = options
  checkSettings('leakyRelu', x, { alpha })
  return activate('leakyRelu', x, [UnaryOp.leakyRelu, alpha, 0], options)
}

/**
 * x where x >= 0, else alpha * (exp(x) - 1), without the cancellation near 0. Definition: ONNX Elu.
 * @param options alpha 1
 * @example const y = elu(x)
 */
export function elu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: AlphaOptions<D> = {},
): Tensor<D> {
  checkOptions<AlphaOptions<D>>('elu', options, ALPHA)
  const { alpha = 1 } = options
  checkSettings('elu', x, { alpha })
  return activate('elu', x, [UnaryOp.elu, alpha, 1], options)
}

/**
 * 1.0507 * elu(x) with alpha 1.6733. Definition: Klambauer et al., "Self-Normalizing Neural Networks", 2017;
 * ONNX Selu.
 * @example const y = selu(x)
 */
export function selu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('selu', options, ACTIVATION)
  return activate('selu', x, formulas.selu, options)
}

/**
 * x * P(X <= x) of a normally distributed X: x * (1 + erf(x / sqrt 2)) / 2. -Infinity gives the limit 0.
 * Definition: ONNX Gelu, PyTorch GELU.
 * @param options approximate 'none'; 'tanh': x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
 * @example const y = gelu(x, { approximate: 'tanh' })
 */
export function gelu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: GeluOptions<D> = {},
): Tensor<D> {
  checkOptions<GeluOptions<D>>('gelu', options, GELU)
  const { approximate = 'none' } = options
  check(approximate === 'none' || approximate === 'tanh', () => ({
    op: 'gelu',
    argument: 'approximate',
    expected: "'none' or 'tanh'",
    got: show(approximate),
    shapes: { x: x.shape },
  }))
  return activate('gelu', x, approximate === 'tanh' ? [UnaryOp.geluTanh, 0, 0] : formulas.gelu, options)
}

/**
 * 1 / (1 + exp(-x)). Definition: ONNX Sigmoid.
 * @example const y = sigmoid(x)
 */
export function sigmoid<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('sigmoid', options, ACTIVATION)
  return activate('sigmoid', x, formulas.sigmoid, options)
}

/**
 * max(0, min(1, alpha * x + beta)). Definition: ONNX HardSigmoid, whose alpha is 0.2 where none is given;
 * here it is 1/6 as in PyTorch, TensorFlow and the sigmoid inside of hardSwish.
 * @param options alpha 1/6, beta 0.5
 * @example const y = hardSigmoid(x, { alpha: 0.2 })
 */
export function hardSigmoid<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: HardSigmoidOptions<D> = {},
): Tensor<D> {
  checkOptions<HardSigmoidOptions<D>>('hardSigmoid', options, HARD_SIGMOID)
  const { alpha = 1 / 6, beta = 0.5 } = options
  checkSettings('hardSigmoid', x, { alpha, beta })
  return activate('hardSigmoid', x, [UnaryOp.hardSigmoid, alpha, beta], options)
}

/**
 * The hyperbolic tangent. Definition: ONNX Tanh.
 * @example const y = tanh(x)
 */
export function tanh<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('tanh', options, ACTIVATION)
  return activate('tanh', x, formulas.tanh, options)
}

/**
 * x * sigmoid(x), also called swish. -Infinity gives the limit 0. Definition: PyTorch SiLU.
 * @example const y = silu(x)
 */
export function silu<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('silu', options, ACTIVATION)
  return activate('silu', x, formulas.silu, options)
}

/**
 * x * max(0, min(1, x / 6 + 0.5)). -Infinity gives the limit 0. Definition: ONNX HardSwish.
 * @example const y = hardSwish(x)
 */
export function hardSwish<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('hardSwish', options, ACTIVATION)
  return activate('hardSwish', x, formulas.hardSwish, options)
}

/**
 * x * tanh(log(1 + exp(x))). -Infinity gives the limit 0. Definition: ONNX Mish.
 * @example const y = mish(x)
 */
export function mish<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('mish', options, ACTIVATION)
  return activate('mish', x, formulas.mish, options)
}

/**
 * log(1 + exp(x)), which never overflows. Definition: ONNX Softplus.
 * @example const y = softplus(x)
 */
export function softplus<D extends FloatOrByte = 'float32'>(
  x: Tensor<D>,
  options: ActivationOptions<D> = {},
): Tensor<D> {
  checkOptions<ActivationOptions<D>>('softplus', options, ACTIVATION)
  return activate('softplus', x, formulas.softplus, options)
}

/**
 * min(max(x, low), high). Definition: ONNX Clip. On a bound its derivative is 1, as in PyTorch and
 * TensorFlow.js (on those of relu and relu6 it is 0).
 * @param options low -Infinity, high Infinity
 * @throws FilterbankError where low is above high
 * @example const y = clamp(x, { low: 0, high: 255 })
 */
export function clamp<D extends FloatOrByte = 'float32'>(
  given: Tensor<D>,
  options: ClampOptions<D> = {},
): Tensor<D> {
  checkOptions<ClampOptions<D>>('clamp', options, CLAMP)
  const { low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY } = options
  checkSettings('clamp', given, { low, high })
  check(low <= high, () => ({
    op: 'clamp',
    argument: 'low',
    expected: `at most high ${high}`,
    got: show(low),
    shapes: { x: given.shape },
  }))
  if (isByteTensor(given)) return activate('clamp', given, [UnaryOp.clamp, low, high], options)
  const [x, out] = [given, options.out] as unknown as [Tensor, Tensor | undefined]
  const engine = engineOf('clamp', { x }, { out })
  checkNoQuantization('clamp', x, options.quantization)
  const context: Context = { op: 'clamp', shapes: { x: x.shape, out: out?.shape } }
  const y = produce(engine, x.shape, out, context, (to) => runUnary(UnaryOp.clamp, x, to, low, high))
  engine.trace?.note('activation', y, { x }, { formula: [UnaryOp.clamp, low, high] })
  const bounds = [neighbour(low, -1), neighbour(high, 1)] as const
  engine.tape?.record('clamp', y, { x }, { x }, (dy, kept) => ({
    x: () => clampBackward(dy, kept.x, bounds),
  }))
  return y as Tensor<FloatOrByte> as Tensor<D>
}
