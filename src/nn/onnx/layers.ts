/** How each layer is written. */

import { check, show } from '../../base/errors.js'
import { sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { pair, slidingWindow } from '../../core/window.js'
import type { Layer } from '../layer.js'
import { Conv2d, ConvTranspose2d } from '../layers/conv.js'
import { Activation, Dropout } from '../layers/elementwise.js'
import { Embedding, Linear } from '../layers/linear.js'
import { BatchNorm2d, GroupNorm, LayerNorm } from '../layers/norm.js'
import { AvgPool2d, GlobalAvgPool2d, MaxPool2d } from '../layers/pool.js'
import { Residual, Sequential } from '../layers/sequential.js'
import { Flatten, Upsample } from '../layers/shape.js'
import type { OnnxGraph, OnnxValue } from '../onnxGraph.js'
import {
  activated,
  channelsLast,
  contextOf,
  float,
  none,
  padsOf,
  sizes,
  turn,
  windowAttributes,
} from './values.js'
import { batchNorm, conv, convTranspose, type Fold, foldOf, linear, type Writer } from './weights.js'

/** The type's number in the format. */
const INT64 = 7

/** Over the last axes: those of an image stand last in the graph for that. */
const layerNorm: Writer<LayerNorm> = (graph, { options, parameters }, x) =>
  channelsLast(graph, x, (y) => {
    const vectors = parameters.map((tensor, i) =>
      graph.constant(['scale', 'offset'][i]!, tensor.toArray(), tensor.shape),
    )
    return graph.node('LayerNormalization', [y, ...vectors], {
      axis: -parameters[0]!.shape.length,
      epsilon: float(options.epsilon ?? 1e-5),
    })
  })

/** Each group as one channel of an instance norm, which every runtime has; then scale and offset. */
const groupNorm: Writer<GroupNorm> = (graph, layer, x) => {
  const { channels, groups, epsilon = 1e-5, activation } = layer.options
  // [n, length, channels] has its channels last in the graph too.
  const last = x.shape.length === 3
  const first = last ? turn(graph, x, [0, 2, 1]) : x
  const lengths = graph.constant('groups', BigInt64Array.of(0n, BigInt(groups), -1n), [3])
  const vector = (name: string, value: number) =>
    graph.constant(name, new Float32Array(groups).fill(value), [groups])
  const joined = graph.node('Reshape', [first, lengths])
  const normal = graph.node('InstanceNormalization', [joined, vector('one', 1), vector('zero', 0)], {
    epsilon: float(epsilon),
  })
  const apart = graph.node('Reshape', [normal, graph.node('Shape', [first])])
  const each = [channels, ...first.shape.slice(2).map(() => 1)]
  const [scale, offset] = layer.parameters.map((tensor, i) =>
    graph.constant(['scale', 'offset'][i]!, tensor.toArray(), each),
  )
  const y = activated(graph, graph.node('Add', [graph.node('Mul', [apart, scale!]), offset!]), activation)
  return last ? turn(graph, y, [0, 2, 1]) : y
}

/** Indices are floats here. */
const embedding: Writer<Embedding> = (graph, { parameters: [table] }, x) => {
  const rows = x.shape.length === 4 ? turn(graph, x, [0, 2, 3, 1]) : x
  const y = graph.node(
    'Gather',
    [graph.constant('table', table!.toArray(), table!.shape), graph.node('Cast', [rows], { to: INT64 })],
    { axis: 0 },
  )
  return x.shape.length === 3 ? turn(graph, y, [0, 3, 1, 2]) : y
}

const pool =
  (op: string): Writer<MaxPool2d | AvgPool2d> =>
  (graph, { options }, x) => {
    const size = pair(options.size, 'size', 1, contextOf(op, x))
    const { countIncludePad } = options as AvgPool2d['options']
    const window = slidingWindow(
      sizes(x),
      size,
      { ...options, stride: options.stride ?? size },
      contextOf(op, x),
    )
    return graph.node(op, [x], {
      ...windowAttributes(window),
      pads: padsOf(window),
      ceil_mode: Number(options.ceilMode ?? false),
      count_include_pad: countIncludePad ? 1 : undefined,
    })
  }

const upsample: Writer<Upsample> = (graph, { options: { scale, method = 'nearest' } }, x) => {
  const size = sizes(x).map((length) => Math.max(1, Math.floor(length * scale)))
  // All four lengths, the batch among them: ONNX Runtime 1.30 refuses `axes` beside a Transpose.
  const whole = graph.node(
    'Concat',
    [
      graph.node('Shape', [x], { end: 2 }),
      graph.constant(
        'size',
        BigInt64Array.from(size, (length) => BigInt(length)),
        [2],
      ),
    ],
    { axis: 0 },
  )
  const mode = method === 'nearest' ? 'nearest' : 'linear'
  return graph.node('Resize', [x, none, none, whole], { mode, coordinate_transformation_mode: 'half_pixel' })
}

/** In the order of the numbers here. */
function flattened(graph: OnnxGraph, x: OnnxValue): OnnxValue {
  const [, h, w, c] = x.shape
  const ordered = x.shape.length !== 4 || c === 1 || (h === 1 && w === 1)
  return graph.node('Flatten', [ordered ? x : turn(graph, x, [0, 2, 3, 1])], { axis: 1 }, [
    1,
    sizeOf(x.shape),
  ])
}

/** The layer, by its own word or ours; the shape of its output is what it really gives. */
export function written(
  graph: OnnxGraph,
  layer: Layer,
  x: OnnxValue,
  engine: Engine,
  fold?: Fold,
): OnnxValue {
  const inside = (inner: Layer, i: number, value: OnnxValue, more?: Fold) => {
    const { place } = graph
    graph.place = place ? `${place}.${i}` : `${i}`
    try {
      return written(graph, inner, value, engine, more)
    } finally {
      graph.place = place
    }
  }
  const own = layer.toOnnx?.(graph, x)
  if (
    !own &&
    (layer.forward === Sequential.prototype.forward || layer.forward === Residual.prototype.forward)
  ) {
    const { layers } = layer as Sequential
    let y = x
    for (let i = 0; i < layers.length; i++) {
      const next = layers[i + 1]
      const folds =
        graph.foldBatchNorm &&
        next instanceof BatchNorm2d &&
        !next.toOnnx &&
        foldable.has(layers[i]!.forward) &&
        plain(layers[i]!)
      y = inside(layers[i]!, i, y, folds ? foldOf(next) : undefined)
      if (folds) i++
    }
    return layer instanceof Residual ? graph.node('Add', [y, x]) : y
  }
  const shape = engine.scope(() => layer.forward(engine.zeros(x.shape)).shape)
  if (own) return { ...own, shape }
  const writer = writers.get(layer.forward)
  check(writer !== undefined, () => ({
    op: 'saveOnnx',
    argument: graph.place ? `layer ${graph.place}` : 'model',
    expected: `one of filterbank's, or with a method toOnnx(graph, x)`,
    got: show(layer),
  }))
  return { ...writer(graph, layer, x, fold), shape }
}

const plain = (layer: Layer): boolean => (layer as Conv2d).options.activation === undefined

/** Layers are known by what they compute: a class that adds a constructor alone is still one of these. */
const writers = new Map<Layer['forward'], Writer<never>>([
  [Conv2d.prototype.forward, conv],
  [ConvTranspose2d.prototype.forward, convTranspose],
  [Linear.prototype.forward, linear],
  [BatchNorm2d.prototype.forward, batchNorm],
  [LayerNorm.prototype.forward, layerNorm],
  [GroupNorm.prototype.forward, groupNorm],
  [Embedding.prototype.forward, embedding],
  [MaxPool2d.prototype.forward, pool('MaxPool')],
  [AvgPool2d.prototype.forward, pool('AveragePool')],
  [
    GlobalAvgPool2d.prototype.forward,
    (graph, _, x) => graph.node('Flatten', [graph.node('GlobalAveragePool', [x])], { axis: 1 }),
  ],
  [Upsample.prototype.forward, upsample],
  [Flatten.prototype.forward, (graph, _, x) => flattened(graph, x)],
  [Activation.prototype.forward, (graph, { kind }: Activation, x) => activated(graph, x, kind)],
  [Dropout.prototype.forward, (_graph, _layer, x) => x],
]) as Map<Layer['forward'], Writer<Layer>>

const foldable = new Set<Layer['forward']>([
  Conv2d.prototype.forward,
  ConvTranspose2d.prototype.forward,
  Linear.prototype.forward,
])
