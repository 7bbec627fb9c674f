/**
 * Filters on an image of 1920 x 1080, bytes in and bytes out, beside engines that filter images: same data,
 * outputs checked, timed in turns.
 */
import { cpus } from 'node:os'
import type { Pixels } from '../src/image/index.js'
import * as image from '../src/image/index.js'
import * as library from '../src/index.js'
import type { Prepared } from './contender.js'
import { geometricMean, measure, type Timing } from './measure.js'

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
type Format = 'gray' | 'rgb' | 'rgba' | 'float'
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

interface Row {
  name: string
  format: Format
  results: Record<string, Timing>
}

const [WIDTH, HEIGHT] = [1920, 1080]
/** Pixels beside the edges that are not compared: borders differ. */
const MARGIN = 32
/**
 * Levels (of 255) that outputs may differ by: one for rounding; libvips cuts its Gaussians off where they
 * fall to a fifth.
 */
const levelsApart = ({ op, apart = 1.01 }: Problem, { name }: ImageContender, { format }: Image) => {
  if (op === 'gaussianBlur' && name !== 'opencv.js') return 12
  // Where nothing of the picture is, what is transparent has no colour, and what is opaque is black.
  return op === 'warpAffine' && format === 'rgba' ? 255 : apart
}

/** Weights of both signs and no pattern, whose sum is 1. */
function weights(side: number): number[][] {
  const rows = Array.from({ length: side }, (_, i) =>
    Array.from({ length: side }, (_, j) => ((i * 7 + j * 13) % 11) - 2),
  )
  const sum = rows.flat().reduce((a, b) => a + b)
  return rows.map((row) => row.map((v) => v / sum))
}

const problems: Problem[] = [
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

/** Slow waves, an edge every 100 pixels, and noise. */
function imageOf(format: Format): Image {
  const channels = ({ gray: 1, rgb: 3, rgba: 4, float: 1 } as const)[format]
  let seed = 1
  const data = Uint8Array.from({ length: WIDTH * HEIGHT * channels }, (_, i) => {
    const pixel = Math.floor(i / channels)
    const [x, y] = [pixel % WIDTH, Math.floor(pixel / WIDTH)]
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    // Opaque: colours are weighed by alpha here, and by nobody else.
    if (channels === 4 && i % 4 === 3) return 255
    return (
      110 +
      40 * Math.sin(x / 40 + (i % channels)) * Math.cos(y / 60) +
      40 * ((Math.floor(x / 100) + Math.floor(y / 100)) & 1) +
      ((seed >> 16) % 24)
    )
  })
  return {
    format,
    channels,
    width: WIDTH,
    height: HEIGHT,
    data: format === 'float' ? Float32Array.from(data) : data,
  }
}

async function filterbank(): Promise<ImageContender> {
  const engine = await library.createEngine({ threads: 1 })
  return {
    name: 'filterbank',
    version: engine.simd,
    prepare(problem, { format, width, height, channels, data }) {
      const { kernel, sigma, size, bound, to, method, antialias } = problem
      const isFloat = format === 'float'
      const tensor = isFloat ? engine.tensor(data, [1, height, width, 1]) : undefined
      // Filters take a tensor or pixels, and give the same.
      const x = (tensor ?? { data, width, height }) as Pixels
      const [rows, columns] = to ?? [height, width]
      const ofOne = problem.op === 'canny' || problem.op === 'grayscale'
      const out = new Uint8ClampedArray(rows * columns * (ofOne ? 1 : channels))
      const options = isFloat ? {} : { engine, out }
      const adaptive = size ? { size, offset: BELOW / 255 } : {}
      const filter = {
        filter2d: () => image.filter2d(x, kernel!, options),
        gaussianBlur: () => image.gaussianBlur(x, sigma!, options),
        boxBlur: () => image.boxBlur(x, size!, options),
        sobel: () => image.sobel(x, options),
        median: () => image.median(x, size!, options),
        dilate: () => image.dilate(x, size!, options),
        erode: () => image.erode(x, size!, options),
        opening: () => image.opening(x, size!, options),
        threshold: () => image.threshold(x, bound!, { ...options, ...adaptive }),
        canny: () => image.canny(x, CANNY[0] / 255, CANNY[1] / 255, options),
        bilateral: () =>
          image.bilateral(x, { ...options, ...BILATERAL, sigmaColor: BILATERAL.sigmaColor / 255 }),
        grayscale: () => image.grayscale(x, options),
        toHsv: () => image.toHsv(x, options),
        fromHsv: () => image.fromHsv(x, options),
        toLab: () => image.toLab(x, options),
        fromLab: () => image.fromLab(x, options),
        resize: () => image.resize(x, to!, { ...options, method, antialias }),
        warpAffine: () => image.warpAffine(x, TURN, options),
      }[problem.op] as () => library.Tensor | image.OwnPixels
      return {
        run() {
          const y = filter()
          if ('dispose' in y) y.dispose()
        },
        output() {
          const y = filter()
          return 'data' in y ? y.data : y.toArray()
        },
        dispose: () => tensor?.dispose(),
      }
    },
  }
}

/**
 * The most that two outputs differ by, away from edges; alpha, which filterbank keeps, apart. The first decides
 * on the channels.
 */
function apart(a: ArrayLike<number>, b: ArrayLike<number>, image: Image, { to }: Problem): number {
  const [height, width] = to ?? [image.height, image.width]
  const channels = a.length / (width * height)
  const colours = Math.min(channels, 3)
  let most = 0
  for (let y = MARGIN; y < height - MARGIN; y++) {
    for (let x = MARGIN; x < width - MARGIN; x++) {
      const at = (y * width + x) * channels
      for (let c = 0; c < colours; c++) most = Math.max(most, Math.abs(a[at + c]! - b[at + c]!))
    }
  }
  return most
}

/** Measures and prints; gives the table as Markdown, and whether an output was wrong. */
export async function benchImages(
  { only = '', peers }: { only?: string | undefined; peers?: boolean | undefined },
  print: (line: string) => void,
): Promise<{ markdown: string; rows: Row[]; wrong: boolean }> {
  const own = await filterbank()
  const others = peers
    ? await Promise.all((await import('./peers/images.js')).imagePeers.map((open) => open()))
    : []
  const contenders = [own, ...others]
  const rows: Row[] = []
  let wrong = false
  const heads = [
    'filter',
    'image',
    'ms',
    'p10..p90',
    ...others.map(({ name }) => name),
    ...others.map(({ name }) => `over ${name}`),
  ]
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  print(line(heads))
  const lines: string[] = []
  for (const format of ['gray', 'rgb', 'rgba', 'float'] as const) {
    const picture = imageOf(format)
    for (const problem of problems) {
      if (![problem.name, format].some((word) => only.split(',').some((part) => word.includes(part))))
        continue
      if (problem.only && !problem.only.includes(format)) continue
      const present = contenders.flatMap((contender) => {
        const prepared = contender.prepare(problem, picture)
        return prepared ? [{ contender, prepared }] : []
      })
      const expected = await present[0]!.prepared.output()
      for (const { contender, prepared } of present.slice(1)) {
        const levels = prepared.ownDefinition ? 0 : apart(expected, await prepared.output(), picture, problem)
        if (levels <= levelsApart(problem, contender, picture)) continue
        wrong = true
        print(`${problem.name} ${format}: ${contender.name} is up to ${levels} levels away`)
      }
      const timings = await measure(
        present.map(({ prepared }) => prepared.run),
        { budget: 1000, rounds: [5, 25] },
      )
      const results: Row['results'] = Object.fromEntries(
        present.map(({ contender }, i) => [contender.name, timings[i]!]),
      )
      rows.push({ name: problem.name, format, results })
      const { ms, low, high } = results['filterbank']!
      const times = others.map(({ name }) => results[name]?.ms.toFixed(2) ?? '')
      const ratios = others.map(({ name }) =>
        results[name] ? `${(results[name]!.ms / ms).toFixed(2)} x` : '',
      )
      lines.push(
        line([
          problem.name,
          format,
          ms.toFixed(2),
          `${low.toFixed(2)}..${high.toFixed(2)}`,
          ...times,
          ...ratios,
        ]),
      )
      print(lines.at(-1)!)
      for (const { prepared } of present) prepared.dispose()
    }
  }
  const means = others.map(({ name }) => {
    const ratios = rows
      .filter(({ results }) => results[name])
      .map(({ results }) => results[name]!.ms / results['filterbank']!.ms)
    return `${geometricMean(ratios).toFixed(2)} x over ${name}, each at least ${Math.min(...ratios).toFixed(2)}`
  })
  const about = [
    `filterbank (${own.version}), Node ${process.versions.node}, ${cpus()[0]!.model.trim()}, ${new Date().toISOString().slice(0, 10)}.`,
    `Filters on ${WIDTH} x ${HEIGHT}, medians in ms, one thread; bytes in and out but for float. filterbank and sharp take and give JavaScript's bytes at each call,`,
    `filterbank in an array that it is given (option out); opencv.js works on what it has inside, into an image that it has already. ${others.map(({ name, version }) => `${name} ${version}`).join(', ')}.`,
    ...(means.length ? [`Geometric means: ${means.join('; ')}.`] : []),
  ].join('\n')
  print(about)
  const ruler = line(heads.map((_, i) => (i < 2 ? ':--' : '--:')))
  return { markdown: [about, '', line(heads), ruler, ...lines].join('\n'), rows, wrong }
}
