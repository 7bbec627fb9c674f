import { describe, expect, it } from 'vitest'
import { fromImageData } from '../../src/image/index.js'
import { conv2d, createEngine, type Numbers, type Shape } from '../../src/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'

describe('tensors', () => {
  inEveryBuild((engine) => {
    it('take any typed array or plain numbers, as float32', () => {
      const numbers = [1, 2, 3, 4]
      const { buffer } = Float32Array.from([9, 1, 2, 3, 4])
      const all: Numbers[] = [
        numbers,
        Float32Array.from(numbers),
        Float64Array.from(numbers),
        Int8Array.from(numbers),
        Uint8Array.from(numbers),
        Uint8ClampedArray.from(numbers),
        Int16Array.from(numbers),
        Uint16Array.from(numbers),
        Int32Array.from(numbers),
        Uint32Array.from(numbers),
        Buffer.from(numbers),
        new Float32Array(buffer, 4),
        new Uint8Array(new SharedArrayBuffer(4)).fill(1).map((_, i) => i + 1),
      ]
      for (const data of all) {
        using x = engine().tensor(data, [2, 2])
        expect([...x.toArray()]).toEqual(numbers)
        expect([...x.set(data).toArray()]).toEqual(numbers)
      }
      using precise = engine().tensor(Float64Array.of(0.1, 1e300, Number.NaN, -0), [4])
      expect([...precise.toArray()]).toEqual([Math.fround(0.1), Number.POSITIVE_INFINITY, Number.NaN, -0])
    })

    it('refuse what is not numbers, or not as many', () => {
      const make = (data: unknown, shape: unknown) => () => engine().tensor(data as Numbers, shape as Shape)
      for (const data of [
        '1234',
        new DataView(new ArrayBuffer(4)),
        new BigInt64Array(4),
        new BigUint64Array(4),
        null,
        undefined,
        4,
        {},
        new ArrayBuffer(16),
      ]) {
        expectComplaint(
          engine(),
          make(data, [4]),
          'engine.tensor: data must be an array or typed array of numbers, got ',
          'shape [4]',
        )
      }
      expectComplaint(engine(), make([1, '2', 3, 4], [4]), 'engine.tensor: data[1] must be a number, got "2"')
      expectComplaint(engine(), make([1, 2n, 3, 4], [4]), 'engine.tensor: data[1] must be a number, got 2n')
      expectComplaint(
        engine(),
        make(Object.assign([1], { 2: 3 }), [3]),
        'data[1] must be a number, got undefined',
      )
      expectComplaint(
        engine(),
        make([1, 2, 3], [2, 2]),
        'engine.tensor: data must be 4 numbers for its shape, got 3 (shape [2, 2])',
      )
      for (const shape of [
        [-1],
        [1.5],
        [Number.NaN],
        '4',
        4,
        null,
        undefined,
        [2, '2'],
        [Number.POSITIVE_INFINITY],
      ]) {
        expectComplaint(
          engine(),
          make([1, 2, 3, 4], shape),
          'engine.tensor: shape must be an array of integers from 0 to 2147483647, got ',
        )
        expectComplaint(engine(), () => engine().zeros(shape as Shape), 'shape must be an array of integers')
      }
      using x = engine().zeros([2])
      expectComplaint(engine(), () => x.set([1]), 'tensor.set: data must be 2 numbers')
      expectComplaint(engine(), () => x.set('ab' as never), 'tensor.set: data must be an array')
    })

    it('point out lists in lists, which may contain themselves, and views that the memory has outgrown', async () => {
      const nested: unknown[] = [
        [1, 2],
        [3, 4],
      ]
      const make = (data: unknown, shape: Shape) => () => engine().tensor(data as Numbers, shape)
      expectComplaint(
        engine(),
        make(nested, [2, 2]),
        'engine.tensor: data[0] must be a number, got [1, 2] (shape [2, 2]). Rows are not taken: give all numbers in one array, such as rows.flat(Infinity)',
      )
      nested[0] = nested
      expectComplaint(
        engine(),
        make(nested, [2]),
        'engine.tensor: data[0] must be a number, got [[an array of length 2, an array of length 2], [3, 4]] (shape [2])',
      )
      // Of one thread: shared memory never cuts views off.
      using alone = await createEngine({ threads: 1 })
      const { view } = alone.zeros([4])
      alone.zeros([1 << 20])
      expect(view.length).toBe(0)
      expect(() => alone.tensor(view, [4])).toThrow(
        'data must be 4 numbers for its shape, got 0 (shape [4]). A view of a tensor is empty once the memory has grown',
      )
    })

    it('may be the view of another tensor, however the memory grows', async () => {
      for (const length of [4, 1000, 1_000_000]) {
        using alone = await createEngine({ threads: 1 })
        const x = alone.tensor(new Float32Array(length).fill(2), [length])
        const y = alone.tensor(x.view, [length])
        expect(alone.zeros([length]).set(y.view).toArray()).toEqual(new Float32Array(length).fill(2))
        const pixels = new Uint8Array(x.view.buffer, x.view.byteOffset, 4 * length)
        const wanted = [...pixels.slice(0, 3)].map((byte) => Math.fround(byte / 255))
        const image = fromImageData(alone, { data: pixels, width: length, height: 1 })
        for (let c = 0; c < 3; c++) expect(image.toArray()[c]).toBeCloseTo(wanted[c]!, 6)
      }
    })

    it('may be empty, or a scalar', () => {
      using none = engine().tensor([], [2, 0, 3])
      using one = engine().tensor([7], [])
      expect([none.size, none.toArray().length, one.size, one.toArray()[0]]).toEqual([0, 0, 1, 7])
    })

    it('copy on the way in and on the way out', () => {
      const data = Float32Array.of(1, 2)
      using x = engine().tensor(data, [2])
      data[0] = 5
      const copy = x.toArray()
      copy[1] = 6
      expect([...x.toArray()]).toEqual([1, 2])
      expect(copy.buffer).toBeInstanceOf(ArrayBuffer)
      expect(copy.buffer.byteLength).toBe(8)
    })

    it('share their numbers with their reshapes, and keep them until the last is disposed', () => {
      const before = engine().memory()
      const x = engine().tensor([1, 2, 3, 4, 5, 6], [2, 3])
      const y = x.reshape([3, -1])
      expect(y.shape).toEqual([3, 2])
      x.view[0] = 9
      x.dispose()
      expect(x.disposed).toBe(true)
      expect([...y.toArray()]).toEqual([9, 2, 3, 4, 5, 6])
      for (const bad of [[7], [-1, -1], [4, -1], [-2, 3], 6, [6, 0]])
        expectComplaint(
          engine(),
          () => y.reshape(bad as Shape),
          'reshape: shape must be',
          '6 elements',
          'x [3, 2]',
        )
      y.dispose()
      expect(engine().memory()).toMatchObject({ live: before.live, tensors: before.tensors })
    })

    it('freeze their shape', () => {
      const shape = [2, 1]
      using x = engine().zeros(shape)
      shape[0] = 5
      expect(x.shape).toEqual([2, 1])
      expect(() => (x.shape as number[]).push(1)).toThrow(TypeError)
    })

    it('a write through a kept view needs `changed`, for packed filters', () => {
      engine().scope(() => {
        const x = engine().tensor([1], [1, 1, 1, 1])
        const filter = engine().tensor([2], [1, 1, 1, 1])
        const { view } = filter
        expect(conv2d(x, filter).toArray()[0]).toBe(2)
        view[0] = 3
        filter.changed()
        expect(conv2d(x, filter).toArray()[0]).toBe(3)
      })
    })

    it('say that they are disposed', () => {
      const x = engine().zeros([2, 3])
      x.dispose()
      x.dispose()
      for (const use of [
        () => x.toArray(),
        () => x.view,
        () => x.set([]),
        () => x.reshape([6]),
        () => x.changed(),
      ]) {
        expectComplaint(engine(), use, 'must be alive, got a disposed one', '[2, 3]')
      }
      expect(String(x)).toBe('Tensor [2, 3] (disposed)')
    })
  })
})
