/** Operators on numbers near the ends of float32. */
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { loadModel } from '../../src/onnx/index.js'
import { oneNode } from '../support/onnx.js'

async function answer(
  op: string,
  ranks: readonly number[],
  attributes: Parameters<typeof oneNode>[3],
  shape: number[],
  data: Float32Array,
): Promise<number[]> {
  using engine = await createEngine({ threads: 1 })
  using model = await loadModel(engine, oneNode(op, ['x'], ranks, attributes, 13))
  return [...(model.run({ x: { shape, data } })['y']!.toArray() as Float32Array)]
}

const close = (got: number[], want: number[], relative: number) => {
  expect(got).toHaveLength(want.length)
  for (const [i, v] of got.entries())
    expect(Math.abs(v - want[i]!), `${v} for ${want[i]}`).toBeLessThanOrEqual(relative * Math.abs(want[i]!))
}

describe('range', () => {
  it('lengths whose squares leave float32, and of zeros', async () => {
    for (const size of [1e-36, 1e-25, 1, 1e20, 5e37]) {
      const x = Float32Array.of(3 * size, 0, -4 * size, 0, 0, 0)
      const length = 5 * size
      // Six roundings: two quotients, two squares, a root, a product.
      const relative = 6 * 2 ** -24 + 2 ** -23
      close(await answer('ReduceL2', [2, 1], { axes: [1], keepdims: 0 }, [2, 3], x), [length, 0], relative)
      close(
        await answer('LpNormalization', [2, 2], { axis: 1, p: 2 }, [2, 3], x),
        [0.6, 0, -0.8, 0, 0, 0],
        relative,
      )
      close(await answer('GlobalLpPool', [4, 4], { p: 2 }, [1, 2, 1, 3], x), [length, 0], relative)
    }
  })

  it('sine and cosine of every size', async () => {
    const x = Float32Array.of(1e6, -1048577, 1e10, 1e15, 1e20, -1e25, -1e30, 3.4e38, 2 ** 127)
    for (const [op, f] of [
      ['Sin', Math.sin],
      ['Cos', Math.cos],
    ] as const) {
      const got = await answer(op, [1, 1], {}, [x.length], x)
      for (const [i, v] of got.entries())
        expect(Math.abs(v - f(x[i]!)), `${op} ${x[i]}`).toBeLessThan(1.6 * 2 ** -24)
    }
    expect(
      await answer(
        'Sin',
        [1, 1],
        {},
        [3],
        Float32Array.of(Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN),
      ),
    ).toEqual([Number.NaN, Number.NaN, Number.NaN])
  })
})
