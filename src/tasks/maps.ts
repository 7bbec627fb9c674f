/** Answers that have a number for each place of a grid, channels first or last. */

import { check, show } from '../base/errors.js'
import { printShape } from '../base/shape.js'
import { isName } from '../core/options.js'
import { type Answer, itemOf } from './answer.js'

/** Maps of one item. */
export interface Maps {
  channels: number
  height: number
  width: number
  at(channel: number, row: number, column: number): number
}

const layouts = { nchw: true, nhwc: true } as const

export function mapsOf(
  op: string,
  argument: string,
  answer: Answer,
  { layout, item }: { layout?: 'nchw' | 'nhwc'; item?: number },
): Maps {
  check(layout === undefined || isName(layout, layouts), () => ({
    op,
    argument: 'layout',
    expected: 'nchw or nhwc',
    got: show(layout),
  }))
  const { data, shape } = itemOf(op, argument, answer, { ranks: [2, 3], item })
  check(data.length > 0, () => ({ op, argument, expected: 'of no length 0', got: printShape(shape) }))
  const [a, b, c] = shape.length === 2 ? [1, ...shape] : shape
  const last = shape.length === 3 && (layout === 'nhwc' || (layout === undefined && c! < a! && c! < b!))
  const [channels, height, width] = (last ? [c, a, b] : [a, b, c]) as [number, number, number]
  const at = last
    ? (channel: number, row: number, column: number) => data[(row * width + column) * channels + channel]!
    : (channel: number, row: number, column: number) => data[(channel * height + row) * width + column]!
  return { channels, height, width, at }
}
