import { describe, expect, expectTypeOf, it } from 'vitest'
import * as fb from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'

describe('tensors of a type', () => {
  inEveryBuild((engine) => {
    const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)

    it('hold what they were given, in the array of their type', () => {
      engine().scope(() => {
        const data = {
          float32: [0.1, -1e30, Number.NaN],
          int32: [-(2 ** 31), 0, 2 ** 31 - 1],
          int8: [-128, 127, -0],
          uint8: [0, 255, 7],
        }
        const arrays = { float32: Float32Array, int32: Int32Array, int8: Int8Array, uint8: Uint8Array }
        for (const dtype of ['float32', 'int32', 'int8', 'uint8'] as const) {
          const x = engine().tensor(data[dtype], [3], { dtype })
          expect([x.dtype, x.quantization]).toEqual([dtype, undefined])
          expect(x.toArray()).toEqual(arrays[dtype].from(data[dtype]))
          expect(x.view).toEqual(arrays[dtype].from(data[dtype]))
          expect(x.toArray().buffer.byteLength).toBe(3 * arrays[dtype].BYTES_PER_ELEMENT)
          x.view[1] = 5
          expect(x.toArray()[1]).toBe(5)
          expect(x.reshape([1, 3]).dtype).toBe(dtype)
          expect([...x.set([1, 2, 3]).toArray()]).toEqual([1, 2, 3])
          expect(engine().zeros([2, 2], { dtype }).toArray()).toEqual(new arrays[dtype](4))
        }
        expect(engine().tensor(Uint8Array.of(1, 2), [2]).dtype).toBe('float32')
        expect(engine().tensor(Uint8ClampedArray.of(1, 200), [2], { dtype: 'uint8' }).toArray()).toEqual(
          Uint8Array.of(1, 200),
        )
        expect(engine().tensor(Float64Array.of(1, 200), [2], { dtype: 'int32' }).toArray()).toEqual(
          Int32Array.of(1, 200),
        )
        expect(String(engine().zeros([2], { dtype: 'int8' }))).toBe('Tensor int8 [2]')
      })
    })

    it('take as many bytes as they need', () => {
      const { live } = engine().memory()
      using bytes = engine().zeros([4096], { dtype: 'uint8' })
      expect(engine().memory().live - live).toBe(4096)
      using words = engine().zeros([4096], { dtype: 'int32' })
      expect(engine().memory().live - live).toBe(5 * 4096)
      expect([bytes.size, words.size]).toEqual([4096, 4096])
    })

    it('refuse what their type does not hold, and say which and where', () => {
      const make = (data: fb.Numbers, dtype: unknown) => () =>
        engine().tensor(data, [data.length], { dtype: dtype as 'int8' })
      complaint(
        make([1, 1.5], 'int32'),
        'engine.tensor: data[1] must be an integer from -2147483648 to 2147483647, as int32 holds, got 1.5',
      )
      complaint(make([256], 'uint8'), 'data[0] must be an integer from 0 to 255, as uint8 holds, got 256')
      complaint(make(Int32Array.of(0, 0, -129), 'int8'), 'data[2] must be an integer from -128 to 127')
      complaint(make(Int8Array.of(-1), 'uint8'), 'data[0]', 'got -1')
      complaint(make([Number.NaN], 'int32'), 'data[0]', 'got NaN')
      complaint(make([2 ** 31], 'int32'), 'data[0]', 'got 2147483648')
      for (const dtype of ['float64', 'bool', 5, null])
        complaint(make([1], dtype), 'engine.tensor: dtype must be float32, int32, int8 or uint8, got')
      complaint(() => engine().zeros([1], { dtype: 'int16' as never }), 'engine.zeros: dtype must be')
      using x = engine().zeros([2], { dtype: 'uint8' })
      complaint(() => x.set([0, 300]), 'tensor.set: data[1] must be an integer from 0 to 255')
    })

    it('carry a quantization that nobody can change', () => {
      engine().scope(() => {
        const given = { scale: [0.5, 0.25], zeroPoint: [3, -4], axis: -1 }
        const x = engine().tensor([1, 2, 3, 4], [2, 2], { dtype: 'int8', quantization: given })
        given.scale[0] = 9
        expect(x.quantization).toEqual({ scale: [0.5, 0.25], zeroPoint: [3, -4], axis: 1 })
        expect(Object.isFrozen(x.quantization)).toBe(true)
        expect(x.reshape([1, 2, 2]).quantization).toEqual({ scale: [0.5, 0.25], zeroPoint: [3, -4], axis: 2 })
        expect(
          engine()
            .zeros([3], { dtype: 'uint8', quantization: { scale: 0.1, zeroPoint: 255 } })
            .reshape([3, 1]).quantization,
        ).toEqual({ scale: 0.1, zeroPoint: 255 })
        complaint(
          () => x.reshape([4]),
          'reshape: shape must be one that keeps axis 1 of x, along which its quantization differs, got [4]',
        )
      })
    })

    it('refuse what is no quantization', () => {
      const make =
        (quantization: unknown, dtype: fb.DType = 'uint8') =>
        () =>
          engine().zeros([2, 3], { dtype, quantization: quantization as fb.Quantization })
      for (const scale of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 1e-60, 1e60])
        complaint(make({ scale, zeroPoint: 0 }), 'quantization.scale must be a finite number above 0, got')
      for (const zeroPoint of [-1, 256, 0.5, Number.NaN])
        complaint(
          make({ scale: 1, zeroPoint }),
          'quantization.zeroPoint must be an integer from 0 to 255, got',
        )
      complaint(
        make({ scale: 1, zeroPoint: 128 }, 'int8'),
        'quantization.zeroPoint must be an integer from -128 to 127, got 128',
      )
      complaint(make({ scale: 1 }), 'quantization.zeroPoint')
      complaint(
        make({ scale: [1, 1, 1], zeroPoint: [0, 0, 0] }),
        'quantization.scale must be a finite number above 0; arrays want an axis beside them',
      )
      complaint(
        make({ scale: [1, 1], zeroPoint: [0, 0], axis: 1 }),
        'quantization.scale must be 3 numbers, one for each index along axis 1, got [1, 1]',
      )
      complaint(make({ scale: [1, 0, 1], zeroPoint: [0, 0, 0], axis: 1 }), 'quantization.scale[1] must be')
      complaint(
        make({ scale: [1, 1, 1], zeroPoint: [0, 0, 300], axis: 1 }),
        'quantization.zeroPoint[2] must be',
      )
      for (const axis of [2, -3, 0.5, '1'])
        complaint(
          make({ scale: [1], zeroPoint: [0], axis }),
          'quantization.axis must be an integer from -2 to 1',
        )
      complaint(
        make({ scale: 1, zeroPoint: 0 }, 'float32'),
        "quantization must be left out where dtype is 'float32'",
      )
      complaint(
        make({ scale: 1, zeroPoint: 0 }, 'int32'),
        "quantization must be left out where dtype is 'int32'",
      )
      complaint(make(null), 'quantization must be { scale, zeroPoint, axis }, got null')
    })

    it('are refused by ops of another type', () => {
      engine().scope(() => {
        const ints = engine().zeros([1, 4, 4, 1], { dtype: 'int32' }) as unknown as fb.Tensor
        const x = engine().zeros([1, 4, 4, 1])
        const filter = engine().zeros([1, 1, 1, 1])
        const all: Record<string, () => unknown> = {
          conv2d: () => fb.conv2d(ints, filter),
          convTranspose2d: () => fb.convTranspose2d(ints, filter),
          linear: () => fb.linear(ints, filter),
          matmul: () => fb.matmul(ints, ints),
          maxPool2d: () => fb.maxPool2d(ints, { size: 2 }),
          resize: () => fb.resize(ints, { size: 2 }),
          softmax: () => fb.softmax(ints),
          sum: () => fb.sum(ints),
          argmax: () => fb.argmax(ints),
          relu: () => fb.relu(ints),
          batchNorm: () => fb.batchNorm(ints, { mean: x, variance: x }),
          layerNorm: () => fb.layerNorm(ints),
          groupNorm: () => fb.groupNorm(ints, { groups: 1 }),
        }
        // These take 8-bit integers too.
        const ofBytes = 'conv2d convTranspose2d linear matmul maxPool2d resize softmax'.split(' ')
        for (const [op, run] of Object.entries(all))
          complaint(
            run,
            `${op}:`,
            `must be of float32${ofBytes.includes(op) ? ', int8 or uint8' : ''}, got a tensor of int32`,
          )
        complaint(
          () => fb.add(x, ints),
          'add: b must be of float32, as those before it, got a tensor of int32',
        )
        const bytes = engine().zeros([1], { dtype: 'uint8' })
        complaint(
          () => fb.mod(bytes as never, 1),
          'mod: a must be of float32 or int32, got a tensor of uint8',
        )
        complaint(() => fb.add(bytes as never, 1), 'add: b must be a tensor, got 1')
        complaint(() => fb.add(x, x, { out: ints }), 'add: out must be of float32, got a tensor of int32')
        complaint(() => fb.relu(x, { out: ints }), 'relu: out must be of float32')
      })
    })
  })

  it('are types', () => {
    const engine = undefined as unknown as fb.Engine
    const check = () => {
      expectTypeOf(engine.tensor([1], [1])).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(engine.tensor([1], [1])).toEqualTypeOf<fb.Tensor<'float32'>>()
      expectTypeOf(engine.tensor([1], [1], { dtype: 'int32' })).toEqualTypeOf<fb.Tensor<'int32'>>()
      const bytes = engine.zeros([1], { dtype: 'uint8', quantization: { scale: 1, zeroPoint: 0 } })
      expectTypeOf(bytes).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(bytes.dtype).toEqualTypeOf<'uint8'>()
      expectTypeOf(bytes.toArray()).toEqualTypeOf<Uint8Array>()
      expectTypeOf(bytes.view).toEqualTypeOf<Uint8Array>()
      expectTypeOf(bytes.reshape([1])).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(engine.zeros([1]).toArray()).toEqualTypeOf<Float32Array>()
      expectTypeOf(fb.transpose(bytes)).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(fb.concat([bytes])).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(fb.cast(bytes, 'float32')).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(fb.where(bytes, engine.zeros([1]), 0)).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(fb.less(engine.zeros([1]), 0)).toEqualTypeOf<fb.Tensor<'uint8'>>()
      expectTypeOf(fb.add(engine.zeros([1]), 1)).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(fb.add(1, engine.zeros([1], { dtype: 'int32' }))).toEqualTypeOf<fb.Tensor<'int32'>>()
      expectTypeOf(fb.argmax(engine.zeros([1]))).toEqualTypeOf<fb.Tensor>()
      expectTypeOf(fb.argmax(engine.zeros([1]), { dtype: 'int32' })).toEqualTypeOf<fb.Tensor<'int32'>>()
      expectTypeOf<fb.Tensor>().toExtend<fb.AnyTensor>()
      expectTypeOf<fb.Tensor<'int32'>>().not.toExtend<fb.Tensor>()
      // @ts-expect-error float32 alone
      fb.conv2d(bytes, engine.zeros([1]))
      // @ts-expect-error no such type
      engine.zeros([1], { dtype: 'float64' })
      // @ts-expect-error a mask is uint8
      fb.where(engine.zeros([1]), engine.zeros([1]), 0)
    }
    expect(check).toBeTypeOf('function')
  })
})
