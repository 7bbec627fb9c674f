/**
 * What stands between convolutions of 8-bit integers: sums, products, functions, pools and concatenations
 * that take such integers and give such. Definitions: ContribOperators.md of ONNX Runtime. What the ops on
 * bytes cannot do (scales that are not known, types that differ) goes by floats.
 */

import { sizeOf } from '../../base/shape.js'
import type { ByteType } from '../../core/dtype.js'
import { type AnyTensor, Tensor } from '../../core/tensor.js'
import { type Activation, applyActivation, formulaOf, leakyRelu } from '../../ops/activation.js'
import { activateBytes } from '../../ops/activationBytes.js'
import { add, div, mul, sub } from '../../ops/arithmetic.js'
import { maximum, minimum } from '../../ops/binary.js'
import type { ResultQuantization } from '../../ops/byteResult.js'
import { product2 } from '../../ops/matmul.js'
import { avgPool2d, globalAvgPool2d } from '../../ops/pool.js'
import { softmax } from '../../ops/softmax.js'
import type { Call, Operator } from '../run/call.js'
import { Value } from '../run/value.js'
import { commonShape, layoutOf, mapInEngine, tensorOf } from './broadcast.js'
import { byteFunction } from './byteFunction.js'
import { isByte, standing, termsOf } from './bytes.js'
import { elementwise } from './elementwise.js'
import { matrix } from './matrix.js'
import { averagePoolOfBytes, globalPoolOf, pools, withWholeWindows } from './pool.js'
import { dequantizeLinear, quantizeLinear } from './quantize.js'
import { axisIn, mapAlong, reduce, reducedAxes, reducedValue } from './reduce.js'
import { resize, resizeBytes } from './resize.js'
import { shape } from './shape.js'
import { transposedOfBytes, window } from './window.js'

/** A value of 8-bit integers with its scale and zero point; a result has these two alone. */
interface Terms {
  scale: Value
  zero: Value
}
interface Operand extends Terms {
  x: Value
}

const zeroOf = (call: Call, type: Value['type']): Value =>
  Value.onHost(call.run, type, [], type === 'int8' ? new Int8Array(1) : new Uint8Array(1), true)

/** Scale and zero point at two inputs; a zero point that is left out is 0 in the type of x. */
const termsAt = (call: Call, i: number, type: Value['type']): Terms => ({
  scale: call.input(i),
  zero: call.inputs[i + 1] ?? zeroOf(call, type),
})

const operandAt = (call: Call, i: number): Operand => {
  const x = call.input(i)
  return { x, ...termsAt(call, i + 1, x.type) }
}

/** What one scale and zero point say, where both are known. */
const known = ({ scale, zero }: Terms): ResultQuantization | undefined =>
  scale.size === 1 && zero.size === 1 ? (termsOf(scale, zero) as ResultQuantization | undefined) : undefined

/**
 * `use` of operands and a result of one type whose scales are known; undefined where they are not so.
 * `tensor` says how an operand stands in the engine.
 */
function onBytes<T>(
  operands: readonly Operand[],
  to: Terms,
  use: (quantization: ResultQuantization, ...standing: ((tensor: AnyTensor) => Tensor<ByteType>)[]) => T,
): T | undefined {
  const quantization = known(to)
  const from = operands.map(known)
  return quantization &&
    operands.every(({ x, zero }, i) => isByte(x) && from[i] && x.size > 0 && zero.type === to.zero.type) &&
    operands.every(({ x }) => x.type === to.zero.type)
    ? use(quantization, ...from.map((terms) => (tensor: AnyTensor) => standing(tensor, terms!)))
    : undefined
}

/** Bytes that an op gave, as a value of the graph, which says by itself what they stand for. */
const plainly = (call: Call, run: () => AnyTensor): AnyTensor =>
  call.engine.scope(() => {
    const y = run()
    return new Tensor(y.engine, y.shape, y.storage as never)
  })

const oneOf = (call: Call): Value => Value.onHost(call.run, 'float32', [], Float32Array.of(1), true)

type Quantize = (call: Call, y: Value, to: Terms) => Value

const quantized: Quantize = (call, y, { scale, zero }) => quantizeLinear(call.on([y, scale, zero])) as Value

/**
 * With the zero point added before it is rounded, so that it is the sum that goes to the even side of a tie.
 */
const shifted: Quantize = (call, y, { scale, zero }) => {
  const one = oneOf(call)
  const offset = dequantizeLinear(call.on([zero, one])) as Value
  const units = elementwise.Div!(call.on([y, scale])) as Value
  const sum = elementwise.Add!(call.on([units, offset])) as Value
  return quantized(call, sum, { scale: one, zero: zeroOf(call, zero.type) })
}

/** The operator of floats on what the operands stand for. */
function byFloats(
  call: Call,
  operands: readonly Operand[],
  to: Terms,
  run: Operator,
  end = quantized,
): Value {
  const floats = operands.map(({ x, scale, zero }) => dequantizeLinear(call.on([x, scale, zero])) as Value)
  return end(call, run(call.on(floats)) as Value, to)
}

type ByFloats = (call: Call, a: Operand, b: Operand, to: Terms) => Value

/** By the operator of that name. */
const byOperator =
  (name: 'Add' | 'Div' | 'Max' | 'Min' | 'Sub'): ByFloats =>
  (call, a, b, to) =>
    byFloats(call, [a, b], to, elementwise[name]!, shifted)

/** Products of whole numbers, which are exact, times what the scales are together. */
const productByFloats: ByFloats = (call, a, b, to) => {
  const one = oneOf(call)
  const product = elementwise.Mul!
  const [p, q] = [a, b].map(({ x, zero }) => dequantizeLinear(call.on([x, one, zero])) as Value)
  const scale = product(call.on([a.scale, b.scale])) as Value
  const ratio = elementwise.Div!(call.on([scale, to.scale])) as Value
  const y = product(call.on([product(call.on([p, q])) as Value, ratio])) as Value
  return shifted(call, y, { scale: one, zero: to.zero })
}

const arithmetic =
  (op: typeof add | typeof maximum, floats: ByFloats): Operator =>
  (call) => {
    const [a, b] = [operandAt(call, 0), operandAt(call, 3)]
    const to = termsAt(call, 6, a.x.type)
    const common = commonShape(call, [a.x.shape, b.x.shape])
    const layout = layoutOf([a.x, b.x], common)
    const { activation } = call.node
    const bytes = onBytes([a, b], to, (quantization, ofA, ofB) => {
      const [p, q] = [a.x, b.x].map((x) => tensorOf(x, common.length, layout, x.dtype)) as [
        AnyTensor,
        AnyTensor,
      ]
      const y = plainly(call, () => op(ofA!(p), ofB!(q), { quantization, ...(activation && { activation }) }))
      return call.tensor(to.zero.type, y, layout)
    })
    return bytes ?? floats(call, a, b, to)
  }

/** A function of each element, by a table. */
function mapped(
  call: Call,
  x: Operand,
  to: Terms,
  formula: ReturnType<typeof formulaOf>,
  floats: Operator,
): Value {
  const bytes = onBytes([x], to, (quantization, ofX) => {
    const { layout } = x.x
    const tensor = x.x.typed(layout)
    const y = plainly(call, () =>
      activateBytes(call.node.op, ofX!(tensor), formula, { out: undefined, quantization }),
    )
    return call.tensor(to.zero.type, y, layout)
  })
  return bytes ?? byFloats(call, [x], to, floats)
}

const activated =
  (activationOf: (call: Call) => Activation): Operator =>
  (call) => {
    const x = operandAt(call, 0)
    const activation = activationOf(call)
    return mapped(call, x, termsAt(call, 3, x.x.type), formulaOf(activation), (floats) =>
      mapInEngine(floats, floats.input(0), (t) => applyActivation(call.node.op, t, activation)),
    )
  }

const qLinearLeakyRelu: Operator = (call) => {
  const x = operandAt(call, 0)
  const alpha = call.number('alpha', 0.01)
  const [code] = formulaOf('leakyRelu')
  return mapped(call, x, termsAt(call, 3, x.x.type), [code, alpha, 0], (floats) =>
    mapInEngine(floats, floats.input(0), (t) => leakyRelu(t, { alpha })),
  )
}

/** Neither less nor more than each is. */
const EVERYTHING: Activation = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]

/** An operand in the integers of the result. */
function inTermsOf(call: Call, x: Operand, to: Terms): Value {
  const [own, wanted] = [known(x), known(to)]
  const isSame =
    own &&
    wanted &&
    x.x.type === to.zero.type &&
    Math.fround(own.scale) === Math.fround(wanted.scale) &&
    own.zeroPoint === wanted.zeroPoint
  return isSame ? x.x : mapped(call, x, to, formulaOf(EVERYTHING), (floats) => floats.input(0))
}

const qLinearConcat: Operator = (call) => {
  const operands: Operand[] = []
  for (let i = 2; i < call.inputs.length; i += 3) operands.push(operandAt(call, i))
  if (!operands.length) call.fail('inputs', 'at least one to join', 'none')
  const to = termsAt(call, 0, operands[0]!.x.type)
  return shape.Concat!(call.on(operands.map((x) => inTermsOf(call, x, to))))
}

/** Mask, then both operands. */
const qLinearWhere: Operator = (call) => {
  const operands = [operandAt(call, 1), operandAt(call, 4)]
  const to = termsAt(call, 7, operands[0]!.x.type)
  return elementwise.Where!(call.on([call.input(0), ...operands.map((x) => inTermsOf(call, x, to))]))
}

/** A pool of images whose channels stand last in the file, too. */
const channelsLast =
  (pool: (call: Call, x: Operand, to: Terms) => Value): Operator =>
  (call) => {
    const x = operandAt(call, 0)
    const to = termsAt(call, 3, x.x.type)
    if (!call.flag('channels_last')) return pool(call, x, to)
    const given = x.x.typed()
    const y = pool(call, { ...x, x: call.tensor(x.x.type, given.reshape(given.shape), 'last') }, to)
    const tensor = y.typed('last')
    return call.tensor(y.type, tensor.reshape(tensor.shape))
  }

const qLinearAveragePool = channelsLast((given, x, to) => {
  const call = withWholeWindows(given, x.x)
  const countIncludePad = call.flag('count_include_pad')
  const bytes = onBytes([x], to, (quantization, ofX) =>
    averagePoolOfBytes(call, x.x, (pixels, options) =>
      plainly(call, () =>
        avgPool2d(ofX!(pixels), { ...options, dilation: 1, countIncludePad, quantization }),
      ),
    ),
  )
  return bytes ?? byFloats(call, [x], to, pools.AveragePool!, shifted)
})

const qLinearGlobalAveragePool = channelsLast((call, x, to) => {
  const bytes = onBytes([x], to, (quantization, ofX) =>
    globalPoolOf(call, x.x, (pixels) => plainly(call, () => globalAvgPool2d(ofX!(pixels), { quantization }))),
  )
  return bytes ?? byFloats(call, [x], to, pools.GlobalAveragePool!, shifted)
})

/** Inputs as of QLinearConv; a filter [in, out / groups, ...window]. */
const qLinearConvTranspose: Operator = (call) => {
  const [x, w, bias] = [operandAt(call, 0), operandAt(call, 3), call.inputs[8]]
  const to = termsAt(call, 6, x.x.type)
  const rank = w.x.shape.length
  const from = known(x)
  const quantization = known(to)
  // Of several groups the scales of one are those of all, which the op does not have.
  const by =
    w.scale.size === 1 || call.number('group', 1) === 1
      ? termsOf(w.scale, w.zero, rank - 1, w.x.shape[1])
      : undefined
  const isPlain = isByte(x.x) && isByte(w.x) && isByte(to.zero) && w.x.size > 0 && x.x.size > 0 && rank < 5
  if (isPlain && from && by && quantization) {
    const sums = bias?.typed() as Tensor<'int32'> | undefined
    const dtype = to.zero.type as ByteType
    const y = transposedOfBytes(call, x.x, w.x, (pixels, filter, run) =>
      plainly(call, () =>
        run(standing(pixels, from), standing(filter, by), {
          bias: sums,
          quantization: { ...quantization, dtype },
          activation: call.node.activation,
        }),
      ),
    )
    return call.tensor(dtype, y, 'last')
  }
  const [left, right] = [x, w].map(
    ({ x, scale, zero }) => dequantizeLinear(call.on([x, scale, zero], { axis: 1 })) as Value,
  ) as [Value, Value]
  const units = bias && elementwise.Mul!(call.on([x.scale, w.scale]))
  const offset = units && (dequantizeLinear(call.on([bias, units as Value], { axis: 0 })) as Value)
  const y = window.ConvTranspose!(call.on([left, right, offset])) as Value
  return quantizeLinear(call.on([y, to.scale, to.zero]))
}

/** Channels from which means of bytes along other axes are taken many at a time. */
const MANY = 16

/** Inputs: bytes, scale, zero point, those of the result; since opset 18 axes. */
const qLinearReduceMean: Operator = (call) => {
  const x = operandAt(call, 0)
  const to = termsAt(call, 3, x.x.type)
  const rest = call.inputs.slice(5)
  const { layout } = x.x
  const axes = reducedAxes(call.on([x.x, ...rest]), x.x).map((axis) => axisIn(x.x, axis))
  const tensor = x.x.typed(layout)
  const [first, last] = [Math.min(...axes), Math.max(...axes)]
  const [outer, inner] = [sizeOf(tensor.shape.slice(0, first)), sizeOf(tensor.shape.slice(last + 1))]
  const bytes =
    last - first + 1 === axes.length && inner >= MANY
      ? onBytes([x], to, (quantization, ofX) =>
          reducedValue(call, x.x, axes, (kept) => {
            const image = tensor.reshape([outer, tensor.size / outer / inner, 1, inner])
            return plainly(call, () => globalAvgPool2d(ofX!(image), { quantization })).reshape(kept)
          }),
        )
      : undefined
  return bytes ?? byFloats(call, [x], to, (floats) => reduce.ReduceMean!(call.on([floats.input(0), ...rest])))
}

const qLinearSoftmax =
  (isOld: (call: Call) => boolean): Operator =>
  (call) => {
    const x = operandAt(call, 0)
    const to = termsAt(call, 3, x.x.type)
    const bytes = onBytes([x], to, (quantization, ofX) =>
      mapAlong(
        call,
        x.x,
        isOld(call),
        (layout) => x.x.typed(layout),
        (t, axis) => plainly(call, () => softmax(ofX!(t), { axis, quantization })),
      ),
    )
    const floats: Operator = (call) => {
      const numbers = call.input(0)
      return mapAlong(
        call,
        numbers,
        isOld(call),
        (layout) => numbers.tensor(layout),
        (t, axis) => softmax(t, { axis }),
      )
    }
    return bytes ?? byFloats(call, [x], to, floats)
  }

/** Inputs: bytes, scale, zero point, those of the result, and what Resize has behind x. */
const qLinearResize: Operator = (call) => {
  const x = operandAt(call, 0)
  const to = termsAt(call, 3, x.x.type)
  const rest = call.inputs.slice(5)
  return (
    onBytes([x], to, (quantization, ofX) => resizeBytes(call.on([x.x, ...rest]), x.x, ofX!, quantization)) ??
    byFloats(call, [x], to, (floats) => resize(call.on([floats.input(0), ...rest])))
  )
}

/** alpha * A B + C, where C is whole numbers in units of alpha times both scales. */
const qGemm: Operator = (call) => {
  const [a, b, c] = [operandAt(call, 0), operandAt(call, 3), call.inputs[6]]
  const alpha = call.number('alpha', 1)
  const to = call.inputs[7] && termsAt(call, 7, a.x.type)
  const [from, quantization] = [known(a), to && known(to)]
  const transB = call.flag('transB')
  const axes = b.x.shape.length
  const by = termsOf(b.scale, b.zero, 1, b.x.shape[transB ? 0 : 1])
  const [depth, columns] = transB ? [b.x.shape[1]!, b.x.shape[0]!] : (b.x.shape as [number, number])
  const isPlain = isByte(a.x) && isByte(b.x) && axes === 2 && a.x.shape.length === 2 && !call.flag('transA')
  const takesBias = !c || (c.type === 'int32' && c.size === columns && c.shape.at(-1) === columns)
  if (isPlain && a.x.size && b.x.size && from && by && to && quantization && alpha > 0 && takesBias) {
    const dtype = to.zero.type as ByteType
    const x = a.x.typed()
    const bias = c && (c.reshaped([columns]).typed() as Tensor<'int32'>)
    const y = b.x.packed(
      [depth, columns],
      transB ? [1, depth] : [columns, 1],
      (weight) =>
        plainly(call, () =>
          product2(standing(x, { ...from, scale: from.scale * alpha }), standing(weight, by), {
            bias,
            quantization: { ...quantization, dtype },
            activation: call.node.activation,
          }),
        ),
      b.x.dtype,
    )
    return call.tensor(dtype, y)
  }
  const [left, right] = [a, b].map(
    ({ x, scale, zero }, i) =>
      dequantizeLinear(call.on([x, scale, zero], { axis: i && !transB ? -1 : 0 })) as Value,
  ) as [Value, Value]
  const product = matrix.Gemm!(call.on([left, right])) as Value
  const units = elementwise.Mul!(call.on([a.scale, b.scale])) as Value
  const ofC = () => elementwise.Mul!(call.on([units, alphaOf(call, alpha)])) as Value
  const summed = c
    ? (elementwise.Add!(
        call.on([product, dequantizeLinear(call.on([c, ofC()], { axis: -1 })) as Value]),
      ) as Value)
    : product
  return to ? quantizeLinear(call.on([summed, to.scale, to.zero])) : summed
}

const alphaOf = (call: Call, alpha: number): Value =>
  Value.onHost(call.run, 'float32', [], Float32Array.of(alpha), true)

export const bytesBetween: Record<string, Operator> = {
  'com.microsoft.QGemm': qGemm,
  'com.microsoft.QLinearAdd': arithmetic(add, byOperator('Add')),
  'com.microsoft.QLinearAveragePool': qLinearAveragePool,
  'com.microsoft.QLinearConcat': qLinearConcat,
  'com.microsoft.QLinearGlobalAveragePool': qLinearGlobalAveragePool,
  'com.microsoft.QLinearLeakyRelu': qLinearLeakyRelu,
  'com.microsoft.QLinearMul': arithmetic(mul, productByFloats),
  'com.microsoft.QLinearReduceMean': qLinearReduceMean,
  'com.microsoft.QLinearSigmoid': activated(() => 'sigmoid'),
  'com.microsoft.QLinearSoftmax': qLinearSoftmax((call) => call.number('opset', 13) < 13),
  'com.microsoft.QLinearWhere': qLinearWhere,
  'filterbank.ByteFunction': byteFunction,
  'filterbank.QLinearConvTranspose': qLinearConvTranspose,
  'filterbank.QLinearDiv': arithmetic(div, byOperator('Div')),
  'filterbank.QLinearMax': arithmetic(maximum, byOperator('Max')),
  'filterbank.QLinearMin': arithmetic(minimum, byOperator('Min')),
  'filterbank.QLinearSub': arithmetic(sub, byOperator('Sub')),
  'filterbank.QLinearSoftmax': qLinearSoftmax((call) => call.opset < 13),
  'filterbank.QLinearResize': qLinearResize,
}
