/** Pictures in files: PNG and JPEG in, PNG out. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'
import { Failure, reasonOf } from './failure.js'

/** RGBA bytes, row by row. */
export interface Picture {
  data: Uint8Array | Uint8ClampedArray
  width: number
  height: number
}

/** Gray, RGB or RGBA of 8 or 16 bits. */
export interface AnyPicture extends Omit<Picture, 'data'> {
  data: Uint8Array | Uint8ClampedArray | Uint16Array
}

/**
 * Paeth's filter and a light deflate: about half the time of pngjs's own choice, and half the bytes where the
 * picture is gray.
 */
const WRITING = { filterType: 4, deflateLevel: 1, deflateStrategy: 0 } as const

/** The bytes of a file. */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}`)
  }
}

/**
 * A PNG or a JPEG, told apart by its first bytes. A JPEG is turned upright as its Exif orientation says.
 */
export const readPicture = (path: string): Picture => readAny(path, false) as Picture

/** The same; a PNG of 16 bits as it is. */
export const readDeepPicture = (path: string): AnyPicture => readAny(path, true)

function readAny(path: string, deep: boolean): AnyPicture {
  const bytes = readBytes(path)
  const isPng = bytes.subarray(0, 8).equals(Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'))
  const isJpeg = bytes.subarray(0, 3).equals(Buffer.from('\xff\xd8\xff', 'latin1'))
  if (!isPng && !isJpeg) throw new Failure(`cannot read ${path}: it is neither a PNG nor a JPEG`)
  try {
    const picture = isPng ? decodePng(bytes, deep) : decodeJpeg(bytes)
    if (!(picture.width > 0 && picture.height > 0)) throw new Error('it has no pixels')
    return picture
  } catch (error) {
    throw new Failure(
      `cannot read ${path}: a damaged ${isPng ? 'PNG' : 'JPEG'} (${(error as Error).message})`,
    )
  }
}

/** Of 16 bits only where they are asked for. */
function decodePng(bytes: Buffer, deep: boolean): AnyPicture {
  const { data, width, height, depth } = PNG.sync.read(bytes, { skipRescale: deep }) as PNG & {
    depth?: number
  }
  // pngjs says that it is a Buffer; of 16 bits it is not.
  const words = data as unknown as Uint16Array
  return deep && depth === 16 ? { data: words, width, height } : { data, width, height }
}

/** Color types of PNG, by the number of channels. (PNG, 11.2.2) */
const COLOR_TYPES: Readonly<Record<number, 0 | 2 | 6>> = { 1: 0, 3: 2, 4: 6 }

/** Writes a PNG of as many bits and channels as the picture has, and the directories on the way to it. */
export function writePicture(path: string, { data, width, height }: AnyPicture): void {
  const colorType = COLOR_TYPES[data.length / (width * height)] ?? 6
  const bitDepth = data.BYTES_PER_ELEMENT === 2 ? 16 : 8
  const png = new PNG({ width, height })
  // Of its own memory, which pngjs reads from the start.
  const own = bitDepth === 16 ? data.slice() : data
  png.data = Buffer.from(own.buffer, own.byteOffset, own.byteLength)
  const layout = { bitDepth, colorType, inputColorType: colorType, inputHasAlpha: colorType === 6 } as const
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, PNG.sync.write(png, { ...WRITING, ...layout }))
  } catch (error) {
    throw new Failure(`cannot write ${path}: ${reasonOf(error)}`)
  }
}

function decodeJpeg(bytes: Buffer): Picture {
  // Where the file ends early the decoder leaves the rest gray: the end marker tells.
  if (bytes.lastIndexOf(Buffer.from([0xff, 0xd9])) < 0) throw new Error('it ends early')
  const { exifBuffer, ...picture } = jpeg.decode(bytes, {
    useTArray: true,
    maxResolutionInMP: 500,
    maxMemoryUsageInMB: 8192,
  }) as Picture & {
    exifBuffer?: Uint8Array
  }
  return turned(picture, exifBuffer ? orientationOf(exifBuffer) : 1)
}

/**
 * The orientation in Exif data, 1 to 8; 1, upright, where it has none. Exif 2.32, 4.6.4: tag 0x0112 of the
 * first directory.
 */
function orientationOf(exif: Uint8Array): number {
  const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength)
  try {
    const tiff = 1 // It follows "Exif\0\0", of which the decoder has taken five bytes off.
    const little = view.getUint16(tiff) === 0x4949
    const directory = tiff + view.getUint32(tiff + 4, little)
    for (let i = 0; i < view.getUint16(directory, little); i++) {
      const entry = directory + 2 + i * 12
      if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little)
    }
  } catch {
    // Offsets that lead outside: as if there were none.
  }
  return 1
}

/** A picture stored in an Exif orientation -> the same upright. */
function turned(picture: Picture, orientation: number): Picture {
  if (!(orientation >= 2 && orientation <= 8)) return picture
  const { width: w, height: h } = picture
  const transposed = orientation >= 5
  const flipX = [2, 3, 7, 8].includes(orientation)
  const flipY = [3, 4, 6, 7].includes(orientation)
  const [width, height] = transposed ? [h, w] : [w, h]
  const from = new Uint32Array(picture.data.slice().buffer)
  const to = new Uint32Array(w * h)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [u, v] = transposed ? [y, x] : [x, y]
      to[y * width + x] = from[(flipY ? h - 1 - v : v) * w + (flipX ? w - 1 - u : u)]!
    }
  }
  return { data: new Uint8Array(to.buffer), width, height }
}
