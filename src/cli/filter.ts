import { join, parse as parsePath } from 'node:path'
import { type Border, grayscale } from '../image/index.js'
import { createEngine, type Engine } from '../index.js'
import { wrongUsage } from '../node/failure.js'
import { readDeepPicture, writePicture } from '../node/picture.js'
import { version } from '../version.js'
import { type Command, engineLine, parse, timed } from './command.js'
import { kernelHelp, type Picture, parseKernels } from './kernels.js'

const borders: readonly string[] = ['zero', 'replicate', 'reflect', 'reflect101', 'wrap'] satisfies Border[]

/** The picture in shades of gray, as transparent as before. */
function grayed(engine: Engine, picture: Picture): Picture {
  const { data: gray } = grayscale(picture, { engine })
  const data = picture.data.slice()
  for (let i = 0; i < gray.length; i++) data.fill(gray[i]!, 4 * i, 4 * i + 3)
  return { ...picture, data }
}

export const filter: Command = {
  summary: 'applies image filters to photos (PNG or JPEG), each result a PNG',
  help: `Usage: filterbank filter IN... --kernel LIST [-o DIR] [--border B] [--gray]

Applies each kernel to each photo (PNG or JPEG) and writes IN-KERNEL.png. Red,
green and blue are filtered, as values from 0 to 1; results below 0 are black,
above 1 white; transparency stays, and what is transparent colours nothing. A
PNG of 16 bits gives one of 16 bits.

  -k, --kernel LIST  names with commas between, a number after a colon where
                     the kernel takes one: sobel,gaussian:2,emboss
                     or the numbers of one kernel: "0 -1 0; -1 5 -1; 0 -1 0"
                     or [[0, -1, 0], [-1, 5, -1], [0, -1, 0]], also in a .json
                     file; may be given several times
  -o, --output DIR   where the results go, by default the current folder
      --border B     how a picture goes on beyond its edges: zero, replicate,
                     reflect, reflect101 (the default) or wrap
      --gray         make the picture gray first
  -h, --help

Kernels:
${kernelHelp}

Example: filterbank filter photo.jpg --kernel sobel,gaussian:4 -o filtered`,
  async run(args) {
    const { values, positionals } = parse(args, {
      kernel: { type: 'string', short: 'k', multiple: true },
      output: { type: 'string', short: 'o', default: '.' },
      border: { type: 'string' },
      gray: { type: 'boolean', default: false },
    })
    if (!positionals.length)
      throw wrongUsage('filter needs a photo: filterbank filter photo.png --kernel sobel')
    if (!values.kernel) throw wrongUsage('filter needs --kernel: filterbank filter photo.png --kernel sobel')
    const border = values.border as Border | undefined
    if (border && !borders.includes(border))
      throw wrongUsage(`unknown border '${border}'; there are ${borders.join(', ')}`)
    const kernels = values.kernel.flatMap(parseKernels)

    using engine = await createEngine()
    console.log(`${engineLine(engine, version)}\n`)
    const written = new Set<string>()
    for (const path of positionals) {
      const photo = readDeepPicture(path)
      const picture = values.gray ? grayed(engine, photo) : photo
      for (const { name, apply } of kernels) {
        const [result, time] = timed(() => apply(picture, { engine, border }))
        const stem = join(values.output, `${parsePath(path).name}-${name}`)
        let target = `${stem}.png`
        for (let copy = 2; written.has(target); copy++) target = `${stem}-${copy}.png`
        written.add(target)
        writePicture(target, result)
        console.log(`${target}  ${result.width} x ${result.height}  ${time}`)
      }
    }
    return 0
  },
}
