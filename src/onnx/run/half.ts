/** IEEE halves: bits as users give and get them, float32 in the engine. */
import type { Shape } from '../../base/shape.js'
import type { AnyTensor, Engine, Tensor } from '../../core/tensor.js'
import { narrowToHalves, widenHalves } from '../../plans/cast.js'

const bytesOf = (bits: Uint16Array) => new Uint8Array(bits.buffer, bits.byteOffset, 2 * bits.length)

/** Writes halves as float32 to an address of the engine. */
export function writeHalves(engine: Engine, bits: Uint16Array, pointer: number): void {
  const bytes = engine.apart(() =>
    engine.upload([2 * bits.length], (to) => engine.u8.set(bytesOf(bits), to), { dtype: 'uint8' }),
  )
  widenHalves(engine, bytes.pointer, pointer, bits.length)
  bytes.dispose()
}

/** Halves of the user in the engine. */
export const halvesInEngine = (engine: Engine, bits: Uint16Array, shape: Shape): Tensor =>
  engine.upload(shape, (pointer) => writeHalves(engine, bits, pointer))

/** Floats of the engine as users get them: rounded here alone. */
export function halvesOf({ engine, pointer, size }: AnyTensor): Uint16Array {
  const bytes = engine.apart(() => engine.empty([2 * size], { dtype: 'uint8' }))
  narrowToHalves(engine, pointer, bytes.pointer, size)
  const bits = new Uint16Array(bytes.toArray().buffer)
  bytes.dispose()
  return bits
}
