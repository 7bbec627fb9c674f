/** Layers that change the shape. */

import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { checkNumber, checkOptions, isInteger, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { type ResizeOptions, resize } from '../../ops/resize.js'
import { transpose } from '../../ops/transpose.js'
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

/**
 * Each sample under another shape: [n, ...] -> [n, ...shape]. One length may be -1: it follows from the rest.
 * @example new Reshape([7, 7, 16])
 */
export class Reshape extends Layer {
  constructor(readonly shape: Shape) {
    const isLength = (length: unknown) => length === -1 || isInteger(length, 0)
    const fits =
      Array.isArray(shape) && shape.every(isLength) && shape.filter((length) => length === -1).length <= 1
    check(fits, () => ({
      op: 'Reshape',
      argument: 'shape',
      expected: 'lengths of at least 0, of a sample; one may be -1',
      got: show(shape),
    }))
    super()
  }

  forward(x: Tensor): Tensor {
    return x.reshape([x.shape[0] ?? 1, ...this.shape])
  }
}

/**
 * `transpose`: axes in another order, that of the samples (0) among them, which stays in front.
 * @example new Permute([0, 2, 1]) // [n, steps, features] -> [n, features, steps]
 */
export class Permute extends Layer {
  constructor(readonly axes: readonly number[]) {
    const fits =
      Array.isArray(axes) && axes[0] === 0 && [...axes].sort((a, b) => a - b).every((axis, i) => axis === i)
    check(fits, () => ({
      op: 'Permute',
      argument: 'axes',
      expected: 'the axes from 0 on in some order, 0 first',
      got: show(axes),
    }))
    super()
  }

  forward(x: Tensor): Tensor {
    return transpose(x, this.axes)
  }
}
