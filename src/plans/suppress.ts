/** The plan of assembly/suppress.ts: of each class of each image the best boxes that share little. */

import type { Tensor } from '../core/tensor.js'

export interface Suppression {
  /** [images, n, 4] */
  boxes: Tensor
  /** [images, classes, n] */
  scores: Tensor
  /** int32 [images * classes, most], for the places of boxes that stay; n at most. */
  places: Tensor<'int32'>
  /** int32 [images * classes], for how many they are. */
  counts: Tensor<'int32'>
  /** Whether a box is its centre and its size, and not two corners. */
  centred: boolean
  /** The share of what two boxes cover that they may have in common. */
  overlap: number
  /** A score has to be above it. */
  least: number
}

/** About how many multiply-adds a score is worth. */
const WORK = 8

export function runSuppress({ boxes, scores, places, counts, centred, overlap, least }: Suppression): void {
  const { engine } = boxes
  const [, classes, n] = scores.shape as [number, number, number]
  const [units, most] = places.shape as [number, number]
  engine.scratch(8 * n + 16 + 80 * Math.ceil(most / 4))
  engine.run({
    kernel: 'suppress',
    args: {
      boxes: boxes.pointer,
      scores: scores.pointer,
      indices: places.pointer,
      counts: counts.pointer,
      n,
      classes,
      most,
      centred: Number(centred),
      overlap,
      least,
    },
    units,
    work: units * n * WORK,
  })
}
