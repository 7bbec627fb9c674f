/**
 * The plan of a dense product of 8-bit integers (assembly/dense/int8.ts), and what all such products
 * share.
 */

import type { Engine } from '../core/engine.js'
import type { Storage } from '../core/storage.js'
import { Finish, type Igemm, type Igemm8, WIDEN_BLOCK } from '../wasm/abi.js'
import {
  blockProduct,
  filterPanels,
  type Panels,
  type Product,
  panelCount,
  productArgs,
  productOf,
  runsOf,
} from './igemm.js'
import { type ByteTerms, type ConvJob, derive, type Filter, type PlaneLayer } from './layer.js'

/**
 * How words hold channels: 2 of 16 bits, or 4 bytes where the host multiplies them; 8 of 16 bits where sums
 * run over lanes, and x is read as it is.
 */
interface Words {
  each: 2 | 4 | 8
  /** Rows of the register tile. */
  rows: number
}

/** Rows of the tile over 16 bits, as in assembly/dense/int8.ts. */
export const PAIR_ROWS = 5

const PAIRS: Words = { each: 2, rows: PAIR_ROWS }
const LANES: Words = { each: 8, rows: 3 }

/**
 * Whether so few columns have their sums run over lanes (assembly/dense/lanes.ts): more than 3 of them go in
 * turns, which the depth has to pay for. Where the host multiplies four bytes, panels of 8 are as fast with 3
 * columns, counted in instructions. Witness: last layers of 1 to 6 channels.
 */
const isOverLanes = ({ columns, tapsH, tapsW, depth }: Panels, byBytes: boolean): boolean =>
  columns <= (byBytes ? 2 : Math.min(6, 3 + (tapsH * tapsW * depth) / 64))

/** What bytes of a filter are less to be signed ones, as which the host multiplies them. */
const middleOf = ({ dtype }: ByteTerms['filter']): number => (dtype === 'int8' ? 0 : 128)

/** Whether products of such bytes are the host's own, and nothing is left to be taken off. */
export const byBytes = (engine: Engine, { filter }: ByteTerms): boolean =>
  engine.byteDot !== 'none' && [filter.zeroPoint].flat().every((zero) => zero === middleOf(filter))

/**
 * The same of dense products of `depth` channels, which take off what another zero point adds, where the
 * bytes of x are nothing but them.
 */
export const byDenseBytes = (engine: Engine, terms: ByteTerms, depth: number): boolean =>
  engine.byteDot !== 'none' && (depth % 4 === 0 || byBytes(engine, terms))

function wordsOf(engine: Engine, terms: ByteTerms, panels: Panels): Words {
  const isBytes = byDenseBytes(engine, terms, panels.depth)
  if (isOverLanes(panels, isBytes)) return LANES
  return isBytes ? { each: 4, rows: engine.tileRows } : PAIRS
}

/** The layer whose channels are words, group by group. */
const inWords = (layer: PlaneLayer, each: number): PlaneLayer => ({
  ...layer,
  inChannels: layer.groups * Math.ceil(layer.inChannels / layer.groups / each),
})

/** Words of a panel before its filters, and of how its sums end. */
const HEAD = 8
export const FINISH = 32

const panelsOf = (layer: PlaneLayer): number => layer.groups * panelCount(layer.outChannels / layer.groups)

/** Words of a filter as panels, `each` channels a word. */
const packedWords = ({ groups, columns, tapsH, tapsW, depth }: Panels, { each }: Words): number =>
  groups *
  panelCount(columns) *
  (HEAD + tapsH * tapsW * Math.ceil(depth / each) * (each === 8 ? 4 * columns : 8))

/** The most floats that a packed filter takes. */
export const packing8 = (layer: PlaneLayer): number => {
  const [h, w] = layer.axes
  const shape = [h.size, w.size, layer.inChannels / layer.groups, layer.outChannels]
  const panels = filterPanels({ shape }, layer.groups)
  const words = isOverLanes(panels, false) ? [PAIRS, LANES] : [PAIRS]
  return Math.max(...words.map((kind) => packedWords(panels, kind)))
}

/** The cut of a layer of bytes for words of 16 bits. */
export function blockDense8(layer: PlaneLayer, { each, rows } = PAIRS): ReturnType<typeof blockProduct> {
  const block = blockProduct(rows, productOf(inWords(layer, each)))
  return { ...block, scratch: block.scratch + FINISH * panelsOf(layer) }
}

/** Lists as texts: those of a tensor never change, and a layer asks for them in each call. */
const texts = new WeakMap<readonly number[], string>()

/** Scales or zero points as the part of a key. */
export function keyOf(terms: number | readonly number[]): string {
  if (typeof terms === 'number') return `${terms}`
  let text = texts.get(terms)
  if (text === undefined) {
    text = `${terms}`
    texts.set(terms, text)
  }
  return text
}

/** Numbers of the host beside a storage, written once: what a replay finds there. */
export function tableOf(
  engine: Engine,
  storage: Storage,
  key: string,
  count: number,
  numbers: () => readonly number[],
  integers = false,
): number {
  return storage.derive(key, count, (to) => {
    engine.checkUpload()
    ;(integers ? engine.i32 : engine.f32).set(numbers(), to / 4)
  })
}

/** A list of a quantization beside a storage. */
export const listAt = (
  engine: Engine,
  storage: Storage,
  name: 'scales' | 'zeros',
  list: readonly number[],
): number => tableOf(engine, storage, `${name} ${keyOf(list)}`, list.length, () => list, name === 'zeros')

/** The scales of a filter: a list in memory, or one for all. */
export function scalesOf({ engine, storage }: Filter, { filter: { scale } }: ByteTerms) {
  return typeof scale === 'number'
    ? { scales: 0, wScale: scale }
    : { scales: listAt(engine, storage, 'scales', scale), wScale: 1 }
}

/** The zero points of a filter: a list in memory, or one for all. */
export function zerosOf({ engine, storage }: Filter, { filter: { zeroPoint } }: ByteTerms) {
  return typeof zeroPoint === 'number'
    ? { zeros: 0, zero: zeroPoint }
    : { zeros: listAt(engine, storage, 'zeros', zeroPoint), zero: 0 }
}

/** Words of a filter that are less their zero points. */
const NONE_LEFT = { wZeros: 0, wZero: 0 }

/** What bytes of packed words are to be less beside: a list in memory, or one for all. */
function zerosLeft({ engine, storage }: Filter, { filter: terms }: ByteTerms): typeof NONE_LEFT {
  const middle = middleOf(terms)
  const { zeroPoint } = terms
  if ([zeroPoint].flat().every((zero) => zero === middle)) return NONE_LEFT
  if (typeof zeroPoint === 'number') return { wZeros: 0, wZero: zeroPoint - middle }
  const less = () => zeroPoint.map((zero) => zero - middle)
  const wZeros = tableOf(engine, storage, `zeros left ${keyOf(zeroPoint)}`, zeroPoint.length, less, true)
  return { wZeros, wZero: 0 }
}

/** The panels of a filter of bytes. */
function packed8(
  filter: Filter,
  panels: Panels,
  terms: ByteTerms,
  kind: Words,
  inner = panels.depth,
): number {
  const { engine } = filter
  const { each } = kind
  const zeros = each === 4 ? { zeros: 0, zero: middleOf(terms.filter) } : zerosOf(filter, terms)
  const words = packedWords(panels, kind)
  const less = each === 4 ? zeros.zero : keyOf(terms.filter.zeroPoint)
  return derive(
    filter,
    `bytes ${each} ${inner} ${less} ${Object.values(panels).join()}`,
    words,
    (source, to) => {
      engine.run({
        kernel: 'pack8',
        args: {
          ...panels,
          source: source + panels.offset,
          panels: to,
          inner,
          signed: Number(terms.filter.dtype === 'int8'),
          each,
          ...zeros,
        },
        units: panels.groups * panelCount(panels.columns),
        work: words * each,
      })
    },
  )
}

interface Pixels {
  x: number
  pixels: number
  groups: number
  depth: number
  /** Whether they stand without gaps, though channels do not fill words. */
  isRun: boolean
}

/** Channels that a run is cut into. */
const RUN = 16

/** `use` of the address of pixels as words: x itself where it stands so. */
function withWords(
  engine: Engine,
  { x, pixels, groups, depth, isRun }: Pixels,
  terms: ByteTerms['x'],
  { each }: Words,
  use: (x: number) => void,
): void {
  const isFlipped = (terms.dtype === 'int8') !== (engine.byteDot === 'signed')
  if (each === 8 || (each === 4 && !isFlipped && (isRun || depth % 4 === 0))) {
    use(x)
    return
  }
  // One run has words of any pixels.
  if (isRun) [pixels, depth] = [Math.ceil((pixels * depth) / RUN), RUN]
  const words = engine.empty([pixels, groups, Math.ceil(depth / each)])
  try {
    engine.run({
      kernel: 'widen',
      args: {
        x,
        y: words.pointer,
        pixels,
        groups,
        depth,
        signed: Number(terms.dtype === 'int8'),
        zero: each === 2 ? terms.zeroPoint : isFlipped ? FLIP : 0,
        zeroAt: each === 2 ? (terms.zeroAt ?? 0) : 0,
        bytes: Number(each === 4),
      },
      units: Math.ceil(pixels / WIDEN_BLOCK),
      work: (pixels * groups * depth) / 8,
    })
    use(words.pointer)
  } finally {
    words.dispose()
  }
}

/** The top bit of each byte of a word, and of a byte. */
const FLIP = 0x80808080 | 0
const TOP = 0x80

/**
 * Of x in bytes, as the host's product sees them: the word in the padding, and the number that it stands
 * for.
 */
export function paddingOf(
  engine: Engine,
  { zeroPoint, zeroAt, dtype }: ByteTerms['x'],
): { padding: number; zero: number } {
  const signed = engine.byteDot === 'signed'
  const flip = (dtype === 'int8') === signed ? 0 : TOP
  if (zeroAt) return { padding: flip, zero: Number(signed) }
  const byte = (zeroPoint ^ flip) & 0xff
  return { padding: Math.imul(byte, 0x01010101), zero: signed ? (byte << 24) >> 24 : byte }
}

/** The same of x for sums over lanes, which take its bytes as they are. */
function bytesOf(x: ByteTerms['x']): { padding: number; zero: number } {
  const { padding, zero } = zeroOf(x)
  return { padding: Math.imul(padding, 0x01010101), zero }
}

/** The zero point of x for kernels that take its bytes as they are. */
export const zeroOf = ({ zeroPoint, zeroAt, dtype }: ByteTerms['x']) =>
  zeroAt ? { padding: 0, zero: Number(dtype === 'int8') } : { padding: zeroPoint & 0xff, zero: zeroPoint }

/** Of an argument block what products of floats lack, but for how sums end. */
type Own = Pick<Igemm8, 'bytes' | 'padding' | 'zero' | 'finishes' | 'tile' | 'signed'> & {
  /** 0 where the words are less it already. */
  zeroAt?: 0
  /** What words of the filter are to be less. Default `NONE_LEFT`. */
  left?: Pick<Igemm8, 'wZeros' | 'wZero'>
}

/**
 * The argument block of a product of bytes. It is one literal, since V8 makes a dictionary of objects that
 * are spread into one another, which takes 25 us a call. Witness: bench --calls, and small layers of bench
 * int8.
 */
export function args8(
  product: Igemm,
  own: Own,
  { filter, terms, clamp }: Pick<ConvJob, 'filter' | 'terms' | 'clamp'>,
): Igemm8 {
  const { x, y, floatBias } = terms!
  const { scales, wScale } = y ? scalesOf(filter, terms!) : { scales: 0, wScale: 1 }
  return {
    x: product.x,
    w: product.w,
    b: product.b,
    y: product.y,
    n: product.n,
    ih: product.ih,
    iw: product.iw,
    ic: product.ic,
    oh: product.oh,
    ow: product.ow,
    oc: product.oc,
    gridH: product.gridH,
    gridW: product.gridW,
    outFirstH: product.outFirstH,
    outStepH: product.outStepH,
    outFirstW: product.outFirstW,
    outStepW: product.outStepW,
    inStepH: product.inStepH,
    inStepW: product.inStepW,
    tapsH: product.tapsH,
    tapsW: product.tapsW,
    tapFirstH: product.tapFirstH,
    tapStepH: product.tapStepH,
    tapFirstW: product.tapFirstW,
    tapStepW: product.tapStepW,
    groups: product.groups,
    low: clamp[0],
    high: clamp[1],
    runs: product.runs,
    depth: product.depth,
    pixels: product.pixels,
    panels: product.panels,
    byLanes: product.byLanes,
    xPixelStride: product.xPixelStride,
    yPixelStride: product.yPixelStride,
    bytes: own.bytes,
    padding: own.padding,
    zero: own.zero,
    zeroAt: own.zeroAt ?? x.zeroAt ?? 0,
    finish: y ? Finish.bytes : Finish.sums,
    finishes: own.finishes,
    floatBias: Number(floatBias),
    scales,
    wScale,
    xScale: x.scale,
    yScale: y?.scale ?? 1,
    yZero: y?.zeroPoint ?? 0,
    wZeros: own.left?.wZeros ?? 0,
    wZero: own.left?.wZero ?? 0,
    tile: own.tile,
    signed: own.signed,
  }
}

/** Runs a product of bytes; `ic` counts channels. */
export function runProduct8(job: ConvJob, layer: Product, panels: Panels): void {
  const { engine, filter } = job
  const terms = job.terms!
  const words = wordsOf(engine, terms, panels)
  const { each } = words
  const byLanes = each === 8
  const { groups, n, ih, iw } = layer
  const { taps: tapsH } = layer.stepsH
  const { taps: tapsW } = layer.stepsW
  const depth = layer.ic / groups
  const ic = byLanes ? layer.ic : groups * Math.ceil(depth / each)
  // Rows of the window are runs where channels are few and do not fill words.
  const isRun = depth % each !== 0 && runsOf({ ...layer, ic }).copied > 0
  const rows = isRun ? { ...panels, tapsW: 1, depth: tapsW * depth } : panels
  const weights = packed8(filter, rows, terms, words, depth)
  withWords(engine, { x: layer.x, pixels: n * ih * iw, groups, depth, isRun }, terms.x, words, (x) => {
    const product = { ...layer, x, w: weights, ic }
    const block = blockProduct(words.rows, product, engine.simd === 'wide' ? 2 : 1)
    const finishes = 4 * (block.scratch + (isRun ? block.pixels * tapsH : 0))
    const left = each === 4 ? zerosLeft(filter, terms) : NONE_LEFT
    // A sum of x, and where the sums of two panels start.
    const ofPixel = left === NONE_LEFT ? 0 : 1 + 2 * 8
    const allPanels = groups * panelCount(layer.oc / groups)
    engine.scratch(finishes + 4 * (FINISH * allPanels + ofPixel * block.pixels))
    const dense = productArgs(product, block)
    dense.byLanes = Number(byLanes)
    dense.yPixelStride = layer.oc * (terms.y ? 1 : 4)
    if (isRun) {
      dense.runs = tapsH
      dense.depth = Math.ceil((tapsW * depth) / each)
      dense.xPixelStride = (4 / each) * depth
    } else if (byLanes) dense.depth = Math.ceil(dense.depth / each)
    if (byLanes) dense.xPixelStride = layer.ic
    const { padding, zero } =
      each === 4 ? paddingOf(engine, terms.x) : byLanes ? bytesOf(terms.x) : { padding: 0, zero: 0 }
    const signed = Number(terms.x.dtype === 'int8')
    const own: Own = { bytes: Number(each === 4), padding, zero, finishes, tile: 0, signed, left }
    if (each === 2) own.zeroAt = 0
    const args = args8(dense, own, { filter, terms, clamp: layer.clamp })
    const work = n * layer.stepsH.count * layer.stepsW.count * layer.oc * block.runs * block.depth
    engine.run({ kernel: 'igemm8', args, units: block.units, work })
  })
}

/** A layer of bytes as one dense product. */
export function runDense8(job: ConvJob): void {
  const { layer, x, filter, bias, y, clamp } = job
  runProduct8(job, productOf(layer, { x, w: 0, b: bias, y, clamp }), filterPanels(filter, layer.groups))
}
