/** Matrix products: the 1x1 case of the dense product, with pixels for rows. */
import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { broadcastShapes, sameShape, sizeOf } from '../shape.js'
import type { Tensor } from '../tensor.js'
import type { Context } from '../window.js'
import { type Activation, finishActivation, fusedClamp } from './activation.js'
import { type Panels, pack, packed, packedFloats, runProduct, type Walk } from './igemm.js'

export interface LinearOptions {
  /** [outFeatures], added to every row. */
  bias?: Tensor
  activation?: Activation
}

const onePoint: Walk = { count: 1, outFirst: 0, outStep: 1, inStep: 1, taps: 1, first: 0, step: 1 }

/** A row-major matrix [depth, columns] as panels; `groups` of them one after the other. */
const matrixPanels = (depth: number, columns: number, groups = 1): Panels => ({
  width: 8,
  groups,
  columns,
  tapsH: 1,
  tapsW: 1,
  depth,
  offset: 0,
  groupStride: depth * columns,
  tapHStride: 0,
  tapWStride: 0,
  rowStride: columns,
  columnStride: 1,
})

/** y [rows, columns] = clamp(b + x [rows, depth] panels); all addresses. */
function product(
  engine: Engine,
  x: number,
  w: number,
  b: number,
  y: number,
  rows: number,
  depth: number,
  columns: number,
  clamp: readonly [number, number],
): void {
  runProduct(engine, { x, w, b, y, n: rows, ih: 1, iw: 1, ic: depth, oh: 1, ow: 1, oc: columns, walkH: onePoint, walkW: onePoint, groups: 1, clamp })
}

/**
 * A dense layer: every row of the last axis times a matrix, plus bias.
 *
 *   y[..., o] = activation(bias[o] + sum over i of x[..., i] * weight[i, o])
 *
 * @param x [..., inFeatures]
 * @param weight [inFeatures, outFeatures]; packed once, and again after it was written
 * @param options no bias, no activation
 * @returns [..., outFeatures]
 * @throws FilterbankError for shapes that do not fit; nothing is allocated then
 * @example const logits = linear(features, weight, { bias })
 */
export function linear(x: Tensor, weight: Tensor, options: LinearOptions = {}): Tensor {
  const { bias, activation } = options
  const engine = engineOf('linear', { x, weight }, { bias })
  const context: Context = { op: 'linear', shapes: { x: x.shape, weight: weight.shape, bias: bias?.shape } }
  const fail = (argument: string, expected: string, got: string) => () => ({ ...context, argument, expected, got })
  check(weight.shape.length === 2 && weight.size > 0, fail('weight', '[inFeatures, outFeatures], none of them 0', show(weight.shape)))
  const [depth, columns] = weight.shape as [number, number]
  check(x.shape.at(-1) === depth, fail('x', `[..., ${depth}]`, show(x.shape)))
  check(!bias || sameShape(bias.shape, [columns]), fail('bias', `[${columns}]`, show(bias?.shape)))
  const clamp = fusedClamp(activation, context)

  return engine.make([...x.shape.slice(0, -1), columns], (y) => {
    const panels = packed(weight.storage, matrixPanels(depth, columns))
    product(engine, x.pointer, panels, bias?.pointer ?? 0, y.pointer, x.size / depth, depth, columns, clamp)
    finishActivation(activation, y)
  })
}

/**
 * Matrix product over the last two axes; axes before them broadcast. Definition: NumPy matmul, for ranks of 2 and more.
 *
 * @param a [..., m, k]
 * @param b [..., k, n]
 * @returns [..., m, n]
 * @throws FilterbankError for ranks below 2, another k, or axes that do not broadcast; nothing is allocated then
 * @example const scores = matmul(queries, keys)
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  const engine = engineOf('matmul', { a, b })
  const context: Context = { op: 'matmul', shapes: { a: a.shape, b: b.shape } }
  const fail = (argument: string, expected: string, got: string) => () => ({ ...context, argument, expected, got })
  check(a.shape.length >= 2, fail('a', '[..., m, k]', show(a.shape)))
  check(b.shape.length >= 2, fail('b', '[..., k, n]', show(b.shape)))
  const [m, depth] = a.shape.slice(-2) as [number, number]
  const [bDepth, columns] = b.shape.slice(-2) as [number, number]
  check(depth === bDepth, fail('b', `[..., ${depth}, n]`, show(b.shape)))
  const aBatch = a.shape.slice(0, -2)
  const bBatch = b.shape.slice(0, -2)
  const batch = broadcastShapes(aBatch, bBatch)
  check(batch !== undefined, fail('b', `one whose axes before the last two broadcast with ${show(aBatch)}`, show(bBatch)))
  const clamp = fusedClamp(undefined, context)

  const shape = [...batch, m, columns]
  if (sizeOf(shape) === 0 || depth === 0) return engine.zeros(shape)
  const matrices = sizeOf(bBatch)
  const panels = matrixPanels(depth, columns, matrices)
  const floats = packedFloats(panels)
  return engine.make(shape, (y) => {
    const w = engine.allocate(floats * 4)
    try {
      pack(engine, b.pointer, w, panels)
      // One matrix b for all: the rows of every a are one matrix.
      if (matrices === 1) product(engine, a.pointer, w, 0, y.pointer, y.size / columns, depth, columns, clamp)
      else {
        const aIndex = broadcastIndex(aBatch, batch)
        const bIndex = broadcastIndex(bBatch, batch)
        for (let i = 0; i < sizeOf(batch); i++) {
          product(
            engine,
            a.pointer + aIndex(i) * m * depth * 4,
            w + (bIndex(i) * floats * 4) / matrices,
            0,
            y.pointer + i * m * columns * 4,
            m,
            depth,
            columns,
            clamp,
          )
        }
      }
    } finally {
      engine.free(w)
    }
  })
}

/** From the index of an element of `shape`, counted row-major, to that of the element of `part` which broadcasts to it. */
function broadcastIndex(part: readonly number[], shape: readonly number[]): (index: number) => number {
  return (index) => {
    let result = 0
    let stride = 1
    for (let axis = 1; axis <= part.length; axis++) {
      const length = shape[shape.length - axis]!
      if (part[part.length - axis] !== 1) result += (index % length) * stride
      stride *= part[part.length - axis]!
      index = Math.floor(index / length)
    }
    return result
  }
}
