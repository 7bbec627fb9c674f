/** What has to hold for a model and its inputs, whatever is in their fields (fields.ts). */
import { PbfWriter } from 'pbf'
import { type Engine, FilterbankError } from '../../src/index.js'
import { type Message, model as message } from '../../src/onnx/file/schema.js'
import { type AnyModelOutputs, inspectModel, loadModel } from '../../src/onnx/index.js'
import type { Model } from '../../src/onnx/run/model.js'
import { type ModelInputs, ModelOutput } from '../../src/onnx/run/ports.js'
import { graphsIn } from './fields.js'
import type { Sample } from './samples.js'

/** The bytes of a message, of the fields that are there. */
function write(fields: Message, value: object & { type?: unknown }, writer: PbfWriter): void {
  for (const [key, [name, kind]] of Object.entries(fields)) {
    const field = Number(key)
    const given = (value as Record<string, unknown>)[name]
    // Of an attribute only the field of its kind is there.
    const isOther =
      'refAttrName' in value && ((name === 'f' && value.type !== 1) || (name === 'i' && value.type !== 2))
    if (given === undefined || isOther) continue
    if (kind === 'int') writer.writeVarintField(field, given as number)
    else if (kind === 'float') writer.writeFloatField(field, given as number)
    else if (kind === 'string') writer.writeStringField(field, given as string)
    else if (kind === 'bytes') writer.writeBytesField(field, given as Uint8Array)
    else if (kind === 'string[]') for (const item of given as string[]) writer.writeStringField(field, item)
    else if (kind === 'int[]') for (const item of given as number[]) writer.writeVarintField(field, item)
    else if (kind === 'bytes[]' || kind === 'words')
      for (const item of given as Uint8Array[]) writer.writeBytesField(field, item)
    else {
      const [inner, items] = Array.isArray(kind) ? [kind[0], given as object[]] : [kind, [given as object]]
      for (const item of items)
        writer.writeMessage(field, (part, into) => write(inner, part as object, into as PbfWriter), item)
    }
  }
}

export function bytesFor({ proto }: Sample): Uint8Array {
  const writer = new PbfWriter()
  write(message, proto, writer)
  return writer.finish()
}

/** Something that should not have happened. */
export class Wrong extends Error {}

/** The message of one of our errors, which has to be whole and no other error in our words. */
function messageOf(error: unknown, operators: readonly string[]): string {
  for (let one = error; one !== undefined; one = (one as Error).cause) {
    // What pbf says of bytes is told in our words.
    if (one instanceof RangeError && one !== error && (error as FilterbankError).argument === 'bytes')
      continue
    if (!(one instanceof FilterbankError)) throw new Wrong(`another error: ${(one as Error)?.stack ?? one}`)
  }
  const { message, op } = error as FilterbankError
  if (/\bundefined\b|\[object|one that can be run/.test(message))
    throw new Wrong(`a message that says nothing: ${message}`)
  if (
    !/^(loadModel|inspectModel|model(\.run(Async)?)?)$/.test(op) &&
    !operators.some((name) => op.startsWith(name))
  )
    throw new Wrong(`a message that names no operator: ${message}`)
  return message
}

/** Outputs as a text that differs where they do. */
const textOf = (outputs: AnyModelOutputs): string =>
  Object.entries(outputs)
    .map(([name, output]) => `${name}: ${textOfOne(output)}`)
    .join('; ')

function textOfOne(output: AnyModelOutputs[string]): string {
  if (output === null) return 'nothing'
  if (Array.isArray(output)) return `[${output.map(textOfOne).join('; ')}]`
  if (!(output instanceof ModelOutput)) return JSON.stringify(output)
  const { data, shape, type } = output
  return `${type} [${shape}] ${Array.isArray(data) ? JSON.stringify(data) : Array.from(data as Float32Array, (v) => (Object.is(v, -0) ? '-0' : String(v))).join()}`
}

/** Loads and runs; gives what the error says, or '' and the outputs, where all is as it has to be. */
export async function attempt(
  engine: Engine,
  sample: Sample,
  maximumBytes: number,
): Promise<{ message: string; outputs?: AnyModelOutputs }> {
  const { live, tensors } = engine.memory()
  const nodes = [
    ...graphsIn(sample.proto.graph).flatMap(({ node }) => node),
    ...sample.proto.functions.flatMap(({ node }) => node),
  ]
  const operators = nodes.map(({ domain, opType }) =>
    domain && domain !== 'ai.onnx' ? `${domain}.${opType}` : opType,
  )
  const isRandom = operators.some((name) => /Random|Bernoulli|Multinomial|Dropout|Sampling/.test(name))
  const feeds = sample.feeds as ModelInputs
  const bytes = bytesFor(sample)
  const results: string[] = []
  let message = ''
  let last: AnyModelOutputs | undefined
  try {
    await inspectModel(bytes).catch((error) => messageOf(error, operators))
    using model = await loadModel(engine, bytes)
    // A loop may have no end.
    const isEndless = operators.includes('Loop') && (await isStopped(model, feeds))
    for (let round = 0; round < 4 && !isEndless; round++) {
      try {
        last = round < 3 ? model.run(feeds) : await model.runAsync(feeds)
        results.push(textOf(last))
      } catch (error) {
        message = messageOf(error, operators)
        results.push(`error: ${message}`)
      }
    }
    if (!isRandom && new Set(results).size > 1)
      throw new Wrong(
        `another answer: ${[...new Set(results)].map((result) => result.slice(0, 300)).join('\n   ')}`,
      )
  } catch (error) {
    if (error instanceof Wrong) throw error
    message = messageOf(error, operators)
  }
  if (engine.takeFault()) throw new Wrong(`a fault left (${message})`)
  const after = engine.memory()
  if (after.tensors !== tensors) throw new Wrong(`${after.tensors - tensors} tensors left (${message})`)
  // What kernels work in may have grown.
  if (after.live - live > 1 << 20) throw new Wrong(`${after.live - live} bytes left (${message})`)
  if (after.reserved > maximumBytes) throw new Wrong(`${after.reserved} bytes reserved`)
  return { message, ...(last && { outputs: last }) }
}

async function isStopped(model: Model, feeds: ModelInputs): Promise<boolean> {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(new Wrong('stopped')), 300)
  const error = await model.runAsync(feeds, { signal: stop.signal }).catch((reason) => reason)
  clearTimeout(timer)
  return error instanceof Wrong
}
