/** Kernels of whole numbers and of regions, a line each: those of inner.ts that the plans long.ts and crops.ts run. */
import * as fb from '../../../src/index.js'
import { runCropBoxes, runRegionMax } from '../../../src/plans/crops.js'
import {
  emptyWords,
  runBinaryLong,
  runCastLong,
  runCoordinates,
  runKept,
  runReduceWhole,
  runReverseRows,
  runScanWhole,
  runSelectLong,
  type Words,
} from '../../../src/plans/long.js'
import { LongCastOp, LongOp, WholeOp } from '../../../src/wasm/abi.js'
import type { Random } from '../random.js'
import type { Case } from './maker.js'

/** Numbers of 64 bits: by turns small, and beyond 32 bits. */
function wordsOf(x: fb.Tensor, scale = 100): Words {
  const { engine, size } = x
  const large = engine.tensor(
    Float32Array.from({ length: size }, (_, i) => (i % 3 ? scale : scale * 2 ** 40)),
    x.shape,
  )
  const words = emptyWords(engine, size)
  const from = fb.mul(x, large)
  runCastLong(engine, LongCastOp.fromFloat, { x: from.pointer, y: words.pointer, size })
  return words
}

const flat = (...parts: fb.AnyTensor[]): fb.AnyTensor =>
  fb.concat(parts.map((part) => fb.reshape(fb.cast(part, 'int32'), [-1])))

const line = {
  shapes: (random: Random) => [[random.pick([1, 3, 17, 4097, 9000])]],
}

const lanes = {
  shapes: (random: Random) => [
    [random.integer(1, 5), random.pick([1, 2, 7, 16, 40, 150]), random.pick([1, 1, 3, 21, 130])],
  ],
}

export const wholes: Record<string, Case> = {
  'numbers of 64 bits, two by two': {
    ...line,
    op: (x) => {
      const { engine, size } = x!
      const [a, b] = [wordsOf(x!), wordsOf(fb.flip(x!, { axes: [0] }), 3)]
      const one = wordsOf(fb.slice(x!, { end: [1] }))
      return flat(
        ...Array.from({ length: LongOp.lessEqual + 1 }, (_, op) => {
          const bytes = op >= LongOp.equal
          const y = bytes ? engine.zeros([size], { dtype: 'uint8' }) : emptyWords(engine, size)
          runBinaryLong(op, a, op % 2 ? b : one, y, size)
          return y
        }),
      )
    },
  },
  'numbers of 64 bits as others': {
    ...line,
    op: (x) => {
      const { engine, size } = x!
      const words = wordsOf(x!)
      const to = (op: LongCastOp, y: fb.AnyTensor, from: fb.AnyTensor, beyond?: number) => {
        runCastLong(engine, op, { x: from.pointer, y: y.pointer, size, ...(beyond && { beyond }) })
        return y
      }
      const told = engine.zeros([1], { dtype: 'int32' })
      const ints = to(LongCastOp.toInt, engine.zeros([size], { dtype: 'int32' }), words, told.pointer)
      const floats = to(LongCastOp.toFloat, engine.zeros([size]), words)
      const doubles = to(LongCastOp.toDouble, emptyWords(engine, size), words)
      const bytes = fb.cast(fb.mul(x!, 100), 'int8')
      return flat(
        told,
        ints,
        floats,
        doubles,
        to(LongCastOp.fromInt, emptyWords(engine, size), ints),
        to(LongCastOp.fromDouble, emptyWords(engine, size), doubles),
        to(LongCastOp.fromByte, emptyWords(engine, size), bytes),
        to(LongCastOp.fromSigned, emptyWords(engine, size), bytes),
      )
    },
  },
  'one of two numbers of 64 bits': {
    ...line,
    op: (x) => {
      const { engine, size } = x!
      const y = [emptyWords(engine, size), emptyWords(engine, size)]
      const [a, b] = [wordsOf(x!), wordsOf(fb.slice(x!, { end: [1] }))]
      runSelectLong(fb.greater(x!, 0), a, b, y[0]!)
      runSelectLong(fb.slice(fb.greater(x!, 0), { end: [1] }), b, a, y[1]!)
      return flat(...y)
    },
  },
  'whole numbers along an axis': {
    ...lanes,
    op: (x) => {
      const { engine, shape } = x!
      const [outer, n, inner] = shape as [number, number, number]
      const parts: fb.AnyTensor[] = []
      const types = [fb.cast(fb.mul(x!, 9), 'int8'), fb.cast(fb.abs(fb.mul(x!, 200)), 'uint8')]
      for (const from of [...types, fb.cast(fb.mul(x!, 1000), 'int32'), wordsOf(x!)]) {
        const long = from.shape.length === 2
        for (const op of [
          WholeOp.max,
          WholeOp.min,
          WholeOp.sum,
          WholeOp.prod,
          WholeOp.argmax,
          WholeOp.argmin,
        ]) {
          const isByte = from.dtype === 'int8' || from.dtype === 'uint8'
          if (isByte && (op === WholeOp.sum || op === WholeOp.prod)) continue
          const places = op >= WholeOp.argmax
          const size = outer * inner
          for (const last of places ? [false, true] : [false]) {
            const y = places
              ? engine.zeros([size], { dtype: 'int32' })
              : long
                ? emptyWords(engine, size)
                : engine.zeros([size], { dtype: from.dtype })
            runReduceWhole(op, from, y, [outer, n, inner], { long, last })
            parts.push(y)
          }
        }
      }
      return flat(...parts)
    },
  },
  'running sums of whole numbers': {
    ...lanes,
    op: (x) => {
      const { engine, shape, size } = x!
      const lengths = shape as unknown as [number, number, number]
      const ints = fb.cast(fb.mul(x!, 1000), 'int32')
      const y = [engine.zeros([size], { dtype: 'int32' }), emptyWords(engine, size)]
      runScanWhole(ints, y[0]!, lengths, { long: false, exclusive: true, reverse: false })
      runScanWhole(wordsOf(x!), y[1]!, lengths, { long: true, exclusive: false, reverse: true })
      return flat(...y)
    },
  },
  'places of what is not 0': {
    ...lanes,
    op: (x) => {
      const kept = fb.where(fb.greater(x!, 0.6), x!, 0)
      const bytes = fb.cast(fb.mul(kept, 9), 'uint8')
      return flat(
        ...[kept, bytes, fb.cast(fb.mul(x!, 2), 'int32'), wordsOf(kept)].map((from) => {
          const { places, count } = runKept(from, from.shape.length === 2)
          return runCoordinates(places, count, x!.shape)
        }),
      )
    },
  },
  'rows the other way round': {
    shapes: (random) => [
      [random.integer(1, 9), random.integer(1, 40), random.pick([1, 2, 5, 33])],
      [random.integer(1, 3)],
    ],
    op: (x, some) => {
      const { engine, shape } = x!
      const [n, m, inner] = shape as [number, number, number]
      const parts = [true, false].map((second) => {
        const places = second ? m : n
        const lengths = Int32Array.from({ length: second ? n : m }, (_, i) => (i * some!.size) % (places + 1))
        const y = engine.zeros(shape)
        const list = engine.tensor(lengths, [lengths.length], { dtype: 'int32' })
        runReverseRows(x!, list, y, { n, m, second, bytes: inner * 4 })
        return y
      })
      return fb.concat(parts)
    },
  },
  'the largest of parts of regions': {
    shapes: (random) => [
      [random.integer(1, 2), random.integer(3, 9), random.integer(3, 9), random.integer(1, 11)],
      [random.integer(1, 5)],
    ],
    op: (x, regions) => {
      const [n, h, w, c] = x!.shape as [number, number, number, number]
      const count = regions!.size
      const parts = Array.from({ length: count }, (_, i) => [
        i % n,
        ...[0, 1 + (i % 2), 1, h, 2, 2],
        ...[0, 2, i % w, w],
      ])
      const y = x!.engine.zeros([count, 3, 2, c])
      const table = Int32Array.from(parts.flat())
      runRegionMax(x!, x!.engine.tensor(table, [table.length], { dtype: 'int32' }), y)
      return y
    },
  },
  'boxes between pixels': {
    shapes: (random) => [
      [random.integer(1, 2), random.integer(3, 9), random.integer(3, 9), random.integer(1, 11)],
      [random.integer(1, 5)],
    ],
    op: (x, boxes) => {
      const [n, h, w, c] = x!.shape as [number, number, number, number]
      const count = boxes!.size
      const places = new Int32Array(count * 16)
      const parts = new Float32Array(places.buffer)
      for (let i = 0; i < count; i++) {
        places[i * 16] = i % n
        for (let k = 0; k < 5; k++) {
          const at = i * 16 + 1 + 3 * k
          const most = (k < 2 ? h : w) - 1
          places[at] = (i + k) % 5 === 4 ? -1 : (i + k) % most
          places[at + 1] = places[at]! + 1
          parts[at + 2] = k / 5
        }
      }
      const y = x!.engine.zeros([count, 2, 3, c])
      runCropBoxes(x!, x!.engine.tensor(places, [places.length], { dtype: 'int32' }), y, -2.5)
      return y
    },
  },
}
