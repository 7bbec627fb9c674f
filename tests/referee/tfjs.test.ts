/**
 * TensorFlow.js in plain JavaScript as an independent referee of derivatives, on random problems. Other
 * problems, and more of them:
 *
 *   FILTERBANK_SEED=7 FILTERBANK_PROBLEMS=1000 npx vitest run tests/referee/tfjs.test.ts
 *
 * Not asked is what it has no derivative of (dilation, groups), and what it gets wrong: images that are not
 * square in resizeBilinear, means over windows in the padding. Both sides give all derivatives of sum(weights
 * * f(...inputs)) with the same random weights.
 */
import { join } from 'node:path'
import type * as TensorFlow from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tensorflow } from '../../bench/peers/tensorflow.js'
import * as fb from '../../src/index.js'
import { crossEntropy, valueAndGradients } from '../../src/nn/index.js'
import { root, temporaryFolder } from '../support/package.js'
import { Random } from '../support/random.js'

const SEED = Number(process.env.FILTERBANK_SEED ?? 20261121)
const PROBLEMS = Number(process.env.FILTERBANK_PROBLEMS ?? 12)
/**
 * Of the largest derivative: both sum up to a few thousand products in float32, in orders of their own, and
 * their exp and tanh are off by some units.
 */
const TOLERANCE = 4e-5

let tf: typeof TensorFlow

type Ours = (...inputs: fb.Tensor[]) => fb.Tensor
type Theirs = (...inputs: TensorFlow.Tensor[]) => TensorFlow.Tensor

interface Problem {
  about?: unknown
  shapes: number[][]
  /** Range of the numbers. Default -2 to 2. */
  range?: [number, number]
  ours: Ours
  theirs: Theirs
}

const product = (shape: number[]) => shape.reduce((a, b) => a * b, 1)
const image = (random: Random, channels = random.integer(1, 9)) => [
  random.integer(1, 3),
  random.integer(4, 11),
  random.integer(4, 11),
  channels,
]
const t4 = (x: TensorFlow.Tensor | undefined) => x as TensorFlow.Tensor4D

/** Activations as both know them. */
const activations: Record<string, [Ours, Theirs]> = {
  relu: [(x) => fb.relu(x!), (x) => tf.relu(x!)],
  relu6: [(x) => fb.relu6(x!), (x) => tf.relu6(x!)],
  leakyRelu: [(x) => fb.leakyRelu(x!, { alpha: 0.3 }), (x) => tf.leakyRelu(x!, 0.3)],
  elu: [(x) => fb.elu(x!), (x) => tf.elu(x!)],
  selu: [(x) => fb.selu(x!), (x) => tf.selu(x!)],
  sigmoid: [(x) => fb.sigmoid(x!), (x) => tf.sigmoid(x!)],
  tanh: [(x) => fb.tanh(x!), (x) => tf.tanh(x!)],
  softplus: [(x) => fb.softplus(x!), (x) => tf.softplus(x!)],
  silu: [(x) => fb.silu(x!), (x) => tf.mul(x!, tf.sigmoid(x!))],
  clamp: [(x) => fb.clamp(x!, { low: -0.5, high: 1 }), (x) => tf.clipByValue(x!, -0.5, 1)],
}

/** Padding as both take it: TensorFlow.js takes numbers for all sides alike, or four pairs. */
function paddingOf(random: Random): {
  ours: fb.Padding
  theirs: 'same' | 'valid' | [[0, 0], [number, number], [number, number], [0, 0]]
} {
  const kind = random.pick(['same', 'valid', 'sides'] as const)
  if (kind !== 'sides') return { ours: kind, theirs: kind }
  const side = (): [number, number] => [random.integer(0, 2), random.integer(0, 2)]
  const [rows, columns] = [side(), side()]
  return { ours: [rows, columns], theirs: [[0, 0], rows, columns, [0, 0]] }
}

const problems: Record<string, (random: Random) => Problem> = {
  conv2d(random) {
    const stride: [number, number] = [random.integer(1, 3), random.integer(1, 3)]
    const padding = paddingOf(random)
    const x = image(random)
    const filter = [random.integer(1, 3), random.integer(1, 3), x[3]!, random.integer(1, 18)]
    return {
      about: { stride, padding: padding.ours },
      shapes: [x, filter, [filter[3]!]],
      ours: (x, filter, bias) => fb.conv2d(x!, filter!, { stride, padding: padding.ours, bias }),
      theirs: (x, filter, bias) => tf.add(tf.conv2d(t4(x), t4(filter), stride, padding.theirs), bias!),
    }
  },
  'conv2d by Winograd': (random) => {
    const [ic, oc] = [random.integer(16, 20), random.integer(16, 20)]
    return {
      shapes: [image(random, ic), [3, 3, ic, oc]],
      ours: (x, filter) => fb.conv2d(x!, filter!, { padding: 'same' }),
      theirs: (x, filter) => tf.conv2d(t4(x), t4(filter), 1, 'same'),
    }
  },
  'depthwise conv2d': (random) => {
    const stride = random.integer(1, 2)
    const padding = random.pick(['same', 'valid'] as const)
    const [c, several] = [random.integer(1, 19), random.integer(1, 2)]
    return {
      about: { stride, padding },
      shapes: [image(random, c), [random.integer(1, 3), random.integer(1, 3), c, several]],
      ours: (x, filter) =>
        fb.conv2d(x!, filter!.reshape([filter!.shape[0]!, filter!.shape[1]!, 1, c * several]), {
          stride,
          padding,
          groups: c,
        }),
      theirs: (x, filter) => tf.depthwiseConv2d(t4(x), t4(filter), stride, padding),
    }
  },
  convTranspose2d(random) {
    const stride = random.integer(1, 3)
    const [ic, oc] = [random.integer(1, 9), random.integer(1, 9)]
    const x = image(random, ic)
    return {
      about: { stride },
      shapes: [x, [random.integer(stride, 4), random.integer(stride, 4), ic, oc]],
      ours: (x, filter) => fb.convTranspose2d(x!, filter!, { stride, padding: 'same' }),
      theirs: (input, filter) =>
        tf.conv2dTranspose(
          t4(input),
          tf.transpose(t4(filter), [0, 1, 3, 2]),
          [x[0]!, x[1]! * stride, x[2]! * stride, oc],
          stride,
          'same',
        ),
    }
  },
  maxPool2d(random) {
    const [size, stride, padding] = [
      random.integer(1, 3),
      random.integer(1, 3),
      random.pick(['same', 'valid'] as const),
    ]
    return {
      about: { size, stride, padding },
      shapes: [image(random)],
      ours: (x) => fb.maxPool2d(x!, { size, stride, padding }),
      theirs: (x) => tf.maxPool(t4(x), size, stride, padding),
    }
  },
  avgPool2d(random) {
    const [size, stride] = [random.integer(1, 3), random.integer(1, 3)]
    return {
      about: { size, stride },
      shapes: [image(random)],
      ours: (x) => fb.avgPool2d(x!, { size, stride }),
      theirs: (x) => tf.avgPool(t4(x), size, stride, 'valid'),
    }
  },
  activations(random) {
    const name = random.pick(Object.keys(activations))
    const [ours, theirs] = activations[name]!
    return { about: name, shapes: [[random.integer(1, 300)]], range: [-8, 8], ours, theirs }
  },
  prelu: (random) => {
    const c = random.integer(1, 9)
    return {
      shapes: [image(random, c), [c]],
      ours: (x, slope) => fb.prelu(x!, slope!),
      theirs: (x, slope) => tf.prelu(x!, slope!),
    }
  },
  'softmax and logSoftmax': (random) => {
    const logarithm = random.next() < 0.5
    return {
      shapes: [[random.integer(1, 9), random.integer(1, 30)]],
      ours: (x) => (logarithm ? fb.logSoftmax : fb.softmax)(x!),
      theirs: (x) => (logarithm ? tf.logSoftmax : tf.softmax)(x!),
    }
  },
  crossEntropy(random) {
    const [n, classes] = [random.integer(1, 9), random.integer(2, 12)]
    const labels = Int32Array.from({ length: n }, () => random.integer(0, classes - 1))
    return {
      shapes: [[n, classes]],
      ours: (x) => crossEntropy(x!, labels),
      theirs: (x) =>
        tf.mul(tf.sum(tf.mul(tf.logSoftmax(x!), tf.oneHot(tf.tensor1d(labels, 'int32'), classes))), -1 / n),
    }
  },
  matmul(random) {
    const [m, k, n] = [random.integer(1, 20), random.integer(1, 40), random.integer(1, 20)]
    const batch = random.pick([[], [3]])
    return {
      shapes: [
        [...batch, m, k],
        [...batch, k, n],
      ],
      ours: (a, b) => fb.matmul(a!, b!),
      theirs: (a, b) => tf.matMul(a!, b!),
    }
  },
  'arithmetic with broadcasting': (random) => {
    const [ours, theirs] = random.pick<[Ours, Theirs]>([
      [(a, b) => fb.add(a!, b!), (a, b) => tf.add(a!, b!)],
      [(a, b) => fb.sub(a!, b!), (a, b) => tf.sub(a!, b!)],
      [(a, b) => fb.mul(a!, b!), (a, b) => tf.mul(a!, b!)],
      [(a, b) => fb.div(a!, b!), (a, b) => tf.div(a!, b!)],
    ])
    const shape = [random.integer(1, 5), random.integer(1, 5), random.integer(1, 5)]
    const other = shape.map((length) => (random.next() < 0.5 ? 1 : length)).slice(random.integer(0, 2))
    return { about: `${ours}`, shapes: [shape, other], range: [1, 3], ours, theirs }
  },
  'batchNorm by its own statistics': (random) => {
    const c = random.integer(1, 9)
    const axes = [0, 1, 2]
    return {
      shapes: [image(random, c), [c], [c]],
      ours: (x, scale, offset) => {
        const mean = fb.mean(x!, { axes })
        const centred = fb.sub(x!, mean)
        return fb.batchNorm(x!, {
          mean,
          variance: fb.mean(fb.mul(centred, centred), { axes }),
          scale,
          offset,
          epsilon: 0.01,
        })
      },
      theirs: (x, scale, offset) => {
        const { mean, variance } = tf.moments(x!, axes)
        return tf.batchNorm(
          x!,
          mean as TensorFlow.Tensor1D,
          variance as TensorFlow.Tensor1D,
          offset as TensorFlow.Tensor1D,
          scale as TensorFlow.Tensor1D,
          0.01,
        )
      },
    }
  },
  'groupNorm and layerNorm': (random) => {
    const [n, pixels, c, groups] = [random.integer(1, 3), random.integer(2, 30), 6, random.pick([1, 2, 3, 6])]
    const rows = random.next() < 0.5
    return {
      about: rows ? 'rows' : groups,
      shapes: [[n, pixels, c], [c], [c]],
      ours: (x, scale, offset) =>
        rows
          ? fb.layerNorm(x!, { scale, offset, epsilon: 0.01 })
          : fb.groupNorm(x!, { groups, scale, offset, epsilon: 0.01 }),
      theirs: (x, scale, offset) => {
        const parts = tf.reshape(x!, [n, pixels, rows ? 1 : groups, rows ? c : c / groups])
        const { mean, variance } = tf.moments(parts, rows ? [3] : [1, 3], true)
        const h = tf.reshape(tf.div(tf.sub(parts, mean), tf.sqrt(tf.add(variance, 0.01))), [n, pixels, c])
        return tf.add(tf.mul(h, scale!), offset!)
      },
    }
  },
  reductions(random) {
    const [ours, theirs] = random.pick([
      [fb.sum, tf.sum],
      [fb.mean, tf.mean],
      [fb.max, tf.max],
      [fb.min, tf.min],
    ] as const)
    const axes = random.pick([[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]])
    return {
      about: [ours.name, axes],
      shapes: [[3, 4, 5]],
      ours: (x) => ours(x!, { axes }),
      theirs: (x) => theirs(x!, axes),
    }
  },
  'resize, bilinear': (random) => {
    const size: [number, number] = [random.integer(1, 20), random.integer(1, 20)]
    return {
      about: size,
      shapes: [image(random).with(1, 7).with(2, 7)],
      ours: (x) => fb.resize(x!, { size, alignCorners: true }),
      theirs: (x) => tf.image.resizeBilinear(t4(x), size, true),
    }
  },
  'concat, slice, pad, transpose': (random) => {
    const padding: [number, number][] = Array.from({ length: 3 }, () => [
      random.integer(0, 2),
      random.integer(0, 2),
    ])
    const axis = random.integer(0, 2)
    return {
      about: { padding, axis },
      shapes: [
        [2, 3, 4],
        [2, 3, 4],
      ],
      ours: (a, b) =>
        fb.transpose(
          fb.slice(fb.pad(fb.concat([a!, b!], { axis }), { padding }), { begin: [1, 1, 0], end: [2, 3, 4] }),
          [2, 0, 1],
        ),
      theirs: (a, b) =>
        tf.transpose(tf.slice(tf.pad(tf.concat([a!, b!], axis), padding), [1, 1, 0], [1, 2, 4]), [2, 0, 1]),
    }
  },
  gather: (random) => {
    const indices = Int32Array.from({ length: 7 }, () => random.integer(0, 4))
    return {
      shapes: [[5, random.integer(1, 20)]],
      ours: (x) => fb.gather(x!, indices),
      theirs: (x) => tf.gather(x!, tf.tensor1d(indices, 'int32')),
    }
  },
}

describe('derivatives, beside TensorFlow.js', () => {
  const folder = temporaryFolder()
  let engine: fb.Engine
  beforeAll(async () => {
    tf = await tensorflow(join(folder.path, 'tensorflow.cjs'), root)
    engine = await fb.createEngine({ threads: 1 })
  })
  afterAll(() => {
    engine.dispose()
    folder[Symbol.dispose]()
  })

  for (const [name, problemOf] of Object.entries(problems)) {
    it(name, () => {
      for (let i = 0; i < PROBLEMS; i++) {
        const random = new Random(SEED + i)
        const { about, shapes, range = [-2, 2], ours, theirs } = problemOf(random)
        const data = shapes.map((shape) => random.floats(product(shape), ...range))
        const what = `seed ${SEED + i}: ${shapes.map((shape) => `[${shape}]`).join(' ')} ${JSON.stringify(about)}`
        engine.scope(() => {
          const inputs = data.map((numbers, k) => engine.tensor(numbers, shapes[k]!))
          const { shape } = engine.scope(() => ours(...inputs))
          const weights = random.floats(product([...shape]))
          const factor = engine.tensor(weights, shape)
          const { gradients } = valueAndGradients(() => fb.sum(fb.mul(ours(...inputs), factor)), inputs)
          const wanted = tf.tidy(() => {
            const loss = (...args: TensorFlow.Tensor[]) =>
              tf.sum(tf.mul(theirs(...args), tf.tensor(weights, [...shape]))) as TensorFlow.Scalar
            return tf
              .grads(loss)(data.map((numbers, k) => tf.tensor(numbers, shapes[k]!)))
              .map((gradient) => gradient.dataSync() as Float32Array)
          })
          wanted.forEach((want, k) => {
            const got = gradients[k]!.toArray()
            expect(got.length, what).toBe(want.length)
            const largest = want.reduce((most, v) => Math.max(most, Math.abs(v)), 1)
            for (let j = 0; j < got.length; j++) {
              if (!(Math.abs(got[j]! - want[j]!) <= TOLERANCE * largest))
                expect.fail(`${what}, input ${k} element ${j}: ${got[j]}, TensorFlow.js ${want[j]}`)
            }
          })
        })
      }
    })
  }
})
