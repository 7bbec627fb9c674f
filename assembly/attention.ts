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
import { scratch } from './arguments'
import { Attention, AttentionGradient } from './abi'
import { runTiles } from './dense/tile'
import { expFalling, tanh } from './math'
import { peakRow } from './reduce'
import { TILE_ROWS, highHalf, loadLanes, loadPart, lowHalf, madd, storeLanes, storePart, sumLanes } from './simd'

/** What a row's largest score starts from: of a row that sees nothing, exp(-Infinity - LOWEST) is 0. */
const LOWEST: f32 = -3.4028234663852886e38

/** Bytes of `count` floats, up to whole cache lines. */
// @ts-ignore: decorator
@inline
function room(count: i32): usize {
  return <usize>((count + 15) & -16) << 2
}

/**
 * y [rows, columns] = x [rows, depth] times panels [columns / 8][panelDepth][8] from row 0 of each on.
 *
 * table: [2 * rows]; zeros: [8]
 */
function product(
  rows: i32, x: usize, xStride: usize, y: usize, yStride: usize, depth: i32, panels: usize, panelDepth: i32,
  columns: i32, zeros: usize, table: usize,
): void {
  let to = table
  for (let r = 0; r < rows; r += TILE_ROWS) {
    const count = min(TILE_ROWS, rows - r)
    for (let i = 0; i < count; i++) {
      store<usize>(to + (<usize>i << 2), y)
      store<usize>(to + (<usize>(count + i) << 2), x)
      y += yStride
      x += xStride
    }
    to += <usize>count << 3
  }
  const low = f32x4.splat(-Infinity), high = f32x4.splat(Infinity)
  for (let column = 0; column < columns; column += 8) {
    runTiles(rows, table, 1, depth, 0, panels, zeros, <usize>column << 2, min(8, columns - column), low, high)
    panels += <usize>panelDepth << 5
  }
}

/** y = x * factor */
function scaleFloats(x: usize, y: usize, count: i32, factor: f32): void {
  const f = f32x4.splat(factor)
  for (; count >= 4; count -= 4) {
    v128.store(y, f32x4.mul(v128.load(x), f))
    x += 16
    y += 16
  }
  storePart(y, f32x4.mul(loadPart(x, count), f), count)
}

/** y = y * keep + x * factor */
function addFloats(x: usize, y: usize, count: i32, keep: f32, factor: f32): void {
  const k = f32x4.splat(keep), f = f32x4.splat(factor)
  for (; count >= 4; count -= 4) {
    v128.store(y, madd(v128.load(x), f, f32x4.mul(v128.load(y), k)))
    x += 16
    y += 16
  }
  storePart(y, madd(loadPart(x, count), f, f32x4.mul(loadPart(y, count), k)), count)
}

function dot(a: usize, b: usize, count: i32): f32 {
  let sum = f32x4.splat(0)
  for (; count >= 4; count -= 4) {
    sum = madd(v128.load(a), v128.load(b), sum)
    a += 16
    b += 16
  }
  return sumLanes(madd(loadPart(a, count), loadPart(b, count), sum))
}

/** s[j] = q . k[j], four keys at a time. */
function dots(q: usize, k: usize, keys: i32, size: i32, s: usize): void {
  const stride = <usize>size << 2, whole = <usize>(size & -4) << 2
  const rest = size & 3
  for (; keys > 0; keys -= 4) {
    // Where keys are fewer, the last is taken again.
    const k1 = k + (keys > 1 ? stride : 0), k2 = k1 + (keys > 2 ? stride : 0), k3 = k2 + (keys > 3 ? stride : 0)
    let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0
    for (let i: usize = 0; i < whole; i += 16) {
      const a = v128.load(q + i)
      c0 = madd(a, v128.load(k + i), c0)
      c1 = madd(a, v128.load(k1 + i), c1)
      c2 = madd(a, v128.load(k2 + i), c2)
      c3 = madd(a, v128.load(k3 + i), c3)
    }
    if (rest) {
      const a = loadPart(q + whole, rest)
      c0 = madd(a, loadPart(k + whole, rest), c0)
      c1 = madd(a, loadPart(k1 + whole, rest), c1)
      c2 = madd(a, loadPart(k2 + whole, rest), c2)
      c3 = madd(a, loadPart(k3 + whole, rest), c3)
    }
    const c01 = f32x4.add(v128.shuffle<f32>(c0, c1, 0, 4, 1, 5), v128.shuffle<f32>(c0, c1, 2, 6, 3, 7))
    const c23 = f32x4.add(v128.shuffle<f32>(c2, c3, 0, 4, 1, 5), v128.shuffle<f32>(c2, c3, 2, 6, 3, 7))
    v128.store(s, f32x4.add(v128.shuffle<f32>(c01, c23, 0, 1, 4, 5), v128.shuffle<f32>(c01, c23, 2, 3, 6, 7)))
    s += 16
    k += stride << 2
  }
}

/** y = sum over j of p[j] * v[j] */
function mix(p: usize, v: usize, keys: i32, valueSize: i32, y: usize): void {
  const stride = <usize>valueSize << 2, end = p + (<usize>keys << 2)
  let left = valueSize
  for (; left >= 16; left -= 16) {
    let c0 = f32x4.splat(0), c1 = c0, c2 = c0, c3 = c0
    for (let i = p, from = v; i < end; i += 4) {
      const a = v128.load32_splat(i)
      c0 = madd(a, v128.load(from), c0)
      c1 = madd(a, v128.load(from, 16), c1)
      c2 = madd(a, v128.load(from, 32), c2)
      c3 = madd(a, v128.load(from, 48), c3)
      from += stride
    }
    v128.store(y, c0)
    v128.store(y, c1, 16)
    v128.store(y, c2, 32)
    v128.store(y, c3, 48)
    v += 64
    y += 64
  }
  for (; left > 0; left -= 4) {
    const lanes = min(4, left)
    let c = f32x4.splat(0)
    for (let i = p, from = v; i < end; i += 4) {
      c = madd(v128.load32_splat(i), loadLanes(from, lanes), c)
      from += stride
    }
    storeLanes(y, c, lanes)
    v += 16
    y += 16
  }
}

/** Keys that some of `count` rows from `row` on may see. */
function visible(args: Attention, row: i32, count: i32): i32 {
  const length = args.length, last = row + count - 1
  const i = row / length == last / length ? last % length : length - 1
  return min(args.keys, args.first + i + 1)
}

/**
 * Products q . k of `row` with keys [j, j + count) to scores: capped, masked; -Infinity for what is hidden,
 * up to a multiple of 4.
 */
function settle(args: Attention, head: i32, row: i32, s: usize, j: i32, count: i32): void {
  const hidden = f32x4.splat(-Infinity)
  const length = args.length, i = row % length
  const softcap = args.softcap, mask = args.mask
  if (softcap) {
    const cap = f32x4.splat(softcap), part = f32x4.splat(1 / softcap)
    for (let n: usize = 0; n < <usize>count << 2; n += 16) v128.store(s + n, f32x4.mul(tanh(f32x4.mul(v128.load(s + n), part)), cap))
  }
  const seen = max(0, min(count, args.first + i + 1 - j))
  if (mask) {
    const imageHeads = args.imageHeads, step = <usize>args.maskKeyStride
    let m = mask + (head / imageHeads) * args.maskImageStride + ((head % imageHeads) * args.group + row / length) * args.maskHeadStride
      + i * args.maskRowStride + j * step
    const bytes = args.maskBytes == 1
    let to = s
    for (let left = seen; left > 0; left -= 4) {
      const lanes = min(4, left), v = v128.load(to)
      if (bytes) v128.store(to, v128.bitselect(hidden, v, i32x4.eq(step ? loadMask(m, lanes) : i32x4.splat(load<u8>(m)), i32x4.splat(0))))
      else v128.store(to, f32x4.add(v, step ? loadLanes(m, lanes) : v128.load32_splat(m)))
      to += 16
      m += step << 2
    }
  }
  const end = s + (<usize>((count + 3) & -4) << 2)
  for (s += <usize>seen << 2; s < end; s += 4) store<f32>(s, -Infinity)
}

/** `lanes` (1 to 4) bytes as 32-bit integers; 0 beside them. */
// @ts-ignore: decorator
@inline
function loadMask(m: usize, lanes: i32): v128 {
  let bytes: u32 = 0
  if (lanes == 4) bytes = load<u32>(m)
  else for (let i = lanes - 1; i >= 0; i--) bytes = (bytes << 8) | load<u8>(m + i)
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4(bytes, 0, 0, 0)))
}

/** s = exp(s - m) for `count` floats, up to a multiple of 4; their sum. */
function exponentials(s: usize, count: i32, m: f32): f64 {
  const peak = f32x4.splat(m)
  let sum0 = f32x4.splat(0), sum1 = sum0
  const end = s + (<usize>((count + 3) & -4) << 2)
  for (; s + 32 <= end; s += 32) {
    const e0 = expFalling(f32x4.sub(v128.load(s), peak)), e1 = expFalling(f32x4.sub(v128.load(s, 16), peak))
    v128.store(s, e0)
    v128.store(s, e1, 16)
    sum0 = f32x4.add(sum0, e0)
    sum1 = f32x4.add(sum1, e1)
  }
  if (s < end) {
    const e = expFalling(f32x4.sub(v128.load(s), peak))
    v128.store(s, e)
    sum0 = f32x4.add(sum0, e)
  }
  const low = f64x2.add(f64x2.add(lowHalf(sum0), highHalf(sum0)), f64x2.add(lowHalf(sum1), highHalf(sum1)))
  return f64x2.extract_lane(low, 0) + f64x2.extract_lane(low, 1)
}

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
      if (packed)
        product(count, queries, rowBytes, scores, scoreBytes, size, k + <usize>j * rowBytes, size, (taken + 7) & -8, zeros, table)
      else
        for (let r: usize = 0; r < <usize>count; r++)
          dots(queries + r * rowBytes, k + <usize>j * rowBytes, taken, size, scores + r * scoreBytes)
      for (let r: usize = 0; r < <usize>count; r++) {
        const s = scores + r * scoreBytes
        settle(args, head, row + <i32>r, s, j, taken)
        const before = load<f32>(largest + (r << 2))
        const m = f32x4.extract_lane(f32x4.pmax(f32x4.splat(before), peakRow(s, taken)), 0)
        const keep = f32x4.extract_lane(expFalling(f32x4.splat(before - m)), 0)
        store<f32>(largest + (r << 2), m)
        store<f32>(kept + (r << 2), keep)
        store<f64>(sums + (r << 3), load<f64>(sums + (r << 3)) * keep + exponentials(s, taken, m))
      }
      if (packed)
        product(count, scores, scoreBytes, mixed, valueBytes, taken, v + (<usize>j << 5), keys, valueSize, zeros, table)
      else
        for (let r: usize = 0; r < <usize>count; r++)
          mix(scores + r * scoreBytes, v + <usize>j * valueBytes, taken, valueSize, mixed + r * valueBytes)
      for (let r: usize = 0; r < <usize>count; r++) {
        const to = y + r * valueBytes, from = mixed + r * valueBytes
        const share = isLast ? shareOf(load<f64>(sums + (r << 3))) : 1
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

/** 1 / sum; 0 for a row that sees nothing. */
// @ts-ignore: decorator
@inline
function shareOf(sum: f64): f32 {
  return sum == 0 ? 0 : <f32>(1 / sum)
}

/**
 * y [columns, rows] = x [rows, columns], in squares of 4: up to 3 rows and columns more are read and
 * written.
 */
function transpose(x: usize, xStride: usize, rows: i32, columns: i32, y: usize, yStride: usize): void {
  for (let row = 0; row < rows; row += 4) {
    let from = x, to = y
    for (let column = 0; column < columns; column += 4) {
      const a = v128.load(from), b = v128.load(from + xStride), c = v128.load(from + 2 * xStride), d = v128.load(from + 3 * xStride)
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
function shares(args: AttentionGradient, head: i32, row: i32, j: i32, count: i32, s: usize, ds: usize, own: f32): void {
  const softcap = args.softcap, end = <usize>count << 2
  let minus = f32x4.splat(own)
  if (softcap && !args.dmask) {
    // softcap * tanh(s / softcap), to which the mask is added, rises by 1 - tanh^2.
    const part = f32x4.splat(1 / softcap)
    for (let i: usize = 0; i < end; i += 16) {
      const t = tanh(f32x4.mul(v128.load(s + i), part))
      v128.store(ds + i, f32x4.mul(f32x4.sub(v128.load(ds + i), minus), f32x4.sub(f32x4.splat(1), f32x4.mul(t, t))))
    }
    minus = f32x4.splat(0)
  }
  settle(args, head, row, s, j, count)
  const rows = args.group * args.length
  const statistics = args.statistics + (<usize>(head * rows + row) << 2)
  const m = v128.load32_splat(statistics), share = v128.load32_splat(statistics + (<usize>(args.heads * rows) << 2))
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
          if (args.dmask) for (let r = 0; r < count; r++) memory.fill(to + <usize>r * keys * 4, 0, <usize>taken * 4)
          continue
        }
        scoresBack(args, head, row, count, j, taken, zeros)
        if (args.dmask) for (let r = 0; r < count; r++) memory.copy(to + <usize>r * keys * 4, ds + <usize>r * blockKeys * 4, <usize>taken * 4)
        if (!args.dq) continue
        const scoreBytes = <usize>blockKeys << 2, turnedBytes = <usize>blockRows << 2
        const valuePanels = (valueSize + 7) / 8, sizePanels = (size + 7) / 8
        const rowBytes = <usize>size << 2, valueBytes = <usize>valueSize << 2
        transpose(p, scoreBytes, count, taken, pTurned, turnedBytes)
        transpose(ds, scoreBytes, count, taken, dsTurned, turnedBytes)
        const first = <usize>row << 5
        product(taken, pTurned, turnedBytes, sums, valueBytes, count, args.dyRows + <usize>(head * valuePanels * rows << 5) + first, rows, valueSize, zeros, table)
        addFloats(sums, args.dv + place * valueBytes, taken * valueSize, 1, 1)
        product(taken, dsTurned, turnedBytes, sums, rowBytes, count, args.qRows + <usize>(head * sizePanels * rows << 5) + first, rows, size, zeros, table)
        addFloats(sums, args.dk + place * rowBytes, taken * size, 1, args.scale)
        product(count, ds, scoreBytes, sums, rowBytes, taken, args.kRows + <usize>(head * sizePanels * keys + j << 5), keys, size, zeros, table)
        addFloats(sums, dq + <usize>row * rowBytes, count * size, 1, args.scale)
      }
    }
  }
}

/** p and ds of `count` rows and `taken` keys to their places in scratch memory. */
function scoresBack(args: AttentionGradient, head: i32, row: i32, count: i32, j: i32, taken: i32, zeros: usize): void {
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
  product(count, queries, rowBytes, p, scoreBytes, size, args.k + <usize>panel * rowBytes, size, columns, zeros, table)
  product(count, dy, valueBytes, ds, scoreBytes, valueSize, args.vColumns + <usize>panel * valueBytes, valueSize, columns, zeros, table)
  for (let r = 0; r < count; r++) {
    const from = <usize>r * valueBytes, at = <usize>r * scoreBytes
    shares(args, head, row + r, j, taken, p + at, ds + at, dot(y + from, dy + from, valueSize))
  }
}
