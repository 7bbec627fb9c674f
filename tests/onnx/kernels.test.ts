/** What kernels do wherever there are floats: the host would stop a replay for it. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { createEngine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node } from '../support/onnx.js'
import { Random } from '../support/random.js'

const random = new Random(31)

/** By definition: over all letters, in plain loops. */
function einsum(equation: string, values: readonly { shape: readonly number[]; data: Float32Array }[]) {
  const [left = '', right = ''] = equation.split('->')
  const terms = left.split(',')
  const letters = [...new Set(left.replaceAll(',', ''))]
  const lengths = new Map<string, number>()
  terms.forEach((term, i) => {
    ;[...term].forEach((letter, axis) => {
      lengths.set(letter, Math.max(lengths.get(letter) ?? 1, values[i]!.shape[axis]!))
    })
  })
  const shape = [...right].map((letter) => lengths.get(letter)!)
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1))
  const place = (term: string, shape: readonly number[], at: ReadonlyMap<string, number>) =>
    [...term].reduce((i, letter, axis) => i * shape[axis]! + (shape[axis] === 1 ? 0 : at.get(letter)!), 0)
  const walk = (depth: number, at: Map<string, number>): void => {
    const letter = letters[depth]
    if (letter === undefined) {
      const product = terms.reduce((p, term, i) => p * values[i]!.data[place(term, values[i]!.shape, at)]!, 1)
      data[place(right, shape, at)]! += product
      return
    }
    for (let i = 0; i < lengths.get(letter)!; i++) walk(depth + 1, at.set(letter, i))
  }
  walk(0, new Map())
  return { shape, data }
}

describe('Einsum', () => {
  it.each([
    ['nhwc->nchw', [2, 3, 4, 5]],
    ['abcd->db', [2, 3, 4, 5]],
    ['bld,dn->bldn', [2, 3, 4], [4, 5]],
    ['bld,bln,bld->bldn', [2, 3, 4], [2, 3, 5], [2, 3, 4]],
    ['bn,bn->b', [3, 4], [3, 4]],
    ['bij,bjk->bik', [1, 3, 4], [2, 4, 5]],
    ['ij,jk->k', [3, 4], [1, 5]],
    ['ab,bc,cd->da', [3, 4], [4, 5], [5, 2]],
    ['a,b,c->cab', [2], [3], [4]],
    ['ab,ab->', [3, 4], [3, 4]],
  ] as [string, ...number[][]][])('%s is done by kernels', async (equation, ...shapes) => {
    const names = shapes.map((_, i) => `x${i}`)
    const wanted = [...equation.split('->')[1]!].map(() => null)
    const bytes = writeModel({
      nodes: [node('Einsum', names, ['y'], { equation })],
      inputs: names.map((name, i) => ({ name, shape: shapes[i]! })),
      outputs: [{ name: 'y', shape: wanted }],
    })
    using engine = await createEngine({ threads: 1 })
    using model = await loadModel(engine, bytes)
    for (let run = 0; run < 3; run++) {
      const values = shapes.map((shape) => ({
        shape,
        data: random.floats(shape.reduce((a, b) => a * b, 1)),
      }))
      const { shape, data } = einsum(equation, values)
      const { y } = model.run(Object.fromEntries(values.map((value, i) => [names[i]!, value])))
      expect(y!.shape).toEqual(shape)
      y!.toArray().forEach((v, i) => {
        expect(Math.abs((v as number) - data[i]!)).toBeLessThan(1e-5)
      })
    }
    expect(model.summary().map(({ host }) => host)).toEqual([undefined])
  })
})

describe('functions of floats', () => {
  const infinite = (low: number, high: number) => ({ detect_negative: low, detect_positive: high })
  it.each([
    ['Pow', ['x', 'z'], {}],
    ['Pow', ['x', 'per column'], {}],
    ['Mod', ['z', 'x'], { fmod: 1 }],
    ['Mod', ['z', 'third'], { fmod: 1 }],
    ['IsInf', ['z'], {}],
    ['IsInf', ['z'], infinite(0, 1)],
    ['IsInf', ['z'], infinite(1, 0)],
    ['IsInf', ['z'], infinite(0, 0)],
  ] as [string, string[], Record<string, number>][])('%s of %s, %o', async (op, inputs, attributes) => {
    const shape = [5, 9]
    const bytes = writeModel({
      // Made in the run, so that it stands in the engine.
      nodes: [node('Neg', ['w'], ['z']), node(op, inputs, ['y'], attributes)],
      inputs: ['x', 'w'].map((name) => ({ name, shape })),
      outputs: [{ name: 'y', type: op === 'IsInf' ? 'bool' : 'float32', shape }],
      initializers: [
        { name: 'third', shape: [], data: Float32Array.of(1 / 3) },
        { name: 'per column', shape: [9], data: Float32Array.from({ length: 9 }, (_, i) => i / 2 - 2) },
      ],
    })
    const x = random.floats(45).map((v) => Math.abs(v) + 0.1)
    const w = random.floats(45).map((v) => 4 * v)
    w.set([0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    const session = await InferenceSession.create(bytes, { graphOptimizationLevel: 'disabled' })
    const wanted = await session.run({ x: new Tensor(x, shape), w: new Tensor(w, shape) })
    await session.release()
    using engine = await createEngine({ threads: 1 })
    using model = await loadModel(engine, bytes)
    for (let run = 0; run < 3; run++) {
      const got = model.run({ x, w })['y']!.toArray() as Float32Array
      Array.from(wanted['y']!.data as Float32Array, Number).forEach((v, i) => {
        const near = Object.is(got[i], v) || got[i] === v || Math.abs(got[i]! - v) <= 1e-6 * Math.abs(v)
        if (!near) expect.fail(`element ${i} of run ${run}: ${got[i]} for ${v}`)
      })
    }
    expect(model.summary().map(({ host }) => host)).toEqual([undefined, undefined])
  })
})
