/** The heads of the YOLO family. */

import { check, show } from '../base/errors.js'
import { printShape } from '../base/shape.js'
import { checkInteger, checkOptions, isName, type Names } from '../core/options.js'
import { type Answer, checkLabels, itemOf, type Place, placeOf, scoresOf } from './answer.js'
import {
  around,
  BOXES,
  bestOf,
  type Detection,
  type FilterBoxesOptions,
  type Found,
  finish,
} from './boxes.js'

/** How `yolo` reads a network of that family. */
export interface YoloOptions extends FilterBoxesOptions {
  /**
   * `'v5'` (v7 too): [n, 5 + classes], centre, sides, objectness, classes. `'v8'` (v9, v11, v12 too): [4 +
   * classes, n], without objectness. `'v10'` (v26 too): [n, 6], corners, score, class. `'x'` (YOLOX): as v5,
   * from each cell of grids of 8, 16 and 32 pixels; needs `size`. Default: 'v8' where there are more columns
   * than rows, else 'v5'.
   */
  head?: 'v5' | 'v8' | 'v10' | 'x'
  /** How many classes; what follows them are points (v8-pose) or masks. Default: all that is left. */
  classes?: number
  /** Numbers for each point after the classes: x and y, or a score too. Default: there are none. */
  points?: 2 | 3
}

const YOLO: Names<YoloOptions> = { ...BOXES, head: true, classes: true, points: true }

const heads = { v5: true, v8: true, v10: true, x: true } as const
/** Steps of YOLOX's grids, in pixels. */
const STEPS = [8, 16, 32]

/**
 * The boxes of a network of the YOLO family, as it is exported: the best class of each, those that are about
 * the same once, by falling scores, in the pixels of the picture.
 *
 * @param output [n, 5 + classes], [4 + classes, n] or [n, 6], with a batch in front
 * @throws FilterbankError for shapes that are not those of the head
 * @example const things = yolo(outputs.output0, { size: 640, picture: photo, fit: 'contain', labels })
 */
export function yolo(output: Answer, options: YoloOptions = {}): Detection[] {
  const op = 'yolo'
  checkOptions(op, options, YOLO)
  const { data, shape } = itemOf(op, 'output', output, { ranks: [2], item: options.item })
  const [rows, columns] = shape as [number, number]
  const { head = columns > rows ? 'v8' : 'v5', labels, points } = options
  check(options.head !== undefined || columns !== 6 || rows < 6, () => ({
    op,
    argument: 'head',
    expected: "given for six numbers a box: 'v5' of one class, or 'v10'",
    got: 'none',
    shapes: { output: shape },
  }))
  check(isName(head, heads), () => ({
    op,
    argument: 'head',
    expected: `one of ${Object.keys(heads).join(', ')}`,
    got: show(head),
  }))
  const [n, per] = head === 'v8' ? [columns, rows] : [rows, columns]
  const first = head === 'v8' ? 4 : 5
  const left = head === 'v10' ? 1 : per - first
  const { classes = left } = options
  const wrong = (argument: string, expected: string, got: string) => ({ op, argument, expected, got })
  check(left >= 1 && (head !== 'v10' || per === 6), () =>
    wrong('output', `of a ${head} head: ${first + 1} numbers or more for each box`, printShape(shape)),
  )
  checkInteger(classes, 'classes', 1, left, { op, shapes: { output: shape } })
  const none = points === undefined
  check(none || points === 2 || points === 3, () => wrong('points', '2 or 3', show(points)))
  check(none || head === 'v5' || head === 'v8', () => wrong('points', `left out for ${head}`, show(points)))
  check(points === undefined || (left - classes) % points === 0, () =>
    wrong(
      'points',
      `a divisor of what follows ${classes} classes`,
      `${points} for ${left - classes} numbers`,
    ),
  )
  if (head !== 'v10') checkLabels(op, labels, classes)
  const [each, step] = head === 'v8' ? [1, n] : [per, 1]
  const at = (i: number, k: number) => data[i * each + k * step]!
  const place = placeOf(op, options)
  const cells = head === 'x' ? gridOf(op, place, n) : undefined
  const decode = (i: number): Found => {
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => at(i, k)) as [number, number, number, number]
    const count = points ? (left - classes) / points : 0
    const pointAt = (p: number) =>
      Array.from({ length: points! }, (_, k) => at(i, first + classes + p * points! + k))
    const own = Array.from({ length: count }, (_, p) => pointAt(p))
    if (head === 'v10') return { box: { left: a, top: b, right: c, bottom: d }, points: own }
    if (!cells) return { box: around(a, b, c, d), points: own }
    const [x, y, side] = cells.subarray(3 * i) as unknown as [number, number, number]
    return {
      box: around((a + x) * side, (b + y) * side, Math.exp(c) * side, Math.exp(d) * side),
      points: own,
    }
  }
  const best = (i: number) => {
    if (head === 'v10') return { score: at(i, 4), index: at(i, 5) }
    const range = { data, from: i * each + first * step, step, count: classes }
    const { index, score } = bestOf(scoresOf(range, 'none'), 0)
    return { index, score: head === 'v8' ? score : score * at(i, 4) }
  }
  return finish(op, { n, best, decode, withPoints: points !== undefined }, place, options, 0.25)
}

/** Column, row and step of each cell of the grids. */
function gridOf(op: string, { size }: Place, n: number): Float32Array {
  const cells = size
    ? STEPS.flatMap((step) => {
        const [h, w] = [Math.ceil(size[0] / step), Math.ceil(size[1] / step)]
        return Array.from({ length: h * w }, (_, i) => [i % w, Math.floor(i / w), step]).flat()
      })
    : []
  check(cells.length === 3 * n, () => ({
    op,
    argument: 'size',
    expected: `[height, width] of an input with ${n} cells of ${STEPS.join(', ')} pixels`,
    got: size ? `${show(size)}, which has ${cells.length / 3}` : 'none',
  }))
  return Float32Array.from(cells)
}
