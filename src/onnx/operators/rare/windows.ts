/**
 * com.microsoft's windows that are told more than the standard's: MaxpoolWithMask,
 * ConvTransposeWithDynamicPads, WordConvEmbedding. Definitions: ContribOperators.md of ONNX Runtime.
 */
import { sizeOf, stridesOf } from '../../../base/shape.js'
import type { Operator } from '../../run/call.js'
import { indexesOf, offsetOf } from '../../run/move.js'
import { pooledLengths, poolSides, window } from '../window.js'

/** The least float32: the largest of nothing. */
const LEAST = -3.4028234663852886e38

/**
 * x [n, c, ...spatial], mask of whole numbers [m, k, ...spatial]: the largest under a window, along whose
 * last axis nothing counts from a 0 of the mask on (the first place of all counts always). As ONNX Runtime
 * 1.30 has it, the mask of a channel begins as many numbers into the mask as the channel into x, modulo m k.
 */
const maxPoolWithMask: Operator = (call) => {
  const [x, mask] = [call.input(0), call.input(1)]
  const [n, c, ...input] = x.shape as [number, number, ...number[]]
  if (mask.shape.length !== x.shape.length || input.some((length, i) => mask.shape[i + 2] !== length))
    call.fail('M', `[m, k, ${input}]`, mask.shape)
  const sides = poolSides(call, input)
  const output = pooledLengths(sides, input, call.flag('ceil_mode'))
  const [plane, strides] = [sizeOf(input), stridesOf(input)]
  const [from, counts] = [x.data as Float32Array, mask.data as Int32Array]
  const masks = mask.shape[0]! * mask.shape[1]!
  const [width, outer] = [sides.size.at(-1)!, sides.size.slice(0, -1)]
  return call.host(x.type, [n, c, ...output], (to) => {
    let i = 0
    for (let channel = 0; channel < n * c; channel++) {
      const [first, firstMask] = [channel * plane, (channel * plane) % masks]
      for (const place of indexesOf(output)) {
        const starts = place.map((o, axis) => o * sides.stride[axis]! - sides.before[axis]!)
        let most = LEAST
        for (const tap of indexesOf(outer)) {
          const at = tap.map((t, axis) => starts[axis]! + t)
          if (at.some((p, axis) => p < 0 || p >= input[axis]!)) continue
          const row = offsetOf(at, strides)
          const [begin, end] = [Math.max(starts.at(-1)!, 0), Math.min(starts.at(-1)! + width, input.at(-1)!)]
          for (let p = row + begin; p < row + end; p++) {
            if ((p > 0 || input.length === 1) && counts[firstMask + p] === 0) break
            most = Math.max(most, from[first + p]!)
          }
        }
        to[i++] = most
      }
    }
  })
}

/** X, W, Pads, B: ConvTranspose whose paddings come with each run. */
const convTransposeOfPads: Operator = (call) => {
  const [x, w, pads, bias] = [call.input(0), call.input(1), call.inputs[2], call.inputs[3]]
  return window.ConvTranspose!(call.on([x, w, bias], pads && { pads: pads.numbers, auto_pad: 'NOTSET' }))
}

/**
 * words [length, characters] of numbers above 0 and zeros behind them, w [filters, 1, taps, size], b
 * [filters], table [characters, size]: for each word the largest of what each filter sees of its characters,
 * after tanh.
 */
const wordConvEmbedding: Operator = (call) => {
  const [words, w, b, table] = [call.input(0), call.input(1), call.input(2), call.input(3)]
  const [count, longest] = words.shape as [number, number]
  const [filters, , taps, size] = w.shape as [number, number, number, number]
  if (w.shape.length !== 4 || size !== table.shape[1])
    call.fail('W', `[filters, 1, taps, ${table.shape[1]}]`, w.shape)
  if (words.shape.length !== 2 || longest < taps)
    call.fail('Sequence', `[words, at least ${taps} characters]`, words.shape)
  const [ids, weights, bias, rows] = [
    words.data as Int32Array,
    w.data as Float32Array,
    b.data as Float32Array,
    table.data as Float32Array,
  ]
  return call.host('float32', [count, filters], (to) => {
    for (let word = 0; word < count; word++) {
      const own = ids.subarray(word * longest, (word + 1) * longest)
      if (!(own[0]! > 0)) continue
      const length = Math.max(own.filter((id) => id > 0).length, taps)
      const wrong = own.subarray(0, length).find((id) => !(id >= 0 && id < table.shape[0]!))
      if (wrong !== undefined) call.fail('Sequence', `numbers from 0 to ${table.shape[0]! - 1}`, wrong)
      for (let filter = 0; filter < filters; filter++) {
        let most = Number.NEGATIVE_INFINITY
        for (let place = 0; place + taps <= length; place++) {
          let sum = bias[filter]!
          for (let tap = 0; tap < taps; tap++) {
            const [row, column] = [own[place + tap]! * size, (filter * taps + tap) * size]
            for (let k = 0; k < size; k++) sum += rows[row + k]! * weights[column + k]!
          }
          most = Math.max(most, sum)
        }
        to[word * filters + filter] = Math.tanh(most)
      }
    }
  })
}

export const windows: Record<string, Operator> = {
  'com.microsoft.ConvTransposeWithDynamicPads': convTransposeOfPads,
  'com.microsoft.MaxpoolWithMask': maxPoolWithMask,
  'com.microsoft.WordConvEmbedding': wordConvEmbedding,
}
