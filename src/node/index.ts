/** `filterbank/node`: what needs a file system. */
import { readdirSync } from 'node:fs'
import { extname, join } from 'node:path'
import { show } from '../base/errors.js'
import { checkOptions, isInteger, type Names } from '../core/options.js'
import { type FromImageDataOptions, fromImageData } from '../image/index.js'
import { type Engine, FilterbankError } from '../index.js'
import { readPicture } from './picture.js'

/** What `readImages` takes beside the folder. */
export interface ReadImagesOptions extends FromImageDataOptions {
  /**
   * [height, width] that every picture is scaled to: each pixel is the mean of what it covers. By default
   * they have to be of one size.
   */
  size?: readonly [height: number, width: number]
}

const READ_IMAGES: Names<ReadImagesOptions> = { size: true, channels: true, mean: true, std: true }

/** Pictures of a folder, as `fit` and `evaluate` take them. */
export interface Images {
  /** All pictures one after the other, channels innermost. */
  inputs: Float32Array
  /** Of one picture: [height, width, channels]. */
  shape: [height: number, width: number, channels: number]
  /** The class of each picture: its place in `classes`. */
  labels: Int32Array
  /** Names of the folders, in order. */
  classes: string[]
  /** Where each picture came from. */
  paths: string[]
}

const EXTENSIONS = ['.png', '.jpg', '.jpeg']
const op = 'readImages'

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (error) {
    throw new FilterbankError(
      { op, argument: 'folder', expected: 'a folder that can be read', got: show(folder) },
      { cause: error },
    )
  }
}

function read(path: string) {
  try {
    return readPicture(path)
  } catch (error) {
    throw new FilterbankError(
      { op, argument: path, expected: 'a PNG or a JPEG', got: (error as Error).message },
      { cause: error },
    )
  }
}

/** One axis of [outer, from, inner] brought to another length: each element is the mean of what it covers. */
function scaled(data: Float32Array, outer: number, from: number, to: number, inner: number): Float32Array {
  if (from === to) return data
  const result = new Float32Array(outer * to * inner)
  for (let i = 0; i < to; i++) {
    const [begin, end] = [(i * from) / to, ((i + 1) * from) / to]
    for (let j = Math.floor(begin); j < Math.min(from, Math.ceil(end)); j++) {
      const share = ((Math.min(end, j + 1) - Math.max(begin, j)) * to) / from
      for (let o = 0; o < outer; o++) {
        for (let k = 0; k < inner; k++)
          result[(o * to + i) * inner + k]! += share * data[(o * from + j) * inner + k]!
      }
    }
  }
  return result
}

/**
 * Reads the pictures (PNG and JPEG) of a folder that has a folder for every class, as data for `fit` and
 * `evaluate`.
 *
 * @param engine where they are converted and scaled; nothing stays in it
 * @param options size; channels, mean and std as of `fromImageData`: 'rgb', 0, 1
 * @throws FilterbankError where there are no such folders or pictures, where one is damaged, or of another
 *   size than the first (its path is named)
 * @example const photos = readImages(engine, 'photos', { size: [64, 64] }) // photos/cat/1.jpg,
 *   photos/dog/1.jpg, ...
 */
export function readImages(engine: Engine, folder: string, options: ReadImagesOptions = {}): Images {
  checkOptions(op, options, READ_IMAGES)
  const { size, ...conversion } = options
  const fits =
    size === undefined ||
    (Array.isArray(size) && size.length === 2 && size.every((length) => isInteger(length, 1)))
  if (!fits)
    throw new FilterbankError({
      op,
      argument: 'size',
      expected: '[height, width], positive integers',
      got: show(size),
    })
  const classes = entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
  const found = classes.flatMap((name, label) =>
    entriesOf(join(folder, name))
      .filter((entry) => EXTENSIONS.includes(extname(entry.name).toLowerCase()))
      .map((entry) => ({ path: join(folder, name, entry.name), label })),
  )
  if (found.length === 0)
    throw new FilterbankError({
      op,
      argument: 'folder',
      expected: 'a folder with a folder of PNG or JPEG files for every class',
      got: show(folder),
    })
  let shape: Images['shape'] | undefined
  let inputs = new Float32Array(0)
  found.forEach(({ path }, i) => {
    const picture = read(path)
    const [data, [, height, width, c]] = engine.scope(() => {
      const x = fromImageData(engine, picture, conversion)
      return [x.toArray(), x.shape as [1, number, number, number]]
    })
    const [h, w] = size ?? [height, width]
    shape ??= [h, w, c]
    if (h !== shape[0] || w !== shape[1]) {
      throw new FilterbankError({
        op,
        argument: path,
        expected: `${shape[1]} x ${shape[0]} pixels, as the first`,
        got: `${w} x ${h}`,
        hint: 'Give a size to scale all to',
      })
    }
    if (i === 0) inputs = new Float32Array(h * w * c * found.length)
    inputs.set(scaled(scaled(data, 1, height, h, width * c), h, width, w, c), i * h * w * c)
  })
  return {
    inputs,
    shape: shape!,
    labels: Int32Array.from(found, ({ label }) => label),
    classes,
    paths: found.map(({ path }) => path),
  }
}
