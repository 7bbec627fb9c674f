/** What takes elements from one place to another. */
import { describe, expect, it } from 'vitest'
import type { Tensor } from '../../../src/index.js'
import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../../support/check.js'
import { distinct, expectGradients, offKinks, tensorsOf } from '../../support/gradients.js'
import { Random } from '../../support/random.js'

describe('gradients', () => {
  inEveryBuild((engine) => {
    const { make, floats } = tensorsOf(engine)

    it('moving elements: flip, tile, stack, split, where, gather and scatter along any axis', () => {
      const random = new Random(20261128)
      const shape = [3, 4, 5]
      const moves: Record<string, (x: Tensor, y: Tensor) => Tensor> = {
        'flip, all': (x) => fb.flip(x),
        'flip, two axes': (x) => fb.flip(x, { axes: [0, -1] }),
        tile: (x) => fb.tile(x, [2, 1, 3]),
        'tile, none': (x, y) => fb.concat([fb.tile(x, [0, 1, 1]), y], { axis: 0 }),
        'stack, first': (x, y) => fb.stack([x, y, x]),
        'stack, last': (x, y) => fb.stack([x, y], { axis: -1 }),
        'split, sizes': (x, y) =>
          fb.mul(fb.split(x, { axis: 1, sizes: [1, 3] })[1]!, fb.split(y, { axis: 1, sizes: [3, 1] })[0]!),
        'split, parts': (x) => fb.split(x, { axis: 0, parts: 3 })[1]!,
        where: (x, y) => fb.where(fb.less(fb.mul(x, 0), 1), fb.mul(x, y), y),
        'where, by values': (x, y) => fb.where(fb.greater(x, 0), fb.mul(x, 3), y),
        'where, broadcast': (x, y) =>
          fb.where(
            fb.greater(fb.slice(x, { end: [1, 4, 5] }), 0),
            fb.mean(x, { axes: 0, keepDims: true }),
            y,
          ),
        'where, numbers': (x) => fb.where(fb.greater(x, 0), x, 0),
        'gather, axis 1': (x) => fb.gather(x, [3, 0, 3], { axis: 1 }),
        'gather, last axis, int32': (x) =>
          fb.gather(x, engine().tensor([4, 1, 1, 0], [2, 2], { dtype: 'int32' }), { axis: -1 }),
        scatter: (x, y) => fb.scatter(x, [3, 1], fb.slice(y, { end: [3, 2, 5] }), { axis: 1 }),
        'scatter, added': (x, y) =>
          fb.scatter(
            x,
            engine().tensor([3, 1, 3], [3], { dtype: 'int32' }),
            fb.slice(y, { end: [3, 3, 5] }),
            { axis: 1, reduction: 'add' },
          ),
        'cast to the same type': (x) => fb.cast(x, 'float32'),
      }
      for (const [about, op] of Object.entries(moves)) {
        engine().scope(() => {
          const both = (x: Tensor, y: Tensor) =>
            fb.concat([op(x, y).reshape([-1]), fb.mul(x, y).reshape([-1])])
          const inputs = [make(offKinks(random, 60), shape), make(offKinks(random, 60), shape)]
          expectGradients(engine(), random, inputs, (x, y) => both(x!, y!), { about, tolerance: 5e-3 })
        })
      }
    })

    it('topK, gatherElements and scatterElements', () => {
      const random = new Random(20261140)
      engine().scope(() => {
        const x = make(distinct(random, 4 * 5 * 3), [4, 5, 3])
        const updates = floats(random, [4, 2, 3])
        const indices = engine().tensor(
          Array.from({ length: 24 }, () => random.integer(0, 4)),
          [4, 2, 3],
          { dtype: 'int32' },
        )
        const expectOne = (about: string, op: (x: Tensor) => Tensor) =>
          expectGradients(engine(), random, [x], (x) => op(x!), { about })
        expectOne('topK', (x) => fb.topK(x, { k: 2 }).values)
        expectOne('topK, columns', (x) => fb.topK(x, { k: 4, axis: 1, largest: false }).values)
        expectOne('gatherElements', (x) => fb.gatherElements(x, indices, { axis: 1 }))
        const add = { axis: 1, reduction: 'add' } as const
        expectGradients(engine(), random, [x, updates], (x, u) => fb.scatterElements(x!, indices, u!, add))
        const places = fb.topK(x, { k: 2, axis: 1 }).indices
        expectGradients(engine(), random, [x, updates], (x, u) =>
          fb.scatterElements(x!, places, u!, { axis: 1 }),
        )
        expectComplaint(
          engine(),
          () => nn.valueAndGradients(() => fb.sum(fb.cast(fb.topK(x, { k: 1 }).indices, 'float32')), [x]),
          'cast: x must be something that no derivative is wanted of',
        )
      })
    })

    it('gatherND and scatterND, and every way to resize', () => {
      const random = new Random(20261301)
      engine().scope(() => {
        const x = floats(random, [3, 4, 2])
        const indices = engine().tensor([0, -1, 2, 2, 0, 3], [3, 2], { dtype: 'int32' })
        const once = engine().tensor([0, -1, 2, 2], [2, 2], { dtype: 'int32' })
        expectGradients(engine(), random, [x], (v) => fb.gatherND(v!, indices))
        const rows = engine().tensor([0, -1, 2], [3, 1], { dtype: 'int32' })
        expectGradients(engine(), random, [x], (v) => fb.gatherND(v!, rows, { batchAxes: 1 }))
        const add = { reduction: 'add' } as const
        expectGradients(engine(), random, [x, floats(random, [3, 2])], (v, u) =>
          fb.scatterND(v!, indices, u!, add),
        )
        expectGradients(engine(), random, [x, floats(random, [2, 2])], (v, u) => fb.scatterND(v!, once, u!))
        const photo = floats(random, [1, 5, 4, 2])
        for (const options of [
          { method: 'bicubic' },
          { antialias: true },
          { coordinates: 'asymmetric', method: 'nearest', nearestMode: 'floor' },
          { coordinates: 'tf_crop_and_resize', region: [-0.2, 0.1, 0.7, 1.3] },
        ] as const)
          for (const size of [
            [3, 7],
            [9, 2],
          ] as const)
            expectGradients(engine(), random, [photo], (v) => fb.resize(v!, { ...options, size }))
      })
    })

    it('gather: rows that are taken several times add up, the others get 0', () => {
      const random = new Random(20261226)
      engine().scope(() => {
        for (const rest of [[3], [], [2, 17]]) {
          expectGradients(
            engine(),
            random,
            [floats(random, [5, ...rest])],
            (table) => fb.gather(table!, [4, 0, 4, 1, 4]),
            { about: `[${rest}]` },
          )
        }
        const table = floats(random, [3, 2])
        const indices = engine().tensor([2, 0, 2, 2], [2, 2])
        const { gradients } = nn.valueAndGradients(() => fb.sum(fb.gather(table, indices)), [table])
        expect([...gradients[0]!.toArray()]).toEqual([1, 1, 0, 0, 3, 3])
      })
    })

    it('concat, pad, slice, transpose, reshape', () => {
      const random = new Random(20261217)
      engine().scope(() => {
        const shape = [2, 3, 4]
        const [a, b] = [floats(random, shape), floats(random, shape)]
        for (const axis of [0, 1, 2])
          expectGradients(engine(), random, [a, b], (x, y) => fb.concat([x!, y!, x!], { axis }))
        expectGradients(engine(), random, [a], (x) =>
          fb.pad(x!, {
            padding: [
              [1, 0],
              [2, 1],
              [0, 3],
            ],
            value: 7,
          }),
        )
        expectGradients(engine(), random, [a], (x) =>
          fb.slice(x!, { begin: [1, 0, -3], end: [2, 2, 4], step: [1, 1, 2] }),
        )
        for (const axes of [undefined, [0, 2, 1], [1, 2, 0]])
          expectGradients(engine(), random, [a], (x) => fb.transpose(x!, axes))
        expectGradients(engine(), random, [a], (x) => fb.mul(fb.reshape(x!, [4, 6]), fb.reshape(x!, [4, 6])))
        expectGradients(engine(), random, [a], (x) => x!.reshape([-1]))
      })
    })
  })
})
