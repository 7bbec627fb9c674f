/** A model in a worker: a row for each of its layers, with maps, time, algorithm and reason; and its answer. */

import { digits } from 'site:assets'
import type { LayerSummary, ModelOutput, ModelOutputs } from 'filterbank/onnx'
import { createWorker, type FilterbankWorker, type WorkerInput, type WorkerModel } from 'filterbank/worker'
import { find, latest, make, milliseconds, Status } from '../dom.js'
import { compile } from '../evaluate.js'
import { paint, put, scaleOf } from '../maps.js'
import { Pad, SIDE, showShares } from '../pad.js'
import { groupsOf, Rows } from '../rows.js'
import type { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'
import { note, read, readInteger } from '../state.js'
import { Filters } from './filters.js'

/** A side that an input says nothing about, and the pictures that are sent in. */
const OPEN_SIDE = 224

/** What an input's numbers are, of a picture. */
const VALUES: Record<string, object> = {
  unit: {},
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  bytes: { range: [0, 255] },
  signed: { range: [-1, 1] },
}

type Port = WorkerModel['inputs'][number]

/** What an input is, of pictures: its channels and size; undefined for others. */
function pictureSize({ shape, type }: Port): { channels: 1 | 3; size: [number, number] } | undefined {
  if (
    shape?.length !== 4 ||
    !/^(float|u?int8)/.test(type) ||
    (typeof shape[0] === 'number' && shape[0] !== 1)
  )
    return
  const isCount = (length: unknown): length is 1 | 3 => length === 1 || length === 3
  const first = isCount(shape[1])
  const channels = first ? shape[1] : shape[3]
  if (!isCount(channels)) return
  const sides = first ? shape.slice(2) : shape.slice(1, 3)
  const [h, w] = sides.map((side) => (typeof side === 'number' ? side : OPEN_SIDE))
  return { channels, size: [h!, w!] }
}

/** Numbers for what is no picture: noise for floats, zeros for others; open lengths are 1. */
function filler({ name, shape, type }: Port): WorkerInput {
  const lengths = (shape ?? []).map((length) => (typeof length === 'number' ? length : 1))
  const size = lengths.reduce((a, b) => a * b, 1)
  let state = 1
  const noise = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
  if (type.startsWith('float')) return { data: Float32Array.from({ length: size }, noise), shape: lengths }
  if (type === 'int64') return { data: new BigInt64Array(size), shape: lengths }
  if (type === 'int32') return { data: new Int32Array(size), shape: lengths }
  if (['bool', 'uint8', 'int8'].includes(type)) return { data: new Uint8Array(size), shape: lengths }
  throw new Error(
    `The model's input “${name}” takes ${type}, which this page cannot make up. Run it from code.`,
  )
}

interface Shown {
  answer: ModelOutputs
  layers: LayerSummary[]
}

export class Network {
  private readonly panel = find('#network')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet: Snippet
  private readonly pad: Pad
  private readonly values = find<HTMLSelectElement>('[data-values]', this.panel)
  private worker: FilterbankWorker | undefined
  private model: WorkerModel | undefined
  private name = 'digits'
  private shown: Shown | undefined
  private readonly rows = new Rows(find('[data-layers]', this.panel))
  readonly run: () => Promise<void>

  constructor(
    runner: Runner,
    private readonly filters: Filters,
  ) {
    this.run = latest(() => this.once())
    this.snippet = new Snippet(this.panel, this.run)
    this.snippet.use('network')
    let seed = readInteger('digit', 3, 0, 999)
    this.pad = new Pad(find('[data-pad]', this.panel), this.run, async () => {
      let picture = new Float32Array(SIDE * SIDE)
      const code =
        "import { drawDigits } from './digits.mjs'\nshow(drawDigits(seed + 1, seed).pictures.slice(-784))"
      await runner.run({ kind: 'values', code, given: { seed } }, (numbers: Float32Array<ArrayBuffer>) => {
        picture = numbers
      })
      note('digit', seed, 3)
      seed = (seed + 1) % 1000
      return picture
    })
    this.values.value = read('values', 'unit', Object.keys(VALUES))
    this.values.addEventListener('change', () => {
      note('values', this.values.value, 'unit')
      this.run()
    })
    const file = find<HTMLInputElement>('[data-file]', this.panel)
    file.addEventListener('change', () => {
      const [chosen] = file.files ?? []
      if (chosen) this.open(chosen)
      file.value = ''
    })
    find('[data-model=digits]', this.panel).addEventListener('click', () => this.openDigits())
    this.panel.addEventListener('dragover', (event) => event.preventDefault())
    this.panel.addEventListener('drop', (event) => {
      event.preventDefault()
      const dropped = event.dataTransfer?.files[0]
      if (dropped) this.open(dropped)
      else this.status.fail('There was no file in this. Drop an .onnx file from a folder of this machine.')
    })
    find('#filters').addEventListener('picture', () => this.usesPicture && this.run())
  }

  /** The network that comes with the page, and a digit for it. */
  async openDigits(): Promise<void> {
    await this.open(new File([digits], 'digits'))
    await this.pad.showExample()
    await this.run()
  }

  private get usesPad(): boolean {
    const picture = this.model?.inputs.length === 1 ? pictureSize(this.model.inputs[0]!) : undefined
    return picture?.channels === 1 && picture.size[0] <= 64
  }

  private get usesPicture(): boolean {
    return !this.usesPad && Boolean(this.model?.inputs.some(pictureSize))
  }

  private async open(file: File): Promise<void> {
    this.status.say(`Reading ${file.name} …`)
    try {
      this.worker ??= await createWorker()
      const model = await this.worker.loadModel(file, {
        onProgress: ({ loaded, total }) =>
          this.status.say(`Reading ${file.name}: ${Math.round((100 * loaded) / (total || file.size))} %`),
      })
      this.model?.dispose()
      this.model = model
      this.name = file.name
      this.rows.forget()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.status.fail(
        /\.onnx$/i.test(file.name) || file.name === 'digits'
          ? `${file.name} is no model that filterbank can load: ${message}`
          : `${file.name} is no ONNX model. Export yours as .onnx (torch.onnx.export, tf2onnx, saveOnnx) and open that. (${message})`,
      )
      return
    }
    find('[data-model=digits]', this.panel).setAttribute('aria-pressed', String(this.name === 'digits'))
    find('[data-values-field]', this.panel).hidden =
      this.name === 'digits' || !this.model.inputs.some(pictureSize)
    find('[data-pad]', this.panel).hidden = !this.usesPad
    const figure = find('.pad-figure', this.panel)
    figure.querySelector('.picture')?.remove()
    find('[data-input-title]', this.panel).textContent = this.usesPad
      ? 'Write a digit here'
      : this.usesPicture
        ? 'The picture of the first experiment'
        : 'It takes no picture: its inputs are made up'
    if (this.usesPicture)
      figure.append(
        make('canvas', { class: 'picture', role: 'img', 'aria-label': 'What the network looks at' }),
      )
    if (this.name !== 'digits') await this.run()
  }

  /** The model's inputs, and how they look as code. */
  private inputs(model: WorkerModel): [inputs: Record<string, WorkerInput>, text: string] {
    const inputs: Record<string, WorkerInput> = {}
    const lines: string[] = []
    for (const port of model.inputs) {
      const picture = pictureSize(port)
      if (!picture) {
        inputs[port.name] = filler(port)
        lines.push(`  '${port.name}': made up, ${port.type} [${port.shape?.join(', ') ?? ''}]`)
        continue
      }
      const values = this.name === 'digits' ? VALUES['signed']! : VALUES[this.values.value]!
      const fit = this.usesPad ? {} : ({ size: picture.size, fit: 'cover' } as const)
      const image = this.usesPad ? this.padPixels() : Filters.scaled(this.filters.shown, 640)
      const options = { ...fit, ...(picture.channels === 1 && 'mean' in values ? {} : values) }
      inputs[port.name] = { image, ...options }
      const told = Object.entries(options).map(
        ([name, value]) => `${name}: ${JSON.stringify(value).replaceAll('"', "'").replaceAll(',', ', ')}`,
      )
      lines.push(`  '${port.name}': { ${[`image`, ...told].join(', ')} }`)
    }
    return [inputs, lines.join(',\n')]
  }

  private padPixels(): { data: Uint8ClampedArray<ArrayBuffer>; width: number; height: number } {
    const { picture } = this.pad
    const data = new Uint8ClampedArray(4 * SIDE * SIDE).fill(255)
    for (let i = 0; i < SIDE * SIDE; i++) data.fill(255 * (picture?.[i] ?? 0), 4 * i, 4 * i + 3)
    return { data, width: SIDE, height: SIDE }
  }

  private async once(): Promise<void> {
    const { model } = this
    if (!model) return
    try {
      const [inputs, text] = this.inputs(model)
      this.snippet.given(
        `import { createWorker } from 'filterbank/worker'

const worker = await createWorker()
const model = await worker.loadModel(file) // ${this.name}${this.name === 'digits' ? '.onnx, of this page' : ''}
const inputs = {
${text},
}`,
      )
      const show = ({ answer, layers, maps }: Partial<Shown> & { maps?: ModelOutputs }) => {
        if (model !== this.model) return
        if (answer && layers) {
          this.shown = { answer, layers }
          this.showAll()
        }
        if (maps) this.rows.fill(maps)
      }
      await compile(this.snippet.code, {}).run({ model, inputs, groupsOf, show })
    } catch (error) {
      if (model !== this.model) return
      this.status.fail(error)
    }
  }

  /** Shows it all again, as after a change of colours. */
  showAll(): void {
    if (!this.shown) return
    const { layers, answer } = this.shown
    const total = layers.reduce((sum, { milliseconds: ms = 0 }) => sum + ms, 0)
    const parameters = layers.reduce((sum, layer) => sum + layer.parameters, 0)
    const products = layers.reduce((sum, { multiplyAdds = 0 }) => sum + multiplyAdds, 0)
    const many = (value: number) =>
      Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 }).format(value)
    find('[data-total]', this.panel).textContent =
      `${layers.length} layers, ${many(parameters)} numbers learned, ${many(products)} multiplications and ${milliseconds(total)} for an answer.`
    this.status.say(this.usesPad ? '' : `${this.name} has run.`)
    const picture = this.panel.querySelector<HTMLCanvasElement>('canvas.picture')
    if (picture) put(picture, Filters.scaled(this.filters.shown, 448))
    this.showAnswer(answer)
    this.rows.show(layers)
  }

  private showAnswer(answer: ModelOutputs): void {
    const home = find('[data-answer]', this.panel)
    const first = Object.values(answer)[0] as ModelOutput | undefined
    if (!first) {
      home.replaceChildren('The model gives nothing.')
      return
    }
    const values = Float64Array.from(first.toArray() as ArrayLike<number>, Number)
    const { shape } = first
    const flat = shape.filter((length) => length > 1)
    if (flat.length <= 1 && values.length > 1 && values.length <= 100_000) {
      const most = Math.max(...values)
      const isShares =
        values.every((v) => v >= 0 && v <= 1) && Math.abs(values.reduce((a, b) => a + b) - 1) < 0.01
      const powers = values.map((v) => Math.exp(v - most))
      const sum = powers.reduce((a, b) => a + b)
      const shares = isShares ? values : powers.map((v) => v / sum)
      const isDigits = this.name === 'digits'
      const best = shares.indexOf(Math.max(...shares))
      const isEmpty = this.usesPad && !this.pad.picture
      showShares(home, shares, (i) => (isDigits ? String(i) : `class ${i}`), {
        sorted: !isDigits,
        title: isEmpty ? 'Write something' : isDigits ? `This is a ${best}` : `Class ${best}`,
      })
      return
    }
    const canvas = make('canvas', { role: 'img', 'aria-label': `The output ${first.name}` })
    const [, channels = 0, height = 0, width = 0] = shape
    const isPicture = shape.length === 4 && shape[0] === 1 && height * width > 16
    if (isPicture && channels === 3) {
      const most = Math.max(1, ...scaleRange(values))
      const image = new ImageData(width, height)
      for (let i = 0; i < height * width; i++)
        image.data.set(
          [0, 1, 2].map((c) => (values[c * height * width + i]! * 255) / (most > 2 ? 255 : 1)).concat(255),
          4 * i,
        )
      put(canvas, image)
    } else if (isPicture) put(canvas, paint(values, { width, height }, scaleOf(values, 0, width * height)))
    home.replaceChildren(
      make('p', { class: 'big' }, `${first.name}: ${first.type} [${shape.join(', ')}]`),
      isPicture
        ? canvas
        : make(
            'p',
            {},
            `${[...values.slice(0, 12)].map((v) => Number(v.toPrecision(4))).join(', ')}${values.length > 12 ? ', …' : ''}`,
          ),
    )
  }
}

const scaleRange = (values: Float64Array): [number, number] => {
  const { most } = scaleOf(values)
  return [most, most]
}
