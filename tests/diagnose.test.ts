import { describe, expect, it } from 'vitest'
import { createEngine, diagnose } from '../src/index.js'
import { version } from '../src/version.js'

describe('diagnose', () => {
  it('tells what an engine made here would be', async () => {
    const facts = await diagnose({ threads: 1 })
    using engine = await createEngine({ threads: 1 })
    expect(facts).toMatchObject({
      filterbank: version,
      build: engine.simd,
      tile: engine.tile,
      reason: engine.simdReason,
      threads: 1,
      simd: true,
      sharedMemory: true,
    })
    expect(facts.threadsReason).toBe(engine.threadsReason)
    expect(facts.host).toContain(process.versions.node)
    expect(facts.cores).toBeGreaterThan(0)
    expect(facts.crossOriginIsolated).toBeUndefined()
  })

  it('tells why no engine starts', async () => {
    const facts = await diagnose({ maximumBytes: 1 })
    expect(facts).toMatchObject({ build: undefined, threads: 0 })
    expect(facts.reason).toContain('maximumBytes')
  })
})
