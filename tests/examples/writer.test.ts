import { expect, it } from 'vitest'
import { lossesOf, trained } from '../support/examples.js'

it('learns to write, to the same bytes each time', { timeout: 300_000 }, () => {
  const run = () =>
    trained<{ bits: number; trigramBits: number; signs: number; different: number }>(
      ...['writer', '--epochs', '2', '--features', '16'],
    )
  const { said, files, result } = run()
  expect(Object.keys(files)).toEqual([
    'attention.png',
    'result.json',
    'texts.txt',
    'writer-loss.svg',
    'writer.onnx',
  ])
  expect(said).toMatch(/writer\.onnx +.*answers the same in filterbank\/onnx/)
  // Of signs that all come as often as each other it needs as many bits as their number has.
  expect(result.bits).toBeLessThan(Math.log2(result.different))
  expect(result.trigramBits).toBeLessThan(3)
  const losses = lossesOf(said)
  expect(losses.at(-1)).toBeLessThan(losses[0]!)
  expect(run().files).toEqual(files)
})
