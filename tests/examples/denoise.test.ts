import { expect, it } from 'vitest'
import { trained } from '../support/examples.js'

it('takes noise off digits, to the same bytes each time', { timeout: 120_000 }, () => {
  const run = () =>
    trained<{ error: number; noisyError: number; blurError: number }>(
      ...['denoise', '--samples', '200', '--epochs', '4', '--noise', '0.4'],
    )
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual(['denoise.onnx', 'denoised.png', 'loss.svg', 'result.json'])
  expect(said).toMatch(/denoise\.onnx +.*answers the same in filterbank\/onnx/)
  // The square of the noise's deviation.
  expect(result.noisyError).toBeCloseTo(0.16, 2)
  expect(result.error).toBeLessThan(0.75 * result.noisyError)
  expect(result.blurError).toBeLessThan(result.noisyError)
  expect(run().files).toEqual(files)
})
