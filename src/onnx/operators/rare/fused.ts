/**
 * Operators of com.microsoft that several of the standard's are joined to, and those that the standard took
 * over later. Definitions: ContribOperators.md of ONNX Runtime.
 */
import { sizeOf } from '../../../base/shape.js'
import type { Tensor } from '../../../core/tensor.js'
import { gelu, silu } from '../../../ops/activation.js'
import { add, mul, sub } from '../../../ops/arithmetic.js'
import { groupNorm } from '../../../ops/groupNorm.js'
import { sum } from '../../../ops/reduce.js'
import { slice } from '../../../ops/slice.js'
import { softmax } from '../../../ops/softmax.js'
import { stack } from '../../../ops/stack.js'
import { sqrt } from '../../../ops/unary.js'
import type { Call, Operator } from '../../run/call.js'
import { permuted } from '../../run/move.js'
import { mapInEngine } from '../broadcast.js'
import { contrib } from '../contrib.js'
import { indexing, taken } from '../indexing.js'
import { masks } from '../masks.js'
import { product } from '../matrix.js'
import { quantize } from '../quantize.js'
import { resizing } from '../resize.js'
import { shape } from '../shape.js'

/** Parts of the last axis. */
const columns = (x: Tensor, from: number, to: number): Tensor =>
  slice(x, { begin: x.shape.map((_, i) => (i === x.shape.length - 1 ? from : 0)), end: x.shape.with(-1, to) })

/** The first half of x + bias times gelu of the second. */
const biasSplitGelu: Operator = (call) => {
  const x = call.input(0)
  const width = x.shape.at(-1)!
  if (width % 2) call.fail('input 0', 'rows of an even length', x.shape)
  const y = add(x.tensor(), call.input(1).tensor())
  return call.tensor(x.type, mul(columns(y, 0, width / 2), gelu(columns(y, width / 2, width))))
}

/** softmax(x + bias) over all axes from `axis` on; of the bias the axes between are left out or 1. */
const biasSoftmax: Operator = (call) => {
  const [x, bias] = [call.input(0), call.input(1)]
  const axis = call.ownAxis(x.shape.length, 1)
  const inner = call.flag('is_inner_broadcast', true)
  // An outer broadcast leaves out the first axes, which NumPy's rule does too.
  const own =
    inner && bias.shape.length !== x.shape.length
      ? [...bias.shape.slice(0, bias.shape.length - (x.shape.length - axis)), ...x.shape.slice(axis)]
      : bias.shape
  const y = add(x.tensor(), bias.tensor().reshape(own)).reshape([
    sizeOf(x.shape.slice(0, axis)),
    sizeOf(x.shape.slice(axis)),
  ])
  return call.tensor(x.type, softmax(y, { axis: 1 }).reshape(x.shape))
}

/** x + bias + residual: nothing is dropped outside of training. */
const biasDropout: Operator = (call) => {
  const [x, bias, residual] = [call.input(0), call.input(1), call.inputs[2]]
  if (call.node.outputs[1]) call.fail('output 1', 'left out', 'a mask')
  if (call.inputs[4]?.data[0]) call.fail('training_mode', 'false', true)
  const y = add(x.tensor(), bias.tensor())
  return call.tensor(x.type, residual ? add(y, residual.tensor()) : y)
}

const gemmFastGelu: Operator = (call) => {
  const y = product(call, call.input(0), call.input(1))
  const bias = call.inputs[2]
  const t = bias ? add(y.tensor(), bias.tensor()) : y.tensor()
  return call.tensor(y.type, gelu(t, { approximate: 'tanh' }))
}

/** The distance of each row of A from each row of B. */
const cDist: Operator = (call) => {
  const [a, b] = [call.input(0), call.input(1)]
  const metric = call.text('metric', 'sqeuclidean')
  if (metric !== 'sqeuclidean' && metric !== 'euclidean')
    call.fail('metric', 'euclidean or sqeuclidean', metric)
  const [n, width] = a.shape as [number, number]
  const difference = sub(a.tensor().reshape([n, 1, width]), b.tensor().reshape([1, b.shape[0]!, width]))
  const squares = sum(mul(difference, difference), { axes: 2 })
  return call.tensor(a.type, metric === 'euclidean' ? sqrt(squares) : squares)
}

/** Products of complex numbers [..., real and imaginary part]; of the conjugate of the second. */
const complexMul =
  (sign: 1 | -1): Operator =>
  (call) => {
    const part = (i: number, k: number): Tensor => {
      const x = call.input(i).tensor()
      return columns(x, k, k + 1).reshape(x.shape.slice(0, -1))
    }
    const [a, b, c, d] = [part(0, 0), part(0, 1), part(1, 0), mul(part(1, 1), sign)]
    const y = stack([sub(mul(a, c), mul(b, d)), add(mul(a, d), mul(b, c))], { axis: -1 })
    return call.tensor(call.input(0).type, y)
  }

/** Of x [n, height, width, c] (or, channels_last 0, [n, c, height, width]) in groups of channels. */
function grouped(call: Call, x: Tensor): Tensor {
  const [scale, offset] = [call.input(1).tensor(), call.input(2).tensor()]
  const groups = call.number('groups', 1)
  const y = groupNorm(x, { groups, scale, offset, epsilon: call.number('epsilon', 1e-5) })
  return call.flag('activation') ? silu(y) : y
}

const groupNormalization: Operator = (call) => {
  const x = call.input(0)
  const isLast = call.flag('channels_last', true)
  const y = grouped(call, x.tensor(isLast ? 'plain' : 'last'))
  return call.tensor(x.type, y, isLast ? 'plain' : 'last')
}

/** x, gamma, beta, skip, bias: the same of the sum, which goes out too. */
const skipGroupNorm: Operator = (call) => {
  const [x, skip, bias] = [call.input(0), call.input(3), call.inputs[4]]
  if (!call.flag('channels_last', true)) call.fail('channels_last', '1', 0)
  const [n, , , c] = x.shape as [number, number, number, number]
  const other = skip.shape.length === 2 ? skip.tensor().reshape([n, 1, 1, c]) : skip.tensor()
  const total = add(x.tensor(), other)
  const all = bias ? add(total, bias.tensor()) : total
  return [call.tensor(x.type, grouped(call, all)), call.tensor(x.type, all)]
}

/** An axis of 1 before the one that input 1 names. */
const expandDims: Operator = (call) => {
  const x = call.input(0)
  const axis = call.axis(call.scalar(1) ?? 0, x.shape.length + 1)
  return x.reshaped(x.shape.toSpliced(axis, 0, 1))
}

/** Windows of `size` along an axis, a step apart: their number takes its place, a window stands last. */
const unfoldTensor: Operator = (call) => {
  const x = call.input(0)
  const axis = call.axis(call.number('dim', -1), x.shape.length)
  const [size, step] = [call.number('size', 0), call.number('step', 1)]
  const length = x.shape[axis]!
  if (!(size >= 1 && size <= length)) call.fail('size', `an integer from 1 to ${length}`, size)
  if (!(step >= 1)) call.fail('step', 'at least 1', step)
  const count = Math.floor((length - size) / step) + 1
  const indexes = Array.from({ length: count * size }, (_, i) => Math.floor(i / size) * step + (i % size))
  const windows = taken(call, x, axis, indexes).reshaped(x.shape.toSpliced(axis, 1, count, size))
  const others = [...windows.shape.keys()].filter((i) => i !== axis + 1)
  return permuted(call, windows, [...others, axis + 1])
}

/** Row `i` of a table for each index i. */
const torchEmbedding: Operator = (call) => indexing['Gather']!(call.on([call.input(0), call.input(1)]))

/** -inf for each token that would make n tokens follow each other a second time. */
const nGramRepeatBlock: Operator = (call) => {
  const [ids, scores] = [call.input(0), call.input(1)]
  const n = call.number('ngram_size', 0)
  if (!(n >= 1)) call.fail('ngram_size', 'at least 1', n)
  if (scores.type === 'string') call.fail('input 1', 'numbers', scores.type)
  const [rows, length] = ids.shape as [number, number]
  const words = scores.shape[1]!
  if (scores.shape[0] !== rows) call.fail('scores', `[${rows}, words]`, scores.shape)
  const tokens = ids.numbers
  return call.host(scores.type, scores.shape, (data) => {
    data.set(scores.data as Float64Array)
    for (let row = 0; row < rows; row++) {
      const at = (i: number) => tokens[row * length + i]!
      for (let i = 0; i + n <= length; i++) {
        const isSame = Array.from({ length: n - 1 }, (_, k) => at(i + k) === at(length - n + 1 + k))
        if (!isSame.every(Boolean)) continue
        const word = at(i + n - 1)
        if (word < 0 || word >= words) call.fail('input_ids', `from 0 to ${words - 1}`, word)
        data[row * words + word] = Number.NEGATIVE_INFINITY
      }
    }
  })
}

/** Of the standard before it was one: begins, ends and axes as inputs. */
const dynamicSlice: Operator = (call) => shape['Slice']!(call)

/** x times a number. */
const scaled: Operator = (call) => mapInEngine(call, call.input(0), (x) => mul(x, call.number('scale', 1)))

export const fused: Record<string, Operator> = Object.fromEntries(
  Object.entries({
    BiasDropout: biasDropout,
    BiasSoftmax: biasSoftmax,
    BiasSplitGelu: biasSplitGelu,
    CDist: cDist,
    ComplexMul: complexMul(1),
    ComplexMulConj: complexMul(-1),
    ExpandDims: expandDims,
    GatherND: indexing['GatherND']!,
    GemmFastGelu: gemmFastGelu,
    GridSample: resizing['GridSample']!,
    GroupNorm: groupNormalization,
    MatMulInteger16: quantize['MatMulInteger']!,
    NGramRepeatBlock: nGramRepeatBlock,
    Pad: shape['Pad']!,
    Range: shape['Range']!,
    SkipGroupNorm: skipGroupNorm,
    TransposeMatMul: contrib['com.microsoft.FusedMatMul']!,
    TorchEmbedding: torchEmbedding,
    Trilu: masks['Trilu']!,
    UnfoldTensor: unfoldTensor,
  }).map(([name, run]) => [`com.microsoft.${name}`, run]),
)

/** Those that were experiments of the standard. */
export const former: Record<string, Operator> = { DynamicSlice: dynamicSlice, Scale: scaled }
