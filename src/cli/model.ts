/** What `run` and `inspect` have in common: models and their inputs, as the command line names them. */
import { basename } from 'node:path'
import { type Engine, FilterbankError } from '../index.js'
import { Failure, reasonOf, wrongUsage } from '../node/failure.js'
import { type FilePort, loadModel, type Model, type Port, type Progress } from '../onnx/index.js'
import { progress } from './progress.js'

/** '320x240' -> width and height. */
export function parseSize(text: string | undefined): { width: number; height: number } | undefined {
  if (text === undefined) return undefined
  const [, width, height] = /^(\d+)x(\d+)$/i.exec(text) ?? []
  if (!Number(width) || !Number(height))
    throw wrongUsage(`--size takes WIDTHxHEIGHT, as 320x240, got '${text}'`)
  return { width: Number(width), height: Number(height) }
}

/** 'batch=1,height=224' -> { batch: 1, height: 224 } */
export function parseDimensions(text: string | undefined): Record<string, number> {
  return Object.fromEntries(
    (text?.split(',') ?? []).map((part) => {
      const [, name, length] = /^(.+)=(\d+)$/.exec(part.trim()) ?? []
      if (!name) throw wrongUsage(`--dimensions takes NAME=LENGTH, as batch=1,height=224, got '${part}'`)
      return [name, Number(length)]
    }),
  )
}

/** Throws where a name is none of those that the inputs leave open. */
export function checkDimensions(dimensions: Record<string, number>, ports: readonly FilePort[]): void {
  const open = [
    ...new Set(ports.flatMap(({ shape = [] }) => shape.filter((length) => typeof length === 'string'))),
  ]
  for (const name of Object.keys(dimensions)) {
    if (!open.includes(name))
      throw wrongUsage(
        `the model leaves ${open.length ? open.join(', ') : 'no length'} open, got --dimensions '${name}'`,
      )
  }
}

/** Numbers with commas between. */
export function parseNumbers(option: string, text: string): number[] {
  const numbers = text.split(',').map((part) => (part.trim() ? Number(part) : Number.NaN))
  if (!numbers.every(Number.isFinite))
    throw wrongUsage(`--${option} takes numbers with commas between, got '${text}'`)
  return numbers
}

export function parseThreads(text: string | undefined): number | undefined {
  if (text !== undefined && !/^[1-9]\d*$/.test(text))
    throw wrongUsage(`--threads takes a number of at least 1, got '${text}'`)
  return text === undefined ? undefined : Number(text)
}

/** One model from the command line. */
export function oneModel(command: string, positionals: readonly string[]): string {
  if (positionals.length !== 1)
    throw wrongUsage(
      `${command} takes one model, got ${positionals.length}; see filterbank ${command} --help`,
    )
  return positionals[0]!
}

/** What `read` makes of a model's file, with progress; its complaints as a person would put them. */
export async function reading<T>(
  path: string,
  read: (onProgress: (news: Progress) => void) => Promise<T>,
): Promise<T> {
  using line = progress(`reading ${basename(path)}`)
  try {
    return await read(({ loaded, total }) =>
      line.at(total ? loaded / total : undefined, `${(loaded / 1e6).toFixed(1)} MB`),
    )
  } catch (error) {
    if (!(error instanceof FilterbankError)) throw error
    const code = (error.cause as NodeJS.ErrnoException | undefined)?.code
    if (error.argument === 'source' && code)
      throw new Failure(`cannot read ${path}: ${reasonOf(error.cause)}`)
    if (error.argument === 'bytes')
      throw new Failure(`cannot read ${path}: it is no ONNX model (${error.got})`)
    throw new Failure(`cannot load ${path}: ${error.message}`)
  }
}

export const openModel = (engine: Engine, path: string, dimensions: Record<string, number>): Promise<Model> =>
  reading(path, (onProgress) => loadModel(engine, path, { onProgress, dimensions }))

/** 'float32 [batch, 3, 224, 224]' */
export const printPort = ({ type, shape }: FilePort): string => `${type} ${printLengths(shape)}`

export const printLengths = (shape: Port['shape']): string =>
  shape ? `[${shape.map((length) => length ?? '?').join(', ')}]` : 'of any shape'
