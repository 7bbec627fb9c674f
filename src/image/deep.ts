/** Pictures of any kind as tensors and back: for what is not done on bytes. */
import { arrayName } from '../base/realm.js'
import type { Engine } from '../core/engine.js'
import type { Tensor } from '../core/tensor.js'
import { type PixelArray, type Pixels, runFromBytes, runToBytes, WHITES } from '../pictures/pixels.js'
import { AlphaMode } from '../wasm/abi.js'
import { isOpaque } from './alpha.js'

/** [1, height, width, channels] from 0 to 1. */
function tensorOf(engine: Engine, { data, width, height }: Pixels<PixelArray>, c: number): Tensor {
  return engine.make([1, height, width, c], (x) => {
    if (data.BYTES_PER_ELEMENT === 1) {
      const bytes = engine.allocate(data.length + 16)
      try {
        engine.u8.set(data, bytes)
        const scale = new Array<number>(4).fill(1 / 255)
        runFromBytes(engine, bytes, x.pointer, height, width, c, { scale, shift: [], packed: c < 4 })
      } finally {
        engine.free(bytes)
      }
      return
    }
    const white = WHITES[arrayName(data)!]!
    const to = engine.f32.subarray(x.pointer / 4, x.pointer / 4 + data.length)
    if (white === 1) to.set(data)
    else for (let i = 0; i < to.length; i++) to[i] = data[i]! / white
  })
}

/** A tensor's values as elements of a kind: integers rounded and clamped, NaN 0. */
function toElements(engine: Engine, x: Tensor, out: PixelArray): void {
  const [, h, w, c] = x.shape as [number, number, number, number]
  const white = WHITES[arrayName(out)!]!
  if (white === 255) {
    const bytes = engine.allocate(out.length + 16)
    try {
      runToBytes(engine, x.pointer, bytes, h, w, c, 0, c < 4)
      out.set(engine.u8.subarray(bytes, bytes + out.length))
    } finally {
      engine.free(bytes)
    }
    return
  }
  const from = engine.f32.subarray(x.pointer / 4, x.pointer / 4 + out.length)
  if (white === 1) out.set(from)
  else
    for (let i = 0; i < out.length; i++) {
      const v = from[i]! * white
      out[i] = v > 0 ? Math.min(white, Math.round(v)) : 0
    }
}

/** Whether a picture is to be worked on as colours times alpha. */
export const isTransparent = (data: PixelArray, channels: number): boolean =>
  channels === 4 && !isOpaque(data, arrayName(data)!)

/** A picture as a tensor through `body` into `out`; where it weighs, colours times alpha. */
export function throughTensor(
  engine: Engine,
  image: Pixels<PixelArray>,
  channels: number,
  out: PixelArray,
  weighs: boolean,
  body: (x: Tensor) => Tensor,
): void {
  const rest = { other: 0, mode: AlphaMode.mean, sum: 1, blend: 0, keep: 0, gain: 1, threshold: 0, alpha: 1 }
  engine.scope(() => {
    const x = tensorOf(engine, image, channels)
    const { pointer } = x
    const args = { ...rest, x: pointer, y: pointer, filtered: pointer, w: image.width }
    if (weighs) engine.run({ kernel: 'premultiply', args, units: image.height })
    const y = body(x)
    const [, h, w] = y.shape as [number, number, number, number]
    const back = { ...rest, x: y.pointer, y: y.pointer, filtered: y.pointer, w }
    if (weighs) engine.run({ kernel: 'unweigh', args: back, units: h })
    toElements(engine, y, out)
  })
}
