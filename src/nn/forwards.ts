/** What stands between the layers of a model: all that runs through their forwards. */
import type { AnyLayer, Tensors } from './layer.js'

/**
 * Runs in the place of a layer's forward, and calls it. `place`: such as `blocks.0.conv`, '' for the
 * model.
 */
export type Around = (layer: AnyLayer, place: string, x: unknown, forward: () => Tensors) => Tensors

/**
 * Runs `fn`, which must not be async, while `around` stands before the forward of each layer of the
 * model.
 */
export function between<T>(model: AnyLayer, around: Around, fn: () => T): T {
  const places = new Map<AnyLayer, string>()
  const walk = (layer: AnyLayer, place: string) => {
    if (places.has(layer)) return
    places.set(layer, place)
    for (const [name, inner] of layer.inside()) walk(inner, place ? `${place}.${name}` : name)
  }
  walk(model, '')
  const before = [...places].map(([layer, place]) => {
    const own = Object.getOwnPropertyDescriptor(layer, 'forward')
    const forward = layer.forward as (x: unknown) => Tensors
    Object.defineProperty(layer, 'forward', {
      configurable: true,
      writable: true,
      value: (x: unknown) => around(layer, place, x, () => forward.call(layer, x)),
    })
    return { layer, own }
  })
  try {
    return fn()
  } finally {
    for (const { layer, own } of before) {
      if (own) Object.defineProperty(layer, 'forward', own)
      else delete (layer as { forward?: unknown }).forward
    }
  }
}
