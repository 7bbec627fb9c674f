/**
 * What every host is asked: a 2-D and a 1-D convolution, an ONNX model, a filter on a picture, and where there
 * are workers the model and the filter in one. The answers are integers, and computed here in plain loops, so
 * that they compare exactly.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { writeModel } from '../dist/onnx.js'
import { root, run } from './tools.mjs'

/** Integers from -range to range, the same in every run. */
function integers(length, range, seed) {
  let state = seed
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * (2 * range + 1)) - range
  })
}

/** x [h, w, ic], filter [kh, kw, ic, oc], no padding -> [oh, ow, oc] */
function convolve(x, [h, w, ic], filter, [kh, kw, , oc], stride) {
  const [oh, ow] = [Math.floor((h - kh) / stride) + 1, Math.floor((w - kw) / stride) + 1]
  const y = []
  for (let i = 0; i < oh; i++)
    for (let j = 0; j < ow; j++)
      for (let o = 0; o < oc; o++) {
        let sum = 0
        for (let a = 0; a < kh; a++)
          for (let b = 0; b < kw; b++)
            for (let c = 0; c < ic; c++)
              sum +=
                x[((i * stride + a) * w + j * stride + b) * ic + c] * filter[((a * kw + b) * ic + c) * oc + o]
        y.push(sum)
      }
  return { y, shape: [oh, ow, oc] }
}

/** [a, b, c] by axes in another order, as [n, c, h, w] wants what is [n, h, w, c] here. */
function permute(values, shape, order) {
  const strides = [shape[1] * shape[2], shape[2], 1]
  const [s, t, u] = order.map((axis) => strides[axis])
  const [l, m, n] = order.map((axis) => shape[axis])
  const moved = []
  for (let i = 0; i < l; i++)
    for (let j = 0; j < m; j++) for (let k = 0; k < n; k++) moved.push(values[i * s + j * t + k * u])
  return moved
}

/** A network of one convolution, relu, maxima of 2 x 2 and a dense layer. */
function network() {
  const [h, w, ic, oc, classes] = [12, 14, 3, 8, 5]
  const x = integers(h * w * ic, 4, 5)
  const filter = integers(3 * 3 * ic * oc, 2, 3)
  const { y, shape } = convolve(x, [h, w, ic], filter, [3, 3, ic, oc], 1)
  const [ph, pw] = [shape[0] / 2, shape[1] / 2]
  const pooled = []
  for (let o = 0; o < oc; o++)
    for (let i = 0; i < ph; i++)
      for (let j = 0; j < pw; j++) {
        const at = (a, b) => y[((2 * i + a) * shape[1] + 2 * j + b) * oc + o]
        pooled.push(Math.max(0, at(0, 0), at(0, 1), at(1, 0), at(1, 1)))
      }
  const dense = integers(pooled.length * classes, 1, 4)
  const outputs = Array.from({ length: classes }, (_, k) =>
    pooled.reduce((sum, value, i) => sum + value * dense[i * classes + k], 0),
  )
  // [3 * 3, ic, oc] -> [oc, ic, 3 * 3]
  const weights = permute(filter, [9, ic, oc], [2, 1, 0])
  const model = writeModel({
    opset: 13,
    inputs: [{ name: 'picture', shape: [1, ic, h, w] }],
    outputs: [{ name: 'scores' }],
    initializers: [
      { name: 'filter', shape: [oc, ic, 3, 3], data: Float32Array.from(weights) },
      { name: 'dense', shape: [pooled.length, classes], data: Float32Array.from(dense) },
    ],
    nodes: [
      { op: 'Conv', inputs: ['picture', 'filter'], outputs: ['a'] },
      { op: 'Relu', inputs: ['a'], outputs: ['b'] },
      {
        ...{ op: 'MaxPool', inputs: ['b'], outputs: ['c'] },
        attributes: { kernel_shape: [2, 2], strides: [2, 2] },
      },
      { op: 'Flatten', inputs: ['c'], outputs: ['d'] },
      { op: 'MatMul', inputs: ['d', 'dense'], outputs: ['scores'] },
    ],
  })
  return { model: [...model], input: permute(x, [h, w, ic], [2, 0, 1]), wanted: outputs }
}

function numbers() {
  const image = { shape: [13, 15, 5], x: integers(13 * 15 * 5, 3, 7) }
  const filter = { shape: [3, 3, 5, 12], w: integers(3 * 3 * 5 * 12, 2, 3) }
  const sound = { shape: [64, 2], x: integers(64 * 2, 5, 3) }
  const echo = { shape: [7, 2, 4], w: integers(7 * 2 * 4, 3, 5) }
  const picture = { width: 20, height: 11, x: integers(20 * 11, 100, 37).map((value) => value + 100) }
  // Differences that stay within bytes, away from the border.
  const kernel = [
    [0, 1, 0],
    [0, -1, 0],
    [0, 1, 0],
  ]
  const clamp = (value) => Math.min(255, Math.max(0, value))
  const { y } = convolve(picture.x, [picture.height, picture.width, 1], kernel.flat(), [3, 3, 1, 1], 1)
  const dense = convolve(image.x, image.shape, filter.w, filter.shape, 2)
  const line = convolve(sound.x, [1, ...sound.shape], echo.w, [1, ...echo.shape], 1)
  return {
    conv2d: { ...image, filter, wanted: dense.y },
    conv1d: { ...sound, filter: echo, wanted: line.y },
    filter2d: { ...picture, kernel, wanted: y.map(clamp) },
    network: network(),
  }
}

/** Runs in every host; nothing of it but the language and the package. */
const CHECK = `
import { conv1d, conv2d, createEngine } from 'filterbank'
import { filter2d } from 'filterbank/image'
import { loadModel } from 'filterbank/onnx'
import { numbers } from './numbers.js'

/** Where two lists differ first; -1: nowhere. */
const differ = (got, wanted) => got.length === wanted.length ? wanted.findIndex((value, i) => got[i] !== value) : 0

export const picture = () => {
  const { width, height, x } = numbers.filter2d
  const data = Uint8ClampedArray.from({ length: 4 * x.length }, (_, i) => (i % 4 === 3 ? 255 : x[i >> 2]))
  return { data, width, height }
}

/** Red of what a filter gave, without the border. */
export const inner = (data) => {
  const { width, height } = numbers.filter2d
  const red = []
  for (let i = 1; i < height - 1; i++) for (let j = 1; j < width - 1; j++) red.push(data[4 * (i * width + j)])
  return red
}

/** @returns the build and threads that the host has, and the names of what came out wrong */
export async function check(options) {
  const engine = await createEngine(options)
  await engine.started
  const wrong = []
  const expect = (name, got, wanted) => {
    const i = differ(got, wanted)
    if (i >= 0) wrong.push(name + ': ' + got[i] + ' in place of ' + wanted[i] + ' at ' + i + ', ' + got.length + ' numbers')
  }
  for (const [name, op, options] of [['conv2d', conv2d, { stride: 2 }], ['conv1d', conv1d, {}]]) {
    const { x, shape, filter, wanted } = numbers[name]
    const y = op(engine.tensor(x, [1, ...shape]), engine.tensor(filter.w, filter.shape), options)
    expect(name, y.toArray(), wanted)
  }
  const { model: bytes, input, wanted } = numbers.network
  const model = await loadModel(engine, Uint8Array.from(bytes))
  // The first run prepares, the second records, the third replays.
  for (let run = 0; run < 3; run++) expect('model run ' + run, model.run({ picture: input }).scores.toArray(), wanted)
  expect('model.runAsync', (await model.runAsync({ picture: input })).scores.toArray(), wanted)
  const { kernel, wanted: edges } = numbers.filter2d
  expect('filter2d', inner(filter2d(picture(), kernel, { engine }).data), edges)
  const report = { simd: engine.simd, threads: engine.threads, why: engine.threadsReason, wrong }
  engine.dispose()
  return report
}
`

/** The same by filterbank/worker. */
const CHECK_WORKER = `
import { createWorker } from 'filterbank/worker'
import { check, inner, picture } from './check.js'
import { numbers } from './numbers.js'

export async function checkAll(options, workerOptions = options) {
  const report = await check(options)
  const worker = await createWorker(workerOptions)
  try {
    const { kernel, wanted: edges } = numbers.filter2d
    const { data } = await worker.filter('filter2d', picture(), { kernel, output: 'pixels' })
    if (String(inner(data)) !== String(edges)) report.wrong.push('the filter in a worker')
    const { model: bytes, input, wanted } = numbers.network
    const model = await worker.loadModel(Uint8Array.from(bytes))
    const { scores } = await model.run({ picture: input })
    if (String(scores.toArray()) !== String(wanted)) report.wrong.push('the model in a worker')
    return { ...report, worker: worker.threads }
  } finally {
    worker.dispose()
  }
}
`

/** Prints what a host found, for those that have a console. */
const MAIN = `
import { checkAll } from './checkAll.js'
checkAll().then((report) => console.log('REPORT ' + JSON.stringify(report)), (error) => {
  console.error(error)
  if (globalThis.process) process.exitCode = 1
})
`

/** For scripts that cannot import: in a global, as a classic worker wants it. */
const CLASSIC = `
import { check } from './check.js'
import { checkAll } from './checkAll.js'
Object.assign(globalThis, { check, checkAll })
`

/** Packs the package, and lays it with the checks into a folder, as a user's project has it. */
export async function prepare(folder) {
  const output = await run('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', folder], {
    cwd: root,
  })
  // npm 11 gives a list, npm 12 an object by package name.
  const [{ filename }] = Object.values(JSON.parse(output))
  const tarball = join(folder, filename)
  await write(folder)
  const at = join(folder, 'node_modules/filterbank')
  mkdirSync(at, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', at, '--strip-components=1'])
  for (const name of ['pngjs', 'jpeg-js'])
    cpSync(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true })
  await run(process.execPath, [join(root, 'tools/site.mjs'), join(folder, 'site')], { seconds: 600 })
  // By require, and in a script without modules.
  const options = { absWorkingDir: folder, logLevel: 'error' }
  for (const name of ['numbers', 'check', 'checkAll', 'main']) {
    const { outputFiles } = await build({
      ...{ ...options, entryPoints: [`${name}.js`], format: 'cjs', write: false },
    })
    writeFileSync(join(folder, `${name}.cjs`), outputFiles[0].text.replaceAll(/("\.\/\w+)\.js"/g, '$1.cjs"'))
  }
  await build({
    ...{
      ...options,
      entryPoints: ['classic.js'],
      outfile: 'classic.bundle.js',
      bundle: true,
      format: 'iife',
    },
  })
}

/** The checks as modules. */
export function write(folder) {
  const modules = { 'check.js': CHECK, 'checkAll.js': CHECK_WORKER, 'main.js': MAIN, 'classic.js': CLASSIC }
  for (const [name, text] of Object.entries(modules)) writeFileSync(join(folder, name), text)
  writeFileSync(join(folder, 'numbers.js'), `export const numbers = ${JSON.stringify(numbers())}\n`)
  writeFileSync(
    join(folder, 'package.json'),
    '{ "private": true, "type": "module", "dependencies": { "filterbank": "*" } }\n',
  )
}

/** The checks' texts with addresses of the package in place of its name, for pages without an import map. */
export const asAddresses = (folder, name) =>
  readFileSync(join(folder, name), 'utf8').replaceAll(/'filterbank(\/\w+)?'/g, (_, entry = '/index') =>
    JSON.stringify(`/node_modules/filterbank/dist${entry}.js`),
  )
