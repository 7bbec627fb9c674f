/** Filters of filterbank/image, of tensors and of bytes. */
import * as image from '../../../src/image/index.js'
import { type Case, image4, onBytes, picture, TURN } from './maker.js'

export const filters: Record<string, Case> = {
  filter2d: picture((x) =>
    image.filter2d(
      x!,
      [
        [1, -2, 3, 0.1],
        [4, 5, -6, 0.2],
        [7, 8, 9, 0.3],
      ],
      { border: 'wrap' },
    ),
  ),
  gaussianBlur: picture((x) => image.gaussianBlur(x!, 0.8)),
  boxBlur: picture((x) => image.boxBlur(x!, 3, { border: 'replicate' })),
  'boxBlur, wide': picture((x) => image.boxBlur(x!, [5, 11])),
  unsharpMask: picture((x) => image.unsharpMask(x!, { sigma: 0.7 })),
  sobel: picture((x) => image.sobel(x!)),
  'scharr, one direction': picture((x) => image.scharr(x!, { direction: 'x' })),
  laplacian: picture((x) => image.laplacian(x!)),
  emboss: picture((x) => image.emboss(x!)),
  median: picture((x) => image.median(x!, 3)),
  'median 5x5': picture((x) => image.median(x!, 5)),
  'filter2d on bytes': onBytes((pixels, options) =>
    image.filter2d(
      pixels,
      [
        [1, 0.1, -2],
        [4, 0.5, -3],
      ],
      options,
    ),
  ),
  'gaussianBlur on bytes': onBytes((pixels, options) =>
    image.gaussianBlur(pixels, 1, { border: 'wrap', ...options }),
  ),
  dilate: picture((x) => image.dilate(x!, [5, 3], { border: 'wrap' })),
  'erode on bytes': onBytes((pixels, options) => image.erode(pixels, [3, 7], options)),
  'median on bytes': onBytes((pixels, options) => image.median(pixels, 7, options)),
  'resize on bytes': onBytes((pixels, options) => image.resize(pixels, [9, 13], options)),
  'resize to half on bytes': onBytes(({ data, width, height }, options) => {
    const twice = Uint8ClampedArray.from({ length: 4 * data.length }, (_, i) => data[i % data.length]!)
    const antialias = height % 2 === 1
    return image.resize({ data: twice, width: 2 * width, height: 2 * height }, [height, width], {
      antialias,
      ...options,
    })
  }),
  'nearest on bytes': onBytes((pixels, options) =>
    image.resize(pixels, [9, 13], { method: 'nearest', ...options }),
  ),
  warpAffine: picture((x) => image.warpAffine(x!, TURN, { size: [6, 9] })),
  'warpAffine on bytes': onBytes((pixels, options) => image.warpAffine(pixels, TURN, options)),
  bilateral: picture((x) => image.bilateral(x!, { size: 5 })),
  canny: onBytes((pixels, options) => image.canny(pixels, 0.1, 0.3, options)),
  'threshold on bytes': onBytes((pixels, options) => image.threshold(pixels, 'otsu', options)),
  'threshold by the mean on bytes': onBytes((pixels, options) => image.threshold(pixels, 'mean', options)),
  'toLab of colours': {
    shapes: (random) => [[2, random.integer(1, 9), random.integer(1, 17), random.pick([3, 4])]],
    op: (x) => image.toLab(x!),
  },
  'toLab on bytes': {
    shapes: (random) => [[1, random.integer(1, 9), random.integer(1, 17), random.pick([3, 4])]],
    op: (x) => {
      const [, height, width] = x!.shape as number[]
      const data = Uint8ClampedArray.from(x!.toArray(), (v) => 128 + v * 50)
      return image.toLab({ data, width: width!, height: height! }, { engine: x!.engine })
    },
  },
  'gaussianBlur of clouds': {
    shapes: (random) => [[1, random.integer(1, 9), random.integer(1, 17), 4]],
    op: (x) => {
      const [, height, width] = x!.shape as number[]
      const data = Uint8ClampedArray.from(x!.toArray(), (v) => 128 + v * 50)
      return image.gaussianBlur({ data, width: width!, height: height! }, 1, { engine: x!.engine })
    },
  },
  toImageData: {
    shapes: (random) => [image4(random, random.pick([1, 3, 4])).with(0, 1)],
    op: (x) => image.toImageData(x!),
  },
  fromImageData: {
    shapes: (random) => [[1, random.integer(1, 9), random.integer(1, 17), 4]],
    op: (x) => {
      const [, height, width] = x!.shape as number[]
      const bytes = Uint8ClampedArray.from(x!.toArray(), (v) => v * 255)
      return image.fromImageData(
        x!.engine,
        { data: bytes, width: width!, height: height! },
        { channels: 'rgb', mean: [0.1, 0.2, 0.3], std: 2 },
      )
    },
  },
}
