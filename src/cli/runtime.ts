/** ONNX Runtime for Node, where a person has it installed: the package does not need it. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { toHost } from '../onnx/file/types.js'
import type { ModelFacts } from '../onnx/index.js'
import type { Numbers } from './difference.js'
import type { Given } from './inputs.js'

/** What is used of it. */
interface OrtTensor {
  type: string
  data: ArrayLike<number | bigint | string>
  dims: readonly number[]
}
interface Ort {
  env: { versions: { node?: string } }
  Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor
  InferenceSession: {
    create(
      model: string | Uint8Array,
      options: object,
    ): Promise<{
      run(feeds: Record<string, OrtTensor>, names: readonly string[]): Promise<Record<string, OrtTensor>>
      release(): Promise<void>
    }>
  }
}

/** A model's file. */
interface ModelFile {
  path: string
  facts: ModelFacts
  bytes(): Uint8Array
}

export interface Runtime {
  name: string
  run(
    file: ModelFile,
    inputs: Record<string, Given>,
    taps: readonly string[],
  ): Promise<Map<string, Numbers | null>>
}

const NAME = 'onnxruntime-node'

/** The one beside this package, or in the folder where the command is run; undefined where there is none. */
async function find(): Promise<Ort | undefined> {
  for (const from of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      return createRequire(from)(NAME) as Ort
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}

export async function openRuntime(): Promise<Runtime | undefined> {
  const ort = await find()
  if (!ort) return undefined
  return {
    name: `${NAME} ${ort.env.versions.node ?? ''}`.trim(),
    async run({ path, facts, bytes }, inputs, taps) {
      // Bytes would not tell where data files are.
      const whole = taps.length === 0 || facts.dataFiles.length > 0
      const session = await ort.InferenceSession.create(whole ? path : withOutputs(bytes(), taps), {
        // What it joins it rounds otherwise, and has no taps inside.
        graphOptimizationLevel: 'disabled',
        logSeverityLevel: 4,
      })
      try {
        const feeds = Object.entries(inputs).map(
          ([name, { type, data, shape }]) => [name, new ort.Tensor(type, data, shape)] as const,
        )
        // Of sequences and maps it gives nothing.
        const tensors = facts.outputs.filter(({ map, sequence }) => !map && !sequence)
        const names = [...tensors.map(({ name }) => name), ...(whole ? [] : taps)]
        if (names.length === 0) throw new Error('it gives sequences and maps to no program of JavaScript')
        const outputs = Object.entries(await session.run(Object.fromEntries(feeds), names))
        return new Map(outputs.map(([name, output]) => [name, numbersOf(output)]))
      } finally {
        await session.release()
      }
    },
  }
}

function numbersOf({ type, data, dims }: OrtTensor): Numbers {
  const halves = type === 'float16' && data instanceof Uint16Array
  return { type, shape: dims, data: halves ? (toHost('float16', data) as Float32Array) : data }
}

/** A field of protobuf that holds bytes. */
function field(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const inner = Buffer.concat(parts)
  const length: number[] = []
  for (let rest = inner.length; ; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) + (rest < 128 ? 0 : 128))
    if (rest < 128) break
  }
  return Buffer.concat([Uint8Array.of(number * 8 + 2, ...length), inner])
}

/**
 * A model that gives these values out too: messages of protobuf one after the other are one, whose lists are
 * joined. ModelProto.graph is field 7, GraphProto.output 12, ValueInfoProto.name 1.
 */
const withOutputs = (model: Uint8Array, names: readonly string[]): Uint8Array =>
  Buffer.concat([model, field(7, ...names.map((name) => field(12, field(1, Buffer.from(name)))))])
