/** The examples run, on few pictures and for an epoch, and write what they say. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { root, temporaryFolder } from './support/package.js'
import { Random } from './support/random.js'

const run = (...args: string[]) =>
  execFileSync(process.execPath, [join(root, 'examples/train.mjs'), '--threads', '1', ...args], {
    encoding: 'utf8',
  })

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
    using folder = temporaryFolder()
    const said = run('--samples', '120', '--epochs', '2', '-o', folder.path)
    expect(said).toMatch(
      /A linear classifier knows [\d.]+ %.*The network knows [\d.]+ %.*model\.onnx +answers the same in filterbank\/onnx/s,
    )
    expect(readdirSync(folder.path).sort()).toEqual([
      'accuracy.svg',
      'confusion.svg',
      'feature-maps.png',
      'filters-after.png',
      'filters-before.png',
      'filters-during.png',
      'loss.svg',
      'model.onnx',
      'model.safetensors',
      'saliency.png',
      'samples.png',
    ])
    expect(readFileSync(join(folder.path, 'loss.svg'), 'utf8')).toMatch(
      /^<svg .*xmlns="http:\/\/www.w3.org\/2000\/svg".*<\/svg>$/s,
    )
  })

  it('encodes and decodes them', () => {
    using folder = temporaryFolder()
    expect(run('autoencoder', '--samples', '100', '--epochs', '1', '-o', folder.path)).toContain(
      'A picture from 128 numbers is off by',
    )
    expect(readdirSync(folder.path).sort()).toEqual([
      'autoencoder-loss.svg',
      'autoencoder.onnx',
      'reconstructions.png',
    ])
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
    expect(run('--mnist', folder.path, '--epochs', '1', '-o', out)).toContain(
      '120 pictures to learn from, 30 to test with: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9',
    )
    write(
      'train',
      100,
      (name) => name,
      (bytes) => bytes,
    )
    expect(run('autoencoder', '--mnist', folder.path, '--epochs', '1', '-o', out)).toContain(
      '100 pictures to learn from, 150 to test with',
    )
    expect(() =>
      execFileSync(process.execPath, [join(root, 'examples/train.mjs'), '--epochs', '0'], { stdio: 'pipe' }),
    ).toThrow('--epochs takes an integer of at least 1, got 0')
  })
})
