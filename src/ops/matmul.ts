/** Matrix products: the 1x1 case of the dense product, with pixels for rows. */

import { check, show } from '../base/errors.js'
import { broadcastShapes, sameShape, sizeOf } from '../base/shape.js'
import { ANY, type ByteType } from '../core/dtype.js'
import { type Engine, engineOf } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import { NO_CLAMP } from '../plans/elementwise.js'
import { runFilterGradient } from '../plans/filterGradient.js'
import {
  filterPanels,
  type Panels,
  type Product,
  pack,
  packed,
  packedFloats,
  runProduct,
  type Steps,
  transposedPanels,
} from '../plans/igemm.js'
import { type Activation, clampBackward, finishActivation, fusedClamp } from './activation.js'
import { FLOATS_AND_BYTES } from './byteResult.js'
import { type BytesOptions, checkFloats, type DynamicTerms, type OutputQuantization } from './bytes.js'
import { multiplyBytes } from './matmulBytes.js'
import { channelSums, sumTo } from './reduce.js'

/** What `linear` takes beside x and the weights. */
export interface LinearOptions extends BytesOptions {
  /**
   * [outFeatures], added to every row. Of 8-bit x it may be int32, in units of x's scale times the weights'.
   */
  bias?: Tensor | Tensor<'int32'>
  activation?: Activation
}

const LINEAR: Names<LinearOptions> = { bias: true, activation: true, quantization: true }

/** What `matmul` takes beside its operands. */
export interface MatmulOptions extends BytesOptions {}

const MATMUL: Names<MatmulOptions> = { quantization: true }

const onePoint: Steps = { count: 1, outFirst: 0, outStep: 1, inStep: 1, taps: 1, first: 0, step: 1 }

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

/** A matrix as a filter of one tap. */
const weightPanels = ({ shape, strides }: Tensor): Panels =>
  filterPanels({ shape: [1, 1, ...shape], ...(strides && { strides: [0, 0, ...strides] }) }, 1)

type Clamp = readonly [number, number]

/** y [rows, columns] = clamp(b + x [rows, depth] panels); all addresses. */
function productOf(
  x: number,
  w: number,
  b: number,
  y: number,
  rows: number,
  depth: number,
  columns: number,
  clamp: Clamp,
): Product {
  return {
    x,
    w,
    b,
    y,
    n: rows,
    ih: 1,
    iw: 1,
    ic: depth,
    oh: 1,
    ow: 1,
    oc: columns,
    stepsH: onePoint,
    stepsW: onePoint,
    groups: 1,
    clamp,
  }
}

/**
 * A dense layer: every row of the last axis times a matrix, plus bias.
 *
 *   y[..., o] = activation(bias[o] + sum over i of x[..., i] * weight[i, o])
 *
 * 8-bit integers as in `conv2d`; scale and zero point of the weights may differ along outFeatures.
 *
 * @param x [..., inFeatures]
 * @param weight [inFeatures, outFeatures], of x's type, or both of 8 bits; packed once, and again after it
 * was
 *   written
 * @param options no bias, no activation
 * @returns [..., outFeatures]
 * @throws FilterbankError for shapes that do not fit; nothing is allocated then
 * @example const logits = linear(features, weight, { bias })
 */
export function linear<D extends ByteType = ByteType>(
  x: Tensor<ByteType>,
  weight: Tensor<ByteType>,
  options: LinearOptions & { quantization: OutputQuantization<D> },
): Tensor<D>
/** The same with a float32 result. */
export function linear(x: Tensor<ByteType>, weight: Tensor<ByteType>, options?: LinearOptions): Tensor
/** The same of float32. */
export function linear(x: Tensor, weight: Tensor, options?: LinearOptions): Tensor
export function linear(x: AnyTensor, weight: AnyTensor, options: LinearOptions = {}): AnyTensor {
  checkOptions('linear', options, LINEAR)
  const { bias, activation } = options
  engineOf('linear', { x }, {}, FLOATS_AND_BYTES)
  engineOf('linear', { x, weight }, { bias }, ANY)
  const context: Context = { op: 'linear', shapes: { x: x.shape, weight: weight.shape, bias: bias?.shape } }
  if (x.dtype === 'float32') checkFloats(x, { weight, bias }, options, context)
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  check(weight.shape.length === 2 && weight.size > 0, () =>
    fail('weight', '[inFeatures, outFeatures], none of them 0', show(weight.shape)),
  )
  const [depth, columns] = weight.shape as [number, number]
  check(x.shape.at(-1) === depth, () => fail('x', `[..., ${depth}]`, show(x.shape)))
  check(!bias || sameShape(bias.shape, [columns]), () => fail('bias', `[${columns}]`, show(bias?.shape)))
  const shape = [...x.shape.slice(0, -1), columns]
  if (x.dtype !== 'float32')
    return multiplyBytes(x, weight, shape, [[0, 0]], { ...options, name: 'weight' }, context)
  const clamp = fusedClamp(activation, context)
  return linearFloats(x as Tensor, weight as Tensor, bias as Tensor | undefined, clamp, activation)
}

function linearFloats(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  clamp: Clamp,
  activation: Activation | undefined,
): Tensor {
  const y = rowsByMatrix(x, weight, bias, clamp)
  x.engine.trace?.note('linear', y, { x, weight, bias }, { activation })
  x.engine.tape?.record(
    'linear',
    y,
    { x, weight, bias },
    { x, weight, y: clamp === NO_CLAMP ? undefined : y },
    (dy, kept) => {
      const dsum = kept.y ? clampBackward(dy, kept.y, clamp) : dy
      return {
        x: () => rowsByTranspose(dsum, kept.weight),
        weight: () => outerSum(kept.x, dsum),
        bias: () => channelSums(dsum),
      }
    },
  )
  return finishActivation(activation, y)
}

/** Rows of the last axis times a matrix, plus bias; all shapes fit. */
export function rowsByMatrix(x: Tensor, weight: Tensor, bias?: Tensor, clamp: Clamp = NO_CLAMP): Tensor {
  const { engine } = x
  const [depth, columns] = weight.shape as [number, number]
  return engine.make([...x.shape.slice(0, -1), columns], (y) => {
    const panels = packed(weight, weightPanels(weight))
    runProduct(
      engine,
      productOf(x.pointer, panels, bias?.pointer ?? 0, y.pointer, x.size / depth, depth, columns, clamp),
    )
  })
}

/** Rows of the last axis times the transpose of a matrix. */
export function rowsByTranspose(dy: Tensor, weight: Tensor): Tensor {
  const { engine } = dy
  const [depth, columns] = weight.shape as [number, number]
  return engine.make([...dy.shape.slice(0, -1), depth], (dx) => {
    const panels = packed(weight, transposedPanels(weightPanels(weight)))
    runProduct(
      engine,
      productOf(dy.pointer, panels, 0, dx.pointer, dy.size / columns, columns, depth, NO_CLAMP),
    )
  })
}

/** [depth, columns]: every row of x [..., depth] by that of dy [..., columns], summed. */
export function outerSum(x: Tensor, dy: Tensor): Tensor {
  const { engine } = x
  const [depth, columns] = [x.shape.at(-1)!, dy.shape.at(-1)!]
  return engine.make([depth, columns], (dw) =>
    runOuterSum(engine, x.pointer, dy.pointer, dw.pointer, dy.size / columns, depth, columns),
  )
}

/**
 * dw [depth, columns] = transpose of x [rows, depth] times dy [rows, columns]: every row of x by that of dy,
 * summed; all addresses.
 */
function runOuterSum(
  engine: Engine,
  x: number,
  dy: number,
  dw: number,
  rows: number,
  depth: number,
  columns: number,
): void {
  runFilterGradient(engine, productOf(x, 0, 0, dy, rows, depth, columns, NO_CLAMP), {
    y: dw,
    groupStride: 0,
    tapStride: 0,
    rowStride: columns,
    columnStride: 1,
  })
}

/**
 * Matrix product over the last two axes; axes before them broadcast. Definition: NumPy matmul, for ranks of 2
 * and more.
 *
 * 8-bit integers as in `conv2d`; scale and zero point of b may differ along n.
 *
 * @param a [..., m, k]
 * @param b [..., k, n], of a's type, or both of 8 bits
 * @param options of 8-bit operands: quantization of the result, which is float32 without it
 * @returns [..., m, n]
 * @throws FilterbankError for ranks below 2, another k, or axes that do not broadcast; nothing is allocated
 *   then
 * @example const scores = matmul(queries, keys)
 */
export function matmul<D extends ByteType = ByteType>(
  a: Tensor<ByteType>,
  b: Tensor<ByteType>,
  options: MatmulOptions & { quantization: OutputQuantization<D> },
): Tensor<D>
/** The same with a float32 result. */
export function matmul(a: Tensor<ByteType>, b: Tensor<ByteType>, options?: MatmulOptions): Tensor
/** The same of float32. */
export function matmul(a: Tensor, b: Tensor, options?: MatmulOptions): Tensor
export function matmul(a: AnyTensor, b: AnyTensor, options: MatmulOptions = {}): AnyTensor {
  checkOptions('matmul', options, MATMUL)
  return product2(a, b, options)
}

/** `matmul`, or of 8-bit operands its int32 sums, or with a bias and an activation. @internal */
export function product2(
  a: AnyTensor,
  b: AnyTensor,
  options: MatmulOptions &
    DynamicTerms & {
      sums?: boolean
      bias?: Tensor | Tensor<'int32'> | undefined
      activation?: Activation | undefined
    } = {},
): AnyTensor {
  engineOf('matmul', { a }, {}, FLOATS_AND_BYTES)
  const engine = engineOf('matmul', { a, b }, {}, ANY)
  const context: Context = { op: 'matmul', shapes: { a: a.shape, b: b.shape } }
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  check(a.shape.length >= 2, () => fail('a', '[..., m, k]', show(a.shape)))
  check(b.shape.length >= 2, () => fail('b', '[..., k, n]', show(b.shape)))
  const depth = a.shape.at(-1)!
  const [bDepth, columns] = b.shape.slice(-2) as [number, number]
  check(depth === bDepth, () => fail('b', `[..., ${depth}, n]`, show(b.shape)))
  const aBatch = a.shape.slice(0, -2)
  const bBatch = b.shape.slice(0, -2)
  const batch = broadcastShapes(aBatch, bBatch)
  check(batch !== undefined, () =>
    fail('b', `one whose axes before the last two broadcast with ${show(aBatch)}`, show(bBatch)),
  )
  if (a.dtype === 'float32') checkFloats(a, { b }, options, context)
  else {
    const shape = [...batch, a.shape.at(-2)!, columns]
    const [aIndex, bIndex] = [broadcastIndex(aBatch, batch), broadcastIndex(bBatch, batch)]
    const matrices =
      sizeOf(bBatch) === 1 && sameShape(aBatch, batch)
        ? [[0, 0] as const]
        : Array.from({ length: sizeOf(batch) }, (_, i) => [aIndex(i), bIndex(i)] as const)
    return multiplyBytes(a, b, shape, matrices, { ...options, name: 'b' }, context)
  }
  return productFloats(engine, a as Tensor, b as Tensor, batch)
}

function productFloats(engine: Engine, a: Tensor, b: Tensor, batch: readonly number[]): Tensor {
  const bBatch = b.shape.slice(0, -2)
  const [depth, columns] = b.shape.slice(-2) as [number, number]
  const y = multiply(a, b, batch, matrixPanels(depth, columns, sizeOf(bBatch)))
  engine.trace?.note('matmul', y, { a, b })
  engine.tape?.record('matmul', y, { a, b }, { a, b }, (dy, kept) => ({
    // dy [..., m, n] by b [..., k, n] the other way round
    a: () =>
      engine.scope(() =>
        sumTo(
          multiply(dy, kept.b, batch, transposedPanels(matrixPanels(depth, columns, sizeOf(bBatch)))),
          a.shape,
        ),
      ),
    b: () => engine.scope(() => sumTo(outerSums(kept.a, dy, batch, bBatch), b.shape)),
  }))
  return y
}

/** Every matrix of `a` by that of `b`, whose panels these are. */
function multiply(a: Tensor, b: Tensor, batch: readonly number[], panels: Panels): Tensor {
  const { engine } = a
  const { depth, columns, groups: matrices } = panels
  const m = a.shape.at(-2)!
  const shape = [...batch, m, columns]
  if (sizeOf(shape) === 0 || depth === 0) return engine.zeros(shape)
  const floats = packedFloats(panels)
  return engine.make(shape, (y) => {
    const w = engine.allocate(floats * 4)
    try {
      pack(engine, b.pointer, w, panels)
      // One matrix b for all: the rows of every a are one matrix.
      if (matrices === 1)
        runProduct(engine, productOf(a.pointer, w, 0, y.pointer, y.size / columns, depth, columns, NO_CLAMP))
      else {
        const aIndex = broadcastIndex(a.shape.slice(0, -2), batch)
        const bIndex = broadcastIndex(b.shape.slice(0, -2), batch)
        for (let i = 0; i < sizeOf(batch); i++) {
          const from = a.pointer + aIndex(i) * m * depth * 4
          const part = w + (bIndex(i) * floats * 4) / matrices
          const to = y.pointer + i * m * columns * 4
          runProduct(engine, productOf(from, part, 0, to, m, depth, columns, NO_CLAMP))
        }
      }
    } finally {
      engine.free(w)
    }
  })
}

/** The transpose of every matrix of `a` times that of `dy`; where all share one b, summed over them. */
function outerSums(a: Tensor, dy: Tensor, batch: readonly number[], bBatch: readonly number[]): Tensor {
  const { engine } = a
  const [m, depth] = a.shape.slice(-2) as [number, number]
  const columns = dy.shape.at(-1)!
  if (sizeOf(bBatch) === 1) {
    return engine.make([...bBatch, depth, columns], (db) =>
      runOuterSum(engine, a.pointer, dy.pointer, db.pointer, dy.size / Math.max(1, columns), depth, columns),
    )
  }
  const aIndex = broadcastIndex(a.shape.slice(0, -2), batch)
  return engine.make([...batch, depth, columns], (db) => {
    for (let i = 0; i < sizeOf(batch); i++) {
      runOuterSum(
        engine,
        a.pointer + aIndex(i) * m * depth * 4,
        dy.pointer + i * m * columns * 4,
        db.pointer + i * depth * columns * 4,
        m,
        depth,
        columns,
      )
    }
  })
}

/**
 * From the index of an element of `shape`, counted row-major, to that of the element of `part` which
 * broadcasts to it.
 */
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
