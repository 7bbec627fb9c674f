/**
 * A WebAssembly binary as text to inline. Module scripts are UTF-8, so a string may hold bytes as characters, and is compressed on the wire as the binary
 * itself would be; here to seven eighths of that, since the numbers of the locals stand apart, which look like noise between the instructions but repeat
 * by themselves. `unpack` in src/wasm/load.ts is the way back.
 */

/** Added to every byte: it moves the most frequent one, 0, to a character that needs no escape. */
const ROTATION = 35
/** Added to bytes that are no instruction on locals but look like one. Lost on the way back, as all above the low 8 bits. */
const PLAIN = 256
/** Added to the number of a vector instruction, which then needs no prefix. */
const VECTOR = 512

const CODE_SECTION = 10
const VECTOR_PREFIX = 0xfd
const isLocal = (opcode) => opcode >= 0x20 && opcode <= 0x22

/** Two texts: the bytes but the numbers of locals, and these. */
export function pack(wasm) {
  const symbols = []
  const locals = []
  let at = 0
  const copy = (end) => {
    for (; at < end; at++) symbols.push(isLocal(wasm[at]) ? wasm[at] + PLAIN : wasm[at])
  }
  for (const { opcode, start, end } of instructions(wasm)) {
    copy(start)
    if (isLocal(opcode)) {
      if (end - start > 2) throw new Error('a function with more than 128 locals')
      symbols.push(opcode)
      locals.push(wasm[start + 1])
      at = end
    } else if (opcode === VECTOR_PREFIX) {
      symbols.push(wasm[start + 1] + VECTOR)
      at = start + 2
    }
  }
  copy(wasm.length)
  return [symbols, locals].map((list) => String.fromCharCode(...list.map((symbol) => symbol + ROTATION)))
}

/** The instructions of all functions, in order. */
function* instructions(wasm) {
  let at = 8
  const number = () => {
    let value = 0
    for (let bits = 0; ; bits += 7) {
      const byte = wasm[at++]
      value |= (byte & 127) << bits
      if (byte < 128) return value
    }
  }
  while (at < wasm.length) {
    const section = wasm[at++]
    const length = number()
    if (section !== CODE_SECTION) {
      at += length
      continue
    }
    for (let functions = number(); functions > 0; functions--) {
      const body = number()
      const end = at + body
      for (let groups = number(); groups > 0; groups--) {
        number()
        at++
      }
      while (at < end) {
        const start = at
        const opcode = wasm[at++]
        const sub = opcode >= 0xfc ? number() : 0
        let numbers = opcode === 0x0e ? number() + 1 : numbersAfter(opcode, sub)
        while (numbers-- > 0) number()
        at += bytesAfter(opcode, sub)
        yield { opcode, start, end: at }
      }
    }
  }
}

/** How many LEB128 numbers follow an instruction, https://webassembly.github.io/spec/core/binary/instructions.html; and how many bytes after them. */
function numbersAfter(opcode, sub) {
  if (opcode === 0xfc) return [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1][sub]
  if (opcode === VECTOR_PREFIX) return sub <= 11 || (sub >= 84 && sub <= 93) ? 2 : 0
  if (opcode === 0x11 || (opcode >= 0x28 && opcode <= 0x3e)) return 2
  const one = [0x02, 0x03, 0x04, 0x0c, 0x0d, 0x10, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x3f, 0x40, 0x41, 0x42, 0xd0, 0xd2]
  return one.includes(opcode) ? 1 : 0
}

function bytesAfter(opcode, sub) {
  if (opcode === 0x43) return 4
  if (opcode === 0x44) return 8
  if (opcode !== VECTOR_PREFIX) return 0
  if (sub === 12 || sub === 13) return 16
  return (sub >= 21 && sub <= 34) || (sub >= 84 && sub <= 91) ? 1 : 0
}
