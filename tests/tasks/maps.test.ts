/** keypoints, peaks, segment, paintSegments, paintMask: what was drawn is found, through every fit. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromImage } from '../../src/image/index.js'
import { createEngine, type Engine, transpose } from '../../src/index.js'
import { loadModel, writeModel } from '../../src/onnx/index.js'
import { keypoints, paintMask, paintSegments, peaks, segment } from '../../src/tasks/index.js'
import { expectComplaint } from '../support/check.js'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

/** Hills of width 1.5 cells around a place of each map, [maps, 24, 32]. */
const places = [
  [5.25, 7.75],
  [0.5, 0.5],
  [30.5, 22.25],
] as const
const hills = Float32Array.from({ length: 3 * 24 * 32 }, (_, i) => {
  const [x, y] = places[Math.floor(i / 768)]!
  const [dx, dy] = [(i % 32) + 0.5 - x, (Math.floor(i / 32) % 24) + 0.5 - y]
  return Math.exp(-(dx * dx + dy * dy) / 4.5)
})
const heatmaps = { data: hills, shape: [1, 3, 24, 32] }
const last = {
  data: Float32Array.from({ length: hills.length }, (_, i) => hills[(i % 3) * 768 + Math.floor(i / 3)]!),
  shape: [1, 24, 32, 3],
}

describe('keypoints', () => {
  it('are on the hills, to a quarter of a cell, in either layout', () => {
    const found = keypoints(heatmaps, { labels: ['a', 'b', 'c'] })
    expect(found.map(({ label, cell }) => [label, cell])).toEqual([
      ['a', [7, 5]],
      ['b', [0, 0]],
      ['c', [22, 30]],
    ])
    for (const [i, { x, y }] of found.entries()) {
      expect(Math.abs(x - places[i]![0])).toBeLessThanOrEqual(0.25)
      expect(Math.abs(y - places[i]![1])).toBeLessThanOrEqual(0.25)
    }
    expect([found[0]!.x, found[0]!.y]).toEqual([5.25, 7.75])
    expect(keypoints(last)).toEqual(keypoints(heatmaps))
    expect(keypoints(heatmaps, { refine: false })[0]).toMatchObject({ x: 5.5, y: 7.5 })
  })

  it('lie in the picture', () => {
    // 32 cells of 4 pixels; the picture of 64 x 64 lies in the middle, 96 wide.
    const found = keypoints(heatmaps, { size: [96, 128], picture: { width: 64, height: 64 }, fit: 'contain' })
    expect(found[0]!.x).toBeCloseTo(((4 * 5.25 - 16) * 64) / 96, 9)
    expect(found[0]!.y).toBeCloseTo((4 * 7.75 * 64) / 96, 9)
    expect(found[1]!.x).toBe(0)
    expect(keypoints(heatmaps, { threshold: 2 })).toEqual([])
  })

  it('say what is wrong', () => {
    expectComplaint(engine, () => keypoints(hills), 'heatmaps', '[2304]')
    expectComplaint(engine, () => keypoints({ data: hills, shape: [2, 3, 12, 32] }), 'item')
    expectComplaint(engine, () => keypoints({ data: [], shape: [3, 0, 4] }), 'heatmaps', '[3, 0, 4]')
    expectComplaint(engine, () => keypoints(heatmaps, { labels: [] }), 'labels', '3 names')
    expectComplaint(engine, () => keypoints(heatmaps, { layout: 'chw' as never }), 'layout')
  })
})

describe('peaks', () => {
  const map = new Float32Array(12 * 12)
  for (const [cell, score] of [
    [13, 0.9],
    [15, 0.8],
    [16, 0.8],
    [100, 0.6],
    [143, 0.4],
  ] as const)
    map[cell] = score

  it('are the local maxima, by falling scores, of equal neighbours the first', () => {
    const found = peaks({ data: map, shape: [1, 1, 12, 12] })
    expect(found.map(({ cell, score }) => [...cell, Math.fround(score)])).toEqual([
      [1, 1, Math.fround(0.9)],
      [1, 3, Math.fround(0.8)],
      [8, 4, Math.fround(0.6)],
    ])
    expect(peaks({ data: map, shape: [12, 12] }, { radius: 2 })).toHaveLength(2)
    expect(peaks({ data: map, shape: [12, 12] }, { threshold: 0.3, most: 1 })).toHaveLength(1)
    expect(peaks({ data: map, shape: [12, 12] }, { threshold: 0.3 })).toHaveLength(4)
    expect(peaks(heatmaps, { channel: 2 })[0]!.cell).toEqual([22, 30])
    expectComplaint(engine, () => peaks(heatmaps, { channel: 3 }), 'channel')
    expectComplaint(engine, () => peaks(heatmaps, { radius: 0 }), 'radius')
  })
})

describe('segment', () => {
  const [width, height] = [80, 60]
  /** Red left, green right, blue below. */
  const classAt = (x: number, y: number) => (y >= 40 ? 3 : x < 40 ? 1 : 2)
  const data = new Uint8Array(4 * width * height)
  for (let i = 0; i < width * height; i++) data[4 * i + classAt(i % width, Math.floor(i / width)) - 1] = 255
  const size = [48, 48] as const
  /** Black, red, green, blue: a score for each. */
  const bytes = writeModel({
    nodes: [{ op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['y'] }],
    inputs: [{ name: 'x', shape: [1, 3, ...size] }],
    outputs: [{ name: 'y' }],
    initializers: [
      { name: 'w', shape: [4, 3, 1, 1], data: Float32Array.of(0, 0, 0, 1, -1, -1, -1, 1, -1, -1, -1, 1) },
      { name: 'b', shape: [4], data: Float32Array.of(-0.5, 0, 0, 0) },
    ],
  } as never)

  it.each(['fill', 'contain', 'cover'] as const)(
    'finds the colours of a picture that was made to fit by %s',
    async (fit) => {
      using model = await loadModel(engine, bytes)
      using x = await fromImage(engine, { data, width, height }, { size, fit })
      using first = transpose(x, [0, 3, 1, 2])
      const { y } = model.run({ x: first })
      const labels = ['black', 'red', 'green', 'blue']
      const segments = segment(y!, { size, fit, picture: { width, height }, labels })
      expect([segments.width, segments.height]).toEqual([width, height])
      // 'cover' keeps the 60 columns in the middle; borders are between cells.
      const seen = (x: number) => fit !== 'cover' || (x >= 10 && x < 70)
      const far = (x: number, y: number) => Math.abs(x + 0.5 - 40) > 2 && Math.abs(y + 0.5 - 40) > 2
      const wrong: string[] = []
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const wanted = seen(x) ? classAt(x, y) : 0
          const found = segments.classes[y * width + x]!
          if (found !== wanted && (far(x, y) || !seen(x))) wrong.push(`${x},${y}: ${found}, not ${wanted}`)
        }
      }
      expect(wrong).toEqual([])
      expect(segments.found.map(({ label }) => label).sort()).toEqual(
        fit === 'cover' ? ['black', 'blue', 'green', 'red'] : ['blue', 'green', 'red'],
      )
      expect(segments.found.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9)
    },
  )

  it('takes one map by a threshold, and classes as they are', () => {
    const map = { data: [0.2, 0.5, 0.7, 0.1], shape: [1, 1, 2, 2] }
    expect([...segment(map).classes]).toEqual([0, 1, 1, 0])
    expect([...segment(map, { threshold: 0.6 }).classes]).toEqual([0, 0, 1, 0])
    const classes = { data: [7, 300, 0, 7], shape: [1, 2, 2] }
    const { classes: own, found } = segment(classes, { values: 'classes' })
    expect([...own]).toEqual([7, 300, 0, 7])
    expect(found[0]).toEqual({ index: 7, label: '7', share: 0.5 })
    const doubled = segment(classes, { values: 'classes', size: 2, picture: { width: 4, height: 2 } })
    expect([...doubled.classes]).toEqual([7, 7, 300, 300, 0, 0, 7, 7])
    expectComplaint(
      engine,
      () => segment({ data: [0.5], shape: [1, 1] }, { values: 'classes' }),
      'output',
      '0.5',
    )
    expectComplaint(engine, () => segment(heatmaps, { values: 'classes' }), 'output', '3 of them')
    expectComplaint(engine, () => segment(heatmaps, { labels: ['one'] }), 'labels', '3 names')
  })

  it('is painted, class by class', () => {
    const segments = segment({ data: [0, 1, 2, 15], shape: [2, 2] }, { values: 'classes' })
    // The first colours of PASCAL VOC.
    expect([...paintSegments(segments).data]).toEqual([
      0, 0, 0, 0, 128, 0, 0, 255, 0, 128, 0, 255, 192, 128, 128, 255,
    ])
    const colors = Array.from({ length: 16 }, (_, i) => [i, 2 * i, 3 * i] as const)
    expect([...paintSegments(segments, { colors, opacity: 0.5 }).data.subarray(12)]).toEqual([
      15, 30, 45, 128,
    ])
    expectComplaint(engine, () => paintSegments(segments, { colors: colors.slice(0, 3) }), 'colors[15]')
    expectComplaint(engine, () => paintSegments({} as never), 'segments')
    expectComplaint(engine, () => paintSegments(segments, { opacity: 2 }), 'opacity')
    expectComplaint(
      engine,
      () => paintSegments(segments, { colors: null as never }),
      'colors must be an array',
    )
  })
})

describe('paintMask', () => {
  it('has the score for alpha, between the cells', () => {
    const mask = { data: [0, 1, 0, 1], shape: [1, 1, 2, 2] }
    expect([...paintMask(mask, { color: [1, 2, 3] }).data]).toEqual([
      1, 2, 3, 0, 1, 2, 3, 255, 1, 2, 3, 0, 1, 2, 3, 255,
    ])
    const wide = paintMask(mask, { size: 2, picture: { width: 4, height: 1 } })
    expect([wide.width, wide.height]).toEqual([4, 1])
    const alphas = [...wide.data].filter((_, i) => i % 4 === 3)
    expect(alphas).toEqual([0, 64, 191, 255])
    expect([...paintMask(last, { channel: 1 }).data.subarray(0, 4)][3]).toBe(255)
    expectComplaint(engine, () => paintMask(mask, { channel: 1 }), 'channel')
    expectComplaint(engine, () => paintMask(mask, { color: [1, 2] as never }), 'color')
  })
})
