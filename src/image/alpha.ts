/** What filters make of pictures that are transparent in places (assembly/image/alpha.ts). */
import type { Engine } from '../core/engine.js'
import { type PixelArray, WHITES } from '../pictures/pixels.js'
import { AlphaMode } from '../wasm/abi.js'
import type { Plan } from './plan.js'

/** How colours are weighed by alpha under a filter that sums. */
export interface Weighing {
  /** The filters to run on colours times alpha: two of a gradient. */
  plans: readonly Plan[]
  mode: AlphaMode
  /** Of the weights. */
  sum: number
  blend: Plan['blend']
}

/** Undefined for filters that do not sum. */
export function weighingOf(plan: Plan): Weighing | undefined {
  const { kernel, weights = [], across, smooth, blend, ...rest } = plan
  if (plan.compare) return undefined
  if (kernel === 'filterBox') return { plans: [plan], mode: AlphaMode.mean, sum: 1, blend: undefined }
  if (kernel === 'gradientMagnitude') {
    const lines = [
      [smooth![0], smooth![1], smooth![0]],
      [-1, 0, 1],
    ] as const
    const of = (down: readonly number[], along: readonly number[]): Plan => ({
      ...rest,
      kernel: 'filterWindow',
      planes: 2,
      taps: 3,
      weights: down,
      across: along,
    })
    const plans = [of(lines[0], lines[1]), of(lines[1], lines[0])]
    return { plans, mode: AlphaMode.change, sum: 0, blend }
  }
  if (kernel !== 'filterWindow') return undefined
  const total = (list: readonly number[]) => list.reduce((a, b) => a + b, 0)
  const isMean = [...weights, ...(across ?? [])].every((weight) => weight >= 0)
  return {
    plans: [{ ...plan, blend: undefined }],
    mode: isMean ? AlphaMode.mean : AlphaMode.change,
    sum: total(weights) * (across ? total(across) : 1),
    blend,
  }
}

/** Whether every pixel of four elements is opaque. */
export function isOpaque(data: PixelArray, kind: string): boolean {
  const white = WHITES[kind]!
  if (white === 255 && data.byteOffset % 4 === 0) {
    // Little-endian, as WebAssembly's memory is: alpha is the upper byte.
    const words = new Int32Array(data.buffer, data.byteOffset, data.length >> 2)
    let bits = -1
    for (let i = 0; i < words.length; i++) bits &= words[i]!
    return bits >>> 24 === 255
  }
  for (let i = 3; i < data.length; i += 4) if (data[i]! < white) return false
  return true
}

/** Whether every pixel of `bytes` RGBA bytes in memory is. `room` is for 16 bytes. */
export function isOpaqueAt(engine: Engine, x: number, bytes: number, room: number): boolean {
  engine.u8.fill(255, x + bytes, x + Math.ceil(bytes / 16) * 16)
  engine.run({ kernel: 'sharedBits', args: { x, y: room, vectors: Math.ceil(bytes / 16) }, units: 1 })
  return [3, 7, 11, 15].every((i) => engine.u8[room + i] === 255)
}
