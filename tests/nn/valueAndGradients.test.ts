import { describe, expect, it } from 'vitest'
import { add, argmax, conv2d, mul, relu, sum, type Tensor } from '../../src/index.js'
import { valueAndGradients } from '../../src/nn/index.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'
import { Random } from '../support/random.js'

describe('valueAndGradients', () => {
  inEveryBuild((engine) => {
    it('gives the value and the derivatives, and frees all else', () => {
      const x = engine().tensor([1, -2, 3], [3])

      // Scratch memory comes with the first run.
      engine().scope(() => sum(mul(x, relu(x))).toArray())
      const before = engine().memory()
      const { value, gradients } = valueAndGradients(() => sum(mul(x, relu(x))), [x])
      expect(value).toBe(10)
      expect([...gradients[0]!.toArray()]).toEqual([2, 0, 6])
      expect(engine().memory().tensors).toBe(before.tensors + 1)
      gradients[0]!.dispose()
      expect(engine().memory().live).toBe(before.live)
      x.dispose()
    })

    it('adds up what comes back on several ways, into tensors that share nothing', () => {
      engine().scope(() => {
        const [a, b] = [engine().tensor([1, 2], [2]), engine().tensor([3, 4], [2])]
        const { gradients } = valueAndGradients(() => sum(add(add(a, b), add(a, a))), [a, b])
        expect(gradients.map((gradient) => [...gradient.toArray()])).toEqual([
          [3, 3],
          [1, 1],
        ])
        const same = valueAndGradients(() => sum(add(a, b)), [a, b]).gradients as [Tensor, Tensor]
        same[0].set([7, 7])
        expect([...same[1].toArray()]).toEqual([1, 1])
      })
    })

    it('gives one tensor to several inputs, which go on by themselves', () => {
      engine().scope(() => {
        const [a, b] = [engine().tensor([1, 2], [2]), engine().tensor([3, -4], [2])]
        const { gradients } = valueAndGradients(
          () => sum(add(mul(a, 2), mul(b, 3), { activation: [-5, 99] })),
          [a, b],
        )
        expect(gradients.map((gradient) => [...gradient.toArray()])).toEqual([
          [2, 0],
          [3, 0],
        ])
      })
    })

    it('lets names go inside: dispose and scope give up the name only', () => {
      engine().scope(() => {
        const x = engine().tensor([2, 3], [2])
        const { value, gradients } = valueAndGradients(() => {
          const y = engine().scope(() => {
            const inner = mul(x, x)
            const outer = mul(inner, x)
            inner.dispose()
            return outer
          })
          const total = sum(y.reshape([2, 1]))
          y.dispose()
          return total
        }, [x])
        expect(value).toBe(35)
        expect([...gradients[0]!.toArray()]).toEqual([12, 27])
      })
    })

    it('takes a parameter as it is for the loss, and one that is used under another shape', () => {
      engine().scope(() => {
        const x = engine().tensor([5], [])
        expect([...valueAndGradients(() => x, [x]).gradients[0]!.toArray()]).toEqual([1])
        const y = engine().tensor([1, 2, 3, 4], [4])
        const { gradients } = valueAndGradients(
          () => sum(mul(y.reshape([2, 2]), y.reshape([4, 1]).reshape([2, 2]))),
          [y],
        )
        expect(gradients[0]!.shape).toEqual([4])
        expect([...gradients[0]!.toArray()]).toEqual([2, 4, 6, 8])
      })
    })

    it('refuses writes to what the loss depends on, and takes others', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2], [2])
        const factor = engine().tensor([3, 4], [2])
        const free = engine().tensor([0, 0], [2])
        const writes: Record<string, (y: Tensor) => unknown> = {
          'tensor.set': (y) => y.set([0, 0]),
          'tensor.view': (y) => y.view,
          'tensor.changed': (y) => y.changed(),
        }
        for (const [name, write] of Object.entries(writes)) {
          for (const which of ['x', 'factor', 'y'] as const) {
            const run = () =>
              valueAndGradients(() => {
                const y = mul(x, factor)
                write({ x, factor, y }[which])
                return sum(y)
              }, [x])
            expectComplaint(
              engine(),
              run,
              `${name}: tensor must be left as it is inside valueAndGradients`,
              'toArray()',
            )
          }
          const { gradients } = valueAndGradients(() => {
            write(free)
            return sum(mul(x, factor))
          }, [x])
          expect([...gradients[0]!.toArray()]).toEqual([3, 4])
        }
        expectComplaint(
          engine(),
          () => valueAndGradients(() => sum(relu(x, { out: free })), [x]),
          'relu: out must be left out inside valueAndGradients',
        )
        const [image, filter, out] = [
          engine().zeros([1, 2, 2, 1]),
          engine().zeros([1, 1, 1, 1]),
          engine().zeros([1, 2, 2, 1]),
        ]
        expectComplaint(
          engine(),
          () => valueAndGradients(() => sum(conv2d(image, filter, { out })), [filter]),
          'conv2d: out must be left out',
        )
        x.set([5, 6])
      })
    })

    it('says what is wrong, frees everything, and works afterwards', () => {
      engine().scope(() => {
        const x = engine().tensor([1, 2], [2])
        const weight = engine().tensor([1], [1])
        weight.name = '3.weight'
        const wrong = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        wrong(
          () => valueAndGradients(() => mul(x, x), [x]),
          'valueAndGradients: loss must be one number, got [2]',
          'mean or sum',
        )
        wrong(() => valueAndGradients(() => sum(x), []), 'parameters must be tensors, one at least')
        wrong(() => valueAndGradients(() => sum(x), x as never), 'parameters must be tensors')
        wrong(
          () => valueAndGradients(() => sum(mul(x, 2)), [x, weight]),
          'got one that does not reach parameters[1] (3.weight)',
        )
        wrong(() => valueAndGradients(() => sum(mul(weight, 0)), [x]), 'does not reach parameters[0]')
        const other = x.reshape([1, 2])
        wrong(() => valueAndGradients(() => sum(x), [x, other]), 'parameters[1] must be listed once')
        wrong(
          () => valueAndGradients(() => 3 as never, [x]),
          'fn must be a function that returns the loss, a tensor, got 3',
        )
        wrong(
          () => valueAndGradients((async () => sum(x)) as never, [x]),
          'fn must be a function that returns when it is done',
        )
        const twice = () =>
          valueAndGradients(() => sum(valueAndGradients(() => sum(mul(x, x)), [x]).gradients[0]!), [x])
        wrong(twice, 'fn must be free of valueAndGradients', 'no derivatives of derivatives')
        wrong(() => valueAndGradients(() => sum(argmax(x)), [x]), 'does not reach parameters[0]')
        const broken = () => {
          sum(mul(x, x))
          throw new Error('no')
        }
        expect(() => valueAndGradients(broken, [x])).toThrow('no')
        const gone = engine().tensor([1], [1])
        gone.dispose()
        wrong(() => valueAndGradients(() => sum(x), [gone]), 'parameters[0] must be alive')
        expect(valueAndGradients(() => sum(mul(x, x)), [x]).value).toBe(5)
      })
    })

    it('keeps only what backward needs', () => {
      engine().scope(() => {
        const x = engine().tensor(new Random(4).floats(10_000), [10_000])
        const run = () => {
          const { value, gradients } = valueAndGradients(() => {
            let y = mul(x, 1)
            for (let i = 0; i < 50; i++) {
              const next = i % 2 ? relu(y) : add(y, 0.1)
              y.dispose()
              y = next
            }
            return sum(y)
          }, [x])
          gradients[0]!.dispose()
          return value
        }
        const first = run()
        const { live, tensors } = engine().memory()
        for (let i = 0; i < 3; i++) expect(run()).toBe(first)
        expect(engine().memory()).toMatchObject({ live, tensors })
        // The 25 outputs of relu, and a few in flight.
        expect(engine().memory().peak - live).toBeLessThan(30 * 40_000)
      })
    })
  })
})
