/** What imports what. */
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { describe, expect, it } from 'vitest'
import { root } from './support/package.js'

/**
 * Circles that stand today, each from its first name in the alphabet: one that goes leaves the list, and none
 * comes to it.
 */
const known = [
  'src/core/engine.ts > src/core/tape.ts > src/core/tensor.ts',
  'src/core/engine.ts > src/core/tensor.ts',
]

describe('the sources', { timeout: 240_000 }, () => {
  it('import each other in no circle, types included', async () => {
    const { output } = await cruise(
      ['src', 'assembly'],
      {
        baseDir: root,
        tsPreCompilationDeps: true,
        doNotFollow: { path: 'node_modules' },
        // Binaries and programs as texts, which the build writes.
        exclude: { path: 'src/wasm/(simd128|relaxed|workerSource)\\.ts$' },
        validate: true,
        ruleSet: { forbidden: [{ name: 'circle', severity: 'error', from: {}, to: { circular: true } }] },
      },
      { extensions: ['.ts'] },
    )
    const { modules, summary } = output as ICruiseResult
    const imports = modules.flatMap(({ source, dependencies }) =>
      dependencies.map((dependency) => ({ source, ...dependency })),
    )
    // Of what it cannot find it would know no circle.
    expect(
      imports
        .filter(({ couldNotResolve }) => couldNotResolve)
        .map(({ source, module }) => `${source} imports ${module}`),
    ).toEqual([])
    expect(
      imports.some(
        ({ source, resolved }) => source === 'assembly/index.ts' && resolved === 'assembly/dense/igemm.ts',
      ),
    ).toBe(true)
    expect(
      imports.some(
        ({ source, resolved }) => source === 'src/index.ts' && resolved === 'src/ops/conv/conv.ts',
      ),
    ).toBe(true)
    const circles = new Set(
      summary.violations.map(({ cycle = [] }) => fromFirst(cycle.map(({ name }) => name)).join(' > ')),
    )
    expect([...circles].sort()).toEqual(known)
  })
})

/** A circle turned so that the first name in the alphabet leads. */
function fromFirst(names: string[]): string[] {
  const first = names.indexOf(names.reduce((a, b) => (a < b ? a : b)))
  return [...names.slice(first), ...names.slice(0, first)]
}
