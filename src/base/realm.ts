/**
 * What a value is, whichever realm it comes from: an iframe, a vm context, jsdom. `instanceof` knows one
 * realm's classes; these look at what the value is made of.
 */

/** The name of every kind of typed array. */
export type ArrayName =
  | 'Int8Array'
  | 'Uint8Array'
  | 'Uint8ClampedArray'
  | 'Int16Array'
  | 'Uint16Array'
  | 'Int32Array'
  | 'Uint32Array'
  | 'Float16Array'
  | 'Float32Array'
  | 'Float64Array'
  | 'BigInt64Array'
  | 'BigUint64Array'

// %TypedArray%.prototype[@@toStringTag] reads the kind from the array itself.
// https://tc39.es/ecma262/#sec-get-%typedarray%.prototype-%symbol.tostringtag%
const kindOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!

/** Which typed array it is; undefined for everything else. */
export const arrayName = (value: unknown): ArrayName | undefined => kindOf.call(value)

export const isBytes = (value: unknown): value is Uint8Array => arrayName(value) === 'Uint8Array'

/** What `Object.prototype.toString` calls it: built-in classes and those of browsers carry their names. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1)

export const isArrayBuffer = (value: unknown): value is ArrayBuffer => tagOf(value) === 'ArrayBuffer'
export const isSharedBuffer = (value: unknown): value is SharedArrayBuffer =>
  tagOf(value) === 'SharedArrayBuffer'
export const isUrl = (value: unknown): value is URL =>
  tagOf(value) === 'URL' && typeof (value as URL).href === 'string'
export const isResponse = (value: unknown): value is Response =>
  tagOf(value) === 'Response' && typeof (value as Response).arrayBuffer === 'function'
/** A File is one too. */
export const isBlob = (value: unknown): value is Blob =>
  ['Blob', 'File'].includes(tagOf(value)) && typeof (value as Blob).stream === 'function'
export const isStream = (value: unknown): value is ReadableStream<Uint8Array> =>
  tagOf(value) === 'ReadableStream' && typeof (value as ReadableStream).getReader === 'function'
export const isMap = (value: unknown): value is Map<unknown, unknown> => tagOf(value) === 'Map'
export const isSet = (value: unknown): value is Set<unknown> => tagOf(value) === 'Set'
export const isModule = (value: unknown): value is WebAssembly.Module => tagOf(value) === 'WebAssembly.Module'
/** A promise, or what `await` takes for one. */
export const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as PromiseLike<unknown>).then === 'function'

/**
 * What `using` calls. Node before 20.4, Chrome before 134 and Safari lack the symbol; bundlers' `using` then
 * looks for this one.
 */
export const disposal: typeof Symbol.dispose = Symbol.dispose ?? Symbol.for('Symbol.dispose')
