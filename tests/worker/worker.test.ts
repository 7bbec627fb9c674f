/** filterbank/worker in Node's worker_threads, against the same calls on this thread. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import * as image from '../../src/image/index.js'
import { createEngine, type Engine, FilterbankError } from '../../src/index.js'
import { loadModel, type Model, type Progress, writeModel } from '../../src/onnx/index.js'
import {
  createWorker,
  type FilterbankWorker,
  type FilterName,
  type WorkerModel,
} from '../../src/worker/index.js'
import { receive } from '../../src/worker/stream.js'
import { split } from '../support/external.js'

const rows = (h: number, w: number): image.OwnPixels => ({
  data: Uint8ClampedArray.from({ length: 4 * h * w }, (_, i) =>
    i % 4 === 3 ? 255 : (i * 37 + (i >> 5) * 11) % 256,
  ),
  width: w,
  height: h,
})

const bytes = writeModel({
  opset: 13,
  inputs: [{ name: 'x', type: 'float32', shape: [1, 3, 4, 6] }],
  outputs: [{ name: 'y', type: 'float32', shape: [1, 3, 4, 6] }],
  nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
})

const failure = (promise: Promise<unknown>): Promise<FilterbankError> =>
  promise.then(
    () => expect.fail('no error'),
    (error) => error,
  )

describe('a worker', () => {
  let worker: FilterbankWorker
  let engine: Engine
  beforeAll(async () => {
    worker = await createWorker({ threads: 1 })
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => {
    worker.dispose()
    engine.dispose()
  })

  it('says what it runs on', async () => {
    expect([worker.threads, worker.simd]).toEqual([1, engine.simd])
    expect((await worker.memory()).tensors).toBe(0)
  })

  it('filters as the synchronous functions do', async () => {
    const photo = rows(9, 13)
    const same = async (name: FilterName, options: object, apply: () => image.OwnPixels) =>
      expect(await worker.filter(name, photo, { ...options, output: 'pixels' } as never), name).toEqual(
        apply(),
      )
    const on = { engine }
    await same('boxBlur', { size: 3 }, () => image.boxBlur(photo, 3, on))
    await same('gaussianBlur', { sigma: 1.5 }, () => image.gaussianBlur(photo, 1.5, on))
    await same('median', { size: 5 }, () => image.median(photo, 5, on))
    await same('filter2d', { kernel: [[0, 1, -1]] }, () => image.filter2d(photo, [[0, 1, -1]], on))
    await same('dilate', { size: [3, 5] }, () => image.dilate(photo, [3, 5], on))
    await same('erode', {}, () => image.erode(photo, 3, on))
    await same('opening', { size: 5 }, () => image.opening(photo, 5, on))
    await same('closing', {}, () => image.closing(photo, 3, on))
    await same('canny', { low: 0.1, high: 0.3 }, () => image.canny(photo, 0.1, 0.3, on))
    await same('threshold', { bound: 'otsu' }, () => image.threshold(photo, 'otsu', on))
    await same('resize', { size: 4 }, () => image.resize(photo, 4, on))
    const matrix = [
      [0.8, 0.1, 2],
      [-0.1, 0.9, 1],
    ] as const
    await same('warpAffine', { matrix }, () => image.warpAffine(photo, matrix, on))
    const { bilateral, grayscale, toHsv, fromHsv, toLab, fromLab } = image
    for (const [name, filter] of Object.entries({ bilateral, grayscale, toHsv, fromHsv, toLab, fromLab }))
      await same(name as FilterName, {}, () => filter(photo, on))
    const filters = {
      emboss: image.emboss,
      highPass: image.highPass,
      laplacian: image.laplacian,
      lowPass: image.lowPass,
      scharr: image.scharr,
      sharpen: image.sharpen,
      sobel: image.sobel,
      unsharpMask: image.unsharpMask,
    }
    for (const [name, filter] of Object.entries(filters))
      await same(name as FilterName, { border: 'wrap' }, () => filter(photo, { ...on, border: 'wrap' }))
  })

  it('runs a model as loadModel does, and gives its memory back', async () => {
    const model = await worker.loadModel(bytes.slice(), { transfer: true })
    using here = await loadModel(engine, bytes)
    expect([model.inputs, model.outputs]).toEqual([here.inputs, here.outputs])
    const x = Float32Array.from({ length: 72 }, (_, i) => i - 30)
    const { y } = await model.run({ x })
    expect(y).toEqual(here.run({ x })['y'])
    expect(x.length).toBe(72)
    await model.run({ x }, { transfer: true })
    expect(x.length).toBe(0)
    expect((await model.summary()).length).toBe(here.summary().length)
    const picture = rows(4, 6)
    const { y: seen } = await model.run({
      x: { image: picture, channels: 'bgr', mean: [0.1, 0.2, 0.3], std: [0.5, 1, 2] },
    })
    const wanted = Array.from({ length: 72 }, (_, i) => {
      const [c, pixel] = [Math.floor(i / 24), i % 24]
      const v = picture.data[4 * pixel + (2 - c)]! / 255
      return Math.max(0, (v - [0.1, 0.2, 0.3][c]!) / [0.5, 1, 2][c]!)
    })
    expect(seen!.shape).toEqual([1, 3, 4, 6])
    expect(
      Array.from(seen!.toArray() as Float32Array, (v, i) => Math.abs(v - wanted[i]!) < 1e-5),
    ).not.toContain(false)
    for (const fit of ['fill', 'cover', 'contain'] as const)
      expect((await model.run({ x: { image: rows(20, 11), fit } }))['y']!.shape).toEqual([1, 3, 4, 6])
    model.dispose()
    expect((await worker.memory()).tensors).toBe(0)
    expect((await failure(model.run({ x: new Float32Array(72) }))).got).toBe('a disposed one')
  })

  describe.each(['moved', 'by messages'])('takes streams in, %s,', (way) => {
    beforeEach(() => {
      // As on hosts whose messages carry no streams.
      if (way === 'by messages') vi.stubGlobal('structuredClone', undefined)
    })
    afterEach(() => {
      vi.unstubAllGlobals()
    })
    const large = writeModel({
      inputs: [{ name: 'x', shape: [1] }],
      outputs: [{ name: 'y' }],
      nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['y'] }],
      initializers: [{ name: 'w', shape: [1 << 19], data: new Float32Array(1 << 19).map((_, i) => i) }],
    })
    const PIECE = 1 << 16
    /** In pieces, of which it counts how many were asked for; `at` one of them something else happens. */
    const streamOf = (
      at = Number.POSITIVE_INFINITY,
      instead: (controller: ReadableStreamDefaultController) => void | Promise<void> = () => {},
    ) => {
      const told = { pulls: 0, cancelled: undefined as unknown }
      const stream = new ReadableStream<Uint8Array>(
        {
          pull(controller: ReadableStreamDefaultController<Uint8Array>) {
            const begin = told.pulls++ * PIECE
            if (told.pulls === at) return instead(controller)
            if (begin < large.length) controller.enqueue(large.slice(begin, begin + PIECE))
            else controller.close()
          },
          cancel(reason) {
            told.cancelled = reason ?? 'without a reason'
          },
        },
        { highWaterMark: 0 },
      )
      return { stream, told }
    }
    const answers = async (model: WorkerModel) => {
      const y = (await model.run({ x: [0.5] }))['y']!.toArray()
      expect([y[0], y[1000], y[(1 << 19) - 1]]).toEqual([0.5, 1000.5, (1 << 19) - 0.5])
      model.dispose()
    }

    it('with their progress', async () => {
      const told: Progress[] = []
      const onProgress = (progress: Progress) => told.push(progress)
      await answers(await worker.loadModel(streamOf().stream, { onProgress }))
      expect(told.at(-1)).toEqual({ loaded: large.length, total: undefined })
      expect(told.length).toBeGreaterThan(10)
      const headers = { 'content-length': `${large.length}` }
      const response = new Response(streamOf().stream as BodyInit, { headers })
      await answers(await worker.loadModel(Promise.resolve(response), { onProgress }))
      expect(told.at(-1)).toEqual({ loaded: large.length, total: large.length })
    })

    it('with data files that are streams', async () => {
      const w = new Uint8Array(Float32Array.of(9, 1, 2, 3).buffer)
      const data = new Blob([w]).stream()
      const model = await worker.loadModel(new Response(Uint8Array.from(split('w.bin', 4, 12))), {
        externalData: { 'w.bin': data },
      })
      expect([...(await model.run({ x: [1, 1, 1] }))['y']!.toArray()]).toEqual([2, 3, 4])
      model.dispose()
    })

    it('no faster than they are read', async () => {
      // Nothing reads while the worker is busy; then a few pieces are under way.
      const before = worker.filter('median', rows(1000, 1000), { size: 9, output: 'pixels' })
      const { stream, told } = streamOf()
      const loading = worker.loadModel(stream)
      await before
      expect(told.pulls).toBeLessThan(10)
      await answers(await loading)
      expect(told.pulls).toBe(Math.ceil(large.length / PIECE) + 1)
    })

    it('and says what is wrong with them', async () => {
      const broken = streamOf(3, (controller) => controller.error(new Error('the cable was cut')))
      expect((await failure(worker.loadModel(broken.stream))).message).toMatch(/a stream.*the cable was cut/s)
      const strings = streamOf(3, (controller) => controller.enqueue('text'))
      expect((await failure(worker.loadModel(strings.stream))).message).toContain('"text" instead of bytes')
      const cut = streamOf(3, (controller) => controller.close())
      expect((await failure(worker.loadModel(cut.stream))).op).toBe('loadModel')
      const locked = streamOf().stream
      locked.getReader()
      expect((await failure(worker.loadModel(locked))).message).toMatch(/nobody reads yet, got a locked one/)
      const gone = new Response('gone', { status: 404 })
      expect((await failure(worker.loadModel(gone))).message).toContain('status 404')
      expect((await worker.memory()).tensors).toBe(0)
    })

    it('and drops what was under way when they were stopped', async () => {
      const { port1, port2 } = new MessageChannel()
      const asked: unknown[] = []
      port1.onmessage = ({ data }) => asked.push(data)
      const stream = receive({ stream: port2 as never, total: undefined }) as ReadableStream<Uint8Array>
      await vi.waitFor(() => expect(asked).toEqual(['next']))
      await stream.cancel()
      // Its error would be nobody's, and end the worker.
      port1.postMessage({ value: Uint8Array.of(1) })
      await vi.waitFor(() => expect(asked).toEqual(['next', 'cancel']))
      port1.close()
    })

    it('until they are stopped', async () => {
      const stop = new AbortController()
      // It waits for its third piece for ever.
      const { stream, told } = streamOf(3, () => new Promise(() => {}))
      const onProgress = () => stop.abort(new Error('enough'))
      await expect(worker.loadModel(stream, { signal: stop.signal, onProgress })).rejects.toThrow('enough')
      await vi.waitFor(() => expect(told.cancelled).toBeDefined())
      // It may be loaded by the time that it hears of it.
      const late = new AbortController()
      const atLast = ({ loaded }: Progress) => loaded === large.length && late.abort(new Error('too late'))
      const loading = worker.loadModel(streamOf().stream, { signal: late.signal, onProgress: atLast })
      await expect(loading).rejects.toThrow('too late')
      await vi.waitFor(async () => expect((await worker.memory()).tensors).toBe(0))
    })
  })

  it('gives errors with their fields', async () => {
    const model = await worker.loadModel(bytes)
    const wrong = await failure(model.run({ z: new Float32Array(72) }))
    expect(wrong).toBeInstanceOf(FilterbankError)
    using here = await loadModel(engine, bytes)
    expect(() => here.run({ z: new Float32Array(72) })).toThrow(wrong.message)
    expect([wrong.op, wrong.expected, wrong.got]).toEqual(['model.run', 'of the names "x"', '"z"'])
    expect((await failure(model.run({}, { latest: true } as never))).message).toMatch(/latestOnly/)
    expect((await failure(createWorker({ thread: 2 } as never))).message).toMatch(/threads/)
    expect((await failure(worker.filter('sobell' as never, rows(2, 2), {} as never))).message).toMatch(
      /one of .*sobel/,
    )
    expect((await failure(worker.loadModel(new Uint8Array(8)))).op).toBe('loadModel')
    expect((await failure(createWorker({ url: '/no/such/worker.js' }))).message).toMatch(
      /url .*dist\/worker-thread\.js/,
    )
  })

  it('refuses what no message carries, and arrays that were moved before', async () => {
    const model = await worker.loadModel(bytes)
    const complaint = async (call: Promise<unknown>) => {
      const { op, argument, got, message } = await failure(call)
      return { op, argument, got, message }
    }
    expect(await complaint(model.run({ x: (() => 1) as never }))).toMatchObject({
      op: 'model.run',
      argument: 'arguments',
      got: expect.stringContaining('could not be cloned'),
    })
    const options = { border: () => 1 }
    expect((await complaint(worker.filter('sobel', rows(2, 2), options as never))).op).toBe('worker.filter')
    expect((await complaint(worker.loadModel((() => bytes) as never))).op).toBe('loadModel')
    expect((await complaint(createWorker({ maximumBytes: (() => 1) as never }))).op).toBe('createWorker')
    const x = new Float32Array(72)
    await model.run({ x }, { transfer: true })
    // Node loses messages that move such a buffer, and nobody would be answered.
    expect((await complaint(model.run({ x }, { transfer: true }))).message).toMatch(/model.run: .*detached/)
    expect((await complaint(model.run({ x }, { transfer: [x.buffer] }))).message).toMatch(/detached/)
    const moved = bytes.slice()
    structuredClone(moved, { transfer: [moved.buffer] })
    expect((await complaint(worker.loadModel(moved, { transfer: true }))).message).toMatch(/detached/)
    const gone = rows(2, 2)
    structuredClone(gone.data, { transfer: [gone.data.buffer] })
    const moving = worker.filter('sobel', gone, { output: 'pixels', transfer: true })
    expect((await complaint(moving)).message).toMatch(/worker.filter: .*detached/)
    expect((await model.run({ x: new Float32Array(72).fill(2) }))['y']!.toArray()[0]).toBe(2)
  })

  it('takes options of their kind alone', async () => {
    const model = await worker.loadModel(bytes)
    const x = new Float32Array(72)
    const said = async (call: Promise<unknown>) => (await failure(call)).message
    expect(await said(model.run({ x }, { latestOnly: 'no' as never }))).toBe(
      'model.run: latestOnly must be true or false, got "no"',
    )
    expect(await said(model.run({ x }, { transfer: 'all' as never }))).toMatch(
      /transfer must be true or false/,
    )
    expect(await said(model.run({ x }, { signal: 5 as never }))).toMatch(
      /signal must be an AbortSignal, got 5/,
    )
    expect(await said(model.run({ x }, { onProgress: 5 as never }))).toMatch(/onProgress must be a function/)
    expect(await said(model.run({ x }, { taps: 5 as never }))).toMatch(/taps must be an array of names/)
    expect(await said(worker.loadModel(bytes, { transfer: 1 as never }))).toMatch(/transfer must be true or/)
    expect(await said(worker.loadModel(null as never))).toMatch(/loadModel: source must be bytes.*got null/)
    const filter = (options: unknown) => said(worker.filter('sobel', rows(2, 2), options as never))
    expect(await filter(null)).toBe('worker.filter: options must be an object, got null')
    expect(await filter({ out: new Uint8ClampedArray(16) })).toMatch(/worker.filter: out must be left out/)
    expect(await filter({ engine })).toMatch(/worker.filter: engine must be left out/)
    expect(await said(worker.filter('sobel', new Blob(['no picture'])))).toMatch(
      /worker.filter: image must be a picture, got a Blob/,
    )
  })

  it('ends a run whose progress is told to what throws', async () => {
    const model = await worker.loadModel(bytes)
    const onProgress = () => {
      throw new Error('mine')
    }
    await expect(model.run({ x: new Float32Array(72) }, { onProgress })).rejects.toThrow('mine')
    await expect(worker.loadModel(new Blob([bytes.slice()]), { onProgress })).rejects.toThrow('mine')
    await vi.waitFor(async () => expect((await model.run({ x: new Float32Array(72) }))['y']).toBeDefined())
  })

  it('drops frames that are overtaken, and stops by a signal', async () => {
    const model = await worker.loadModel(bytes)
    const frame = (v: number) => model.run({ x: new Float32Array(72).fill(v) }, { latestOnly: true })
    // Keeps the worker busy until all four wait for it.
    const before = worker.filter('median', rows(1000, 1000), { size: 5, output: 'pixels' })
    const results = await Promise.allSettled([1, 2, 3, 4].map(frame))
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled'])
    await before
    expect((results[1] as PromiseRejectedResult).reason.name).toBe('AbortError')
    expect((await frame(5))['y']!.toArray()[0]).toBe(5)
    const stop = new AbortController()
    const run = model.run({ x: new Float32Array(72) }, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(run).rejects.toThrow('enough')
    await expect(frame(6)).resolves.toBeDefined()
  })

  it('rejects what is pending where it ends', async () => {
    const other = await createWorker({ threads: 1 })
    const pending = failure(other.memory())
    other.dispose()
    expect((await pending).message).toMatch(/worker must be alive/)
    expect((await failure(other.memory())).got).toBe('a disposed one')
  })

  it('has the threads asked for', async () => {
    const two = await createWorker({ threads: 2 })
    expect(two.threads).toBe(2)
    const photo = rows(40, 40)
    expect(await two.filter('sobel', photo, { output: 'pixels' })).toEqual(image.sobel(photo, { engine }))
    two.dispose()
  })

  it('has the types of the synchronous API', () => {
    type There = Awaited<ReturnType<FilterbankWorker['loadModel']>>
    expectTypeOf<Awaited<ReturnType<There['run']>>>().toEqualTypeOf<ReturnType<Model['run']>>()
    expectTypeOf<Awaited<ReturnType<There['summary']>>>().toEqualTypeOf<ReturnType<Model['summary']>>()
    expectTypeOf<There['inputs']>().toEqualTypeOf<Model['inputs']>()
    type Functions = {
      [Name in keyof typeof image]: (typeof image)[Name] extends (
        image: never,
        ...rest: never[]
      ) => image.OwnPixels | unknown
        ? Name
        : never
    }[keyof typeof image]
    expectTypeOf<Exclude<Functions, FilterName>>().toEqualTypeOf<
      'featureMaps' | 'filterSheet' | 'fromImage' | 'fromImageData' | 'toCanvas' | 'toImageData'
    >()
  })
})
