/** The plan of a copy between layouts (assembly/copy.ts). Shared by concat, pad, slice and transpose. */

import { sizeOf } from '../base/shape.js'
import { bytesPerElement, type DType, wordOfElement } from '../core/dtype.js'
import type { Engine } from '../core/engine.js'

/**
 * One axis of what is copied: its length, and the distance in elements between neighbours on either side.
 * `from` 0 repeats one element.
 */
export interface CopyAxis {
  length: number
  from: number
  to: number
}

/** One element everywhere. */
interface Fill {
  value: number
}

/** Bytes of a cache line: what is transposed goes by squares of them. */
const LINE = 64
/** Elements of a unit: enough to hide what it costs to begin one. */
const UNIT = 16384

/**
 * Copies a box between two layouts; `x` and `y` are the addresses of its first element. With a value for x,
 * where all `from` are 0, fills it.
 */
export function copy(
  engine: Engine,
  x: number | Fill,
  y: number,
  box: readonly CopyAxis[],
  dtype: DType = 'float32',
): void {
  copyElements(engine, x, y, box, bytesPerElement(dtype), dtype)
}

/** The same of numbers of 64 bits. */
export const copyLongs = (engine: Engine, x: number, y: number, box: readonly CopyAxis[]): void =>
  copyElements(engine, x, y, box, 8)

function copyElements(
  engine: Engine,
  x: number | Fill,
  y: number,
  box: readonly CopyAxis[],
  elementBytes: number,
  dtype: DType = 'float32',
): void {
  if (box.some(({ length }) => length === 0)) return
  let outer = merged(box)
  let bytes = elementBytes
  const words =
    bytes === 1 && typeof x === 'number' && x % 4 === 0 && y % 4 === 0 ? inWords(outer) : undefined
  if (words) {
    outer = words
    bytes = 4
  }
  const columns = outer.splice(Math.max(0, neighbours(outer, 'to')), 1)[0] ?? ONE
  const inRows = columns.from > 1 ? neighbours(outer, 'from') : -1
  const longest = outer.findIndex(({ length }) => length === Math.max(...outer.map((axis) => axis.length)))
  const rows = outer.splice(inRows >= 0 ? inRows : Math.max(0, longest), 1)[0] ?? ONE
  const unitRows = Math.ceil((Math.min(rows.length, UNIT / columns.length) * bytes) / LINE) * (LINE / bytes)

  engine.run({
    kernel: 'copy',
    args: {
      x: typeof x === 'number' ? x : 0,
      value: typeof x === 'number' ? 0 : wordOfElement(x.value, dtype),
      y,
      rows: rows.length,
      columns: columns.length,
      xRowStride: rows.from * bytes,
      yRowStride: rows.to * bytes,
      xColumnStride: columns.from * bytes,
      yColumnStride: columns.to * bytes,
      unitRows,
      bytes,
      rank: outer.length,
      axes: outer.map(({ length, from, to }) => ({ length, xStride: from * bytes, yStride: to * bytes })),
    },
    units: outer.reduce((product, { length }) => product * length, Math.ceil(rows.length / unitRows)),
    work: sizeOf(box.map(({ length }) => length)),
  })
}

const ONE: CopyAxis = { length: 1, from: 0, to: 0 }

/** The axis whose elements are neighbours in memory. */
const neighbours = (axes: CopyAxis[], side: 'from' | 'to'): number =>
  axes.findIndex((axis) => axis[side] === 1)

/**
 * The same box in fewer axes: those of length 1 dropped, and an axis joined to the next where it goes on
 * where that one ends.
 */
function merged(box: readonly CopyAxis[]): CopyAxis[] {
  const axes: CopyAxis[] = []
  for (const axis of box) {
    if (axis.length === 1) continue
    const last = axes.at(-1)
    if (last && last.from === axis.from * axis.length && last.to === axis.to * axis.length) {
      axes[axes.length - 1] = { length: last.length * axis.length, from: axis.from, to: axis.to }
    } else axes.push(axis)
  }
  return axes
}

/** A box of bytes as one of four bytes at a time, where its innermost axis and all distances allow that. */
function inWords(axes: readonly CopyAxis[]): CopyAxis[] | undefined {
  const last = axes.at(-1)
  if (last?.from !== 1 || last.to !== 1 || last.length % 4 !== 0) return undefined
  const others = axes.slice(0, -1)
  if (others.some(({ from, to }) => from % 4 !== 0 || to % 4 !== 0)) return undefined
  return [
    ...others.map(({ length, from, to }) => ({ length, from: from / 4, to: to / 4 })),
    { length: last.length / 4, from: 1, to: 1 },
  ]
}

/**
 * How an element at an address stands in a box of its own type: the distance in bytes to the element `index`
 * elements on.
 */
export const bytesTo = (dtype: DType, index: number): number => index * bytesPerElement(dtype)
