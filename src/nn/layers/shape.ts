/** Layers that change the shape. */

import { sizeOf } from '../../base/shape.js'
import { checkNumber, checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type ResizeOptions, resize } from '../../ops/resize.js'
import { Layer } from '../layer.js'

/** How an `Upsample` resizes. */
export interface UpsampleOptions {
  /** Height and width are multiplied by it, and rounded down. */
  scale: number
  /** As of `resize`. Default 'nearest'. */
  method?: ResizeOptions['method']
}

const UPSAMPLE: Names<UpsampleOptions> = { scale: true, method: true }

/**
 * Images larger by a whole or broken factor; nearest by default.
 * @example new Upsample({ scale: 2, method: 'bilinear' })
 */
export class Upsample extends Layer {
  constructor(readonly options: UpsampleOptions) {
    checkOptions('Upsample', options, UPSAMPLE)
    super()
    checkNumber(options.scale, 'scale', (v) => v > 0 && v < Number.POSITIVE_INFINITY, 'a positive number', {
      op: 'Upsample',
    })
  }

  forward(x: Tensor): Tensor {
    const { scale, method = 'nearest' } = this.options
    const size = (axis: number) => Math.max(1, Math.floor((x.shape[axis] ?? 0) * scale))
    return resize(x, { size: [size(1), size(2)], method })
  }
}

/** All axes but the first as one: [n, ...] -> [n, size]. */
export class Flatten extends Layer {
  forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0] ?? 1, sizeOf(x.shape.slice(1))])
  }
}
