import { expect, it } from 'vitest'
import { lossesOf, trained } from '../support/examples.js'

it('lays digits out in a plane, to the same bytes each time', { timeout: 300_000 }, () => {
  const run = () =>
    trained<Record<'loss' | 'reconstruction' | 'divergence' | 'meanPictureLoss', number>>(
      ...['vae', '--samples', '300', '--epochs', '4'],
    )
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual([
    'codes.svg',
    'decoder.onnx',
    'encoder.onnx',
    'loss.svg',
    'plane.png',
    'reconstructions.png',
    'result.json',
  ])
  expect(said).toMatch(/encoder\.onnx +.*the same.*decoder\.onnx +.*answers the same in filterbank\/onnx/s)
  expect(result.reconstruction + result.divergence).toBeCloseTo(result.loss, 2)
  // A code that says something costs something.
  expect(result.divergence).toBeGreaterThan(0.5)
  const losses = lossesOf(said)
  expect(losses).toHaveLength(4)
  expect(losses[3]).toBeLessThan(0.7 * losses[0]!)
  expect(run().files).toEqual(files)
})
