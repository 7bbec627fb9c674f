/** The kernels that `filterbank filter --kernel` knows: by name, as numbers, from a file. */
import { basename } from 'node:path'
import * as image from '../image/index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { readBytes } from '../node/picture.js'

/** What is read from files: bytes, or 16 bits. */
export type Picture = image.Pixels<Uint8Array | Uint8ClampedArray | Uint16Array>
type Filtered = image.Filtered<Picture>

export interface Kernel {
  /** For the name of the file that it makes. */
  name: string
  apply(picture: Picture, options: Options): Filtered
}

type Options = Pick<image.FilterOptions, 'engine' | 'border'>

interface Known {
  /**
   * What the number after the colon means, and what it is where there is none; undefined where the kernel
   * takes none.
   */
  parameter?: readonly [name: string, value: number]
  about: string
  apply(picture: Picture, options: Options, value: number): Filtered
}

/** Filters that have no border. */
const inside =
  (filter: (picture: Picture, options: image.ColorOptions) => Filtered): Known['apply'] =>
  (picture, { engine }) =>
    filter(picture, { engine })

/** Filters that take the number by itself. */
const by =
  (filter: (picture: Picture, value: number, options: Options) => Filtered): Known['apply'] =>
  (picture, options, value) =>
    filter(picture, value, options)

/** Filters that take it among their options. */
const withOption =
  <Name extends string>(
    filter: (picture: Picture, options: Options & { [name in Name]?: number }) => Filtered,
    name: Name,
  ): Known['apply'] =>
  (picture, options, value) =>
    filter(picture, { ...options, [name]: value } as Options & { [name in Name]?: number })

/** Edges of one direction. */
const along =
  (filter: typeof image.sobel, direction: 'x' | 'y'): Known['apply'] =>
  (picture, options) =>
    filter(picture, { ...options, direction })

/** About the middle of the picture, to the left. */
function turned(picture: Picture, options: Options, degrees: number): Filtered {
  const [cos, sin] = [Math.cos((degrees / 180) * Math.PI), Math.sin((degrees / 180) * Math.PI)]
  const [x, y] = [(picture.width - 1) / 2, (picture.height - 1) / 2]
  const matrix = [
    [cos, sin, x - cos * x - sin * y],
    [-sin, cos, y + sin * x - cos * y],
  ] as const
  return image.warpAffine(picture, matrix, { border: 'zero', ...options })
}

function scaled(picture: Picture, { engine }: Options, scale: number): Filtered {
  const size = [picture.height, picture.width].map((v) => Math.max(1, Math.round(v * scale)))
  return image.resize(picture, size as [number, number], { engine })
}

const known: Record<string, Known> = {
  gaussian: {
    parameter: ['SIGMA', 2],
    about: 'Gaussian blur',
    apply: by(image.gaussianBlur),
  },
  box: {
    parameter: ['SIZE', 3],
    about: 'mean of SIZE x SIZE pixels',
    apply: by(image.boxBlur),
  },
  median: {
    parameter: ['SIZE', 3],
    about: 'median of SIZE x SIZE; of 16 bits 3 or 5',
    apply: by(image.median),
  },
  bilateral: {
    parameter: ['SIGMA', 0.1],
    about: 'smooth where colours differ by less',
    apply: withOption(image.bilateral, 'sigmaColor'),
  },
  'low-pass': {
    parameter: ['SIGMA', 2],
    about: 'coarse structure',
    apply: withOption(image.lowPass, 'sigma'),
  },
  'high-pass': {
    parameter: ['SIGMA', 2],
    about: 'fine structure',
    apply: withOption(image.highPass, 'sigma'),
  },
  sharpen: {
    parameter: ['AMOUNT', 1],
    about: 'less its Laplacian',
    apply: withOption(image.sharpen, 'amount'),
  },
  unsharp: {
    parameter: ['AMOUNT', 1],
    about: 'unsharp mask of sigma 2',
    apply: withOption(image.unsharpMask, 'amount'),
  },
  emboss: { about: 'relief', apply: image.emboss },
  laplacian: { about: 'sum of second differences', apply: image.laplacian },
  sobel: { about: 'edges', apply: image.sobel },
  'sobel-x': {
    about: 'edges, dark left of bright',
    apply: along(image.sobel, 'x'),
  },
  'sobel-y': {
    about: 'edges, dark above bright',
    apply: along(image.sobel, 'y'),
  },
  scharr: { about: 'edges, more alike at all angles', apply: image.scharr },
  'scharr-x': {
    about: 'edges, dark left of bright',
    apply: along(image.scharr, 'x'),
  },
  'scharr-y': {
    about: 'edges, dark above bright',
    apply: along(image.scharr, 'y'),
  },
  canny: {
    parameter: ['HIGH', 0.6],
    about: 'thin lines along edges above HIGH',
    apply: (picture, { engine }, high) => image.canny(picture, high / 3, high, { engine }),
  },
  dilate: {
    parameter: ['SIZE', 3],
    about: 'brightest of SIZE x SIZE pixels, odd',
    apply: by(image.dilate),
  },
  erode: {
    parameter: ['SIZE', 3],
    about: 'darkest of SIZE x SIZE pixels, odd',
    apply: by(image.erode),
  },
  opening: {
    parameter: ['SIZE', 3],
    about: 'erode, then dilate: without bright spots',
    apply: by(image.opening),
  },
  closing: {
    parameter: ['SIZE', 3],
    about: 'dilate, then erode: without dark spots',
    apply: by(image.closing),
  },
  threshold: {
    parameter: ['BOUND', 0.5],
    about: 'white above BOUND, black elsewhere',
    apply: by(image.threshold),
  },
  otsu: {
    about: 'white above the bound that parts the histogram best',
    apply: (picture, options) => image.threshold(picture, 'otsu', options),
  },
  adaptive: {
    parameter: ['SIZE', 11],
    about: 'white above the mean of SIZE x SIZE',
    apply: (picture, options, size) => image.threshold(picture, 'mean', { ...options, size }),
  },
  gray: { about: 'luma alone, without transparency', apply: inside(image.grayscale) },
  'to-hsv': { about: 'hue, saturation and value for red, green, blue', apply: inside(image.toHsv) },
  'from-hsv': { about: 'and back', apply: inside(image.fromHsv) },
  'to-lab': { about: 'L*, a* and b* for red, green, blue', apply: inside(image.toLab) },
  'from-lab': { about: 'and back', apply: inside(image.fromLab) },
  resize: { parameter: ['SCALE', 0.5], about: 'SCALE times as high and wide', apply: scaled },
  rotate: { parameter: ['DEGREES', 90], about: 'turned to the left in its frame', apply: turned },
}

/** A line for each known kernel. */
export const kernelHelp = Object.entries(known)
  .map(([name, { parameter, about }]) => {
    const usage = parameter ? `${name}[:${parameter[0]}]` : name
    return `  ${usage.padEnd(18)} ${about}${parameter ? `; ${parameter[0]} ${parameter[1]} by default` : ''}`
  })
  .join('\n')

/** One value of `--kernel`: names and .json files with commas between, or the numbers of one kernel. */
export function parseKernels(text: string): Kernel[] {
  const trimmed = text.trim()
  if (trimmed.startsWith('['))
    return [
      matrix(
        'kernel',
        fromJson(trimmed, () => wrongUsage(`--kernel ${trimmed} is not JSON`)),
        wrongUsage,
      ),
    ]
  if (/^[-+.\d]/.test(trimmed))
    return [
      matrix(
        'kernel',
        trimmed.split(';').map((row) =>
          row
            .trim()
            .split(/[\s,]+/)
            .map(Number),
        ),
        wrongUsage,
      ),
    ]
  return trimmed
    .split(',')
    .map((item) => (item.trim().endsWith('.json') ? fromFile(item.trim()) : fromName(item.trim())))
}

function fromName(text: string): Kernel {
  const [name, ...rest] = text.split(':') as [string, ...string[]]
  const kernel = Object.hasOwn(known, name) ? known[name]! : undefined
  if (!kernel)
    throw wrongUsage(
      `unknown kernel '${name}'; there are ${Object.keys(known).join(', ')}, numbers and .json files`,
    )
  const { parameter, apply } = kernel
  if (!rest.length) return { name, apply: (picture, options) => apply(picture, options, parameter?.[1] ?? 0) }
  if (!parameter) throw wrongUsage(`kernel ${name} takes no number, got '${text}'`)
  const value = Number(rest.join(':') || Number.NaN)
  if (!Number.isFinite(value))
    throw wrongUsage(`kernel ${name} takes a number after the colon (${parameter[0]}), got '${text}'`)
  return { name: `${name}-${value}`, apply: (picture, options) => apply(picture, options, value) }
}

function fromFile(path: string): Kernel {
  const failure = (message: string) => new Failure(message)
  const rows = fromJson(readBytes(path).toString(), () => failure(`cannot read ${path}: it is not JSON`))
  return matrix(basename(path, '.json'), rows, failure, path)
}

function fromJson(text: string, failure: () => Failure): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw failure()
  }
}

/** A kernel of rows of numbers. */
function matrix(
  name: string,
  rows: unknown,
  failure: (message: string) => Failure,
  path = '--kernel',
): Kernel {
  const isRow = (row: unknown): row is number[] =>
    Array.isArray(row) && row.length > 0 && row.every((value) => Number.isFinite(value))
  const isMatrix =
    Array.isArray(rows) && rows.length > 0 && rows.every((row) => isRow(row) && row.length === rows[0].length)
  if (!isMatrix)
    throw failure(
      `${path} must hold rows of numbers, all of one length: "0 -1 0; -1 5 -1; 0 -1 0" or [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]`,
    )
  return { name, apply: (picture, options) => image.filter2d(picture, rows, options) }
}
