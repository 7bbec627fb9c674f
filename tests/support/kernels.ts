import { expect } from 'vitest'
import type { Engine, Tensor } from '../../src/index.js'
import type { Exports, Kernel } from '../../src/wasm/kernels.js'
import type { Random } from './random.js'

const GUARD = 64
/** Every byte of memory that no one has written: four of them are a NaN. */
const UNWRITTEN = 0xff

/**
 * What `op` gives, bit for bit, must not depend on how its kernels are run. It is run once as always, and once so that each kernel's units run one by one
 * in random order, in scratch memory full of NaN each time, into memory full of NaN with NaN behind it that must stay.
 */
export function expectSameInPieces(engine: Engine, random: Random, op: () => Tensor, about = ''): void {
  const bits = () => new Uint32Array(op().toArray().buffer)
  const whole = bits()
  const { exports, control } = engine as unknown as { exports: Exports; control: number }
  const ends = new Map<number, number>()
  const fill = (start: number, end: number) => engine.u8.fill(UNWRITTEN, start, end)

  const allocate = (bytes: number): number => {
    const pointer = Object.getPrototypeOf(engine).allocate.call(engine, bytes + GUARD) as number
    fill(pointer, pointer + bytes + GUARD)
    ends.set(pointer, pointer + bytes)
    return pointer
  }
  const free = (pointer: number): void => {
    ends.delete(pointer)
    Object.getPrototypeOf(engine).free.call(engine, pointer)
  }
  const run = (kernel: Kernel, call: number, units: number): void => {
    const order = Array.from({ length: units }, (_, unit) => ({ unit, at: random.next() })).sort((a, b) => a.at - b.at)
    for (const { unit } of order) {
      const [scratch, scratchBytes] = engine.i32.subarray(control / 4, control / 4 + 2) as unknown as [number, number]
      fill(scratch, scratch + scratchBytes)
      exports[kernel](call * 4, unit, unit + 1)
      for (const end of ends.values()) {
        const intact = engine.u8.subarray(end, end + GUARD).every((byte) => byte === UNWRITTEN)
        if (!intact) expect.fail(`${about} ${kernel} writes behind the end of its output in unit ${unit} of ${units}`)
      }
    }
  }

  Object.assign(engine, { allocate, free, run })
  try {
    const pieces = bits()
    const first = pieces.findIndex((value, i) => value !== whole[i])
    expect(first, `seed ${random.seed}, ${about} first element that differs when units run one by one`).toBe(-1)
  } finally {
    for (const name of ['allocate', 'free', 'run']) delete (engine as unknown as Record<string, unknown>)[name]
  }
}
