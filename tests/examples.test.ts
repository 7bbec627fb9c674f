/** The command that trains, and the examples that learn from shapes: on few pictures, for few epochs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { fitProgress, progress } from '../examples/train/support/progress.mjs'
import { train, trained } from './support/examples.js'
import { temporaryFolder } from './support/package.js'
import { Random } from './support/random.js'

/** An idx file of bytes. */
function idx(shape: number[], bytes: ArrayLike<number>): Uint8Array {
  const file = new Uint8Array(4 + 4 * shape.length + bytes.length)
  file.set([0, 0, 8, shape.length])
  shape.forEach((length, i) => {
    new DataView(file.buffer).setUint32(4 + 4 * i, length)
  })
  file.set(bytes, 4 + 4 * shape.length)
  return file
}

describe('npm run train', { timeout: 120_000 }, () => {
  it('classifies shapes', () => {
    const { said, files, result } = trained<{ accuracy: number; linearAccuracy: number }>(
      ...['--samples', '120', '--epochs', '2'],
    )
    expect(said).toMatch(
      /A linear classifier knows [\d.]+ %.*The network knows [\d.]+ %.*model\.onnx +.*answers the same in filterbank\/onnx/s,
    )
    expect(Object.keys(files)).toEqual([
      'accuracy.svg',
      'confusion.svg',
      'feature-maps.png',
      'filters-after.png',
      'filters-before.png',
      'filters-during.png',
      'loss.svg',
      'model.onnx',
      'model.safetensors',
      'result.json',
      'saliency.png',
      'samples.png',
    ])
    expect(`${files['loss.svg']}`).toMatch(/^<svg .*xmlns="http:\/\/www.w3.org\/2000\/svg".*<\/svg>$/s)
    expect(said).toContain(`The network knows ${(100 * result.accuracy).toFixed(2)} %`)
    expect(result.linearAccuracy).toBeGreaterThan(0)
  })

  it('encodes and decodes them, to the same bytes each time', () => {
    const run = () =>
      trained<{ error: number; meanPictureError: number }>(
        ...['autoencoder', '--samples', '400', '--epochs', '6'],
      )
    const { said, files, result } = run()
    expect(said).toContain('A picture from 128 numbers is off by')
    expect(Object.keys(files)).toEqual([
      'autoencoder-loss.svg',
      'autoencoder.onnx',
      'reconstructions.png',
      'result.json',
    ])
    expect(result.error).toBeLessThan(result.meanPictureError)
    expect(run().files).toEqual(files)
  })

  it("reads MNIST's files, packed or not, the test files alone too, and says what it does not know", () => {
    using folder = temporaryFolder()
    const random = new Random(20261121)
    const write = (
      part: string,
      count: number,
      name: (kind: string) => string,
      packed: (bytes: Uint8Array) => Uint8Array,
    ) => {
      const images = Uint8Array.from({ length: count * 784 }, () => random.integer(0, 255))
      writeFileSync(
        join(folder.path, name(`${part}-images-idx3-ubyte`)),
        packed(idx([count, 28, 28], images)),
      )
      writeFileSync(
        join(folder.path, name(`${part}-labels-idx1-ubyte`)),
        packed(
          idx(
            [count],
            Uint8Array.from({ length: count }, (_, i) => i % 10),
          ),
        ),
      )
    }
    const out = join(folder.path, 'out')
    mkdirSync(out)
    write('t10k', 150, (name) => `${name}.gz`, gzipSync)
    expect(train('--mnist', folder.path, '--epochs', '1', '-o', out)).toContain(
      '120 pictures to learn from, 30 to test with: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9',
    )
    write(
      'train',
      100,
      (name) => name,
      (bytes) => bytes,
    )
    expect(train('autoencoder', '--mnist', folder.path, '--epochs', '1', '-o', out)).toContain(
      '100 pictures to learn from, 150 to test with',
    )
  })

  it('says what there is', () => {
    expect(train('--help')).toMatch(
      /^Usage: npm run train -- \[NAME\].*autoencoder .*classifier .*-o, --out DIR .*training\/NAME/s,
    )
    expect(train('autoencoder', '-h')).toMatch(/-- autoencoder .*--mnist DIR .*--epochs N .*by default 8/s)
  })

  it.each([
    [['sorter'], 'train: there is no example sorter: there are autoencoder, classifier'],
    [['autoencoder', '--depth', '3'], 'train: autoencoder has no option --depth: there are --mnist, '],
    [['--depth', '3'], 'train: there is no option --depth: npm run train -- --help tells what there is'],
    [['--epochs', '0'], 'train: --epochs takes an integer of at least 1, got 0'],
    [['--seed'], 'train: --seed takes an integer of at least 0, got nothing'],
    [['autoencoder', 'classifier'], 'train: one example at a time: got autoencoder, classifier'],
  ])('refuses %j', (args, message) => {
    expect(() => train(...args)).toThrow(message)
  })
})

describe('progress', () => {
  it('is a line now and then where no terminal is, with loss and time left', () => {
    const lines: string[] = []
    const bar = progress('Learning', 20, {
      lines: 4,
      stream: new PassThrough(),
      print: (line: string) => lines.push(line),
    })
    for (let step = 1; step <= 20; step++) bar.at(step, 1 / step)
    bar.end()
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(/^ {2}Learning: step 5 of 20, loss 0\.2000, \d+ s to go$/)
    expect(lines[3]).toMatch(/^ {2}Learning: step 20 of 20, loss 0\.0500, 0 s to go$/)
  })

  it('is a line for each epoch of fit', () => {
    const lines: string[] = []
    const { onBatch, onEpoch } = fitProgress('Learning', 2, {
      stream: new PassThrough(),
      print: (line: string) => lines.push(line),
    })
    for (const epoch of [1, 2]) {
      onBatch({ epoch, batch: 1, batches: 1, loss: 2 / epoch })
      onEpoch({ epoch, loss: 2 / epoch, validation: { loss: 3 / epoch } })
    }
    expect(lines).toHaveLength(2)
    expect(lines[1]).toBe('  Learning: epoch 2 of 2, loss 1.0000, 1.5000 in the test, 0 s to go')
  })

  it('is a bar on a terminal, and gives the cursor back', () => {
    const drawn: string[] = []
    const stream = new PassThrough().on('data', (part) => drawn.push(`${part}`))
    const terminal = Object.assign(stream, { isTTY: true, columns: 120, cursorTo() {}, clearLine() {} })
    const bar = progress('Learning', 4, {
      stream: terminal,
      print: () => expect.fail('a line beside the bar'),
    })
    for (let step = 1; step <= 4; step++) bar.at(step, 1 / step)
    bar.end()
    expect(drawn.join('')).toMatch(/Learning [=-]+.* 100 % +loss 0\.2500 +0 s to go/)
    // Terminal's own words for a cursor that is seen again.
    expect(drawn.join('').lastIndexOf('\x1b[?25h')).toBeGreaterThan(drawn.join('').lastIndexOf('\x1b[?25l'))
  })
})
