/** A model whose data stands in another file, which our own writer never does. */
/** Protobuf by hand: a field of at most 16383 bytes, of text, of a small number. */
const field = (number: number, ...parts: (string | Uint8Array)[]): Uint8Array => {
  const bytes = Buffer.concat(parts.map((part) => Buffer.from(part as Uint8Array)))
  const { length } = bytes
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7]
  return Buffer.concat([Uint8Array.of((number << 3) | 2, ...size), bytes])
}
const integer = (number: number, value: number): Uint8Array => Uint8Array.of(number << 3, value)

/** y = x + w of three floats, where w stands in another file; or another operator, of w of another shape. */
export const split = (
  location: string,
  offset: number,
  length: number,
  op = 'Add',
  shape = [3],
): Uint8Array => {
  const entry = (key: string, value: string) => field(13, field(1, key), field(2, value))
  const place = [entry('location', location), entry('offset', `${offset}`), entry('length', `${length}`)]
  const dims = shape.map((axis) => integer(1, axis))
  const w = field(5, ...dims, integer(2, 1), field(8, 'w'), ...place, integer(14, 1))
  const node = field(1, field(1, 'x'), field(1, 'w'), field(2, 'y'), field(4, op))
  const port = (number: number, name: string) =>
    field(number, field(1, name), field(2, field(1, integer(1, 1), field(2, field(1, integer(1, 3))))))
  return Buffer.concat([
    integer(1, 8),
    field(7, node, w, port(11, 'x'), port(12, 'y')),
    field(8, integer(2, 13)),
  ])
}
