/** Plots, as SVG. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Plot from '@observablehq/plot'
import { JSDOM } from 'jsdom'
import { tell } from './results.mjs'

/** Any plot of Observable Plot. */
export function writePlot(folder, name, options, about) {
  const { document } = new JSDOM('').window
  const svg = Plot.plot({
    document,
    style: { background: 'white', fontFamily: 'system-ui, sans-serif', fontSize: '12px' },
    ...options,
  })
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg')
  writeFileSync(join(folder, name), svg.outerHTML)
  tell(folder, name, about)
}

/** Of curves, in their order. (Observable Plot's own, observable10) */
const COLORS = ['#4269d0', '#ff725c', '#3ca951', '#efb118', '#a463f2', '#97bbf5']

/** Of what is drawn in a plot of 360 pixels, and of a line of text. */
const [PLOT_HEIGHT, LINE] = [310, 15]

/**
 * A curve for each name in `of`, with its name beside its last point: rows of { x, y, of }.
 *
 * @param options label: what y is; x: what x is, epochs by default; percent: whether y is a share; dots:
 *   whether points are drawn too; zero: whether y begins at 0; steps: rows of what stands behind the first
 *   curve, faint; domain: of y
 */
export function writeCurves(folder, name, rows, options, about) {
  const { label, x = 'epoch', percent = false, dots = true, steps = [], domain, zero = true } = options
  const most = Math.max(...rows.map((row) => row.x))
  const names = [...new Set(rows.map(({ of }) => of))]
  const ys = [...rows, ...steps].map((row) => row.y)
  const [low, high] = domain ?? [Math.min(0, ...ys), Math.max(0, ...ys)]
  const heightOf = (y) => (PLOT_HEIGHT * (y - low)) / (high - low)
  // Each name at its point, or as far above as leaves room for those below.
  let top = Number.NEGATIVE_INFINITY
  const lasts = names
    .map((each) => rows.findLast(({ of }) => of === each))
    .sort((a, b) => a.y - b.y)
    .map((row) => {
      top = Math.max(heightOf(row.y), top + LINE)
      return Plot.text([row], {
        x: 'x',
        y: 'y',
        text: 'of',
        fill: 'of',
        textAnchor: 'start',
        dx: 9,
        dy: heightOf(row.y) - top,
        fontWeight: 600,
      })
    })
  writePlot(
    folder,
    name,
    {
      width: 640,
      height: 360,
      marginLeft: 52,
      marginRight: 24 + 7 * Math.max(...names.map((each) => each.length)),
      x: { label: x, domain: [0, most], ticks: Math.min(10, most), tickFormat: 'd' },
      y: {
        label,
        domain,
        grid: true,
        nice: domain === undefined,
        zero,
        tickFormat: percent ? (v) => `${Math.round(100 * v)} %` : undefined,
      },
      color: { domain: names, range: COLORS },
      marks: [
        Plot.lineY(steps, { x: 'x', y: 'y', stroke: COLORS[0], strokeOpacity: 0.3 }),
        Plot.lineY(rows, { x: 'x', y: 'y', z: 'of', stroke: 'of', strokeWidth: 2.5 }),
        ...(dots ? [Plot.dot(rows, { x: 'x', y: 'y', fill: 'of', r: 3.5 })] : []),
        ...lasts,
      ],
    },
    about,
  )
}

/** The least side of a cell of a confusion matrix, and the room for a class's name. */
const [CELL, MARGIN] = [18, 106]

/** How often a sample of one class was taken for another. */
export function writeConfusion(folder, name, counts, classes, about) {
  const cells = counts.flatMap((row, actual) =>
    Array.from(row, (count, taken) => ({
      actual: classes[actual],
      taken: classes[taken],
      count,
      share:
        count /
        Math.max(
          1,
          row.reduce((a, b) => a + b),
        ),
    })),
  )
  // Few classes fill a page, many make it larger.
  const side = Math.max(530, CELL * classes.length)
  writePlot(
    folder,
    name,
    {
      width: side + 2 * MARGIN,
      height: side + MARGIN + 10,
      ...{ marginLeft: MARGIN, marginRight: MARGIN, marginTop: MARGIN, marginBottom: 10 },
      padding: 0.04,
      x: { axis: 'top', domain: classes, label: 'taken for', tickRotate: -35 },
      y: { domain: classes, label: 'is' },
      color: { type: 'sqrt', scheme: 'Blues', domain: [0, 1] },
      marks: [
        Plot.cell(cells, { x: 'taken', y: 'actual', fill: 'share' }),
        Plot.text(
          cells.filter(({ count }) => count > 0),
          { x: 'taken', y: 'actual', text: 'count', fill: ({ share }) => (share > 0.4 ? 'white' : 'black') },
        ),
      ],
    },
    about,
  )
}

/** A dot for each of rows { x, y, of } in a plane, in the colour of `of`; a frame of `reach` each way. */
export function writePlaces(folder, name, rows, reach, about) {
  writePlot(
    folder,
    name,
    {
      width: 680,
      height: 600,
      x: { label: 'first number of the code', grid: true },
      y: { label: 'second number of the code', grid: true },
      color: { scheme: 'Turbo', type: 'ordinal', legend: false },
      marks: [
        Plot.rect([0], {
          x1: -reach,
          x2: reach,
          y1: -reach,
          y2: reach,
          stroke: '#999',
          strokeDasharray: '4,4',
        }),
        Plot.dot(rows, { x: 'x', y: 'y', fill: 'of', r: 2, fillOpacity: 0.7 }),
        Plot.text(
          rows,
          Plot.groupZ(
            { x: 'median', y: 'median', text: 'first' },
            {
              x: 'x',
              y: 'y',
              z: 'of',
              text: 'of',
              fontSize: 22,
              fontWeight: 700,
              stroke: 'white',
              fill: 'black',
            },
          ),
        ),
      ],
    },
    about,
  )
}

/** What a letter takes, in pixels. */
const [LETTER_WIDTH, LETTER_HEIGHT] = [11, 18]

/** Texts, the darker a letter the greater its share: rows of { label, letters, shares from 0 to 1 }. */
export function writeTexts(folder, name, rows, { title }, about) {
  const cells = rows.flatMap(({ letters, shares }, row) =>
    letters.map((letter, place) => ({ row, place, letter, share: shares[place] })),
  )
  const longest = Math.max(...rows.map(({ letters }) => letters.length))
  const marginLeft = 16 + 7 * Math.max(...rows.map(({ label }) => label.length))
  writePlot(
    folder,
    name,
    {
      width: marginLeft + longest * LETTER_WIDTH + 16,
      height: rows.length * LETTER_HEIGHT + 48,
      ...{ marginLeft, marginTop: 36, marginBottom: 12, marginRight: 16 },
      x: { axis: null, domain: [0, longest] },
      y: { axis: null, domain: [rows.length, 0] },
      color: { type: 'linear', scheme: 'Oranges', domain: [0, 1.4] },
      marks: [
        Plot.rect(
          cells.filter(({ letter }) => letter !== ''),
          {
            x1: 'place',
            x2: ({ place }) => place + 1,
            y1: 'row',
            y2: ({ row }) => row + 1,
            fill: 'share',
            insetTop: 1,
            insetBottom: 1,
          },
        ),
        Plot.text(cells, {
          x: ({ place }) => place + 0.5,
          y: ({ row }) => row + 0.5,
          text: 'letter',
          fontFamily: 'monospace',
        }),
        Plot.text(rows, {
          x: 0,
          y: (_, row) => row + 0.5,
          text: 'label',
          textAnchor: 'end',
          dx: -8,
        }),
        Plot.text([title], { frameAnchor: 'top-left', dy: -24, fontWeight: 600, fontSize: 13 }),
      ],
    },
    about,
  )
}
