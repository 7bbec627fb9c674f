import { expect, it } from 'vitest'
import { trained } from '../support/examples.js'

it('lays digits out in a plane, to the same bytes each time', { timeout: 120_000 }, () => {
  const run = (...args: string[]) =>
    trained<Record<'loss' | 'reconstruction' | 'divergence' | 'meanPictureLoss', number>>('vae', ...args)
  const { said, files, result } = run('--samples', '400', '--epochs', '6')
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
  const { loss } = run('--samples', '400', '--epochs', '1').result
  expect(result.loss).toBeLessThan(0.9 * loss)
  expect(run('--samples', '400', '--epochs', '6').files).toEqual(files)
})
