/** Calls that are given options of any kind. */
import { expect } from 'vitest'
import { FilterbankError, show } from '../../src/base/errors.js'
import type { Engine } from '../../src/index.js'

/** A call with options of any kind. */
export type Call = (options: never) => unknown

/** The error of a call, which leaves nothing behind. */
export async function errorOf(engine: Engine, call: Call, options: unknown): Promise<FilterbankError> {
  const before = engine.memory()
  let error: unknown
  try {
    await call(options as never)
  } catch (caught) {
    error = caught
  }
  expect(error, `options ${show(options)}`).toBeInstanceOf(FilterbankError)
  expect(engine.memory().tensors).toBe(before.tensors)
  return error as FilterbankError
}
