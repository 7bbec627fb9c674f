/**
 * Every way to compute a convolution, a row each, in order of preference: the first that fits a layer and
 * pays is taken. Witness: `npm run bench -- --assert`, which forces every row on every layer that it fits.
 */

import { check, show } from '../../base/errors.js'
import { BYTES, type DType } from '../../core/dtype.js'
import type { AnyTensor, Tensor } from '../../core/tensor.js'
import type { Context, Window } from '../../core/window.js'
import {
  blockDepthwiseFilter,
  blockGrouped,
  groupedPanels,
  isNear,
  runDepthwiseFilter,
  runDepthwiseInput,
  runGrouped,
} from '../../plans/depthwise.js'
import { blockDepthwise8, depthwise8Words, runDepthwise8 } from '../../plans/depthwise8.js'
import { NO_CLAMP } from '../../plans/elementwise.js'
import { runDenseFilterGradient } from '../../plans/filterGradient.js'
import { blockGrouped8, fitsGrouped8, grouped8Words, runGrouped8 } from '../../plans/grouped8.js'
import {
  type Blocking,
  blockProduct,
  byLanes,
  filterPanels,
  packedFloats,
  productOf,
  runDense,
} from '../../plans/igemm.js'
import { blockDense8, packing8, runDense8 } from '../../plans/int8.js'
import {
  type ConvJob,
  type FilterGradientJob,
  type Layer,
  oppositeLayer,
  type PlaneLayer,
} from '../../plans/layer.js'
import { type FilterView, planeFilter, withPlanes } from '../../plans/planes.js'
import { runTransposed } from '../../plans/transposed.js'
import { blockWinograd, runWinograd, savingOf, transformedFloats } from '../../plans/winograd.js'
import { blockWinograd8, runWinograd8, saving8Of, transformed8Words } from '../../plans/winograd8.js'
import { sum } from '../reduce.js'

/** The names of the rows. */
type AlgorithmName = Exclude<ConvAlgorithm, 'auto'>

/**
 * `'gemm'`: a 1x1 window as one matrix product. `'igemm'`: any window. `'winograd'`: 3x3 or 5x5 at stride 1;
 * of 8 bits 3x3 to 9x9, but as `'igemm'` where its tiles save little and the host multiplies four bytes at
 * once. `'depthwise'`: one input channel in a group; of 8 bits one output too. `'grouped'`: up to 16 in and
 * out; of 8 bits up to 4, 8 or 16 in, by how outputs fall into fours.
 */
export type ConvAlgorithm = 'auto' | 'depthwise' | 'gemm' | 'winograd' | 'grouped' | 'igemm'

/** One way to compute a convolution over height and width. @internal */
export interface Algorithm {
  name: AlgorithmName
  /** Types of x and filter. */
  dtypes: readonly DType[]
  /** Whether small integers come out without rounding. */
  exact: boolean
  /** Whether it computes such a layer at all. */
  fits(layer: PlaneLayer): boolean
  /** Of a layer that it fits: why it is faster than the rows below, where it is. */
  pays(layer: PlaneLayer): string | undefined
  /** Floats of the filter as the kernel wants it. */
  packing(layer: PlaneLayer): number
  /** How the work is cut, for register tiles of so many rows. */
  blocking(layer: PlaneLayer, tileRows: number): Blocking
  run(job: ConvJob): void
  /** dx [n, ...input, inChannels] at `y`, from dy at `x`; without bias and clamp. */
  inputGradient(job: ConvJob): void
  /** A new tensor [kh, kw, inChannels / groups, outChannels]. */
  filterGradient(job: FilterGradientJob): Tensor
}

const groupIn = ({ inChannels, groups }: PlaneLayer): number => inChannels / groups
const groupOut = ({ outChannels, groups }: PlaneLayer): number => outChannels / groups

const filterShape = (layer: PlaneLayer): [number, number, number, number] => {
  const [h, w] = layer.axes
  return [h.size, w.size, groupIn(layer), layer.outChannels]
}

const isDepthwise = (layer: PlaneLayer): boolean => groupIn(layer) === 1 && groupOut(layer) === 1

const isUnpadded = ([h, w]: Window): boolean => h.before + h.after + w.before + w.after === 0

const isProduct = ({ axes }: PlaneLayer): boolean =>
  axes[0].size === 1 && axes[1].size === 1 && isUnpadded(axes)

/** A square window of one of these sizes at stride 1. */
const isSquare = ({ axes: [h, w] }: PlaneLayer, ...sizes: number[]): boolean =>
  sizes.includes(h.size) && w.size === h.size && w.dilation === h.dilation && h.stride * w.stride === 1

/**
 * Whether Winograd's tiles are filled well enough to save products: under dilation they are of each phase by
 * itself. Witness: bench, dilated layers.
 */
const isTiled = ({ axes: [h, w] }: PlaneLayer): boolean => h.dilation === 1 || savingOf([h, w]) > 1.7

/** Whether channels of a group fill vectors and panels; of one group the last ones need not. */
const isWhole = (layer: PlaneLayer): boolean =>
  layer.groups === 1 || (groupIn(layer) % 4 === 0 && groupOut(layer) % 8 === 0)

function denseFilterGradient(job: FilterGradientJob): Tensor {
  return job.engine.make(filterShape(job.layer), (dw) => runDenseFilterGradient(job, dw.pointer))
}

/** Sums of splits of the rows, added up in their order. */
const depthwiseFilterGradient = (job: FilterGradientJob): Tensor =>
  job.engine.scope(() => {
    const sums = job.engine.empty([blockDepthwiseFilter(job.layer).splits, ...filterShape(job.layer)])
    runDepthwiseFilter(job, sums.pointer)
    return sum(sums, { axes: 0 })
  })

/** What the rows of dense products share. */
const dense = {
  dtypes: ['float32'],
  exact: true,
  packing: (layer) => packedFloats(filterPanels({ shape: filterShape(layer) }, layer.groups)),
  blocking: (layer, tileRows) => blockProduct(tileRows, productOf(layer)),
  run: (job) => runDense(job),
  inputGradient: runTransposed,
  filterGradient: denseFilterGradient,
} satisfies Partial<Algorithm>

/** Of layers with few channels in a group, be it one. */
const fewGradients = {
  inputGradient: (job) => (isDepthwise(job.layer) ? runDepthwiseInput : runTransposed)(job),
  filterGradient: (job) => (isDepthwise(job.layer) ? depthwiseFilterGradient : denseFilterGradient)(job),
} satisfies Partial<Algorithm>

const depthwise: Algorithm = {
  name: 'depthwise',
  dtypes: ['float32'],
  exact: true,
  fits: (layer) => groupIn(layer) === 1,
  // Four filters of a channel fill a vector of the grouped tile. Witness: 56x56x128, 28x28x64, of two each.
  pays: (layer) =>
    layer.groups > 1 && groupOut(layer) < 4 && isNear(layer.axes)
      ? `${groupOut(layer) > 1 ? 'few filters' : 'one filter'} per channel`
      : undefined,
  packing: (layer) => packedFloats(groupedPanels('depthwise', { shape: filterShape(layer) }, layer.groups)),
  blocking: (layer) => blockGrouped('depthwise', layer),
  run: (job) => runGrouped('depthwise', job),
  ...fewGradients,
}

/** What the rows of 8-bit integers share. They have no gradients. */
const dense8 = {
  dtypes: BYTES,
  exact: true,
  packing: packing8,
  blocking: (layer) => blockDense8(layer),
  run: runDense8,
  inputGradient: runTransposed,
  filterGradient: denseFilterGradient,
} satisfies Partial<Algorithm>

/** @internal */
export const igemm: Algorithm = { ...dense, name: 'igemm', fits: () => true, pays: () => 'any window' }

/** @internal */
export const igemm8: Algorithm = { ...dense8, name: 'igemm', fits: () => true, pays: () => 'any window' }

/** @internal */
export const algorithms: readonly Algorithm[] = [
  depthwise,
  {
    ...dense,
    name: 'gemm',
    fits: isProduct,
    pays: () => 'a 1x1 window is a matrix product',
  },
  {
    name: 'winograd',
    dtypes: ['float32'],
    exact: false,
    fits: (layer) => isSquare(layer, 3, 5) && isWhole(layer),
    pays(layer) {
      const { size } = layer.axes[0]
      return groupIn(layer) >= 8 && groupOut(layer) >= 4 && isTiled(layer)
        ? `${size}x${size} at stride 1, and channels enough to pay for the transforms`
        : undefined
    },
    packing: (layer) => transformedFloats(groupIn(layer), layer.outChannels),
    blocking: (layer, tileRows) => blockWinograd(tileRows, layer),
    run: (job) => runWinograd(job),
    // At stride 1 it is a layer too, with padding of what the window's reach leaves.
    inputGradient: (job) =>
      job.layer.groups === 1
        ? runWinograd({ ...job, layer: oppositeLayer(job.layer) }, true)
        : runTransposed(job),
    filterGradient: denseFilterGradient,
  },
  {
    name: 'grouped',
    dtypes: ['float32'],
    exact: true,
    fits: (layer) => groupIn(layer) <= 16 && groupOut(layer) <= 16,
    pays(layer) {
      const [ic, oc] = [groupIn(layer), groupOut(layer)]
      const few = oc <= 4 || (oc <= 8 && ic <= 4) || (layer.groups === 1 && ic <= 2)
      return few && isNear(layer.axes) && !(layer.groups === 1 && byLanes(ic, oc))
        ? 'too few channels in a group to fill panels of 8'
        : undefined
    },
    packing: (layer) => packedFloats(groupedPanels('grouped', { shape: filterShape(layer) }, layer.groups)),
    blocking: (layer) => blockGrouped('grouped', layer),
    run: (job) => runGrouped('grouped', job),
    ...fewGradients,
  },
  igemm,
  {
    ...dense8,
    name: 'depthwise',
    fits: (layer) => isDepthwise(layer) && isNear(layer.axes),
    pays: ({ groups }) => (groups > 1 ? 'one filter per channel' : undefined),
    packing: depthwise8Words,
    blocking: (layer) => blockDepthwise8(layer),
    run: runDepthwise8,
  },
  {
    ...dense8,
    name: 'winograd',
    fits: (layer) => isSquare(layer, 3, 4, 5, 6, 7, 8, 9) && layer.groups === 1,
    pays(layer) {
      const [{ size, dilation }] = layer.axes
      const saves = (size === 3 && dilation === 1) || saving8Of(layer.axes) > 1.7
      return saves && layer.inChannels >= 8 && layer.outChannels >= 8
        ? `${size}x${size} at stride 1, and channels enough to pay for the transforms`
        : undefined
    },
    packing: (layer) => transformed8Words(layer),
    blocking: (layer) => blockWinograd8(layer),
    run: runWinograd8,
  },
  {
    ...dense8,
    name: 'grouped',
    fits: (layer) => fitsGrouped8(layer) && isNear(layer.axes),
    pays(layer) {
      const [ic, oc] = [groupIn(layer), groupOut(layer)]
      const [h, w] = layer.axes
      if (layer.groups > 1) {
        // Strides bring more columns for an output than most of a panel pays for.
        const isPanel = oc % 8 === 0 || (oc > 4 && oc < 8 && ic > 4 && w.stride > 1)
        return isPanel && ic > 2 ? undefined : 'too few channels in a group to fill panels of 8'
      }
      // One long row of one channel is a run of words by itself.
      if (ic === 1 && h.size === 1 && w.size > 8) return undefined
      const few = oc <= 4 ? ic <= 8 || oc === 4 : ic <= 2 || (ic <= 6 && oc <= 8) || (ic === 4 && oc <= 16)
      return few ? 'too few channels to fill panels and runs' : undefined
    },
    packing: grouped8Words,
    blocking: (layer) => blockGrouped8(layer),
    run: runGrouped8,
  },
  {
    ...dense8,
    name: 'gemm',
    fits: isProduct,
    pays: () => 'a 1x1 window is a matrix product',
  },
  igemm8,
]

/** Types that a convolution takes. @internal */
export const CONV_DTYPES = [...new Set(algorithms.flatMap(({ dtypes }) => dtypes))]

/**
 * The row for a layer and why: what was asked for, if it fits, else the first that pays; `exact` passes by
 * those that round small integers.
 * @internal
 */
export function choose(
  wanted: ConvAlgorithm,
  layer: PlaneLayer,
  dtype: DType,
  context: Context,
  exact = false,
): { row: Algorithm; reason: string } {
  if (wanted === 'auto') {
    for (const row of algorithms) {
      if ((exact && !row.exact) || !row.dtypes.includes(dtype) || !row.fits(layer)) continue
      const reason = row.pays(layer)
      if (reason) return { row, reason }
    }
  }
  const row = algorithms.find(({ name, dtypes }) => name === wanted && dtypes.includes(dtype))
  check(row !== undefined, () => ({
    ...context,
    argument: 'algorithm',
    expected: `one of ${['auto', ...algorithms.filter(({ dtypes }) => dtypes.includes(dtype)).map(({ name }) => name)].join(', ')}`,
    got: show(wanted),
  }))
  check(row.fits(layer), () => ({
    ...context,
    argument: 'algorithm',
    expected: 'one that fits this layer',
    got: show(wanted),
  }))
  return { row, reason: 'as asked for' }
}

/** What a layer writes beside sums. @internal */
export interface Finish {
  bias?: AnyTensor | undefined
  clamp?: readonly [number, number]
}

/** Runs a row on a layer of any number of axes, from x to y. @internal */
export function runLayer(
  row: Algorithm,
  layer: Layer,
  planes: PlaneLayer,
  x: Tensor,
  filter: FilterView,
  y: Tensor,
  { bias, clamp = NO_CLAMP }: Finish = {},
): void {
  const { engine } = x
  withPlanes(engine, layer, x.pointer, 'forward', (stacked) =>
    row.run({
      engine,
      layer: planes,
      x: stacked,
      filter: planeFilter(filter, layer),
      bias: bias?.pointer ?? 0,
      y: y.pointer,
      clamp,
    }),
  )
}
