/**
 * Red, green and blue from 0 to 1 to other spaces and back, as OpenCV's cvtColor has them for bytes (byte /
 * 255), so that all of them fit into 0 to 1.
 *
 * HSV: hue in half degrees / 255, so 0 to 180 / 255; saturation; value. Lab: CIE L*a*b* of sRGB under D65
 * (IEC 61966-2-1, CIE 15): L / 100, (a + 128) / 255, (b + 128) / 255.
 */
import { scratch } from '../arguments'
import { ColourOp, Filter, Gray } from '../abi'
import { clamp, madd } from '../simd'
import { put } from './rows'

// @ts-ignore: decorator
@inline
function f(v: f32): v128 {
  return f32x4.splat(v)
}

// @ts-ignore: decorator
@inline
function within(v: v128): v128 {
  return clamp(v, f(0), f(1))
}

/** The cube root of v > 1e-6, 2e-5 of it off: an exponent divided by three, and a step of Halley's. */
// @ts-ignore: decorator
@inline
function cubeRoot(v: v128): v128 {
  // By the bits above the eighth, as a whole number in the low bits of a float.
  const third = madd(f32x4.convert_i32x4_s(i32x4.shr_u(v, 8)), f(1 / 3.0), f(12582912))
  const t = i32x4.add(i32x4.shl(third, 8), i32x4.splat(0x2a512000 - 0x40000000))
  const cube = f32x4.mul(f32x4.mul(t, t), t)
  return f32x4.div(f32x4.mul(t, madd(v, f(2), cube)), madd(cube, f(2), v))
}

/**
 * A function of the three channels at p, in place: vectors go through memory, since V8 fails on some that are
 * arguments (doc/kernels.md, "Joined vectors").
 */
// @ts-ignore: decorator
@inline
function overChannels<F>(p: usize): void {
  for (let end = p + 48; p < end; p += 16) v128.store(p, changetype<F>(0).of(v128.load(p)))
}

/** sRGB as it is stored to light: ((v + 0.055) / 1.055)^2.4 by a fit, 2e-5 off at most from 0.04 to 1. */
@final
class Light {
  // @ts-ignore: decorator
  @inline
  of(v: v128): v128 {
    let p = madd(v, f(-0.073799685), f(0.28827026))
    p = madd(p, v, f(-0.50943071))
    p = madd(p, v, f(0.75968719))
    p = madd(p, v, f(0.49997509))
    p = madd(p, v, f(0.034426652))
    p = madd(p, v, f(0.00087124214))
    return v128.bitselect(f32x4.mul(v, f(1 / 12.92)), p, f32x4.le(v, f(0.04045)))
  }
}

/** And back: v^(5 / 12) is c * c^(1 / 4) of c the cube root. */
@final
class Stored {
  // @ts-ignore: decorator
  @inline
  of(v: v128): v128 {
    const root = cubeRoot(f32x4.max(v, f(1e-6)))
    const curve = madd(f32x4.mul(root, f32x4.sqrt(f32x4.sqrt(root))), f(1.055), f(-0.055))
    return within(v128.bitselect(f32x4.mul(v, f(12.92)), curve, f32x4.le(v, f(0.0031308))))
  }
}

/** CIE's f, and back. */
@final
class Lightness {
  // @ts-ignore: decorator
  @inline
  of(t: v128): v128 {
    const root = cubeRoot(f32x4.max(t, f(1e-6)))
    return v128.bitselect(root, madd(t, f(7.787037), f(16 / 116.0)), f32x4.gt(t, f(0.008856452)))
  }
}

@final
class Ratio {
  // @ts-ignore: decorator
  @inline
  of(t: v128): v128 {
    const cube = f32x4.mul(t, f32x4.mul(t, t))
    const line = f32x4.mul(f32x4.sub(t, f(16 / 116.0)), f(1 / 7.787037))
    return v128.bitselect(cube, line, f32x4.gt(t, f(6 / 29.0)))
  }
}

/** max(0, min(k, 4 - k, 1)) of k mod 6. */
@final
class Share {
  // @ts-ignore: decorator
  @inline
  of(k: v128): v128 {
    const turns = f32x4.floor(f32x4.mul(k, f(1 / 6.0)))
    const part = f32x4.sub(k, f32x4.mul(turns, f(6)))
    return f32x4.max(f(0), f32x4.min(f32x4.min(part, f32x4.sub(f(4), part)), f(1)))
  }
}

// @ts-ignore: decorator
@inline
function put3(p: usize, x: v128, y: v128, z: v128): void {
  v128.store(p, x)
  v128.store(p, y, 16)
  v128.store(p, z, 32)
}

// @ts-ignore: decorator
@inline
function weigh(a: v128, b: v128, c: v128, u: f32, v: f32, w: f32): v128 {
  return madd(c, f(w), madd(b, f(v), f32x4.mul(a, f(u))))
}

/** Four pixels: their channels, in memory as three vectors. */
function convert(p: usize, op: i32, bytes: bool): void {
  const a = v128.load(p), b = v128.load(p, 16), c = v128.load(p, 32)
  let x = a, y = b, z = c
  if (op == ColourOp.toHsv) {
    z = f32x4.max(a, f32x4.max(b, c))
    const least = f32x4.min(a, f32x4.min(b, c)), range = f32x4.sub(z, least)
    const some = f32x4.gt(range, f(0))
    const red = f32x4.eq(z, a), green = f32x4.eq(z, b)
    const from = v128.bitselect(f(0), v128.bitselect(f(60), f(120), green), red)
    const difference = v128.bitselect(
      f32x4.sub(b, c), v128.bitselect(f32x4.sub(c, a), f32x4.sub(a, b), green), red,
    )
    const hue = madd(f32x4.div(difference, range), f(30), from)
    // Where it becomes a byte, what rounds to 180 is 0.
    const below = f32x4.lt(hue, f(bytes ? -0.5 : 0))
    x = f32x4.mul(f32x4.max(f32x4.add(hue, v128.and(below, f(180))), f(0)), f(1 / 255.0))
    x = v128.and(x, some)
    y = v128.and(f32x4.div(range, z), some)
  } else if (op == ColourOp.fromHsv) {
    // Channel n is v - v s max(0, min(k, 4 - k, 1)) of k = (n + hue / 60 degrees) mod 6, n = 5, 3, 1.
    const sector = f32x4.mul(a, f(255.0 / 30)), amount = f32x4.mul(c, b)
    put3(p, f32x4.add(sector, f(5)), f32x4.add(sector, f(3)), f32x4.add(sector, f(1)))
    overChannels<Share>(p)
    x = f32x4.sub(c, f32x4.mul(amount, v128.load(p)))
    y = f32x4.sub(c, f32x4.mul(amount, v128.load(p, 16)))
    z = f32x4.sub(c, f32x4.mul(amount, v128.load(p, 32)))
  } else if (op == ColourOp.toLab) {
    put3(p, within(a), within(b), within(c))
    overChannels<Light>(p)
    const red = v128.load(p), green = v128.load(p, 16), blue = v128.load(p, 32)
    put3(
      p, weigh(red, green, blue, 0.433953, 0.376219, 0.189828),
      weigh(red, green, blue, 0.212671, 0.715160, 0.072169),
      weigh(red, green, blue, 0.017758, 0.109477, 0.872765),
    )
    overChannels<Lightness>(p)
    const fx = v128.load(p), fy = v128.load(p, 16), fz = v128.load(p, 32)
    x = madd(fy, f(1.16), f(-0.16))
    y = madd(f32x4.sub(fx, fy), f(500.0 / 255), f(128.0 / 255))
    z = madd(f32x4.sub(fy, fz), f(200.0 / 255), f(128.0 / 255))
  } else {
    const fy = f32x4.mul(f32x4.add(a, f(0.16)), f(1 / 1.16))
    put3(
      p, madd(f32x4.sub(b, f(128.0 / 255)), f(255.0 / 500), fy), fy,
      madd(f32x4.sub(c, f(128.0 / 255)), f(-255.0 / 200), fy),
    )
    overChannels<Ratio>(p)
    const cx = v128.load(p), cy = v128.load(p, 16), cz = v128.load(p, 32)
    put3(
      p, weigh(cx, cy, cz, 3.0799327, -1.5371515, -0.5427816),
      weigh(cx, cy, cz, -0.9212353, 1.8759914, 0.0452439),
      weigh(cx, cy, cz, 0.0528909, -0.2040408, 1.1511499),
    )
    overChannels<Stored>(p)
    return
  }
  put3(p, x, y, z)
}

/**
 * Unit: one row of w pixels of three floats, or four of which the last stays.
 *
 * scratch: three vectors, a channel of four pixels each. `element` is 1 where floats become bytes.
 */
export function convertColour(call: usize, begin: i32, end: i32): void {
  const args = changetype<Filter>(call)
  const c = args.c, w = args.w, op = args.op
  const pixel: usize = c << 2, planes = scratch(), bytes = args.element == 1
  for (let u = begin; u < end; u++) {
    let x = load<usize>(args.rows + u * 4), y = args.y + u * w * pixel
    for (let left = w; left > 0; left -= 4) {
      // Beyond a row there is something to read, which goes nowhere.
      const p = v128.load(x), q = v128.load(x + pixel)
      const r = v128.load(x + 2 * pixel), s = v128.load(x + 3 * pixel)
      const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5)
      const qp = v128.shuffle<i32>(p, q, 2, 6, 3, 7), sr = v128.shuffle<i32>(r, s, 2, 6, 3, 7)
      v128.store(planes, v128.shuffle<i64>(pq, rs, 0, 2))
      v128.store(planes, v128.shuffle<i64>(pq, rs, 1, 3), 16)
      v128.store(planes, v128.shuffle<i64>(qp, sr, 0, 2), 32)
      convert(planes, op, bytes)
      const last = v128.shuffle<i64>(qp, sr, 1, 3)
      const a = v128.load(planes), b = v128.load(planes, 16), d = v128.load(planes, 32)
      const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), dl = v128.shuffle<i32>(d, last, 0, 4, 1, 5)
      const ba = v128.shuffle<i32>(a, b, 2, 6, 3, 7), ld = v128.shuffle<i32>(d, last, 2, 6, 3, 7)
      const p0 = v128.shuffle<i64>(ab, dl, 0, 2), p1 = v128.shuffle<i64>(ab, dl, 1, 3)
      const p2 = v128.shuffle<i64>(ba, ld, 0, 2), p3 = v128.shuffle<i64>(ba, ld, 1, 3)
      if (left < 4) {
        put(y, p0, c)
        if (left > 1) put(y + pixel, p1, c)
        if (left > 2) put(y + 2 * pixel, p2, c)
      } else if (c == 4) {
        v128.store(y, p0)
        v128.store(y, p1, 16)
        v128.store(y, p2, 32)
        v128.store(y, p3, 48)
      } else {
        v128.store(y, v128.shuffle<i32>(p0, p1, 0, 1, 2, 4))
        v128.store(y, v128.shuffle<i32>(p1, p2, 1, 2, 4, 5), 16)
        v128.store(y, v128.shuffle<i32>(p2, p3, 2, 4, 5, 6), 32)
      }
      x += 4 * pixel
      y += 4 * pixel
    }
  }
}

/** What the bytes of a pixel come to: X, Y, Z and nothing. */
// @ts-ignore: decorator
@inline
function light(table: usize, pixel: usize): v128 {
  const red = table + (<usize>load<u8>(pixel) << 4), green = table + (<usize>load<u8>(pixel, 1) << 4)
  const blue = table + (<usize>load<u8>(pixel, 2) << 4)
  return f32x4.add(f32x4.add(v128.load(red), v128.load(green, 4096)), v128.load(blue, 8192))
}

/** What is left when 1.5 * 2^23 was added: a whole number from 0 to 255. */
// @ts-ignore: decorator
@inline
function whole(v: v128): v128 {
  return v128.and(v, i32x4.splat(255))
}

/**
 * Unit: one row of w pixels of 3 or 4 bytes, red, green and blue -> L * 255 / 100, a + 128, b + 128, rounded;
 * a fourth stays. Levels are so few that the table has what is exact.
 *
 * scratch: three vectors
 */
export function labBytes(call: usize, begin: i32, end: i32): void {
  const args = changetype<Gray>(call)
  const c: usize = args.c, table = args.table, planes = scratch()
  let left = (end - begin) * args.w, x = args.x + begin * args.w * c, y = args.y + begin * args.w * c
  for (; left > 0; left -= 4) {
    // Beyond the end there is something to read, which goes nowhere.
    const p = light(table, x), q = light(table, x + c), r = light(table, x + 2 * c), s = light(table, x + 3 * c)
    const pq = v128.shuffle<i32>(p, q, 0, 4, 1, 5), rs = v128.shuffle<i32>(r, s, 0, 4, 1, 5)
    put3(
      planes, v128.shuffle<i64>(pq, rs, 0, 2), v128.shuffle<i64>(pq, rs, 1, 3),
      v128.shuffle<i64>(v128.shuffle<i32>(p, q, 2, 6, 2, 6), v128.shuffle<i32>(r, s, 2, 6, 2, 6), 0, 2),
    )
    overChannels<Lightness>(planes)
    const fx = v128.load(planes), fy = v128.load(planes, 16), fz = v128.load(planes, 32)
    const lightness = whole(f32x4.add(madd(fy, f(1.16 * 255), f(-0.16 * 255)), f(12582912)))
    const a = whole(f32x4.add(madd(f32x4.sub(fx, fy), f(500), f(128)), f(12582912)))
    const b = whole(f32x4.add(madd(f32x4.sub(fy, fz), f(200), f(128)), f(12582912)))
    const lab = v128.or(lightness, v128.or(i32x4.shl(a, 8), i32x4.shl(b, 16)))
    const packed = v128.shuffle<i8>(lab, lab, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0)
    const pixels = c == 4 ? v128.bitselect(lab, v128.load(x), i32x4.splat(0xffffff)) : packed
    // Of three bytes each, the last are written again.
    if (left * <i32>c >= 16) v128.store(y, pixels)
    else {
      v128.store(planes, pixels)
      memory.copy(y, planes, min(left, 4) * c)
    }
    x += 4 * c
    y += 4 * c
  }
}
