/** detect, yolo, suppress: boxes that are encoded here come back, and what stays is what ONNX keeps. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromImage } from '../../src/image/index.js'
import { createEngine, type Engine } from '../../src/index.js'
import { loadModel, writeModel } from '../../src/onnx/index.js'
import { anchors, type Box, type Detection, detect, suppress, yolo } from '../../src/tasks/index.js'
import { expectComplaint } from '../support/check.js'
import { Random } from '../support/random.js'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

const random = new Random(20261129)
/** Boxes that hardly touch: one in each cell of a grid of 4 x 4 of 32 pixels. */
const boxes = Array.from({ length: 16 }, (_, i): Box => {
  const [left, top] = [(i % 4) * 32 + 1 + 8 * random.next(), Math.floor(i / 4) * 32 + 1 + 8 * random.next()]
  return { left, top, right: left + 8 + 12 * random.next(), bottom: top + 8 + 12 * random.next() }
})
const centers = boxes.map(({ left, top, right, bottom }) => [
  (left + right) / 2,
  (top + bottom) / 2,
  right - left,
  bottom - top,
])

/** By their place, in reading order: as `boxes` stands. */
const inOrder = (found: Detection[]) =>
  [...found].sort((a, b) => Math.floor(a.top / 32) - Math.floor(b.top / 32) || a.left - b.left)

function expectBoxes(found: Detection[], wanted: readonly Box[], tolerance = 1e-4): void {
  expect(found).toHaveLength(wanted.length)
  for (const [i, box] of wanted.entries()) {
    for (const edge of ['left', 'top', 'right', 'bottom'] as const)
      expect(Math.abs(found[i]![edge] - box[edge]), `${edge} of ${i}`).toBeLessThan(tolerance)
  }
}

describe('anchors', () => {
  it('are in the middle of the cells, rows first, as many as UltraFace has', () => {
    const all = anchors(
      [240, 320],
      [
        { step: 8, sides: [10, 16, 24] },
        { step: 16, sides: [32, 48] },
        { step: 32, sides: [64, 96] },
        { step: 64, sides: [128, 192, 256] },
      ],
    )
    expect(all.length).toBe(4 * 4420)
    expect([...all.subarray(0, 16)]).toEqual([4, 4, 10, 10, 4, 4, 16, 16, 4, 4, 24, 24, 12, 4, 10, 10])
    expect([...all.subarray(12 * 40, 12 * 40 + 4)]).toEqual([4, 12, 10, 10])
    expect([...anchors(16, [{ step: 16, sides: [[8, 4]] }])]).toEqual([8, 8, 4, 8])
    expectComplaint(engine, () => anchors(16, [{ step: 0, sides: [1] }]), 'levels[0]')
    expectComplaint(engine, () => anchors(0, []), 'size')
    for (const level of [null, { step: 8, sides: [[4]] }, { step: 8, sides: [[1, 2, 3]] }])
      expectComplaint(
        engine,
        () => anchors(16, [level] as never),
        'anchors: levels[0] must be { step, sides }',
      )
  })
})

describe('detect', () => {
  const priors = anchors(128, [{ step: 32, sides: [16] }])
  const offsets = Float32Array.from(
    centers.flatMap(([x, y, w, h], i) => {
      const [ax, ay, aw, ah] = priors.subarray(4 * i, 4 * i + 4) as unknown as [
        number,
        number,
        number,
        number,
      ]
      const log = (side: number, of: number) => Math.log(side / of) / 0.2
      return [(x! - ax) / aw / 0.1, (y! - ay) / ah / 0.1, log(w!, aw), log(h!, ah)]
    }),
  )
  const scores = Float32Array.from(boxes.flatMap((_, i) => [0.05, i % 2 ? 0.9 : 0.05, i % 2 ? 0.05 : 0.9]))

  it('finds what anchors were moved to, and its class, in pixels of the input and of the picture', () => {
    const answers = {
      boxes: { data: offsets, shape: [1, 16, 4] },
      scores: { data: scores, shape: [1, 16, 3] },
    }
    const labels = ['none', 'odd', 'even']
    const found = inOrder(detect(answers, { anchors: priors, labels }))
    expectBoxes(found, boxes)
    expect(found.map(({ label, index }) => [label, index])).toEqual(
      boxes.map((_, i) => (i % 2 ? ['odd', 1] : ['even', 2])),
    )
    const picture = { width: 384, height: 256 }
    const placed = inOrder(
      detect(answers, { anchors: priors, size: 128, picture }).map((each) => ({
        ...each,
        top: each.top / 2,
        bottom: each.bottom / 2,
      })),
    )
    expectBoxes(
      placed,
      boxes.map((box) => ({ ...box, left: 3 * box.left, right: 3 * box.right })),
      1e-3,
    )
    expect(detect(answers, { anchors: priors, most: 3 })).toHaveLength(3)
    expect(detect(answers, { anchors: priors, threshold: 0.95 })).toEqual([])
  })

  it.each(['corners', 'center', 'corner-size'] as const)(
    'reads %s, in pixels and in parts, of one in a batch',
    (format) => {
      const rows = boxes.flatMap(({ left, top, right, bottom }, i) =>
        format === 'corners'
          ? [left, top, right, bottom]
          : format === 'center'
            ? centers[i]!
            : [left, top, right - left, bottom - top],
      )
      const one = new Float32Array(16).fill(0.75)
      expectBoxes(inOrder(detect({ boxes: rows, scores: one }, { format })), boxes)
      const parts = Float32Array.from([...rows.map(() => 0), ...rows.map((v) => v / 128)])
      const batch = {
        boxes: { data: parts, shape: [2, 16, 4] },
        scores: { data: [...one, ...one], shape: [2, 16] },
      }
      expectBoxes(inOrder(detect(batch, { format, relative: true, size: 128, item: 1 })), boxes)
    },
  )

  it('moves points with their anchors, and into the picture', () => {
    const at = (i: number) => [priors[4 * i]! + 3, priors[4 * i + 1]! - 2]
    const points = Float32Array.from(boxes.flatMap(() => [3 / 1.6, -2 / 1.6]))
    const answers = { boxes: offsets, scores, points }
    const found = inOrder(
      detect(answers, { anchors: priors, size: 128, picture: { width: 256, height: 256 } }).map((each) => ({
        ...each,
        left: each.left / 2,
        top: each.top / 2,
      })),
    )
    for (const [i, each] of found.entries()) {
      for (const axis of [0, 1]) expect(each.points![0]![axis]).toBeCloseTo(2 * at(i)[axis]!, 4)
    }
  })

  it('cuts boxes at the edges of the picture', () => {
    const found = detect(
      { boxes: [-5, -5, 20, 90], scores: [1] },
      { size: 64, picture: { width: 64, height: 64 } },
    )
    expectBoxes(found, [{ left: 0, top: 0, right: 20, bottom: 64 }])
  })

  it('finds nothing in nothing', () => {
    const none = {
      boxes: { data: new Float32Array(), shape: [0, 4] },
      scores: { data: new Float32Array(), shape: [0] },
    }
    expect(detect(none)).toEqual([])
  })

  it('says what is wrong', () => {
    const one = { boxes: [0, 0, 1, 1], scores: [1] }
    expectComplaint(engine, () => detect({ boxes: [0, 0, 1], scores: [1] }), 'boxes', '[3]')
    expectComplaint(
      engine,
      () => detect({ boxes: [0, 0, 1, 1, 0, 0, 1, 1], scores: [1] }),
      'scores',
      '2 boxes',
      '[1]',
    )
    expectComplaint(
      engine,
      () => detect({ boxes: { data: new Float32Array(8), shape: [2, 1, 4] }, scores: [1, 1] }),
      'item',
    )
    expectComplaint(engine, () => detect(one, { anchors: [1, 2] }), 'anchors')
    expectComplaint(engine, () => detect(one, { relative: true }), 'size')
    expectComplaint(engine, () => detect(one, { picture: { width: 9, height: 9 } }), 'size')
    expectComplaint(
      engine,
      () => detect(one, { size: 8, picture: { width: 0, height: 9 } }),
      'picture',
      'videoWidth',
    )
    expectComplaint(engine, () => detect(one, { format: 'xywh' as never }), 'format', 'corner-size')
    expectComplaint(engine, () => detect(one, { fit: 'stretch' as never }), 'fit', 'contain')
    expectComplaint(engine, () => detect(undefined as never), 'answers')
  })
})

describe('a picture that was made to fit', () => {
  const [width, height] = [200, 100]
  const box = { left: 60, top: 30, right: 120, bottom: 80 }
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
    const [x, y] = [(i >> 2) % width, Math.floor((i >> 2) / width)]
    return x >= box.left && x < box.right && y >= box.top && y < box.bottom ? 255 : 0
  })
  const size = [64, 96] as const

  it.each(['fill', 'cover', 'contain'] as const)('by %s has its box where it was', async (fit) => {
    using x = await fromImage(engine, { data, width, height }, { size, fit, channels: 'gray' })
    // Its sums along both axes say where it lies in the input, to parts of a pixel.
    const values = x.toArray()
    const sums = (count: number, of: (i: number) => number) => Array.from({ length: count }, (_, i) => of(i))
    const columns = sums(size[1], (c) =>
      sums(size[0], (r) => values[r * size[1] + c]!).reduce((a, b) => a + b),
    )
    const rows = sums(size[0], (r) => sums(size[1], (c) => values[r * size[1] + c]!).reduce((a, b) => a + b))
    const edges = (line: number[]): [number, number] => {
      const most = Math.max(...line)
      const first = line.findIndex((v) => v > 0.5 * most)
      const last = line.findLastIndex((v) => v > 0.5 * most)
      const middle = (first + last + 1) / 2
      const length = line.reduce((a, b) => a + b) / most
      return [middle - length / 2, middle + length / 2]
    }
    const [[left, right], [top, bottom]] = [edges(columns), edges(rows)]
    const [found] = detect(
      { boxes: [left, top, right, bottom], scores: [1] },
      { size, fit, picture: { width, height } },
    )
    // Half a pixel of the input is one of the picture.
    expectBoxes([found!], [box], 1.2)
  })
})

describe('yolo', () => {
  const rows = centers.map(([x, y, w, h], i) => [x!, y!, w!, h!, 0.9, ...(i % 2 ? [0.1, 0.8] : [0.8, 0.1])])
  const classes = boxes.map((_, i) => i % 2)

  it('reads the rows of v5, with objectness', () => {
    const found = inOrder(yolo({ data: rows.flat(), shape: [1, 16, 7] }))
    expectBoxes(found, boxes)
    expect(found.map(({ index }) => index)).toEqual(classes)
    for (const { score } of found) expect(score).toBeCloseTo(0.72, 6)
  })

  it('reads the columns of v8, and the points of a pose', () => {
    const own = rows.map(([x, y, w, h, , ...scores], i) => [x!, y!, w!, h!, ...scores, i, 2 * i, 0.5])
    const data = own[0]!.flatMap((_, k) => own.map((row) => row[k]!))
    const found = inOrder(yolo({ data, shape: [1, 9, 16] }, { classes: 2, points: 3 }))
    expectBoxes(found, boxes)
    expect(found.map(({ index }) => index)).toEqual(classes)
    expect(found.map(({ points }) => points)).toEqual(boxes.map((_, i) => [[i, 2 * i, 0.5]]))
    const wide = { size: 128, picture: { width: 256, height: 384 } }
    const placed = yolo({ data, shape: [9, 16] }, { classes: 2, points: 3, ...wide })
    expect(placed.flatMap(({ points }) => points!.map(([x]) => x!)).sort((a, b) => a - b)).toEqual(
      boxes.map((_, i) => 2 * i),
    )
    expect(placed.flatMap(({ points }) => points!.map(([, , score]) => score))).toEqual(boxes.map(() => 0.5))
  })

  it('reads the last rows of v10', () => {
    const data = boxes.flatMap(({ left, top, right, bottom }, i) => [left, top, right, bottom, 0.9, i % 2])
    const found = inOrder(yolo({ data, shape: [1, 16, 6] }, { head: 'v10', labels: ['even', 'odd'] }))
    expectBoxes(found, boxes)
    expect(found.map(({ label }) => label)).toEqual(boxes.map((_, i) => (i % 2 ? 'odd' : 'even')))
  })

  it("reads the cells of YOLOX's grids", () => {
    // 64 pixels: grids of 8 x 8, 4 x 4 and 2 x 2; the second cell of each has a box.
    const data = new Float32Array(84 * 6)
    const wanted = [8, 16, 32].map((step, level) => {
      const cell = [1, 64 + 1, 80 + 1][level]!
      data.set([0.25, 0.5, Math.log(10 / step), Math.log(6 / step), 1, 0.9], 6 * cell)
      const [x, y] = [1.25 * step, 0.5 * step]
      return { left: x - 5, top: y - 3, right: x + 5, bottom: y + 3 }
    })
    const found = yolo({ data, shape: [1, 84, 6] }, { head: 'x', size: 64 }).sort((a, b) => a.left - b.left)
    expectBoxes(found, wanted)
    expectComplaint(
      engine,
      () => yolo({ data, shape: [1, 84, 6] }, { head: 'x', size: 128 }),
      'size',
      '84 cells',
      '336',
    )
    expectComplaint(engine, () => yolo({ data, shape: [1, 84, 6] }, { head: 'x' }), 'size')
  })

  it('says what is wrong', () => {
    const six = { data: new Float32Array(60), shape: [1, 10, 6] }
    expectComplaint(engine, () => yolo(six), 'head', 'v10')
    expectComplaint(engine, () => yolo({ data: new Float32Array(40), shape: [10, 4] }), 'output', 'v5')
    expectComplaint(engine, () => yolo(new Float32Array(40)), 'output', '[40]')
    const seven = { data: new Float32Array(70), shape: [1, 10, 7] }
    expectComplaint(engine, () => yolo(seven, { labels: ['one'] }), 'labels', '2 names')
    expectComplaint(engine, () => yolo(seven, { classes: 3 }), 'classes', '3')
    expectComplaint(engine, () => yolo(seven, { classes: 1, points: 2 }), 'points')
    expectComplaint(engine, () => yolo(seven, { threshold: Number.NaN }), 'threshold')
  })
})

describe('suppress', () => {
  it('says what is wrong, by the name of the call', () => {
    const complain = (fn: () => unknown, ...parts: string[]) => expectComplaint(engine, fn, ...parts)
    const box = { ...boxes[0]!, score: 1 }
    for (const wrong of [null, {}, { ...box, left: '1' }, { ...box, score: Number.NaN }])
      complain(() => suppress([box, wrong] as never), 'suppress: detections[1] must be { left, top, right')
    complain(() => suppress([box], { overlap: 2 }), 'suppress: overlap must be a number from 0 to 1')
    const answers = { boxes: [1, 2, 3, 4], scores: [1] }
    complain(() => detect(answers, { overlap: 2 }), 'detect: overlap must be a number from 0 to 1')
    complain(() => detect(answers, { most: 0 }), 'detect: most')
    complain(
      () => detect(answers, { acrossClasses: 1 as never }),
      'detect: acrossClasses must be true or false',
    )
    const anchors = [1, 2, 3, 4]
    for (const variances of [[0.1], [0.1, Number.NaN], 0.1] as never[])
      complain(
        () => detect(answers, { anchors, variances }),
        'detect: variances must be two positive numbers',
      )
  })

  it('keeps what NonMaxSuppression of ONNX keeps', async () => {
    const model = writeModel({
      opset: 11,
      nodes: [{ op: 'NonMaxSuppression', inputs: ['boxes', 'scores', 'most', 'overlap'], outputs: ['kept'] }],
      inputs: [
        { name: 'boxes', shape: [1, 60, 4] },
        { name: 'scores', shape: [1, 2, 60] },
      ],
      outputs: [{ name: 'kept', type: 'int64' }],
      initializers: [
        { name: 'most', type: 'int64', shape: [1], data: BigInt64Array.of(60n) },
        { name: 'overlap', type: 'float32', shape: [1], data: Float32Array.of(0.4) },
      ],
    } as never)
    using nms = await loadModel(engine, model)
    let dropped = 0
    for (let round = 0; round < 20; round++) {
      const all = Array.from({ length: 60 }, (_, i) => {
        const [left, top] = [random.next(), random.next()]
        return {
          left,
          top,
          right: left + 0.1 + random.next(),
          bottom: top + 0.1 + random.next(),
          score: random.next(),
          index: i % 2,
          at: i,
        }
      })
      const scores = new Float32Array(120).fill(-1)
      for (const { index, at, score } of all) scores[60 * index + at] = score
      const rows = Float32Array.from(
        all.flatMap(({ left, top, right, bottom }) => [top, left, bottom, right]),
      )
      const kept = nms.run({ boxes: rows, scores })['kept']!.toArray() as Float64Array
      const wanted = Array.from({ length: kept.length / 3 }, (_, i) => kept[3 * i + 2]!).filter(
        (at, i) => all[at]!.index === kept[3 * i + 1],
      )
      const found = suppress(all, { overlap: 0.4 })
      expect(found.map(({ at }) => at).sort((a, b) => a - b)).toEqual(wanted.sort((a, b) => a - b))
      expect(found.map(({ score }) => score)).toEqual(found.map(({ score }) => score).sort((a, b) => b - a))
      dropped += 60 - found.length
    }
    expect(dropped).toBeGreaterThan(100)
  })

  it('takes classes apart unless it is not to, and stops at the most', () => {
    const box = { left: 0, top: 0, right: 1, bottom: 1 }
    const two = [
      { ...box, score: 0.5, index: 0 },
      { ...box, score: 0.75, index: 1 },
    ]
    expect(suppress(two).map(({ index }) => index)).toEqual([1, 0])
    expect(suppress(two, { acrossClasses: true }).map(({ index }) => index)).toEqual([1])
    expect(suppress(two, { most: 1 }).map(({ index }) => index)).toEqual([1])
    expect(suppress([two[0]!, two[0]!], { overlap: 1 })).toHaveLength(2)
    expect(two[0]!.score).toBe(0.5)
    expectComplaint(engine, () => suppress(two, { overlap: 2 }), 'overlap')
  })
})
