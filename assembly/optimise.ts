/**
 * Steps of gradient descent, all parameters in one call. With g = gradient + decay * w:
 *
 *   sgd       u = a u + g
 *             w = keep * w - rate * u
 *   nesterov  u = a u + g
 *             w = keep * w - rate * (g + a u)
 *   rmsProp   v = b v + (1 - b) g^2
 *             w = keep * w - rate * g / (sqrt(v) + epsilon)
 *   adam      u = a u + (1 - a) g,  v = b v + (1 - b) g^2
 *             w = keep * w - rate * u / (sqrt(correction * v) + epsilon)
 *
 * as PyTorch defines them; sgd without state where a is 0. (Kingma & Ba, "Adam", 2015; Loshchilov & Hutter,
 * "Decoupled weight decay", 2019.)
 */
import { UPDATE_BLOCK, Update, UpdateOp, UpdateParameter } from './abi'
import { loadLanes, madd, storeLanes } from './simd'

/** The same units, of which the gradients alone are looked at. */
function probe(call: usize, begin: i32, end: i32): void {
  const args = changetype<Update>(call)
  const limit = f32x4.splat(args.limit)
  let row = call + offsetof<Update>(), first = 0
  for (let u = begin; u < end; u++) {
    while (changetype<UpdateParameter>(row).endUnit <= u) {
      first = changetype<UpdateParameter>(row).endUnit
      row += offsetof<UpdateParameter>()
    }
    const parameter = changetype<UpdateParameter>(row)
    const start = (u - first) * UPDATE_BLOCK
    const gradient = parameter.gradient + (<usize>start << 2)
    const count = min(UPDATE_BLOCK, parameter.size - start)
    let fine = i32x4.splat(-1)
    for (let i = 0; i < count; i += 4) {
      const g = loadLanes(gradient + (<usize>i << 2), min(4, count - i))
      fine = v128.and(fine, f32x4.le(f32x4.abs(g), limit))
    }
    // Whichever thread writes it, it is the same word.
    if (!i32x4.all_true(fine)) store<i32>(args.found, 1)
  }
}

/** Unit: UPDATE_BLOCK floats of one parameter. */
export function update(call: usize, begin: i32, end: i32): void {
  const args = changetype<Update>(call)
  const op = args.op
  if (op == UpdateOp.probe) return probe(call, begin, end)
  const minusRate = f32x4.neg(f32x4.splat(args.rate)), decay = f32x4.splat(args.decay)
  const keep = f32x4.splat(args.keep)
  const a = f32x4.splat(args.a), b = f32x4.splat(args.b), correction = f32x4.splat(args.correction)
  const epsilon = f32x4.splat(args.epsilon)
  const fresh = f32x4.splat(args.fresh), freshSquare = f32x4.splat(args.freshSquare)
  let row = call + offsetof<Update>(), first = 0
  for (let u = begin; u < end; u++) {
    while (changetype<UpdateParameter>(row).endUnit <= u) {
      first = changetype<UpdateParameter>(row).endUnit
      row += offsetof<UpdateParameter>()
    }
    const parameter = changetype<UpdateParameter>(row)
    const start = (u - first) * UPDATE_BLOCK, offset = <usize>start << 2
    const w = parameter.w + offset, gradient = parameter.gradient + offset
    const means = parameter.means, squares = parameter.squares
    const count = min(UPDATE_BLOCK, parameter.size - start)
    for (let i = 0; i < count; i += 4) {
      const lanes = min(4, count - i), at = <usize>i << 2
      const old = loadLanes(w + at, lanes)
      const g = madd(decay, old, loadLanes(gradient + at, lanes))
      let step = g
      if (means) {
        const p = means + offset + at
        step = madd(a, loadLanes(p, lanes), f32x4.mul(fresh, g))
        storeLanes(p, step, lanes)
        if (op == UpdateOp.nesterov) step = madd(a, step, g)
      }
      if (squares) {
        const p = squares + offset + at
        const v = madd(b, loadLanes(p, lanes), f32x4.mul(freshSquare, f32x4.mul(g, g)))
        storeLanes(p, v, lanes)
        step = f32x4.div(step, f32x4.add(f32x4.sqrt(f32x4.mul(correction, v)), epsilon))
      }
      storeLanes(w + at, madd(minusRate, step, f32x4.mul(keep, old)), lanes)
    }
  }
}
