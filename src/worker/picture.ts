/** Pictures in a worker: their pixels, and the numbers that a model's input takes of them. */

import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'
import { checkOptions, type Names } from '../core/options.js'
import type { Tensor } from '../core/tensor.js'
import { type FromImageOptions, fromImage, type Pixels } from '../image/index.js'
import type { ModelInput, Port } from '../onnx/index.js'
import { transpose } from '../ops/transpose.js'

/** What a worker takes for a picture once it has arrived there. */
export type Arrived = Pixels | ImageBitmap | Blob

/**
 * A picture as the input of a model, with the options of `fromImage`. Its size, where it says one, is the
 * default; so are gray for one channel, and a range of [0, 255] for integers.
 */
export interface PictureInput<Source = Arrived> extends FromImageOptions {
  image: Source
}

const PICTURE: Names<PictureInput> = {
  image: true,
  size: true,
  fit: true,
  channels: true,
  range: true,
  mean: true,
  std: true,
}
const op = 'model.run'

export const isPictureInput = (input: unknown): input is PictureInput =>
  typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) && 'image' in input

/** Red, green, blue and alpha of whatever has arrived. */
export async function pixelsOf(image: Arrived): Promise<Pixels> {
  if (typeof image !== 'object' || image === null || 'data' in image) return image as Pixels
  const bitmap = 'close' in image ? image : await createImageBitmap(image)
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

interface Layout {
  channelsFirst: boolean
  channels: number
  size: readonly [number, number] | undefined
}

/** Where an input has its channels, its height and its width. */
function layoutOf({ name, shape, type }: Port): Layout {
  const fits = shape?.length === 4 && (shape[0] === 1 || typeof shape[0] !== 'number')
  const [first, last] = [shape?.[1], shape?.[3]]
  const count = (length: unknown): length is number => length === 1 || length === 3
  const channelsFirst = count(first)
  check(Boolean(fits && (channelsFirst || count(last))) && /^(float|u?int8)/.test(type), () => ({
    op,
    argument: `input ${show(name)}`,
    expected:
      'numbers: a picture goes into an input of [1, channels, height, width] or [1, height, width, channels]',
    got: `a picture for ${type} ${show(shape)}`,
  }))
  const [h, w] = channelsFirst ? shape!.slice(2) : shape!.slice(1, 3)
  return {
    channelsFirst,
    channels: (channelsFirst ? first : last) as number,
    size: typeof h === 'number' && typeof w === 'number' ? [h, w] : undefined,
  }
}

/** The input that a picture stands for. */
export async function inputOf(engine: Engine, port: Port, input: PictureInput): Promise<ModelInput> {
  checkOptions(op, input, PICTURE)
  const layout = layoutOf(port)
  const wanted = layout.channels === 1 ? (['gray'] as const) : (['rgb', 'bgr'] as const)
  const { image, channels = wanted[0], ...rest } = input
  check((wanted as readonly string[]).includes(channels), () => ({
    op,
    argument: 'channels',
    expected: wanted.map((name) => show(name)).join(' or '),
    got: show(channels),
  }))
  const integers = !port.type.startsWith('float')
  const defaults = { ...(layout.size ? { size: layout.size } : {}), ...(integers ? { range: [0, 255] } : {}) }
  const made: Tensor[] = []
  try {
    const options = { ...(defaults as FromImageOptions), ...rest, channels }
    made.push(await fromImage(engine, image, options))
    if (layout.channelsFirst) made.push(transpose(made[0]!, [0, 3, 1, 2]))
    const x = made.at(-1)!
    const { shape } = x
    const values = x.toArray()
    if (port.type === 'float32') return { data: values, shape }
    return { data: Array.from(values, (v) => (integers ? Math.round(v) : v)), shape }
  } finally {
    for (const x of made) x.dispose()
    if ('close' in image) image.close()
  }
}
