import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import jpeg from 'jpeg-js'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dilate, filter2d, gaussianBlur, grayscale, type Pixels, sobel } from '../src/image/index.js'
import { createEngine, type Engine } from '../src/index.js'
import { version } from '../src/version.js'
import { commandIn, expectFailed } from './support/cli.js'
import { Random } from './support/random.js'

const root = join(import.meta.dirname, '..')
let folder: string
let engine: Engine

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'filterbank-'))
  engine = await createEngine()
})
afterAll(() => {
  rmSync(folder, { recursive: true })
  engine.dispose()
})

const filterbank = commandIn(() => folder)

const expectFailure = async (code: number, args: string[], ...parts: string[]) =>
  expectFailed(await filterbank(...args), code, ...parts)

const file = (name: string) => join(folder, name)
const read = (name: string) => PNG.sync.read(readFileSync(file(name)))

function noise(width: number, height: number): Pixels {
  const random = new Random(width * 1000 + height)
  return {
    data: Uint8Array.from({ length: width * height * 4 }, () => random.integer(0, 255)),
    width,
    height,
  }
}

function writePng(name: string, { data, width, height }: Pixels, options = {}): void {
  const png = new PNG({ width, height })
  png.data = Buffer.from(data)
  writeFileSync(file(name), PNG.sync.write(png, options))
}

describe('filterbank demo', () => {
  const names = [
    'filters.png',
    'high-pass.png',
    'layer.png',
    'low-pass.png',
    'picture.png',
    'relu-pool.png',
    'sobel-x.png',
    'sobel-y.png',
  ]

  it('writes its test card, the filtered images and the contact sheets', async () => {
    const { code, out } = await filterbank('demo')
    expect(code).toBe(0)
    expect(readdirSync(file('feature-maps')).sort()).toEqual(names)
    for (const name of names) expect(out).toContain(join('feature-maps', name))
    for (const part of [
      version,
      ' thread',
      '[1, 512, 512, 4]',
      '[1, 256, 256, 4]',
      ' ms',
      'agrees with its channel',
    ])
      expect(out).toContain(part)
    expect(out).toMatch(/simd128|relaxed/)
    for (const name of ['picture', 'low-pass', 'high-pass', 'sobel-x', 'sobel-y']) {
      const { width, height } = read(`feature-maps/${name}.png`)
      expect([width, height]).toEqual([512, 512])
    }
    expect(read('feature-maps/relu-pool.png').width).toBe(2 * 256 + 3 * 4)
  })

  it('takes a photo of odd size, smaller than the filters, and a folder', async () => {
    writePng('small.png', noise(5, 3))
    const { code, out } = await filterbank('demo', 'small.png', '-o', 'a/b')
    expect(code).toBe(0)
    expect(out).toContain('[1, 3, 5, 4]')
    expect(readdirSync(file('a/b')).sort()).toEqual(names)
  })

  it('says what is wrong', async () => {
    writePng('dot.png', noise(1, 1))
    await expectFailure(1, ['demo', 'dot.png'], 'dot.png', 'too small', '1 x 1')
    await expectFailure(1, ['demo', 'none.png'], 'none.png', 'no such file')
    await expectFailure(2, ['demo', 'a.png', 'b.png'], 'one photo, got 2')
  })
})

describe('filterbank filter', () => {
  const photo = noise(37, 21)
  beforeAll(() => {
    writePng('photo.png', photo)
  })
  const pixels = (name: string) => [...read(name).data]

  it('writes what the image functions give, a file for each kernel', async () => {
    const { code, out } = await filterbank(
      'filter',
      'photo.png',
      '--kernel',
      'sobel,gaussian:1.5',
      '-o',
      'out',
      '--border',
      'wrap',
    )
    expect(code).toBe(0)
    for (const name of ['photo-sobel.png', 'photo-gaussian-1.5.png'])
      expect(out).toContain(`${join('out', name)}  37 x 21  `)
    expect(pixels('out/photo-sobel.png')).toEqual([...sobel(photo, { engine, border: 'wrap' }).data])
    expect(pixels('out/photo-gaussian-1.5.png')).toEqual([
      ...gaussianBlur(photo, 1.5, { engine, border: 'wrap' }).data,
    ])
  })

  it('takes a kernel as numbers, as JSON and from a file', async () => {
    const edge = [
      [-1, 0, 1],
      [-2, 0, 2],
      [-1, 0, 1],
    ]
    writeFileSync(file('edge.json'), JSON.stringify(edge))
    const kernels = ['-1 0 1; -2 0 2; -1,0,1', JSON.stringify(edge), 'edge.json,emboss'].flatMap((kernel) => [
      '-k',
      kernel,
    ])
    expect(await filterbank('filter', 'photo.png', ...kernels)).toMatchObject({ code: 0, err: '' })
    const expected = [...filter2d(photo, edge, { engine }).data]
    for (const name of ['kernel', 'kernel-2', 'edge']) expect(pixels(`photo-${name}.png`)).toEqual(expected)
    expect(existsSync(file('photo-emboss.png'))).toBe(true)
  })

  it('makes gray first where asked to, and keeps transparency', async () => {
    await filterbank('filter', 'photo.png', '-k', '1', '--gray', '-o', 'gray')
    const data = pixels('gray/photo-kernel.png')
    for (let i = 0; i < data.length; i += 4) {
      const luma = 0.299 * photo.data[i]! + 0.587 * photo.data[i + 1]! + 0.114 * photo.data[i + 2]!
      expect(Math.abs(data[i]! - luma)).toBeLessThanOrEqual(0.501)
      expect(data.slice(i, i + 4)).toEqual([data[i], data[i], data[i], photo.data[i + 3]])
    }
  })

  it('gives 16 bits for 16 bits', async () => {
    const random = new Random(16)
    const data = Uint16Array.from({ length: 9 * 7 * 4 }, (_, i) =>
      i % 4 === 3 ? random.pick([65535, 0, 300]) : random.integer(0, 65535),
    )
    const png = new PNG({ width: 9, height: 7 })
    png.data = Buffer.from(data.buffer)
    writeFileSync(file('words.png'), PNG.sync.write(png, { bitDepth: 16, colorType: 6, inputHasAlpha: true }))
    const kernels = 'gaussian:1,dilate:3,gray'
    expect(await filterbank('filter', 'words.png', '-k', kernels)).toMatchObject({ code: 0, err: '' })
    const deep = (name: string) => {
      const read = PNG.sync.read(readFileSync(file(name)), { skipRescale: true }) as PNG & { depth: number }
      return { depth: read.depth, data: [...(read.data as unknown as Uint16Array)] }
    }
    const words = { data, width: 9, height: 7 }
    expect(deep('words-gaussian-1.png')).toEqual({
      depth: 16,
      data: [...gaussianBlur(words, 1, { engine }).data],
    })
    expect(deep('words-dilate-3.png')).toEqual({ depth: 16, data: [...dilate(words, 3, { engine }).data] })
    const gray = [...grayscale(words, { engine }).data]
    expect(deep('words-gray.png')).toEqual({ depth: 16, data: gray.flatMap((v) => [v, v, v, 65535]) })
  })

  it('runs every kernel that its help names, and writes a picture of the right size', async () => {
    const { out } = await filterbank('filter', '--help')
    const names = [...out.matchAll(/^ {2}([a-z][a-z-]*)(?:\[:[A-Z]+\])? {2,}\S/gm)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(30)
    expect(names).toEqual(expect.arrayContaining(['gaussian', 'canny', 'rotate', 'from-lab']))
    const { code, err } = await filterbank('filter', 'photo.png', '-k', names.join(), '-o', 'all')
    expect([code, err]).toEqual([0, ''])
    for (const name of names) {
      const { width, height } = read(`all/photo-${name}.png`)
      const scale = name === 'resize' ? 0.5 : 1
      expect([width, height], name).toEqual([photo.width, photo.height].map((v) => Math.round(v * scale)))
    }
  })

  it('reads gray, RGB and 16-bit PNGs, and JPEGs whatever they are called, turned upright', async () => {
    const flat = {
      data: Uint8Array.from({ length: 16 * 8 * 4 }, (_, i) =>
        i % 4 === 3 ? 255 : (i >> 2) % 16 < 8 ? 40 : 200,
      ),
      width: 16,
      height: 8,
    }
    writePng('gray.png', flat, { colorType: 0 })
    writePng('rgb.png', flat, { colorType: 2 })
    const wide = new PNG({ width: 16, height: 8 })
    wide.data = Buffer.from(Uint16Array.from(flat.data, (v) => v * 257).buffer)
    writeFileSync(file('deep.png'), PNG.sync.write(wide, { bitDepth: 16 }))
    const encoded = jpeg.encode({ ...flat, data: Buffer.from(flat.data) }, 100).data
    writeFileSync(file('jpeg-called.png'), encoded)
    // Orientation 6, a quarter turn clockwise makes it upright: what is left goes up. Exif in an APP1 segment
    // after the start marker.
    const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0]
    const exif = [0xff, 0xe1, 0, 8 + tiff.length, ...Buffer.from('Exif\0\0', 'latin1'), ...tiff]
    writeFileSync(
      file('turned.jpg'),
      Buffer.concat([encoded.subarray(0, 2), Buffer.from(exif), encoded.subarray(2)]),
    )
    expect(
      await filterbank(
        'filter',
        'gray.png',
        'rgb.png',
        'deep.png',
        'jpeg-called.png',
        'turned.jpg',
        '-k',
        '1',
        '-o',
        'same',
      ),
    ).toMatchObject({ code: 0 })
    for (const name of ['gray', 'rgb', 'deep'])
      expect(pixels(`same/${name}-kernel.png`)).toEqual([...flat.data])
    const near = (actual: ArrayLike<number>, at: number, level: number) =>
      expect(Math.abs(actual[at]! - level)).toBeLessThanOrEqual(3)
    const upright = read('same/jpeg-called-kernel.png')
    near(upright.data, 0, 40)
    near(upright.data, 15 * 4, 200)
    const turned = read('same/turned-kernel.png')
    expect([turned.width, turned.height]).toEqual([8, 16])
    near(turned.data, 7 * 4, 40)
    near(turned.data, 15 * 8 * 4, 200)
  })

  it('says what is wrong with a photo, in one line', async () => {
    const png = readFileSync(file('photo.png'))
    writeFileSync(file('text.png'), 'not a picture')
    writeFileSync(file('empty.png'), '')
    for (const length of [8, 20, 33, 40, png.length >> 1, png.length - 20]) {
      writeFileSync(file('cut.png'), png.subarray(0, length))
      await expectFailure(1, ['filter', 'cut.png', '-k', 'sobel'], 'cut.png', 'a damaged PNG')
    }
    const noisy = noise(64, 64)
    const encoded = jpeg.encode({ ...noisy, data: Buffer.from(noisy.data) }, 90).data
    writeFileSync(file('cut.jpg'), encoded.subarray(0, encoded.length >> 1))
    await expectFailure(1, ['filter', 'cut.jpg', '-k', 'sobel'], 'cut.jpg', 'a damaged JPEG')
    await expectFailure(1, ['filter', 'text.png', '-k', 'sobel'], 'text.png', 'neither a PNG nor a JPEG')
    await expectFailure(1, ['filter', 'empty.png', '-k', 'sobel'], 'empty.png', 'neither a PNG nor a JPEG')
    await expectFailure(1, ['filter', 'none.png', '-k', 'sobel'], 'none.png', 'no such file')
    await expectFailure(1, ['filter', '.', '-k', 'sobel'], 'directory')
    await expectFailure(1, ['filter', 'photo.png', '-k', 'sobel', '-o', 'text.png'], 'cannot write')
  })

  it('says what is wrong with a kernel', async () => {
    writeFileSync(file('bad.json'), '{')
    writeFileSync(file('ragged.json'), '[[1, 2], [3]]')
    const expectBad = (code: number, kernel: string, ...parts: string[]) =>
      expectFailure(code, ['filter', 'photo.png', '-k', kernel], ...parts)
    await expectBad(2, 'blur', "'blur'", 'gaussian, box, median', 'scharr-y')
    await expectBad(2, 'toString', "'toString'")
    await expectBad(2, 'gaussian:soft', 'SIGMA', "'gaussian:soft'")
    await expectBad(2, 'gaussian:', "'gaussian:'")
    await expectBad(2, 'sobel:3', 'no number')
    await expectBad(1, 'gaussian:-1', 'sigma', '-1')
    await expectBad(1, 'median:4', 'size', '4')
    await expectBad(2, '1 2; 3', 'rows of numbers')
    await expectBad(2, '[[1, 2]', 'not JSON')
    await expectBad(1, 'none.json', 'none.json', 'no such file')
    await expectBad(1, 'bad.json', 'bad.json', 'not JSON')
    await expectBad(1, 'ragged.json', 'ragged.json', 'rows of numbers')
  })

  it('says what is wrong with the command line', async () => {
    await expectFailure(2, ['filter'], 'needs a photo')
    await expectFailure(2, ['filter', 'photo.png'], 'needs --kernel')
    await expectFailure(2, ['filter', 'photo.png', '--kernel'], '--kernel')
    await expectFailure(2, ['filter', 'photo.png', '--krnel', 'sobel'], "'--krnel'")
    await expectFailure(2, ['filter', 'photo.png', '-k', 'sobel', '--border', 'none'], "'none'", 'reflect101')
  })
})

describe('filterbank', () => {
  it('doctor tells the build, threads and versions', async () => {
    const { code, out } = await filterbank('doctor')
    expect(code).toBe(0)
    for (const part of [
      version,
      process.versions.node,
      process.versions.v8,
      process.platform,
      'threads',
      'cores',
      'relaxed SIMD',
      'byte dot product',
      'dense loop',
      'shared memory',
    ]) {
      expect(out).toContain(part)
    }
    expect(out).toMatch(/build +(simd128|relaxed) \(.+\)/)
    await expectFailure(2, ['doctor', 'me'], "'me'")
  })

  it('helps', async () => {
    const all = await filterbank('--help')
    expect(all.code).toBe(0)
    for (const name of ['demo', 'filter', 'run', 'inspect', 'bench', 'doctor']) {
      expect(all.out).toContain(`\n  ${name} `)
      const one = await filterbank(name, '--help')
      expect(one).toMatchObject({ code: 0, err: '' })
      expect(one.out).toMatch(new RegExp(`^Usage: filterbank ${name}`))
      expect((await filterbank('help', name)).out).toBe(one.out)
      for (const line of one.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    }
    expect(await filterbank()).toMatchObject({ code: 2, out: all.out })
  })

  it('knows its version and the commands that there are', async () => {
    expect((await filterbank('--version')).out).toBe(`${version}\n`)
    expect(version).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
    await expectFailure(2, ['blur'], "'blur'", 'demo, filter, run, inspect, compare, quantize, bench, doctor')
    await expectFailure(2, ['constructor'], "'constructor'")
  })
})
