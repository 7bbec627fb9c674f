/** Filters that images are filtered by for a bench, images, and who filters them. */
import type { Prepared } from './contender.js'

export const [WIDTH, HEIGHT] = [1920, 1080]

type Filter =
  | 'filter2d'
  | 'gaussianBlur'
  | 'boxBlur'
  | 'sobel'
  | 'median'
  | 'dilate'
  | 'erode'
  | 'opening'
  | 'threshold'
  | 'canny'
  | 'bilateral'
  | 'grayscale'
  | 'toHsv'
  | 'fromHsv'
  | 'toLab'
  | 'fromLab'
  | 'resize'
  | 'warpAffine'
export type Format = 'gray' | 'rgb' | 'rgba' | 'float'
const BYTES: Format[] = ['gray', 'rgb', 'rgba']

export interface Problem {
  name: string
  op: Filter
  /** Of filter2d. */
  kernel?: number[][]
  /** Of gaussianBlur. */
  sigma?: number
  /** Of boxBlur, median, morphology and adaptive thresholds. */
  size?: number
  /** Of threshold. */
  bound?: number | 'otsu' | 'mean' | 'gaussian'
  /** Of resize, [height, width]. */
  to?: readonly [number, number]
  method?: 'bilinear' | 'bicubic'
  antialias?: boolean
  /** Formats that it is for; all. */
  only?: Format[]
  /** Levels that outputs may differ by, where it is not one. */
  apart?: number
}

/** A turn by 12.5 degrees, a little smaller, and what it moves by. */
export const TURN: [[number, number, number], [number, number, number]] = [
  [0.9, -0.2, 100],
  [0.2, 0.9, -50],
]
/** In levels, as OpenCV takes them. */
export const CANNY: [number, number] = [50, 150]
export const BILATERAL = { size: 9, sigmaColor: 25, sigmaSpace: 5 }
/** What an adaptive threshold stands below the mean, in levels. */
export const BELOW = 2

export interface Image {
  format: Format
  width: number
  height: number
  channels: 1 | 3 | 4
  data: Uint8Array | Float32Array
}

export interface ImageContender {
  name: string
  version: string
  native?: boolean
  /** Undefined for what it cannot do. */
  prepare(problem: Problem, image: Image): PreparedFilter | undefined
}

/** `ownDefinition`: its output is another by design, and is not compared. */
export type PreparedFilter = Prepared & { ownDefinition?: boolean }

/** Weights of both signs and no pattern, whose sum is 1. */
function weights(side: number): number[][] {
  const rows = Array.from({ length: side }, (_, i) =>
    Array.from({ length: side }, (_, j) => ((i * 7 + j * 13) % 11) - 2),
  )
  const sum = rows.flat().reduce((a, b) => a + b)
  return rows.map((row) => row.map((v) => v / sum))
}

export const problems: Problem[] = [
  {
    name: '3x3 sharpen',
    op: 'filter2d',
    kernel: [
      [0, -1, 0],
      [-1, 5, -1],
      [0, -1, 0],
    ],
  },
  ...[5, 7, 11].map((side) => ({ name: `${side}x${side}`, op: 'filter2d' as const, kernel: weights(side) })),
  { name: 'gaussian 2', op: 'gaussianBlur', sigma: 2 },
  { name: 'gaussian 5', op: 'gaussianBlur', sigma: 5 },
  { name: 'box 31', op: 'boxBlur', size: 31 },
  { name: 'sobel', op: 'sobel' },
  { name: 'median 3', op: 'median', size: 3 },
  ...[7, 15].map((size) => ({ name: `median ${size}`, op: 'median' as const, size, only: BYTES })),
  { name: 'dilate 3', op: 'dilate', size: 3 },
  { name: 'erode 15', op: 'erode', size: 15 },
  { name: 'opening 5', op: 'opening', size: 5 },
  { name: 'threshold', op: 'threshold', bound: 127 / 255, only: BYTES },
  { name: 'otsu', op: 'threshold', bound: 'otsu', only: ['gray'] },
  // OpenCV rounds the mean first: at a bound outputs differ by all there is.
  { name: 'adaptive mean', op: 'threshold', bound: 'mean', size: 11, only: ['gray'], apart: 255 },
  { name: 'adaptive gaussian', op: 'threshold', bound: 'gaussian', size: 11, only: ['gray'], apart: 255 },
  { name: 'canny', op: 'canny', only: ['gray'] },
  { name: 'bilateral 9', op: 'bilateral', only: ['gray', 'rgb'] },
  { name: 'grayscale', op: 'grayscale', only: ['rgb', 'rgba'] },
  ...(['toHsv', 'fromHsv', 'toLab', 'fromLab'] as const).map(
    (op): Problem => ({ name: op, op, only: ['rgb'], apart: 2 }),
  ),
  ...(
    [
      { name: 'half', to: [HEIGHT / 2, WIDTH / 2], method: 'bilinear', antialias: false },
      // Of all pixels that an output covers OpenCV takes their mean, a wider triangle is another mean.
      { name: 'thumbnail', to: [HEIGHT / 5, WIDTH / 5], method: 'bilinear', antialias: true, apart: 255 },
      { name: 'enlarged', to: [HEIGHT * 1.5, WIDTH * 1.5], method: 'bilinear' },
      { name: 'enlarged, cubic', to: [HEIGHT * 1.5, WIDTH * 1.5], method: 'bicubic' },
    ] as const
  ).map((problem): Problem => ({ ...problem, op: 'resize', only: BYTES })),
  // OpenCV takes positions in 1/32 of a pixel.
  { name: 'warpAffine', op: 'warpAffine', only: BYTES, apart: 8 },
]
