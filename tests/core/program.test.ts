import { describe, expect, it } from 'vitest'
import { conv2d, maxPool2d, pad, type Tensor } from '../../src/index.js'
import { inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

describe('a recorded program', () => {
  inEveryBuild((engine) => {
    it('does the same again on new input, allocates nothing, and is not disturbed by what happens in between', () => {
      const random = new Random(8)
      const before = engine().memory()
      engine().scope(() => {
        const x = engine().zeros([1, 12, 12, 3])
        const [first, second] = [
          engine().tensor(random.floats(9 * 3 * 8), [3, 3, 3, 8]),
          engine().tensor(random.floats(9 * 8 * 4), [3, 3, 8, 4]),
        ]
        const network = (input: Tensor, out?: Tensor) =>
          engine().scope(() =>
            conv2d(maxPool2d(conv2d(input, first, { padding: 1, activation: 'relu' }), { size: 2 }), second, {
              out,
            }),
          )
        const y = network(x)
        const { program } = engine().record(() => network(x, y))
        expect(program.length).toBe(3)
        const recorded = engine().memory()
        for (let round = 0; round < 20; round++) {
          const data = random.floats(x.size)
          x.set(data)
          program.run()
          expect(engine().memory()).toEqual({ ...recorded, peak: engine().memory().peak })
          const got = y.toArray()
          engine().scope(() => {
            expect(got).toEqual(network(engine().tensor(data, x.shape)).toArray())
            engine().tensor(new Float32Array(5000).fill(Number.NaN), [5000])
          })
        }
        program.dispose()
      })
      expect(engine().memory().live - before.live).toBeLessThan(64 * 1024) // scratch may have grown
    })

    it('noted dry does nothing yet, and knows its own fill values', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2], [2])
        const { result, program } = engine().record(() => pad(x, { padding: [[1, 1]], value: 7 }), {
          dry: true,
        })
        // Other fills take the argument block that this one was noted in.
        for (let i = 0; i < 400; i++) engine().scope(() => pad(x, { padding: [[1, 1]], value: 9 }))
        result.view.fill(0)
        program.run()
        expect([...result.toArray()]).toEqual([7, 1, 2, 7])
        program.dispose()
      })
    })

    it('gives everything back where the function throws', () => {
      const before = engine().memory()
      expect(() =>
        engine().record(() => {
          engine().scope(() => {
            engine().zeros([100])
            throw new Error('no')
          })
        }),
      ).toThrow('no')
      expect(engine().memory().live).toBe(before.live)
    })
  })
})
