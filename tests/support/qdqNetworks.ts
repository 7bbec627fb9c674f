/** Networks as quantisers export them, small or of the size that they have in use. */
import type { Qdq, Terms } from './qdq.js'

const fractions: Terms = [1 / 256, 0]
const wide: Terms = [0.05, 128]
const positive: Terms = [0.03, 0]

/** Scales of weights by which sums of so many products stay as they are. */
const weightOf = (products: number) => 0.02 / Math.sqrt(products)

/** A convolution of what stands in `x`, of `from` channels. */
const convolve = (
  graph: Qdq,
  x: string,
  [from, to]: readonly [number, number],
  size: number,
  { stride = 1, group = 1 } = {},
): string => {
  const filter = graph.bytes([to, from / group, size, size], weightOf((from / group) * size * size), 0)
  const pads = Array(4).fill(size >> 1)
  return graph.node('Conv', [x, filter, graph.floats([to], -0.3, 0.3)], {
    strides: [stride, stride],
    pads,
    group,
  })
}

/** HardSwish as ONNX Runtime's quantiser leaves it: by its gate, which is quantised too. */
const hardSwish = (graph: Qdq, from: string, isSpelled: boolean): string => {
  const x = graph.quantized(from, wide)
  if (isSpelled) {
    const sum = graph.node('Add', [x, graph.number(3)])
    const gate = graph.node('Clip', [sum, graph.number(0), graph.number(6)])
    return graph.quantized(graph.node('Mul', [x, graph.node('Div', [gate, graph.number(6)])]), wide)
  }
  const gate = graph.quantized(graph.node('HardSigmoid', [x], { alpha: { float: 1 / 6 } }), fractions)
  return graph.quantized(graph.node('Mul', [x, gate]), wide)
}

/** Channels times what their means say: squeeze and excite. */
const excite = (graph: Qdq, x: string, channels: number, isMean: boolean): string => {
  const mean = isMean ? graph.node('ReduceMean', [x], { axes: [2, 3] }) : graph.node('GlobalAveragePool', [x])
  const less = Math.max(8, channels >> 2)
  const squeezed = graph.node('Relu', [convolve(graph, graph.quantized(mean, wide), [channels, less], 1)])
  const spread = convolve(graph, graph.quantized(squeezed, positive), [less, channels], 1)
  const gate = graph.node('HardSigmoid', [graph.quantized(spread, wide)])
  return graph.quantized(graph.node('Mul', [x, graph.quantized(gate, fractions)]), wide)
}

/** In the manner of MobileNetV3, of images [n, 3, h, w]: logits of 10 classes and their softmax. */
export function mobileNet(graph: Qdq, width: number): string {
  let x = hardSwish(graph, convolve(graph, graph.x[0]!, [3, width], 3, { stride: 2 }), true)
  for (const [i, stride] of [1, 2, 1, 2, 1].entries()) {
    const inner = 3 * width
    let y = hardSwish(graph, convolve(graph, x, [width, inner], 1), i % 2 === 0)
    y = hardSwish(
      graph,
      convolve(graph, y, [inner, inner], i > 2 ? 5 : 3, { stride, group: inner }),
      i % 2 > 0,
    )
    y = excite(graph, y, inner, i % 2 === 0)
    y = graph.quantized(convolve(graph, y, [inner, width], 1), wide)
    x = stride === 1 ? graph.quantized(graph.node('Add', [x, y]), wide) : y
  }
  const mean = graph.quantized(graph.node('GlobalAveragePool', [x]), wide)
  const flat = graph.quantized(graph.node('Flatten', [mean]), wide)
  const logits = graph.node('Gemm', [flat, graph.bytes([10, width], weightOf(width), 0)], { transB: 1 })
  return graph.node('Softmax', [graph.quantized(logits, wide)])
}

/** In the manner of a U-Net, of images [n, 3, h, w]: for each pixel a softmax of 4 classes. */
export function segmenter(graph: Qdq, width: number): string {
  const block = (x: string, channels: readonly [number, number]) => {
    const first = convolve(graph, x, channels, 3)
    const slope = graph.floats([channels[1], 1, 1], 0.1, 0.4)
    const y = graph.quantized(graph.node('PRelu', [graph.quantized(first, wide), slope]), wide)
    const second = convolve(graph, y, [channels[1], channels[1]], 3)
    return graph.quantized(graph.node('LeakyRelu', [graph.quantized(second, wide)]), wide)
  }
  const left = block(graph.x[0]!, [3, width])
  const half = graph.quantized(graph.node('MaxPool', [left], { kernel_shape: [2, 2], strides: [2, 2] }), wide)
  const middle = block(half, [width, 2 * width])
  const quarter = graph.node('MaxPool', [middle], { kernel_shape: [2, 2], strides: [2, 2] })
  const bottom = block(graph.quantized(quarter, wide), [2 * width, 2 * width])
  const factors = graph.constant(Float32Array.of(1, 1, 2, 2))
  const upper = graph.node('Resize', [bottom, '', factors], { mode: 'linear' })
  const joined = graph.node('Concat', [graph.quantized(upper, wide), middle], { axis: 1 })
  const right = block(graph.quantized(joined, wide), [4 * width, width])
  const filter = graph.bytes([width, width, 2, 2], weightOf(width), 1)
  const larger = graph.node('ConvTranspose', [right, filter], { strides: [2, 2] })
  const difference = graph.node('Sub', [graph.quantized(larger, wide), left])
  const logits = convolve(graph, graph.quantized(difference, wide), [width, 4], 1)
  return graph.node('Softmax', [graph.quantized(logits, wide)], { axis: 1 })
}
