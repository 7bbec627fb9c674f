/**
 * Who filters images beside filterbank: opencv.js and wasm-vips in WebAssembly, sharp (libvips) native. Each
 * works on one thread and, where it can, on an image that it has inside already.
 */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { BELOW, BILATERAL, CANNY, type ImageContender, TURN } from '../images.js'

const require = createRequire(import.meta.url)
const { packages } = JSON.parse(readFileSync('bench/package-lock.json', 'utf8'))
const versionOf = (name: string): string => packages[`node_modules/${name}`].version

/** Untyped: its own types lack what it has (`magnitude` of three arguments among it). */
// biome-ignore lint/suspicious/noExplicitAny: see above
type OpenCv = any

async function opencv(): Promise<ImageContender> {
  const name = '@techstark/opencv-js'
  // The module has a method `then` for good: to await it would never end.
  const { cv } = await new Promise<{ cv: OpenCv }>((resolve) =>
    require(name).then((module: OpenCv) => resolve({ cv: module })),
  )
  return {
    name: 'opencv.js',
    version: versionOf(name),
    prepare({ op, kernel, sigma, size, bound, to, method, antialias }, { format, width, height, data }) {
      const type = { gray: cv.CV_8UC1, rgb: cv.CV_8UC3, rgba: cv.CV_8UC4, float: cv.CV_32FC1 }[format]
      const [x, y, gx, gy] = [
        cv.matFromArray(height, width, type, data),
        new cv.Mat(),
        new cv.Mat(),
        new cv.Mat(),
      ]
      const weights = kernel && cv.matFromArray(kernel.length, kernel[0]!.length, cv.CV_32F, kernel.flat())
      const square = op !== 'boxBlur' && size ? cv.Mat.ones(size, size, cv.CV_8U) : undefined
      const turn = op === 'warpAffine' ? cv.matFromArray(2, 3, cv.CV_64F, TURN.flat()) : undefined
      const how = antialias ? cv.INTER_AREA : method === 'bicubic' ? cv.INTER_CUBIC : cv.INTER_LINEAR
      const taps = sigma && 2 * Math.ceil(3 * sigma) + 1
      const run = {
        filter2d: () => cv.filter2D(x, y, -1, weights),
        gaussianBlur: () => cv.GaussianBlur(x, y, new cv.Size(taps, taps), sigma),
        boxBlur: () => cv.blur(x, y, new cv.Size(size, size)),
        median: () => cv.medianBlur(x, y, size),
        dilate: () => cv.dilate(x, y, square),
        erode: () => cv.erode(x, y, square),
        opening: () => cv.morphologyEx(x, y, cv.MORPH_OPEN, square),
        threshold() {
          const mean = bound === 'mean' ? cv.ADAPTIVE_THRESH_MEAN_C : cv.ADAPTIVE_THRESH_GAUSSIAN_C
          if (typeof bound === 'number') cv.threshold(x, y, bound * 255, 255, cv.THRESH_BINARY)
          else if (bound === 'otsu') cv.threshold(x, y, 0, 255, cv.THRESH_BINARY | cv.THRESH_OTSU)
          else cv.adaptiveThreshold(x, y, 255, mean, cv.THRESH_BINARY, size, BELOW)
        },
        canny: () => cv.Canny(x, y, ...CANNY),
        bilateral: () => cv.bilateralFilter(x, y, BILATERAL.size, BILATERAL.sigmaColor, BILATERAL.sigmaSpace),
        grayscale: () => cv.cvtColor(x, y, format === 'rgb' ? cv.COLOR_RGB2GRAY : cv.COLOR_RGBA2GRAY),
        toHsv: () => cv.cvtColor(x, y, cv.COLOR_RGB2HSV),
        fromHsv: () => cv.cvtColor(x, y, cv.COLOR_HSV2RGB),
        toLab: () => cv.cvtColor(x, y, cv.COLOR_RGB2Lab),
        fromLab: () => cv.cvtColor(x, y, cv.COLOR_Lab2RGB),
        resize: () => cv.resize(x, y, new cv.Size(to![1], to![0]), 0, 0, how),
        warpAffine: () => cv.warpAffine(x, y, turn, new cv.Size(width, height)),
        sobel() {
          cv.Sobel(x, gx, cv.CV_32F, 1, 0)
          cv.Sobel(x, gy, cv.CV_32F, 0, 1)
          cv.magnitude(gx, gy, gx)
          gx.convertTo(y, format === 'float' ? cv.CV_32F : cv.CV_8U)
        },
      }[op]
      return {
        run,
        output() {
          run()
          return format === 'float' ? y.data32F : y.data
        },
        dispose() {
          for (const mat of [x, y, gx, gy, weights, square, turn]) mat?.delete()
        },
      }
    },
  }
}

async function vips(): Promise<ImageContender> {
  const name = 'wasm-vips'
  const library = await require(name)({ dynamicLibraries: [] })
  library.concurrency(1)
  return {
    name,
    version: versionOf(name),
    prepare({ op, kernel, sigma, size }, { format, width, height, channels, data }) {
      if (format === 'float') return
      const x = library.Image.newFromMemory(data, width, height, channels, 'uchar')
      const weights = kernel && library.Image.newFromArray(kernel)
      const filter = {
        filter2d: () =>
          x.conv(weights, { precision: kernel!.flat().every(Number.isInteger) ? 'integer' : 'float' }),
        gaussianBlur: () => x.gaussblur(sigma),
        sobel: () => x.sobel(),
        // Its own `median` takes another rank of the window.
        median: () => x.rank(size, size, (size! * size!) >> 1),
      }[op as string]
      if (!filter) {
        x.delete()
        return
      }
      const dispose = () => {
        x.delete()
        weights?.delete()
      }
      const run = () => {
        const y = filter()
        const whole = y.format === 'uchar' ? y : y.cast('uchar')
        const bytes = whole.writeToMemory()
        if (whole !== y) whole.delete()
        y.delete()
        return bytes
      }
      return { run: () => void run(), output: run, ownDefinition: op === 'sobel', dispose }
    },
  }
}

async function sharp(): Promise<ImageContender> {
  const library = require('sharp')
  library.concurrency(1)
  library.cache(false)
  return {
    name: 'sharp',
    version: versionOf('sharp'),
    native: true,
    prepare({ op, kernel, sigma, size }, { format, width, height, channels, data }) {
      if (format === 'float') return
      const open = () => library(data, { raw: { width, height, channels } })
      const filter = {
        filter2d: () =>
          open().convolve({
            width: kernel![0]!.length,
            height: kernel!.length,
            kernel: kernel!.flat(),
            scale: 1,
          }),
        gaussianBlur: () => open().blur(sigma),
        median: () => open().median(size),
      }[op as string]
      if (!filter) return
      // Through premultiplied colours where there is alpha.
      const space = channels === 1 ? 'b-w' : 'srgb'
      const output = async () => filter().toColourspace(space).raw().toBuffer()
      return { run: output, output, ownDefinition: channels === 4, dispose() {} }
    },
  }
}

export const imagePeers = [opencv, vips, sharp]
