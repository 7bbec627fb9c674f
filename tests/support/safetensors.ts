/** Files of weights, taken apart and changed. */
export const same = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, i) => byte === b[i])

/** The parts of a file, read as the format says. */
export function parts(bytes: Uint8Array) {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  const { __metadata__: metadata, ...entries } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(8, 8 + length)),
  )
  return {
    length,
    metadata,
    entries: entries as Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>,
  }
}

/** The same file with another header. */
export function withHeader(
  bytes: Uint8Array,
  change: (header: Record<string, Record<string, unknown>>) => void,
): Uint8Array {
  const { length, metadata, entries } = parts(bytes)
  const header = { __metadata__: metadata, ...entries }
  change(header)
  const text = new TextEncoder().encode(JSON.stringify(header))
  const result = new Uint8Array(8 + text.length + bytes.length - 8 - length)
  new DataView(result.buffer).setBigUint64(0, BigInt(text.length), true)
  result.set(text, 8)
  result.set(bytes.subarray(8 + length), 8 + text.length)
  return result
}
