import { expect, it } from 'vitest'
import { lossesOf, trained } from '../support/examples.js'

it('adds what it was shown long before, to the same bytes each time', { timeout: 300_000 }, () => {
  const run = () =>
    trained<Record<'rnn' | 'lstm' | 'gru', { error: number }>>(
      ...['memory', '--steps', '400', '--length', '12', '--hidden', '16'],
    )
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual([
    'gradients.svg',
    'gru.onnx',
    'loss.svg',
    'lstm.onnx',
    'result.json',
    'rnn.onnx',
  ])
  expect(said).toMatch(/gru\.onnx +.*answers the same in filterbank\/onnx/)
  // Whoever says 1 always is off by 1 / 6, the variance of the sum of two uniform numbers.
  for (const { error } of Object.values(result)) expect(error).toBeLessThan(0.2)
  expect(result.gru.error).toBeLessThan(0.1)
  const losses = lossesOf(said)
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  expect(run().files).toEqual(files)
})
