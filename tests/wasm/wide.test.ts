import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine, Tensor } from '../../src/index.js'
import { cases } from '../support/cases.js'
import { Random } from '../support/random.js'

// What it is in Node 24 and 26, with V8's pass, `npm run hosts` asks.
describe('the build wide', () => {
  const wasm = new Uint8Array(readFileSync(new URL('../../dist/wide.wasm', import.meta.url)))
  let wide: Engine
  let relaxed: Engine
  beforeAll(async () => {
    wide = await createEngine({ wasm, threads: 1 })
    relaxed = await createEngine({ simd: 'relaxed', threads: 1 })
  })
  afterAll(() => {
    wide.dispose()
    relaxed.dispose()
  })

  it('says what it is', () => expect(wide.simd).toBe('wide'))

  it.each(Object.entries(cases))('gives the bytes of relaxed: %s', (_, { shapes, op }) => {
    for (const seed of [20261121, 20261122, 20261123]) {
      const [mine, theirs] = [wide, relaxed].map((engine) => {
        const random = new Random(seed)
        return engine.scope(() => {
          const inputs = shapes(random).map((shape) =>
            engine.tensor(random.floats(shape.reduce((a, b) => a * b, 1)), shape),
          )
          const result = op(...inputs)
          const { buffer, byteOffset, byteLength } = result instanceof Tensor ? result.toArray() : result.data
          return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)
        })
      })
      expect(mine!.equals(theirs!), `seed ${seed}`).toBe(true)
    }
  })

  it.runIf(Number.parseInt(process.versions.node, 10) < 24)(
    'is refused before Node 24, with the reason',
    async () => {
      await expect(createEngine({ simd: 'wide', threads: 1 })).rejects.toThrow(
        "createEngine: simd must be 'relaxed' or 'simd128' on this host, got 'wide'. It needs Node 24 or later on x64",
      )
    },
  )

  it('takes no other binary beside its name', async () => {
    await expect(createEngine({ simd: 'wide', wasm })).rejects.toThrow(
      "createEngine: wasm must be none beside simd: 'wide'",
    )
  })
})
