/**
 * Attention: each row of q takes the rows of v in shares that fall with the distance of its scores from the
 * largest.
 *
 *   s[r][j] = softcap(scale * q[r] . k[j]) + mask[r][j],  p[r] = softmax(s[r]),  y[r] = sum over j of
 *   p[r][j] * v[j]
 *
 * Keys stream by in blocks. A row keeps its largest score m so far and the sum l of exp(s - m); where m
 * rises, l and what was summed for y shrink by exp(m before - m). No [rows, keys] matrix is stored.
 * (Milakov & Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention",
 * 2022.)
 *
 * Backward recomputes p from m and 1 / l, with ds[r][j] = p[r][j] * (dy[r] . v[j] - dy[r] . y[r]):
 *
 *   dv[j] = sum over r of p[r][j] * dy[r],  dq[r] = scale * sum over j of ds[r][j] * k[j],
 *   dk[j] = scale * sum over r of ds[r][j] * q[r]
 *
 * All products are those of the register tile (dense/tile.ts) on panels; those of one or few rows, for which
 * panels are not worth their packing, read k and v as they are. Letters: r rows, j keys.
 */
import { scratch } from '../arguments'
import { Attention } from '../abi'
import { expFalling } from '../math'
import { peakRow } from '../softmax'
import {
  LOWEST, addFloats, dots, exponentials, mix, product, room, rowTable, scaleFloats, settle, shareOf, visible,
} from './scores'

/**
 * Unit: `blockRows` rows of one head.
 *
 * scratch: zeros [8] | largest [blockRows] | kept [blockRows] | sums [blockRows] of f64 | table [2 *
 * blockRows] | q * scale [blockRows][size] | scores [blockRows][blockKeys] | sums of a block
 * [blockRows][valueSize]
 */
export function attention(call: usize, begin: i32, end: i32): void {
  const args = changetype<Attention>(call)
  const size = args.size, valueSize = args.valueSize, keys = args.keys
  const rows = args.group * args.length
  const blockRows = args.blockRows, blockKeys = args.blockKeys
  const blocks = (rows + blockRows - 1) / blockRows
  const packed = args.packed
  const keyPanels = (keys + 7) / 8, valuePanels = (valueSize + 7) / 8
  const rowBytes = <usize>size << 2, scoreBytes = <usize>blockKeys << 2, valueBytes = <usize>valueSize << 2

  const zeros = scratch()
  const largest = zeros + 64
  const kept = largest + room(blockRows)
  const sums = kept + room(blockRows)
  const table = sums + room(2 * blockRows)
  const queries = table + room(2 * blockRows)
  const scores = queries + room(blockRows * size)
  const mixed = scores + room(blockRows * blockKeys)
  memory.fill(zeros, 0, 32)

  for (let u = begin; u < end; u++) {
    const head = u / blocks, row = (u % blocks) * blockRows
    const count = min(blockRows, rows - row)
    const place = head * rows + row
    const k = args.k + <usize>head * (packed ? keyPanels * 8 : keys) * rowBytes
    const v = args.v + <usize>head * keys * (packed ? <usize>valuePanels << 5 : valueBytes)
    const y = args.y + <usize>place * valueBytes
    scaleFloats(args.q + <usize>place * rowBytes, queries, count * size, args.scale)
    for (let r: usize = 0; r < <usize>count; r++) {
      store<f32>(largest + (r << 2), LOWEST)
      store<f64>(sums + (r << 3), 0)
    }
    const most = visible(args, row, count)
    for (let j = 0; j < most; j += blockKeys) {
      const taken = min(blockKeys, most - j), isLast = j + taken == most
      if (packed) {
        rowTable(table, count, queries, rowBytes, scores, scoreBytes)
        product(count, table, size, k + <usize>j * rowBytes, size, (taken + 7) & -8, zeros)
      } else
        for (let r: usize = 0; r < <usize>count; r++)
          dots(queries + r * rowBytes, k + <usize>j * rowBytes, taken, size, scores + r * scoreBytes)
      for (let r: usize = 0; r < <usize>count; r++) {
        const s = scores + r * scoreBytes
        settle(args, head, row + <i32>r, s, j, taken)
        const before = load<f32>(largest + (r << 2))
        const peak = peakRow(s, taken), m = before < peak ? peak : before
        const keep = f32x4.extract_lane(expFalling(f32x4.splat(before - m)), 0)
        store<f32>(largest + (r << 2), m)
        store<f32>(kept + (r << 2), keep)
        store<f64>(sums + (r << 3), load<f64>(sums + (r << 3)) * keep + exponentials(s, taken, m))
      }
      if (packed) {
        rowTable(table, count, scores, scoreBytes, mixed, valueBytes)
        product(count, table, taken, v + (<usize>j << 5), keys, valueSize, zeros)
      } else
        for (let r: usize = 0; r < <usize>count; r++)
          mix(scores + r * scoreBytes, v + <usize>j * valueBytes, taken, valueSize, mixed + r * valueBytes)
      for (let r: usize = 0; r < <usize>count; r++) {
        const to = y + r * valueBytes, from = mixed + r * valueBytes
        const sum = load<f64>(sums + (r << 3))
        const share: f32 = !isLast ? 1 : sum == 0 ? args.unseen : shareOf(sum)
        if (j) addFloats(from, to, valueSize, load<f32>(kept + (r << 2)) * share, share)
        else scaleFloats(from, to, valueSize, share)
      }
    }
    const statistics = args.statistics + (<usize>place << 2)
    if (args.statistics) {
      for (let r: usize = 0; r < <usize>count; r++) {
        store<f32>(statistics + (r << 2), load<f32>(largest + (r << 2)))
        store<f32>(statistics + (<usize>(args.heads * rows) + r << 2), shareOf(load<f64>(sums + (r << 3))))
      }
    }
  }
}
