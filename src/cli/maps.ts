/** Contact sheets of what the layers of a model see. */
import { join } from 'node:path'
import { featureMaps } from '../image/index.js'
import { avgPool2d, type Engine, transpose } from '../index.js'
import { Failure } from '../node/failure.js'
import { writePicture } from '../node/picture.js'
import { isFloat } from '../onnx/file/types.js'
import type { LayerSummary, Model, ModelInput, ModelOutput } from '../onnx/index.js'
import { progress } from './progress.js'

/** Maps of a sheet, and pixels of a side of one: larger layers are cut off, larger maps made smaller. */
const MOST_MAPS = 64
const MOST_PIXELS = 256
/** Inner values that one run gives out. */
const MOST_BYTES = 256 << 20
/** Share of the values that a sheet may show too bright: layers have a few far above the others. */
const CLIP = 0.005

/** What these give is what another layer gave, at another place. */
const moves = new Set([
  'Identity',
  'Dropout',
  'Cast',
  'Reshape',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Transpose',
  'Concat',
  'Split',
  'Slice',
  'Crop',
  'Pad',
  'Expand',
])

const bytesOf = ({ shape }: LayerSummary): number => 4 * shape!.reduce((size, length) => size * length, 1)

/** Layers of maps [1, channels, height, width], in groups for one run each. */
function layersOf(model: Model): LayerSummary[][] {
  const layers = model
    .summary()
    .filter(
      ({ op, shape }) => shape?.length === 4 && shape[0] === 1 && shape[2]! * shape[3]! > 1 && !moves.has(op),
    )
  const groups: LayerSummary[][] = []
  let room = 0
  for (const layer of layers) {
    if (room < bytesOf(layer)) {
      groups.push([])
      room = MOST_BYTES
    }
    room -= bytesOf(layer)
    groups.at(-1)!.push(layer)
  }
  return groups
}

/**
 * Writes a sheet for each layer of a model that ran on `inputs` before, numbered in the order of the run;
 * `say` is told of each.
 */
export async function writeMaps(
  engine: Engine,
  model: Model,
  inputs: Record<string, ModelInput>,
  directory: string,
  say: (line: string) => void,
): Promise<void> {
  const groups = layersOf(model)
  const all = groups.flat().length
  if (!all) throw new Failure('the model has no layer of feature maps: no value [1, channels, height, width]')
  using line = progress('feature maps')
  let done = 0
  for (const group of groups) {
    const outputs = await model.runAsync(inputs, { taps: group.map(({ outputs }) => outputs[0]!) })
    for (const { op, name, outputs: names, shape } of group) {
      done++
      const output = outputs[names[0]!]!
      if (!output || !isFloat(output.type)) continue
      const path = join(
        directory,
        `${String(done).padStart(String(all).length, '0')}-${name.replace(/[^\w.-]+/g, '-')}.png`,
      )
      writePicture(path, sheetOf(engine, output))
      const channels = shape![1]!
      say(
        `${path}  ${op} [${shape!.join(', ')}]${channels > MOST_MAPS ? `, ${MOST_MAPS} of ${channels} maps` : ''}`,
      )
      line.at(done / all)
    }
  }
}

/** Gray where nothing is below 0, as after a ReLU; else red above 0 and blue below. */
function sheetOf(engine: Engine, output: ModelOutput) {
  const [, channels, h, w] = output.shape as [number, number, number, number]
  const count = Math.min(channels, MOST_MAPS)
  const values = (output.toArray() as Float32Array).subarray(0, count * h * w)
  return engine.scope(() => {
    const maps = transpose(engine.tensor(values, [1, count, h, w]), [0, 2, 3, 1])
    const size = Math.ceil(Math.max(h, w) / MOST_PIXELS)
    const small = size > 1 ? avgPool2d(maps, { size, ceilMode: true }) : maps
    return featureMaps(small, { colors: values.some((v) => v < 0) ? 'diverging' : 'gray', clip: CLIP })
  })
}
