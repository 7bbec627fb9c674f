/** The helpers on models of others, where the data is present. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromImage } from '../../src/image/index.js'
import { createEngine, type Engine, type Tensor, transpose } from '../../src/index.js'
import { decodeTensor } from '../../src/onnx/file/decode.js'
import { readTensor } from '../../src/onnx/file/schema.js'
import { loadModel } from '../../src/onnx/index.js'
import { anchors, classify, detect, paintMask, peaks, segment, yolo } from '../../src/tasks/index.js'
import { shared } from '../support/outside.js'
import { Random } from '../support/random.js'

let engine: Engine
beforeAll(async () => {
  engine = await createEngine({ threads: 1 })
})
afterAll(() => engine.dispose())

const photoPath = shared('images/astronaut.png')
/** The astronaut at the right of a wide black picture: her face is 400 pixels further right. */
function wide(): { data: Uint8Array; width: number; height: number } {
  const { data, width, height } = PNG.sync.read(readFileSync(photoPath!))
  const picture = { data: new Uint8Array(4 * 912 * height), width: 912, height }
  for (let y = 0; y < height; y++)
    picture.data.set(data.subarray(4 * y * width, 4 * (y + 1) * width), 4 * (y * 912 + 400))
  return picture
}
/** From ear to ear, from the hair to the chin. */
const face = { left: 579, top: 63, right: 669, bottom: 173 }

function expectFace(
  found: { left: number; top: number; right: number; bottom: number }[],
  tolerance = 20,
): void {
  expect(found).toHaveLength(1)
  for (const edge of ['left', 'top', 'right', 'bottom'] as const)
    expect(Math.abs(found[0]![edge] - face[edge]), edge).toBeLessThan(tolerance)
}

const channelsFirst = (x: Tensor): Tensor => transpose(x, [0, 3, 1, 2])

const digits = shared('models/mnist_8')
describe.skipIf(!digits)('a classifier of digits', () => {
  it('names the digits of its own test sets', async () => {
    using model = await loadModel(engine, join(digits!, 'model.onnx'))
    for (const set of [0, 1, 2]) {
      const read = (file: string) =>
        decodeTensor(readTensor(readFileSync(join(digits!, `test_data_set_${set}`, file))))
      const { data, shape } = read('input_0.pb')
      const wanted = [...(read('output_0.pb').data as Float32Array)]
      const outputs = model.run({ Input3: { data: data as Float32Array, shape } })
      const labels = ['null', 'eins', 'zwei', 'drei', 'vier', 'fünf', 'sechs', 'sieben', 'acht', 'neun']
      const [best] = classify(outputs['Plus214_Output_0']!, { labels })
      expect(best!.label).toBe(labels[wanted.indexOf(Math.max(...wanted))])
      expect(best!.score).toBeGreaterThan(0.9)
    }
  })
})

const ultraface = photoPath && shared('models/ultraface_rfb320_simplified/model.onnx')
describe.skipIf(!ultraface)('UltraFace', () => {
  it.each(['fill', 'contain'] as const)('finds the face, fitted by %s', async (fit) => {
    using model = await loadModel(engine, ultraface!)
    const picture = wide()
    const size = [240, 320] as const
    using x = await fromImage(engine, picture, { size, fit, range: [0, 255], mean: 127, std: 128 })
    using input = channelsFirst(x)
    const { scores, boxes } = model.run({ input }) as never
    const levels = [
      [8, [10, 16, 24]],
      [16, [32, 48]],
      [32, [64, 96]],
      [64, [128, 192, 256]],
    ] as const
    const priors = anchors(
      size,
      levels.map(([step, sides]) => ({ step, sides })),
    )
    const options = { anchors: priors, threshold: 0.7, size, picture, fit, labels: ['none', 'face'] }
    const found = detect({ scores, boxes }, options)
    expectFace(found)
    expect(found[0]!.label).toBe('face')
  })
})

const retina = photoPath && shared('zoo/osf_retinaface_640x640_opt.onnx')
describe.skipIf(!retina)('RetinaFace', () => {
  it('finds the face and its eyes, nose and mouth', async () => {
    using model = await loadModel(engine, retina!)
    const picture = wide()
    const fitted = { size: 640, fit: 'contain' } as const
    using x = await fromImage(engine, picture, {
      ...fitted,
      channels: 'bgr',
      range: [0, 255],
      mean: [104, 117, 123],
    })
    using input0 = channelsFirst(x)
    const { output0, 586: scores, 585: points } = model.run({ input0 })
    const priors = anchors(640, [
      { step: 8, sides: [16, 32] },
      { step: 16, sides: [64, 128] },
      { step: 32, sides: [256, 512] },
    ])
    const found = detect(
      { boxes: output0!, scores: scores!, points: points! },
      { ...fitted, anchors: priors, threshold: 0.8, picture },
    )
    expectFace(found)
    const [left, right, nose, mouthLeft, mouthRight] = found[0]!.points as [number, number][]
    const eyes = (left![1] + right![1]) / 2
    expect(left![0]).toBeLessThan(nose![0])
    expect(right![0]).toBeGreaterThan(nose![0])
    expect(nose![1]).toBeGreaterThan(eyes)
    expect(mouthLeft![1]).toBeGreaterThan(nose![1])
    expect(mouthRight![0]).toBeGreaterThan(mouthLeft![0])
    for (const [x, y] of found[0]!.points!) {
      expect(x! > face.left && x! < face.right).toBe(true)
      expect(y! > face.top && y! < face.bottom).toBe(true)
    }
  })
})

const osf = photoPath && shared('zoo/osf_mnv3_detection_opt.onnx')
describe.skipIf(!osf)("OpenSeeFace's heatmap", () => {
  it('has its peak, and its mask, in the face', async () => {
    using model = await loadModel(engine, osf!)
    const picture = wide()
    const place = { size: 224, fit: 'contain', picture } as const
    const { picture: _, ...fitted } = place
    using x = await fromImage(engine, picture, {
      ...fitted,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    })
    using input = channelsFirst(x)
    const { output } = model.run({ input })
    const [peak, ...more] = peaks(output!, { ...place, threshold: 0.6 })
    expect(more).toEqual([])
    const inFace = (x: number, y: number, margin: number) =>
      x > face.left - margin && x < face.right + margin && y > face.top - margin && y < face.bottom + margin
    expect(inFace(peak!.x, peak!.y, 0)).toBe(true)
    const heat = { data: (output!.toArray() as Float32Array).slice(0, 56 * 56), shape: [56, 56] }
    const { classes, found } = segment(heat, { ...place, threshold: 0.5, labels: ['none', 'face'] })
    const at: [number, number][] = []
    classes.forEach((index, i) => {
      if (index) at.push([i % picture.width, Math.floor(i / picture.width)])
    })
    expect(at.length).toBeGreaterThan(100)
    expect(at.every(([x, y]) => inFace(x, y, 16))).toBe(true)
    expect(found[1]).toMatchObject({ label: 'face', share: at.length / classes.length })
    const { data, width, height } = paintMask(output!, { ...place, channel: 0, color: [255, 0, 0] })
    expect([width, height]).toEqual([912, 512])
    const alphaAt = (x: number, y: number) => data[4 * (Math.floor(y) * width + Math.floor(x)) + 3]!
    expect(alphaAt(peak!.x, peak!.y)).toBeGreaterThan(127)
    expect(alphaAt(100, 400)).toBeLessThan(26)
  })
})

const lines = photoPath && shared('zoo/mlsd_320x320_tiny.onnx')
describe.skipIf(!lines)('M-LSD', () => {
  it('has the middles of drawn lines for peaks', async () => {
    using model = await loadModel(engine, lines!)
    // A white page with a dark bar: its long sides are lines.
    const [width, height] = [640, 480]
    const bar = { left: 160, top: 120, right: 480, bottom: 360 }
    const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => {
      const [x, y] = [(i >> 2) % width, Math.floor((i >> 2) / width)]
      const inside = x >= bar.left && x < bar.right && y >= bar.top && y < bar.bottom
      return i % 4 === 3 ? 255 : inside ? 40 : 230
    })
    using x = await fromImage(engine, { data, width, height }, { size: 320, range: [0, 255] })
    const rgb = x.toArray()
    const input = Float32Array.from({ length: 320 * 320 * 4 }, (_, i) =>
      i % 4 === 3 ? 1 : rgb[3 * (i >> 2) + (i % 4)]!,
    )
    const { scores } = model.run({ 'input_image_with_alpha:0': input })
    const place = { size: 320, picture: { width, height } }
    const found = peaks(scores!, { ...place, threshold: 0.3, radius: 2, most: 4 })
    expect(found).toHaveLength(4)
    const [midX, midY] = [(bar.left + bar.right) / 2, (bar.top + bar.bottom) / 2]
    for (const [x, y] of [
      [midX, bar.top],
      [midX, bar.bottom],
      [bar.left, midY],
      [bar.right, midY],
    ] as const) {
      const near = found.filter((peak) => Math.hypot(peak.x - x, peak.y - y) < 12)
      expect(near, `a line at ${x},${y} of ${JSON.stringify(found)}`).toHaveLength(1)
    }
  })
})

/** Rows of a YOLO head, few of them things of one class; neighbours share most of their boxes. */
function things(n: number, classes: number, scaled: (random: Random) => number[]): Float32Array {
  const random = new Random(20261129)
  const rows = new Float32Array(n * (5 + classes))
  for (let i = 0; i < n; i++) {
    rows.set(scaled(random), i * (5 + classes))
    rows[i * (5 + classes) + 4] = 0.6 + 0.4 * random.next()
    if (i % 21 < 3) rows[i * (5 + classes) + 5 + (Math.floor(i / 21) % 12)] = 0.5 + 0.5 * random.next()
  }
  return rows
}

const freeyolo = shared('zoo/pinto_freeyolo_post.onnx')
describe.skipIf(!freeyolo)("FreeYOLO's own decoder", () => {
  it('finds what yolo finds: boxes, classes, and which stay', async () => {
    using model = await loadModel(engine, freeyolo!)
    const rows = things(5040, 80, (random) => [
      random.next(),
      random.next(),
      2 + 0.2 * random.next(),
      2 + 0.2 * random.next(),
    ])
    const outputs = model.run({ post_input: rows })
    const [scores, boxes] = [
      outputs['score']!.toArray(),
      outputs['batchno_classid_x1y1x2y2']!.toArray(),
    ] as Float32Array[]
    const wanted = Array.from(scores!, (score, i) => {
      const [, index, left, top, right, bottom] = boxes!.subarray(6 * i, 6 * i + 6)
      return { index: index!, score, left: left!, top: top!, right: right!, bottom: bottom! }
    })
    expect(wanted.length).toBeGreaterThan(40)
    // Its cells count from their middles, and its scores are the roots of ours.
    const shifted = rows.map((v, i) => (i % 85 < 2 ? v + 0.5 : v))
    const kept = yolo(
      { data: shifted, shape: [1, 5040, 85] },
      { head: 'x', size: [384, 640], threshold: 0.25 ** 2, overlap: 0.7, most: 5040 },
    )
    // The first twenty of each class, corners cut to integers: one that is about whole may fall either way.
    const counts = new Map<number, number>()
    const mine = kept.filter(({ index }) => {
      counts.set(index, (counts.get(index) ?? 0) + 1)
      return counts.get(index)! <= 20
    })
    const inOrder = <T extends { index: number; score: number }>(list: T[]) =>
      list.toSorted((a, b) => a.index - b.index || b.score - a.score)
    expect(mine).toHaveLength(wanted.length)
    const others = inOrder(wanted)
    for (const [i, each] of inOrder(mine).entries()) {
      const other = others[i]!
      expect(each.index).toBe(other.index)
      expect(Math.sqrt(each.score)).toBeCloseTo(other.score, 5)
      for (const edge of ['left', 'top', 'right', 'bottom'] as const)
        expect(Math.abs(Math.trunc(each[edge]) - other[edge]), edge).toBeLessThanOrEqual(1)
    }
    // Some were dropped: a test of nothing else would be none.
    expect(
      yolo(
        { data: shifted, shape: [1, 5040, 85] },
        { head: 'x', size: [384, 640], threshold: 0.25 ** 2, overlap: 1, most: 5040 },
      ).length,
    ).toBeGreaterThan(kept.length + 20)
  })
})

const yoloNms = shared('zoo/yolov8_nms.onnx')
describe.skipIf(!yoloNms)("YOLOv8's own suppression", () => {
  it('keeps what yolo keeps', async () => {
    using model = await loadModel(engine, yoloNms!)
    const random = new Random(7)
    const n = 400
    const rows = Array.from({ length: n }, () => {
      const [x, y] = [
        random.integer(0, 6) * 80 + 40 * random.next(),
        random.integer(0, 6) * 80 + 40 * random.next(),
      ]
      const scores = [0, 0, 0].map(() => random.next() ** 2)
      return [x, y, 60 + 30 * random.next(), 60 + 30 * random.next(), ...scores].map(Math.fround)
    })
    const detection = Float32Array.from({ length: 7 * n }, (_, i) => rows[i % n]![Math.floor(i / n)]!)
    const { selected } = model.run({
      detection: { data: detection, shape: [1, 7, n] },
      config: Float32Array.of(100, 0.45, 0.25),
    })
    const kept = selected!.toArray() as Float32Array
    const wanted = Array.from({ length: kept.length / 7 }, (_, i) => [...kept.subarray(7 * i, 7 * i + 7)])
    const mine = yolo({ data: detection, shape: [1, 7, n] }, { acrossClasses: true })
    expect(mine.length).toBeGreaterThan(20)
    expect(mine.map(({ score }) => score)).toEqual(
      wanted.map((row) => Math.max(...row.slice(4))).sort((a, b) => b - a),
    )
    for (const { left, right, index, score } of mine) {
      const [x, , w, , ...scores] = wanted.find((row) => Math.max(...row.slice(4)) === score)!
      expect([(left + right) / 2, right - left].map((v) => v.toFixed(3))).toEqual(
        [x!, w!].map((v) => v.toFixed(3)),
      )
      expect(scores.indexOf(Math.max(...scores))).toBe(index)
    }
  })
})
