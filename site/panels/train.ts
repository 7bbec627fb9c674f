/** Networks that learn while one looks on: in a worker of their own, stopped, asked and taken along at will. */

import { download, draw, find, make, Status, tell } from '../dom.js'
import { strip } from '../maps.js'
import { Pad, SIDE, showShares } from '../pad.js'
import { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'
import { note, read } from '../state.js'

const SHAPES = ['disc', 'ring', 'square', 'triangle', 'star', 'cross', 'moon', 'heart', 'arrow', 'bars']
const DIGITS = [...'0123456789']

const TASKS = {
  digits: {
    label: 'Digits',
    snippet: 'classify',
    classes: DIGITS,
    text: 'Nobody writes down the filters of a network. It begins with noise, guesses, is told the right answer, and every number moves a little to where the error, the loss, is smaller. Watch the filters of the first layer go from noise to edges and strokes, then draw a digit.',
  },
  shapes: {
    label: 'Shapes',
    snippet: 'classify',
    classes: SHAPES,
    text: 'The same network on ten shapes, turned, scaled, bright or dark, under noise: harder, and its first filters become edges of every direction.',
  },
  denoise: {
    label: 'Denoise',
    snippet: 'denoise',
    text: 'A network that takes noise away. It sees clean digits under noise that is new each time, and learns to say what of a picture is noise; what is left after taking that off is the answer.',
  },
  gan: {
    label: 'GAN',
    snippet: 'gan',
    text: 'Two networks against each other: a generator makes digits out of random numbers, a judge tells them from real ones, and both get better. The losses go up and down; the pictures tell how it goes. Each column is asked for one digit.',
  },
  policy: {
    label: 'Policy',
    snippet: 'policy',
    text: 'A network that learns to play from pixels. It moves a basket to catch a ball that walls turn aside, among birds and stars that mean nothing, and hears at the end of each game alone whether it won. Its loss says little; watch how many games it wins.',
  },
} as const
type Task = keyof typeof TASKS
const tasks = Object.keys(TASKS) as Task[]

const GAME: Record<string, string> = {
  ball: '#ff5c58',
  basket: '#58a6ff',
  wall: '#a0a6b2',
  bird: '#debe5a',
  star: '#4a5264',
}
const NIGHT = '#181c26'
const CELL = 20
const FIELD = 12

type Numbers = Float32Array<ArrayBuffer> | { shape: number[]; data: Float32Array<ArrayBuffer> }
const numbersOf = (numbers: Numbers): Float32Array => (ArrayBuffer.isView(numbers) ? numbers : numbers.data)

interface News {
  losses: number[]
  steps?: number
  filters?: { shape: number[]; data: Float32Array }
  prediction?: Float32Array
  pictures?: Record<string, Numbers>
  film?: { frames: [kind: string, at: number][][]; won: boolean }
  epoch?: number
  accuracy?: number
  won?: number
}

export class Train {
  private readonly panel = find('#train')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet = new Snippet(this.panel, () => this.run())
  private readonly runner = new Runner()
  private readonly pad: Pad
  private readonly buttons = Object.fromEntries(
    ['start', 'stop', 'download'].map((name) => [name, find(`[data-${name}]`, this.panel)]),
  ) as Record<'start' | 'stop' | 'download', HTMLButtonElement>
  private task: Task = read('task', 'digits', tasks)
  private losses: number[] = []
  private won: number[] = []
  private film: News['film']
  private filmTimer: ReturnType<typeof setInterval> | undefined
  private running = false
  private trained: Task | undefined
  private readonly drawings: { task: Task; picture: Float32Array; label: number }[] = []

  constructor(private readonly drawer: Runner) {
    this.makeTasks()
    this.pad = new Pad(
      find('[data-pad]', this.panel),
      () => this.padChanged(),
      () => this.example(),
    )
    this.buttons.start.addEventListener('click', () => this.run())
    this.buttons.stop.addEventListener('click', () => {
      this.status.say('Stopping …')
      this.runner.stop()
    })
    this.buttons.download.addEventListener('click', () => this.save())
    find<HTMLFormElement>('[data-teach]', this.panel).addEventListener('submit', (event) => {
      event.preventDefault()
      this.teach()
    })
    this.choose(this.task)
  }

  private makeTasks(): void {
    const group = find('[data-tasks]', this.panel)
    for (const task of tasks) {
      const button = make(
        'button',
        { type: 'button', role: 'radio', 'data-task': task, click: () => this.choose(task) },
        TASKS[task].label,
      )
      group.append(button)
    }
    group.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key]
      if (!step || this.running) return
      event.preventDefault()
      this.choose(tasks[(tasks.indexOf(this.task) + step + tasks.length) % tasks.length]!)
      find(`[data-task=${this.task}]`, group).focus()
    })
  }

  private get classes(): readonly string[] | undefined {
    const task = TASKS[this.task]
    return 'classes' in task ? task.classes : undefined
  }

  private choose(task: Task): void {
    if (this.running && task !== this.task) {
      this.status.fail('Something is learning: stop it first.')
      return
    }
    this.task = task
    note('task', task, 'digits')
    for (const button of this.panel.querySelectorAll<HTMLElement>('[data-task]')) {
      button.setAttribute('aria-checked', String(button.dataset['task'] === task))
      button.tabIndex = button.dataset['task'] === task ? 0 : -1
    }
    find('[data-task-text]', this.panel).textContent = TASKS[task].text
    this.snippet.use(TASKS[task].snippet)
    const { classes } = this
    find('[data-try]', this.panel).hidden = !classes
    find('[data-filters-figure]', this.panel).hidden = !classes
    if (classes) {
      find('[data-label]', this.panel).replaceChildren(
        ...classes.map((name, i) => make('option', { value: i }, name)),
      )
      find('[data-pad-title]', this.panel).textContent = `Your turn: draw one of the ten ${task}`
      this.pad.clear()
    }
    this.clear()
    this.showGiven()
    this.status.say('')
  }

  private showGiven(): void {
    const { classes } = this
    const count = this.drawings.filter(({ task }) => task === this.task).length
    this.snippet.given(
      `const engine = await createEngine() // from 'filterbank', in a worker${
        classes
          ? `\nconst subject = '${this.task}'\nconst drawings = { inputs, labels } // yours: ${count || 'none yet'}`
          : ''
      }`,
    )
  }

  private clear(): void {
    this.losses = []
    this.won = []
    clearInterval(this.filmTimer)
    this.film = undefined
    find('[data-pictures]', this.panel).replaceChildren()
    find('[data-more]', this.panel).textContent = ''
    const loss = find('[data-loss]', this.panel)
    loss.dataset['loss'] = ''
    loss.textContent = '–'
    find<HTMLProgressElement>('[data-progress]', this.panel).value = 0
    const canvas = find<HTMLCanvasElement>('[data-filters]', this.panel)
    canvas.width = 16 * 8
    canvas.height = 2 * 8
    this.showCurve()
    if (this.trained !== this.task)
      find('[data-answer]', this.panel).replaceChildren(
        make('p', { class: 'note' }, 'Train it first, then it tells what it takes your drawing for.'),
      )
    this.buttons.download.disabled = this.trained !== this.task
  }

  private async run(): Promise<void> {
    if (this.running) return
    this.running = true
    this.trained = undefined
    this.clear()
    this.buttons.start.disabled = true
    this.buttons.stop.disabled = false
    this.status.say('Drawing what it learns from …')
    const mine = this.drawings.filter(({ task }) => task === this.task)
    const inputs = new Float32Array(mine.length * SIDE * SIDE)
    for (const [i, { picture }] of mine.entries()) inputs.set(this.asInput(picture), i * SIDE * SIDE)
    const drawings = { inputs, labels: Int32Array.from(mine, ({ label }) => label) }
    const started = performance.now()
    try {
      await this.runner.run(
        {
          kind: 'train',
          code: this.snippet.code,
          given: this.classes ? { subject: this.task, drawings } : {},
        },
        (news: News) => this.show(news),
      )
      this.status.say(
        `Learned in ${tell((performance.now() - started) / 1000, 1)} s, ${this.losses.length} steps.`,
      )
    } catch (error) {
      if (error instanceof Error && error.message === 'Stopped.')
        this.status.say(`Stopped after ${this.losses.length} steps; what it learned stays.`)
      else this.status.fail(error)
    } finally {
      this.running = false
      if (this.losses.length) this.trained = this.task
      this.buttons.start.disabled = false
      this.buttons.stop.disabled = true
      this.buttons.download.disabled = !this.trained
      if (this.trained && this.classes) this.ask()
    }
  }

  private show(news: News): void {
    const { losses, steps, filters, prediction, pictures, film, epoch, accuracy, won } = news
    for (const loss of losses) this.losses.push(loss)
    if (won !== undefined && losses.length) this.won.push(won)
    const last = this.losses.at(-1)
    if (last !== undefined) {
      // A mean of some: a step alone jumps.
      const some = this.losses.slice(-12)
      const mean = some.reduce((a, b) => a + b) / some.length
      const output = find('[data-loss]', this.panel)
      output.dataset['loss'] = String(mean)
      output.textContent = mean.toFixed(mean < 0.1 ? 4 : 3)
      this.status.say(`Step ${this.losses.length}${steps ? ` of ${steps}` : ''}`)
      if (steps) find<HTMLProgressElement>('[data-progress]', this.panel).value = this.losses.length / steps
      this.showCurve()
    }
    const more: string[] = []
    if (accuracy !== undefined)
      more.push(
        `after round ${epoch} it knows ${(100 * accuracy).toFixed(1)} % of digits it never saw`.replace(
          'digits',
          this.task,
        ),
      )
    if (this.won.length) {
      const some = this.won.slice(-15)
      more.push(`wins ${Math.round((100 * some.reduce((a, b) => a + b)) / some.length)} % of its games`)
    }
    if (more.length) find('[data-more]', this.panel).textContent = more.join('; ')
    if (filters) this.showFilters(filters)
    if (prediction && this.pad.picture) this.showPrediction(prediction)
    if (pictures) this.showPictures(pictures)
    if (film) this.showFilm(film)
  }

  private showCurve(): void {
    const [width, height, margin] = [600, 180, 8]
    const { losses } = this
    const home = find('[data-curve]', this.panel)
    const low = Math.min(0, ...losses)
    const high = Math.max(...losses.slice(0, 400), ...losses.slice(-400), low + 1e-6)
    const step = Math.max(1, Math.ceil(losses.length / 600))
    const place = (value: number, i: number) =>
      `${(margin + (i / Math.max(1, losses.length - 1)) * (width - 2 * margin)).toFixed(1)},${(height - margin - ((value - low) / (high - low)) * (height - 2 * margin)).toFixed(1)}`
    const raw: string[] = []
    const smooth: string[] = []
    let mean = losses[0] ?? 0
    losses.forEach((value, i) => {
      mean += (value - mean) * Math.min(1, Math.max(0.12, 1 / (i + 1)))
      if (i % step && i < losses.length - 1) return
      raw.push(place(value, i))
      smooth.push(place(mean, i))
    })
    home.replaceChildren(
      draw(
        'svg',
        {
          viewBox: `0 0 ${width} ${height}`,
          preserveAspectRatio: 'none',
          role: 'img',
          'aria-label': losses.length
            ? `The loss over ${losses.length} steps, from ${losses[0]!.toFixed(3)} to ${losses.at(-1)!.toFixed(3)}`
            : 'The loss, once it learns',
        },
        draw('polyline', { class: 'raw', points: raw.join(' ') }),
        draw('polyline', { class: 'smooth', points: smooth.join(' ') }),
      ),
    )
  }

  private lastFilters: News['filters']
  private showFilters(filters: { shape: number[]; data: Float32Array }): void {
    this.lastFilters = filters
    const [height, width, channels, count] = filters.shape as [number, number, number, number]
    const maps = new Float32Array(count * height * width)
    for (let map = 0; map < count; map++)
      for (let i = 0; i < height * width; i++)
        maps[map * height * width + i] = filters.data[i * channels * count + map]!
    strip(
      find<HTMLCanvasElement>('[data-filters]', this.panel),
      maps,
      { count, height, width },
      { columns: Math.min(8, count), gap: 1, signed: true },
    )
    const canvas = find<HTMLCanvasElement>('[data-filters]', this.panel)
    canvas.dataset['spread'] = String(Math.max(...maps.map(Math.abs)))
  }

  /** Shows the filters again, as after a change of colours. */
  repaint(): void {
    if (this.lastFilters) this.showFilters(this.lastFilters)
  }

  private showPictures(pictures: Record<string, Numbers>): void {
    find('[data-pictures]', this.panel).replaceChildren(
      ...Object.entries(pictures).map(([name, given]) => {
        const values = numbersOf(given)
        const count = values.length / (SIDE * SIDE)
        const isSigned = this.task === 'gan'
        const canvas = make('canvas', { role: 'img', 'aria-label': `${count} pictures: ${name}` })
        strip(
          canvas,
          isSigned ? values.map((v) => (v + 1) / 2) : values,
          { count, height: SIDE, width: SIDE },
          { columns: Math.min(10, count), gap: 2, scales: { signed: false, most: 1 } },
        )
        return make('figure', {}, make('figcaption', {}, name), canvas)
      }),
    )
  }

  private showFilm(film: NonNullable<News['film']>): void {
    const first = !this.film
    this.film = film
    if (!first) return
    const canvas = make('canvas', {
      class: 'film',
      width: FIELD * CELL,
      height: FIELD * CELL,
      role: 'img',
      'aria-label': 'A game as the network plays it now',
    })
    const caption = make('figcaption', {}, 'It plays')
    const legend = make(
      'div',
      { class: 'film-legend' },
      ...Object.entries(GAME).map(([kind, color]) =>
        make('span', {}, make('i', { style: `background: ${color}` }), kind),
      ),
    )
    find('[data-pictures]', this.panel).replaceChildren(make('figure', {}, caption, canvas, legend))
    const context = canvas.getContext('2d')!
    let [frame, playing] = [0, film]
    this.filmTimer = setInterval(() => {
      if (frame >= playing.frames.length + 3) {
        frame = 0
        playing = this.film ?? playing
      }
      context.fillStyle = NIGHT
      context.fillRect(0, 0, canvas.width, canvas.height)
      for (const [kind, at] of playing.frames[Math.min(frame, playing.frames.length - 1)]!) {
        context.fillStyle = GAME[kind]!
        context.fillRect((at % FIELD) * CELL + 1, Math.floor(at / FIELD) * CELL + 1, CELL - 2, CELL - 2)
      }
      if (frame === playing.frames.length - 1)
        caption.textContent = playing.won ? 'It plays: caught' : 'It plays: missed'
      else if (frame === 0) caption.textContent = 'It plays'
      frame++
    }, 140)
  }

  /** A drawing as the data of a task has its numbers. */
  private asInput(picture: Float32Array): Float32Array {
    return this.task === 'shapes' ? picture.map((v) => 2.4 * v - 1.2) : picture.map((v) => 2 * v - 1)
  }

  private async example(): Promise<Float32Array> {
    let picture = new Float32Array(SIDE * SIDE)
    const seed = Math.floor(1e6 * Math.random())
    const code =
      this.task === 'shapes'
        ? "import { drawShapes } from './shapes.mjs'\nshow(drawShapes(1 + (seed % 10), seed).inputs.slice(-784))"
        : "import { drawDigits } from './digits.mjs'\nshow(drawDigits(1 + (seed % 10), seed).pictures.slice(-784))"
    await this.drawer.run({ kind: 'values', code, given: { seed } }, (numbers: Float32Array<ArrayBuffer>) => {
      picture = numbers
    })
    return picture
  }

  private padChanged(): void {
    if (!this.pad?.picture) return
    const probe = this.asInput(this.pad.picture)
    this.runner.tell({ probe })
    if (!this.running && this.trained === this.task) this.ask()
  }

  private async ask(): Promise<void> {
    if (!this.pad.picture) return
    try {
      this.showPrediction(await this.runner.ask<Float32Array>('predict', this.asInput(this.pad.picture)))
    } catch (error) {
      this.status.fail(error)
    }
  }

  private showPrediction(shares: Float32Array): void {
    const { classes } = this
    if (!classes || shares.length !== classes.length) return
    const best = shares.indexOf(Math.max(...shares))
    showShares(find('[data-answer]', this.panel), shares, (i) => classes[i]!, {
      sorted: false,
      title: `It says: ${classes[best]}`,
    })
  }

  private teach(): void {
    const taught = find('[data-taught]', this.panel)
    if (!this.pad.picture) {
      taught.textContent = 'Draw something first.'
      return
    }
    const label = Number(find<HTMLSelectElement>('[data-label]', this.panel).value)
    this.drawings.push({ task: this.task, picture: this.pad.picture, label })
    const count = this.drawings.filter(({ task }) => task === this.task).length
    taught.textContent = `${count} of yours will count twelvefold when it trains again.`
    this.showGiven()
    this.pad.clear()
  }

  private async save(): Promise<void> {
    try {
      download(`${this.task}.onnx`, await this.runner.ask<Uint8Array<ArrayBuffer>>('export'))
    } catch (error) {
      this.status.fail(error)
    }
  }
}
