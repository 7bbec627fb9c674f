/** Layers that pool. */
import { checkOptions } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import {
  AVG_POOL,
  type AvgPool1dOptions,
  type AvgPool2dOptions,
  avgPool1d,
  avgPool2d,
  globalAvgPool2d,
  MAX_POOL,
  type MaxPool1dOptions,
  type MaxPool2dOptions,
  maxPool1d,
  maxPool2d,
} from '../../ops/pool.js'
import { mean } from '../../ops/reduce.js'
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

/** @example new MaxPool1d({ size: 2 }) */
export class MaxPool1d extends Layer {
  constructor(readonly options: MaxPool1dOptions) {
    checkOptions('MaxPool1d', options, MAX_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return maxPool1d(x, this.options)
  }
}

/** @example new AvgPool1d({ size: 2 }) */
export class AvgPool1d extends Layer {
  constructor(readonly options: AvgPool1dOptions) {
    checkOptions('AvgPool1d', options, AVG_POOL)
    super()
  }

  forward(x: Tensor): Tensor {
    return avgPool1d(x, this.options)
  }
}

/** The mean of each channel: [n, width, channels] -> [n, channels]. */
export class GlobalAvgPool1d extends Layer {
  forward(x: Tensor): Tensor {
    return mean(x, { axes: 1 })
  }
}
