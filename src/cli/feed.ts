/** A picture as what a model takes in. */
import { fromImageData, type Pixels } from '../image/index.js'
import { type Engine, type Tensor, transpose } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import type { Picture } from '../node/picture.js'
import { isFloat, toUser } from '../onnx/file/types.js'
import type { Model, ModelInput, Port } from '../onnx/index.js'
import { parseNumbers, printPort } from './model.js'
import { middle, resample } from './resample.js'

/**
 * An input that takes pictures: [n, channels, height, width], [n, height, width, channels], or either without
 * n.
 */
export interface PictureInput {
  port: Port
  channels: 1 | 3 | 4
  channelsFirst: boolean
  /** Undefined where the file leaves it open. */
  width: number | undefined
  height: number | undefined
}

const isChannels = (length: unknown): length is 1 | 3 | 4 => length === 1 || length === 3 || length === 4

function pictureInput(port: Port): PictureInput | undefined {
  const { shape = [], type } = port
  if (shape.length < 3 || shape.length > 4 || type === 'string' || type === 'bool') return undefined
  if (shape.length === 4 && typeof shape[0] === 'number' && shape[0] !== 1) return undefined
  const [a, b, c] = shape.slice(-3)
  const channelsFirst = isChannels(a) || !isChannels(c)
  const channels = channelsFirst ? a : c
  if (typeof channels === 'number' && !isChannels(channels)) return undefined
  const [height, width] = (channelsFirst ? [b, c] : [a, b]).map((length) =>
    typeof length === 'number' ? length : undefined,
  )
  return { port, channels: isChannels(channels) ? channels : 3, channelsFirst, width, height }
}

/** The one input of a model, which has to take a picture. */
export function onlyInput(path: string, { inputs }: Model): PictureInput {
  if (inputs.length !== 1) {
    const list = inputs.map((port) => `${port.name} ${printPort(port)}`).join(', ')
    throw new Failure(`run gives a model one picture, and ${path} takes ${inputs.length} inputs: ${list}`)
  }
  const input = pictureInput(inputs[0]!)
  if (!input)
    throw new Failure(
      `${path} takes ${inputs[0]!.name} ${printPort(inputs[0]!)}, which is no picture of 1, 3 or 4 channels`,
    )
  return input
}

/** What becomes of the bytes of a picture: low + byte / 255 * (high - low), then (v - mean) / std. */
export interface Scaling {
  low: number
  high: number
  mean: number[]
  std: number[]
  /** Blue first. */
  bgr: boolean
}

/** What commands take about pictures, for `parse`. */
export const pictureOptions = {
  size: { type: 'string' },
  crop: { type: 'boolean', default: false },
  range: { type: 'string' },
  mean: { type: 'string' },
  std: { type: 'string' },
  bgr: { type: 'boolean', default: false },
} as const

export interface ScalingOptions {
  range?: string | undefined
  mean?: string | undefined
  std?: string | undefined
  bgr?: boolean
}

export function parseRange(option: string, text: string): [low: number, high: number] {
  const numbers = parseNumbers(option, text)
  if (numbers.length !== 2 || numbers[0] === numbers[1])
    throw wrongUsage(`--${option} takes the values of black and white, as 0,255, got '${text}'`)
  return numbers as [number, number]
}

export function scalingOf(
  { channels, port }: PictureInput,
  { range, mean = '0', std = '1', bgr = false }: ScalingOptions,
): Scaling {
  const each = (option: string, text: string): number[] => {
    const numbers = parseNumbers(option, text)
    const many = channels === 1 ? 'one number' : `one number or ${channels}`
    if (numbers.length !== 1 && numbers.length !== channels)
      throw new Failure(`--${option} takes ${many}, as ${port.name} has ${channels} channels, got ${text}`)
    return numbers.length === 1 ? new Array<number>(channels).fill(numbers[0]!) : numbers
  }
  const [low, high] = range ? parseRange('range', range) : isFloat(port.type) ? [0, 1] : [0, 255]
  const deviations = each('std', std)
  if (deviations.includes(0)) throw new Failure(`--std takes numbers other than 0, got ${std}`)
  return { low, high, mean: each('mean', mean), std: deviations, bgr }
}

/** A picture at the size that the input wants: `size` where the file leaves it open, else its own. */
export function fitted(
  picture: Picture,
  input: PictureInput,
  size: { width: number; height: number } | undefined,
  crop: boolean,
): Picture {
  const { port } = input
  for (const side of ['width', 'height'] as const) {
    if (size && input[side] !== undefined && input[side] !== size[side])
      throw new Failure(
        `--size ${size.width}x${size.height} does not fit ${port.name}, which is ${printPort(port)}`,
      )
  }
  const width = input.width ?? size?.width ?? picture.width
  const height = input.height ?? size?.height ?? picture.height
  return resample(crop ? middle(picture, width, height) : picture, width, height)
}

/** A picture of the right size as the input; where it is a tensor, the caller disposes it. */
export function feed(
  engine: Engine,
  picture: Pixels,
  { port, channels, channelsFirst }: PictureInput,
  scaling: Scaling,
): ModelInput {
  const { low, high, mean, std, bgr } = scaling
  const span = high - low
  // (low + span * v - mean) / std = (v - (mean - low) / span) / (std / span)
  const tensor = engine.scope((): Tensor => {
    const x = fromImageData(engine, bgr ? swapped(picture) : picture, {
      channels: channels === 1 ? 'gray' : channels === 3 ? 'rgb' : 'rgba',
      mean: mean.map((v) => (v - low) / span),
      std: std.map((v) => v / span),
    })
    const turned = channelsFirst ? transpose(x, [0, 3, 1, 2]) : x
    return turned.reshape(turned.shape.slice(-port.shape!.length))
  })
  if (isFloat(port.type)) return tensor
  const { shape } = tensor
  const data = toUser(port.type, tensor.toArray().map(Math.round))
  tensor.dispose()
  return { data, shape }
}

/** Red and blue changed over. */
export function swapped<T extends Picture>({ data, width, height }: T): Picture {
  const other = data.slice()
  for (let i = 0; i < other.length; i += 4) [other[i], other[i + 2]] = [data[i + 2]!, data[i]!]
  return { data: other, width, height }
}
