/** A model as an ONNX file. */
import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import { checkOptions, isShape, type Names } from '../../core/options.js'
import { writeModel } from '../../onnx/file/write.js'
import { type Layer, Mode } from '../layer.js'
import { OnnxGraph, type OnnxValue } from '../onnxGraph.js'
import { written } from './layers.js'

/** Lengths of a shape here, as the graph has them. */
const ported = ([, ...rest]: Shape): (number | string)[] => [
  'batch',
  ...(rest.length === 3 ? [rest[2]!, rest[0]!, rest[1]!] : rest),
]

/** How `saveOnnx` writes a model. */
export interface SaveOnnxOptions {
  /**
   * Whether a batch norm right after a convolution or a linear layer becomes part of its weights. Default
   * true.
   */
  foldBatchNorm?: boolean
}

const SAVE_ONNX: Names<SaveOnnxOptions> = { foldBatchNorm: true }

/**
 * Writes what a model computes outside of training as an ONNX file (opset 20) with one input, `input`, and
 * one output, `output`, of any batch. Images are [batch, channels, height, width] there, values of other
 * ranks as here.
 *
 * @param inputShape of one sample, as in `fit`: [height, width, channels], or [features]
 * @param options foldBatchNorm true: a batch norm right after a convolution or a linear layer becomes part of
 *   its weights
 * @throws FilterbankError for a layer of one's own that has no `toOnnx` (its place is named), and for an
 *   input that the model does not take
 * @example writeFileSync('digits.onnx', saveOnnx(model, [28, 28, 1]))
 */
export function saveOnnx(model: Layer, inputShape: Shape, options: SaveOnnxOptions = {}): Uint8Array {
  const op = 'saveOnnx'
  checkOptions(op, options, SAVE_ONNX)
  const { foldBatchNorm = true } = options
  check(model?.parameters?.length > 0, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  check(isShape(inputShape) && inputShape.length > 0 && sizeOf(inputShape) > 0, () => ({
    op,
    argument: 'inputShape',
    expected: 'that of one sample: lengths of at least 1',
    got: show(inputShape),
  }))
  const { engine } = model.parameters[0]!
  const graph = new OnnxGraph(foldBatchNorm)
  const x: OnnxValue = { name: 'input', shape: [1, ...inputShape] }
  return new Mode(model, false).run(() => {
    const y = written(graph, model, x, engine)
    graph.nodes.push({ op: 'Identity', name: 'output', inputs: [y.name], outputs: ['output'] })
    return writeModel({
      opset: 20,
      nodes: graph.nodes,
      initializers: graph.initializers,
      inputs: [{ name: 'input', shape: ported(x.shape) }],
      outputs: [{ name: 'output', shape: ported(y.shape) }],
    })
  })
}
