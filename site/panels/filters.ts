/** Four filters over a picture, live; a pixel of it worked out; and the layer that the four make. */

import { draw, find, latest, make, milliseconds, Status, tell } from '../dom.js'
import { paint, put, type Scale } from '../maps.js'
import { canvasOf, fileOf, openCamera, readPicture, testPicture } from '../picture.js'
import type { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'
import { note, read, readInteger } from '../state.js'

type Filter = number[]
const round = (value: number) => Number(value.toFixed(4))

/** What a filter can be made by its name. */
const PRESETS: Record<string, Filter> = {
  'Leave as it is': [0, 0, 0, 0, 1, 0, 0, 0, 0],
  'Soft blur': [1, 2, 1, 2, 4, 2, 1, 2, 1].map((v) => round(v / 16)),
  'Box blur': new Array(9).fill(round(1 / 9)),
  Sharpen: [0, -1, 0, -1, 5, -1, 0, -1, 0],
  'Upright edges': [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  'Level edges': [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  'Slanting edges': [0, 1, 2, -1, 0, 1, -2, -1, 0],
  Outline: [-1, -1, -1, -1, 8, -1, -1, -1, -1],
  Emboss: [-2, -1, 0, -1, 1, 1, 0, 1, 2],
}
const FIRST = ['Soft blur', 'Sharpen', 'Upright edges', 'Level edges']
const nameOf = (filter: Filter) =>
  Object.keys(PRESETS).find((name) => PRESETS[name]!.join() === filter.join())

function filterIn(text: string, fallback: Filter): Filter {
  const numbers = text.split(',').map(Number)
  return numbers.length === 9 && numbers.every(Number.isFinite) && text ? numbers : [...fallback]
}

/** Filters that add up to nothing give numbers around 0, others a picture. */
function scaleOf(filter: Filter): Scale {
  const sum = filter.reduce((a, b) => a + b)
  const up = filter.reduce((total, v) => total + Math.max(0, v), 0)
  const signed = filter.some((v) => v < 0) && sum < 0.5
  return { signed, most: signed ? 255 * 0.6 * Math.max(up, 0.5) : 255 }
}

const rowsOf = (filter: Filter): number[][] => [0, 3, 6].map((at) => filter.slice(at, at + 3))

/** Luma of Rec. 601, to whole numbers: what a newcomer can add up by hand. */
function toGray(picture: ImageData): ImageData {
  const gray = new ImageData(picture.width, picture.height)
  const from = picture.data
  const to = new Int32Array(gray.data.buffer)
  for (let i = 0; i < to.length; i++) {
    const v = Math.round(0.299 * from[4 * i]! + 0.587 * from[4 * i + 1]! + 0.114 * from[4 * i + 2]!)
    to[i] = (255 << 24) | (v << 16) | (v << 8) | v
  }
  return gray
}

interface Layer {
  shape: number[]
  data: Float32Array
  ms: number
}

export class Filters {
  private readonly panel = find('#filters')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet: Snippet
  private readonly filters = FIRST.map((name, i) => filterIn(read(`filter${i + 1}`), PRESETS[name]!))
  private chosen = readInteger('filter', 3, 1, 4) - 1
  private split = readInteger('split', 40, 0, 100)
  private at: [number, number]
  private picture = testPicture()
  private gray = toGray(this.picture)
  private layer: Layer | undefined
  private maps: ImageData[] = []
  private closeCamera: (() => void) | undefined
  private readonly before = find<HTMLCanvasElement>('[data-before]', this.panel)
  private readonly after = find<HTMLCanvasElement>('[data-after]', this.panel)
  private readonly cards: {
    card: HTMLElement
    map: HTMLCanvasElement
    select: HTMLSelectElement
    inputs: HTMLInputElement[]
  }[] = []
  private readonly sheets: HTMLCanvasElement[] = []
  readonly run: () => Promise<void>

  constructor(private readonly runner: Runner) {
    this.at = [readInteger('x', 458, 0, 4095), readInteger('y', 180, 0, 4095)]
    this.run = latest(() => this.once())
    this.snippet = new Snippet(this.panel, this.run)
    this.snippet.use('filters')
    this.makeBank()
    this.makeStage()
    this.makeSources()
  }

  /** The picture that other experiments look at too. */
  get shown(): ImageData {
    return this.picture
  }

  private makeBank(): void {
    const bank = find('[data-bank]', this.panel)
    const sheets = find('.sheets', this.panel)
    this.filters.forEach((_, i) => {
      const map = make('canvas')
      const inputs = Array.from({ length: 9 }, (_, k) =>
        make('input', {
          type: 'text',
          inputmode: 'text',
          'aria-label': `Filter ${i + 1}, row ${Math.floor(k / 3) + 1}, column ${(k % 3) + 1}`,
          input: () => this.edit(i, k),
          focus: () => this.choose(i),
        }),
      )
      const select: HTMLSelectElement = make(
        'select',
        { 'aria-label': `Filter ${i + 1}`, change: () => this.preset(i, select.value) },
        ...[...Object.keys(PRESETS), 'Your own'].map((name) => make('option', {}, name)),
      )
      const card = make(
        'div',
        { class: 'filter', role: 'group', 'aria-label': `Filter ${i + 1}` },
        make(
          'button',
          { type: 'button', class: 'map', 'aria-label': `Show filter ${i + 1}`, click: () => this.choose(i) },
          map,
        ),
        select,
        make('div', { class: 'weights' }, ...inputs),
      )
      bank.append(card)
      this.cards.push({ card, map, select, inputs })
      const sheet = make('canvas', { style: `--at: ${i}`, 'aria-hidden': 'true' })
      this.sheets.push(sheet)
      sheets.append(sheet)
      this.fill(i)
    })
    this.choose(this.chosen)
  }

  /** Shows the numbers of a filter in its fields. */
  private fill(i: number): void {
    const { inputs, select } = this.cards[i]!
    inputs.forEach((input, k) => {
      input.value = tell(this.filters[i]![k]!, 4).replace('−', '-')
      input.removeAttribute('aria-invalid')
    })
    select.value = nameOf(this.filters[i]!) ?? 'Your own'
  }

  private preset(i: number, name: string): void {
    if (PRESETS[name]) this.filters[i] = [...PRESETS[name]]
    this.fill(i)
    this.changed(i)
  }

  private edit(i: number, k: number): void {
    const { inputs, select } = this.cards[i]!
    const input = inputs[k]!
    const value = Number(input.value.trim().replace(',', '.').replace('−', '-') || Number.NaN)
    if (!Number.isFinite(value)) {
      input.setAttribute('aria-invalid', 'true')
      this.status.fail(`Filter ${i + 1} has a field that is no number: ${input.value || 'it is empty'}.`)
      return
    }
    input.removeAttribute('aria-invalid')
    this.filters[i]![k] = value
    select.value = nameOf(this.filters[i]!) ?? 'Your own'
    this.changed(i)
  }

  private changed(i: number): void {
    note(`filter${i + 1}`, this.filters[i]!.join(), PRESETS[FIRST[i]!]!.join())
    this.choose(i)
    this.run()
  }

  private choose(i: number): void {
    this.chosen = i
    note('filter', i + 1, 3)
    for (const [k, { card }] of this.cards.entries()) card.classList.toggle('chosen', k === i)
    this.showChosen()
  }

  private makeStage(): void {
    const split = find<HTMLInputElement>('[data-split]', this.panel)
    split.value = String(this.split)
    split.addEventListener('input', () => {
      this.split = Number(split.value)
      note('split', this.split, 40)
      this.showSplit()
    })
    this.showSplit()
    const point = ({ offsetX, offsetY }: MouseEvent) => {
      const { clientWidth, clientHeight } = this.after
      const { width, height } = this.gray
      this.look(Math.floor((offsetX / clientWidth) * width), Math.floor((offsetY / clientHeight) * height))
    }
    this.after.addEventListener('pointermove', point)
    this.after.addEventListener('pointerdown', point)
    this.after.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? 10 : 1
      const move = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step],
      }[event.key]
      if (!move) return
      event.preventDefault()
      this.look(this.at[0] + move[0]!, this.at[1] + move[1]!)
    })
    const stage = find('[data-stage]', this.panel)
    stage.addEventListener('dragover', (event) => {
      event.preventDefault()
      stage.classList.add('over')
    })
    stage.addEventListener('dragleave', () => stage.classList.remove('over'))
    stage.addEventListener('drop', (event) => {
      event.preventDefault()
      stage.classList.remove('over')
      this.attempt(async () => readPicture(fileOf(event.dataTransfer)))
    })
  }

  private makeSources(): void {
    const [test, camera] = ['test', 'camera'].map((name) =>
      find<HTMLButtonElement>(`[data-picture=${name}]`, this.panel),
    ) as [HTMLButtonElement, HTMLButtonElement]
    const photo = find<HTMLInputElement>('[data-photo]', this.panel)
    test.addEventListener('click', () => this.attempt(async () => testPicture(), test))
    photo.addEventListener('change', () => {
      const [file] = photo.files ?? []
      if (file) this.attempt(() => readPicture(file))
      photo.value = ''
    })
    camera.addEventListener('click', async () => {
      if (this.closeCamera) {
        this.stopCamera()
        return
      }
      this.status.say('Waiting for the camera …')
      try {
        this.closeCamera = await openCamera((frame) => {
          this.take(frame)
          return this.run()
        })
        this.press(camera)
        camera.textContent = 'Stop camera'
      } catch (error) {
        this.status.fail(error)
      }
    })
    addEventListener('pagehide', () => this.stopCamera())
  }

  private press(button?: HTMLButtonElement): void {
    for (const each of this.panel.querySelectorAll('[data-picture]'))
      each.setAttribute('aria-pressed', String(each === button))
  }

  private stopCamera(): void {
    this.closeCamera?.()
    this.closeCamera = undefined
    const camera = find('[data-picture=camera]', this.panel)
    camera.textContent = 'Camera'
    camera.setAttribute('aria-pressed', 'false')
  }

  private async attempt(open: () => Promise<ImageData>, button?: HTMLButtonElement): Promise<void> {
    try {
      const picture = await open()
      this.stopCamera()
      this.press(button)
      this.take(picture)
      await this.run()
      this.panel.dispatchEvent(new CustomEvent('picture'))
    } catch (error) {
      this.status.fail(error)
    }
  }

  private take(picture: ImageData): void {
    this.picture = picture
    this.gray = toGray(picture)
  }

  private async once(): Promise<void> {
    const { gray } = this
    const filters = this.filters.map(rowsOf)
    this.snippet.given(
      `const engine = await createEngine() // from 'filterbank'
const picture = { data, width: ${gray.width}, height: ${gray.height} } // RGBA bytes
const filters = [
${filters.map((filter) => `  [${filter.map((row) => `[${row.join(', ')}]`).join(', ')}],`).join('\n')}
]`,
    )
    const picture = { data: gray.data, width: gray.width, height: gray.height }
    try {
      let shown: Layer | undefined
      await this.runner.run(
        { kind: 'maps', code: this.snippet.code, given: { picture, filters } },
        (layer: Layer) => {
          shown = layer
        },
      )
      this.show(shown)
    } catch (error) {
      this.status.fail(error)
    }
  }

  private show(layer: Layer | undefined): void {
    const { width, height } = this.gray
    const [n, h, w, channels = 0] = layer?.shape ?? []
    if (!layer || n !== 1 || h !== height || w !== width || channels < 1)
      throw new Error(
        `The code has to show() a tensor [1, ${height}, ${width}, channels]${layer ? `, and showed [${layer.shape}]` : ''}.`,
      )
    this.layer = layer
    this.repaint()
    this.status.say(
      `${channels} filters over ${width} × ${height} pixels: ${milliseconds(layer.ms)}, with all copies.`,
    )
    find('[data-stack-size]', this.panel).textContent = `height ${h} × width ${w} × ${channels} channels`
  }

  /** Paints what was computed, as after a change of colours. */
  repaint(): void {
    if (!this.layer) return
    const { shape, data } = this.layer
    const [, height, width, channels] = shape as [number, number, number, number]
    this.maps = this.filters
      .slice(0, channels)
      .map((filter, i) => paint(data, { first: i, step: channels, width, height }, scaleOf(filter)))
    this.maps.forEach((map, i) => {
      put(this.cards[i]!.map, map)
      put(this.sheets[i]!, map)
    })
    put(this.before, this.picture)
    this.showChosen()
  }

  private showChosen(): void {
    const map = this.maps[this.chosen]
    if (map) put(this.after, map)
    this.look(...this.at)
  }

  private showSplit(): void {
    this.after.style.clipPath = `inset(0 0 0 ${this.split}%)`
    find('[data-divide]', this.panel).style.left = `${this.split}%`
  }

  /** Works out one pixel: the window under it, the filter, the products, the sum. */
  private look(x: number, y: number): void {
    const { width, height, data } = this.gray
    x = Math.max(0, Math.min(width - 1, x))
    y = Math.max(0, Math.min(height - 1, y))
    if (x !== this.at[0] || y !== this.at[1]) {
      note('x', x, 458)
      note('y', y, 180)
    }
    this.at = [x, y]
    const aim = find<SVGSVGElement>('[data-aim]', this.panel)
    aim.setAttribute('viewBox', `0 0 ${width} ${height}`)
    aim.setAttribute('preserveAspectRatio', 'none')
    aim.replaceChildren(draw('rect', { x: x - 4, y: y - 4, width: 9, height: 9 }))
    const filter = this.filters[this.chosen]!
    const values = filter.map((_, k) => {
      const [column, row] = [x + (k % 3) - 1, y + Math.floor(k / 3) - 1]
      const isInside = column >= 0 && row >= 0 && column < width && row < height
      return isInside ? data[4 * (row * width + column)]! : 0
    })
    const products = values.map((v, k) => v * filter[k]!)
    const most = Math.max(1, ...products.map(Math.abs))
    const largest = Math.max(0.001, ...filter.map(Math.abs))
    const sum = this.layer?.data[(y * width + x) * this.layer.shape[3]! + this.chosen] ?? 0
    const bySign = (share: number) =>
      `background: color-mix(in srgb, var(${share < 0 ? '--minus-map' : '--plus-map'}) ${Math.round(Math.abs(share) * 38)}%, transparent)`
    const table = (caption: string, cells: number[], style: (v: number) => string) =>
      make(
        'table',
        {},
        make('caption', {}, caption),
        make(
          'tbody',
          {},
          ...[0, 3, 6].map((at) =>
            make('tr', {}, ...cells.slice(at, at + 3).map((v) => make('td', { style: style(v) }, tell(v)))),
          ),
        ),
      )
    const sign = (text: string) => make('span', { class: 'sign' }, text)
    find('[data-sum]', this.panel).replaceChildren(
      table('pixels', values, (v) => `background: rgb(${v} ${v} ${v}); color: ${v > 128 ? '#111' : '#fff'}`),
      sign('×'),
      table(`filter ${this.chosen + 1}`, filter, (v) => bySign(v / largest)),
      sign('='),
      table('products', products, (v) => bySign(v / most)),
      make(
        'p',
        {},
        'All nine together: ',
        make('strong', { 'data-number': sum, class: sum < 0 ? 'minus' : sum > 0 ? 'plus' : '' }, tell(sum)),
        make(
          'span',
          { class: 'note' },
          make('br'),
          `The pixel at column ${x}, row ${y}. Point at the picture, or move there with Tab and the arrow keys.`,
        ),
      ),
    )
  }

  /** The picture at a size, for models. */
  static scaled(picture: ImageData, longest: number): ImageData {
    const scale = Math.min(1, longest / Math.max(picture.width, picture.height))
    const [from, context] = canvasOf(picture.width, picture.height)
    context.putImageData(picture, 0, 0)
    const [w, h] = [Math.round(picture.width * scale), Math.round(picture.height * scale)]
    const [, to] = canvasOf(w, h)
    to.drawImage(from, 0, 0, w, h)
    return to.getImageData(0, 0, w, h)
  }
}
