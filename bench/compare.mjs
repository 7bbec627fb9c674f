/**
 * Measures layers in every contender: same data, outputs checked against each other, then timed in turns.
 * Runs in Node and in a page.
 */
import { difference, measure, measurePeak } from './measure.mjs'
import { conv2dOptions, filterbank } from './peers/filterbank.mjs'
import { dataOf, operations } from './shapes.mjs'

/**
 * What takes part. `prepare` gives undefined for what it cannot do. `run` leaves input and output where they
 * are; `runWithCopies`, for those whose every call copies them in and out, is such a call.
 * @typedef {object} Contender
 * @property {string} name
 * @property {string} version
 * @property {boolean} [native] not WebAssembly
 * @property {number} [threads] 1
 * @property {(problem: import('./shapes.mjs').Problem, data: { x: Float32Array, filter?: Float32Array, bias?:
 *   Float32Array }) => Prepared | undefined | Promise<Prepared | undefined>} prepare
 *
 * @typedef {object} Prepared
 * @property {() => unknown} run
 * @property {() => unknown} [runWithCopies]
 * @property {() => Float32Array | Promise<Float32Array>} output NHWC, row-major
 * @property {() => void} dispose
 *
 * @typedef {object} Row
 * @property {string} line @property {string} name @property {string} kind
 * @property {number} operations @property {number} bytes read and written, filter included
 * @property {Record<string, import('./measure.mjs').Timing & { copies?: number }>} results by contender;
 *   `copies` is the milliseconds that its copies add
 */

/**
 * The whole bench: the peak, then every layer.
 * @param {{ problems: import('./shapes.mjs').Problem[], simd?: string, threads?: number, assert?: boolean,
 *   budget?: number }} wanted
 * @param {{ library: object, peak(build: string): Promise<BufferSource>, peers: (() => Promise<Contender>)[]
 *   }} host filterbank's core entry, bench/peak.ts compiled, who else there is
 * @param {(news: { start: { peak: number, features: string, contenders: { name: string, version: string, peer: boolean, native:
 *   boolean, threads: number }[] } } | { row: Row }) => unknown} report
 */
export async function bench(
  { problems, simd, threads = 1, assert, budget },
  { library, peak, peers },
  report,
) {
  const own = await filterbank(library, { simd, threads: 1 })
  const variants = []
  if (threads > 1) variants.push(await filterbank(library, { simd, threads }))
  if (assert)
    for (const algorithm of algorithmsOf(library, problems))
      variants.push(await filterbank(library, { simd, threads: 1, algorithm }))
  const contenders = [own, ...variants]
  if (new Set(contenders.map(({ name }) => name)).size < contenders.length)
    throw new Error(`this engine does not take ${threads} threads`)
  for (const open of peers) contenders.push(await open())
  await report({
    start: {
      peak: await measurePeak(await peak(own.version)),
      features: featuresOf(await library.diagnose()),
      contenders: contenders.map(({ name, version, native = false, threads = 1 }, i) => ({
        name,
        version,
        native,
        threads,
        peer: i > variants.length,
      })),
    },
  })
  for await (const row of compare(problems, contenders, { budget })) await report({ row })
}

/** What the host has of what kernels may use, in words. */
const featuresOf = ({ simd, relaxedSimd, sharedMemory, cores }) =>
  [simd && 'SIMD', relaxedSimd && 'relaxed SIMD', sharedMemory && 'shared memory', cores && `${cores} cores`]
    .filter(Boolean)
    .join(', ')

/** Every algorithm that fits one of these layers. */
const algorithmsOf = ({ planConv2d }, problems) => [
  ...new Set(
    problems.flatMap(({ op, input, filter, ...geometry }) =>
      op === 'conv2d' ? planConv2d(input, filter, conv2dOptions(geometry)).fits : [],
    ),
  ),
]

/**
 * Outputs may differ by this part of the largest number: Winograd's rounding is within it, a wrong tap is
 * not.
 */
const TOLERANCE = 1e-4

/**
 * @param {import('./shapes.mjs').Problem[]} problems
 * @param {Contender[]} contenders the first is filterbank, whose output the others are checked against
 * @param {{ budget?: number }} options milliseconds of samples for one problem
 * @yields {Row | { line: string, name: string, missing: string } | { line: string, name: string, wrong:
 *   string }} missing: filterbank lacks the op; wrong: two outputs differ
 */
export async function* compare(problems, contenders, options) {
  for (const problem of problems) {
    const { line, names, kind } = problem
    const name = names[0] ?? line
    const data = dataOf(problem)
    const present = []
    try {
      for (const contender of contenders) {
        const prepared = await prepare(contender, problem, data)
        if (prepared instanceof Error) yield { line, name, wrong: prepared.message }
        else if (prepared) present.push({ contender, prepared })
        else if (contender === contenders[0]) break
      }
      if (!present.length) {
        yield { line, name, missing: `${contenders[0].name} has no ${problem.op}` }
        continue
      }
      const output = await present[0].prepared.output()
      const wrong = await check(output, present)
      if (wrong) {
        yield { line, name, wrong }
        continue
      }
      const runs = present.flatMap(({ contender, prepared }) => [
        { contender, run: prepared.run },
        ...(prepared.runWithCopies ? [{ contender, run: prepared.runWithCopies, copies: true }] : []),
      ])
      const timings = await measure(
        runs.map(({ run }) => run),
        options,
      )
      const results = {}
      runs.forEach(({ contender, copies }, i) => {
        if (copies) results[contender.name].copies = timings[i].ms - results[contender.name].ms
        else results[contender.name] = timings[i]
      })
      const bytes = 4 * (data.x.length + output.length + (data.filter?.length ?? 0))
      yield { line, name, kind, operations: operations(problem, output.length), bytes, results }
    } finally {
      for (const { prepared } of present) prepared.dispose()
    }
  }
}

/** A layer that one of them trips over is still measured in the others. */
async function prepare(contender, problem, data) {
  try {
    return await contender.prepare(problem, data)
  } catch (error) {
    return new Error(`${contender.name} fails: ${error.message ?? error}`)
  }
}

/** Compares everyone's output with the first one's; a sentence where one differs. */
async function check(expected, [first, ...others]) {
  for (const { contender, prepared } of others) {
    const apart = difference(expected, await prepared.output())
    if (!(apart <= TOLERANCE))
      return `${contender.name} and ${first.contender.name} differ by ${apart} of the largest number`
  }
}
