/** The plan of assembly/attention.ts: packing, blocks and units, forwards and backwards. */

import { broadcastStrides } from '../base/shape.js'
import type { Engine } from '../core/engine.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Attention } from '../wasm/abi.js'
import { type Panels, packPanels, panelCount } from './igemm.js'

/** What attention is over, beside its tensors. */
export interface AttentionLayer {
  n: number
  /** Heads of q; a multiple of those of k and v. */
  heads: number
  kvHeads: number
  length: number
  keys: number
  size: number
  valueSize: number
  scale: number
  /** 0: none. */
  softcap: number
  /** What a query gives that sees no key: 0, or NaN. */
  unseen: number
  /** Query i sees keys 0 to first + i. */
  first: number
}

/** The tensors of one attention; the mask [.., length, keys] broadcasts from the last axis on. */
export interface AttentionInputs {
  q: Tensor
  k: Tensor
  v: Tensor
  mask?: AnyTensor | undefined
}

/** Rows and keys of a block forwards, and backwards. No bench of this clone shows them yet. */
const FORWARD = { blockRows: 60, blockKeys: 128 }
const BACKWARD = { blockRows: 60, blockKeys: 64 }

/** Rows up to which k and v are read as they are. No bench of this clone shows them yet. */
const FEW_ROWS = 4

/** Units that threads should find, and parts that dq is summed in at most. */
const UNITS = 16
const MOST_SPLITS = 8

/** Rows of q that share a head of k and v: those of all heads that do, one after the other. */
const rowsOf = ({ heads, kvHeads, length }: AttentionLayer): number => (heads / kvHeads) * length

/** Matrices [rows, columns] as panels of 8 columns: of their transposes, where `turned`. */
const matrices = (count: number, rows: number, columns: number, turned = false): Panels => ({
  width: 8,
  groups: count,
  columns: turned ? rows : columns,
  tapsH: 1,
  tapsW: 1,
  depth: turned ? columns : rows,
  offset: 0,
  groupStride: rows * columns,
  tapHStride: 0,
  tapWStride: 0,
  rowStride: turned ? 1 : columns,
  columnStride: turned ? columns : 1,
})

/** `use` of the addresses of packed matrices, which are given back behind it. */
function withPacked(
  engine: Engine,
  sources: readonly (readonly [tensor: Tensor, panels: Panels])[],
  use: (...addresses: number[]) => void,
): void {
  const addresses: number[] = []
  try {
    for (const [tensor, panels] of sources) {
      // Whatever the number of columns: the kernel knows no other form.
      const floats = panels.groups * panels.depth * 8 * panelCount(panels.columns)
      addresses.push(engine.allocate(floats * 4))
      packPanels(engine, tensor.pointer, addresses.at(-1)!, panels)
    }
    use(...addresses)
  } finally {
    for (const address of addresses) engine.free(address)
  }
}

function argsOf(
  layer: AttentionLayer,
  { q, mask }: AttentionInputs,
  y: Tensor,
  at: { k: number; v: number; packed: boolean; statistics: number },
): Attention {
  const { n, heads, kvHeads, length, keys, size, valueSize, scale, softcap, unseen, first } = layer
  const bytes = mask?.dtype === 'uint8' ? 1 : 4
  const strides = mask ? broadcastStrides(mask.shape, [n, heads, length, keys]) : [0, 0, 0, 0]
  const [image, head, row, key] = strides.map((stride) => stride * bytes) as [number, number, number, number]
  return {
    q: q.pointer,
    y: y.pointer,
    k: at.k,
    v: at.v,
    packed: Number(at.packed),
    statistics: at.statistics,
    mask: mask?.pointer ?? 0,
    maskBytes: bytes,
    maskImageStride: image,
    maskHeadStride: head,
    maskRowStride: row,
    maskKeyStride: key,
    heads: n * kvHeads,
    imageHeads: kvHeads,
    group: heads / kvHeads,
    length,
    keys,
    size,
    valueSize,
    scale,
    softcap,
    unseen,
    first,
    ...FORWARD,
  }
}

/** Floats of scratch memory that are a whole number of cache lines. */
const room = (floats: number): number => Math.ceil(floats / 16) * 16

/**
 * Writes y [n, heads, length, valueSize], and where they are wanted the statistics [2, n, heads, length]; all
 * lengths are positive.
 */
export function runAttention(
  layer: AttentionLayer,
  inputs: AttentionInputs,
  y: Tensor,
  statistics: Tensor | undefined,
): void {
  const { n, kvHeads, keys, size, valueSize } = layer
  const { k, v } = inputs
  const { engine } = y
  const rows = rowsOf(layer)
  const isPacked = rows > FEW_ROWS
  const { blockRows, blockKeys } = FORWARD
  const run = (kAddress: number, vAddress: number) => {
    engine.scratch(
      4 *
        (16 +
          2 * room(blockRows) +
          2 * room(2 * blockRows) +
          room(blockRows * size) +
          room(blockRows * blockKeys) +
          room(blockRows * valueSize)),
    )
    engine.run({
      kernel: 'attention',
      args: argsOf(layer, inputs, y, {
        k: kAddress,
        v: vAddress,
        packed: isPacked,
        statistics: statistics?.pointer ?? 0,
      }),
      units: n * kvHeads * Math.ceil(rows / blockRows),
      work: n * kvHeads * rows * keys * (size + valueSize + 8),
    })
  }
  if (isPacked)
    withPacked(
      engine,
      [
        [k, matrices(n * kvHeads, keys, size, true)],
        [v, matrices(n * kvHeads, keys, valueSize)],
      ],
      run,
    )
  else run(k.pointer, v.pointer)
}

/** What backward writes: the derivatives of q, k and v, or that of the mask [n, heads, length, keys]. */
export type AttentionDerivatives = { dq: Tensor; dk: Tensor; dv: Tensor } | { dmask: Tensor }

/** In how many parts dq is summed, which follows from the shapes alone. */
export function attentionSplits({ n, kvHeads, keys }: AttentionLayer): number {
  const blocks = Math.ceil(keys / BACKWARD.blockKeys)
  return Math.min(blocks, MOST_SPLITS, Math.ceil(UNITS / (n * kvHeads)))
}

/** Writes the derivatives: of q as parts [splits, n, heads, length, size] that are to be summed. */
export function runAttentionGradient(
  layer: AttentionLayer,
  inputs: AttentionInputs,
  y: Tensor,
  statistics: Tensor,
  dy: Tensor,
  to: AttentionDerivatives,
): void {
  const { n, kvHeads, keys, size, valueSize } = layer
  const { q, k, v } = inputs
  const { engine } = y
  const rows = rowsOf(layer)
  const heads = n * kvHeads
  const { blockRows, blockKeys } = BACKWARD
  const most = Math.max(blockRows, blockKeys)
  const splits = attentionSplits(layer)
  const isWhole = 'dq' in to
  withPacked(
    engine,
    [
      [k, matrices(heads, keys, size, true)],
      [v, matrices(heads, keys, valueSize, true)],
      ...(isWhole
        ? ([
            [k, matrices(heads, keys, size)],
            [q, matrices(heads, rows, size)],
            [dy, matrices(heads, rows, valueSize)],
          ] as const)
        : []),
    ],
    (kColumns, vColumns, kRows = 0, qRows = 0, dyRows = 0) => {
      engine.scratch(
        4 *
          (16 +
            room(2 * most) +
            room(blockRows * size) +
            4 * room(blockRows * blockKeys) +
            room(most * Math.max(size, valueSize))),
      )
      engine.run({
        kernel: 'attentionGradient',
        args: {
          ...argsOf(layer, inputs, y, { k: kColumns!, v: 0, packed: true, statistics: statistics.pointer }),
          ...BACKWARD,
          dy: dy.pointer,
          vColumns: vColumns!,
          kRows,
          qRows,
          dyRows,
          dq: isWhole ? to.dq.pointer : 0,
          dk: isWhole ? to.dk.pointer : 0,
          dv: isWhole ? to.dv.pointer : 0,
          dmask: isWhole ? 0 : to.dmask.pointer,
          splits,
        },
        units: heads * splits,
        work: heads * rows * keys * (isWhole ? 5 : 2) * Math.max(size, valueSize),
      })
    },
  )
}
