import { describe, expect, it } from 'vitest'
import * as fb from '../../src/index.js'
import { valueAndGradients } from '../../src/nn/index.js'
import { expectComplaint, expectValues, inEveryBuild } from '../support/check.js'
import { expectGradients } from '../support/gradients.js'
import { Random } from '../support/random.js'
import { type CellName, gatesOf, type RecurrentProblem, recurrent } from '../support/recurrent.js'
import type { Values } from '../support/reference.js'

const CELLS: CellName[] = ['tanh', 'relu', 'lstm', 'gru']

interface Sizes {
  n: number
  steps: number
  inFeatures: number
  hidden: number
}

type Drawn = Omit<RecurrentProblem, 'cell' | 'lengths'> & { lengths?: number[] | undefined }

/** Weights that keep states away from 0 and 1; with everything optional, or with some of it. */
function draw(random: Random, cell: CellName, { n, steps, inFeatures, hidden }: Sizes, all = true): Drawn {
  const columns = gatesOf[cell] * hidden
  const floats = (shape: number[], size: number): Values => ({
    shape,
    data: random.floats(
      shape.reduce((a, b) => a * b, 1),
      -size,
      size,
    ),
  })
  const some = <T>(value: T): T | undefined => (all || random.next() < 0.5 ? value : undefined)
  return {
    x: floats([n, steps, inFeatures], 1),
    inputWeight: floats([inFeatures, columns], 1),
    stateWeight: floats([hidden, columns], 1.5 / Math.sqrt(hidden)),
    bias: some(floats([columns], 0.5)),
    stateBias: some(floats([columns], 0.5)),
    initial: some(floats([n, hidden], 1)),
    initialCell: cell === 'lstm' ? some(floats([n, hidden], 1)) : undefined,
    reverse: random.next() < 0.5,
    lengths: some(Array.from({ length: n }, () => random.integer(0, steps))),
  }
}

type Options = fb.LstmOptions

function run(x: fb.Tensor, cell: CellName, options: Options): fb.RecurrentResult & { cell?: fb.Tensor } {
  if (cell === 'lstm') return fb.lstm(x, options)
  const { initialCell: _, ...rest } = options
  return cell === 'gru' ? fb.gru(x, rest) : fb.rnn(x, { ...rest, activation: cell })
}

describe('rnn, lstm and gru', () => {
  inEveryBuild((engine) => {
    const tensor = (values: Values | undefined) =>
      values && engine().tensor(Float32Array.from(values.data), values.shape)
    const upload = ({ x, reverse, lengths, ...rest }: Drawn): { x: fb.Tensor; options: Options } => {
      const named = Object.entries(rest).flatMap(([name, values]) => (values ? [[name, tensor(values)]] : []))
      return {
        x: tensor(x)!,
        options: { ...Object.fromEntries(named), reverse, ...(lengths && { lengths }) } as Options,
      }
    }

    it('agree with the reference, 240 random problems', () => {
      const random = new Random(20261201)
      for (let round = 0; round < 240; round++) {
        const cell = random.pick(CELLS)
        const sizes = {
          n: random.pick([0, 1, 1, 2, 3, 5, 6, 7, 13]),
          steps: random.pick([0, 1, 2, 3, 6]),
          inFeatures: random.integer(1, 9),
          hidden: random.pick([1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 17, 35]),
        }
        const problem = draw(random, cell, sizes, false)
        engine().scope(() => {
          const { x, options } = upload(problem)
          const want = recurrent({ cell, ...problem })
          const got = run(x, cell, options)
          const about = `seed ${random.seed}, round ${round}, ${cell} ${JSON.stringify(sizes)}`
          // Errors of a step go on to the next ones; relu has no bound.
          const tolerance = cell === 'relu' ? 1e-4 : 4e-6
          expectValues(got.output, want.output, tolerance, `${about} output`)
          expectValues(got.state, want.state, tolerance, `${about} state`)
          if (got.cell) expectValues(got.cell, want.cell, tolerance, `${about} cell`)
        })
      }
    })

    it('go step by step where few sequences have many units', () => {
      const random = new Random(20261202)
      for (const [cell, hidden] of [
        ['lstm', 259],
        ['gru', 300],
        ['tanh', 520],
      ] as const) {
        for (const n of [1, 3]) {
          const problem = draw(random, cell, { n, steps: 4, inFeatures: 3, hidden })
          engine().scope(() => {
            const { x, options } = upload(problem)
            const want = recurrent({ cell, ...problem })
            const got = run(x, cell, options)
            expectValues(got.output, want.output, 2e-5, `${cell} ${n}`)
            expectValues(got.state, want.state, 2e-5, `${cell} ${n}`)
            if (got.cell) expectValues(got.cell, want.cell, 2e-5, `${cell} ${n}`)
          })
        }
      }
    })

    it('give each sequence the bytes that it has alone', () => {
      const random = new Random(20261203)
      const small = CELLS.map((cell) => ({ cell, n: 11, steps: 5, inFeatures: 4, hidden: 21 }))
      // Rows so long that steps gather them, of two units of sequences; alone they go panel by panel.
      const large = (['lstm', 'gru'] as const).map((cell) => ({
        cell,
        n: 17,
        steps: 3,
        inFeatures: 2,
        hidden: 349,
      }))
      for (const { cell, ...sizes } of [...small, ...large]) {
        const problem = draw(random, cell, sizes)
        engine().scope(() => {
          const { x, options } = upload(problem)
          const together = run(x, cell, options).output
          const row = (t: fb.Tensor | undefined, i: number) => t && fb.gather(t, [i])
          for (let i = 0; i < sizes.n; i++) {
            const alone = run(row(x, i)!, cell, {
              ...options,
              initial: row(options.initial, i)!,
              ...(options.initialCell && { initialCell: row(options.initialCell, i)! }),
              lengths: [problem.lengths![i]!],
            }).output
            expect(alone.toArray(), `${cell} ${i}`).toEqual(row(together, i)!.toArray())
          }
        })
      }
    })

    it('take up where they left off: steps in two halves have the bytes of all', () => {
      const random = new Random(20261204)
      for (const cell of CELLS) {
        const problem = draw(random, cell, { n: 3, steps: 8, inFeatures: 5, hidden: 13 })
        engine().scope(() => {
          const { x, options: all } = upload({ ...problem, lengths: undefined, reverse: false })
          const whole = run(x, cell, all)
          const half = (first: number) =>
            fb.gather(
              x,
              [0, 1, 2, 3].map((i) => first + i),
              { axis: 1 },
            )
          const first = run(half(0), cell, all)
          const second = run(half(4), cell, {
            ...all,
            initial: first.state,
            ...(first.cell && { initialCell: first.cell }),
          })
          const joined = fb.concat([first.output, second.output], { axis: 1 })
          expect(joined.toArray()).toEqual(whole.output.toArray())
          expect(second.state.toArray()).toEqual(whole.state.toArray())
        })
      }
    })

    it('have derivatives of every input, through output, state and cell', () => {
      const random = new Random(20261205)
      for (const cell of CELLS) {
        for (const sizes of [
          { n: 1, steps: 3, inFeatures: 2, hidden: 3 },
          { n: 3, steps: 4, inFeatures: 3, hidden: 5 },
          { n: 7, steps: 2, inFeatures: 5, hidden: 9 },
        ]) {
          for (const [reverse, ragged] of [
            [false, false],
            [true, true],
            [false, true],
          ] as const) {
            const drawn = draw(random, cell, sizes)
            // No kink within a step of a central difference: units that are open, and such that are closed.
            if (cell === 'relu')
              for (const values of [drawn.bias!, drawn.inputWeight, drawn.stateWeight])
                values.data = Float32Array.from(values.data, (v, i) =>
                  values === drawn.bias ? (i % 3 ? 6 : -6) : v / 4,
                )
            const { x, options } = upload({
              ...drawn,
              reverse,
              ...(ragged ? {} : { lengths: undefined }),
            })
            const { reverse: _, lengths, ...weights } = options
            const names = Object.keys(weights)
            engine().scope(() =>
              expectGradients(
                engine(),
                random,
                [x, ...Object.values(weights)] as fb.Tensor[],
                (x, ...inputs) => {
                  const named = Object.fromEntries(inputs.map((input, i) => [names[i]!, input]))
                  const result = run(x!, cell, {
                    ...(named as unknown as Options),
                    reverse,
                    ...(ragged && { lengths: lengths! }),
                  })
                  const all = [result.output, result.state, ...(result.cell ? [result.cell] : [])]
                  return fb.concat(all.map((each) => each.reshape([-1])))
                },
                { about: `${cell} ${JSON.stringify(sizes)} ${reverse}`, tolerance: 4e-3 },
              ),
            )
            for (const each of [x, ...Object.values(weights)] as fb.Tensor[]) each.dispose()
          }
        }
      }
    })

    it('have derivatives step by step, the same as in a batch', () => {
      const random = new Random(20261206)
      for (const [cell, hidden] of [
        ['lstm', 256],
        ['gru', 296],
        ['relu', 512],
      ] as const) {
        const problem = draw(random, cell, { n: 4, steps: 3, inFeatures: 2, hidden })
        engine().scope(() => {
          const { x, options } = upload({ ...problem, lengths: undefined })
          const gradients = (x: fb.Tensor, options: Options) => {
            const wanted = [x, options.inputWeight, options.stateWeight, options.initial!]
            return valueAndGradients(() => {
              const { output, state } = run(x, cell, options)
              return fb.add(fb.sum(fb.mul(output, output)), fb.sum(state))
            }, wanted).gradients
          }
          const whole = gradients(x, options)
          const rows = [0, 1, 2, 3].map((i) => {
            const row = (t: fb.Tensor) => fb.gather(t, [i])
            return gradients(row(x), {
              ...options,
              initial: row(options.initial!),
              ...(options.initialCell && { initialCell: row(options.initialCell) }),
            })
          })
          const joined = (i: number) =>
            fb.concat(
              rows.map((row) => row[i]!),
              { axis: 0 },
            )
          expect(joined(0).toArray(), cell).toEqual(whole[0]!.toArray())
          expect(joined(3).toArray(), cell).toEqual(whole[3]!.toArray())
          for (const i of [1, 2]) {
            const sum = rows.map((row) => row[i]!).reduce((a, b) => fb.add(a, b))
            const largest = whole[i]!.toArray().reduce((a, b) => Math.max(a, Math.abs(b)), 1)
            expectValues(sum, { shape: [...sum.shape], data: whole[i]!.toArray() }, 2e-6 * largest, cell)
          }
        })
      }
    })

    it('keep nothing but their results; NaN where there is one, and nowhere else', () => {
      const random = new Random(20261207)
      for (const cell of CELLS) {
        engine().scope(() => {
          const sizes = { n: 2, steps: 3, inFeatures: 2, hidden: 3 }
          const { x, options } = upload({ ...draw(random, cell, sizes), lengths: [3, 1], reverse: false })
          const before = engine().memory().tensors
          const results = Object.values(run(x, cell, options))
          expect(engine().memory().tensors).toBe(before + results.length)
          x.set(x.toArray().fill(Number.NaN, 2, 4))
          const nan = [...run(x, cell, options).output.toArray()].map(Number.isNaN)
          expect(nan, cell).toEqual([
            ...Array(3).fill(false),
            ...Array(6).fill(true),
            ...Array(9).fill(false),
          ])
        })
      }
    })

    it('say what is wrong', () => {
      engine().scope(() => {
        const zeros = (...shape: number[]) => engine().zeros(shape)
        const [x, five, cells, thin] = [zeros(2, 3, 4), zeros(5), zeros(2, 4), zeros(3, 20)]
        const options = { inputWeight: zeros(4, 20), stateWeight: zeros(5, 20) }
        const plain = { inputWeight: zeros(4, 5), stateWeight: zeros(5, 5) }
        const floats = zeros(2) as unknown as fb.Tensor<'int32'>
        const complaint = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine(), fn, ...parts)
        complaint(() => fb.lstm(cells, options), 'lstm: x must be [n, steps, inFeatures], got [2, 4]')
        complaint(
          () => fb.gru(x, options),
          'gru: stateWeight must be [hidden, 3 * hidden], got [5, 20]',
          'x [2, 3, 4]',
        )
        complaint(() => fb.rnn(x, options), 'rnn: stateWeight must be [hidden, hidden], got [5, 20]')
        complaint(
          () => fb.lstm(x, { ...options, inputWeight: thin }),
          'lstm: inputWeight must be [inFeatures, 20] of the same inFeatures as x, not 0, got [3, 20]',
        )
        complaint(() => fb.lstm(x, { ...options, bias: five }), 'lstm: bias must be [20], got [5]')
        complaint(() => fb.lstm(x, { ...options, stateBias: five }), 'stateBias must be [20], got [5]')
        complaint(() => fb.lstm(x, { ...options, initial: five }), 'initial must be [2, 5], got [5]')
        complaint(() => fb.lstm(x, { ...options, initialCell: cells }), 'initialCell must be [2, 5]')
        complaint(() => fb.lstm(x, { ...options, lengths: [1] }), 'lengths must be 2 integers', 'got 1')
        complaint(
          () => fb.lstm(x, { ...options, lengths: [1, 4] }),
          'lstm: lengths must be integers from 0 to 3, got 4 at 1',
        )
        complaint(() => fb.lstm(x, { ...options, lengths: floats }), 'lengths must be of int32')
        complaint(
          () => fb.lstm(x, { ...options, reverse: 1 as unknown as boolean }),
          'reverse must be true or false',
        )
        complaint(
          () => fb.rnn(x, { ...plain, activation: 'elu' as 'relu' }),
          "rnn: activation must be 'tanh' or 'relu', got \"elu\"",
        )
        complaint(() => fb.gru(x, { ...options, initialCell: x } as fb.RecurrentOptions), 'gru: initialCell')
      })
    })

    it('take lengths of an int32 tensor', () => {
      engine().scope(() => {
        const { x, options } = upload(
          draw(new Random(20261208), 'gru', { n: 3, steps: 4, inFeatures: 2, hidden: 6 }),
        )
        const lengths = engine().tensor([2, 4, 0], [3], { dtype: 'int32' })
        expect(fb.gru(x, { ...options, lengths }).output.toArray()).toEqual(
          fb.gru(x, { ...options, lengths: [2, 4, 0] }).output.toArray(),
        )
      })
    })
  })
})
