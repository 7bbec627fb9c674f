/** A model's answer to a photo. */
import { join, parse as parsePath } from 'node:path'
import { createEngine, Tensor } from '../index.js'
import { Failure, wrongUsage } from '../node/failure.js'
import { readBytes, readPicture, writePicture } from '../node/picture.js'
import type { AnyModelOutputs, ModelMap, ModelOutput } from '../onnx/index.js'
import { version } from '../version.js'
import { classesOf, numbersOf, parseLabels, pictureOf, shareBeyond } from './answer.js'
import { type Command, engineLine, parse } from './command.js'
import { feed, fitted, onlyInput, parseRange, pictureOptions, scalingOf, swapped } from './feed.js'
import { writeMaps } from './maps.js'
import { oneModel, openModel, parseDimensions, parseSize, printLengths, printPort } from './model.js'
import { progress } from './progress.js'

/** Share of a picture's numbers beyond black and white from which on the range is hardly the right one. */
const MOST_BEYOND = 0.5

function readLabels(path: string): string[] {
  try {
    return parseLabels(readBytes(path).toString())
  } catch (error) {
    if (error instanceof Failure) throw error
    throw new Failure(`cannot read ${path}: it is no list of labels`)
  }
}

/** Whether an output is a map: of numbers or texts, never functions. */
const isMap = (output: ModelOutput | ModelMap): output is ModelMap => typeof output.toArray !== 'function'

/** The likeliest classes, a line each. */
function printClasses(
  output: ModelOutput,
  top: number,
  labels: readonly string[] | undefined,
  path: string | undefined,
): string[] | undefined {
  const classes = classesOf(output)
  if (classes && labels && labels.length !== classes.length)
    throw new Failure(`${path} has ${labels.length} labels, and ${output.name} ${classes.length} classes`)
  return classes
    ?.slice(0, top)
    .map(
      ({ index, probability }) =>
        `${(100 * probability).toFixed(2).padStart(8)} %  ${labels?.[index] ?? `class ${index}`}`,
    )
}

export const run: Command = {
  summary: "gives a model a photo, and tells or draws the model's answer",
  help: `Usage: filterbank run MODEL.onnx --image PHOTO [--labels FILE] [-o DIR]

Gives an ONNX model a photo (PNG or JPEG) and prints what comes out: of a
classifier the likeliest classes, of others shapes and ranges; an output that
is a picture is written as PHOTO-OUTPUT.png.

  MODEL.onnx              a file, or a URL to fetch it from
  -i, --image PHOTO
      --labels FILE       names of the classes: one a line, or JSON
      --top N             how many classes, by default 5
      --size WxH          of the picture where the model takes any, by default
                          its own; where it takes one size, it gets that
      --crop              cut the middle out instead of changing proportions
      --range BLACK,WHITE values of black and white in the model, by default
                          0,1; many take 0,255 or -1,1
      --mean A[,B,C]      subtracted then, from all channels or from each
      --std A[,B,C]       what the difference is divided by
      --bgr               blue first, as Caffe's and OpenCV's models take it
      --output-range BLACK,WHITE
                          of pictures that come out, by default --range
      --dimensions LIST   lengths that the model leaves open, by their names:
                          batch=1
      --feature-maps DIR  write a contact sheet of each layer
  -o, --output DIR        where pictures go, by default the current folder
  -h, --help

Examples:
  filterbank run squeezenet.onnx -i cat.jpg --labels imagenet.txt --crop \\
    --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  filterbank run candy.onnx -i photo.jpg --range 0,255 -o painted`,
  async run(args) {
    const { values, positionals } = parse(args, {
      image: { type: 'string', short: 'i' },
      labels: { type: 'string' },
      top: { type: 'string', default: '5' },
      ...pictureOptions,
      'output-range': { type: 'string' },
      dimensions: { type: 'string' },
      'feature-maps': { type: 'string' },
      output: { type: 'string', short: 'o', default: '.' },
    })
    const path = oneModel('run', positionals)
    if (values.image === undefined)
      throw wrongUsage('run needs --image: filterbank run model.onnx --image photo.jpg')
    if (!/^[1-9]\d*$/.test(values.top))
      throw wrongUsage(`--top takes a number of at least 1, got '${values.top}'`)
    const [size, dimensions] = [parseSize(values.size), parseDimensions(values.dimensions)]
    const outputRange =
      values['output-range'] === undefined ? undefined : parseRange('output-range', values['output-range'])
    const labels = values.labels === undefined ? undefined : readLabels(values.labels)
    const photo = readPicture(values.image)

    using engine = await createEngine()
    console.log(`${engineLine(engine, version)}\n`)
    const start = performance.now()
    using model = await openModel(engine, path, dimensions)
    console.log(`${path}  loaded in ${Math.round(performance.now() - start)} ms`)
    const input = onlyInput(path, model)
    const scaling = scalingOf(input, values)
    const picture = fitted(photo, input, size, values.crop)
    const { port } = input
    console.log(
      `${values.image}  ${photo.width} x ${photo.height} -> ${picture.width} x ${picture.height}, to ${port.name} ${printPort(port)}`,
    )

    const fed = feed(engine, picture, input, scaling)
    const inputs = { [port.name]: fed }
    const before = performance.now()
    const outputs = await (async () => {
      using line = progress(`running ${path}`)
      return model.runAsync(inputs, { onProgress: ({ done, total, node }) => line.at(done / total, node) })
    })()
    console.log(`answer in ${Math.round(performance.now() - before)} ms`)

    // Of a sequence one after the other, of nothing a line that says so.
    const entries = Object.entries(outputs as AnyModelOutputs).flatMap(([name, output]) =>
      Array.isArray(output)
        ? output.map((item, i) => [`${name}[${i}]`, item] as const)
        : [[name, output] as const],
    )
    for (const [name, output] of entries) {
      if (!output) {
        console.log(`\n${name} none`)
        continue
      }
      if (isMap(output)) {
        console.log(`\n${name} ${JSON.stringify(output)}`)
        continue
      }
      const lines = printClasses(output, Number(values.top), labels, values.labels)
      console.log(
        `\n${name} ${output.type} ${printLengths(output.shape)}${lines ? '' : `: ${numbersOf(output)}`}`,
      )
      for (const line of lines ?? []) console.log(line)
      const range = outputRange ?? ([scaling.low, scaling.high] as const)
      const drawn = pictureOf(output, range)
      if (!drawn) continue
      const target = join(
        values.output,
        `${parsePath(values.image).name}-${name.replace(/[^\w.-]+/g, '-')}.png`,
      )
      writePicture(target, scaling.bgr ? swapped(drawn) : drawn)
      console.log(`${target}  ${drawn.width} x ${drawn.height}`)
      const beyond = shareBeyond(output, range)
      if (beyond > MOST_BEYOND)
        console.log(
          `hint: ${Math.round(100 * beyond)} % of it lies outside of ${range.join(' to ')}: see --range and --output-range`,
        )
    }
    if (values['feature-maps'] !== undefined) {
      console.log()
      await writeMaps(engine, model, inputs, values['feature-maps'], (line) => console.log(line))
    }
    if (fed instanceof Tensor) fed.dispose()
    return 0
  },
}
