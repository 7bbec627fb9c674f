/** The commands for models, on small networks of the test's own. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type NodeParts, writeModel } from '../../src/onnx/index.js'
import { commandIn, expectFailed } from '../support/cli.js'
import { temporaryFolder } from '../support/package.js'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const filterbank = commandIn(() => folder.path)
const expectFailure = async (code: number, args: string[], ...parts: string[]) => expectFailed(await filterbank(...args), code, ...parts)
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

describe('filterbank inspect', () => {
  beforeAll(() => {
    writeFileSync(file('colours.onnx'), colours())
    writeFileSync(file('strange.onnx'), colours([{ op: 'Wavelet', inputs: ['positive'], outputs: ['coarse'] }]))
    writeFileSync(file('text.onnx'), 'no model')
  })

  it('prints inputs, outputs, and a line for each layer', async () => {
    const { code, out, err } = await filterbank('inspect', 'colours.onnx', '--size', '20x10')
    expect({ code, err }).toEqual({ code: 0, err: '' })
    for (const part of ['colours.onnx, opset 20', 'image  float32 [batch, 3, height, width]', 'scores  float32 [batch, 3]']) expect(out).toContain(part)
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
    const { out } = await filterbank('inspect', 'colours.onnx', '--json', '--dimensions', 'batch=2,height=5,width=4')
    const { inputs, layers, total, unsupported } = JSON.parse(out)
    expect(inputs).toEqual([{ name: 'image', type: 'float32', shape: ['batch', 3, 'height', 'width'] }])
    expect(unsupported).toEqual([])
    expect(layers[0]).toMatchObject({ op: 'Conv Relu', shape: [2, 3, 5, 4], parameters: 9, multiplyAdds: 360, algorithm: 'gemm' })
    expect(total).toMatchObject({ parameters: 9, multiplyAdds: 360 })
    expect(JSON.parse((await filterbank('inspect', 'strange.onnx', '--json')).out).unsupported).toEqual([{ op: 'Wavelet', nodes: ['coarse'] }])
  })

  it('says why a model that it knows does not run', async () => {
    const { code, out } = await filterbank('inspect', 'colours.onnx', '--dimensions', 'batch=100000,height=10000,width=10000')
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
    await expectFailure(2, ['inspect', 'colours.onnx', '--dimensions', 'depth=3'], 'batch, height, width', "'depth'")
    await expectFailure(2, ['inspect', 'colours.onnx', '--threads', '0'], '--threads', "'0'")
  })
})
