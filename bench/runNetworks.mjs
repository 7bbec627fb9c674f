/**
 * Runs whole networks in every contender: outputs checked against each other, then timed in turns. Runs in
 * Node and in a page.
 */
import { difference, geometricMean, measure } from './measure.mjs'
import { network, photoFor, toOnnx } from './networks.mjs'
import { filterbank } from './peers/filterbank.mjs'
import { align, markdown, times } from './table.mjs'

/**
 * Outputs may differ by this part of the largest number: the rounding of fifty layers is within it, a wrong
 * tap is not.
 */
const TOLERANCE = 1e-3

/**
 * @typedef {object} NetworkRow
 * @property {string} name
 * @property {Record<string, import('./measure.mjs').Timing>} results by contender
 * @property {Record<string, { load: number, first: number, peak?: number }>} alone by contender, each in a
 *   process of its own (in a page one after another,
 * without `peak`): milliseconds from nothing to a loaded model, of the first run, and the most bytes that the
 * process took
 * @property {string[]} failures
 */

/**
 * @param {{ names: string[], batchNorm?: boolean, simd?: string, threads?: number, peers?: boolean, budget?:
 *   number }} wanted
 * @param {{ library: object, peers: (() => Promise<import('./compare.mjs').Contender>)[], alone?: (name:
 *   string, contender: number, bytes: Uint8Array) => Promise<object> }} host
 * @param {(news: { start: object } | { row: NetworkRow }) => unknown} report
 */
export async function benchNetworks(
  { names, batchNorm, simd, threads = 1, budget = 4000 },
  { library, peers, alone },
  report,
) {
  const contenders = [await filterbank(library, { simd, threads: 1 })]
  if (threads > 1) contenders.push(await filterbank(library, { simd, threads }))
  const own = contenders.length
  for (const open of peers) {
    const peer = await open()
    if (peer.network) contenders.push(peer)
  }
  await report({
    start: {
      contenders: contenders.map(({ name, version, native = false, threads = 1 }, i) => ({
        name,
        version,
        native,
        threads,
        peer: i >= own,
      })),
    },
  })
  for (const name of names) {
    const net = network(name, { batchNorm })
    const bytes = toOnnx(net)
    const photo = photoFor(net)
    const row = { name, results: {}, alone: {}, failures: [] }
    const present = []
    try {
      let expected
      for (const [i, contender] of contenders.entries()) {
        try {
          // More threads start with one process as one thread does, and tfjs reads no such files.
          const measured =
            alone && contender.reads && (i === 0 || i >= own)
              ? await alone(name, i ? i - own + 1 : 0, bytes)
              : undefined
          const start = performance.now()
          const prepared = await contender.network?.(net, bytes, photo)
          if (!prepared) continue
          const load = performance.now() - start
          present.push({ contender, prepared })
          const output = await prepared.run()
          if (contender.reads)
            row.alone[contender.name] = measured ?? { load, first: performance.now() - start - load }
          expected ??= output
          const apart = difference(expected, output)
          if (!(apart <= TOLERANCE))
            row.failures.push(`${contender.name} differs by ${apart} of the largest number`)
        } catch (error) {
          row.failures.push(`${contender.name} fails: ${error.message ?? error}`)
        }
      }
      const timings = await measure(
        present.map(({ prepared }) => prepared.run),
        { budget, rounds: [5, 51] },
      )
      present.forEach(({ contender }, i) => {
        row.results[contender.name] = timings[i]
      })
    } finally {
      for (const { prepared } of present) prepared.dispose()
    }
    await report({ row })
  }
}

const milliseconds = (ms) =>
  ms === undefined ? '' : ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)

/**
 * Rows as text.
 * @param {{ name: string, peer: boolean, native: boolean, threads: number }[]} contenders the first is
 *   filterbank on one thread
 * @param {boolean} inPage no process tells its memory there
 */
export function tableOf(contenders, inPage) {
  const [own, ...others] = contenders.map(({ name }) => name)
  const named = (test) => contenders.filter(test).map(({ name }) => name)
  const ratio = (head, names) => ({
    head,
    of: (row) =>
      Math.min(...names.map((name) => row.results[name]?.ms ?? Number.POSITIVE_INFINITY)) /
      row.results[own]?.ms,
    present: names.length > 0,
  })
  const web = named(({ name }) => name === 'onnxruntime-web')[0]
  const threaded = named(({ peer, threads }) => !peer && threads > 1)[0]
  const ratios = [
    ratio(
      'over wasm',
      named(({ peer, native }) => peer && !native),
    ),
    ratio(
      'over native',
      named(({ native }) => native),
    ),
    {
      head: 'by threads',
      of: (row) => row.results[own]?.ms / row.results[threaded]?.ms,
      present: threaded !== undefined,
    },
  ].filter(({ present }) => present)
  const start = ({ load, first } = {}) => (load === undefined ? '' : milliseconds(load + first))
  const memory = ({ peak } = {}) => (peak === undefined ? '' : (peak / 2 ** 20).toFixed(0))
  const both = [own, ...(web ? [web] : [])]
  const withPeer = (head) => [head, ...(web ? [`of ${web}`] : [])]
  const heads = [
    'network',
    'ms',
    'p10..p90',
    ...others,
    ...ratios.map(({ head }) => head),
    ...withPeer('first answer'),
    ...(inPage ? [] : withPeer('MB')),
  ]
  const cells = (row) => {
    const timing = row.results[own]
    const value = (of) => (Number.isFinite(of(row)) ? times(of(row)) : '')
    return [
      row.name,
      milliseconds(timing?.ms),
      timing ? `${milliseconds(timing.low)}..${milliseconds(timing.high)}` : '',
      ...others.map((name) => milliseconds(row.results[name]?.ms)),
      ...ratios.map(({ of }) => value(of)),
      ...both.map((name) => start(row.alone[name])),
      ...(inPage ? [] : both.map((name) => memory(row.alone[name]))),
    ]
  }
  const widths = heads.map((head, i) => Math.max(head.length, i ? 9 : 16))
  const mean = ({ head, of }, rows) => {
    const all = rows.map(of).filter(Number.isFinite)
    return all.length ? `${head} ${times(geometricMean(all))}` : ''
  }
  return {
    head: () => align([heads], widths),
    line: (row) => align([cells(row)], widths),
    summary: (rows) =>
      `geometric means: ${
        ratios
          .map((one) => mean(one, rows))
          .filter(Boolean)
          .join(', ') || 'none without peers'
      }`,
    markdown: (rows) => markdown(heads, rows.map(cells)),
  }
}
