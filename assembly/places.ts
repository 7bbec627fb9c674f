/** Rows by indices along several axes: where they stand, and bringing others there. */
import { PlaceAxis, Places, ScatterOp, ScatterRows } from './abi'

/**
 * Unit: `unit` rows. y[row] = the place that the indices of the row name. A negative index counts from the
 * end; one outside counts as 0, and is told to the fault word.
 */
export function places(call: usize, begin: i32, end: i32): void {
  const args = changetype<Places>(call)
  const depth = args.depth, fault = args.fault, batchStep = args.batchStep
  const last = min(args.rows, end * args.unit)
  const axes = call + offsetof<Places>()
  if (depth == 1 && !batchStep) {
    const axis = changetype<PlaceAxis>(axes), length = axis.length, stride = axis.stride
    for (let row = begin * args.unit; row < last; row++) {
      const given = load<i32>(args.indices + (<usize>row << 2))
      let index = given < 0 ? given + length : given
      if (<u32>index >= <u32>length) {
        store<i32>(fault, length + 1)
        store<i32>(fault, given, 4)
        index = 0
      }
      store<i32>(args.y + (<usize>row << 2), index * stride)
    }
    return
  }
  for (let row = begin * args.unit; row < last; row++) {
    const indices = args.indices + (<usize>(row * depth) << 2)
    let place = batchStep ? row / args.batchRows * batchStep : 0
    for (let i = 0; i < depth; i++) {
      const axis = changetype<PlaceAxis>(axes + <usize>i * offsetof<PlaceAxis>())
      const length = axis.length, given = load<i32>(indices + (<usize>i << 2))
      const index = given < 0 ? given + length : given
      if (<u32>index < <u32>length) place += index * axis.stride
      else {
        store<i32>(fault, length + 1)
        store<i32>(fault, given, 4)
      }
    }
    store<i32>(args.y + (<usize>row << 2), place)
  }
}

/**
 * Unit: `unit` bytes of every row. Rows are brought in their order, so that of several to one place the
 * last stays.
 */
export function scatterRows(call: usize, begin: i32, end: i32): void {
  const args = changetype<ScatterRows>(call)
  const bytes = <usize>(args.inner * args.bytes), op = args.op
  const first = <usize>(begin * args.unit), width = min(bytes, <usize>(end * args.unit)) - first
  let from = args.updates + first
  for (let i = 0; i < args.count; i++) {
    const to = args.x + <usize>load<i32>(args.places + (<usize>i << 2)) * bytes + first
    if (op == ScatterOp.put) {
      // The call alone takes longer than these.
      if (width == 4) store<u32>(to, load<u32>(from))
      else if (width == 8) store<u64>(to, load<u64>(from))
      else memory.copy(to, from, width)
    }
    else if (args.integers) {
      for (let at: usize = 0; at < width; at += 4)
        store<i32>(to + at, combinedInteger(op, load<i32>(to + at), load<i32>(from + at)))
    } else {
      for (let at: usize = 0; at < width; at += 4)
        store<f32>(to + at, combinedFloat(op, load<f32>(to + at), load<f32>(from + at)))
    }
    from += bytes
  }
}

export function combinedFloat(op: i32, old: f32, update: f32): f32 {
  switch (op) {
    case ScatterOp.add: return old + update
    case ScatterOp.mul: return old * update
    case ScatterOp.maximum: return max(old, update)
  }
  return min(old, update)
}

export function combinedInteger(op: i32, old: i32, update: i32): i32 {
  switch (op) {
    case ScatterOp.add: return old + update
    case ScatterOp.mul: return old * update
    case ScatterOp.maximum: return max(old, update)
  }
  return min(old, update)
}
