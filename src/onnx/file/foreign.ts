/**
 * What bytes are that are no ONNX model, by how they begin: what servers, version control and other programs
 * leave in a model's place.
 */

interface Foreign {
  /** To be read after "got". */
  name: string
  /** What to do about it. */
  hint: string
  test: (start: string) => boolean
}

const converted = (how: string): string => `Convert it to ONNX first${how && `: ${how}`}`
const at = (offset: number, mark: string) => (start: string) => start.startsWith(mark, offset)

const table: readonly Foreign[] = [
  { name: 'an empty file', hint: 'The download or the copy was cut short', test: (start) => start === '' },
  {
    name: 'a page of HTML',
    hint: 'The address answers with a page, mostly of an error or a sign-in, instead of the file: open it in a browser',
    test: (start) => /^\s*(<!--.*?-->\s*)?<(!doctype|html|head|body|script)\b/is.test(start),
  },
  {
    name: 'a Git LFS pointer',
    hint: 'It stands in for the file: fetch that with git lfs pull, or from the address of the raw file',
    test: at(0, 'version https://git-lfs.github.com/spec/'),
  },
  {
    name: 'a git-annex pointer',
    hint: 'It stands in for the file: fetch that with git annex get',
    test: at(0, '/annex/objects/'),
  },
  {
    name: "a model in ONNX Runtime's own .ort format",
    hint: 'Take the .onnx file that it was made from: .ort cannot be read by others',
    test: at(4, 'ORTM'),
  },
  { name: 'a TensorFlow Lite model', hint: converted('tf2onnx reads it'), test: at(4, 'TFL3') },
  { name: 'an HDF5 file, as Keras writes', hint: converted('tf2onnx reads it'), test: at(0, '\x89HDF') },
  {
    name: 'a zip archive, as PyTorch and Keras write',
    hint: 'Unpack it, or export the model with torch.onnx.export or tf2onnx',
    test: at(0, 'PK\x03\x04'),
  },
  {
    name: 'a Python pickle, as old versions of PyTorch write',
    hint: converted('torch.onnx.export'),
    test: (start) => start[0] === '\x80' && '\x02\x03\x04\x05'.includes(start[1] ?? ' '),
  },
  {
    name: 'a file of the safetensors format',
    hint: converted('it has weights alone'),
    test: at(4, '\0\0\0\0{'),
  },
  { name: 'a GGUF file', hint: converted(''), test: at(0, 'GGUF') },
  { name: 'a NumPy array', hint: converted(''), test: at(0, '\x93NUMPY') },
  { name: 'a gzip archive', hint: 'Unpack it first', test: at(0, '\x1f\x8b') },
  {
    name: 'JSON',
    hint: 'The .onnx file is another one, or the server answers with an error',
    test: (start) => /^\s*(\{\s*("|\})|\[\s*[[{"\d\]])/.test(start),
  },
  {
    name: 'XML',
    hint: 'The server answers with an error, or this is not the .onnx file',
    test: (start) => /^\s*<\?xml\b/i.test(start),
  },
]

/** As many bytes as tell. */
const START = 512

/** What the bytes are, where they are something well known that is no model. */
export function foreignIn(bytes: Uint8Array): Pick<Foreign, 'name' | 'hint'> | undefined {
  const first = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0
  const start = Array.from(bytes.subarray(first, START), (byte) => String.fromCharCode(byte)).join('')
  return table.find(({ test }) => test(start))
}
