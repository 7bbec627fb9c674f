/**
 * From a picture to a stack of feature maps: four filters one by one, then as the layer that one convolution
 * makes of them.
 */
import { join } from 'node:path'
import { borderRule } from '../image/border.js'
import {
  featureMaps,
  filterSheet,
  fromImageData,
  highPass,
  lowPass,
  type Pixels,
  sobel,
  toImageData,
} from '../image/index.js'
import { conv2d, createEngine, type Engine, maxPool2d, relu, type Tensor } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { readPicture, writePicture } from '../node/picture.js'
import { version } from '../version.js'
import { type Command, engineLine, parse, timed } from './command.js'
import { drawing } from './drawing.js'

/** Standard deviation of the Gaussian in the low-pass and the high-pass. */
const SIGMA = 2
/** How far the windows of the filters reach: as far as that Gaussian. */
const REACH = 3 * SIGMA
const SIDE = 2 * REACH + 1
/** How far two ways of summing up to SIDE^2 products may differ: float32 has 24 bits. */
const TOLERANCE = SIDE ** 2 * 2 ** -24
/** Share of the values that a sheet may show too bright: photos have a few edges far above the others. */
const CLIP = 0.005

interface Named {
  name: string
  /** The filter as an image function. */
  apply(gray: Tensor): Tensor
  /** The filter as numbers: the weight of the pixel at (x, y) from the middle. */
  weight(x: number, y: number): number
  /** What a pixel shows: `zero` + `gain` times the filter's answer. */
  zero: number
  gain: number
}

const line = Array.from({ length: SIDE }, (_, i) => Math.exp(-((i - REACH) ** 2) / (2 * SIGMA ** 2)))
const sum = line.reduce((a, b) => a + b)
const gaussian = (x: number, y: number): number => (line[x + REACH]! * line[y + REACH]!) / sum ** 2
const difference = (i: number): number => (Math.abs(i) > 1 ? 0 : i)
const smooth = (i: number): number => Math.max(0, 2 - Math.abs(i))

const filters: Named[] = [
  { name: 'low-pass', apply: (gray) => lowPass(gray, { sigma: SIGMA }), weight: gaussian, zero: 0, gain: 1 },
  {
    name: 'high-pass',
    apply: (gray) => highPass(gray, { sigma: SIGMA }),
    weight: (x, y) => Number(x === 0 && y === 0) - gaussian(x, y),
    zero: 0.5,
    gain: 1,
  },
  {
    name: 'sobel-x',
    apply: (gray) => sobel(gray, { direction: 'x' }),
    weight: (x, y) => difference(x) * smooth(y),
    zero: 0.5,
    gain: 1 / 4,
  },
  {
    name: 'sobel-y',
    apply: (gray) => sobel(gray, { direction: 'y' }),
    weight: (x, y) => smooth(x) * difference(y),
    zero: 0.5,
    gain: 1 / 4,
  },
]

/** The four filters side by side: [SIDE, SIDE, 1, 4]. */
function bankOf(engine: Engine): Tensor {
  const weights = Array.from({ length: SIDE ** 2 }, (_, i) =>
    filters.map(({ weight }) => weight((i % SIDE) - REACH, Math.floor(i / SIDE) - REACH)),
  )
  return engine.tensor(weights.flat(), [SIDE, SIDE, 1, filters.length])
}

/** The picture with REACH more pixels on every side, as the image functions see it: mirrored. */
function extended({ data, width, height }: Pixels): Pixels {
  const mirror = borderRule('reflect101', { op: 'demo', shapes: {} })
  const [wide, high] = [width + 2 * REACH, height + 2 * REACH]
  const result = new Uint8ClampedArray(wide * high * 4)
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const from = (mirror(y - REACH, height) * width + mirror(x - REACH, width)) * 4
      for (let i = 0; i < 4; i++) result[(y * wide + x) * 4 + i] = data[from + i]!
    }
  }
  return { data: result, width: wide, height: high }
}

/** A map [1, h, w, 1] as a gray picture. */
function shown(map: Tensor, { zero, gain }: Named): Pixels {
  using levels = map.engine.tensor(
    map.toArray().map((value) => zero + gain * value),
    map.shape,
  )
  return toImageData(levels)
}

/** The greatest difference between a map and a channel of a layer. */
function distance(map: Tensor, layer: Tensor, channel: number): number {
  const [one, all] = [map.toArray(), layer.toArray()]
  return one.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - all[i * filters.length + channel]!)),
    0,
  )
}

const shape = (tensor: Tensor): string => `[${tensor.shape.join(', ')}]`

export const demo: Command = {
  summary: 'from a picture to a stack of feature maps, as PNG',
  help: `Usage: filterbank demo [PHOTO] [-o DIR]

Applies a low-pass, a high-pass and two edge filters to a photo (PNG or JPEG),
or to a test card of its own, and writes what they see; then makes the same
four maps at once, as the layer of one convolution, runs ReLU and 2x2 max
pooling on it, and writes contact sheets of the maps.

  -o, --output DIR   where the pictures go, by default feature-maps
  -h, --help

  picture.png        what was filtered
  low-pass.png ...   each filter's answer; of the last three, gray is zero
  filters.png        the four filters: red positive, blue negative
  layer.png          the layer, in the same colours
  relu-pool.png      the layer after ReLU and max pooling`,
  async run(args) {
    const { values, positionals } = parse(args, {
      output: { type: 'string', short: 'o', default: 'feature-maps' },
    })
    if (positionals.length > 1) throw wrongUsage(`demo takes one photo, got ${positionals.length}`)
    const [photo] = positionals
    const picture = photo === undefined ? drawing() : readPicture(photo)
    const { width, height } = picture
    if (width < 2 || height < 2)
      throw new Failure(`${photo} is too small for 2x2 pooling: ${width} x ${height} pixels`)

    using engine = await createEngine()
    console.log(`${engineLine(engine, version)}\n`)
    const write = (name: string, pixels: Pixels, about: string, time = '') => {
      const path = join(values.output, name)
      writePicture(path, pixels)
      console.log(
        `${path.padEnd(values.output.length + 15)}  ${about.padEnd(48)} ${time.padStart(9)}`.trimEnd(),
      )
    }
    write('picture.png', picture, `${width} x ${height}, ${photo ?? 'a test card, drawn for this'}`)

    engine.scope(() => {
      const gray = fromImageData(engine, picture, { channels: 'gray' })
      const maps = filters.map((filter) => {
        const [map, time] = timed(() => filter.apply(gray))
        write(`${filter.name}.png`, shown(map, filter), `${shape(gray)} -> ${shape(map)}`, time)
        return map
      })

      const bank = bankOf(engine)
      write('filters.png', filterSheet(bank, { scale: 12 }), shape(bank))
      const x = fromImageData(engine, extended(picture), { channels: 'gray' })
      const [layer, time] = timed(() => conv2d(x, bank))
      maps.forEach((map, channel) => {
        const apart = distance(map, layer, channel)
        if (!(apart <= TOLERANCE))
          throw new Failure(
            `channel ${channel} of the layer is off the ${filters[channel]!.name} by ${apart}: please report this`,
          )
      })
      write(
        'layer.png',
        featureMaps(layer, { colors: 'diverging', clip: CLIP }),
        `conv2d ${shape(x)} -> ${shape(layer)}`,
        time,
      )
      const [pooled, poolTime] = timed(() => maxPool2d(relu(layer), { size: 2 }))
      write(
        'relu-pool.png',
        featureMaps(pooled, { clip: CLIP }),
        `relu, 2x2 max pooling -> ${shape(pooled)}`,
        poolTime,
      )
    })
    console.log('\nEach filtered image agrees with its channel of the layer.')
    return 0
  },
}
