/** Matrix products: MatMul and Gemm; Einsum stands by itself. */

import { broadcastShapes, broadcastStrides, type Shape, stridesOf } from '../../base/shape.js'
import { SLICE } from '../../base/turns.js'
import type { Tensor } from '../../core/tensor.js'
import { add, mul } from '../../ops/arithmetic.js'
import { linear, matmul } from '../../ops/matmul.js'
import { isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { FEW, indexesOf, offsetOf, permuted, wide } from '../run/move.js'
import type { Value } from '../run/value.js'
import { commonShape } from './broadcast.js'
import { einsum } from './einsum.js'

/** [...batch, m, n] of a product of [...batch, m, k] and [...batch, k, n]. */
function productShape(call: Call, a: Value, b: Value): Shape {
  const batch =
    broadcastShapes(a.shape.slice(0, -2), b.shape.slice(0, -2)) ??
    call.fail('inputs', 'of axes before the last two that broadcast', [a.shape, b.shape])
  const [m, k] = a.shape.slice(-2) as [number, number]
  const [depth, n] = b.shape.slice(-2) as [number, number]
  if (k !== depth) call.fail('inputs', 'of one inner length', [a.shape, b.shape])
  return [...batch, m, n]
}

/** Sums of products on the host, for long whole numbers and float64. */
function matmulOnHost(call: Call, a: Value, b: Value): Value {
  const shape = productShape(call, a, b)
  const [batchA, batchB, batch] = [a.shape.slice(0, -2), b.shape.slice(0, -2), shape.slice(0, -2)]
  const [m, n] = shape.slice(-2) as [number, number]
  const k = a.shape.at(-1)!
  const [strideA, strideB] = [broadcastStrides(batchA, batch), broadcastStrides(batchB, batch)]
  return call.host(a.type, shape, function* (y) {
    yield* a.settled()
    yield* b.settled()
    const [p, q] = [wide(a), wide(b)]
    const sums = new Float64Array(n)
    let i = 0
    let looks = 0
    for (const index of indexesOf(batch)) {
      const [firstA, firstB] = [offsetOf(index, strideA) * m * k, offsetOf(index, strideB) * k * n]
      for (let row = 0; row < m; row++, i += n) {
        sums.fill(0)
        // A row of b at a time, as it stands in memory; each sum is in order.
        for (let j = 0; j < k; j++) {
          const factor = p[firstA + row * k + j]!
          const first = firstB + j * n
          for (let begin = 0; begin < n; begin += SLICE) {
            const end = Math.min(n, begin + SLICE)
            for (let column = begin; column < end; column++) sums[column]! += factor * q[first + column]!
            looks += end - begin
            if (looks < SLICE) continue
            looks = 0
            yield
          }
        }
        y.set(sums, i)
      }
    }
  })
}

/** Where the graph was fused there is a bias: then b is a constant matrix. */
export function product(call: Call, a: Value, b: Value, bias?: Value): Value {
  const { activation } = call.node
  const [rowA, columnB] = [a.shape.length === 1, b.shape.length === 1]
  const [p, q] = [rowA ? a.reshaped([1, a.size]) : a, columnB ? b.reshaped([b.size, 1]) : b]
  const whole = () => {
    if (!isFloat(a.type) || (a.isHost && b.isHost && !bias && !activation)) return matmulOnHost(call, p, q)
    if (p.size === 0 || q.size === 0) return call.zeros(a.type, productShape(call, p, q))
    // A constant matrix is packed once; `tensor` of a reshaped value would be packed in each run.
    if (q.shape.length === 2 && b.constant && q.size > 0)
      return call.tensor(
        a.type,
        b.packed(q.shape, stridesOf(q.shape), (weight) =>
          linear(p.tensor(), weight, { bias: bias?.tensor(), activation }),
        ),
      )
    return call.tensor(a.type, matmul(p.tensor(), q.tensor()))
  }
  const y = whole()
  const shape = y.shape.filter(
    (_, axis) => !(rowA && axis === y.shape.length - 2) && !(columnB && axis === y.shape.length - 1),
  )
  return shape.length === y.shape.length ? y : y.reshaped(shape)
}

const matMul: Operator = (call) => product(call, call.input(0), call.input(1), call.inputs[2])

const transposed = (call: Call, x: Value): Value => permuted(call, x, [1, 0])

const gemm: Operator = (call) => {
  const [givenA, b, c] = [call.input(0), call.input(1), call.inputs[2]]
  const [alpha, beta] = [call.number('alpha', 1), call.number('beta', 1)]
  const { activation } = call.node
  if (givenA.shape.length !== 2 || b.shape.length !== 2)
    call.fail('inputs', 'two matrices', [givenA.shape, b.shape])
  const a = call.number('transA', 0) ? transposed(call, givenA) : givenA
  const transB = call.flag('transB')
  if (!isFloat(a.type) || (a.isHost && b.isHost && !activation)) {
    const sums = matmulOnHost(call, a, transB ? transposed(call, b) : b)
    const shape = c ? commonShape(call, [sums.shape, c.shape]) : sums.shape
    const strides = c && broadcastStrides(c.shape, shape)
    return call.host(a.type, shape, function* (y) {
      yield* sums.settled()
      if (c) yield* c.settled()
      const [products, summand] = [wide(sums), c && wide(c)]
      let i = 0
      for (const index of indexesOf(shape)) {
        y[i] = alpha * products[i]! + (summand ? beta * summand[offsetOf(index, strides!)]! : 0)
        if (++i % FEW === 0) yield
      }
    })
  }
  // [in, out], transposed and packed once where it is a constant.
  const columns = b.shape[transB ? 0 : 1]!
  const empty = a.size === 0 || b.size === 0
  const bias =
    c &&
    !empty &&
    alpha === 1 &&
    beta === 1 &&
    c.size === columns &&
    (c.shape.at(-1) === columns || columns === 1)
      ? c
      : undefined
  const adds = c && !bias
  const scales = alpha !== 1
  const product = (weight: Tensor) =>
    linear(a.tensor(), weight, {
      bias: bias?.tensor().reshape([columns]),
      ...(!adds && !scales && { activation }),
    })
  const rows = b.shape[transB ? 1 : 0]!
  if (a.shape[1] !== rows) call.fail('inputs', 'of one inner length', [givenA.shape, b.shape])
  let y = empty
    ? call.zeros(a.type, [a.shape[0]!, columns]).tensor()
    : b.packed([rows, columns], transB ? [1, rows] : [columns, 1], product)
  if (scales) y = mul(y, alpha, { out: y, ...(!adds && { activation }) })
  if (adds) y = add(y, beta === 1 ? c.tensor() : mul(c.tensor(), beta), { activation })
  return call.tensor(givenA.type, y)
}

export const matrix: Record<string, Operator> = { MatMul: matMul, Gemm: gemm, Einsum: einsum }
