/**
 * Data and programs that stand outside the repository. Tests that need them add to those that need nothing,
 * and are left out where they are absent: vitest.config.ts lets `setup` say so, in one line for each.
 * FILTERBANK_ALONE=1 makes all of them absent.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const alone = Boolean(process.env.FILTERBANK_ALONE)
const present = (paths: readonly (string | undefined)[]): string | undefined =>
  alone ? undefined : paths.find((path) => path && existsSync(path))

/** Models, images and the newest tests of ONNX, in a folder beside the repository's. */
const sharedFolder = present([resolve(import.meta.dirname, '../../../shared/testdata')])

/** A file or folder of that test data; undefined where it is absent. */
export const shared = (path: string): string | undefined =>
  sharedFolder && present([join(sharedFolder, path)])

/** The tests of ONNX 1.12, of Debian's package libonnx-testdata. */
export const onnxTests: string | undefined = present(['/usr/share/libonnx-testdata/data'])

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** Path of the Chromium to use; CHROMIUM goes first. */
export const chromiumPath: string | undefined = present([
  process.env.CHROMIUM,
  ...BROWSERS.map((name) => `/usr/bin/${name}`),
])

/** Set where a missing Chromium is a failure: .ci/run. */
export const chromiumRequired = !alone && Boolean(process.env.FILTERBANK_REQUIRE_CHROMIUM)

/** What is absent, a line each. */
export function absences(): string[] {
  const why = alone ? 'hidden by FILTERBANK_ALONE' : 'not found'
  return [
    ...(sharedFolder
      ? []
      : [`shared test data (../shared/testdata) ${why}: its models and tests are left out`]),
    ...(onnxTests ? [] : [`ONNX's own tests (Debian's package libonnx-testdata) ${why}: left out`]),
    ...(chromiumPath ? [] : [`Chromium (CHROMIUM may name one) ${why}: the browser tests are left out`]),
  ]
}

/** Once a run, in Vitest's own process. */
export function setup(): void {
  for (const line of absences()) console.log(line)
}
