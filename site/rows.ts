/** The layers of a model, a row each: what it is, what it costs, how and why it is computed so, and its maps. */

import type { LayerSummary, ModelOutput, ModelOutputs } from 'filterbank/onnx'
import { make, milliseconds } from './dom.js'
import { strip } from './maps.js'

/** Maps of a row, and pixels that a side of one is shown with. */
const MOST_MAPS = 24
const MOST_SIDE = 64
/** Of the maps that one run gives out. */
const MOST_BYTES = 48 << 20

const bytesOf = ({ shape }: LayerSummary): number => 4 * shape!.reduce((size, length) => size * length, 1)

/** What to tap of layers that have maps, in groups for a run each. */
export function groupsOf(layers: readonly LayerSummary[]): string[][] {
  const groups: string[][] = []
  let room = 0
  for (const layer of layers) {
    const { op, shape, type, outputs } = layer
    const hasMaps = shape?.length === 4 && shape[0] === 1 && shape[2]! * shape[3]! > 1
    if (!hasMaps || !type?.startsWith('float') || op.startsWith('Transpose')) continue
    if (room < bytesOf(layer)) {
      groups.push([])
      room = MOST_BYTES
    }
    room -= bytesOf(layer)
    groups.at(-1)!.push(outputs[0]!)
  }
  return groups
}

/** The first maps of a layer, made smaller where they are large. */
interface Maps {
  values: Float32Array
  count: number
  channels: number
  height: number
  width: number
}

function mapsOf({ shape, data }: ModelOutput): Maps | undefined {
  const [, channels, height, width] = shape as [number, number, number, number]
  if (shape.length !== 4 || !height || !width) return undefined
  const all = data as Float32Array
  const count = Math.min(channels, MOST_MAPS)
  const step = Math.max(1, Math.ceil(Math.max(height, width) / MOST_SIDE))
  const [h, w] = [Math.ceil(height / step), Math.ceil(width / step)]
  const values = new Float32Array(count * h * w)
  for (let map = 0; map < count; map++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++)
        values[(map * h + y) * w + x] = all[(map * height + y * step) * width + x * step]!
  return { values, count, channels, height: h, width: w }
}

export class Rows {
  /** By the output of the layer; those of the run before stay until there are new ones. */
  private readonly maps = new Map<string, Maps>()
  private readonly places = new Map<string, HTMLElement>()

  constructor(private readonly home: HTMLElement) {}

  /** Forgets maps: those of another model. */
  forget(): void {
    this.maps.clear()
  }

  show(layers: readonly LayerSummary[]): void {
    const slowest = Math.max(...layers.map(({ milliseconds: ms = 0 }) => ms), 1e-6)
    this.places.clear()
    this.home.replaceChildren(...layers.map((layer) => this.row(layer, slowest)))
    for (const output of this.maps.keys()) this.paint(output)
  }

  /** Shows what a run gave of these layers. */
  fill(outputs: ModelOutputs): void {
    for (const [name, output] of Object.entries(outputs)) {
      const maps = this.places.has(name) && mapsOf(output as ModelOutput)
      if (!maps) continue
      this.maps.set(name, maps)
      this.paint(name)
    }
  }

  private paint(name: string): void {
    const place = this.places.get(name)
    const maps = this.maps.get(name)
    if (!place || !maps) return
    const { values, count, channels, height, width } = maps
    const columns = Math.min(count, 12)
    const canvas = make('canvas', {
      role: 'img',
      'aria-label': `${count} of the ${channels} maps of ${name}`,
      style: `max-width: ${columns * Math.max(width, 56)}px`,
    })
    strip(canvas, values, { count, height, width }, { columns, gap: Math.max(1, Math.round(width / 16)) })
    place.querySelector('canvas')?.remove()
    place.append(canvas)
  }

  private row(layer: LayerSummary, slowest: number): HTMLElement {
    const { op, name, outputs, shape, parameters, algorithm, kernels, host, milliseconds: ms } = layer
    const reason = layer.reason ?? host
    const [first, ...joined] = op.split(' ')
    const how = algorithm ?? (host ? 'host' : kernels.length ? kernels.join(', ') : 'nothing to compute')
    const numbers = parameters ? ` · ${parameters.toLocaleString('en')} numbers` : ''
    const also = joined.length ? make('span', { class: 'note' }, ` + ${joined.join(' + ')}`) : undefined
    const place = make(
      'div',
      {},
      make(
        'div',
        { class: 'how' },
        make('b', {}, ms ? milliseconds(ms) : '–'),
        make('span', { class: 'chip' }, how),
        make('span', { class: 'why' }, reason ?? ''),
      ),
    )
    if (outputs[0]) this.places.set(outputs[0], place)
    return make(
      'li',
      { 'data-layer': name, 'data-algorithm': algorithm },
      make(
        'div',
        {},
        make('h3', {}, first!, also),
        make('p', { class: 'shape' }, `${name} · [${shape?.join(' × ') ?? '?'}]${numbers}`),
        make('div', { class: 'time', style: `width: ${(100 * (ms ?? 0)) / slowest}%` }),
      ),
      place,
    )
  }
}
