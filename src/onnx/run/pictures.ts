/** Pictures as inputs of a model: size and layout follow from the input. */
import { check, FilterbankError, show } from '../../base/errors.js'
import type { Engine } from '../../core/engine.js'
import { checkOptions, type Names } from '../../core/options.js'
import type { Tensor } from '../../core/tensor.js'
import { transpose } from '../../ops/transpose.js'
import { type FromImageOptions, fromImage, fromImageNow } from '../../pictures/fromImage.js'
import type { Port } from '../graph/graph.js'
import type { ModelInput, ModelInputs, NumberInputs, PictureInput } from './ports.js'

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

const isPictureInput = (input: unknown): input is PictureInput =>
  typeof input === 'object' && input !== null && !ArrayBuffer.isView(input) && 'image' in input

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

/** What is wrong with a picture or its options is so with the input that it stands for. */
function ofInput(name: string, error: unknown): never {
  if (!(error instanceof FilterbankError) || error.op !== 'fromImage') throw error
  const { argument, expected, got, hint } = error
  const part = argument === 'source' ? 'image' : argument
  throw new FilterbankError(
    { op, argument: `${part} of input ${show(name)}`, expected, got, ...(hint ? { hint } : {}) },
    { cause: error },
  )
}

/** What `fromImage` is asked for, by the input. */
function optionsOf(port: Port, input: PictureInput): { layout: Layout; options: FromImageOptions } {
  checkOptions(op, input, PICTURE)
  const layout = layoutOf(port)
  const wanted = layout.channels === 1 ? (['gray'] as const) : (['rgb', 'bgr'] as const)
  const { image, channels = wanted[0], ...rest } = input
  check((wanted as readonly string[]).includes(channels), () => ({
    op,
    argument: `channels of input ${show(port.name)}`,
    expected: wanted.map((name) => show(name)).join(' or '),
    got: show(channels),
  }))
  const defaults: FromImageOptions = {
    ...(layout.size ? { size: layout.size } : {}),
    ...(port.type.startsWith('float') ? {} : { range: [0, 255] }),
  }
  return { layout, options: { ...defaults, ...rest, channels } }
}

/** A picture's numbers in the order of the input; the picture is disposed. */
function numbersOf({ type }: Port, { channelsFirst }: Layout, picture: Tensor): ModelInput {
  const made = [picture]
  try {
    if (channelsFirst) made.push(transpose(picture, [0, 3, 1, 2]))
    const x = made.at(-1)!
    const { shape } = x
    const values = x.toArray()
    if (type === 'float32') return { data: values, shape }
    const whole = !type.startsWith('float')
    return { data: Array.from(values, (v) => (whole ? Math.round(v) : v)), shape }
  } finally {
    for (const x of made) x.dispose()
  }
}

/** The input that a picture stands for. */
export async function pictureLater(engine: Engine, port: Port, input: PictureInput): Promise<ModelInput> {
  const { layout, options } = optionsOf(port, input)
  const picture = await fromImage(engine, input.image, options).catch((error) => ofInput(port.name, error))
  return numbersOf(port, layout, picture)
}

/** The same, where the picture is there already. */
export function pictureNow(engine: Engine, port: Port, input: PictureInput): ModelInput {
  const { layout, options } = optionsOf(port, input)
  let picture: Tensor
  try {
    picture = engine.apart(() => fromImageNow(engine, input.image, options))
  } catch (error) {
    return ofInput(port.name, error)
  }
  return engine.apart(() => numbersOf(port, layout, picture))
}

/** The inputs of a run, what is a picture through `body`: a new object where there is one. */
export function withPictures(
  inputs: ModelInputs,
  ports: readonly Port[],
  body: (port: Port, input: PictureInput) => ModelInput | null,
): NumberInputs {
  if (typeof inputs !== 'object' || inputs === null || !Object.values(inputs).some(isPictureInput))
    return inputs as NumberInputs
  const numbers = { ...inputs }
  for (const port of ports) {
    const given = numbers[port.name]
    if (isPictureInput(given)) numbers[port.name] = body(port, given)
  }
  return numbers as NumberInputs
}
