/** Sheets of pictures, as PNG. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { tell } from './results.mjs'

export function writeSheet(folder, name, { data, width, height }, about) {
  const png = new PNG({ width, height })
  png.data = Buffer.from(data.buffer)
  writeFileSync(join(folder, name), PNG.sync.write(png))
  tell(folder, name, about)
}

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
