/** The kernels that `filterbank filter --kernel` knows: by name, as numbers, from a file. */
import { basename } from 'node:path'
import {
  boxBlur,
  emboss,
  type FilterOptions,
  filter2d,
  gaussianBlur,
  highPass,
  laplacian,
  lowPass,
  median,
  type OwnPixels,
  type Pixels,
  scharr,
  sharpen,
  sobel,
  unsharpMask,
} from '../image/index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { readBytes } from '../node/picture.js'

export interface Kernel {
  /** For the name of the file that it makes. */
  name: string
  apply(image: Pixels, options: FilterOptions): OwnPixels
}

interface Known {
  /**
   * What the number after the colon means, and what it is where there is none; undefined where the kernel
   * takes none.
   */
  parameter?: readonly [name: string, value: number]
  about: string
  apply(image: Pixels, options: FilterOptions, value: number): OwnPixels
}

const known: Record<string, Known> = {
  gaussian: {
    parameter: ['SIGMA', 2],
    about: 'Gaussian blur',
    apply: (image, options, sigma) => gaussianBlur(image, sigma, options),
  },
  box: {
    parameter: ['SIZE', 3],
    about: 'mean of SIZE x SIZE pixels',
    apply: (image, options, size) => boxBlur(image, size, options),
  },
  median: {
    parameter: ['SIZE', 3],
    about: 'median of 3 x 3 or 5 x 5 pixels',
    apply: (image, options, size) => median(image, size as 3 | 5, options),
  },
  'low-pass': {
    parameter: ['SIGMA', 2],
    about: 'coarse structure',
    apply: (image, options, sigma) => lowPass(image, { ...options, sigma }),
  },
  'high-pass': {
    parameter: ['SIGMA', 2],
    about: 'fine structure',
    apply: (image, options, sigma) => highPass(image, { ...options, sigma }),
  },
  sharpen: {
    parameter: ['AMOUNT', 1],
    about: 'less its Laplacian',
    apply: (image, options, amount) => sharpen(image, { ...options, amount }),
  },
  unsharp: {
    parameter: ['AMOUNT', 1],
    about: 'unsharp mask of sigma 2',
    apply: (image, options, amount) => unsharpMask(image, { ...options, amount }),
  },
  emboss: { about: 'relief', apply: emboss },
  laplacian: { about: 'sum of second differences', apply: laplacian },
  sobel: { about: 'edges', apply: sobel },
  'sobel-x': {
    about: 'edges, dark left of bright',
    apply: (image, options) => sobel(image, { ...options, direction: 'x' }),
  },
  'sobel-y': {
    about: 'edges, dark above bright',
    apply: (image, options) => sobel(image, { ...options, direction: 'y' }),
  },
  scharr: { about: 'edges, more alike at all angles', apply: scharr },
  'scharr-x': {
    about: 'edges, dark left of bright',
    apply: (image, options) => scharr(image, { ...options, direction: 'x' }),
  },
  'scharr-y': {
    about: 'edges, dark above bright',
    apply: (image, options) => scharr(image, { ...options, direction: 'y' }),
  },
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
  if (!rest.length) return { name, apply: (image, options) => apply(image, options, parameter?.[1] ?? 0) }
  if (!parameter) throw wrongUsage(`kernel ${name} takes no number, got '${text}'`)
  const value = Number(rest.join(':') || Number.NaN)
  if (!Number.isFinite(value))
    throw wrongUsage(`kernel ${name} takes a number after the colon (${parameter[0]}), got '${text}'`)
  return { name: `${name}-${value}`, apply: (image, options) => apply(image, options, value) }
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
  return { name, apply: (image, options) => filter2d(image, rows, options) }
}
