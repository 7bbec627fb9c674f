/** What the examples draw: sheets of pictures as PNG, plots as SVG. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as Plot from '@observablehq/plot'
import { SingleBar } from 'cli-progress'
import { JSDOM } from 'jsdom'
import { PNG } from 'pngjs'

export function writeSheet(folder, name, { data, width, height }, about) {
  const png = new PNG({ width, height })
  png.data = Buffer.from(data.buffer)
  writeFileSync(join(folder, name), PNG.sync.write(png))
  tell(folder, name, about)
}

export const tell = (folder, name, about) =>
  console.log(`  ${join(folder, name).padEnd(folder.length + 22)} ${about}`)

/** Sheets of one width, one under the other. */
export function stacked(...sheets) {
  const data = new Uint8ClampedArray(sheets.reduce((total, sheet) => total + sheet.data.length, 0))
  let at = 0
  for (const sheet of sheets) {
    data.set(sheet.data, at)
    at += sheet.data.length
  }
  return { data, width: sheets[0].width, height: sheets.reduce((total, sheet) => total + sheet.height, 0) }
}

/**
 * Pictures of [count, height, width] as the channels of one image: [1, height, width, count], for
 * `featureMaps`.
 */
export function asChannels(engine, pictures, [h, w], chosen) {
  const count = chosen.length
  const data = new Float32Array(h * w * count)
  chosen.forEach((sample, k) => {
    for (let i = 0; i < h * w; i++) data[i * count + k] = pictures[sample * h * w + i]
  })
  return engine.tensor(data, [1, h, w, count])
}

/** The first `count` samples of each class, class by class. */
export function someOfEach(labels, classes, count) {
  const found = classes.map((_, label) =>
    [...labels.keys()].filter((i) => labels[i] === label).slice(0, count),
  )
  return Array.from({ length: count }, (_, row) => found.map((samples) => samples[row] ?? samples[0] ?? 0))
}

function writePlot(folder, name, options, about) {
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

const COLORS = { learning: '#4269d0', testing: '#ff725c' }

/**
 * A curve for each name in `of`, with a point for every epoch: rows of { x, y, of }. `steps`: what stands
 * behind them, faint.
 */
export function writeCurves(folder, name, rows, { label, percent = false, steps = [] }, about) {
  const epochs = Math.max(...rows.map(({ x }) => x))
  // The name beside the last point of a curve: above it for the upper of the two.
  const lasts = rows.filter(({ x }) => x === epochs).sort((a, b) => a.y - b.y)
  const names = lasts.map((row, i) =>
    Plot.text([row], {
      x: 'x',
      y: 'y',
      text: 'of',
      fill: 'of',
      textAnchor: 'start',
      dx: 9,
      dy: i ? -7 : 7,
      fontWeight: 600,
    }),
  )
  writePlot(
    folder,
    name,
    {
      width: 640,
      height: 360,
      marginLeft: 52,
      marginRight: 72,
      x: { label: 'epoch', domain: [0, epochs], ticks: Math.min(10, epochs), tickFormat: 'd' },
      y: {
        label,
        grid: true,
        nice: true,
        zero: true,
        tickFormat: percent ? (v) => `${Math.round(100 * v)} %` : undefined,
      },
      color: { domain: Object.keys(COLORS), range: Object.values(COLORS) },
      marks: [
        Plot.lineY(steps, { x: 'x', y: 'y', stroke: COLORS.learning, strokeOpacity: 0.3 }),
        Plot.lineY(rows, { x: 'x', y: 'y', z: 'of', stroke: 'of', strokeWidth: 2.5 }),
        Plot.dot(rows, { x: 'x', y: 'y', fill: 'of', r: 3.5 }),
        ...names,
      ],
    },
    about,
  )
}

/** How often a picture of one class was taken for another. */
export function writeConfusion(folder, name, counts, classes, about) {
  const cells = counts.flatMap((row, actual) =>
    row.map((count, taken) => ({
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
  writePlot(
    folder,
    name,
    {
      width: 620,
      height: 600,
      marginLeft: 76,
      marginTop: 60,
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

/** A bar of all steps, where someone looks at it; else a line after every epoch. */
export function progress(name, epochs) {
  const bar = process.stderr.isTTY
    ? new SingleBar({
        format: `${name} {bar} {percentage} %  epoch {epoch} of ${epochs}  loss {loss}  {eta_formatted} to go`,
        barsize: 30,
        hideCursor: true,
      })
    : undefined
  return {
    onBatch({ epoch, batch, batches, loss }) {
      const report = { epoch, loss: loss.toFixed(3) }
      if (bar && epoch === 1 && batch === 1) bar.start(epochs * batches, 0, report)
      bar?.update((epoch - 1) * batches + batch, report)
    },
    onEpoch({ epoch, loss, validation }) {
      if (bar && epoch === epochs) bar.stop()
      if (!bar)
        console.log(
          `  epoch ${epoch}: loss ${loss.toFixed(4)}${validation ? `, ${validation.loss.toFixed(4)} in the test` : ''}`,
        )
    },
  }
}
