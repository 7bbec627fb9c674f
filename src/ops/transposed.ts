/** The plan of a dense product whose window spreads what it reads: transposed convolution, and the way back through a convolution. */
import type { Storage } from '../storage.js'
import { type Axis, gcd } from '../window.js'
import { type Panels, type Product, packed, runProduct, type Walk } from './igemm.js'

interface Phase {
  walk: Walk
  /** Taps firstTap, firstTap + tapStep, ... of the window fall on this phase, the last one first. */
  firstTap: number
  tapStep: number
}

/**
 * The outputs o = phase, phase + stride, ... and what they see. Tap t brings input i to output i * stride - before + t * dilation, so
 *
 *   i = (o + before - t * dilation) / stride,  for the t for which that is an integer:
 *   every (stride / gcd(stride, dilation))th, from one tap to the one before it dilation / gcd(stride, dilation) inputs on
 */
function phases({ input, output, size, stride: given, dilation, before }: Axis): Phase[] {
  // One input lands in one place whatever the stride: the window's reach for a stride gives each output its own tap, and none that sees nothing.
  const stride = input === 1 ? Math.max(given, dilation * (size - 1) + 1) : given
  const common = gcd(stride, dilation)
  const tapStep = stride / common
  return Array.from({ length: Math.min(stride, output) }, (_, phase) => {
    let firstTap = 0
    while (firstTap < tapStep && (phase + before - firstTap * dilation) % stride !== 0) firstTap++
    const taps = firstTap === tapStep ? 0 : Math.max(0, Math.ceil((size - firstTap) / tapStep))
    return {
      walk: {
        count: Math.ceil((output - phase) / stride),
        outFirst: phase,
        outStep: stride,
        inStep: 1,
        taps,
        // From the last tap on, so that inputs come in order.
        first: taps ? (phase + before - (firstTap + (taps - 1) * tapStep) * dilation) / stride : 0,
        step: dilation / common,
      },
      firstTap: firstTap + (taps - 1) * tapStep,
      tapStep: -tapStep,
    }
  })
}

/** Spreads x over windows h and w of a filter (`panels` of its storage), one product for each phase. */
export function runTransposed(product: Omit<Product, 'w' | 'walkH' | 'walkW'>, h: Axis, w: Axis, filter: Storage, panels: Panels): void {
  for (const rows of phases(h)) {
    for (const columns of phases(w)) {
      const part = packed(filter, {
        ...panels,
        tapsH: rows.walk.taps,
        tapsW: columns.walk.taps,
        offset: rows.firstTap * panels.tapHStride + columns.firstTap * panels.tapWStride,
        tapHStride: rows.tapStep * panels.tapHStride,
        tapWStride: columns.tapStep * panels.tapWStride,
      })
      runProduct(filter.engine, { ...product, w: part, walkH: rows.walk, walkW: columns.walk })
    }
  }
}
