/** Convolutions that cannot magnify much: what keeps a discriminator from running away. */
import { conv2d, div, matmul, reshape } from 'filterbank'
import { Conv2d } from 'filterbank/nn'

/** Rounds of power iteration at first; then one a step is enough, since a filter moves slowly. */
const ROUNDS = 10

/** A vector of length 1, as numbers: no derivative goes through it. */
function unit(vector) {
  const numbers = vector.toArray()
  const length = Math.sqrt(numbers.reduce((total, v) => total + v * v, 1e-12))
  return numbers.map((v) => v / length)
}

/**
 * A convolution by its filter divided by the filter's spectral norm, that of the matrix [taps, outputs].
 * (Miyato et al., "Spectral normalization for generative adversarial networks", 2018)
 */
export class SpectralConv2d extends Conv2d {
  /** Where power iteration stands: about the outputs that the matrix magnifies most. */
  outputs = undefined

  /** @param matrix [taps, outputs] */
  norm(matrix) {
    const { engine, shape } = matrix
    const [rows, columns] = shape
    let u = this.outputs ?? new Float32Array(columns).fill(1 / Math.sqrt(columns))
    let v
    for (let round = this.outputs ? 1 : ROUNDS; round > 0; round--) {
      v = unit(matmul(matrix, engine.tensor(u, [columns, 1])))
      u = unit(matmul(engine.tensor(v, [1, rows]), matrix))
    }
    this.outputs = u
    return matmul(matmul(engine.tensor(v, [1, rows]), matrix), engine.tensor(u, [columns, 1]))
  }

  forward(x) {
    const [filter, bias] = this.parameters
    const { stride, padding, activation } = this.options
    const norm = this.norm(reshape(filter, [-1, filter.shape.at(-1)]))
    const scaled = div(filter, reshape(norm, [1]))
    return conv2d(x, scaled, { stride, padding, activation, bias })
  }
}
