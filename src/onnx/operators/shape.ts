/** Operators that make, name and move elements and change none. */
import { type Shape, sizeOf } from '../../base/shape.js'
import { bySlices } from '../../base/turns.js'
import { type ElementType, limit, toHost, typeOf } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { indexesOf, move, moveBox, type Part, permuted, whole } from '../run/move.js'
import { Value } from '../run/value.js'
import { modulo } from './elementwise.js'
import { runs } from './indexing.js'
import { risingLongs } from './longs.js'

/** What a Reshape asks for: 0 keeps a length (unless `allowzero`), -1 follows from the rest. */
export function reshapedShape(
  call: Call,
  from: Shape,
  wanted: readonly number[],
  allowZero: boolean,
): number[] {
  const shape = wanted.map((length, i) =>
    length === 0 && !allowZero
      ? (from[i] ?? call.fail('shape', `of at most ${from.length} axes where 0 keeps one`, wanted))
      : length,
  )
  const known = sizeOf(shape.filter((length) => length !== -1))
  const settled = shape.map((length) => (length === -1 ? sizeOf(from) / known : length))
  if (sizeOf(settled) !== sizeOf(from) || settled.some((length) => !Number.isInteger(length)))
    call.fail('shape', `of ${sizeOf(from)} elements`, wanted)
  return settled
}

const reshape: Operator = (call) => {
  const x = call.input(0)
  const wanted = call.list(1, 'shape') ?? call.fail('shape', 'given', 'none')
  return x.reshaped(reshapedShape(call, x.shape, wanted, call.flag('allowzero')))
}

const flatten: Operator = (call) => {
  const x = call.input(0)
  const axis = call.number('axis', 1)
  const at = axis < 0 ? axis + x.shape.length : axis
  return x.reshaped([sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))])
}

const squeeze: Operator = (call) => {
  const { shape } = call.input(0)
  // No axes are all of length 1, to ONNX Runtime too.
  const given = call.list(1, 'axes')
  const axes = given?.length ? call.axes(given, shape.length) : undefined
  const gone = (length: number, axis: number) => (axes ? axes.includes(axis) : length === 1)
  if (axes?.some((axis) => shape[axis] !== 1)) call.fail('axes', 'axes of length 1', axes)
  return call.input(0).reshaped(shape.filter((length, axis) => !gone(length, axis)))
}

const unsqueeze: Operator = (call) => {
  const { shape } = call.input(0)
  const axes = call.list(1, 'axes') ?? call.fail('axes', 'given', 'none')
  const rank = shape.length + axes.length
  const added = new Set(call.axes(axes, rank))
  const rest = [...shape]
  return call
    .input(0)
    .reshaped(Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!)))
}

const transpose: Operator = (call) => {
  const x = call.input(0)
  const { shape } = x
  const axes = call.numbers(
    'perm',
    shape.map((_, i) => shape.length - 1 - i),
  )
  if (
    axes.length !== shape.length ||
    new Set(axes.map((axis) => call.axis(axis, shape.length))).size !== shape.length
  )
    call.fail('perm', 'each axis once', axes)
  // From channels last to where the file has them last too, and back, nothing moves.
  const rank = shape.length
  const isToLast = axes.every((axis, i) => axis === (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1))
  const isFromLast = axes.every((axis, i) => axis === (i === 0 ? 0 : i === 1 ? rank - 1 : i - 1))
  return permuted(call, x, axes, rank > 2 && isFromLast && !isToLast && x.has('plain') ? 'last' : 'plain')
}

const concat: Operator = (call) => {
  const all = call.given()
  if (call.opset >= 4 && !call.has('axis')) call.fail('attribute "axis"', 'given', 'none')
  const first = (all.find(({ size }) => size > 0) ?? all[0]!).shape
  const axis = call.ownAxis(first.length, 1)
  const isAlike = ({ shape }: Value) =>
    shape.length === first.length && shape.every((length, i) => i === axis || length === first[i])
  // What holds nothing may have any shape, as in PyTorch and ONNX Runtime.
  const values = all.filter((value) => isAlike(value) || value.size > 0)
  if (!values.every(isAlike))
    call.fail(
      'inputs',
      `alike but for axis ${axis}`,
      all.map(({ shape }) => shape),
    )
  let to = 0
  const parts = values.map((source) => {
    const axes = whole(source.shape).map((box, i) => (i === axis ? { ...box, to } : box))
    to += source.shape[axis]!
    return { source, axes }
  })
  return move(call, first.with(axis, to), parts)
}

const split: Operator = (call) => {
  const x = call.input(0)
  const axis = call.ownAxis(x.shape.length, 0)
  const length = x.shape[axis]!
  const count = call.number('num_outputs', call.node.outputs.length)
  const most = Math.max(length, call.node.outputs.length)
  if (!(count >= 1 && count <= most)) call.fail('num_outputs', `from 1 to ${most}`, count)
  const even = Math.ceil(length / count)
  const lengths =
    call.list(1, 'split', Math.max(length, call.node.outputs.length)) ??
    Array.from({ length: count }, (_, i) => Math.max(0, Math.min(even, length - i * even)))
  if (lengths.reduce((sum, part) => sum + part, 0) !== length)
    call.fail('split', `lengths of ${length} in all`, lengths)
  let from = 0
  return lengths.map((part) => {
    const axes = whole(x.shape).map((box, i) => (i === axis ? { ...box, length: part, from } : box))
    from += part
    return moveBox(call, x, axes)
  })
}

const slice: Operator = (call) => {
  const x = call.input(0)
  const rank = x.shape.length
  const starts = call.neededList(1, 'starts')
  const { length: count } = starts
  const ends = call.neededList(2, 'ends', count)
  const optional = (input: number, name: string, otherwise: number[]) =>
    call.list(input, name) ? call.neededList(input, name, count) : otherwise
  const order = starts.map((_, i) => i)
  const axes = call.axes(optional(3, 'axes', order), rank)
  const steps = optional(4, 'steps', Array(count).fill(1))
  const box: { length: number; axis: number; from?: number; step?: number }[] = whole(x.shape)
  axes.forEach((axis, i) => {
    const length = x.shape[axis]!
    const step = steps[i]!
    if (step === 0) call.fail('steps', 'other than 0', steps)
    const index = (value: number, low: number, high: number) =>
      limit(value < 0 ? value + length : value, low, high)
    const first = step > 0 ? index(starts[i]!, 0, length) : index(starts[i]!, 0, length - 1)
    const end = step > 0 ? index(ends[i]!, 0, length) : index(ends[i]!, -1, length - 1)
    box[axis] = { length: Math.max(0, Math.ceil((end - first) / step)), axis, from: first, step }
  })
  return moveBox(call, x, box)
}

/** Copies of x side by side: as an axis of repeats before each axis of x. */
const tile: Operator = (call) => {
  const x = call.input(0)
  const given = call.list(1, 'repeats') ?? call.fail('repeats', 'given', 'none')
  // The first version repeats one axis, which its third input names.
  const repeats = call.inputs[2]
    ? x.shape.map((_, axis) => (axis === call.axis(call.scalar(2)!, x.shape.length) ? given[0]! : 1))
    : given
  if (repeats.length !== x.shape.length) call.fail('repeats', `${x.shape.length} numbers`, repeats)
  const axes = x.shape.flatMap((length, axis) => [{ length: repeats[axis]! }, { length, axis }])
  const spread = moveBox(call, x, axes, { layout: 'plain' })
  return spread.reshaped(x.shape.map((length, i) => length * repeats[i]!))
}

const expand: Operator = (call) => {
  const x = call.input(0)
  const wanted = call.list(1, 'shape') ?? call.fail('shape', 'given', 'none')
  const rank = Math.max(wanted.length, x.shape.length)
  const missing = rank - x.shape.length
  const axes = Array.from({ length: rank }, (_, i) => {
    const own = i < missing ? 1 : x.shape[i - missing]!
    const length = wanted[i - (rank - wanted.length)] ?? 1
    if (own !== 1 && length !== 1 && own !== length) call.fail('shape', 'one that x broadcasts to', wanted)
    return { length: own === 1 ? length : own, axis: own === 1 ? undefined : i - missing }
  })
  return moveBox(call, x, axes)
}

const pad: Operator = (call) => {
  const x = call.input(0)
  const rank = x.shape.length
  const given =
    call.list(1, 'pads') ?? call.numbers('paddings', undefined) ?? call.fail('pads', 'given', 'none')
  const axes = call.axes(call.inputs[3]?.numbers, rank)
  if (given.length !== 2 * axes.length) call.fail('pads', `of ${2 * axes.length} numbers`, given)
  const mode = call.text('mode', 'constant')
  if (!['constant', 'edge', 'wrap', 'reflect'].includes(mode))
    call.fail('mode', 'constant, edge, wrap or reflect', mode)
  const before = x.shape.map(() => 0)
  const after = x.shape.map(() => 0)
  axes.forEach((axis, i) => {
    before[axis] = given[i]!
    after[axis] = given[i + axes.length]!
  })
  const value = call.scalar(2) ?? call.number('value', 0)
  const shape = x.shape.map((length, axis) => Math.max(0, length + before[axis]! + after[axis]!))
  if (sizeOf(shape) > call.engine.mostBytes) call.fail('pads', 'of a result that fits', shape)
  // Along each axis boxes of x; none of what shows the border.
  const boxes = x.shape.map((length, axis) => {
    // What a negative padding takes away is gone before anything is repeated.
    const first = Math.max(0, -before[axis]!)
    const kept = length - first - Math.max(0, -after[axis]!)
    if (mode === 'constant') {
      const box = { to: Math.max(0, before[axis]!), from: first, length: kept, step: 1 }
      return kept > 0 ? [box] : []
    }
    if (kept < 1 && shape[axis]! > 0)
      call.fail(`mode ${mode}`, `something to repeat along axis ${axis}`, x.shape)
    const shown = Array.from({ length: sizeOf(shape) && shape[axis]! }, (_, i) => {
      const at = i - before[axis]! - first
      if (at >= 0 && at < kept) return first + at
      if (mode === 'edge') return first + (at < 0 ? 0 : kept - 1)
      if (mode === 'wrap') return first + modulo(at, kept)
      const period = Math.max(1, 2 * (kept - 1))
      const turned = modulo(at, period)
      return first + (turned < kept ? turned : period - turned)
    })
    return runs(shown)
  })
  const parts: Part[] = []
  for (const index of indexesOf(boxes.map(({ length }) => length))) {
    parts.push({ source: x, axes: index.map((i, axis) => ({ ...boxes[axis]![i]!, axis })) })
  }
  return parts.length
    ? move(call, shape, parts, { fill: value })
    : call.host(x.type, shape, (data) => data.fill(value))
}

const depthToSpace: Operator = (call) => {
  const x = call.input(0)
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const b = call.number('blocksize', 1)
  const rest = c / (b * b)
  // Channels are [row, column, rest] of a block, or [rest, row, column].
  const isRow = call.text('mode', 'DCR') === 'DCR'
  const split = x.reshaped(isRow ? [n, b, b, rest, h, w] : [n, rest, b, b, h, w])
  return permuted(call, split, isRow ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]).reshaped([
    n,
    rest,
    h * b,
    w * b,
  ])
}

const spaceToDepth: Operator = (call) => {
  const x = call.input(0)
  const [n, c, h, w] = x.shape as [number, number, number, number]
  const b = call.number('blocksize', 1)
  const split = x.reshaped([n, c, h / b, b, w / b, b])
  return permuted(call, split, [0, 3, 5, 1, 2, 4]).reshaped([n, c * b * b, h / b, w / b])
}

const constant: Operator = (call) => {
  const tensor = call.constant('value')
  if (tensor?.resident || tensor?.halves || tensor?.words) return Value.constant(call.run, tensor)
  if (tensor) return call.host(tensor.type, tensor.shape, tensor.data)
  const float = call.number('value_float', undefined)
  if (float !== undefined) return call.host('float32', [], Float32Array.of(float))
  const int = call.number('value_int', undefined)
  if (int !== undefined) return call.host('int64', [], Float64Array.of(int))
  const floats = call.numbers('value_floats', undefined)
  if (floats) return call.host('float32', [floats.length], Float32Array.from(floats))
  const ints = call.numbers('value_ints', undefined)
  if (ints) return call.host('int64', [ints.length], Float64Array.from(ints))
  const texts =
    call.texts('value_strings') ?? (call.has('value_string') ? [call.text('value_string')] : undefined)
  if (texts) return call.host('string', call.has('value_string') ? [] : [texts.length], texts)
  return call.fail('value', 'a dense constant', 'none')
}

const constantOfShape: Operator = (call) => {
  const { type, data } = call.constant('value') ?? {
    type: 'float32' as ElementType,
    data: toHost('float32', new Float32Array(1)),
  }
  return call.host(type, call.list(0, 'shape') ?? call.fail('shape', 'given', 'none'), (to) =>
    to.fill(data[0] as number),
  )
}

const range: Operator = (call) => {
  const [start, limit] = [0, 1].map((i) => call.input(i).data[0] as number) as [number, number]
  // com.microsoft's may go without.
  const delta = call.scalar(2) ?? 1
  const length = Math.max(0, Math.ceil((limit - start) / delta))
  if (call.input(0).type === 'int64' && !call.inputs.every((value) => value?.constant ?? true))
    return risingLongs(call, length, start, delta)
  return call.host(call.input(0).type, [length], (to) =>
    bySlices(to.length, (begin, end) => {
      for (let i = begin; i < end; i++) to[i] = start + i * delta
    }),
  )
}

const eyeLike: Operator = (call) => {
  const { shape, type } = call.input(0)
  const k = call.number('k', 0)
  const code = call.number('dtype', undefined)
  const wanted = code === undefined ? type : (typeOf(code) ?? call.fail('dtype', 'a known type', code))
  if (shape.length !== 2) call.fail('input 0', 'a matrix', shape)
  const columns = shape[1]!
  // There are zeros; of each row one is another, if that.
  return call.host(wanted, shape, (to) => {
    for (let row = 0; row < shape[0]!; row++) {
      const column = row + k
      if (column >= 0 && column < columns) to[row * columns + column] = 1
    }
  })
}

const shapeOf: Operator = (call) => {
  const { shape } = call.input(0)
  const rank = shape.length
  const index = (value: number) => limit(value < 0 ? value + rank : value, 0, rank)
  const part = shape.slice(index(call.number('start', 0)), index(call.number('end', rank)))
  return call.host('int64', [part.length], Float64Array.from(part))
}

/** Centres of the axes that are cut, and zeros around those that grow. */
const centerCropPad: Operator = (call) => {
  const x = call.input(0)
  const wanted = call.input(1).numbers
  const axes = call.axes(call.numbers('axes', undefined), x.shape.length)
  if (wanted.length !== axes.length) call.fail('shape', `of ${axes.length} lengths`, wanted)
  const shape = [...x.shape]
  const box: { length: number; axis: number; from?: number; to?: number }[] = whole(x.shape)
  axes.forEach((axis, i) => {
    const [have, want] = [x.shape[axis]!, wanted[i]!]
    shape[axis] = want
    box[axis] = {
      length: Math.min(have, want),
      axis,
      from: Math.max(0, Math.floor((have - want) / 2)),
      to: Math.max(0, Math.floor((want - have) / 2)),
    }
  })
  return move(call, shape, [{ source: x, axes: box }])
}

/**
 * Uniform in [0, 1) from the generator that the standard's reference draws from. (Matsumoto & Nishimura,
 * "Mersenne Twister", 1998: MT19937, 53 bits)
 */
function twister(seed: number): () => number {
  const state = new Uint32Array(624)
  state[0] = seed
  for (let i = 1; i < 624; i++) state[i] = Math.imul(1812433253, state[i - 1]! ^ (state[i - 1]! >>> 30)) + i
  let at = 0
  const word = () => {
    const y = (state[at]! & 0x80000000) | (state[(at + 1) % 624]! & 0x7fffffff)
    let v = state[(at + 397) % 624]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    state[at] = v
    at = (at + 1) % 624
    v ^= v >>> 11
    v ^= (v << 7) & 0x9d2c5680
    v ^= (v << 15) & 0xefc60000
    return (v ^ (v >>> 18)) >>> 0
  }
  return () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53
}

/**
 * In training, which a seed makes repeatable, elements are left out at random and the others raised; else it
 * does nothing.
 */
const dropout: Operator = (call) => {
  const x = call.input(0)
  const ratio = call.scalar(1) ?? call.number('ratio', 0.5)
  if (!call.inputs[2]?.data[0] || ratio === 0) {
    // Before opset 12 the mask of a run that does not learn is not defined; ONNX Runtime's is zeros.
    const [type, kept] = [call.opset < 10 ? x.type : 'bool', Number(call.opset >= 12)] as const
    return [x.alias(), call.host(type, x.shape, (to) => to.fill(kept))]
  }
  const random = twister(call.number('seed', Math.floor(Math.random() * 2 ** 32)))
  const keeps = new Uint8Array(x.size)
  const from = x.data as Float64Array
  const y = call.host(x.type, x.shape, (to) =>
    bySlices(to.length, (begin, end) => {
      for (let i = begin; i < end; i++) {
        keeps[i] = Number(random() >= ratio)
        to[i] = keeps[i] ? from[i]! / (1 - ratio) : 0
      }
    }),
  )
  return [y, call.host('bool', x.shape, keeps)]
}

export const shape: Record<string, Operator> = {
  Identity: (call) => call.input(0).alias(),
  Dropout: dropout,
  Constant: constant,
  ConstantOfShape: constantOfShape,
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Tile: tile,
  Expand: expand,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
  Shape: shapeOf,
  Size: (call) => call.host('int64', [], Float64Array.of(call.input(0).size)),
  Range: range,
  EyeLike: eyeLike,
  CenterCropPad: centerCropPad,
}
