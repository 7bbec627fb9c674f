/**
 * Filters on an image of 1920 x 1080, bytes in and bytes out, beside engines that filter images: same data,
 * outputs checked, timed in turns.
 */
import type { Pixels } from '../src/image/index.js'
import * as image from '../src/image/index.js'
import * as library from '../src/index.js'
import { featuresOf } from './compare.js'
import { ABOUT_TIMES, placeOf } from './document.js'
import {
  BELOW,
  BILATERAL,
  CANNY,
  type Format,
  HEIGHT,
  type Image,
  type ImageContender,
  type Problem,
  problems,
  TURN,
  WIDTH,
} from './imageCases.js'
import { driftMark, geometricMean, measure, type Timing } from './measure.js'

interface Row {
  name: string
  format: Format
  results: Record<string, Timing>
}

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
    'min',
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
      const timing = results['filterbank']!
      const { ms, min, low, high } = timing
      const times = others.map(({ name }) => results[name]?.ms.toFixed(2) ?? '')
      const ratios = others.map(({ name }) =>
        results[name] ? `${(results[name]!.ms / ms).toFixed(2)} x${driftMark(timing, results[name])}` : '',
      )
      lines.push(
        line([
          problem.name,
          format,
          ms.toFixed(2),
          min.toFixed(2),
          `${low.toFixed(2)}..${high.toFixed(2)}`,
          ...times,
          ...ratios,
        ]),
      )
      print(lines.at(-1)!)
      for (const { prepared } of present) prepared.dispose()
    }
  }
  const means = others.flatMap(({ name }) => {
    const ratios = rows
      .filter(({ results }) => results[name])
      .map(({ results }) => results[name]!.ms / results['filterbank']!.ms)
    if (ratios.length === 0) return []
    return `${geometricMean(ratios).toFixed(2)} x over ${name}, each at least ${Math.min(...ratios).toFixed(2)}`
  })
  const about = [
    placeOf({ build: own.version, features: featuresOf(await library.diagnose()) }),
    ABOUT_TIMES,
    `Filters on ${WIDTH} x ${HEIGHT}; bytes in and out but for float. filterbank and sharp take and give JavaScript's bytes at each call,`,
    `filterbank in an array that it is given (option out); opencv.js works on what it has inside, into an image that it has already. ${others.map(({ name, version }) => `${name} ${version}`).join(', ')}.`,
    ...(means.length ? [`Geometric means: ${means.join('; ')}.`] : []),
  ].join('\n')
  print(about)
  const ruler = line(heads.map((_, i) => (i < 2 ? ':--' : '--:')))
  return { markdown: [about, '', line(heads), ruler, ...lines].join('\n'), rows, wrong }
}
