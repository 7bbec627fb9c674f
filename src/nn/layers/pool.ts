/** Layers that pool. */
import { checkOptions } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import {
  AVG_POOL,
  type AvgPool2dOptions,
  avgPool2d,
  globalAvgPool2d,
  MAX_POOL,
  type MaxPool2dOptions,
  maxPool2d,
} from '../../ops/pool.js'
import { Layer } from '../layer.js'

/** @example new MaxPool2d({ size: 2 }) */
export class MaxPool2d extends Layer {
  constructor(readonly options: MaxPool2dOptions) {
    checkOptions('MaxPool2d', options, MAX_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.options)
  }
}

/** @example new AvgPool2d({ size: 2 }) */
export class AvgPool2d extends Layer {
  constructor(readonly options: AvgPool2dOptions) {
    checkOptions('AvgPool2d', options, AVG_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.options)
  }
}

/** The mean of each channel: [n, height, width, channels] -> [n, channels]. */
export class GlobalAvgPool2d extends Layer {
  forward(x: Tensor): Tensor {
    return x.engine.scope(() => globalAvgPool2d(x).reshape([x.shape[0]!, x.shape[3]!]))
  }
}
