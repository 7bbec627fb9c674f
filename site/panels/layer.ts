/** The settings of a layer on a few pixels: how large the output is, and what each of its pixels sees. */

import { draw, find, latest, make, Status, tell } from '../dom.js'
import type { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'
import { note, read, readInteger } from '../state.js'

const KINDS = {
  convolution: 'Convolution',
  maximum: 'Max pooling',
  average: 'Average pooling',
  transposed: 'Transposed',
} as const
type Kind = keyof typeof KINDS
const kinds = Object.keys(KINDS) as Kind[]

/** What can be set: its name, what it is called, bounds, and where it begins. */
const SETTINGS = [
  ['size', 'Input', 3, 12, 8],
  ['window', 'Window', 1, 5, 3],
  ['stride', 'Stride', 1, 4, 1],
  ['padding', 'Padding', 0, 3, 0],
  ['dilation', 'Dilation', 1, 3, 1],
] as const
type Setting = (typeof SETTINGS)[number][0]

const WHAT: Record<Kind, string> = {
  convolution:
    'Each output pixel is the sum of the pixels under its window, each times the number of the filter there.',
  maximum:
    'Each output pixel is the largest of the pixels under its window. What is a little out of place stays the same.',
  average: 'Each output pixel is the mean of the pixels under its window, padding apart.',
  transposed:
    'The other way round: each input pixel is spread over a window of the output, times the filter. Where windows overlap, they add up. Networks that draw pictures grow them so.',
}

/** A ring on a slope: whole numbers from 0 to 9. */
function pictureOf(size: number): number[][] {
  const middle = (size - 1) / 2
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => {
      const distance = Math.hypot(x - middle, y - middle) / (size / 2)
      return Math.round(8 * Math.exp(-(((distance - 0.6) / 0.28) ** 2)) + (x + y) / (2 * size))
    }),
  )
}

const binomial = (n: number): number[] =>
  n === 1
    ? [1]
    : Array.from({ length: n }, (_, i) => (binomial(n - 1)[i - 1] ?? 0) + (binomial(n - 1)[i] ?? 0))

/** An edge from left to right, smooth downwards (Sobel's, for 3); for one that spreads, a smooth dot. */
function filterOf(window: number, kind: Kind): number[][] {
  const smooth = binomial(window)
  const edge =
    kind === 'transposed' || window < 2
      ? smooth
      : Array.from({ length: window }, (_, i) => {
          const short = binomial(window - 1)
          return (short[i - 1] ?? 0) - (short[i] ?? 0)
        })
  return smooth.map((a) => edge.map((b) => a * b))
}

/** A map of what is drawn: cells with numbers, and how a pixel of it is told apart. */
interface Cells {
  values: (number | undefined)[][]
  /** Rows and columns of padding around. */
  ring?: number
  seen?: ReadonlySet<string>
  at?: string
  point?: (row: number, column: number) => void
  label: string
}

const key = (row: number, column: number): string => `${row},${column}`

export class LayerPanel {
  private readonly panel = find('#layer')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet: Snippet
  private kind: Kind = read('kind', 'convolution', kinds)
  private readonly settings = Object.fromEntries(
    SETTINGS.map(([name, , low, high, first]) => [name, readInteger(name, first, low, high)]),
  ) as Record<Setting, number>
  private at: [number, number] = [readInteger('row', 1, 0, 99), readInteger('column', 1, 0, 99)]
  private output: number[][] | undefined
  readonly run: () => Promise<void>

  constructor(private readonly runner: Runner) {
    this.run = latest(() => this.once())
    this.snippet = new Snippet(this.panel, this.run)
    this.makeKinds()
    this.makeSliders()
  }

  private makeKinds(): void {
    const group = find('[data-kind]', this.panel)
    const buttons = kinds.map((kind) =>
      make(
        'button',
        { type: 'button', role: 'radio', 'data-choice': kind, click: () => choose(kind) },
        KINDS[kind],
      ),
    )
    const choose = (kind: Kind) => {
      this.kind = kind
      note('kind', kind, 'convolution')
      show()
      this.run()
    }
    const show = () =>
      buttons.forEach((button, i) => {
        button.setAttribute('aria-checked', String(kinds[i] === this.kind))
        button.tabIndex = kinds[i] === this.kind ? 0 : -1
      })
    group.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
      if (!step) return
      event.preventDefault()
      const next = (kinds.indexOf(this.kind) + step + kinds.length) % kinds.length
      choose(kinds[next]!)
      buttons[next]!.focus()
    })
    group.append(...buttons)
    show()
  }

  private makeSliders(): void {
    find('[data-sliders]', this.panel).append(
      ...SETTINGS.map(([name, label, low, high, first]) => {
        const output = make('output', {}, this.settings[name])
        const input = make('input', {
          type: 'range',
          min: low,
          max: high,
          value: this.settings[name],
          'data-setting': name,
          input: () => {
            this.settings[name] = Number(input.value)
            output.textContent = input.value
            note(name, input.value, first)
            this.run()
          },
        })
        return make('label', { 'data-for': name }, make('span', {}, label), output, input)
      }),
    )
  }

  private get dilation(): number {
    return this.kind === 'average' ? 1 : this.settings.dilation
  }

  /** Which input pixels the output pixel (row, column) is made of, by the place of the filter that joins them. */
  private *seen(row: number, column: number): Generator<{ y: number; x: number; ky: number; kx: number }> {
    const { size, window, stride, padding } = this.settings
    const { dilation } = this
    for (let ky = 0; ky < window; ky++) {
      for (let kx = 0; kx < window; kx++) {
        let [y, x] = [row * stride - padding + ky * dilation, column * stride - padding + kx * dilation]
        if (this.kind === 'transposed') {
          y = (row + padding - ky * dilation) / stride
          x = (column + padding - kx * dilation) / stride
          if (!Number.isInteger(y) || !Number.isInteger(x) || y < 0 || x < 0 || y >= size || x >= size)
            continue
        }
        yield { y, x, ky, kx }
      }
    }
  }

  private async once(): Promise<void> {
    const { size, window, stride, padding } = this.settings
    const { dilation, kind } = this
    const [input, filter] = [pictureOf(size), filterOf(window, kind)]
    const isPool = kind === 'maximum' || kind === 'average'
    this.snippet.use(kind)
    const rows = (matrix: number[][]) => matrix.map((row) => `  [${row.join(', ')}],`).join('\n')
    const numbers: Record<string, number> = { size, window, stride, padding }
    if (kind !== 'average') numbers['dilation'] = dilation
    this.snippet.given(
      `const engine = await createEngine() // from 'filterbank'
const [${Object.keys(numbers).join(', ')}] = [${Object.values(numbers).join(', ')}]
const input = [
${rows(input)}
]${isPool ? '' : `\nconst filter = [\n${rows(filter)}\n]`}`,
    )
    find('[data-for=dilation]', this.panel).classList.toggle('off', kind === 'average')
    find<HTMLInputElement>('[data-setting=dilation]', this.panel).disabled = kind === 'average'
    find('[data-filter-figure]', this.panel).hidden = isPool
    try {
      const given = { ...numbers, input, ...(isPool ? {} : { filter }) }
      let shown: { shape: number[]; data: Float32Array } | undefined
      await this.runner.run({ kind: 'values', code: this.snippet.code, given }, (y: typeof shown) => {
        shown = y
      })
      const [, h = 0, w = 0] = shown?.shape ?? []
      this.output = Array.from({ length: h }, (_, y) =>
        Array.from({ length: w }, (_, x) => shown!.data[y * w + x]!),
      )
      this.status.say('')
    } catch (error) {
      this.output = undefined
      const message = error instanceof Error ? error.message : String(error)
      const reach = dilation * (window - 1) + 1
      this.status.fail(
        reach > size + 2 * padding && kind !== 'transposed'
          ? `The window reaches over ${reach} pixels, and input and padding have ${size + 2 * padding}: make one smaller or the other larger. (${message})`
          : message,
      )
    }
    this.showFormula()
    this.point(...this.at)
  }

  /** Output pixels along a side, by the settings. */
  private get length(): number {
    const { size, window, stride, padding } = this.settings
    const reach = this.dilation * (window - 1)
    return this.kind === 'transposed'
      ? (size - 1) * stride - 2 * padding + reach + 1
      : Math.floor((size + 2 * padding - reach - 1) / stride) + 1
  }

  private showFormula(): void {
    const { size, window, stride, padding } = this.settings
    const d = this.dilation
    const [words, filled] =
      this.kind === 'transposed'
        ? [
            'output = (input − 1) · stride − 2 · padding + dilation · (window − 1) + 1',
            `(${size} − 1) · ${stride} − 2 · ${padding} + ${d} · (${window} − 1) + 1`,
          ]
        : [
            'output = ⌊(input + 2 · padding − dilation · (window − 1) − 1) / stride⌋ + 1',
            `⌊(${size} + 2 · ${padding} − ${d} · (${window} − 1) − 1) / ${stride}⌋ + 1`,
          ]
    find('[data-formula]', this.panel).replaceChildren(
      make('div', {}, words),
      make(
        'div',
        {},
        `${' '.repeat(7)}= ${filled} = `,
        make('b', { 'data-length': this.length }, Math.max(0, this.length)),
      ),
    )
  }

  /** Lights up what an output pixel was made of, and works it out. */
  private point(row: number, column: number): void {
    const { size, window, padding } = this.settings
    const last = (this.output?.length ?? 0) - 1
    const clamp = (v: number) => Math.max(0, Math.min(last, v))
    this.at = [clamp(row), clamp(column)]
    note('row', this.at[0], 1)
    note('column', this.at[1], 1)
    const input = pictureOf(size)
    const filter = filterOf(window, this.kind)
    const taps = this.output?.length ? [...this.seen(...this.at)] : []
    const isTransposed = this.kind === 'transposed'
    this.draw('[data-input]', {
      values: input,
      ring: isTransposed ? 0 : padding,
      seen: new Set(taps.map(({ y, x }) => key(y, x))),
      label: `Input of ${size} × ${size} pixels`,
    })
    find('[data-input-size]', this.panel).textContent =
      `Input ${size} × ${size}${padding && !isTransposed ? `, padded by ${padding}` : ''}`
    find('[data-filter-size]', this.panel).textContent = `Filter ${window} × ${window}`
    this.draw('[data-filter]', {
      values: filter,
      seen: new Set(taps.map(({ ky, kx }) => key(ky, kx))),
      label: `Filter of ${window} × ${window} numbers`,
    })
    const length = this.output?.length ?? 0
    find('[data-output-size]', this.panel).textContent = `Output ${length} × ${length}`
    this.draw('[data-output]', {
      values: this.output ?? [],
      at: key(...this.at),
      point: (y, x) => this.point(y, x),
      label: `Output of ${length} × ${length} pixels; arrow keys move among them`,
    })
    this.explain(taps, input, filter)
  }

  private explain(
    taps: { y: number; x: number; ky: number; kx: number }[],
    input: number[][],
    filter: number[][],
  ): void {
    const value = this.output?.[this.at[0]]?.[this.at[1]]
    const explain = find('[data-explain]', this.panel)
    if (value === undefined) {
      explain.textContent = WHAT[this.kind]
      return
    }
    const inside = taps.flatMap(({ y, x, ky, kx }) => {
      const pixel = input[y]?.[x]
      return pixel === undefined ? [] : [{ pixel, weight: filter[ky]![kx]! }]
    })
    const signed = (v: number) => (v < 0 ? `(${tell(v)})` : tell(v))
    const numbers = inside.map(({ pixel }) => pixel)
    const terms = {
      maximum: `the largest of ${numbers.join(', ')}`,
      average: `(${numbers.join(' + ')}) / ${numbers.length}`,
      convolution: inside.map(({ pixel, weight }) => `${pixel}·${signed(weight)}`).join(' + ') || '0',
      transposed: inside.map(({ pixel, weight }) => `${pixel}·${signed(weight)}`).join(' + ') || '0',
    }[this.kind]
    const outside = taps.length - inside.length
    explain.textContent = `${WHAT[this.kind]} Row ${this.at[0] + 1}, column ${this.at[1] + 1}: ${terms} = ${tell(value)}. It sees ${inside.length} of ${input.length ** 2} pixels${outside ? ` and ${outside} of the padding, which ${this.kind === 'convolution' ? 'are 0' : 'do not count'}` : ''}.`
  }

  private draw(place: string, { values, ring = 0, seen, at, point, label }: Cells): void {
    const home = find(place, this.panel)
    const rows = values.length
    const side = rows + 2 * ring
    const most = Math.max(1, ...values.flat().map((v) => Math.abs(v ?? 0)))
    const cells: SVGElement[] = []
    for (let row = -ring; row < rows + ring; row++) {
      for (let column = -ring; column < rows + ring; column++) {
        const value = values[row]?.[column]
        const name = key(row, column)
        const share = value === undefined ? 0 : value / most
        const rect = draw('rect', {
          x: column + ring + 0.04,
          y: row + ring + 0.04,
          width: 0.92,
          height: 0.92,
          rx: 0.08,
          'data-cell': name,
          class: [
            value === undefined ? 'padding' : '',
            seen?.has(name) ? 'seen' : '',
            at === name ? 'at' : '',
          ].join(' '),
        })
        if (value !== undefined)
          rect.style.fill = `color-mix(in srgb, var(${share < 0 ? '--minus-map' : '--plus-map'}) ${Math.round(Math.abs(share) * 75)}%, var(--card))`
        // Under a pointer that rests, a new drawing is entered anew.
        if (point && at !== name)
          for (const event of ['pointerenter', 'pointerdown'])
            rect.addEventListener(event, () => point(row, column))
        if (seen?.has(name) || at === name) cells.push(rect)
        else cells.unshift(rect)
        if (value !== undefined && side <= 16)
          cells.push(draw('text', { x: column + ring + 0.5, y: row + ring + 0.52 }, tell(value, 1)))
      }
    }
    const svg = draw(
      'svg',
      {
        viewBox: `-0.1 -0.1 ${Math.max(1, side) + 0.2} ${Math.max(1, side) + 0.2}`,
        role: 'img',
        'aria-label': label,
      },
      ...cells,
    )
    if (point) {
      svg.setAttribute('tabindex', '0')
      svg.addEventListener('keydown', (event) => {
        const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[
          event.key
        ]
        if (!move) return
        event.preventDefault()
        point(this.at[0] + move[0]!, this.at[1] + move[1]!)
      })
    }
    const hadFocus = home.contains(document.activeElement)
    home.replaceChildren(svg)
    if (hadFocus) svg.focus()
  }
}
