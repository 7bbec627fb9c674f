/**
 * What holds for every op: on bad tensors it throws before anything is allocated, whatever fails inside,
 * nothing is lost, and calls without end take no more.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, type Tensor } from '../../src/index.js'
import { cases } from '../support/cases.js'
import { expectComplaint } from '../support/check.js'
import { Random } from '../support/random.js'

/** The smallest shapes that each case has. */
class Least extends Random {
  override integer(low: number): number {
    return low
  }
}

describe('every op', () => {
  // Checks and allocations are the same whichever build computes.
  let engine: Engine
  let other: Engine
  beforeAll(async () => {
    engine = await createEngine()
    other = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    expect(engine.memory().tensors, 'tensors left over').toBe(0)
    for (const each of [engine, other]) each.dispose()
  })

  for (const [name, { shapes, op }] of Object.entries(cases)) {
    const inputs = (random: Random, in_ = engine) => shapes(random).map((shape) => in_.zeros(shape))
    const solve = (tensors: Tensor[]): void => engine.scope(() => other.scope(() => void op(...tensors)))

    it(`${name}: refuses disposed tensors and those of another engine`, () => {
      const tensors = inputs(new Random(1))
      for (const [i, tensor] of tensors.entries()) {
        const gone = engine.zeros(tensor.shape)
        gone.dispose()
        expectComplaint(engine, () => solve(tensors.with(i, gone)), 'must be alive, got', 'disposed')
        const foreign = other.zeros(tensor.shape)
        if (tensors.length > 1)
          expectComplaint(
            engine,
            () => solve(tensors.with(i, foreign)),
            'must be a tensor of the same engine, got one of another',
          )
        foreign.dispose()
      }
      for (const tensor of tensors) tensor.dispose()
      expect(other.memory().tensors).toBe(0)
    })

    it(`${name}: loses nothing when memory runs out at any moment`, () => {
      const allocate = engine.allocate.bind(engine)
      const once = (failAt: number): number => {
        const tensors = inputs(new Random(2))
        const { tensors: before } = engine.memory()
        let count = 0
        engine.allocate = (bytes) => {
          if (++count === failAt) throw new Error('none left')
          return allocate(bytes)
        }
        try {
          if (failAt <= 0) solve(tensors)
          else expect(() => solve(tensors)).toThrow('none left')
        } finally {
          engine.allocate = allocate
        }
        expect(engine.memory().tensors).toBe(before)
        for (const tensor of tensors) tensor.dispose()
        return count
      }
      once(0)
      const { live } = engine.memory()
      const allocations = once(0)
      for (let failAt = 1; failAt <= allocations; failAt++) {
        once(failAt)
        expect(engine.memory().live, `allocation ${failAt} of ${allocations} failed`).toBe(live)
      }
      once(0)
      expect(engine.memory().live, 'after all').toBe(live)
    })
  }
})

describe('memory', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  for (const [name, { shapes, op }] of Object.entries(cases)) {
    // Gradients take twenty ops and more each.
    const times = name.startsWith('gradients') ? 500 : 2_000
    it(`is the same after 200 and ${times} calls of ${name}`, () => {
      const inputs = shapes(new Least(1)).map((shape) => engine.zeros(shape))
      const memoryAfter = (calls: number) => {
        for (let i = 0; i < calls; i++) engine.scope(() => void op(...inputs))
        return engine.memory()
      }
      const warm = memoryAfter(200)
      expect(memoryAfter(times - 200)).toEqual(warm)
      for (const input of inputs) input.dispose()
    })
  }
})
