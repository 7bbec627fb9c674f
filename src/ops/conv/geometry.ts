/**
 * A convolution's geometry as a value: everything that follows from shapes and options, or an error that
 * names both.
 */

import { check, show } from '../../base/errors.js'
import { type Shape, sameShape } from '../../base/shape.js'
import { checkInteger, MOST } from '../../core/options.js'
import {
  type AxesOptions,
  axisNames,
  type Context,
  slidingWindow,
  transposedWindow,
} from '../../core/window.js'
import type { Layer } from '../../plans/layer.js'

/** How many axes a window slides along. */
export type Rank = 1 | 2 | 3

interface GeometryOptions extends AxesOptions {
  groups?: number
}

/** [n, ...input, inChannels] */
export function inputShape({ n, axes, inChannels }: Layer): number[] {
  const shape = [n]
  for (const { input } of axes) shape.push(input)
  shape.push(inChannels)
  return shape
}

/** [n, ...output, outChannels] */
export function outputShape({ n, axes, outChannels }: Layer): number[] {
  const shape = [n]
  for (const { output } of axes) shape.push(output)
  shape.push(outChannels)
  return shape
}

/**
 * The layer that convolves x [n, ...input, channels] with a filter [...window, inChannels / groups,
 * outChannels].
 */
export function layerOf(
  xShape: Shape,
  filterShape: Shape,
  rank: Rank,
  options: GeometryOptions,
  context: Context,
): Layer {
  checkShapes(xShape, filterShape, rank, 'inChannels / groups, outChannels', context)
  const { groups = 1 } = options
  const inChannels = xShape[rank + 1]!
  const groupIn = filterShape[rank]!
  const outChannels = filterShape[rank + 1]!
  if (groups !== 1) checkGroups(groups, inChannels, outChannels, context)
  check(inChannels === groupIn * groups, () => ({
    ...context,
    argument: 'filter',
    expected: `one of ${inChannels / groups} input channels${groups > 1 ? ` (${inChannels} in ${groups} groups)` : ''}`,
    got: `${groupIn}`,
  }))
  const axes = slidingWindow(xShape.slice(1, -1), filterShape.slice(0, rank), options, context)
  return { n: xShape[0]!, axes, inChannels, outChannels, groups }
}

function checkGroups(groups: number, inChannels: number, outChannels: number, context: Context): void {
  checkInteger(groups, 'groups', 1, MOST, context)
  check(inChannels % groups === 0 && outChannels % groups === 0, () => ({
    ...context,
    argument: 'groups',
    expected: `a divisor of ${inChannels} input and ${outChannels} output channels`,
    got: `${groups}`,
  }))
}

/**
 * The layer that a transposed convolution of x [n, ...input, channels] is the backward of: it convolves y to
 * x. Filter [...window, inChannels, outChannels / groups].
 */
export function transposedLayerOf(
  xShape: Shape,
  filterShape: Shape,
  rank: Rank,
  options: GeometryOptions & { outputPadding?: number | readonly number[] },
  context: Context,
): Layer {
  checkShapes(xShape, filterShape, rank, 'inChannels, outChannels / groups', context)
  const { groups = 1 } = options
  const inChannels = xShape[rank + 1]!
  const [filterIn, groupOut] = [filterShape[rank]!, filterShape[rank + 1]!]
  checkInteger(groups, 'groups', 1, MOST, context)
  check(filterIn === inChannels, () => ({
    ...context,
    argument: 'filter',
    expected: `one of ${inChannels} input channels`,
    got: `${filterIn}`,
  }))
  check(inChannels % groups === 0, () => ({
    ...context,
    argument: 'groups',
    expected: `a divisor of ${inChannels} input channels`,
    got: `${groups}`,
  }))
  const axes = transposedWindow(xShape.slice(1, -1), filterShape.slice(0, rank), options, context)
  return {
    n: xShape[0]!,
    axes: axes.map((axis) => ({ ...axis, input: axis.output, output: axis.input })),
    inChannels: groupOut * groups,
    outChannels: inChannels,
    groups,
  }
}

function checkShapes(x: Shape, filter: Shape, rank: Rank, channels: string, context: Context): void {
  // Closures cost a small layer more than what they check.
  if (x.length === rank + 2 && filter.length === rank + 2 && !filter.includes(0)) return
  const fail = (argument: string, expected: string, got: string) => ({ ...context, argument, expected, got })
  const names = () => axisNames(rank).join(', ')
  check(x.length === rank + 2, () => fail('x', `[n, ${names()}, channels]`, `rank ${x.length}`))
  check(filter.length === rank + 2, () =>
    fail('filter', `[${names()}, ${channels}]`, `rank ${filter.length}`),
  )
  check(!filter.includes(0), () => fail('filter', 'without a zero length', show(filter)))
}

export function checkBias(bias: { shape: Shape } | undefined, outChannels: number, context: Context): void {
  if (!bias) return
  check(sameShape(bias.shape, [outChannels]), () => ({
    ...context,
    argument: 'bias',
    expected: `[${outChannels}]`,
    got: show(bias.shape),
  }))
}
