/** What a case is, and cases from shapes of a kind: images, filters, volumes, sequences. */
import type * as image from '../../../src/image/index.js'
import * as fb from '../../../src/index.js'
import * as nn from '../../../src/nn/index.js'
import type { Random } from '../random.js'

export type Op = (...inputs: fb.Tensor[]) => fb.AnyTensor | { data: Uint8ClampedArray }

export interface Case {
  /** Shapes of the inputs, other ones at every call. */
  shapes: (random: Random) => fb.Shape[]
  /** May leave what it made on the way to the scope that it is called in. */
  op: Op
}

export const image4 = (random: Random, channels = random.integer(1, 37), least = 1): number[] => [
  random.integer(1, 2),
  random.integer(least, 14),
  random.integer(least, 19),
  channels,
]

/** One image of any size, at least 3 x 3. */
export const photo = (op: Op): Case => ({ shapes: (random) => [image4(random, undefined, 3)], op })
/** x, and a number per channel. */
export const perChannel = (op: Op): Case => ({
  shapes: (random) => {
    const c = random.integer(1, 37)
    return [image4(random, c, 3), [c]]
  },
  op,
})
/** One image of 1, 3 or 4 channels. */
export const picture = (op: Op): Case => ({
  shapes: (random) => [image4(random, random.pick([1, 3, 4]), 3)],
  op,
})

export const TURN = [
  [0.9, -0.4, 1.5],
  [0.3, 1.1, -2],
] as const

/** The same as bytes, the images of a batch below each other. */
export const onBytes = (
  filter: (pixels: image.Pixels, options: image.FilterOptions) => image.OwnPixels,
): Case =>
  picture((x) => {
    const [n, h, width] = x!.shape as [number, number, number]
    return filter(
      { data: Uint8ClampedArray.from(x!.toArray(), (v) => 128 + v * 50), width, height: n * h },
      { engine: x!.engine },
    )
  })

/** x, filter, bias; `out` channels a group, any number by default. */
export const convolution = (
  kernel: readonly [number, number],
  groups: number,
  op: Op,
  groupIn?: number,
  groupOut?: number,
): Case => ({
  shapes: (random) => {
    const ic = groups * (groupIn ?? random.integer(1, 20))
    const oc = groups * (groupOut ?? random.integer(1, 20))
    return [image4(random, ic, 3), [...kernel, ic / groups, oc], [oc]]
  },
  op,
})

export const depthwise = (kernel: readonly [number, number], options: fb.Conv2dOptions): Case => ({
  shapes: (random) => {
    const c = random.integer(1, 37)
    return [image4(random, c, 3), [...kernel, 1, c], [c]]
  },
  op: (x, filter, bias) => fb.conv2d(x!, filter!, { ...options, bias: bias!, groups: x!.shape[3]! }),
})

export const quantize = <D extends fb.ByteType = 'uint8'>(x: fb.Tensor, dtype?: D) =>
  fb.quantize(x, { scale: 0.01, zeroPoint: dtype === 'int8' ? 0 : 120, ...(dtype && { dtype }) })

/** x and filter as bytes; a result of float32 where no type is given. */
export function ofBytes(
  kernel: readonly [number, number],
  groups: number,
  options: fb.Conv2dOptions,
  dtype?: fb.ByteType,
  groupIn?: number,
  groupOut?: number,
): Case {
  return convolution(
    kernel,
    groups,
    (x, filter, bias) =>
      fb.conv2d(quantize(x!), quantize(filter!, 'int8'), {
        ...options,
        bias: bias!,
        ...(dtype && { quantization: { scale: 0.05, zeroPoint: 100, dtype } }),
      }),
    groupIn,
    groupOut,
  )
}

export const depthwiseBytes = (kernel: readonly [number, number], options: fb.Conv2dOptions): Case => ({
  ...depthwise(kernel, options),
  op: (x, filter, bias) =>
    fb.conv2d(quantize(x!, 'int8'), quantize(filter!, 'int8'), {
      ...options,
      bias: bias!,
      groups: x!.shape[3]!,
      quantization: { scale: 0.05, zeroPoint: 10, dtype: 'uint8' },
    }),
})

/** x, and a grid that leaves the image here and there. */
export const sampled = (op: (x: fb.Tensor, grid: fb.Tensor) => fb.Tensor): Case => ({
  shapes: (random) => {
    const x = image4(random)
    return [x, [x[0]!, random.integer(1, 9), random.integer(1, 20), 2]]
  },
  op: (x, grid) => op(x!, fb.mul(grid!, 1.7)),
})

export const volumeShape = (random: Random, channels = random.integer(1, 19)): number[][] => [
  [random.integer(1, 2), random.integer(2, 5), random.integer(3, 7), random.integer(3, 9), channels],
]

/** x [n, d, h, w, c], filter and bias. */
export const volume = (op: Op, groups = 1): Case => ({
  shapes: (random) => {
    const [ic, oc] = [groups * random.integer(1, 7), groups * random.integer(1, 9)]
    return [...volumeShape(random, ic), [2, 3, 3, ic / groups, oc], [oc]]
  },
  op,
})

/** All derivatives of the sum of squares of what the op gives. */
export const backwards = ({ shapes, op }: Case): Case => ({
  shapes,
  op: (...inputs) => {
    const loss = () => {
      const y = op(...inputs) as fb.Tensor
      // Inputs that the op leaves out are reached all the same.
      return inputs.reduce((total, input) => fb.add(total, fb.sum(input)), fb.sum(fb.mul(y, y)))
    }
    return fb.concat(nn.valueAndGradients(loss, inputs).gradients.map((gradient) => gradient.reshape([-1])))
  },
})

/** q, and k and v of fewer heads; a mask for each key. */
export const attended = (length: readonly [least: number, most: number], op: Op): Case => ({
  shapes: (random) => {
    const [n, heads, keys, size] = [
      random.integer(1, 2),
      random.integer(1, 2),
      random.integer(1, 150),
      random.integer(1, 20),
    ]
    return [
      [n, heads * 2, random.integer(...length), size],
      [n, heads, keys, size],
      [n, heads, keys, random.integer(1, 20)],
      [n, 1, 1, keys],
    ]
  },
  op,
})

/** x, filter [kh, kw, in, out / groups], bias. */
export const transposed = (kernel: readonly [number, number], options: fb.ConvTranspose2dOptions): Case => ({
  shapes: (random) => {
    const groups = options.groups ?? 1
    const ic = groups * random.integer(1, 9)
    const groupOut = random.integer(1, 17)
    return [image4(random, ic, 2), [...kernel, ic, groupOut], [groupOut * groups]]
  },
  op: (x, filter, bias) => fb.convTranspose2d(x!, filter!, { ...options, bias: bias! }),
})

/** Sequences, weights and biases, and initial states of all; lengths, one of them 0, follow from the shapes. */
export const sequences = (
  gates: number,
  op: (x: fb.Tensor, options: fb.LstmOptions) => fb.RecurrentResult & { cell?: fb.Tensor },
  hiddenOf = (random: Random) => random.integer(1, 37),
  batchOf = (random: Random) => random.integer(1, 19),
): Case => ({
  shapes: (random) => {
    const [n, steps, width] = [batchOf(random), random.integer(1, 4), random.integer(1, 9)]
    const hidden = hiddenOf(random)
    const columns = gates * hidden
    const shapes = [[n, steps, width], [width, columns], [hidden, columns], [columns], [columns], [n, hidden]]
    return gates === 4 ? [...shapes, [n, hidden]] : shapes
  },
  op: (x, inputWeight, stateWeight, bias, stateBias, initial, cell) => {
    const [n, steps] = x!.shape as [number, number]
    const lengths = Int32Array.from({ length: n }, (_, row) => (row * 3 + steps) % (steps + 1))
    const weights = {
      inputWeight: inputWeight!,
      stateWeight: stateWeight!,
      bias: bias!,
      stateBias: stateBias!,
    }
    const named = { ...weights, initial: initial!, ...(cell && { initialCell: cell }) }
    const results = [
      op(x!, { ...named, lengths }),
      op(x!, { inputWeight: inputWeight!, stateWeight: stateWeight!, reverse: n % 2 === 0 }),
    ]
    return fb.concat(results.flatMap((result) => Object.values(result).map((each) => each.reshape([-1]))))
  },
})

export const rnnCase = sequences(1, (x, options) => fb.rnn(x, { ...options, activation: 'relu' }))
export const gruCase = sequences(3, fb.gru)
export const lstmCase = sequences(4, fb.lstm)
export const largeLstm = sequences(
  4,
  fb.lstm,
  (random) => random.integer(256, 265),
  (random) => random.integer(1, 3),
)
