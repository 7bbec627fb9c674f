/**
 * What filters whose output has the size of their input share.
 *
 * Filters read rows by address, from a table that goes on above and below the image; the columns that go on
 * to the left and right are copied from a list. So no kernel knows what a border is. A row is w * c floats
 * and its next pixel is c floats away: four neighbouring floats are one vector, whatever c is.
 *
 * Many filters go down the columns first and then across what that gave. Going on to the left and right
 * commutes with going down, so it is done in between, to a plane:
 *
 *   plane: left * c floats | w * c floats | (kw - 1 - left) * c floats | 8 floats
 *
 * Vectors at the end of a row read up to 12 bytes beyond it; what those lanes give is never stored in a
 * tensor. Letters: n h w c image, kh kw window.
 */
import { scratch } from '../arguments'
import { Filter } from '../abi'
import { storePart } from '../simd'

/** Writes v, or its first lanes where fewer than four are left. */
// @ts-ignore: decorator
@inline
export function put(to: usize, v: v128, left: i32): void {
  if (left < 4) storePart(to, v, left)
  else v128.store(to, v)
}

/** Bytes from one plane to the next. */
// @ts-ignore: decorator
@inline
export function planeStride(args: Filter): usize {
  return ((args.w + args.kw - 1) * args.c + 8) * 4
}

/** The first row, by its place in the table, that unit u sees. */
// @ts-ignore: decorator
@inline
export function firstRow(args: Filter, u: i32): i32 {
  return u + u / args.h * (args.kh - 1)
}

/** Fills a plane's columns to the left and right of the image from those within. */
export function extend(args: Filter, plane: usize, pixel: usize): void {
  const sides = args.sides
  const left = args.left, count = args.kw - 1, w = args.w
  for (let i = 0; i < count; i++) {
    const column = load<i32>(sides + i * 4)
    const from = plane + (left + column) * pixel, to = plane + (i < left ? i : i + w) * pixel
    let k: usize = 0
    for (; k + 4 <= pixel; k += 4) store<i32>(to + k, column < 0 ? 0 : load<i32>(from + k))
    for (; k < pixel; k++) store<u8>(to + k, column < 0 ? 0 : load<u8>(from + k))
  }
}

/**
 * A filter that goes down the columns first, out of the image into planes, and then across, out of the
 * planes.
 */
// @ts-ignore: decorator
@inline
export function downAcross<F>(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const pixel: usize = args.c * 4
  const count = args.w * args.c
  const left = args.left * pixel
  const stride = planeStride(args)
  const plane = scratch()
  for (let u = begin; u < end; u++) {
    const rows = args.rows + firstRow(args, u) * 4
    changetype<F>(0).down(args, rows, plane + left, stride, count)
    for (let p = 0; p < changetype<F>(0).planes(); p++) extend(args, plane + p * stride, pixel)
    changetype<F>(0).across(args, plane, stride, pixel, args.y + u * count * 4, count)
  }
}
