/** Functions that are made of simpler kernels, by what the host has for them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'

const some = (length: number, f: (i: number) => number) => Array.from({ length }, (_, i) => f(i))
const { POSITIVE_INFINITY: INFINITE, NaN: NONE } = Number

/** From -size to size, near to 0 and on both sides of it, the ends too. */
const around = (size: number) => [
  ...some(2001, (i) => (size * (i - 1000)) / 1000),
  ...some(300, (i) => size * 2 ** (-i / 10)),
  ...some(300, (i) => -size * 2 ** (-i / 10)),
]
/** As near to 1 as a float gets. */
const nearOne = some(24, (i) => 1 - 2 ** -i)
const ends = [0, -0, INFINITE, -INFINITE, NONE]
const both = (numbers: number[]) => numbers.flatMap((v) => [v, -v])

const problems: Record<string, { f: (v: number) => number; of: number[] }> = {
  Tan: { f: Math.tan, of: [...around(1.55), ...around(100)] },
  Asin: { f: Math.asin, of: [...around(1), ...both(nearOne), 1.5, ...ends] },
  Acos: { f: Math.acos, of: [...around(1), ...both(nearOne), -1.5, ...ends] },
  Atan: { f: Math.atan, of: [...around(3), ...around(1e9), 3e38, ...ends] },
  Sinh: { f: Math.sinh, of: [...around(4), ...around(89.4), 100, ...ends] },
  Cosh: { f: Math.cosh, of: [...around(4), ...around(89.4), 100, ...ends] },
  Asinh: { f: Math.asinh, of: [...around(4), ...around(1e30), ...ends] },
  Acosh: { f: Math.acosh, of: [...around(4), ...some(24, (i) => 1 + 2 ** -i), 1e30, 0.5, ...ends] },
  Atanh: { f: Math.atanh, of: [...around(1), ...both(nearOne), 1.5, ...ends] },
  Softsign: { f: (v) => v / (1 + Math.abs(v)), of: [...around(4), 1e30, 0, -0, NONE] },
}

/** Units in the last place of a float32. */
const UNIT = 2 ** -24
/** Of the tangent near its poles: that of a cosine which is nearly 0, whose own error is absolute. */
const boundOf = (op: string, wanted: number) =>
  op === 'Tan' ? UNIT * (6 * Math.abs(wanted) + 4 * wanted * wanted) : 12 * UNIT * Math.abs(wanted)

describe.each(['simd128', 'relaxed'] as const)('by kernels, %s', (simd) => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1, simd })
  })
  afterAll(() => engine.dispose())

  it.each(Object.entries(problems))('%s is near to what the host has', async (op, { f, of }) => {
    const x = Float32Array.from(of)
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [node(op, ['x'], ['y'])],
        inputs: [{ name: 'x', shape: [x.length] }],
        outputs: [{ name: 'y', shape: [x.length] }],
      }),
    )
    const y = model.run({ x })['y']!.toArray() as Float32Array
    expect(model.summary()[0]!.host).toBeUndefined()
    x.forEach((v, i) => {
      const wanted = f(v)
      const near =
        Object.is(Math.fround(wanted), y[i]) ||
        y[i] === Math.fround(wanted) ||
        Math.abs(y[i]! - wanted) <= boundOf(op, wanted) + 2 ** -126
      if (!near) expect.fail(`${op}(${v}) is ${y[i]}, expected ${wanted}`)
    })
  })
})
