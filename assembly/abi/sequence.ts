/** Attention, and recurrent layers. */

/** Attention of rows of queries to the keys of their head: see attention/forward.ts. */
@unmanaged
export class Attention {
  /** q [heads][rows][size], y [heads][rows][valueSize], heads counted over all images. */
  q: usize; y: usize
  /**
   * `packed`: panels of k transposed [heads][keys / 8][size][8] and of v [heads][valueSize / 8][keys][8];
   * else k [heads][keys][size] and v [heads][keys][valueSize].
   */
  k: usize; v: usize; packed: i32
  /** [2][heads][rows]: the largest score of each row, and 1 / the sum of its exponentials; 0: not kept. */
  statistics: usize
  /**
   * 0: none. Of 4 bytes: floats to add to scores; of 1 byte: 0 where a key is hidden. Rows of one head of k
   * and v are those of `group` heads of the mask, `length` rows each.
   */
  mask: usize; maskBytes: i32
  maskImageStride: i32; maskHeadStride: i32; maskRowStride: i32; maskKeyStride: i32
  heads: i32; imageHeads: i32; group: i32; length: i32; keys: i32; size: i32; valueSize: i32
  scale: f32
  /** Scores s become softcap * tanh(s / softcap); 0: they stay. */
  softcap: f32
  /** What a row gives that sees no key: 0, or NaN. */
  unseen: f32
  /** Query i sees keys 0 to first + i. */
  first: i32
  /** Rows and keys (a multiple of 8) of one block. */
  blockRows: i32; blockKeys: i32
}

/** The same backwards: the words of Attention, where k and v are panels, and those that follow. */
@unmanaged
export class AttentionGradient extends Attention {
  dy: usize
  /** More panels: of v transposed, and of k, q and dy as they are, [heads][columns / 8][keys or rows][8]. */
  vColumns: usize; kRows: usize; qRows: usize; dyRows: usize
  /** Sums [splits][heads][rows][size] and what k and v have; 0 where no one wants any of the three. */
  dq: usize; dk: usize; dv: usize
  /** [heads][rows][keys]; may be 0. */
  dmask: usize
  /** Of the key blocks of a head: every splits-th is in one. */
  splits: i32
}

/** What a unit of a recurrent layer does: tanh and relu are those of a plain RNN. */
export const enum Cell { tanh, relu, gru, lstm }

/**
 * Steps of a recurrent layer: see recurrent/forward.ts. Row strides are between sequences, step strides
 * between times.
 */
@unmanaged
export class Recurrent {
  cell: i32
  /** [gate][panel of 8 units][hidden][8]; backward [panel of 8 units][gates * hidden][8]. */
  weights: usize
  /** [gates * hidden], or 0. */
  bias: usize
  /** The input's shares of all gates, [gates * hidden] each; afterwards gates, where `keep` is 1. */
  gates: usize; gatesRow: i32; gatesStep: i32
  output: usize; outputRow: i32; outputStep: i32
  /**
   * Cells of an LSTM (step stride 0: no older one is kept); of a GRU the state's shares of its candidates, or
   * 0.
   */
  kept: usize; keptRow: i32; keptStep: i32
  /** [n, hidden] each, or 0: before the first step, and after the last. */
  initial: usize; initialCell: usize; state: usize; stateCell: usize; stateRow: i32
  /** Steps of each sequence, [n], or 0: all. */
  lengths: usize
  n: i32; steps: i32; hidden: i32; reverse: i32
  /** Steps of this call: forwards from the first on, backwards from it down to -1, the initial state. */
  first: i32; count: i32
  /** Sequences of one unit, or 0: then panels of one unit, which holds all sequences. */
  sequences: i32; panels: i32
  keep: i32
}

/** Gradient of a recurrent layer: the words of Recurrent, and those that follow. See recurrent.ts. */
@unmanaged
export class RecurrentGradient extends Recurrent {
  /** As output, or 0. */
  dy: usize
  /** [n, hidden]: derivatives of the last state and cell, afterwards those of the initial ones. */
  dstate: usize; dcell: usize
  /** As gates: derivatives of the state's shares of them. Not that of a GRU: the same address. */
  shares: usize
  /** As output: the state before each step. */
  previous: usize
}
