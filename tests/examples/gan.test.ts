import { expect, it } from 'vitest'
import { trained } from '../support/examples.js'

it('makes digits of noise, to the same bytes each time', { timeout: 120_000 }, () => {
  const run = () =>
    trained<Record<'judgedRate' | 'classesSeen' | 'rightRate' | 'realRate' | 'untrainedRate', number>>(
      ...['gan', '--samples', '1000', '--steps', '12'],
    )
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual([
    'generator.onnx',
    'judged.png',
    'loss.svg',
    'result.json',
    'samples.png',
  ])
  expect(said).toMatch(/generator\.onnx +.*answers the same in filterbank\/onnx/)
  // The judge knows real pictures, and is not sure of what a dozen steps make.
  expect(result.realRate).toBeGreaterThan(0.5)
  expect(result.judgedRate).toBeLessThan(result.realRate)
  expect(result.rightRate).toBeLessThanOrEqual(result.judgedRate)
  expect(run().files).toEqual(files)
})
