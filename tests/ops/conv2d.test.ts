import { describe, expect, it } from 'vitest'
import { type ConvAlgorithm, conv2d, type Tensor } from '../../src/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'
import * as reference from '../support/reference.js'

describe('conv2d', () => {
  inEveryBuild((engine) => {
    it('agrees exactly with the reference on small integers, 300 random problems', () => {
      const random = new Random(20261121)
      for (let problem = 0; problem < 300; problem++) {
        const groups = random.pick([1, 1, 1, 2, 3])
        const groupIn = random.pick([1, 2, 3, 4, 5, 16, 17])
        const out = groups * random.pick([1, 3, 4, 7, 8, 9, 16, 20])
        const [kh, kw] = [random.integer(1, 5), random.integer(1, 7)]
        const dilation: [number, number] = [random.integer(1, 2), random.integer(1, 2)]
        const stride: [number, number] = [random.integer(1, 3), random.integer(1, 2)]
        const padding: [[number, number], [number, number]] = [
          [random.integer(0, 2), random.integer(0, 3)],
          [random.integer(0, 3), random.integer(0, 2)],
        ]
        const xShape = [random.integer(1, 2), random.integer(1, 12), random.integer(1, 20), groups * groupIn]
        const reach = (size: number, d: number) => d * (size - 1) + 1
        if (
          xShape[1]! + padding[0][0] + padding[0][1] < reach(kh, dilation[0]) ||
          xShape[2]! + padding[1][0] + padding[1][1] < reach(kw, dilation[1])
        )
          continue
        const filterShape = [kh, kw, groupIn, out]
        const x = { shape: xShape, data: random.integers(xShape.reduce((a, b) => a * b)) }
        const filter = { shape: filterShape, data: random.integers(filterShape.reduce((a, b) => a * b)) }
        const bias = random.pick([undefined, { shape: [out], data: random.integers(out) }])
        const geometry = { stride, dilation, padding }
        engine().scope(() => {
          const y = conv2d(engine().tensor(x.data, x.shape), engine().tensor(filter.data, filter.shape), {
            ...geometry,
            groups,
            // Winograd is not exact on integers: it has tests of its own.
            algorithm: kh === 3 && kw === 3 && groups === 1 ? 'igemm' : 'auto',
            bias: bias && engine().tensor(bias.data, bias.shape),
          })
          const about = `seed ${random.seed}, problem ${problem}: x [${xShape}] filter [${filterShape}] ${JSON.stringify(geometry)} groups ${groups}:`
          expectValues(y, reference.conv2d(x, filter, bias, geometry, groups), 0, about)
        })
      }
    })

    it('agrees exactly with the reference by every algorithm that fits', () => {
      const random = new Random(31)
      for (let problem = 0; problem < 120; problem++) {
        const groups = random.integer(1, 5)
        const [groupIn, groupOut] = problem % 3 ? [random.integer(1, 5), random.integer(1, 10)] : [1, 1]
        const [kh, kw] = [random.integer(1, 5), random.integer(1, 8)]
        const geometry = {
          stride: [random.integer(1, 3), random.integer(1, 4)] as [number, number],
          dilation: [random.integer(1, 2), random.integer(1, 4)] as [number, number],
          // Enough for the widest window on the narrowest input.
          padding: [
            [random.integer(0, 4), random.integer(0, 4)],
            [14, random.integer(14, 17)],
          ] as [[number, number], [number, number]],
        }
        const shape = [2, random.integer(9, 12), random.integer(1, 21), groups * groupIn]
        const x = { shape, data: random.integers(shape.reduce((a, b) => a * b)) }
        const filter = {
          shape: [kh, kw, groupIn, groups * groupOut],
          data: random.integers(kh * kw * groupIn * groups * groupOut),
        }
        const bias = { shape: [groups * groupOut], data: random.integers(groups * groupOut) }
        const want = reference.conv2d(x, filter, bias, geometry, groups)
        engine().scope(() => {
          const tensors = [x, filter, bias].map(({ data, shape }) => engine().tensor(data, shape)) as [
            Tensor,
            Tensor,
            Tensor,
          ]
          for (const algorithm of [
            'igemm',
            'grouped',
            ...(groupIn === 1 ? ['depthwise'] : []),
          ] as ConvAlgorithm[]) {
            const y = conv2d(tensors[0], tensors[1], { ...geometry, groups, bias: tensors[2], algorithm })
            expectValues(
              y,
              want,
              0,
              `${algorithm}, seed ${random.seed}, problem ${problem}: x [${x.shape}] filter [${filter.shape}] ${JSON.stringify(geometry)}:`,
            )
          }
        })
      }
    })

    it('agrees exactly with the reference where a depthwise layer is larger than the caches', () => {
      const random = new Random(41)
      const problems = [
        // Sizes of x and window, then stride, dilation and padding along both axes.
        [[2, 258, 257, 17], [3, 3], 4, 3, 2],
        [[1, 61, 2070, 17], [2, 1], 1, 1, 1],
        [[3, 9, 2400, 33], [5, 2], 3, 1, 7],
      ] as const
      for (const [shape, [kh, kw], stride, dilation, before] of problems) {
        const c = shape[3]
        const x = {
          shape: [...shape],
          data: random.integers(([...shape] as number[]).reduce((a, b) => a * b, 1)),
        }
        const filter = { shape: [kh, kw, 1, c], data: random.integers(kh * kw * c) }
        const geometry = {
          stride: [stride, stride] as [number, number],
          dilation: [dilation, dilation] as [number, number],
          padding: [
            [before, before],
            [before, before],
          ] as [[number, number], [number, number]],
        }
        engine().scope(() => {
          const [image, weights] = [
            engine().tensor(x.data, x.shape),
            engine().tensor(filter.data, filter.shape),
          ]
          const y = conv2d(image, weights, { ...geometry, groups: c, algorithm: 'depthwise' })
          expect(4 * (image.size + y.size)).toBeGreaterThan(8 * 2 ** 20)
          expectValues(y, reference.conv2d(x, filter, undefined, geometry, c), 0, `x [${shape}]:`)
        })
      }
    })

    it('says what is wrong', () => {
      engine().scope(() => {
        const x = engine().zeros([1, 8, 8, 4])
        const filter = engine().zeros([3, 3, 3, 16])
        expectComplaint(
          engine(),
          () => conv2d(x, filter),
          'conv2d: filter must be one of 4 input channels, got 3',
          'x [1, 8, 8, 4]',
          'filter [3, 3, 3, 16]',
        )
      })
    })

    it('gives the same bytes for a filter that stands in the order of ONNX, by every algorithm', () => {
      const random = new Random(37)
      const layers: [ConvAlgorithm, number[], number][] = [
        ['gemm', [1, 1, 19, 21], 1],
        ['igemm', [3, 2, 9, 12], 2],
        ['winograd', [3, 3, 18, 13], 1],
        ['winograd', [5, 5, 9, 10], 1],
        ['depthwise', [3, 5, 1, 7], 7],
        ['grouped', [3, 3, 2, 10], 2],
      ]
      for (const [algorithm, shape, groups] of layers) {
        const [kh, kw, depth, oc] = shape as [number, number, number, number]
        engine().scope(() => {
          const data = random.floats(kh * kw * depth * oc)
          const rows = engine().tensor(data, shape)
          // [oc][depth][kh][kw]
          const taps = kh * kw
          const turned = data.map(
            (_, i) =>
              data[
                ((i % taps) * depth + (Math.floor(i / taps) % depth)) * oc + Math.floor(i / taps / depth)
              ]!,
          )
          const file = engine().tensor(turned, shape)
          file.strides = [kw, 1, taps, depth * taps]
          const x = engine().tensor(random.floats(7 * 8 * depth * groups), [1, 7, 8, depth * groups])
          expect(conv2d(x, file, { groups, algorithm }).toArray(), algorithm).toEqual(
            conv2d(x, rows, { groups, algorithm }).toArray(),
          )
        })
      }
    })

    it('uses a filter as it is now, not as it was packed', () => {
      engine().scope(() => {
        const x = engine().tensor([1], [1, 1, 1, 1])
        const filter = engine().tensor([2], [1, 1, 1, 1])
        expect(conv2d(x, filter).toArray()[0]).toBe(2)
        filter.set([3])
        expect(conv2d(x, filter).toArray()[0]).toBe(3)
        filter.view[0] = 4
        expect(conv2d(x, filter).toArray()[0]).toBe(4)
      })
    })
  })
})
