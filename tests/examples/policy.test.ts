import { describe, expect, it } from 'vitest'
import { Game, MOVES, SIDE } from '../../examples/train/support/catch.mjs'
import { trained } from '../support/examples.js'
import { Random } from '../support/random.js'

describe('the game', () => {
  const game = (seed: number) => {
    const random = new Random(seed)
    return new Game({ next: () => random.integer(0, 2 ** 20 - 1) / 2 ** 20 })
  }

  it('ends after as many moves as the ball has rows to fall, within the walls', () => {
    for (let seed = 0; seed < 200; seed++) {
      const one = game(seed)
      for (let move = 0; move < MOVES; move++) {
        expect(one.over).toBe(false)
        const { x } = one.ball
        one.move(seed % 3)
        expect(Math.abs(one.ball.x - x)).toBeLessThanOrEqual(1)
        expect(one.ball.x >= 0 && one.ball.x < SIDE).toBe(true)
      }
      expect(one.over).toBe(true)
      expect(one.ball.y).toBe(SIDE - 1)
      expect(one.reward === 1).toBe(one.solved)
    }
  })

  it('is won by who follows the ball, mostly, and not by who stays', () => {
    const won = (choose: (one: Game) => number) =>
      Array.from({ length: 200 }, (_, seed) => game(seed)).filter((one) => {
        while (!one.over) one.move(choose(one))
        return one.solved
      }).length
    expect(won((one) => 1 + Math.sign(one.ball.x - one.basket))).toBeGreaterThan(160)
    expect(won(() => 1)).toBeLessThan(100)
  })

  it('is seen as this frame and the one before', () => {
    const one = game(3)
    const pixels = new Float32Array(SIDE * SIDE * 2)
    one.see(pixels)
    const first = pixels.filter((_, i) => i % 2 === 0)
    expect(pixels.filter((_, i) => i % 2 === 1)).toEqual(first)
    expect(first[one.ball.x]).toBe(1)
    one.move(2)
    one.see(pixels)
    expect(pixels.filter((_, i) => i % 2 === 1)).toEqual(first)
    expect(pixels[2 * (SIDE + one.ball.x)]).toBe(1)
  })
})

it('learns to play, to the same bytes each time', { timeout: 120_000 }, () => {
  const run = () =>
    trained<{ solvedRate: number; untrainedRate: number }>('policy', '--steps', '30', '--games', '64')
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual(['game.png', 'learning.svg', 'policy.onnx', 'result.json'])
  expect(said).toMatch(/policy\.onnx +.*answers the same in filterbank\/onnx/)
  expect(result.untrainedRate).toBeLessThan(0.5)
  expect(result.solvedRate).toBeGreaterThan(result.untrainedRate)
  expect(run().files).toEqual(files)
})
