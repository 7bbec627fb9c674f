/** Pictures in a worker. */

import { FilterbankError, messageOf } from '../base/errors.js'
import type { PixelArray, Pixels } from '../image/index.js'

/** What a worker takes for a picture once it has arrived there. */
export type Arrived = Pixels | ImageBitmap | Blob

/** Red, green, blue and alpha of whatever has arrived. */
export async function pixelsOf(image: Arrived): Promise<Pixels> {
  if (typeof image !== 'object' || image === null || 'data' in image) return image as Pixels
  const bitmap = 'close' in image ? image : await decode(image)
  const { width, height } = bitmap
  try {
    const canvas = new OffscreenCanvas(width, height)
    const context = canvas.getContext('2d', { willReadFrequently: true })!
    context.drawImage(bitmap, 0, 0)
    return context.getImageData(0, 0, width, height)
  } finally {
    bitmap.close()
  }
}

async function decode(blob: Blob): Promise<ImageBitmap> {
  const refuse = (got: string, hint?: string, cause?: unknown) =>
    new FilterbankError(
      { op: 'worker.filter', argument: 'image', expected: 'a picture', got, hint },
      { cause },
    )
  if (typeof createImageBitmap !== 'function')
    throw refuse('a Blob, which this host cannot decode', 'Give decoded pixels: { data, width, height }.')
  try {
    return await createImageBitmap(blob)
  } catch (error) {
    throw refuse(`a Blob of ${blob.size} bytes that is none (${messageOf(error)})`, undefined, error)
  }
}

/** Pixels of any kind as RGBA bytes, which an ImageBitmap is made of. */
export function toRgba({ data, width, height }: Pixels<PixelArray>): Uint8ClampedArray<ArrayBuffer> {
  const bytes = data instanceof Uint8ClampedArray
  const channels = data.length / (width * height)
  if (bytes && channels === 4) return data as Uint8ClampedArray<ArrayBuffer>
  const scale = data instanceof Uint16Array ? 255 / 65535 : data instanceof Float32Array ? 255 : 1
  const rgba = new Uint8ClampedArray(width * height * 4)
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2]
  for (let from = 0, to = 0; from < data.length; from += channels, to += 4) {
    rgba[to] = data[from]! * scale
    rgba[to + 1] = data[from + green]! * scale
    rgba[to + 2] = data[from + blue]! * scale
    rgba[to + 3] = channels === 4 ? data[from + 3]! * scale : 255
  }
  return rgba
}

/** An ImageBitmap that came with a message is the worker's own. */
export function closeBitmap(input: unknown): void {
  const image = (input as { image?: unknown } | null)?.image
  if (typeof image === 'object' && image !== null && 'close' in image) (image as ImageBitmap).close()
}
