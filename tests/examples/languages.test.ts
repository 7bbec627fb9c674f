import { expect, it } from 'vitest'
import { lossesOf, trained } from '../support/examples.js'

const run = (model: string, ...more: string[]) =>
  trained<{ accuracy: number; languages: number; model: string }>(
    ...['languages', '--model', model, '--snippets', '2000', '--epochs', '2', ...more],
  )

for (const model of ['gru', 'lstm', 'attention', 'conv'])
  it(`tells languages apart by ${model}`, { timeout: 300_000 }, () => {
    const { said, files, result } = run(model)
    const names = ['confusion.svg', 'loss.svg', 'reading.svg', 'result.json', `${model}.onnx`].sort()
    expect(Object.keys(files)).toEqual(names)
    expect(said).toContain(`${model}.onnx`)
    expect(said).toMatch(/answers the same in filterbank\/onnx/)
    expect(result.languages).toBeGreaterThanOrEqual(30)
    // Whoever guesses is right as often as there are languages.
    expect(result.accuracy).toBeGreaterThan(4 / result.languages)
    const losses = lossesOf(said)
    expect(losses.at(-1)).toBeLessThan(losses[0]!)
  })

it('tells them to the same bytes each time, and shows each language', { timeout: 300_000 }, () => {
  const { files } = run('conv')
  expect(run('conv').files).toEqual(files)
  const picture = files['reading.svg']!.toString()
  for (const name of ['Afrikaans', 'Greek', 'Zulu']) expect(picture).toContain(name)
  expect(run('conv', '--seed', '2').files['result.json']).not.toEqual(files['result.json'])
})
