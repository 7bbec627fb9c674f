/** The types of what 8-bit operands give. */
import { describe, expect, expectTypeOf, it } from 'vitest'
import * as fb from '../../src/index.js'

describe('ops on 8-bit integers', () => {
  it('types follow', () => {
    const check = (x: fb.Tensor<'uint8'>, w: fb.Tensor<'int8'>, f: fb.Tensor) => {
      expectTypeOf(fb.quantize(f, { scale: 1 })).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(fb.quantize(f, { scale: 1, dtype: 'int8' })).toEqualTypeOf<fb.Tensor<'int8'>>()
      expectTypeOf(fb.conv2d(x, w)).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(
        fb.conv2d(x, w, { quantization: { scale: 1, zeroPoint: 0, dtype: 'int8' } }),
      ).toEqualTypeOf<fb.Tensor<'int8'>>()
    }
    expect(check).toBeTypeOf('function')
  })
})
