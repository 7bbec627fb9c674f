/**
 * Matrices of few bits with a scale for each block of a row, as com.microsoft has them. Definitions:
 * ContribOperators.md of ONNX Runtime.
 */
import { add } from '../../ops/arithmetic.js'
import { MadeTensor } from '../file/decode.js'
import type { Call, Operator } from '../run/call.js'
import type { Value } from '../run/value.js'
import { product } from './matrix.js'

/** Number `i` of those packed into bytes, the lowest bits first. */
function unpacked(bytes: ArrayLike<number>, row: number, i: number, bits: number): number {
  const at = i * bits
  return (bytes[row + (at >> 3)]! >> (at & 7)) & ((1 << bits) - 1)
}

/** The matrix [k, n] of `b`, whose rows of bytes are its columns: (q - zero point) * scale. */
function dequantized(call: Call, b: Value, scales: Value, zeros: Value | undefined): Float32Array {
  const [k, n] = [call.number('K', 0), call.number('N', 0)]
  const [bits, size] = [call.number('bits', 4), call.number('block_size', 0)]
  if (![2, 4, 8].includes(bits)) call.fail('bits', '2, 4 or 8', bits)
  if (!(size > 0 && (size * bits) % 8 === 0)) call.fail('block_size', 'one that fills bytes', size)
  const blocks = Math.ceil(k / size)
  const perRow = (blocks * size * bits) / 8
  if (b.size !== n * perRow) call.fail('input 1', `of ${n} rows of ${perRow} bytes`, b.shape)
  if (scales.size !== n * blocks) call.fail('input 2', `${n} times ${blocks} scales`, scales.shape)
  const packed = zeros?.type === 'uint8'
  const zerosPerRow = packed ? Math.ceil((blocks * bits) / 8) : blocks
  if (zeros && zeros.size !== n * zerosPerRow)
    call.fail('input 3', `of ${n} rows of ${zerosPerRow} zero points`, zeros.shape)
  const [bytes, factors] = [b.data as Uint8Array, scales.data as Float32Array]
  const points = zeros?.data as Uint8Array | undefined
  const y = new Float32Array(k * n)
  for (let column = 0; column < n; column++) {
    for (let block = 0; block < blocks; block++) {
      const factor = factors[column * blocks + block]!
      let zero = 2 ** (bits - 1)
      if (points)
        zero = packed
          ? unpacked(points, column * zerosPerRow, block, bits)
          : points[column * zerosPerRow + block]!
      const end = Math.min(k, (block + 1) * size)
      for (let i = block * size; i < end; i++)
        y[i * n + column] = (unpacked(bytes, column * perRow, i, bits) - zero) * factor
    }
  }
  return y
}

/** A, B, scales, zero points, order, bias: A times a matrix of few bits, which is float32 in the engine. */
const matMulNBits: Operator = (call) => {
  const [a, b, scales, zeros, order, bias] = [
    call.input(0),
    call.input(1),
    call.input(2),
    call.inputs[3],
    call.inputs[4],
    call.inputs[5],
  ]
  if (order) call.fail('input 4', 'left out', 'an order of the rows')
  const shape = [call.number('K', 0), call.number('N', 0)]
  if (a.shape.at(-1) !== shape[0]) call.fail('input 0', `of rows of ${shape[0]}`, a.shape)
  const from = [b, scales, ...(zeros ? [zeros] : [])]
  const make = () => dequantized(call, b, scales, zeros)
  const fixed = from.every(({ constant }) => constant)
  const [weights] = call.tables('weights', shape, from, () => [
    fixed ? new MadeTensor('float32', shape, make) : make(),
  ])
  const y = product(call, a, weights!, weights!.constant ? bias : undefined)
  if (!bias || weights!.constant) return y
  return call.tensor(y.type, add(y.tensor(), bias.tensor()))
}

export const blocks: Record<string, Operator> = { 'com.microsoft.MatMulNBits': matMulNBits }
