/**
 * Run in a process of its own, by joined.mjs and, as dist/every-kernel.js, before there is an engine of the build wide:
 * every kernel, on the awkward shapes of
 * tests/support/cases.ts and what those leave out. On standard error it says which case and kernel comes next, since the
 * host may end the process in the midst of one; at the end, on standard output, a digest of what each case gave, in the
 * first round and in the last, which kernels were left out, and how much faster than `relaxed` a binary is.
 *
 *   node everyKernel.mjs BUILD ROUNDS SEEDS [FLAG OF V8...]     (BUILD: a name, or a path of a binary)
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import * as fb from '../src/index.js'
import { type Exports, type Kernel, kernelNames } from '../src/wasm/kernels.js'
import type { Build } from '../src/wasm/load.js'
import { inner } from '../tests/support/cases/inner.js'
import { type Case, cases } from '../tests/support/cases.js'
import { Random } from '../tests/support/random.js'

const [build, rounds, seeds, ...flags] = process.argv.slice(2)
// As a program would set them: at run time, before anything is compiled.
for (const flag of flags) setFlagsFromString(flag)

type Function = (x: fb.Tensor) => fb.Tensor

/** A function of one tensor, of a few lengths. */
const alone = (op: Function): Case => ({
  shapes: (random) => [[random.integer(1, 200)], [random.integer(4000, 9000)]],
  op: (small, large) => fb.concat([op(small!), op(large!)]),
})

const functions: Record<string, Function> = {
  ...{ abs: fb.abs, neg: fb.neg, exp: fb.exp, log: fb.log, log1p: fb.log1p, expm1: fb.expm1, sqrt: fb.sqrt },
  ...{ sign: fb.sign, floor: fb.floor, ceil: fb.ceil, round: fb.round, erf: fb.erf, tanh: fb.tanh },
  ...{ relu6: fb.relu6, leakyRelu: fb.leakyRelu, elu: fb.elu, selu: fb.selu, gelu: fb.gelu, silu: fb.silu },
  ...{ sigmoid: fb.sigmoid, hardSigmoid: fb.hardSigmoid, hardSwish: fb.hardSwish, mish: fb.mish },
  softplus: fb.softplus,
  sin: (x) => fb.sin(fb.mul(x, 1e5)),
  'gelu by tanh': (x) => fb.gelu(x, { approximate: 'tanh' }),
  'as integers and back': (x) => fb.cast(fb.cast(fb.mul(x, 1000), 'int32'), 'float32'),
  'neg and abs of integers': (x) => fb.cast(fb.abs(fb.neg(fb.cast(fb.mul(x, 1000), 'int32'))), 'float32'),
}

const bytes = (x: fb.Tensor, dtype: fb.ByteType) => fb.quantize(x, { scale: 1 / 127, zeroPoint: 0, dtype })

const everything: Record<string, Case> = {
  ...cases,
  ...inner,
  ...Object.fromEntries(Object.entries(functions).map(([name, op]) => [name, alone(op)])),
  // Tiles and their last rows; panels and their last columns.
  ...Object.fromEntries(
    [1, 2, 3, 4, 5, 6, 7, 13].flatMap((pixels) => [
      [
        `linear of ${pixels} rows`,
        {
          shapes: (random) => {
            const [k, n] = [random.integer(1, 70), random.integer(1, 50)]
            return [[pixels, k], [k, n], [n]]
          },
          op: (x, weight, bias) => fb.linear(x!, weight!, { bias: bias!, activation: [-2, 2] }),
        } satisfies Case,
      ],
      [
        `matmul of ${pixels} rows of bytes`,
        {
          shapes: (random) => {
            const [k, n] = [random.integer(1, 70), random.integer(1, 50)]
            return [
              [pixels, k],
              [k, n],
            ]
          },
          op: (x, weight) => fb.matmul(bytes(x!, 'uint8'), bytes(weight!, 'int8')),
        } satisfies Case,
      ],
    ]),
  ),
  // Filters too large for F(4x4, 3x3) of integers.
  'winograd of bytes by F(2x2, 3x3)': {
    shapes: (random) => [
      [1, random.integer(3, 12), random.integer(3, 12), 260],
      [3, 3, 260, random.integer(8, 20)],
    ],
    op: (x, filter) => {
      const largest = fb.sign(filter!)
      return fb.conv2d(bytes(x!, 'uint8'), bytes(largest, 'int8'), { padding: 1, algorithm: 'winograd' })
    },
  },
}

const engine = await fb.createEngine({
  ...(build!.endsWith('.wasm') ? { wasm: new Uint8Array(readFileSync(build!)) } : { simd: build as Build }),
  threads: 1,
})
const { exports } = engine as unknown as { exports: Exports }
const ran = new Set<Kernel>()
let current = ''
let said = ''
Object.assign(engine, {
  execute(kernel: Kernel, call: number, units: number): void {
    ran.add(kernel)
    const next = `${current}: ${kernel}\n`
    if (next !== said) writeSync(2, next)
    said = next
    exports[kernel](call * 4, 0, units)
  },
})

/** A digest of what a case gives for a seed. */
function digest(name: string, { shapes, op }: Case, seed: number): string {
  const random = new Random(seed)
  const inputs = shapes(random).map((shape) => ({
    shape,
    data: random.floats(shape.reduce((a, b) => a * b, 1)),
  }))
  current = name
  return engine.scope(() => {
    const result = op(...inputs.map(({ data, shape }) => engine.tensor(data, shape)))
    const { buffer, byteOffset, byteLength } = result instanceof fb.Tensor ? result.toArray() : result.data
    return createHash('sha1')
      .update(new Uint8Array(buffer, byteOffset, byteLength))
      .digest('base64')
  })
}

const round = () =>
  Object.fromEntries(
    Object.entries(everything).map(([name, each]) => [
      name,
      Array.from({ length: Number(seeds) }, (_, i) => 20261121 + i)
        .map((seed) => digest(name, each, seed))
        .join(' '),
    ]),
  )

const first = round()
let last = first
for (let i = 1; i < Number(rounds); i++) last = round()

/** Milliseconds of a dense layer, the best of many, when it is warm. */
function dense(engine: fb.Engine): number {
  const x = engine.zeros([96, 256])
  const weight = engine.zeros([256, 64])
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 200; i++) {
    const start = performance.now()
    fb.linear(x, weight).dispose()
    best = Math.min(best, performance.now() - start)
  }
  return best
}

const gain =
  build!.endsWith('.wasm') && dense(await fb.createEngine({ simd: 'relaxed', threads: 1 })) / dense(engine)
const left = kernelNames.filter((kernel) => !ran.has(kernel))
writeSync(1, JSON.stringify({ first, last, left, gain }))
