import { afterEach, describe, expect, it, vi } from 'vitest'
import { giveTurn, othersWaitedFor, shareTurns } from '../../src/base/turns.js'
import { createEngine } from '../../src/index.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { loadModel } from '../../src/onnx/index.js'

afterEach(() => vi.unstubAllGlobals())

/** How many timers of 1 ms fire one after the other while `work` goes on. */
async function timersDuring(work: () => Promise<unknown>): Promise<number> {
  let fired = 0
  let on = true
  const tick = () => {
    fired++
    if (on) setTimeout(tick, 1)
  }
  setTimeout(tick, 1)
  await work()
  on = false
  return fired
}

describe('turns', () => {
  it('come due after their time, for all runs of the thread together', async () => {
    await giveTurn()
    expect(othersWaitedFor(20)).toBe(false)
    const start = performance.now()
    while (performance.now() - start < 25);
    expect(othersWaitedFor(20)).toBe(true)
    await giveTurn()
    expect(othersWaitedFor(20)).toBe(false)
  })

  it.each([
    ['MessageChannel', ['setImmediate']],
    ['setTimeout', ['setImmediate', 'MessageChannel']],
  ])('let a timer through by %s', async (_, absent) => {
    const timer = setTimeout
    for (const name of absent) vi.stubGlobal(name, undefined)
    let fired = false
    timer(() => {
      fired = true
    }, 0)
    for (let turn = 0; turn < 200 && !fired; turn++) await giveTurn()
    expect(fired).toBe(true)
  })

  it('end at once where nothing can wait', async () => {
    for (const name of ['setImmediate', 'MessageChannel', 'setTimeout']) vi.stubGlobal(name, undefined)
    await giveTurn()
  })

  it('throw the reason of a signal', async () => {
    await expect(shareTurns(1000, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})

describe('runAsync in a loop of short runs', () => {
  it('lets timers through, and a signal that one of them aborts', async () => {
    using engine = await createEngine({ threads: 1 })
    using model = await loadModel(
      engine,
      writeModel({
        nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', shape: [4] }],
        outputs: [{ name: 'y' }],
      }),
    )
    const x = Float32Array.of(-1, 2, -3, 4)
    const start = performance.now()
    let runs = 0
    const fired = await timersDuring(async () => {
      while (performance.now() - start < 300) {
        expect([...(await model.runAsync({ x }))['y']!.toArray()]).toEqual([0, 2, 0, 4])
        runs++
      }
    })
    expect(runs).toBeGreaterThan(fired)
    expect(fired).toBeGreaterThan(3)

    const controller = new AbortController()
    setTimeout(() => controller.abort(new Error('enough')), 20)
    const endless = async () => {
      for (;;) await model.runAsync({ x }, { signal: controller.signal })
    }
    await expect(endless()).rejects.toThrow('enough')
  })
})
