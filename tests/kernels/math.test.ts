import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { NO_CLAMP, runBinary, runUnary } from '../../src/plans/elementwise.js'
import { BinaryOp, UnaryOp } from '../../src/wasm/abi.js'
import { BUILDS, inEveryBuild } from '../support/check.js'
import {
  erf,
  errorInUnits,
  floatOfBits,
  normal,
  sigmoid,
  softplus,
  tanhSoftplus,
  unitOf,
} from '../support/functions.js'

/**
 * Every 4099th float there is (signs, denormals, infinities and NaN among them), and a fine comb where
 * something happens.
 */
function sweep(): Float32Array {
  const values: number[] = [
    0,
    -0,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    Number.NaN,
    1e-45,
    -1e-45,
    2 ** -126,
    -(2 ** -126),
    3.4028234e38,
  ]
  for (let bits = 0; bits < 2 ** 32; bits += 4099) values.push(floatOfBits(bits))
  for (let x = -110; x < 110; x += 0.00037) values.push(x)
  for (let x = -2; x < 2; x += 0.0000117) values.push(x)
  return Float32Array.from(values)
}

const inputs = sweep()

function outputs(engine: Engine, op: UnaryOp, a = 0, b = 0): Float32Array {
  return engine.scope(() => {
    const x = engine.tensor(inputs, [inputs.length])
    runUnary(op, x, x, a, b)
    return x.toArray()
  })
}

interface Case {
  op: UnaryOp
  wanted: (x: number) => number
  /** Largest error in units of the float32 at the result. */
  units: number
  /** What may be added to it. */
  absolute?: number
  parameters?: [number, number]
}

const SQRT_2_PI = Math.sqrt(2 / Math.PI)
/** Where x * f(x) tends to 0 with x -> -Infinity. */
const product = (f: (x: number) => number) => (x: number) => (x === Number.NEGATIVE_INFINITY ? 0 : x * f(x))
const elu = (x: number) => (x > 0 ? x : Math.expm1(x))

/** The bounds of assembly/math.ts. */
const cases: Record<string, Case> = {
  exp: { op: UnaryOp.exp, wanted: Math.exp, units: 1.5 },
  log: { op: UnaryOp.log, wanted: Math.log, units: 1.1 },
  'expm1 (elu)': { op: UnaryOp.elu, wanted: elu, units: 1.8, parameters: [1, 1] },
  expm1: { op: UnaryOp.expm1, wanted: Math.expm1, units: 2.5 },
  log1p: { op: UnaryOp.log1p, wanted: Math.log1p, units: 3.5 },
  sigmoid: { op: UnaryOp.sigmoid, wanted: sigmoid, units: 3.6 },
  tanh: { op: UnaryOp.tanh, wanted: Math.tanh, units: 3.6 },
  erf: { op: UnaryOp.erf, wanted: erf, units: 2.4 },
  sine: { op: UnaryOp.sine, wanted: Math.sin, units: 1.6, absolute: 1e-9 },
  cosine: { op: UnaryOp.sine, wanted: Math.cos, units: 1.6, absolute: 1e-9, parameters: [1, 0] },
  trunc: { op: UnaryOp.trunc, wanted: Math.trunc, units: 0 },
  sqrt: { op: UnaryOp.sqrt, wanted: Math.sqrt, units: 0.51 },
  floor: { op: UnaryOp.floor, wanted: Math.floor, units: 0 },
  ceil: { op: UnaryOp.ceil, wanted: Math.ceil, units: 0 },
  round: {
    op: UnaryOp.round,
    wanted: (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)),
    units: 0,
  },
  softplus: { op: UnaryOp.softplus, wanted: softplus, units: 3.7 },
  silu: { op: UnaryOp.silu, wanted: product(sigmoid), units: 4.3, absolute: 1.5e-43 },
  mish: { op: UnaryOp.mish, wanted: product(tanhSoftplus), units: 5.2, absolute: 1.5e-43 },
  gelu: { op: UnaryOp.gelu, wanted: product(normal), units: 1, absolute: 7e-8 },
  geluTanh: {
    op: UnaryOp.geluTanh,
    wanted: product((x) => sigmoid(2 * SQRT_2_PI * (x + 0.044715 * x ** 3))),
    units: 3.6,
    absolute: 1e-7,
  },
}

/** Choices between two numbers, which are exact. */
const choices: [name: string, op: BinaryOp, wanted: (a: number, b: number) => number][] = [
  ['maximum', BinaryOp.maximum, Math.max],
  ['minimum', BinaryOp.minimum, Math.min],
  ['keep', BinaryOp.mask, (a, b) => (b === 0 ? 0 : a)],
  ['drop', BinaryOp.maskNot, (a, b) => (b === 0 ? a : 0)],
  ['less', BinaryOp.less, (a, b) => Number(a < b)],
  ['atMost', BinaryOp.lessEqual, (a, b) => Number(a <= b)],
]

describe('math', () => {
  const engines: Engine[] = []
  beforeAll(async () => {
    for (const simd of BUILDS) engines.push(await createEngine({ simd }))
  })
  afterAll(() => {
    for (const engine of engines) engine.dispose()
  })

  // What is wanted takes longer to work out than what the kernels give: once for both builds.
  for (const [name, { op, wanted, units, absolute = 0, parameters = [0, 0] }] of Object.entries(cases)) {
    it(`${name} keeps its bound in every build`, () => {
      const results = engines.map((engine) => outputs(engine, op, ...parameters))
      const worst = results.map(() => ({ error: 0, at: 0 }))
      for (const [i, x] of inputs.entries()) {
        const want = wanted(x)
        const nearest = Math.fround(want)
        for (const [k, y] of results.entries()) {
          // The nearest float is off by half a unit at most, which every bound but that of 0 allows; and
          // there it is what is wanted.
          if (y[i] === nearest || Object.is(y[i], nearest)) continue
          const error = Math.max(0, errorInUnits(y[i]!, want) - absolute / unitOf(want))
          if (!(error <= worst[k]!.error)) worst[k] = { error, at: i }
        }
      }
      for (const [k, { error, at }] of worst.entries())
        expect(
          error,
          `${BUILDS[k]}: ${name}(${inputs[at]}) is ${results[k]![at]}, expected ${wanted(inputs[at]!)}`,
        ).toBeLessThanOrEqual(units)
    })
  }

  inEveryBuild((engine) => {
    for (const [name, op, wanted] of choices) {
      it(`${name} of every two`, () => {
        const values = [
          0,
          -0,
          1,
          -1,
          0.5,
          1e-45,
          -3.4e38,
          Number.POSITIVE_INFINITY,
          Number.NEGATIVE_INFINITY,
          Number.NaN,
          7,
        ].map(Math.fround)
        engine().scope(() => {
          const rows = engine().tensor(values, [values.length, 1])
          const columns = engine().tensor(values, [values.length])
          const y = runBinary(op, engine(), rows, columns, undefined, NO_CLAMP, { op: name, shapes: {} })
          expect([...y.toArray()]).toEqual(values.flatMap((a) => values.map((b) => wanted(a, b))))
        })
      })
    }
  })
})
