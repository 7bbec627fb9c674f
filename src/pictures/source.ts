/** Everything a page has of pictures, as bytes: what hosts differ in when a picture is read. */

import { FilterbankError, messageOf, show } from '../base/errors.js'
import { arrayName } from '../base/realm.js'
import { isInteger } from '../core/options.js'

/** Samples of red, green, blue and alpha: bytes, 16-bit integers, or floats from 0 to 1. */
export interface Samples {
  /** width * height of them (gray), 3 or 4 times as many. */
  data: ArrayLike<number> & ArrayBufferView
  width: number
  height: number
}

/** What `fromImage` takes. */
export type ImageSource =
  | Samples
  | ImageData
  | ImageBitmap
  | VideoFrame
  | OffscreenCanvas
  | HTMLCanvasElement
  | HTMLImageElement
  | HTMLVideoElement
  | Blob

/** Luma and chroma in planes: I420 has three, NV12 two, the second of them u and v in turn. @internal */
export interface Planes {
  format: 'I420' | 'NV12'
  bytes: Uint8Array
  layout: readonly { offset: number; stride: number }[]
  width: number
  height: number
  matrix: string
  fullRange: boolean
}

/** Of each kind of samples, the one that stands for 1. */
const WHITES: Readonly<Record<string, number>> = {
  Uint8ClampedArray: 255,
  Uint8Array: 255,
  Uint16Array: 65535,
  Float16Array: 1,
  Float32Array: 1,
}

/** The sample that stands for 1; undefined for other arrays. @internal */
export const whiteOf = (data: unknown): number | undefined => WHITES[arrayName(data) ?? '']

/** A picture with more pixels does not fit a memory of 4 GiB beside its floats. */
const MOST_PIXELS = 2 ** 28

const WANTED =
  'ImageData, ImageBitmap, VideoFrame, a canvas, an image or video element, a Blob or { data, width, height }'

const refuse = (got: string, hint?: string): FilterbankError =>
  new FilterbankError({ op: 'fromImage', argument: 'source', expected: WANTED, got, hint })

/** What `Object.prototype.toString` calls it, in any realm. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

/** The picture's samples, or the planes of a video frame. @internal */
export async function readSource(source: unknown): Promise<Samples | Planes> {
  return sized(await readAny(source))
}

/** The same of a picture that needs no decoding. @internal */
export function readNow(source: unknown): Samples {
  const tag = tagOf(source)
  if (tag === 'Blob' || tag === 'File' || tag === 'VideoFrame')
    throw refuse(`a ${tag}, which takes time to decode`, 'Use what gives a promise: runAsync, or fromImage.')
  return sized(tag === 'HTMLImageElement' ? drawLoaded(source as HTMLImageElement) : readReady(source, tag))
}

function sized<Read extends Samples | Planes>(read: Read): Read {
  const { width, height } = read
  if (!isInteger(width, 0) || !isInteger(height, 0))
    throw refuse(`a picture of ${show(width)} x ${show(height)} pixels`)
  checkSize(width, height)
  return read
}

function checkSize(width: number, height: number): void {
  if (!(width > 0 && height > 0)) throw refuse(`one of ${width} x ${height} pixels`)
  if (width * height > MOST_PIXELS)
    throw refuse(`${width} x ${height} pixels, more than ${MOST_PIXELS}`, 'Make it smaller before.')
}

async function readAny(source: unknown): Promise<Samples | Planes> {
  const tag = tagOf(source)
  switch (tag) {
    case 'VideoFrame':
      return readFrame(source as VideoFrame)
    case 'Blob':
    case 'File':
      return readBlob(source as Blob)
    case 'HTMLImageElement':
      return readElement(source as HTMLImageElement)
  }
  return readReady(source, tag)
}

/** What is there already. */
function readReady(source: unknown, tag: string): Samples {
  switch (tag) {
    case 'HTMLVideoElement': {
      const video = source as HTMLVideoElement
      if (video.readyState < 2)
        throw refuse('a video without a frame yet', "Wait for its event 'loadeddata'.")
      return draw(video, video.videoWidth, video.videoHeight)
    }
    case 'ImageBitmap':
    case 'HTMLCanvasElement':
    case 'OffscreenCanvas': {
      const { width, height } = source as ImageBitmap
      return draw(source as ImageBitmap, width, height)
    }
  }
  if (typeof source !== 'object' || source === null || !('data' in source)) throw refuse(show(source))
  const { data, width, height } = source as Samples
  if (whiteOf(data) === undefined)
    throw refuse(`data ${show(data)}`, 'Data are Uint8Array, Uint8ClampedArray, Uint16Array or floats.')
  if (![1, 3, 4].some((c) => data.length === width * height * c))
    throw refuse(`${data.length} samples for ${show(width)} x ${show(height)} pixels`)
  return { data, width, height }
}

async function readBlob(blob: Blob): Promise<Samples> {
  if (typeof createImageBitmap !== 'function')
    throw refuse(
      'a Blob, which this host cannot decode',
      'Give decoded pixels: { data, width, height }; readPicture of filterbank/node reads PNG and JPEG.',
    )
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(blob, { premultiplyAlpha: 'none' })
  } catch (error) {
    throw refuse(`a Blob of ${blob.size} bytes, '${blob.type}', that is no picture (${messageOf(error)})`)
  }
  try {
    return draw(bitmap, bitmap.width, bitmap.height)
  } finally {
    bitmap.close()
  }
}

async function readElement(image: HTMLImageElement): Promise<Samples> {
  try {
    await image.decode?.()
  } catch (error) {
    throw refuse(`an image that cannot be shown (${messageOf(error)})`, `Its address is ${show(image.src)}.`)
  }
  return drawLoaded(image)
}

function drawLoaded(image: HTMLImageElement): Samples {
  if (!image.complete) throw refuse('an image that is still loading', "Wait for its event 'load'.")
  if (!image.naturalWidth) throw refuse('an image that cannot be shown', `Its address is ${show(image.src)}.`)
  return draw(image, image.naturalWidth, image.naturalHeight)
}

/** A canvas of this size, wherever there is one. */
function canvasOf(width: number, height: number): OffscreenCanvas | HTMLCanvasElement {
  if (typeof OffscreenCanvas === 'function') return new OffscreenCanvas(width, height)
  if (typeof document === 'undefined') throw refuse('a picture on a host without a canvas')
  return Object.assign(document.createElement('canvas'), { width, height })
}

function draw(picture: CanvasImageSource, width: number, height: number): Samples {
  checkSize(width, height)
  const options: CanvasRenderingContext2DSettings = { willReadFrequently: true }
  const context = canvasOf(width, height).getContext('2d', options) as
    | OffscreenCanvasRenderingContext2D
    | CanvasRenderingContext2D
    | null
  if (!context) throw refuse(`${width} x ${height} pixels, for which the host has no canvas`)
  try {
    context.drawImage(picture, 0, 0, width, height)
    return context.getImageData(0, 0, width, height)
  } catch (error) {
    if ((error as Error | undefined)?.name === 'SecurityError')
      throw refuse(
        'a picture of another origin, which pages may show but not read',
        "Set crossOrigin = 'anonymous' before src, and let the server send Access-Control-Allow-Origin.",
      )
    throw refuse(`${width} x ${height} pixels that the host cannot draw (${messageOf(error)})`)
  }
}

async function readFrame(frame: VideoFrame): Promise<Samples | Planes> {
  const { format, visibleRect, colorSpace } = frame
  if (!visibleRect) throw refuse('a closed VideoFrame')
  const { width, height } = visibleRect
  const planar = format === 'I420' || format === 'NV12'
  const swapped = format === 'BGRA' || format === 'BGRX'
  if (!planar && !swapped && format !== 'RGBA' && format !== 'RGBX')
    return draw(frame, frame.displayWidth, frame.displayHeight)
  checkSize(width, height)
  const bytes = new Uint8Array(frame.allocationSize())
  const layout = await frame.copyTo(bytes)
  if (planar) {
    const { matrix, fullRange } = colorSpace
    return { format, bytes, layout, width, height, matrix: matrix ?? 'bt709', fullRange: fullRange ?? false }
  }
  const { offset, stride } = layout[0]!
  const data = new Uint8Array(width * height * 4)
  for (let y = 0; y < height; y++) {
    const start = offset + y * stride
    data.set(bytes.subarray(start, start + width * 4), y * width * 4)
  }
  if (swapped) for (let i = 0; i < data.length; i += 4) [data[i], data[i + 2]] = [data[i + 2]!, data[i]!]
  return { data, width, height }
}
