/** The commands for models, on small networks of the test's own. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { commandIn, expectFailed } from '../support/cli.js'
import { temporaryFolder } from '../support/package.js'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const filterbank = commandIn(() => folder.path)
const expectFailure = async (code: number, args: string[], ...parts: string[]) =>
  expectFailed(await filterbank(...args), code, ...parts)
const file = (name: string) => join(folder.path, name)

/** Means over red, over green, over blue: the class is the strongest colour of the picture. */
const colours = (nodes: NodeParts[] = []) =>
  writeModel({
    nodes: [
      { op: 'Conv', inputs: ['image', 'w'], outputs: ['same'] },
      { op: 'Relu', inputs: ['same'], outputs: ['positive'] },
      ...nodes,
      { op: 'GlobalAveragePool', inputs: [nodes.at(-1)?.outputs[0] ?? 'positive'], outputs: ['means'] },
      { op: 'Flatten', inputs: ['means'], outputs: ['scores'] },
    ],
    inputs: [{ name: 'image', shape: ['batch', 3, 'height', 'width'] }],
    outputs: [{ name: 'scores', shape: ['batch', 3] }],
    initializers: [{ name: 'w', shape: [3, 3, 1, 1], data: Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1) }],
  })

beforeAll(() => {
  writeFileSync(file('colours.onnx'), colours())
  writeFileSync(file('strange.onnx'), colours([{ op: 'Wavelet', inputs: ['positive'], outputs: ['coarse'] }]))
  writeFileSync(file('text.onnx'), 'no model')
})

describe('filterbank inspect', () => {
  it('prints inputs, outputs, and a line for each layer', async () => {
    const { code, out, err } = await filterbank('inspect', 'colours.onnx', '--size', '20x10')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const part of [
      'colours.onnx, opset 20',
      'image  float32 [batch, 3, height, width]',
      'scores  float32 [batch, 3]',
    ])
      expect(out).toContain(part)
    expect(out).toContain('batch = 1, height = 10, width = 20')
    expect(out).toMatch(/\nsame +Conv Relu +\[1, 3, 10, 20\] +9 +1\.80 K +gemm +[\d.]+ +[\d.]+ %\n/)
    expect(out).toMatch(/\ntotal +3 layers +9 +1\.80 K +[\d.]+ +100\.0 %\n/)
    expect(out).toContain('9 parameters, 1,800 multiply-adds in')
  })

  it('names what it lacks, and prints what the file says', async () => {
    const { code, out } = await filterbank('inspect', 'strange.onnx')
    expect(code).toBe(0)
    expect(out).toContain('cannot run it. It lacks:\n  Wavelet: coarse\n')
    expect(out).toMatch(/\ncoarse +Wavelet\n/)
    expect(out).toMatch(/\nscores +Flatten +\[batch, 3\]\n/)
    expect(out).toMatch(/\ntotal +5 layers +9\n/)
  })

  it('gives all of it as JSON', async () => {
    const { out } = await filterbank(
      'inspect',
      'colours.onnx',
      '--json',
      '--dimensions',
      'batch=2,height=5,width=4',
    )
    const { inputs, layers, total, unsupported } = JSON.parse(out)
    expect(inputs).toEqual([{ name: 'image', type: 'float32', shape: ['batch', 3, 'height', 'width'] }])
    expect(unsupported).toEqual([])
    expect(layers[0]).toMatchObject({
      op: 'Conv Relu',
      shape: [2, 3, 5, 4],
      parameters: 9,
      multiplyAdds: 360,
      algorithm: 'gemm',
    })
    expect(total).toMatchObject({ parameters: 9, multiplyAdds: 360 })
    expect(JSON.parse((await filterbank('inspect', 'strange.onnx', '--json')).out).unsupported).toEqual([
      { op: 'Wavelet', nodes: ['coarse'] },
    ])
  })

  it('says why a model that it knows does not run', async () => {
    const { code, out } = await filterbank(
      'inspect',
      'colours.onnx',
      '--dimensions',
      'batch=100000,height=10000,width=10000',
    )
    expect(code).toBe(0)
    expect(out).toContain('could not be run')
  })

  it('says what is wrong', async () => {
    await expectFailure(1, ['inspect', 'none.onnx'], 'cannot read none.onnx: there is no such file')
    await expectFailure(1, ['inspect', 'text.onnx'], 'cannot read text.onnx: it is no ONNX model')
    await expectFailure(1, ['inspect', '.'], 'directory')
    await expectFailure(2, ['inspect'], 'one model, got 0')
    await expectFailure(2, ['inspect', 'a.onnx', 'b.onnx'], 'one model, got 2')
    await expectFailure(2, ['inspect', 'colours.onnx', '--size', '20'], 'WIDTHxHEIGHT', "'20'")
    await expectFailure(2, ['inspect', 'colours.onnx', '--dimensions', 'batch'], 'NAME=LENGTH', "'batch'")
    await expectFailure(
      2,
      ['inspect', 'colours.onnx', '--dimensions', 'depth=3'],
      'batch, height, width',
      "'depth'",
    )
    await expectFailure(2, ['inspect', 'colours.onnx', '--threads', '0'], '--threads', "'0'")
  })
})

/** A PNG of one colour. */
function writePhoto(name: string, width: number, height: number, rgb: number[]): void {
  const png = new PNG({ width, height })
  for (let i = 0; i < width * height; i++) png.data.set([...rgb, 255], i * 4)
  writeFileSync(file(name), PNG.sync.write(png))
}

describe('filterbank run', () => {
  const pixel = (name: string) => [...PNG.sync.read(readFileSync(file(name))).data.subarray(0, 4)]
  beforeAll(() => {
    writePhoto('green.png', 30, 20, [51, 204, 102])
    writeFileSync(file('labels.txt'), 'red\ngreen\nblue\n')
    writeFileSync(file('labels.py'), "{0: 'red',\n 1: \"it's green\",\n 2: 'blue'}")
    // Blue and red of a picture changed over, in the colours' own range; of any size.
    writeFileSync(
      file('swap.onnx'),
      writeModel({
        nodes: [{ op: 'Conv', inputs: ['photo', 'w'], outputs: ['painting'] }],
        inputs: [{ name: 'photo', shape: [1, 3, null, null] }],
        outputs: [{ name: 'painting', shape: [1, 3, null, null] }],
        initializers: [{ name: 'w', shape: [3, 3, 1, 1], data: Float32Array.of(0, 0, 1, 0, 1, 0, 1, 0, 0) }],
      }),
    )
    const two = [
      { name: 'a', shape: [1, 3, 4, 4] },
      { name: 'b', shape: [2] },
    ]
    writeFileSync(
      file('two.onnx'),
      writeModel({
        nodes: [{ op: 'Relu', inputs: ['a'], outputs: ['y'] }],
        inputs: two,
        outputs: [{ name: 'y' }],
      }),
    )
    writeFileSync(
      file('bytes.onnx'),
      writeModel({
        nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
        inputs: [{ name: 'x', type: 'uint8', shape: [1, 8, 8, 3] }],
        outputs: [{ name: 'y', type: 'uint8', shape: [1, 8, 8, 3] }],
      }),
    )
  })

  it('tells the classes, the likeliest first, as probabilities', async () => {
    const { code, out, err } = await filterbank(
      'run',
      'colours.onnx',
      '--image',
      'green.png',
      '--labels',
      'labels.txt',
      '--range',
      '-1,1',
    )
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain('green.png  30 x 20 -> 30 x 20, to image float32 [batch, 3, height, width]')
    // Means -0.6 (0 after the ReLU), 0.6 and -0.2 (0): e^0.6 of e^0.6 + 2.
    expect(out).toMatch(
      /scores float32 \[1, 3\]\n +47\.67 % {2}green\n +26\.16 % {2}\w+\n +26\.16 % {2}\w+\n$/,
    )
    const python = await filterbank(
      'run',
      'colours.onnx',
      '-i',
      'green.png',
      '--labels',
      'labels.py',
      '--top',
      '1',
      '--mean',
      '0,0.8,0',
      '--bgr',
    )
    expect(python.out).toMatch(/scores float32 \[1, 3\]\n +\S+ % {2}red\n$/)
  })

  it('draws pictures that come out', async () => {
    const { out } = await filterbank('run', 'swap.onnx', '-i', 'green.png', '--range', '0,255', '-o', 'drawn')
    expect(out).toContain('painting float32 [1, 3, 20, 30]: from 51 to 204')
    expect(out).toContain(`${join('drawn', 'green-painting.png')}  30 x 20`)
    expect(pixel('drawn/green-painting.png')).toEqual([102, 204, 51, 255])
    expect(out).not.toContain('hint')
    await filterbank(
      'run',
      'swap.onnx',
      '-i',
      'green.png',
      '--bgr',
      '--size',
      '12x9',
      '--std',
      '2',
      '--output-range',
      '0,0.5',
      '-o',
      'small',
    )
    expect(pixel('small/green-painting.png')).toEqual([102, 204, 51, 255])
    await filterbank('run', 'bytes.onnx', '-i', 'green.png', '-o', 'bytes')
    expect(pixel('bytes/green-y.png')).toEqual([51, 204, 102, 255])
  })

  it('hints at the range where a picture lies mostly outside of it', async () => {
    const burnt = await filterbank(
      'run',
      'swap.onnx',
      '-i',
      'green.png',
      '--range',
      '0,255',
      '--output-range',
      '1,0',
      '-o',
      'burnt',
    )
    expect(burnt.out).toMatch(/\nhint: 100 % of it lies outside of 1 to 0: see --range and --output-range\n/)
    // One channel of three does not make it so.
    const { out } = await filterbank(
      'run',
      'swap.onnx',
      '-i',
      'green.png',
      '--output-range',
      '0,0.5',
      '-o',
      'burnt',
    )
    expect(out).not.toContain('hint')
  })

  it('writes a sheet of each layer', async () => {
    const { code, out } = await filterbank('run', 'colours.onnx', '-i', 'green.png', '--feature-maps', 'maps')
    expect(code).toBe(0)
    const names = readdirSync(file('maps'))
    expect(names.length).toBeGreaterThan(0)
    for (const name of names) expect(out).toContain(`${join('maps', name)}  `)
    expect(PNG.sync.read(readFileSync(file(`maps/${names[0]}`))).width).toBeGreaterThan(64)
  })

  it('says what is wrong', async () => {
    const expectBad = (code: number, args: string, ...parts: string[]) =>
      expectFailure(code, ['run', ...args.split(' ')], ...parts)
    await expectBad(2, 'colours.onnx', 'needs --image')
    await expectBad(2, '-i green.png', 'one model, got 0')
    await expectBad(1, 'none.onnx -i green.png', 'none.onnx', 'no such file')
    await expectBad(1, 'text.onnx -i green.png', 'no ONNX model')
    await expectBad(1, 'strange.onnx -i green.png', 'Wavelet', '"coarse"')
    await expectBad(1, 'colours.onnx -i none.png', 'none.png', 'no such file')
    await expectBad(1, 'colours.onnx -i labels.txt', 'neither a PNG nor a JPEG')
    await expectBad(1, 'bytes.onnx -i green.png --size 9x8', '--size 9x8', 'uint8 [1, 8, 8, 3]')
    await expectBad(1, 'colours.onnx -i green.png --mean 1,2', '--mean', 'one number or 3', '1,2')
    await expectBad(1, 'colours.onnx -i green.png --std 0', '--std')
    await expectBad(2, 'colours.onnx -i green.png --range 1', '--range', "'1'")
    await expectBad(2, 'colours.onnx -i green.png --mean one', '--mean', "'one'")
    await expectBad(2, 'colours.onnx -i green.png --top 0', '--top', "'0'")
    await expectBad(
      1,
      'colours.onnx -i green.png --dimensions depth=1',
      '"batch", "height", "width"',
      '"depth"',
    )
    await expectBad(1, 'two.onnx -i green.png', 'one picture', 'a float32 [1, 3, 4, 4], b float32 [2]')
    await expectBad(1, 'bytes.onnx -i green.png -o labels.txt', 'cannot write')
    writeFileSync(file('more.txt'), 'a\nb')
    await expectBad(1, 'colours.onnx -i green.png --labels more.txt', '2 labels', '3 classes')
    await expectBad(1, 'colours.onnx -i green.png --labels none.txt', 'none.txt', 'no such file')
  })
})

describe('filterbank quantize', () => {
  it('writes a model of bytes by the photos of a folder, and says what each layer loses', async () => {
    mkdirSync(file('photos/more'), { recursive: true })
    for (let i = 0; i < 9; i++) {
      const png = new PNG({ width: 8, height: 6 })
      png.data.forEach((_, j) => {
        png.data[j] = j % 4 === 3 ? 255 : (j * (i + 3) * 7) % 256
      })
      writeFileSync(file(`photos/${i % 2 ? 'more/' : ''}${i}.png`), PNG.sync.write(png))
    }
    const args = ['quantize', 'colours.onnx', '--images', 'photos', '-o', 'small/colours.onnx']
    const { code, out, err } = await filterbank(...args)
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/\nsame +Conv +int8 +[\d.]+ % +36 +24 /)
    expect(out).toMatch(/error at the outputs [\d.]+ %/)
    const { out: lines } = await filterbank('inspect', 'small/colours.onnx', '--size', '8x6')
    expect(lines).toContain('Conv Relu QuantizeLinear')
    await expectFailure(1, [...args, '--limit', '3'], '8 at least, got 3')
  })

  it('says what is wrong', async () => {
    await expectFailure(2, ['quantize', 'colours.onnx', '-o', 'x.onnx'], 'needs --images and -o')
    const args = ['quantize', 'colours.onnx', '-o', 'x.onnx', '--images']
    await expectFailure(1, [...args, 'nowhere'], 'cannot read nowhere')
    await expectFailure(2, [...args, '.', '--method', 'best'], '--method takes minmax')
    await expectFailure(2, [...args, '.', '--weight-bits', '9'], '7 or 8')
  })
})
