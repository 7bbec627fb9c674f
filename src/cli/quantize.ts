/** An 8-bit model of a float one, by photos. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, extname, join } from 'node:path'
import { createEngine, Tensor } from '../index.js'
import { Failure, reasonOf, wrongUsage } from '../node/failure.js'
import { readPicture } from '../node/picture.js'
import { type QuantizeOptions, quantizeModel, type Sample } from '../onnx/index.js'
import { version } from '../version.js'
import { type Command, engineLine, parse } from './command.js'
import { feed, fitted, onlyInput, pictureOptions, scalingOf } from './feed.js'
import { oneModel, openModel, parseSize, reading } from './model.js'
import { progress } from './progress.js'
import { count, table } from './table.js'

const EXTENSIONS = ['.png', '.jpg', '.jpeg']
const METHODS = ['minmax', 'percentile', 'entropy', 'dynamic']

function picturesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => EXTENSIONS.includes(extname(name).toLowerCase()))
      .sort()
      .map((name) => join(folder, name))
  } catch (error) {
    throw new Failure(`cannot read ${folder}: ${reasonOf(error)}`)
  }
}

export const quantize: Command = {
  summary: 'makes an 8-bit model of a float one, by photos',
  help: `Usage: filterbank quantize MODEL.onnx --images DIR -o OUT.onnx

Makes a model of bytes of a float ONNX model: smaller, mostly faster, and run by
ONNX Runtime too. Photos like those that will come show what its layers
compute; a table tells what each layer loses.

  MODEL.onnx              a file, or a URL to fetch it from
      --images DIR        PNG and JPEG files, in folders of it too: at least 8
  -o, --output FILE       the model to write
      --method NAME       of the ranges: ${METHODS.join(', ')};
                          by default what measures best
      --per-tensor        one scale for all channels of a layer's weights
      --weight-bits N     8 or 7, by default 8
      --tolerance ERROR   relative error at the outputs from which on layers
                          are left in float, by default 0.1
      --limit N           photos to take at most, by default 200
      --size WxH          of the pictures where the model takes any
      --crop              cut the middle out instead of changing proportions
      --range BLACK,WHITE values of black and white in the model, by default
                          0,1; many take 0,255 or -1,1
      --mean A[,B,C]      subtracted then, from all channels or from each
      --std A[,B,C]       what the difference is divided by
      --bgr               blue first
  -h, --help

Example:
  filterbank quantize squeezenet.onnx --images photos -o squeezenet-8.onnx \\
    --crop --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225`,
  async run(args) {
    const { values, positionals } = parse(args, {
      images: { type: 'string' },
      output: { type: 'string', short: 'o' },
      method: { type: 'string' },
      'per-tensor': { type: 'boolean', default: false },
      'weight-bits': { type: 'string', default: '8' },
      tolerance: { type: 'string', default: '0.1' },
      limit: { type: 'string', default: '200' },
      ...pictureOptions,
    })
    const path = oneModel('quantize', positionals)
    const { images, output, method } = values
    if (images === undefined || output === undefined)
      throw wrongUsage(
        'quantize needs --images and -o: filterbank quantize model.onnx --images photos -o small.onnx',
      )
    if (method !== undefined && !METHODS.includes(method))
      throw wrongUsage(`--method takes ${METHODS.join(', ')}, got '${method}'`)
    if (!/^[78]$/.test(values['weight-bits']))
      throw wrongUsage(`--weight-bits takes 7 or 8, got '${values['weight-bits']}'`)
    if (!/^[1-9]\d*$/.test(values.limit))
      throw wrongUsage(`--limit takes a number of at least 1, got '${values.limit}'`)
    const tolerance = values.tolerance.trim() ? Number(values.tolerance) : Number.NaN
    if (!(tolerance >= 0 && Number.isFinite(tolerance)))
      throw wrongUsage(`--tolerance takes a number of at least 0, got '${values.tolerance}'`)
    const size = parseSize(values.size)
    const pictures = picturesIn(images).slice(0, Number(values.limit))
    if (pictures.length === 0) throw new Failure(`${images} has no PNG or JPEG files`)

    using engine = await createEngine()
    console.log(`${engineLine(engine, version)}\n`)
    const samples: Sample[] = []
    {
      using model = await openModel(engine, path, {})
      const input = onlyInput(path, model)
      const scaling = scalingOf(input, values)
      using line = progress('reading pictures')
      for (const [i, file] of pictures.entries()) {
        line.at(i / pictures.length, file)
        const fed = feed(engine, fitted(readPicture(file), input, size, values.crop), input, scaling)
        if (fed instanceof Tensor) {
          samples.push({ [input.port.name]: { data: fed.toArray(), shape: fed.shape } })
          fed.dispose()
        } else samples.push({ [input.port.name]: fed })
      }
    }
    const options = {
      ...(method !== undefined && { method: method as NonNullable<QuantizeOptions['method']> }),
      perChannel: !values['per-tensor'],
      weightBits: Number(values['weight-bits']) as 7 | 8,
      tolerance,
    }
    const { bytes, report } = await (async () => {
      using line = progress(`quantizing ${path}`)
      return reading(path, () =>
        quantizeModel(engine, path, samples, {
          ...options,
          onProgress: ({ done, stage }) => line.at(done, stage),
        }),
      )
    })()
    try {
      mkdirSync(dirname(output), { recursive: true })
      writeFileSync(output, bytes)
    } catch (error) {
      throw new Failure(`cannot write ${output}: ${reasonOf(error)}`)
    }
    const percent = (share: number) => `${(100 * share).toFixed(2)} %`
    console.log(
      table(
        [
          { head: 'layer', kind: 'text' },
          { head: 'operator', kind: 'text' },
          { head: 'type', kind: 'text' },
          { head: 'error', kind: 'number' },
          { head: 'bytes before', kind: 'number' },
          { head: 'after', kind: 'number' },
          { head: 'times as fast', kind: 'number' },
        ],
        report.layers.map((layer) => [
          layer.name,
          layer.op,
          layer.type,
          percent(layer.error),
          count(layer.bytesBefore),
          count(layer.bytesAfter),
          layer.speedup?.toFixed(2) ?? '',
        ]),
        process.stdout.columns,
      ),
    )
    for (const { name, reason } of report.layers) if (reason) console.log(`${name} stays in float: ${reason}`)
    const how = [report.method, report.equalized && 'equalised', report.biasCorrected && 'biases corrected']
    console.log(`\n${how.filter(Boolean).join(', ')}; error at the outputs ${percent(report.error)}`)
    console.log(`${output}  ${count(report.bytesAfter)} bytes of ${count(report.bytesBefore)}`)
    return 0
  },
}
