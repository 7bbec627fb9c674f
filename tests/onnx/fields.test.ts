/**
 * Models of one operator, each of them, and some with graphs inside of nodes, in which fields are others than
 * their maker wrote: values and types of attributes, inputs, types, shapes, versions. Each runs, four times
 * alike, or throws an error of ours that names operator and argument, in each run the same; nothing stays in
 * the engine. Others, and more of them:
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=20000 npx vitest run tests/onnx/fields.test.ts
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { attempt } from '../support/attempt.js'
import { type Change, changed, kinds, known } from '../support/fields.js'
import { samples } from '../support/samples.js'

const SEED = Number(process.env.FILTERBANK_SEED ?? 20261130)
const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 1500)
const MAXIMUM_BYTES = 1 << 26

describe('a model of other fields', { timeout: 60_000 + 100 * PROBLEMS }, () => {
  const all = samples()
  const words = known(all)
  const operators = [...new Set(all.map(({ about }) => about))]
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1, maximumBytes: MAXIMUM_BYTES })
  })
  afterAll(() => {
    expect(engine.memory().tensors).toBe(0)
    engine.dispose()
  })

  it('runs as it is', async () => {
    for (const operator of operators) {
      const sample = all.find(({ about }) => about === operator)!
      expect((await attempt(engine, sample, MAXIMUM_BYTES)).message, operator).toBe('')
    }
  })

  const change = fc.tuple(
    fc.constantFrom(...kinds),
    fc.nat().map((seed) => seed),
  )
  it(`runs or says what is wrong, ${PROBLEMS} of them from seed ${SEED}`, async () => {
    let [ran, refused] = [0, 0]
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...operators),
        fc.nat(),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        async (operator, at, changes: readonly Change[]) => {
          const own = all.filter(({ about }) => about === operator)
          const sample = changed(own[at % own.length]!, changes, words)
          if ((await attempt(engine, sample, MAXIMUM_BYTES)).message) refused++
          else ran++
        },
      ),
      { numRuns: PROBLEMS, seed: SEED },
    )
    // Of both kinds, or nothing was tried.
    expect(Math.min(ran, refused)).toBeGreaterThan(PROBLEMS / 10)
  })
})
