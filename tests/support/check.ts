import { afterAll, beforeAll, describe, expect } from 'vitest'
import { createEngine, type Engine, type EngineOptions, type Tensor } from '../../src/index.js'
import type { Values } from './reference.js'

export const BUILDS = ['simd128', 'relaxed'] as const

/**
 * Runs the tests in `body` once in each build that this host has, each time in an engine of its own that must
 * be empty at the end.
 */
export function inEveryBuild(body: (engine: () => Engine) => void, options: EngineOptions = {}): void {
  for (const simd of BUILDS) {
    describe(simd, () => {
      let engine: Engine
      beforeAll(async () => {
        engine = await createEngine({ ...options, simd })
      })
      afterAll(() => {
        expect(engine.memory().tensors, 'tensors left over').toBe(0)
        engine.dispose()
      })
      body(() => engine)
    })
  }
}

/**
 * Same shape, and every number within `tolerance` of the expected one; 0 compares exactly (NaN equals NaN).
 */
export function expectValues(actual: Tensor, expected: Values, tolerance = 0, about = ''): void {
  expect(actual.shape, about).toEqual(expected.shape)
  const data = actual.toArray()
  for (let i = 0; i < data.length; i++) {
    const want = expected.data[i]!
    const near = Object.is(data[i], want) || data[i] === want || Math.abs(data[i]! - want) <= tolerance
    if (!near)
      expect.fail(
        `${about} element ${i} of [${expected.shape.join(', ')}] is ${data[i]}, expected ${want} within ${tolerance}`,
      )
  }
}

/** `fn` throws a FilterbankError whose message has every part, and leaves the engine's memory as it was. */
export function expectComplaint(engine: Engine, fn: () => unknown, ...parts: string[]): void {
  const before = engine.memory()
  let message = ''
  try {
    fn()
  } catch (error) {
    expect((error as Error).name).toBe('FilterbankError')
    message = (error as Error).message
  }
  for (const part of parts) expect(message).toContain(part)
  expect(engine.memory(), 'memory after an error').toEqual({ ...before, peak: engine.memory().peak })
}
