/**
 * The plan of a dense product whose window spreads what it reads: transposed convolution, and the backward
 * of a convolution.
 */
import { type Axis, gcd } from '../core/window.js'
import { filterPanels, packed, runProduct, type Steps, transposedPanels } from './igemm.js'
import { runProduct8 } from './int8.js'
import type { ConvJob } from './layer.js'

interface Phase {
  steps: Steps
  /** Taps firstTap, firstTap + tapStep, ... of the window fall on this phase, the last one first. */
  firstTap: number
  tapStep: number
}

/**
 * The outputs o = phase, phase + stride, ... and what they see. Tap t brings input i to output i * stride -
 * before + t * dilation, so
 *
 *   i = (o + before - t * dilation) / stride,  for the t for which that is an integer:
 *   every (stride / gcd(stride, dilation))th, from one tap to the one before it dilation / gcd(stride,
 *   dilation) inputs on
 *
 * Those that see nothing, of a stride longer than the window, are left out.
 */
function phases({ input, output, size, stride: given, dilation, before }: Axis): Phase[] {
  // One input lands in one place whatever the stride: the window's reach for a stride gives each output its
  // own tap, and none that sees nothing.
  const stride = input === 1 ? Math.max(given, dilation * (size - 1) + 1) : given
  const common = gcd(stride, dilation)
  const tapStep = stride / common
  return Array.from({ length: Math.min(size, tapStep) }, (_, firstTap): Phase => {
    const phase = (((firstTap * dilation - before) % stride) + stride) % stride
    const lastTap = firstTap + (Math.ceil((size - firstTap) / tapStep) - 1) * tapStep
    const steps = {
      count: Math.max(0, Math.ceil((output - phase) / stride)),
      outFirst: phase,
      outStep: stride,
      inStep: 1,
      taps: (lastTap - firstTap) / tapStep + 1,
      // From the last tap on, so that inputs come in order.
      first: (phase + before - lastTap * dilation) / stride,
      step: dilation / common,
    }
    return { steps, firstTap: lastTap, tapStep: -tapStep }
  }).filter(({ steps }) => steps.count > 0)
}

/** All outputs as one phase that sees nothing. */
const blind = ({ output }: Axis): Phase => ({
  steps: { count: output, outFirst: 0, outStep: 1, inStep: 1, taps: 0, first: 0, step: 1 },
  firstTap: 0,
  tapStep: 1,
})

/** The other way round: from outputs to inputs. */
const back = (axis: Axis): Axis => ({ ...axis, input: axis.output, output: axis.input })

/**
 * The backward of a layer, from dy to dx, as one dense product for each phase: every dy is spread over its
 * window. Bias and clamp are those of a transposed convolution, whose forward this is.
 */
export function runTransposed(job: ConvJob): void {
  const { engine, layer, x, filter, bias, y, clamp } = job
  const { n, axes, inChannels, outChannels, groups } = layer
  const [h, w] = [back(axes[0]), back(axes[1])]
  const panels = transposedPanels(filterPanels(filter, groups))
  const product = {
    x,
    b: bias,
    y,
    n,
    ih: h.input,
    iw: w.input,
    ic: outChannels,
    oh: h.output,
    ow: w.output,
    oc: inChannels,
    groups,
    clamp,
  }
  const run = (rows: Phase, columns: Phase) => {
    const part = {
      ...panels,
      tapsH: rows.steps.taps,
      tapsW: columns.steps.taps,
      offset: rows.firstTap * panels.tapHStride + columns.firstTap * panels.tapWStride,
      tapHStride: rows.tapStep * panels.tapHStride,
      tapWStride: columns.tapStep * panels.tapWStride,
    }
    const steps = { stepsH: rows.steps, stepsW: columns.steps }
    if (job.terms) runProduct8(job, { ...product, w: 0, ...steps }, part)
    else runProduct(engine, { ...product, w: packed(filter, part), ...steps })
  }
  const [ofRows, ofColumns] = [phases(h), phases(w)]
  const written = (parts: Phase[]): number => parts.reduce((sum, { steps }) => sum + steps.count, 0)
  // What no phase writes is the bias alone, first over everything.
  if (written(ofRows) < h.output || written(ofColumns) < w.output) run(blind(h), blind(w))
  for (const rows of ofRows) for (const columns of ofColumns) run(rows, columns)
}
