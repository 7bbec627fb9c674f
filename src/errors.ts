import { printShape, type Shape } from './shape.js'

/** The parts of an error's message. */
export interface Complaint {
  /** The function that was called. */
  op: string
  /** The argument at fault, as its caller names it. */
  argument: string
  /** What would have been right, to be read after "must be". */
  expected: string
  /** What came instead. */
  got: string
  /** Every shape in play, by argument name. */
  shapes?: Record<string, Shape | undefined>
  /** What to do about it. */
  hint?: string
}

/**
 * Every error that filterbank throws about its input or its host. The parts of the message are fields, so that a program can act on them:
 *
 * `conv2d: stride must be a positive integer or [height, width], got 0 (x [1, 8, 8, 3], filter [3, 3, 3, 16])`
 */
export class FilterbankError extends Error implements Complaint {
  readonly op: string
  readonly argument: string
  readonly expected: string
  readonly got: string
  /** Absent, not undefined, where there is none: an inspected error shows all fields. */
  declare readonly hint?: string

  constructor({ op, argument, expected, got, shapes = {}, hint }: Complaint, options?: ErrorOptions) {
    const named = Object.entries(shapes).flatMap(([name, shape]) => (shape ? [`${name} ${printShape(shape)}`] : []))
    const context = named.length ? ` (${named.join(', ')})` : ''
    super(`${op}: ${argument} must be ${expected}, got ${got}${context}${hint ? `. ${hint}` : ''}`, options)
    this.op = op
    this.argument = argument
    this.expected = expected
    this.got = got
    if (hint) this.hint = hint
  }
}

// On the prototype, where it is in time for the first line of the stack, and where no minifier changes it.
Object.defineProperty(FilterbankError.prototype, 'name', { value: 'FilterbankError', writable: true, configurable: true })

/** Throws the complaint unless the condition holds; the complaint is only put together when it is needed. */
export function check(condition: boolean, complaint: () => Complaint): asserts condition {
  if (!condition) throw new FilterbankError(complaint())
}

/** A value as an error shows it: strings quoted, arrays in brackets, long ones cut. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (Array.isArray(value)) return showList(value, 4)
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${'length' in value ? `length ${value.length}` : `${value.byteLength} bytes`}`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return `an object (${nameOf(value)})`
  return String(value)
}

/** Lists in lists, but not for ever: one may contain itself. */
function showList(list: readonly unknown[], depth: number): string {
  const item = (value: unknown): string => (!Array.isArray(value) ? show(value) : depth > 1 ? showList(value, depth - 1) : '[...]')
  return `[${list.slice(0, 8).map(item).join(', ')}${list.length > 8 ? ', ...' : ''}]`
}

/** What someone else's error says. */
export const messageOf = (error: unknown): string => (error as Error | undefined)?.message || String(error)

/** What kind of object it is. Our own classes say so by a tag, which a minifier leaves alone. */
const nameOf = (value: object): string => (Symbol.toStringTag in value ? String(value[Symbol.toStringTag]) : (value.constructor?.name ?? 'no prototype'))
