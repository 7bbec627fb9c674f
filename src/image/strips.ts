/**
 * Filters on pixels: a strip of rows at a time, so that memory does not grow with the height. Bytes in
 * integers where that is exact enough, else through floats.
 */
import { arrayName } from '../base/realm.js'
import type { Engine } from '../core/engine.js'
import { anchorOf } from '../core/window.js'
import { type PixelArray, type Pixels, runFromBytes, runToBytes, WHITES } from '../pictures/pixels.js'
import { AlphaMode } from '../wasm/abi.js'
import { isOpaque, isOpaqueAt, type Weighing, weighingOf } from './alpha.js'
import { integerPlan } from './integers.js'
import type { Plan } from './plan.js'
import { type Rule, runFilter, type Work, withWork } from './work.js'

/** Output rows of a strip, at least. */
const STRIP = 32

/** A picture on its way through a filter. */
interface Passage {
  engine: Engine
  from: Pixels<PixelArray>
  to: PixelArray
  rule: Rule
  /** Alpha is filtered as the colours are. */
  filtersAlpha: boolean
}

const aligned = (bytes: number) => Math.ceil(bytes / 16) * 16
const BYTE_SCALE = new Array<number>(4).fill(1 / 255)
const bytesOf = ({ buffer, byteOffset, byteLength }: PixelArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Runs a plan over all rows: weighed by alpha from the first strip on that is not opaque. */
export function filterRows(passage: Passage, plan: Plan, channels: number): void {
  const { from, rule, filtersAlpha } = passage
  const { data, width, height } = from
  const weighing = channels === 4 ? weighingOf(plan) : undefined
  const watches = channels === 4 && (weighing !== undefined || plan.hidden !== undefined)
  // Zeros around a picture with alpha are transparent: all of it is weighed then, or none.
  const zeros = weighing !== undefined && rule(-1, 1) < 0
  const opaque = zeros && !filtersAlpha && isOpaque(data, arrayName(data)!)
  const row = zeros && !opaque ? 0 : directly(passage, plan, channels, 0, watches && !zeros)
  if (row === height) return
  if (weighing) weighed(passage, weighing, row)
  else directly({ ...passage, from: unhidden(passage, plan, width * height) }, plan, channels, row, false)
}

/** The picture with colours that do no harm where it is transparent. */
function unhidden(passage: Passage, { hidden, size }: Plan, pixels: number): Pixels<PixelArray> {
  const { data, width, height } = passage.from
  const filled = data.slice()
  if (hidden === 'mean') {
    const share = 1 / (size[0] * size[1])
    const [weights, across] = size.map((length, i) => new Array<number>(length).fill(i ? share : 1))
    const box: Plan = { kernel: 'filterWindow', size, planes: 2, taps: size[1], weights, across }
    const weighing = { plans: [box], mode: AlphaMode.fill, sum: 1, blend: undefined }
    weighed({ ...passage, to: filled, filtersAlpha: false }, weighing, 0)
  } else {
    const level = hidden === 'black' ? 0 : WHITES[arrayName(data)!]!
    for (let i = 0; i < 4 * pixels; i += 4) if (!(filled[i + 3]! > 0)) filled.fill(level, i, i + 3)
  }
  return { data: filled, width, height }
}

interface Strip {
  strip: number
  slots: number
  top: number
}

function stripOf({ size: [kh], strip = 0 }: Plan, height: number): Strip {
  const rows = Math.min(height, Math.max(STRIP, 2 * kh, strip))
  return { strip: rows, slots: rows + kh - 1, top: anchorOf(kh) }
}

/**
 * Runs a plan from a row on, until a strip that is not opaque where that is asked for; the row it did not
 * come to.
 */
function directly(
  passage: Passage,
  plan: Plan,
  channels: number,
  begin: number,
  whileOpaque: boolean,
): number {
  const { engine, from, to, rule, filtersAlpha } = passage
  const { data, width: w, height: h } = from
  const { strip, slots, top } = stripOf(plan, h)
  const element = data.BYTES_PER_ELEMENT
  const isBytes = element === 1
  const raw = plan.takes ? plan : isBytes ? integerPlan(plan) : undefined
  const keepsAlpha = channels === 4 && !(filtersAlpha && !weighingOf(plan))
  const c = raw || !isBytes || !keepsAlpha ? channels : Math.min(channels, 3)
  const rowBytes = w * channels * element
  const [source, result] = [bytesOf(data), bytesOf(to)]
  const [toFloats, fromFloats] = conversions(data)
  const rest = aligned(slots * rowBytes) + aligned(strip * rowBytes) + 16
  const floats = raw ? 0 : 4 * w * c * (slots + strip)
  return withWork(engine, raw ?? plan, [1, strip, w, c], rule, rest + floats, (work) => {
    const bytesIn = work.rest
    const bytesOut = bytesIn + aligned(slots * rowBytes)
    const room = bytesOut + aligned(strip * rowBytes)
    const floatsIn = room + 16
    const floatsOut = floatsIn + 4 * w * c * slots
    const stride = raw ? rowBytes : 4 * w * c
    for (let start = begin; start < h; start += strip) {
      const rows = Math.min(strip, h - start)
      const seen = rows + plan.size[0] - 1
      for (let slot = 0; slot < seen; slot++) {
        const row = rule(start + slot - top, h)
        if (row >= 0)
          engine.u8.set(source.subarray(row * rowBytes, (row + 1) * rowBytes), bytesIn + slot * rowBytes)
        engine.i32[work.rows / 4 + slot] = row < 0 ? work.zeros : (raw ? bytesIn : floatsIn) + slot * stride
      }
      if (whileOpaque && !opaqueStrip(passage, bytesIn, seen * rowBytes, room, start - top, seen))
        return start
      if (raw) runFilter(engine, { ...raw, keepsAlpha, element }, [1, rows, w, c], work, bytesOut)
      else {
        const packed = channels < 4
        if (isBytes)
          runFromBytes(engine, bytesIn, floatsIn, seen, w, c, { scale: BYTE_SCALE, shift: [], packed })
        else toFloats(engine, bytesIn, floatsIn, seen * w * c)
        runFilter(engine, { ...plan, element }, [1, rows, w, c], work, floatsOut)
        const alpha = isBytes && c === 3 && !packed ? bytesIn + top * rowBytes : 0
        if (isBytes) runToBytes(engine, floatsOut, bytesOut, rows, w, c, alpha, packed)
        else fromFloats(engine, floatsOut, bytesOut, rows * w * c)
      }
      result.set(engine.u8.subarray(bytesOut, bytesOut + rows * rowBytes), start * rowBytes)
      if (!raw && !isBytes && keepsAlpha) keepAlpha(data, to, start * w * 4, (start + rows) * w * 4)
    }
    return h
  })
}

function opaqueStrip(
  { engine, from: { data, width, height }, rule }: Passage,
  x: number,
  bytes: number,
  room: number,
  first: number,
  rows: number,
): boolean {
  if (data.BYTES_PER_ELEMENT === 1) return isOpaqueAt(engine, x, bytes, room)
  for (let i = 0; i < rows; i++) {
    const row = rule(first + i, height)
    if (!isOpaque(data.subarray(row * width * 4, (row + 1) * width * 4), arrayName(data)!)) return false
  }
  return true
}

function keepAlpha(from: PixelArray, to: PixelArray, begin: number, end: number): void {
  for (let i = begin + 3; i < end; i += 4) to[i] = from[i]!
}

/** Writes `count` elements at y that stand at x as another type. */
type Conversion = (engine: Engine, x: number, y: number, count: number) => void

const copyFloats: Conversion = (engine, x, y, count) => void engine.u8.copyWithin(y, x, x + count * 4)

/** 16 bits as floats from 0 to 1. */
const wordsToFloats: Conversion = (engine, x, y, count) => {
  const words = new Uint16Array(engine.u8.buffer, x, count)
  for (let i = 0; i < count; i++) engine.f32[y / 4 + i] = words[i]! / 65535
}

/** And back: rounded, clamped, NaN 0. */
const floatsToWords: Conversion = (engine, x, y, count) => {
  const words = new Uint16Array(engine.u8.buffer, y, count)
  for (let i = 0; i < count; i++) {
    const v = engine.f32[x / 4 + i]! * 65535
    words[i] = v > 0 ? Math.min(65535, Math.round(v)) : 0
  }
}

/** From elements of 16 or 32 bits to floats, and back. */
const conversions = ({ BYTES_PER_ELEMENT }: PixelArray): readonly [Conversion, Conversion] =>
  BYTES_PER_ELEMENT === 4 ? [copyFloats, copyFloats] : [wordsToFloats, floatsToWords]

/** Runs filters on colours times alpha, from a row on. */
function weighed(passage: Passage, { plans, mode, sum, blend }: Weighing, begin: number): void {
  const { engine, from, to, rule, filtersAlpha } = passage
  const { data, width: w, height: h } = from
  const { strip, slots, top } = stripOf(plans[0]!, h)
  const isBytes = data.BYTES_PER_ELEMENT === 1
  const rowBytes = w * 4 * data.BYTES_PER_ELEMENT
  const rowFloats = w * 16
  const [source, result] = [bytesOf(data), bytesOf(to)]
  const [toFloats, fromFloats] = conversions(data)
  const alpha = Number(filtersAlpha && mode === AlphaMode.mean)
  const size = aligned(slots * rowBytes) + rowFloats * (2 * slots + 2 * strip)
  const [down, across] = plans as [Plan, Plan?]
  const body = (work: Work, other?: Work) => {
    const bytes = work.rest
    const image = bytes + aligned(slots * rowBytes)
    const times = image + rowFloats * slots
    const [out, out2] = [times + rowFloats * slots, times + rowFloats * (slots + strip)]
    for (let start = begin; start < h; start += strip) {
      const rows = Math.min(strip, h - start)
      const seen = rows + down.size[0] - 1
      for (let slot = 0; slot < seen; slot++) {
        const row = rule(start + slot - top, h)
        if (row >= 0)
          engine.u8.set(source.subarray(row * rowBytes, (row + 1) * rowBytes), bytes + slot * rowBytes)
        for (const { rows, zeros } of other ? [work, other] : [work])
          engine.i32[rows / 4 + slot] = row < 0 ? zeros : times + slot * rowFloats
      }
      if (isBytes) runFromBytes(engine, bytes, image, seen, w, 4, { scale: BYTE_SCALE, shift: [] })
      else toFloats(engine, bytes, image, seen * w * 4)
      const none = { filtered: 0, other: 0, mode, sum, blend: 0, keep: 0, gain: 1, threshold: 0, alpha }
      engine.run({ kernel: 'premultiply', args: { ...none, x: image, y: times, w }, units: w && seen })
      runFilter(engine, down, [1, rows, w, 4], work, out)
      if (other) runFilter(engine, across!, [1, rows, w, 4], other, out2)
      const args = {
        ...none,
        x: image + top * rowFloats,
        filtered: out,
        other: other ? out2 : 0,
        y: out,
        w,
        ...(blend ? { ...blend, blend: 1 } : {}),
      }
      engine.run({ kernel: 'unweigh', args, units: w && rows })
      if (isBytes) runToBytes(engine, out, bytes, rows, w, 4, 0)
      else fromFloats(engine, out, bytes, rows * w * 4)
      result.set(engine.u8.subarray(bytes, bytes + rows * rowBytes), start * rowBytes)
      if (!isBytes && !alpha) keepAlpha(data, to, start * w * 4, (start + rows) * w * 4)
    }
  }
  withWork(engine, down, [1, strip, w, 4], rule, size, (work) => {
    if (across) withWork(engine, across, [1, strip, w, 4], rule, 0, (other) => body(work, other))
    else body(work)
  })
}
