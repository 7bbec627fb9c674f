import { Gather } from '../../assembly/calls.js'
import { type Engine, engineOf } from '../engine.js'
import { check, show } from '../errors.js'
import { sizeOf } from '../shape.js'
import { Tensor } from '../tensor.js'

/** Which rows to take: integers from 0 in a list, or in a tensor of any shape. */
export type Indices = Int32Array | Uint8Array | readonly number[] | Tensor

/**
 * Rows of a table, as for embeddings: y[i] = table[indices[i]]. Definition: ONNX Gather along axis 0, without negative indices.
 *
 * @param table [rows, ...]
 * @param indices integers from 0 to rows - 1, in any order, repeated or not
 * @returns [...shape of indices, ...]
 * @throws FilterbankError for an index that is no row (its position is told); nothing is allocated then
 * @example const vectors = gather(words, Int32Array.of(3, 1, 4, 1))
 */
export function gather(table: Tensor, indices: Indices): Tensor {
  const op = 'gather'
  const given = indices instanceof Tensor ? indices : undefined
  const engine = engineOf(op, { table }, { indices: given })
  const shapes = { table: table.shape, indices: given?.shape }
  check(table.shape.length > 0, () => ({ op, argument: 'table', expected: '[rows, ...]', got: '[]', shapes }))
  const list = given?.toArray() ?? (indices as ArrayLike<number>)
  check(Array.isArray(list) || (ArrayBuffer.isView(list) && 'length' in list), () => ({
    op,
    argument: 'indices',
    expected: 'integers, or a tensor of them',
    got: show(indices),
    shapes,
  }))
  const rows = table.shape[0]!
  for (let i = 0; i < list.length; i++) {
    const index = list[i]!
    check(Number.isInteger(index) && index >= 0 && index < rows, () => ({ op, argument: `indices[${i}]`, expected: rows ? `an integer from 0 to ${rows - 1}` : 'none, for a table without rows', got: show(index), shapes })) // biome-ignore format: one line
  }
  const chosen = Int32Array.from(list)
  const rest = table.shape.slice(1)
  const y = engine.make([...(given ? given.shape : [chosen.length]), ...rest], (y) => runGather(engine, 'gather', table, chosen, y))
  engine.tape?.record(op, y, { table }, {}, (dy) => ({
    table: () => engine.make(table.shape, (sums) => runGather(engine, 'gatherGradient', sums, chosen, dy)),
  }))
  return y
}

/** Backwards the rows of y are added to those of the table. */
function runGather(engine: Engine, kernel: 'gather' | 'gatherGradient', table: Tensor, indices: Int32Array, y: Tensor): void {
  const columns = sizeOf(table.shape.slice(1))
  const room = engine.allocate(indices.length * 4)
  engine.i32.set(indices, room / 4)
  const { i32 } = engine
  const call = engine.call(Gather.length)
  i32[call + Gather.table] = table.pointer
  i32[call + Gather.indices] = room
  i32[call + Gather.y] = y.pointer
  i32[call + Gather.columns] = columns
  i32[call + Gather.count] = indices.length
  i32[call + Gather.rows] = table.shape[0]!
  engine.run(kernel, call, kernel === 'gather' ? indices.length : Math.ceil(columns / 16), kernel === 'gather' ? y.size : y.size + table.size)
  engine.free(room)
}
