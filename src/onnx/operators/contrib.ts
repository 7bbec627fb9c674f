/**
 * Operators of com.microsoft that optimisers of transformers and convolutional networks write: several of the
 * standard's in one. Definitions: ContribOperators.md of ONNX Runtime.
 */

import { sameShape } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { gelu, sigmoid } from '../../ops/activation.js'
import { add, mul } from '../../ops/arithmetic.js'
import { cast } from '../../ops/cast.js'
import { notEqual } from '../../ops/compare.js'
import { layerNorm, rmsNorm } from '../../ops/layerNorm.js'
import { linear } from '../../ops/matmul.js'
import { sum } from '../../ops/reduce.js'
import { slice } from '../../ops/slice.js'
import { tile } from '../../ops/tile.js'
import { transpose } from '../../ops/transpose.js'
import { fitsEngine, isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { mapInEngine } from './broadcast.js'
import { elementwise } from './elementwise.js'
import { rowsOf } from './indexing.js'
import { joinedAttributes, joinedNames } from './joined.js'
import { matrix, product } from './matrix.js'
import { normalized } from './normalize.js'
import { window } from './window.js'

/** The sum of all inputs that are there. */
function summed(first: Value, ...others: (Value | undefined)[]): Tensor {
  return others.reduce<Tensor>((total, other) => (other ? add(total, other.tensor()) : total), first.tensor())
}

/** The activation that a node says it has; `numberOf`: a number of it, by its name and its place. */
function activated(call: Call, x: Value, numberOf: (name: string, i: number) => number | undefined): Value {
  const name = call.text('activation')
  if (!name) return x
  if (!joinedNames.includes(name)) call.fail('activation', `one of ${joinedNames.join(', ')}`, name)
  return elementwise[name]!(call.onOwn(x, joinedAttributes(name, numberOf))) as Value
}

/** The same with its numbers in a list. */
function activatedByList(call: Call, x: Value): Value {
  const list = call.numbers('activation_params', [])
  return activated(call, x, (_, i) => list[i])
}

const fusedConv: Operator = (call) => {
  const y = window.Conv!(call) as Value
  const more = call.inputs[3]
  if (!more) return activatedByList(call, y)
  const convolved = y.tensor('last')
  const out = sameShape(more.shape, y.shape) ? convolved : undefined
  const total = add(convolved, more.tensor('last'), { out })
  return activatedByList(call, call.tensor(y.type, total, 'last'))
}

const fusedConvTranspose: Operator = (call) => activatedByList(call, window.ConvTranspose!(call) as Value)

const fusedGemm: Operator = (call) =>
  activated(call, matrix.Gemm!(call) as Value, (name) => call.number(`activation_${name}`, undefined))

/** The product with a constant matrix [columns, rows], packed once from where it stands. */
function turnedProduct(call: Call, a: Value, b: Value): Value {
  const [columns, rows] = b.shape as [number, number]
  if (a.shape.at(-1) !== rows) call.fail('inputs', 'of one inner length', [a.shape, b.shape])
  return call.tensor(
    a.type,
    b.packed([rows, columns], [1, rows], (weight) => linear(a.tensor(), weight)),
  )
}

/** alpha * A B, where the last two axes of either may be the other way round. */
const fusedMatMul: Operator = (call) => {
  for (const name of ['transBatchA', 'transBatchB']) if (call.flag(name)) call.fail(name, '0', 1)
  const [a, b] = [call.input(0), call.input(1)]
  const factor = (i: number, attribute: string): Value => {
    const x = call.input(i)
    const rank = x.shape.length
    if (!call.flag(attribute) || rank < 2) return x
    // In the engine, also of a constant: what the host makes of one in each run no replay would repeat.
    return call.tensor(x.type, transpose(x.tensor(), [...Array(rank - 2).keys(), rank - 1, rank - 2]))
  }
  const isMatrix = b.constant && b.shape.length === 2 && isFloat(b.type) && fitsEngine(b.type)
  const isLarge = a.size > 0 && b.size > 0 && a.shape.length > 1 && !(a.isHost && b.isHost)
  const y =
    call.flag('transB') && isMatrix && isLarge && !call.flag('transA')
      ? turnedProduct(call, a, b)
      : product(call, factor(0, 'transA'), factor(1, 'transB'))
  const alpha = call.number('alpha', 1)
  return alpha === 1 ? y : mapInEngine(call, y, (t) => mul(t, alpha))
}

/** Gelu of x, with a bias before it where there is one. */
const biasGelu: Operator = (call) =>
  call.tensor(call.input(0).type, gelu(summed(call.input(0), call.inputs[1])))

/**
 * The same by tanh. A bias of another length than the rows is repeated from the first element to the last,
 * whatever rows they are in, as onnxruntime-web does.
 */
const fastGelu: Operator = (call) => {
  const [x, bias] = [call.input(0), call.inputs[1]]
  const repeated = (b: Value): Tensor => {
    const rows = tile(b.tensor(), [Math.ceil(x.size / b.size)])
    return slice(rows, { end: [x.size] }).reshape(x.shape)
  }
  const isOther = bias && bias.shape.length === 1 && bias.size > 0 && bias.size !== x.shape.at(-1)
  const y = isOther ? add(x.tensor(), repeated(bias)) : summed(x, bias)
  return call.tensor(x.type, gelu(y, { approximate: 'tanh' }))
}

/** x * sigmoid(alpha * x) */
const quickGelu: Operator = (call) =>
  mapInEngine(call, call.input(0), (x) => mul(x, sigmoid(mul(x, call.number('alpha', 1.702)))))

const biasAdd: Operator = (call) =>
  call.tensor(call.input(0).type, summed(call.input(0), call.input(1), call.inputs[2]))

/** What a normalisation of the axes from `axis` on went by: mean and 1 / deviation, for files that ask. */
function statistics(call: Call, x: Tensor, epsilon: number, { axis = -1, centred = true } = {}): Value[] {
  const first = axis < 0 ? axis + x.shape.length : axis
  const axes = x.shape.map((_, i) => i).slice(first)
  const { average, inverse } = normalized(x, axes, epsilon, centred)
  return [average ?? inverse, inverse].map((t) => call.tensor('float32', t))
}

/** input, skip, scale, offset, bias: layer norm of the sum, which is the fourth output. */
const skipLayerNorm: Operator = (call) => {
  const [x, skip, scale, offset, bias] = [
    call.input(0),
    call.input(1),
    call.input(2),
    call.inputs[3],
    call.inputs[4],
  ]
  const total = summed(x, skip, bias)
  const epsilon = call.number('epsilon', 1e-12)
  const y = layerNorm(total, { scale: scale.tensor(), epsilon, ...(offset && { offset: offset.tensor() }) })
  const asked = call.node.outputs[1] || call.node.outputs[2]
  const [average, inverse] = asked ? statistics(call, total, epsilon) : []
  return [call.tensor(x.type, y), average, inverse, call.tensor(x.type, total)]
}

/** The same without means and offsets: input, skip, scale, bias. */
const skipRmsNorm: Operator = (call) => {
  const [x, skip, scale, bias] = [call.input(0), call.input(1), call.input(2), call.inputs[3]]
  const total = summed(x, skip, bias)
  const epsilon = call.number('epsilon', 1e-12)
  const y = rmsNorm(total, { scale: scale.tensor(), epsilon })
  if (call.node.outputs[1]) call.fail('output 1', 'left out', 'a mean, which there is none of')
  const inverse = call.node.outputs[2] ? statistics(call, total, epsilon, { centred: false })[1] : undefined
  return [call.tensor(x.type, y), undefined, inverse, call.tensor(x.type, total)]
}

/** Of the last axes from `axis` on, without means. */
const simplifiedLayerNorm: Operator = (call) => {
  const [x, scale] = [call.input(0), call.input(1)]
  const axis = call.ownAxis(x.shape.length, -1)
  const epsilon = call.number('epsilon', 1e-5)
  const y = rmsNorm(x.tensor(), { axis, scale: scale.tensor(), epsilon })
  const asked = call.node.outputs[1]
  return [
    call.tensor(x.type, y),
    asked ? statistics(call, x.tensor(), epsilon, { axis, centred: false })[1] : undefined,
  ]
}

/**
 * input_ids, segment_ids, three tables (words, places, segments), scale, offset, mask, position_ids: layer
 * norm of the sum of the rows; how much of each mask is there; the sum.
 */
/** How many numbers of a mask [n, length] count in each row; 0 without one. */
export function countsOf(call: Call, mask: Value | undefined, n: number): Value {
  const counts = mask
    ? sum(cast(notEqual(mask.tensor(), 0), 'float32'), { axes: 1 })
    : call.tables('none', [n], [], () => [new Array<number>(n).fill(0)])[0]!.tensor()
  return call.tensor('int32', cast(counts, 'int32'))
}

const embedLayerNorm: Operator = (call) => {
  const [ids, segments, words, places, kinds] = [
    call.input(0),
    call.inputs[1],
    call.input(2),
    call.input(3),
    call.inputs[4],
  ]
  const [scale, offset, mask, given] = [call.input(5), call.input(6), call.inputs[7], call.inputs[8]]
  const [n, length] = ids.shape as [number, number]
  const placed = given ? rowsOf(places, given) : slice(places.tensor(), { end: [length, places.shape[1]!] })
  const known = add(rowsOf(words, ids), placed)
  const total = segments && kinds ? add(known, rowsOf(kinds, segments)) : known
  const y = layerNorm(total, {
    scale: scale.tensor(),
    offset: offset.tensor(),
    epsilon: call.number('epsilon', 1e-12),
  })
  return [
    call.tensor(words.type, y),
    countsOf(call, mask, n),
    call.node.outputs[2] ? call.tensor(words.type, total) : undefined,
  ]
}

export const contrib: Record<string, Operator> = {
  SimplifiedLayerNormalization: simplifiedLayerNorm,
  'com.microsoft.BiasAdd': biasAdd,
  'com.microsoft.BiasGelu': biasGelu,
  'com.microsoft.EmbedLayerNormalization': embedLayerNorm,
  'com.microsoft.FastGelu': fastGelu,
  'com.microsoft.FusedConv': fusedConv,
  'com.microsoft.FusedConvTranspose': fusedConvTranspose,
  'com.microsoft.FusedGemm': fusedGemm,
  'com.microsoft.FusedMatMul': fusedMatMul,
  'com.microsoft.Gelu': biasGelu,
  'com.microsoft.QuickGelu': quickGelu,
  'com.microsoft.SimplifiedLayerNormalization': simplifiedLayerNorm,
  'com.microsoft.SkipLayerNormalization': skipLayerNorm,
  'com.microsoft.SkipSimplifiedLayerNormalization': skipRmsNorm,
}
