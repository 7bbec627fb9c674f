/** Transpositions that go behind what reads them, beside the same graph as it stands in the file. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'
import { node, whole } from '../support/onnx.js'
import { Random } from '../support/random.js'

type Constants = ReturnType<typeof whole>[]

describe('a transposition', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  const shape = [2, 5, 6, 7]

  /** Small whole numbers, so that sums are exact in whatever order. */
  const numbers = (random: Random, size: number) =>
    Float32Array.from({ length: size }, () => random.integer(-9, 9))

  /** Runs with and without a tap of what is transposed, which keeps the graph as it stands. */
  async function compare(nodes: NodeParts[], initializers: Constants, random: Random) {
    const outputs = nodes.flatMap(({ outputs }) => outputs).filter((name) => name.startsWith('y'))
    using model = await loadModel(
      engine,
      writeModel({
        nodes,
        initializers,
        inputs: [{ name: 'x', shape }],
        outputs: outputs.map((name) => ({ name, type: name.endsWith('place') ? 'int64' : 'float32' })),
      }),
    )
    for (let round = 0; round < 3; round++) {
      const x = numbers(random, 420)
      const got = model.run({ x })
      const wanted = model.run({ x }, { taps: ['t'] })
      for (const name of outputs) {
        expect(got[name]!.shape, JSON.stringify(nodes)).toEqual(wanted[name]!.shape)
        expect(got[name]!.data, JSON.stringify(nodes)).toEqual(wanted[name]!.data)
      }
    }
    return model.summary().map(({ op, shape }) => `${op} ${shape}`)
  }

  it('goes behind slices, reductions, gathers and other ones', async () => {
    const random = new Random(27)
    for (let problem = 0; problem < 30; problem++) {
      const perm = [0, 1, 2, 3].sort(() => random.integer(0, 1) - 0.5)
      const turned = perm.map((axis) => shape[axis]!)
      const nodes = [node('Transpose', ['x'], ['t'], { perm })]
      const initializers: Constants = [whole('one', [1], 1), whole('places', [2, 2], 1, 0, -1, 1)]
      let axes = 0
      const constant = (...values: number[]) => {
        initializers.push(whole(`c${axes}`, [values.length], ...values))
        return `c${axes++}`
      }
      for (let reader = 0; reader < random.integer(1, 3); reader++) {
        const to = `y${reader}`
        const axis = random.integer(-4, 3)
        const keepdims = random.integer(0, 1)
        const other = (axis + 5) % 4
        const made = [
          () => [
            node('Slice', ['t', 'one', constant(turned.at(axis)!), constant(axis)], [`s${reader}`]),
            // And one behind that.
            node('ReduceMax', [`s${reader}`, constant(other)], [to], { keepdims }),
          ],
          () => [node('ReduceSum', ['t', constant(axis, other)], [to], { keepdims })],
          () => [node('ReduceMin', ['t', constant(axis)], [to], { keepdims })],
          () => [node('ArgMax', ['t'], [`${to}place`], { axis, keepdims })],
          () => [node('Gather', ['t', 'places'], [to], { axis })],
          () => [
            node('Transpose', ['t'], [to], { perm: [0, 1, 2, 3].sort(() => random.integer(0, 1) - 0.5) }),
          ],
          () => [node('Slice', ['t', 'one', constant(9), constant(axis), constant(2)], [to])],
        ]
        nodes.push(...made[random.integer(0, made.length - 1)]!())
      }
      await compare(nodes, initializers, random)
    }
  })

  it('takes no time where boxes are cut from what a detector gives', async () => {
    const layers = await compare(
      [
        node('Transpose', ['x'], ['t'], { perm: [0, 3, 2, 1] }),
        node('Slice', ['t', 'zero', 'one', 'last'], ['y0']),
        node('Slice', ['t', 'one', 'many', 'last'], ['scores']),
        node('ReduceMax', ['scores', 'last'], ['y1']),
      ],
      [whole('zero', [1], 0), whole('one', [1], 1), whole('many', [1], 99), whole('last', [1], -1)],
      new Random(5),
    )
    expect(layers).toEqual([
      'Slice 2,1,6,7',
      'Transpose 2,7,6,1',
      'Slice 2,4,6,7',
      'ReduceMax 2,1,6,7',
      'Transpose 2,7,6,1',
    ])
  })

  it('stays where somebody reads all of it', async () => {
    const layers = await compare(
      [
        node('Transpose', ['x'], ['t'], { perm: [0, 3, 2, 1] }),
        node('ReduceMax', ['t', 'last'], ['y0']),
        node('Neg', ['t'], ['y1']),
      ],
      [whole('last', [1], -1)],
      new Random(6),
    )
    expect(layers[0]).toBe('Transpose 2,7,6,5')
  })
})
