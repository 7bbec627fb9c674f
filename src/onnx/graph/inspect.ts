import { inTurns } from '../../base/turns.js'
import { BY_NAME, CALLBACK, checkOptions, type Names, SIGNAL } from '../../core/options.js'
import { forget, takeIn } from '../file/arrival.js'
import type { DataSource, ModelSource, Progress } from '../file/load.js'
import { type LayerSummary, multiplyAddsOf, parametersOf } from '../run/summary.js'
import { type FilePort, lengthsOf, openGraph, type Port } from './graph.js'
import { missingOperators } from './known.js'

/** What a file says by itself; shapes only where it says them, an open length as a name or null. */
export interface ModelFacts {
  /** Version of the operators. */
  opset: number
  /** The program that wrote the file. */
  producer: string
  inputs: readonly FilePort[]
  outputs: readonly FilePort[]
  /** Operators that filterbank lacks, and the names of their nodes, whatever else is wrong. */
  unsupported: { op: string; nodes: string[] }[]
  /**
   * What else keeps it from being loaded, a sentence each; none where all is well. Data files are not looked
   * for.
   */
  problems: string[]
  /** The names that it has for its data files. */
  dataFiles: string[]
  /** A line for each node, as of `model.summary()` without what only a run tells. */
  layers: (Pick<LayerSummary, 'op' | 'name' | 'outputs' | 'parameters' | 'multiplyAdds'> & {
    shape: Port['shape']
  })[]
}

/** What `inspectModel` takes beside the source. */
export interface InspectOptions {
  /** Told as the bytes come in. */
  onProgress?: (progress: Progress) => void
  /** Stops the loading. */
  signal?: AbortSignal
  /** As for `loadModel`; they are not read. */
  externalData?: Record<string, DataSource>
}

const INSPECT: Names<InspectOptions> = { onProgress: CALLBACK, signal: SIGNAL, externalData: BY_NAME }

/**
 * Reads an ONNX model without an engine, also one that cannot be run. Of large tensors nothing is kept, so
 * that it takes little memory whatever the model.
 *
 * @param source as for `loadModel`
 * @throws FilterbankError where there is no such file, or its bytes are no ONNX model
 * @example const { unsupported } = await inspectModel('model.onnx')
 */
export async function inspectModel(source: ModelSource, options: InspectOptions = {}): Promise<ModelFacts> {
  checkOptions('inspectModel', options, INSPECT)
  const { proto, tensorOf, dataFiles } = await takeIn(source, options, forget, false)
  const { graph, opset, own, problems } = await inTurns(openGraph(proto, tensorOf))
  const shapes = new Map<string, Port['shape']>(
    [...graph.constants].map(([name, { shape }]) => [name, shape]),
  )
  for (const { name, type } of proto.graph.valueInfo) shapes.set(name, lengthsOf(type))
  for (const { name, shape } of [...graph.inputs, ...graph.outputs]) shapes.set(name, shape)
  const settled = (name: string | undefined) => {
    const shape = shapes.get(name ?? '')
    return shape?.every((length) => typeof length === 'number') ? (shape as number[]) : undefined
  }
  const layers = graph.nodes.map((node) => {
    const { op, name, inputs, outputs } = node
    const y = settled(outputs[0])
    const known = y && inputs.every((input) => !input || settled(input))
    const multiplyAdds = known ? multiplyAddsOf(node, inputs.map(settled), y) : undefined
    return {
      op,
      name,
      outputs: outputs.filter((output) => output),
      shape: outputs[0] === undefined ? undefined : shapes.get(outputs[0]),
      parameters: parametersOf(node, graph.constants),
      multiplyAdds,
    }
  })
  const missing = await missingOperators(graph, own)
  return {
    opset,
    producer: proto.producerName,
    inputs: graph.inputs,
    outputs: graph.outputs,
    unsupported: [...missing].map(([op, nodes]) => ({ op, nodes })),
    problems: problems.map(({ message }) => message),
    dataFiles,
    layers,
  }
}
