/** Data files of a model: their names, and where they lie beside the model's own file. */
import { check, FilterbankError, show } from '../../base/errors.js'
import { builtin } from '../../wasm/host.js'

const op = 'loadModel'
const files = () => builtin('node:fs')
const paths = () => builtin('node:path')

/** Bytes of a data file. */
export type External = (location: string, offset: number, length: number | undefined) => Uint8Array

/** A name without what says that it lies here. */
export const plainName = (location: string): string => location.replace(/^(\.\/)+/, '')

/** What is said where nobody gives a data file of a model that came as `source`. */
export function absent(location: string, source: unknown, given: Iterable<string>): FilterbankError {
  const names = [...given].map(show).join(', ')
  return new FilterbankError({
    op,
    argument: 'source',
    expected: `a path, so that its data file ${show(location)} can be found, or externalData of this name`,
    got: show(source) + (names && `, and externalData of ${names}`),
  })
}

/** The path of a data file in the folder of the model, and nowhere else. */
export function placeOf(folder: string, location: string): string {
  const { isAbsolute, normalize, resolve } = paths()!
  const complain = (got: string) => () => ({
    op,
    argument: 'location',
    expected: "a file in the model's folder",
    got,
  })
  const inside =
    !isAbsolute(location) && !/^\.\.([/\\]|$)/.test(normalize(location)) && !location.includes('\0')
  check(inside, complain(show(location)))
  const place = resolve(folder, location)
  const found = files()!.statSync(place, { throwIfNoEntry: false })
  check(found?.isFile() === true, complain(`${found ? 'a folder' : 'none'} ${show(location)}`))
  return place
}

/** Part of a data file, or where no length is told all from there on. */
export function readBeside(
  folder: string,
  location: string,
  offset: number,
  length: number | undefined,
): Uint8Array {
  const { openSync, readSync, closeSync, fstatSync } = files()!
  const file = openSync(placeOf(folder, location), 'r')
  try {
    const { size } = fstatSync(file)
    const wanted = length ?? size - offset
    checkPart(location, size, offset, wanted)
    const bytes = new Uint8Array(wanted)
    check(readSync(file, bytes, 0, wanted, offset) === wanted, () => cut(location, size, offset, wanted))
    return bytes
  } finally {
    closeSync(file)
  }
}

const cut = (location: string, size: number, offset: number, wanted: number) => ({
  op,
  argument: `data file ${show(location)}`,
  expected: `${wanted} bytes from ${offset} on`,
  got: `${Math.max(0, size - offset)}`,
})

/** Throws unless a data file has such a part. */
export function checkPart(location: string, size: number, offset: number, wanted: number): void {
  const isPart = [offset, wanted].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + wanted <= size
  check(isPart, () => cut(location, size, offset, wanted))
}
