/**
 * Transforms of sound: DFT, STFT, windows, MelWeightMatrix. A discrete Fourier transform is a product with a
 * matrix of cosines and sines; a long one is taken apart into two steps of shorter ones, with a turn of each
 * number between them. (Cooley and Tukey, 1965, in the order of Bailey, 1990.)
 */
import { sizeOf } from '../../../base/shape.js'
import { bySlices } from '../../../base/turns.js'
import type { Tensor } from '../../../core/tensor.js'
import { add, mul } from '../../../ops/arithmetic.js'
import { concat } from '../../../ops/concat.js'
import { flip } from '../../../ops/flip.js'
import { linear } from '../../../ops/matmul.js'
import { slice } from '../../../ops/slice.js'
import { transpose } from '../../../ops/transpose.js'
import { type ElementType, typeOf } from '../../file/types.js'
import type { Call, Operator } from '../../run/call.js'
import { move, moveBox, permuted, whole } from '../../run/move.js'
import type { Value } from '../../run/value.js'

/** A transform of up to so many places is one product. */
const ONE_STEP = 256

/** cos and sin of 2 pi i / n, whichever way round. */
const turn = (i: number, n: number, inverse: boolean): [number, number] => {
  const angle = (2 * Math.PI * (i % n)) / n
  return [Math.cos(angle), inverse ? Math.sin(angle) : -Math.sin(angle)]
}

/** Numbers that depend on nothing but `use`, as a tensor that is kept with the model. */
const table = (call: Call, use: string, shape: number[], make: () => Iterable<number>): Tensor =>
  call.tables(use, shape, [], () => [make()])[0]!.tensor()

/** x [rows, n, 1 or 2] times the whole matrix, of which `bins` columns are taken: [rows, bins, 2]. */
function product(call: Call, x: Tensor, bins: number, inverse: boolean): Tensor {
  const [rows, n, parts] = x.shape as [number, number, number]
  const matrix = table(call, `matrix ${n} ${parts} ${bins} ${inverse}`, [n * parts, bins * 2], () => {
    const data = new Float32Array(n * parts * bins * 2)
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < bins; k++) {
        const [c, s] = turn(i * k, n, inverse)
        const at = i * parts * bins * 2 + k * 2
        data.set([c, s], at)
        if (parts === 2) data.set([-s, c], at + bins * 2)
      }
    }
    return data
  })
  return linear(x.reshape([rows, n * parts]), matrix).reshape([rows, bins, 2])
}

/** The largest divisor of n up to its root: 1 of a prime. */
function divisorOf(n: number): number {
  let best = 1
  for (let i = 2; i * i <= n; i++) if (n % i === 0) best = i
  return best
}

/** x [rows, n, 1 or 2] -> [rows, n, 2], without the factor of an inverse. */
function transform(call: Call, x: Tensor, inverse: boolean): Tensor {
  const [rows, n, parts] = x.shape as [number, number, number]
  const first = divisorOf(n)
  if (n <= ONE_STEP || first === 1) return product(call, x, n, inverse)
  const second = n / first
  // Place i = second a + b, bin k = c + first d.
  const columns = transpose(x.reshape([rows, first, second, parts]), [0, 2, 1, 3])
  const inner = transform(call, columns.reshape([rows * second, first, parts]), inverse)
  const shape = [second, first, 2]
  const turns = (i: number) => turn(Math.floor(i / first) * (i % first), n, inverse)
  const each = (use: string, numbers: (i: number) => number[]) =>
    table(call, `${use} ${n} ${inverse}`, shape, () => Array.from({ length: n }, (_, i) => numbers(i)).flat())
  const cosines = each('cosines', (i) => Array(2).fill(turns(i)[0]))
  const sines = each('sines', (i) => [-turns(i)[1], turns(i)[1]])
  const z = inner.reshape([rows, ...shape])
  const turned = add(mul(z, cosines), mul(flip(z, { axes: -1 }), sines))
  const lines = transpose(turned, [0, 2, 1, 3]).reshape([rows * first, second, 2])
  const outer = transform(call, lines, inverse).reshape([rows, first, second, 2])
  return transpose(outer, [0, 2, 1, 3]).reshape([rows, n, 2])
}

/** The first bins of a transform. */
function spectrum(call: Call, x: Tensor, bins: number, inverse = false): Tensor {
  const n = x.shape[1]!
  if (n <= ONE_STEP || divisorOf(n) === 1) return product(call, x, bins, inverse)
  const y = transform(call, x, inverse)
  return bins === n ? y : slice(y, { end: [y.shape[0]!, bins, 2] })
}

/** Row-major, in the engine. */
const plain = (call: Call, x: Value): Value => call.tensor(x.type, x.tensor().reshape(x.shape))

/** Along an axis, cut or filled with zeros to a length; the last axis has real parts alone, or both. */
const dft: Operator = (call) => {
  const x = call.input(0)
  const rank = x.shape.length
  const parts = x.shape.at(-1)
  if (rank < 2 || (parts !== 1 && parts !== 2)) return call.fail('input 0', '[..., 1 or 2]', x.shape)
  const given = call.opset < 20 ? call.number('axis', 1) : (call.scalar(2) ?? -2)
  const axis = call.axis(given, rank)
  if (axis === rank - 1) call.fail('axis', 'none of the last one', given)
  const inverse = call.flag('inverse')
  const oneSided = call.flag('onesided')
  if (oneSided && !inverse && parts === 2) call.fail('onesided', '0 of complex numbers', 1)
  if (oneSided && inverse) return realInverse(call, x, axis, call.scalar(1))
  const n = call.scalar(1) ?? x.shape[axis]!
  if (!(n >= 1)) call.fail('dft_length', 'at least 1', n)
  const last = [...x.shape.keys()].filter((i) => i !== axis && i !== rank - 1)
  const order = [...last, axis, rank - 1]
  const there = Math.min(n, x.shape[axis]!)
  const box = order.map((i) => ({ length: i === axis ? there : x.shape[i]!, axis: i }))
  const source = moveBox(call, plain(call, x), box, { layout: 'plain' })
  const outer = last.map((i) => x.shape[i]!)
  const rows = outer.reduce((a, b) => a * b, 1)
  const bins = oneSided ? Math.floor(n / 2) + 1 : n
  if (rows === 0) return call.zeros(x.type, [...x.shape.with(axis, bins).slice(0, -1), 2])
  const filled = filledTo(call, source.reshaped([rows, there, parts]), n)
  const y = spectrum(call, filled.tensor(), bins, inverse)
  const scaled = inverse ? mul(y, 1 / n, { out: y }) : y
  const back = [...x.shape.keys()].map((i) => order.indexOf(i))
  return permuted(call, call.tensor(x.type, scaled.reshape([...outer, bins, 2])), back)
}

/**
 * The real numbers whose spectrum has these first bins: 2 (bins - 1) where n is not given. Behind the middle
 * stand the bins before it, the other way round, with the imaginary part negated.
 */
function realInverse(call: Call, x: Value, axis: number, given?: number): Value {
  const last = x.shape.length - 1
  if (x.shape[last] !== 2) call.fail('input 0', '[..., 2] for an inverse of one side', x.shape)
  const n = given ?? 2 * (x.shape[axis]! - 1)
  if (!(n >= 1)) call.fail('dft_length', 'at least 1', n)
  const outer = [...x.shape.keys()].filter((i) => i !== axis && i !== last)
  const order = [...outer, axis, last]
  const bins = Math.floor(n / 2) + 1
  const there = Math.min(bins, x.shape[axis]!)
  const box = order.map((i) => ({ length: i === axis ? there : x.shape[i]!, axis: i }))
  const shape = outer.map((i) => x.shape[i]!)
  const rows = sizeOf(shape)
  if (rows === 0) return call.zeros(x.type, [...x.shape.with(axis, n).slice(0, -1), 1])
  const source = moveBox(call, plain(call, x), box, { layout: 'plain' }).reshaped([rows, there, 2])
  const half = filledTo(call, source, bins).tensor()
  const behind = n - bins
  const mirrored = flip(slice(half, { begin: [0, 1, 0], end: [rows, 1 + behind, 2] }), { axes: 1 })
  const conjugate = mul(
    mirrored,
    table(call, 'conjugate', [2], () => [1, -1]),
  )
  const y = spectrum(call, behind ? concat([half, conjugate], { axis: 1 }) : half, n, true)
  const real = mul(slice(y, { end: [rows, n, 1] }), 1 / n)
  const back = [...x.shape.keys()].map((i) => order.indexOf(i))
  return permuted(call, call.tensor(x.type, real.reshape([...shape, n, 1])), back)
}

/** com.microsoft's: the last axis is transformed, [..., n] <-> [..., n / 2 + 1, 2]. */
function oneAxis(call: Call): void {
  if (call.number('normalized', 0)) call.fail('normalized', '0', 1)
  if (!call.flag('onesided', true)) call.fail('onesided', '1', 0)
  if (call.number('signal_ndim', 1) !== 1) call.fail('signal_ndim', '1', call.number('signal_ndim', 1))
}

const rfft: Operator = (call) => {
  oneAxis(call)
  const x = call.input(0)
  const n = x.shape.at(-1) ?? 0
  if (n < 1) call.fail('input 0', '[..., n], of at least one number', x.shape)
  const outer = x.shape.slice(0, -1)
  const bins = Math.floor(n / 2) + 1
  const rows = sizeOf(outer)
  if (rows === 0) return call.zeros(x.type, [...outer, bins, 2])
  const y = spectrum(call, x.tensor().reshape([rows, n, 1]), bins)
  return call.tensor(x.type, y.reshape([...outer, bins, 2]))
}

const irfft: Operator = (call) => {
  oneAxis(call)
  const x = call.input(0)
  if (x.shape.length < 2) call.fail('input 0', '[..., bins, 2]', x.shape)
  const y = realInverse(call, x, x.shape.length - 2)
  return y.reshaped(y.shape.slice(0, -1))
}

/** Zeros behind the second axis. */
function filledTo(call: Call, x: Value, n: number): Value {
  const [rows, there, parts] = x.shape as [number, number, number]
  if (there === n) return x
  const behind = call.zeros(x.type, [rows, n - there, parts])
  return joined(call, [rows, n, parts], x, behind, there)
}

const joined = (call: Call, shape: number[], x: Value, rest: Value, to: number): Value =>
  move(
    call,
    shape,
    [
      { source: x, axes: whole(x.shape) },
      { source: rest, axes: whole(rest.shape).map((box, i) => (i === 1 ? { ...box, to } : box)) },
    ],
    { layout: 'plain' },
  )

/** signal [n, length, 1 or 2], step, window, frame length -> [n, frames, bins, 2] */
const stft: Operator = (call) => {
  const [given, step, window] = [call.input(0), call.scalar(1) ?? 0, call.inputs[2]]
  const [n, length] = given.shape as [number, number]
  const parts = given.shape[2] ?? 1
  if (given.shape.length < 2 || given.shape.length > 3 || parts < 1 || parts > 2)
    call.fail('signal', '[n, length, 1 or 2]', given.shape)
  if (!(step >= 1)) call.fail('frame_step', 'at least 1', step)
  const frame = call.scalar(3) ?? window?.size ?? call.fail('frame_length', 'given, or a window', 'neither')
  if (!(frame >= 1 && frame <= length)) call.fail('frame_length', `from 1 to ${length}`, frame)
  if (window && window.size !== frame) call.fail('window', `${frame} numbers`, window.shape)
  const oneSided = call.flag('onesided', true)
  if (oneSided && parts === 2) call.fail('onesided', '0 for a complex signal', 1)
  const frames = Math.floor((length - frame) / step) + 1
  const bins = oneSided ? Math.floor(frame / 2) + 1 : frame
  if (n === 0) return call.zeros(given.type, [n, frames, bins, 2])
  const signal = plain(call, given).reshaped([n, length, parts])
  const box = [
    { length: n, axis: 0 },
    { length: frames, axis: 1, step },
    { length: frame, axis: 1 },
    { length: parts, axis: 2 },
  ]
  const cut = moveBox(call, signal, box, { layout: 'plain' })
    .tensor()
    .reshape([n * frames, frame, parts])
  const weighed = window ? mul(cut, window.tensor().reshape([frame, 1])) : cut
  const y = spectrum(call, weighed, bins)
  return call.tensor(given.type, y.reshape([n, frames, bins, 2]))
}

const typeNamed = (call: Call): ElementType =>
  typeOf(call.number('output_datatype', 1)) ??
  call.fail('output_datatype', 'a type of the standard', call.number('output_datatype', 1))

/** A sum of cosines, a period long or, symmetric, a place less. */
const cosines =
  (...terms: number[]): Operator =>
  (call) => {
    const size = call.scalar(0) ?? call.fail('size', 'given', 'none')
    if (!(size >= 0)) call.fail('size', 'at least 0', size)
    const period = call.flag('periodic', true) ? size : size - 1
    return call.host(typeNamed(call), [size], (to) =>
      bySlices(
        to.length,
        (begin, end) => {
          for (let i = begin; i < end; i++) {
            const angle = period ? (2 * Math.PI * i) / period : 0
            to[i] = terms.reduce((sum, term, k) => sum + term * Math.cos(k * angle), 0)
          }
        },
        8 * terms.length,
      ),
    )
  }

/** Triangles that are equally wide on the mel scale, as columns over the bins of a spectrum. */
const melWeightMatrix: Operator = (call) => {
  const [bands, size, rate, low, high] = [0, 1, 2, 3, 4].map(
    (i) => call.scalar(i) ?? call.fail(`input ${i}`, 'given', 'none'),
  ) as [number, number, number, number, number]
  if (!(bands >= 1 && size >= 1 && rate >= 1 && high > low))
    call.fail('inputs', 'at least 1 band, length and rate, and an upper edge above the lower', [
      bands,
      size,
      rate,
      low,
      high,
    ])
  const bins = Math.floor(size / 2) + 1
  const mel = (hertz: number) => 2595 * Math.log10(1 + hertz / 700)
  const step = (mel(high) - mel(low)) / (bands + 2)
  const edges = Array.from(call.room('float64', [bands + 2]) as Float64Array, (_, i) => {
    const hertz = 700 * (10 ** ((mel(low) + i * step) / 2595) - 1)
    return Math.floor(((size + 1) * hertz) / rate)
  })
  if (edges.some((edge) => edge < 0 || edge >= bins))
    call.fail('inputs', `edges below half the rate, ${rate / 2}`, [low, high])
  return call.host(typeNamed(call), [bins, bands], (to) => {
    for (let i = 0; i < bands; i++) {
      const [lower, centre, upper] = edges.slice(i, i + 3) as [number, number, number]
      if (centre === lower) to[centre * bands + i] = 1
      for (let j = lower; j <= centre && centre > lower; j++)
        to[j * bands + i] = (j - lower) / (centre - lower)
      for (let j = centre; j < upper; j++) to[j * bands + i] = (upper - j) / (upper - centre)
    }
  })
}

export const spectra: Record<string, Operator> = {
  BlackmanWindow: cosines(0.42, -0.5, 0.08),
  DFT: dft,
  HammingWindow: cosines(25 / 46, -21 / 46),
  HannWindow: cosines(0.5, -0.5),
  MelWeightMatrix: melWeightMatrix,
  STFT: stft,
  'com.microsoft.Irfft': irfft,
  'com.microsoft.Rfft': rfft,
}
