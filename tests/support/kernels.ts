import { expect } from 'vitest'
import type { Engine } from '../../src/index.js'
import type { Exports, Kernel } from '../../src/wasm/kernels.js'
import type { Random } from './random.js'

const GUARD = 64
/** Every byte of memory that no one has written: four of them are a NaN. */
const UNWRITTEN = 0xff

let copy = new Uint8Array(0)

/**
 * The bytes of a memory as they are now, until the next snapshot: a new copy of all of it for each run costs
 * more than the run.
 */
export function snapshot(memory: Uint8Array): Uint8Array {
  if (copy.length < memory.length) copy = new Uint8Array(memory.length)
  const bytes = copy.subarray(0, memory.length)
  bytes.set(memory)
  return bytes
}

/**
 * The bytes that `op` gives must not depend on how its kernels are run. It is run once as always, and once so
 * that each kernel's units run in pieces and in random order, in scratch memory full of NaN each time, into
 * memory full of NaN with NaN behind it that must stay, as must all other memory. `op` makes its tensors
 * itself, so that nothing packed is left from the first time. `seen` collects the kernels that ran.
 */
export function expectSameInPieces(
  engine: Engine,
  random: Random,
  op: () => Buffer,
  about = '',
  seen = new Set<Kernel>(),
): void {
  const whole = op()
  const { exports, control } = engine as unknown as { exports: Exports; control: number }
  /** Ends of what `op` allocates, by address. */
  const ends = new Map<number, number>()
  const fill = (start: number, end: number) => engine.u8.fill(UNWRITTEN, start, end)
  const fail = (what: string) => expect.fail(`seed ${random.seed}, ${about}: ${what}`)

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
  const execute = (kernel: Kernel, call: number, units: number): void => {
    seen.add(kernel)
    const before = snapshot(engine.u8)
    const [scratch, scratchBytes] = engine.i32.subarray(control / 4, control / 4 + 2) as unknown as [
      number,
      number,
    ]
    for (const [begin, end] of pieces(random, units)) {
      fill(scratch, scratch + scratchBytes)
      exports[kernel](call * 4, begin, end)
    }
    let from = 0
    const open = [
      ...ends,
      [scratch, scratch + scratchBytes] as const,
      [before.length, before.length] as const,
    ].sort(([a], [b]) => a - b)
    for (const [start, end] of open) {
      if (Buffer.compare(engine.u8.subarray(from, start), before.subarray(from, start)) !== 0)
        fail(`${kernel} writes between the tensors`)
      from = Math.max(from, end)
    }
  }

  Object.assign(engine, { allocate, free, execute })
  try {
    const inPieces = op()
    expect(inPieces.length, about).toBe(whole.length)
    if (!inPieces.equals(whole))
      fail(
        `byte ${inPieces.findIndex((value, i) => value !== whole[i])} of ${whole.length} differs when the units run in pieces`,
      )
  } finally {
    for (const name of ['allocate', 'free', 'execute'])
      delete (engine as unknown as Record<string, unknown>)[name]
  }
}

/** [0, units) cut at random, in random order: one by one half of the time. */
function pieces(random: Random, units: number): [begin: number, end: number][] {
  const longest = random.pick([1, 1, 3, units])
  const cut: { piece: [number, number]; at: number }[] = []
  for (let begin = 0; begin < units; begin = cut.at(-1)!.piece[1]) {
    cut.push({
      piece: [begin, Math.min(units, begin + random.integer(1, Math.max(1, longest)))],
      at: random.next(),
    })
  }
  return cut.sort((a, b) => a.at - b.at).map(({ piece }) => piece)
}
