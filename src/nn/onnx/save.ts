/** A model as an ONNX file. */

import { check, show } from '../../base/errors.js'
import { type Shape, sizeOf } from '../../base/shape.js'
import type { Engine } from '../../core/engine.js'
import { checkInteger, checkOptions, isShape, type Names } from '../../core/options.js'
import type { Storage } from '../../core/storage.js'
import type { AnyTensor } from '../../core/tensor.js'
import { writeModel } from '../../onnx/file/write.js'
import { type AnyLayer, Mode } from '../layer.js'
import { OnnxGraph } from '../onnxGraph.js'
import { Recorder, sameWay } from './trace.js'
import { portOrder } from './value.js'
import { portShape, writeRuns } from './write.js'

/** How `saveOnnx` writes a model. */
export interface SaveOnnxOptions {
  /**
   * Whether a batch norm right after a convolution or a linear layer becomes part of its weights. Default
   * true.
   */
  foldBatchNorm?: boolean
  /** Version of ONNX's operators, from 18 to 23. Default 20. */
  opset?: number
  /** Names of the inputs. Default 'input', or 'input0', 'input1' and so on where there are several. */
  inputs?: readonly string[]
  /** Names of the outputs. Default 'output', or 'output0', 'output1' and so on. */
  outputs?: readonly string[]
  /**
   * Axes of the inputs whose lengths are open, by the names of the inputs and the indices that the axes have
   * here (0 is that of the samples): what each is called. Axes of one name have one length. Default: that of
   * the samples, 'batch', in each input. Axes that are not named have the length of the shape, that of the
   * samples 1.
   */
  openAxes?: Readonly<Record<string, Readonly<Record<number, string>>>>
}

const SAVE_ONNX: Names<SaveOnnxOptions> = {
  foldBatchNorm: true,
  opset: true,
  inputs: true,
  outputs: true,
  openAxes: true,
}

/** What is written before 18 has other operators; what is after 23 was not tried. */
const OPSETS = [18, 23] as const

/**
 * Writes what a model computes outside of training as an ONNX file. Its `forward` runs, and the ops that it
 * calls become nodes: whatever it does with tensors is written, in layers of one's own too, but what it reads
 * from them as numbers of JavaScript and decides by them is not. It runs once more for each open axis, which
 * tells what follows from its length.
 *
 * Images are [batch, channels, height, width] in the file, values of other ranks as here.
 *
 * @param inputShape of one sample, as in `fit`: [height, width, channels], or [features]; for a model of
 *   several inputs an array of such
 * @param options foldBatchNorm true: a batch norm right after a convolution or a linear layer becomes part of
 *   its weights; opset 20; inputs and outputs: names; openAxes: the samples
 * @throws FilterbankError for an op that ONNX lacks, numbers read in `forward`, or what follows from an open
 *   axis in a way that no operator has (op and layer are named: `toOnnx` writes such a layer), and for an
 *   input that the model does not take
 * @example writeFileSync('digits.onnx', saveOnnx(model, [28, 28, 1]))
 * @example saveOnnx(model, [[64, 8], [5]], { inputs: ['text', 'about'], openAxes: { text: { 0: 'n', 1:
 * 'length' },
 *   about: { 0: 'n' } } })
 */
export function saveOnnx(
  model: AnyLayer,
  inputShape: Shape | readonly Shape[],
  options: SaveOnnxOptions = {},
): Uint8Array {
  const op = 'saveOnnx'
  checkOptions(op, options, SAVE_ONNX)
  const { foldBatchNorm = true, opset = 20 } = options
  checkInteger(opset, 'opset', ...OPSETS, { op })
  check(model?.parameters?.length > 0, () => ({
    op,
    argument: 'model',
    expected: 'a layer with parameters',
    got: show(model),
  }))
  const shapes = shapesOf(inputShape)
  const inputs = namesOf('inputs', 'input', shapes.length, options.inputs)
  const open = openAxesOf(shapes, inputs, options.openAxes)
  const { engine } = model.parameters[0]!
  const runs = new Mode(model, false).run(() =>
    engine.untaped(() => engine.scope(() => runsOf(engine, model, open))),
  )
  const [first] = runs as [Recorder]
  const outputs = namesOf('outputs', 'output', first.outputs.length, options.outputs)
  const graph = new OnnxGraph(opset, [...inputs, ...outputs])
  const called = [...new Set(open.flatMap(({ names }) => Object.values(names)))]
  const values = writeRuns(runs, graph, inputs, called.join(', '), foldBatchNorm)
  values.forEach((value, i) => {
    const name = value.as(portOrder(value.rank))
    graph.nodes.push({ op: 'Identity', name: outputs[i]!, inputs: [name], outputs: [outputs[i]!] })
  })
  // The name of the open axis that has just these lengths.
  const nameOf = (lengths: readonly number[]) => {
    for (const [i, { names }] of open.entries()) {
      for (const [axis, name] of Object.entries(names))
        if (runs.every((run, at) => run.inputs[i]!.shape[Number(axis)] === lengths[at])) return name
    }
    return null
  }
  return writeModel({
    opset,
    nodes: graph.nodes,
    initializers: graph.initializers,
    inputs: inputs.map((name, i) => ({
      name,
      shape: portShape(
        runs.map((run) => run.inputs[i]!.shape),
        nameOf,
      ),
    })),
    outputs: values.map(({ shapes, dtype }, i) => ({
      name: outputs[i]!,
      type: dtype,
      shape: portShape(shapes, nameOf),
    })),
  })
}

/** Axes of an input: its lengths in the first run, and names of the open ones. */
interface Open {
  shape: Shape
  names: Readonly<Record<number, string>>
}

function shapesOf(inputShape: Shape | readonly Shape[]): readonly Shape[] {
  const several = Array.isArray(inputShape) && inputShape.some(Array.isArray)
  const shapes = (several ? inputShape : [inputShape]) as readonly Shape[]
  for (const [i, shape] of shapes.entries()) {
    check(isShape(shape) && shape.length > 0 && sizeOf(shape) > 0, () => ({
      op: 'saveOnnx',
      argument: several ? `inputShape[${i}]` : 'inputShape',
      expected: 'that of one sample: lengths of at least 1',
      got: show(shape),
    }))
  }
  return shapes
}

function namesOf(
  argument: string,
  base: string,
  count: number,
  given: readonly string[] | undefined,
): string[] {
  if (given === undefined) return Array.from({ length: count }, (_, i) => (count > 1 ? `${base}${i}` : base))
  const names = Array.isArray(given) ? given : []
  const fits = names.length === count && names.every((name) => typeof name === 'string' && name !== '')
  check(fits && new Set(names).size === count, () => ({
    op: 'saveOnnx',
    argument,
    expected: `${count} ${count > 1 ? 'different names' : 'name'}`,
    got: show(given),
  }))
  return [...names]
}

function openAxesOf(
  shapes: readonly Shape[],
  inputs: readonly string[],
  given: SaveOnnxOptions['openAxes'],
): Open[] {
  const op = 'saveOnnx'
  for (const name of Object.keys(given ?? {}))
    check(inputs.includes(name), () => ({
      op,
      argument: `openAxes.${name}`,
      expected: `one of the inputs ${inputs.join(', ')}`,
      got: show(name),
    }))
  const known = new Map<string, number>()
  return shapes.map((sample, i) => {
    const shape = [1, ...sample]
    const names = given ? (given[inputs[i]!] ?? {}) : { 0: 'batch' }
    for (const [axis, name] of Object.entries(names)) {
      const argument = `openAxes.${inputs[i]}[${axis}]`
      const length = shape[Number(axis)]
      check(length !== undefined && typeof name === 'string' && name !== '', () => ({
        op,
        argument,
        expected: `a name, of an axis from 0 to ${shape.length - 1}`,
        got: show(name),
      }))
      check((known.get(name) ?? length) === length, () => ({
        op,
        argument,
        expected: `as long as the others called ${name}, ${known.get(name)}`,
        got: show(length),
      }))
      known.set(name, length)
    }
    return { shape, names }
  })
}

/** A run with the lengths as they are, and one for each open axis with twice its length. */
function runsOf(engine: Engine, model: AnyLayer, open: readonly Open[]): Recorder[] {
  const names = new Map<Storage, string>()
  for (const [tensor, name] of model.names as ReadonlyMap<AnyTensor, string>) names.set(tensor.storage, name)
  const run = (longer?: string, first?: Recorder) => {
    const inputs = open.map(({ shape, names }) =>
      engine.zeros(
        shape.map((length, axis) => (longer !== undefined && names[axis] === longer ? 2 * length : length)),
      ),
    )
    return new Recorder(engine, model, inputs, names, first)
  }
  const first = run()
  const called = [...new Set(open.flatMap(({ names }) => Object.values(names)))]
  const others = called.map((name) => {
    const other = run(name, first)
    check(sameWay(first, other), () => ({
      op: 'saveOnnx',
      argument: 'model',
      expected: `one whose forward calls the same ops for every length of ${name}`,
      got: 'others for another length',
      hint: 'Fix that length (openAxes), or give the layer that decides a method toOnnx(graph, x)',
    }))
    return other
  })
  return [first, ...others]
}
