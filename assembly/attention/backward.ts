/** Backward through forward.ts, which has the identities. */
import { scratch } from '../arguments'
import { AttentionGradient } from '../abi'
import { expFalling, tanh } from '../math'
import { addFloats, dot, product, room, rowTable, scaleFloats, settle, shareOf, visible } from './scores'

/**
 * y [columns, rows] = x [rows, columns], in squares of 4: up to 3 rows and columns more are read and
 * written.
 */
function transpose(x: usize, xStride: usize, rows: i32, columns: i32, y: usize, yStride: usize): void {
  for (let row = 0; row < rows; row += 4) {
    let from = x, to = y
    for (let column = 0; column < columns; column += 4) {
      const a = v128.load(from), b = v128.load(from + xStride), c = v128.load(from + 2 * xStride),
        d = v128.load(from + 3 * xStride)
      const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5)
      const ef = v128.shuffle<f32>(a, b, 2, 6, 3, 7), gh = v128.shuffle<f32>(c, d, 2, 6, 3, 7)
      v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5))
      v128.store(to + yStride, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7))
      v128.store(to + 2 * yStride, v128.shuffle<f32>(ef, gh, 0, 1, 4, 5))
      v128.store(to + 3 * yStride, v128.shuffle<f32>(ef, gh, 2, 3, 6, 7))
      from += 16
      to += 4 * yStride
    }
    x += 4 * xStride
    y += 16
  }
}

/**
 * From products to shares p, and from dy . v to ds, for one row and `count` keys from j on; `own` is dy . y
 * of the row.
 */
function shares(
  args: AttentionGradient, head: i32, row: i32, j: i32, count: i32, s: usize, ds: usize, own: f32,
): void {
  const softcap = args.softcap, end = <usize>count << 2
  let minus = f32x4.splat(own)
  if (softcap && !args.dmask) {
    // softcap * tanh(s / softcap), to which the mask is added, rises by 1 - tanh^2.
    const part = f32x4.splat(1 / softcap)
    for (let i: usize = 0; i < end; i += 16) {
      const t = tanh(f32x4.mul(v128.load(s + i), part))
      v128.store(ds + i, f32x4.mul(f32x4.sub(v128.load(ds + i), minus),
        f32x4.sub(f32x4.splat(1), f32x4.mul(t, t))))
    }
    minus = f32x4.splat(0)
  }
  settle(args, head, row, s, j, count)
  const rows = args.group * args.length
  const statistics = args.statistics + (<usize>(head * rows + row) << 2)
  const m = v128.load32_splat(statistics),
    share = v128.load32_splat(statistics + (<usize>(args.heads * rows) << 2))
  for (let i: usize = 0; i < end; i += 16) {
    const p = f32x4.mul(expFalling(f32x4.sub(v128.load(s + i), m)), share)
    v128.store(s + i, p)
    v128.store(ds + i, f32x4.mul(p, f32x4.sub(v128.load(ds + i), minus)))
  }
}

/**
 * Unit: one split of the key blocks of one head, by all rows of it.
 *
 * scratch: zeros [8] | table [2 * most] | q * scale [blockRows][size] | p, ds [blockRows][blockKeys] | the
 * same transposed [blockKeys][blockRows] | sums of a block [most][max(size, valueSize)], most =
 * max(blockRows, blockKeys);
 * blockRows is a multiple of 4
 */
export function attentionGradient(call: usize, begin: i32, end: i32): void {
  const args = changetype<AttentionGradient>(call)
  const size = args.size, valueSize = args.valueSize, keys = args.keys
  const rows = args.group * args.length
  const blockRows = args.blockRows, blockKeys = args.blockKeys, splits = args.splits
  const keyBlocks = (keys + blockKeys - 1) / blockKeys
  const most = max(blockRows, blockKeys)
  const zeros = scratch()
  const table = zeros + 64
  const queries = table + room(2 * most)
  const p = queries + room(blockRows * size)
  const ds = p + room(blockRows * blockKeys)
  const pTurned = ds + room(blockRows * blockKeys)
  const dsTurned = pTurned + room(blockRows * blockKeys)
  const sums = dsTurned + room(blockRows * blockKeys)
  memory.fill(zeros, 0, 32)

  for (let u = begin; u < end; u++) {
    const head = u / splits, split = u % splits
    const dq = args.dq + <usize>(split * args.heads + head) * rows * size * 4
    if (args.dq) memory.fill(dq, 0, <usize>rows * size * 4)
    for (let block = split; block < keyBlocks; block += splits) {
      const j = block * blockKeys, taken = min(blockKeys, keys - j)
      const place = <usize>(head * keys + j)
      if (args.dq) {
        memory.fill(args.dk + place * size * 4, 0, <usize>taken * size * 4)
        memory.fill(args.dv + place * valueSize * 4, 0, <usize>taken * valueSize * 4)
      }
      for (let row = 0; row < rows; row += blockRows) {
        const count = min(blockRows, rows - row)
        const to = <usize>args.dmask + (<usize>(head * rows + row) * keys + j) * 4
        if (visible(args, row, count) <= j) {
          if (args.dmask) for (let r = 0; r < count; r++)
            memory.fill(to + <usize>r * keys * 4, 0, <usize>taken * 4)
          continue
        }
        scoresBack(args, head, row, count, j, taken, zeros)
        if (args.dmask) for (let r = 0; r < count; r++)
          memory.copy(to + <usize>r * keys * 4, ds + <usize>r * blockKeys * 4, <usize>taken * 4)
        if (!args.dq) continue
        const scoreBytes = <usize>blockKeys << 2, turnedBytes = <usize>blockRows << 2
        const valuePanels = (valueSize + 7) / 8, sizePanels = (size + 7) / 8
        const rowBytes = <usize>size << 2, valueBytes = <usize>valueSize << 2
        transpose(p, scoreBytes, count, taken, pTurned, turnedBytes)
        transpose(ds, scoreBytes, count, taken, dsTurned, turnedBytes)
        const first = <usize>row << 5
        rowTable(table, taken, pTurned, turnedBytes, sums, valueBytes)
        product(taken, table, count,
          args.dyRows + <usize>(head * valuePanels * rows << 5) + first, rows, valueSize, zeros)
        addFloats(sums, args.dv + place * valueBytes, taken * valueSize, 1, 1)
        rowTable(table, taken, dsTurned, turnedBytes, sums, rowBytes)
        product(taken, table, count,
          args.qRows + <usize>(head * sizePanels * rows << 5) + first, rows, size, zeros)
        addFloats(sums, args.dk + place * rowBytes, taken * size, 1, args.scale)
        rowTable(table, count, ds, scoreBytes, sums, rowBytes)
        product(count, table, taken,
          args.kRows + <usize>(head * sizePanels * keys + j << 5), keys, size, zeros)
        addFloats(sums, dq + <usize>row * rowBytes, count * size, 1, args.scale)
      }
    }
  }
}

/** p and ds of `count` rows and `taken` keys to their places in scratch memory. */
function scoresBack(
  args: AttentionGradient, head: i32, row: i32, count: i32, j: i32, taken: i32, zeros: usize,
): void {
  const size = args.size, valueSize = args.valueSize
  const rowBytes = <usize>size << 2, valueBytes = <usize>valueSize << 2
  const blockRows = args.blockRows, blockKeys = args.blockKeys, scoreBytes = <usize>blockKeys << 2
  const keyPanels = (args.keys + 7) / 8
  const table = zeros + 64
  const queries = table + room(2 * max(blockRows, blockKeys))
  const p = queries + room(blockRows * size)
  const ds = p + room(blockRows * blockKeys)
  const place = <usize>(head * args.group * args.length + row)
  const y = args.y + place * valueBytes, dy = args.dy + place * valueBytes
  const panel = head * keyPanels * 8 + j, columns = (taken + 7) & -8
  scaleFloats(args.q + place * rowBytes, queries, count * size, args.scale)
  rowTable(table, count, queries, rowBytes, p, scoreBytes)
  product(count, table, size, args.k + <usize>panel * rowBytes, size, columns, zeros)
  rowTable(table, count, dy, valueBytes, ds, scoreBytes)
  product(count, table, valueSize, args.vColumns + <usize>panel * valueBytes, valueSize, columns, zeros)
  for (let r = 0; r < count; r++) {
    const from = <usize>r * valueBytes, at = <usize>r * scoreBytes
    shares(args, head, row + r, j, taken, p + at, ds + at, dot(y + from, dy + from, valueSize))
  }
}
