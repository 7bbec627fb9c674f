/** `filterbank compare`, on small models of the test's own. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { differenceOf } from '../../src/cli/difference.js'
import { writeModel } from '../../src/onnx/file/write.js'
import { commandIn, expectFailed } from '../support/cli.js'
import { root, temporaryFolder } from '../support/package.js'

const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const filterbank = commandIn(() => folder.path)
const file = (name: string) => join(folder.path, name)

/** y = (x + 1) w, of which the second may be another. */
const line = (w: number, names = { x: 'x', y: 'y' }) =>
  writeModel({
    nodes: [
      { op: 'Add', inputs: [names.x, 'one'], outputs: ['more'] },
      { op: 'Mul', inputs: ['more', 'w'], outputs: [names.y] },
    ],
    inputs: [{ name: names.x, shape: ['n', 2] }],
    outputs: [{ name: names.y, shape: ['n', 2] }],
    initializers: [
      { name: 'one', shape: [], data: Float32Array.of(1) },
      { name: 'w', shape: [], data: Float32Array.of(w) },
    ],
  })

beforeAll(() => {
  writeFileSync(file('two.onnx'), line(2))
  writeFileSync(file('other.onnx'), line(2.5, { x: 'in', y: 'out' }))
  writeFileSync(file('x.bin'), new Uint8Array(Float32Array.of(1, 2, 3, 7).buffer))
  const header = `${"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }".padEnd(117)}\n`
  writeFileSync(
    file('x.npy'),
    Buffer.concat([
      Buffer.from('\x93NUMPY\x01\x00', 'latin1'),
      Buffer.from([118, 0]),
      Buffer.from(header),
      Buffer.from(Float32Array.of(1, 2, 3, 7).buffer),
    ]),
  )
})

it('tells how far two models are apart, layer by layer', async () => {
  const { code, out, err } = await filterbank(
    'compare',
    'two.onnx',
    'other.onnx',
    '--input',
    'x=1,3',
    '--taps',
  )
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toContain('taken: n = 1')
  expect(out).toContain('other.onnx beside two.onnx')
  // 4 and 8, beside 5 and 10: at most 2 apart of 8; 20 log10(8 / sqrt(2.5)).
  expect(out).toMatch(/\ny +\[1, 2\] +2\.00e\+0 +2\.50e-1 +14\.1\n/)
  expect(out).toMatch(/\nmore +\[1, 2\] +0 +0 +same\n/)
})

it('ends with code 1 where the difference is beyond the tolerance', async () => {
  const given = ['compare', 'two.onnx', 'other.onnx', '--input', 'x=1,3', '--tolerance']
  expect((await filterbank(...given, '0.26')).code).toBe(0)
  expectFailed(await filterbank(...given, '0.2'), 1, '2.50e-1', 'tolerance is 0.2')
})

it('takes inputs from files, and makes the same up for the same seed', async () => {
  const run = async (...args: string[]) => {
    const { code, out } = await filterbank('compare', 'two.onnx', 'other.onnx', '--json', ...args)
    expect(code).toBe(0)
    return JSON.parse(out).others[0].outputs[0]
  }
  // The largest is 16 beside 20.
  expect(await run('--input', 'x=x.npy')).toMatchObject({ absolute: 4, relative: 0.25, shape: [2, 2] })
  expect(await run('--input', 'x=x.bin', '--dimensions', 'n=2')).toMatchObject({
    absolute: 4,
    relative: 0.25,
  })
  expect(await run('--input', 'x=1', '--dimensions', 'n=3')).toMatchObject({ absolute: 1, shape: [3, 2] })
  expect(await run('--seed', '2')).toEqual(await run('--seed', '2'))
  expect(await run('--seed', '2')).not.toEqual(await run('--seed', '3'))
})

it('compares one model with ONNX Runtime where that is installed, and says where not', async () => {
  const { code, out } = await filterbank('compare', 'two.onnx', '--taps', '--tolerance', '1e-6')
  expect(code).toBe(0)
  expect(out).toMatch(/(simd128|relaxed) build beside (onnxruntime-node|simd128|relaxed)|nothing to compare/)
  // The command finds the one of the folder that it is run in.
  mkdirSync(file('node_modules'))
  for (const name of ['onnxruntime-node', 'onnxruntime-common'])
    symlinkSync(join(root, 'node_modules', name), join(folder.path, 'node_modules', name))
  const there = await filterbank('compare', 'two.onnx', '--taps', '--tolerance', '1e-6')
  expect(there.out).toMatch(/ build beside onnxruntime-node 1\./)
  expect(there.out).toMatch(/\ny +\[1, 2\] +0 +0 +same\n/)
  expect(there.out).toMatch(/\nmore +\[1, 2\] +0 +0 +same\n/)
})

it('compares sequences and maps, which ONNX Runtime gives to no program of JavaScript', async () => {
  const parts = (w: number) => ({
    opset: 17,
    domains: { 'ai.onnx.ml': 1 },
    nodes: [
      { op: 'Mul', inputs: ['x', 'w'], outputs: ['p'] },
      {
        op: 'ai.onnx.ml.ZipMap',
        inputs: ['p'],
        outputs: ['m'],
        attributes: { classlabels_strings: ['a', 'b'] },
      },
      { op: 'SplitToSequence', inputs: ['p'], outputs: ['s'] },
    ],
    inputs: [{ name: 'x', shape: [2, 2] }],
    initializers: [{ name: 'w', shape: [], data: Float32Array.of(w) }],
  })
  const lists = [
    { name: 'm', sequence: true, map: 'string' as const },
    { name: 's', sequence: true },
  ]
  writeFileSync(
    file('lists.onnx'),
    writeModel({ ...parts(2), outputs: [{ name: 'p', shape: [2, 2] }, ...lists] }),
  )
  writeFileSync(
    file('others.onnx'),
    writeModel({ ...parts(3), outputs: [{ name: 'p', shape: [2, 2] }, ...lists] }),
  )
  writeFileSync(file('only.onnx'), writeModel({ ...parts(2), outputs: lists }))
  const { out, err } = await filterbank('compare', 'lists.onnx', 'others.onnx', '--input', 'x=1,2,3,4')
  expect(err).toBe('')
  expect(out).toMatch(/\nm\[1\] keys +\[2\] +0 +0 +same\n/)
  expect(out).toMatch(/\nm\[1\] +\[2\] +4\.00e\+0 +5\.00e-1 /)
  expect(out).toMatch(/\ns\[0\] +\[1, 2\] +2\.00e\+0 +5\.00e-1 /)
  const beside = await filterbank('compare', 'lists.onnx')
  expect(beside.out).toMatch(/beside onnxruntime-node 1\..*\np +\[2, 2\] +0 +0 +same\n/s)
  const alone = await filterbank('compare', 'only.onnx', '--taps')
  expect({ code: alone.code, err: alone.err }).toEqual({ code: 0, err: '' })
  expect((await filterbank('compare', 'only.onnx')).out).toContain('gives sequences and maps to no program')
})

it('says what is wrong', async () => {
  const failing: [number, string[], string][] = [
    [2, [], 'one model or two, got 0'],
    [2, ['two.onnx', '--tolerance', 'x'], "'x'"],
    [2, ['two.onnx', '--input', 'z=3'], "'z=3'"],
    [2, ['two.onnx', '--seed', '-x'], '--seed'],
    [1, ['two.onnx', '--input', 'x=1,2,3'], 'takes 2 numbers'],
    [1, ['two.onnx', '--input', 'x=x.bin'], 'holds 4 numbers of float32, and x takes 2'],
    [1, ['two.onnx', '--input', 'x=none.npy'], 'no such file'],
    [1, ['none.onnx'], 'cannot read none.onnx'],
  ]
  const ended = await Promise.all(failing.map(([, args]) => filterbank('compare', ...args)))
  failing.forEach(([code, , part], i) => void expectFailed(ended[i]!, code, part))
})

it('measures differences: NaN and infinities that are equal are none', () => {
  const of = (...data: number[]) => ({ type: 'float32', shape: [data.length], data })
  const same = { absolute: 0, relative: 0, psnr: Number.POSITIVE_INFINITY }
  expect(
    differenceOf(of(Number.NaN, Number.POSITIVE_INFINITY, 2), of(Number.NaN, Number.POSITIVE_INFINITY, 2)),
  ).toEqual(same)
  expect(differenceOf(null, null)).toEqual(same)
  expect(differenceOf(of(1, -4), of(2, -4))).toEqual({
    absolute: 1,
    relative: 0.25,
    psnr: 20 * Math.log10(4 / Math.sqrt(0.5)),
  })
  for (const [a, b, mismatch] of [
    [of(1), of(1, 2), '[1], and [2]'],
    [of(1, Number.NaN), of(1, 2), 'NaN, and 2, at 1'],
    [of(1), null, 'a value, and none'],
  ] as const)
    expect(differenceOf(a, b)).toMatchObject({ mismatch, absolute: Number.POSITIVE_INFINITY })
})
