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
 * Every error that filterbank throws about its input or its host. The parts of the message are fields, so
 * that a program can act on them:
 *
 * `conv2d: stride must be a positive integer or [height, width], got 0 (x [1, 8, 8, 3], filter [3, 3, 3,
 * 16])`
 */
export class FilterbankError extends Error implements Complaint {
  readonly op: string
  readonly argument: string
  readonly expected: string
  readonly got: string
  /** Absent, not undefined, where there is none: an inspected error shows all fields. */
  declare readonly hint?: string

  constructor({ op, argument, expected, got, shapes = {}, hint }: Complaint, options?: ErrorOptions) {
    const named = Object.entries(shapes).flatMap(([name, shape]) =>
      shape ? [`${name} ${printShape(shape)}`] : [],
    )
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
Object.defineProperty(FilterbankError.prototype, 'name', {
  value: 'FilterbankError',
  writable: true,
  configurable: true,
})

/** Throws the complaint unless the condition holds; the complaint is only put together when it is needed. */
export function check(condition: boolean, complaint: () => Complaint): asserts condition {
  if (!condition) throw new FilterbankError(complaint())
}

/** Items of an array, fields of an object and letters of a string that an error shows, and how deep. */
const MOST_ITEMS = 8
const MOST_FIELDS = 4
const MOST_LETTERS = 80
const MOST_DEPTH = 2

/**
 * A value as an error shows it, in one line: strings quoted, arrays in brackets, small objects with their
 * fields, long ones cut. Never throws.
 */
export function show(value: unknown): string {
  try {
    return shown(value, 0)
  } catch {
    // Whatever a getter or a proxy does: an error about it is not to be another.
    return 'an object that cannot be shown'
  }
}

function shown(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'bigint') return `${cut(String(value))}n`
  if (typeof value === 'symbol') return cut(String(value))
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return Object.is(value, -0) ? '-0' : String(value)
  if (Array.isArray(value)) {
    if (depth === MOST_DEPTH) return `an array of length ${value.length}`
    const items = Array.from({ length: Math.min(value.length, MOST_ITEMS) }, (_, i) =>
      shown(value[i], depth + 1),
    )
    return `[${items.join(', ')}${value.length > MOST_ITEMS ? `, ... ${value.length} in all` : ''}]`
  }
  if (ArrayBuffer.isView(value))
    return `${value.constructor.name} of ${'length' in value ? `length ${value.length}` : `${value.byteLength} bytes`}`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (
    depth < MOST_DEPTH &&
    (prototype === Object.prototype || prototype === null) &&
    !(Symbol.toStringTag in value)
  ) {
    const fields = Object.entries(value)
    const few = fields
      .slice(0, MOST_FIELDS)
      .map(
        ([name, field]) => `${/^[\w$]+$/.test(name) ? cut(name) : quoted(name)}: ${shown(field, depth + 1)}`,
      )
    return few.length ? `{ ${few.join(', ')}${fields.length > MOST_FIELDS ? ', ...' : ''} }` : '{}'
  }
  return `an object (${cut(nameOf(value))})`
}

const cut = (text: string): string =>
  text.length > MOST_LETTERS ? `${text.slice(0, MOST_LETTERS)}...` : text

const quoted = (text: string): string =>
  text.length > MOST_LETTERS
    ? `${JSON.stringify(text.slice(0, MOST_LETTERS))}... (${text.length} characters)`
    : JSON.stringify(text)

/** What someone else's error says. */
export const messageOf = (error: unknown): string => (error as Error | undefined)?.message || String(error)

/** What kind of object it is. Our own classes say so by a tag, which a minifier leaves alone. */
const nameOf = (value: object): string =>
  Symbol.toStringTag in value ? String(value[Symbol.toStringTag]) : value.constructor?.name || 'no name'
