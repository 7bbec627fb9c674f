/** Where a picture lies in an input of another size, and the way back. */

/** How a picture takes up a size: all of it stretched, its middle, or all of it with a border. */
export type Fit = 'fill' | 'cover' | 'contain'

/** Part of a picture, in pixels. */
export interface Area {
  top: number
  left: number
  height: number
  width: number
}

/** The largest area in the middle of another with this height for each width, of at least one pixel. */
export function middle({ height, width }: Area, ratio: number): Area {
  const h = Math.max(1, Math.min(height, Math.round(width * ratio)))
  const w = Math.max(1, Math.min(width, Math.round(height / ratio)))
  return { top: (height - h) >> 1, left: (width - w) >> 1, height: h, width: w }
}

/** Which part of a picture goes into which part of an input. */
export function areasOf(
  picture: Pick<Area, 'height' | 'width'>,
  input: Pick<Area, 'height' | 'width'>,
  fit: Fit,
): { from: Area; to: Area } {
  const from = { top: 0, left: 0, height: picture.height, width: picture.width }
  const to = { top: 0, left: 0, height: input.height, width: input.width }
  if (fit === 'cover') return { from: middle(from, to.height / to.width), to }
  if (fit === 'contain') return { from, to: middle(to, from.height / from.width) }
  return { from, to }
}
