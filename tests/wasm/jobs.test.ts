import { describe, expect, it } from 'vitest'
import { Pack, UpdateOp } from '../../src/wasm/abi.js'
import { blocks, type Job } from '../../src/wasm/kernels.js'

const softmax = { x: 64, y: 128, n: 3, inner: 1, vectors: 2, unit: 2, log: 0 }

describe('jobs', () => {
  it('whose arguments are forgotten, misspelt or of another kernel do not compile', () => {
    const right: Job<'softmax'> = { kernel: 'softmax', args: softmax, units: 1 }
    // @ts-expect-error: no kernel of this name
    const unknown: Job = { kernel: 'softMax', args: softmax, units: 1 }
    const { log, ...rest } = softmax
    // @ts-expect-error: `log` is missing
    const forgotten: Job<'softmax'> = { kernel: 'softmax', args: rest, units: 1 }
    // @ts-expect-error: `lgo` is no argument
    const misspelt: Job<'softmax'> = { kernel: 'softmax', args: { ...rest, lgo: log }, units: 1 }
    // @ts-expect-error: what pack takes is not what softmax takes
    const other: Job<'pack'> = { kernel: 'pack', args: softmax, units: 1 }
    expect([right, unknown, forgotten, misspelt, other]).toHaveLength(5)
  })

  it('write each field by its type: a float stays a float, rows follow the block', () => {
    const words = new ArrayBuffer(64 * 4)
    const [i32, f32] = [new Int32Array(words), new Float32Array(words)]
    const parameter = { w: 1024, gradient: 2048, means: 0, squares: 4096, size: 10, endUnit: 1 }
    const rates = {
      rate: 0.5,
      decay: 0.25,
      keep: 1,
      a: 0.9,
      b: 0.999,
      fresh: 0.1,
      freshSquare: 0.001,
      correction: 1,
      epsilon: 1e-7,
      found: 0,
      limit: 0,
    }
    const args = {
      op: UpdateOp.adam,
      ...rates,
      parameters: [parameter, { ...parameter, w: 8192, endUnit: 2 }],
    }
    blocks.update.write(args, 4, i32, f32)
    expect(i32[4]).toBe(UpdateOp.adam)
    expect([...f32.subarray(5, 12)]).toEqual([0.5, 0.25, 1, 0.9, 0.999, 0.1, 0.001].map(Math.fround))
    const row = 4 + blocks.update.words({ ...args, parameters: [] })
    expect([...i32.subarray(row, row + 6)]).toEqual([1024, 2048, 0, 4096, 10, 1])
    expect([i32[row + 6], i32[row + 11]]).toEqual([8192, 2])
    expect(blocks.update.words(args)).toBe(row - 4 + 12)
    expect(Pack.words({} as Job<'pack'>['args'])).toBe(13)
  })
})
