/** A convolution whose filter is divided by its spectral norm. (Miyato et al., 2018) */
import { conv2d, div, mul, reshape, sum } from 'filterbank'
import { Conv2d } from 'filterbank/nn'

const unit = (vector) => {
  const length = Math.sqrt(vector.reduce((total, v) => total + v * v, 1e-12))
  return vector.map((v) => v / length)
}

export class SpectralConv2d extends Conv2d {
  constructor(engine, options) {
    super(engine, options)
    this.u = undefined
  }

  /** Of the filter as a matrix [taps, outputs], by a step of power iteration from where the last one ended. */
  norm(filter) {
    const outputs = filter.shape.at(-1)
    const w = filter.toArray()
    const taps = w.length / outputs
    let u = this.u ?? unit(Float64Array.from({ length: outputs }, (_, i) => 1 + (i % 3)))
    let v
    for (let round = this.u ? 1 : 10; round > 0; round--) {
      v = new Float64Array(taps)
      for (let i = 0, at = 0; i < taps; i++) for (let j = 0; j < outputs; j++) v[i] += w[at++] * u[j]
      v = unit(v)
      u = new Float64Array(outputs)
      for (let i = 0, at = 0; i < taps; i++) for (let j = 0; j < outputs; j++) u[j] += w[at++] * v[i]
      u = unit(u)
    }
    this.u = u
    const outer = Float32Array.from(w, (_, at) => v[Math.floor(at / outputs)] * u[at % outputs])
    return sum(mul(filter, filter.engine.tensor(outer, filter.shape)))
  }

  forward(x) {
    const [filter, bias] = this.parameters
    const { stride, padding, activation } = this.options
    const scaled = div(filter, reshape(this.norm(filter), [1]))
    return conv2d(x, scaled, { stride, padding, activation, bias })
  }
}
