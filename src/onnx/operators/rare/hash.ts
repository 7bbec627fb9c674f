/** com.microsoft's MurmurHash3: 32 bits of each element's bytes. (MurmurHash3_x86_32, Appleby, 2011.) */
import { encodeUtf8 } from '../../../base/utf8.js'
import type { Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'

const rotated = (x: number, by: number): number => (x << by) | (x >>> (32 - by))
const scrambled = (k: number): number => Math.imul(rotated(Math.imul(k, 0xcc9e2d51), 15), 0x1b873593)

/** Of some bytes, as 32 bits with a sign. */
function hashOf(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const whole = bytes.length - (bytes.length % 4)
  let h = seed | 0
  for (let i = 0; i < whole; i += 4)
    h = (Math.imul(rotated(h ^ scrambled(view.getInt32(i, true)), 13), 5) + 0xe6546b64) | 0
  let rest = 0
  for (let i = bytes.length - 1; i >= whole; i--) rest = (rest << 8) | bytes[i]!
  if (whole < bytes.length) h ^= scrambled(rest)
  h ^= bytes.length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}

/** Of the bytes of each element, as a file has them. */
function* hashesOf({ type, data }: Value, seed: number): Generator<number> {
  const room = new DataView(new ArrayBuffer(type.endsWith('64') ? 8 : 4))
  const bytes = new Uint8Array(room.buffer)
  for (const item of data as Iterable<number | string>) {
    if (typeof item === 'string') {
      yield hashOf(encodeUtf8(item), seed)
      continue
    }
    if (type === 'float32') room.setFloat32(0, item, true)
    else if (type === 'float64') room.setFloat64(0, item, true)
    else if (bytes.length === 8) room.setBigUint64(0, BigInt.asUintN(64, BigInt(item)), true)
    else room.setUint32(0, item, true)
    yield hashOf(bytes, seed)
  }
}

const TYPES = ['int32', 'uint32', 'int64', 'uint64', 'float32', 'float64', 'string']

const murmurHash3: Operator = (call) => {
  const x = call.input(0)
  if (!TYPES.includes(x.type)) call.fail('input 0', `of ${TYPES.join(', ')}`, x.type)
  const seed = call.number('seed', 0)
  const hashes = Int32Array.from(hashesOf(x, seed))
  return call.flag('positive', true)
    ? call.host('uint32', x.shape, new Uint32Array(hashes.buffer))
    : call.host('int32', x.shape, hashes)
}

export const hashes: Record<string, Operator> = { 'com.microsoft.MurmurHash3': murmurHash3 }
