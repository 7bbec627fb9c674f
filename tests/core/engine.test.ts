import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  conv2d,
  createEngine,
  type Engine,
  type EngineOptions,
  FilterbankError,
  type Tensor,
} from '../../src/index.js'
import { compilerOf } from '../../src/wasm/host.js'
import { preferred } from '../../src/wasm/load.js'
import { expectComplaint, inEveryBuild } from '../support/check.js'

const binary = (build: string) => readFileSync(new URL(`../../dist/${build}.wasm`, import.meta.url))

const engines: Engine[] = []
async function make(options: EngineOptions = {}): Promise<Engine> {
  const engine = await createEngine({ threads: 1, ...options })
  engines.push(engine)
  return engine
}
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  for (const engine of engines.splice(0)) engine.dispose()
})

/** 1 x 1 convolution of 3 with 2. */
const six = (engine: Engine): number =>
  engine.scope(() => conv2d(engine.tensor([3], [1, 1, 1, 1]), engine.tensor([2], [1, 1, 1, 1])).toArray()[0]!)

describe('createEngine', () => {
  it('picks a build by itself and tells why', async () => {
    const engine = await make()
    expect(engine.simd).toBe(preferred(compilerOf()).build)
    expect(engine.simdReason).not.toBe('')
    expect((await make({ simd: 'relaxed' })).simd).toBe('relaxed')
  })

  it('may be called many times at once; each engine has a memory of its own', async () => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, i) => make({ simd: i % 2 ? 'relaxed' : 'simd128' })),
    )
    for (const engine of all) expect(six(engine)).toBe(6)
    const [first, second] = all as [Engine, Engine]
    using x = first.zeros([1000])
    expect(x.size).toBe(1000)
    expect([first.memory().tensors, second.memory().tensors]).toEqual([1, 0])
  })

  it('takes the binary as a module, bytes or a response', async () => {
    const bytes = binary('simd128')
    const response = () => new Response(bytes, { headers: { 'content-type': 'application/wasm' } })
    const sources = [
      new WebAssembly.Module(bytes),
      bytes,
      new Uint8Array(bytes).buffer,
      response(),
      Promise.resolve(response()),
    ]
    for (const wasm of sources) expect(six(await make({ wasm }))).toBe(6)
    expect((await make({ wasm: binary('relaxed'), simd: 'relaxed' })).simd).toBe('relaxed')
    // With threads the bytes are compiled for shared memory.
    for (const wasm of sources.slice(1, 3)) expect(six(await make({ wasm, threads: 2 }))).toBe(6)
  })

  it('compiles a response as it arrives, unless memory is shared or its type is another', async () => {
    const streaming = vi.spyOn(WebAssembly, 'compileStreaming')
    const response = (type: string) => new Response(binary('simd128'), { headers: { 'content-type': type } })
    expect(six(await make({ wasm: response('application/wasm') }))).toBe(6)
    expect(streaming).toHaveBeenCalledTimes(1)
    expect(six(await make({ wasm: response('application/wasm'), threads: 2 }))).toBe(6)
    expect(six(await make({ wasm: response('application/octet-stream') }))).toBe(6)
    expect(streaming).toHaveBeenCalledTimes(1)
    const page = new Response('<!doctype html>', { headers: { 'content-type': 'application/wasm' } })
    await expect(make({ wasm: page })).rejects.toThrow(
      "createEngine: wasm must be filterbank's binary, got a Response that does not compile",
    )
  })

  it('says what is wrong with a binary', async () => {
    await expect(make({ wasm: new Response('no', { status: 404 }) })).rejects.toThrow(
      'createEngine: wasm must be a WebAssembly.Module, its bytes, a URL or a Response, got status 404',
    )
    await expect(make({ wasm: 5 as never })).rejects.toThrow(
      'createEngine: wasm must be a WebAssembly.Module, its bytes, a URL or a Response, got 5',
    )
    await expect(make({ wasm: new TextEncoder().encode('<!doctype html>') })).rejects.toThrow(
      "createEngine: wasm must be filterbank's binary, got 15 bytes that do not compile. Was a page served in place of the file?",
    )
  })

  it('knows which build a binary is, and that it is of this version', async () => {
    const fromBinary = await make({ wasm: binary('relaxed') })
    expect([fromBinary.simd, fromBinary.simdReason]).toEqual(['relaxed', 'the binary given is of this build'])
    for (const [build, other] of [
      ['simd128', 'relaxed'],
      ['relaxed', 'simd128'],
    ] as const) {
      const wrong = `createEngine: simd must be '${build}' for this binary, got '${other}'`
      await expect(make({ wasm: binary(build), simd: other })).rejects.toThrow(wrong)
      await expect(make({ wasm: new WebAssembly.Module(binary(build)), simd: other })).rejects.toThrow(wrong)
    }
    const empty = new Uint8Array([...[0, 0x61, 0x73, 0x6d], 1, 0, 0, 0])
    await expect(make({ wasm: empty })).rejects.toThrow(
      "createEngine: wasm must be filterbank's binary of this version, got a module without",
    )
    await expect(make({ wasm: new WebAssembly.Module(empty) })).rejects.toThrow('got a module without')
    // A module that imports a function.
    const foreign = new Uint8Array([...empty, 1, 4, 1, 0x60, 0, 0, 2, 7, 1, 1, 0x61, 1, 0x62, 0, 0])
    await expect(make({ wasm: new WebAssembly.Module(foreign) })).rejects.toThrow(
      'got a module that does not start',
    )
  })

  it('wraps what the host says where a binary cannot be had', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('fetch failed'))
    const expected = 'createEngine: wasm must be a WebAssembly.Module, its bytes, a URL or a Response, got'
    await expect(make({ wasm: 'https://host.invalid/x.wasm' })).rejects.toThrow(
      `${expected} "https://host.invalid/x.wasm": fetch failed`,
    )
    await expect(make({ wasm: Promise.reject(new TypeError('no network')) })).rejects.toThrow(
      `${expected} an object (Promise): no network`,
    )
    const used = new Response(binary('simd128'))
    await used.arrayBuffer()
    await expect(make({ wasm: used })).rejects.toMatchObject({
      name: 'FilterbankError',
      cause: { name: 'TypeError' },
    })
  })

  it('takes a binary out of shared memory', async () => {
    const bytes = binary('simd128')
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
    shared.set(bytes)
    for (const wasm of [shared, shared.buffer]) expect(six(await make({ wasm: wasm as never }))).toBe(6)
  })

  it('asks for as much shared memory as maximumBytes says, and does with one thread where that is refused', async () => {
    const { Memory } = WebAssembly
    const asked: WebAssembly.MemoryDescriptor[] = []
    let refuses = (descriptor: WebAssembly.MemoryDescriptor) =>
      descriptor.shared && descriptor.maximum! > 1000
    const construct = (target: typeof Memory, [descriptor]: [WebAssembly.MemoryDescriptor]) => {
      asked.push(descriptor)
      if (refuses(descriptor)) throw new RangeError('could not allocate memory')
      return new target(descriptor)
    }
    vi.stubGlobal(
      'WebAssembly',
      Object.create(WebAssembly, { Memory: { value: new Proxy(Memory, { construct }) } }),
    )
    const small = await make({ threads: 2, maximumBytes: 500 * 65536 })
    expect([small.threads, six(small)]).toEqual([2, 6])
    expect(asked).toEqual([{ initial: 4, maximum: 500, shared: true }])
    expectComplaint(small, () => small.zeros([500 * 65536]), 'engine: memory must be within 32768000 bytes')
    const refused = await make({ threads: 2 })
    expect([refused.threads, six(refused)]).toEqual([1, 6])
    expect(refused.threadsReason).toContain('shared memory (could not allocate memory)')
    refuses = () => true
    await expect(make()).rejects.toThrow(
      'createEngine: host must be one that gives an engine its first memory, got a refusal: could not allocate memory',
    )
  })

  it('says what is wrong with an option', async () => {
    await expect(createEngine(null as never)).rejects.toThrow(
      'createEngine: options must be an object of simd, threads, maximumBytes, wasm, signal, got null',
    )
    await expect(make({ signal: 5 as never })).rejects.toThrow(
      'createEngine: signal must be an AbortSignal, got 5',
    )
    await expect(make({ simd: 'avx' as never })).rejects.toThrow(
      "createEngine: simd must be 'simd128', 'relaxed' or 'wide', got \"avx\"",
    )
    for (const maximumBytes of [0, -1, 1.5, Number.NaN, 2 ** 33, '1' as never])
      await expect(make({ maximumBytes })).rejects.toThrow(
        'createEngine: maximumBytes must be an integer from',
      )
  })

  it('can be aborted, before and while it loads', async () => {
    await expect(make({ signal: AbortSignal.abort() })).rejects.toThrow('aborted')
    const controller = new AbortController()
    const loading = make({ signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(loading).rejects.toThrow('enough')
    expect(six(await make())).toBe(6)
  })
})

describe('memory', () => {
  it('tells live, peak and reserved bytes and the number of tensors', async () => {
    const engine = await make()
    const empty = engine.memory()
    const x = engine.zeros([100])
    const y = engine.zeros([1])
    expect(engine.memory()).toMatchObject({
      live: empty.live + 448 + 64,
      peak: empty.live + 448 + 64,
      tensors: 2,
    })
    x.dispose()
    y.dispose()
    expect(engine.memory()).toMatchObject({ live: empty.live, peak: empty.live + 448 + 64, tensors: 0 })
    const large = engine.zeros([1 << 20])
    expect(engine.memory().reserved).toBeGreaterThan(empty.reserved)
    large.dispose()
  })

  it('keeps to maximumBytes, says so, and goes on', async () => {
    const engine = await make({ maximumBytes: 1 << 20 })
    const x = engine.zeros([1000])
    expectComplaint(
      engine,
      () => engine.zeros([1 << 20]),
      'engine: memory must be within 1048576 bytes, got a request for 4194304 bytes with ',
      'maximumBytes',
    )
    expectComplaint(
      engine,
      () => engine.zeros([2 ** 30, 2 ** 30]),
      'engine: memory must be within 1048576 bytes',
    )
    expect(engine.memory().reserved).toBeLessThanOrEqual(1 << 20)
    expect(x.toArray()).toEqual(new Float32Array(1000))
    expect(six(engine)).toBe(6)
  })

  it('loses nothing when it runs out inside an op', async () => {
    const engine = await make({ maximumBytes: 1 << 20 })
    const x = engine.zeros([1, 50, 50, 16])
    const filter = engine.zeros([3, 3, 16, 256])
    expectComplaint(engine, () => conv2d(x, filter), 'Out of memory')
  })

  it('does not grow over 10,000 convolutions', async () => {
    const engine = await make()
    const x = engine.tensor(new Float32Array(8 * 8 * 3).fill(1), [1, 8, 8, 3])
    const filter = engine.tensor(new Float32Array(3 * 3 * 3 * 8).fill(1), [3, 3, 3, 8])
    const bias = engine.zeros([8])
    const once = (padding: number) =>
      conv2d(x, filter.changed(), { bias, padding, activation: 'relu' }).dispose()
    for (const padding of [0, 1, 2]) once(padding)
    const before = engine.memory()
    for (let i = 0; i < 10_000; i++) once(i % 3)
    expect(engine.memory()).toEqual(before)
  })
})

describe('scope', () => {
  inEveryBuild((engine) => {
    it('frees what was made inside but not returned, in arrays and objects too', () => {
      const kept = engine().scope(() => {
        const [a, b, c, d] = [1, 2, 3, 4].map((v) => engine().tensor([v], [1])) as [
          Tensor,
          Tensor,
          Tensor,
          Tensor,
        ]
        return { a, list: [b, { c }], gone: String(d) }
      })
      expect(engine().memory().tensors).toBe(3)
      for (const tensor of [
        kept.a,
        ...(kept.list as [Tensor, { c: Tensor }]).map((v) => ('c' in v ? v.c : v)),
      ])
        (tensor as Tensor).dispose()
    })

    it('keeps what maps, sets and objects of any class hold, and what contains itself', () => {
      class Pair {
        constructor(
          readonly x: Tensor,
          readonly other: unknown,
        ) {}
      }
      const shapes: Record<string, (x: Tensor) => unknown> = {
        map: (x) => new Map([['x', x]]),
        key: (x) => new Map([[x, 'x']]),
        set: (x) => new Set([x]),
        class: (x) => new Pair(x, [1]),
        'null prototype': (x) => Object.assign(Object.create(null), { x }),
        circle: (x) => {
          const circle: unknown[] = [x]
          circle.push({ circle })
          return circle
        },
        deep: (x) => {
          let list: unknown = x
          for (let depth = 0; depth < 100_000; depth++) list = [list]
          return list
        },
      }
      for (const [name, wrap] of Object.entries(shapes)) {
        let x!: Tensor
        let y!: Tensor
        engine().scope(() => {
          x = engine().zeros([1])
          y = engine().zeros([1])
          return wrap(x)
        })
        expect([name, x.disposed, y.disposed]).toEqual([name, false, true])
        x.dispose()
      }
    })

    it('ends at what belongs to a page, which leads everywhere', () => {
      const element = { addEventListener() {}, tensor: undefined as Tensor | undefined }
      engine().scope(() => {
        element.tensor = engine().zeros([1])
        return { element }
      })
      expect(element.tensor!.disposed).toBe(true)
    })

    it('does not ask objects for what they lack: a proxy may refuse that', () => {
      const get = (target: object, name: string | symbol) => {
        if (typeof name === 'string' && name !== 'then' && !(name in target)) throw new Error(`no ${name}`)
        return Reflect.get(target, name)
      }
      const kept = engine().scope(() => new Proxy<{ x: Tensor }>({ x: engine().zeros([1]) }, { get }))
      expect(kept.x.disposed).toBe(false)
      kept.x.dispose()
    })

    it('refuses what is no function', () => {
      expectComplaint(
        engine(),
        () => engine().scope(5 as never),
        'engine.scope: fn must be a function, got 5',
      )
    })

    it('nests: what an inner scope returns belongs to the outer one', () => {
      const before = engine().zeros([1])
      engine().scope(() => {
        const inner = engine().scope(() => engine().tensor([1], [1]).reshape([1, 1]))
        expect(inner.disposed).toBe(false)
        expect([...inner.toArray()]).toEqual([1])
        expect(engine().memory().tensors).toBe(2)
      })
      expect(engine().memory().tensors).toBe(1)
      before.dispose()
    })

    it('frees when its function throws, and leaves alone what is older or already disposed', () => {
      const older = engine().zeros([1])
      expect(() =>
        engine().scope(() => {
          engine().zeros([1]).dispose()
          engine().zeros([1])
          throw new Error('mine')
        }),
      ).toThrow('mine')
      expect(older.disposed).toBe(false)
      expect(engine().scope(() => older)).toBe(older)
      older.dispose()
    })

    it('refuses an async function, and any thenable', () => {
      expectComplaint(
        engine(),
        () => engine().scope(async () => engine().zeros([1])),
        'engine.scope: fn must be a function that returns when it is done, got an async one',
      )
    })

    it('`using` frees at the end of a block', () => {
      {
        using x = engine().zeros([3])
        expect(x.size).toBe(3)
        expect(engine().memory().tensors).toBe(1)
      }
      expect(engine().memory().tensors).toBe(0)
    })
  })
})

describe('dispose', () => {
  it('gives everything back, and both engine and tensors say so afterwards', async () => {
    const engine = await make()
    const x = engine.zeros([1, 2, 2, 1])
    engine.dispose()
    engine.dispose()
    expect(engine.disposed).toBe(true)
    expect(x.disposed).toBe(true)
    expect(engine.memory()).toMatchObject({ live: 0, reserved: 0, tensors: 0 })
    for (const use of [
      () => engine.zeros([1]),
      () => engine.tensor([1], [1]),
      () => x.toArray(),
      () => x.view,
      () => conv2d(x, x),
    ]) {
      expect(use).toThrow(FilterbankError)
      expect(use).toThrow('disposed')
    }
    x.dispose()
  })

  it('`using` disposes an engine', async () => {
    let outside: Engine
    {
      using engine = await createEngine({ threads: 1 })
      outside = engine
      expect(outside.disposed).toBe(false)
    }
    expect(outside.disposed).toBe(true)
  })

  it('one engine refuses the tensors of another', async () => {
    const [a, b] = [await make(), await make()]
    const [x, filter] = [a.zeros([1, 2, 2, 1]), b.zeros([1, 1, 1, 1])]
    expectComplaint(
      a,
      () => conv2d(x, filter),
      'conv2d: filter must be a tensor of the same engine, got one of another, [1, 1, 1, 1]',
    )
    expectComplaint(a, () => conv2d(x, 'filter' as never), 'conv2d: filter must be a tensor, got "filter"')
    expectComplaint(
      a,
      () => conv2d(undefined as never, undefined as never),
      'conv2d: x must be a tensor, got undefined',
    )
  })
})
