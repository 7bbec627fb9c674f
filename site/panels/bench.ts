/** This machine's peak, and layers of known networks beside it. */

import { peak, peersAreHere } from 'site:assets'
import { find, make, milliseconds, Status } from '../dom.js'
import { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'

interface Row {
  line: string
  name: string
  kind: string
  operations: number
  bytes: number
  results?: Record<string, { ms: number; low: number; high: number }>
  algorithm?: string
  wrong?: string
  missing?: string
}

interface News {
  start?: { peak: number; features: string; contenders: { name: string; version: string }[] }
  row?: Row
  refused?: string
}

const PEERS_HERE =
  'The others are onnxruntime-web and TensorFlow.js, each on one thread; they take turns with filterbank, and their answers are compared. Their files have tens of megabytes.'
const PEERS_ELSEWHERE =
  'To measure onnxruntime-web and TensorFlow.js in turns with these layers, install them in the repository with “npm run bench -- --peers”, build the page again, and open it from a host.'

/** They wait for memory: their share of the peak says nothing. */
const isMemoryBound = (kind: string): boolean => ['linear', 'pooling', 'softmax'].includes(kind)

export class Bench {
  private readonly panel = find('#bench')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet = new Snippet(this.panel, () => this.run())
  private readonly runner = new Runner()
  private readonly start = find<HTMLButtonElement>('[data-start]', this.panel)
  private readonly stop = find<HTMLButtonElement>('[data-stop]', this.panel)
  private readonly beside = find<HTMLButtonElement>('[data-beside]', this.panel)
  private most = 0
  private names: string[] = []
  /** Peers that do not start here, and why. */
  private refused: string[] = []

  constructor() {
    this.snippet.use('bench')
    this.snippet.given(
      '// host: the package, the binary that measures the peak, and peers where there are any',
    )
    this.start.addEventListener('click', () => this.run())
    this.stop.addEventListener('click', () => this.runner.stop())
    // Workers load modules of the page's own host; a file has none.
    const isHosted = location.protocol.startsWith('http')
    this.beside.hidden = !(peersAreHere && isHosted)
    this.beside.addEventListener('click', () => this.run(new URL('peers.js', location.href).href))
    find('[data-peers]', this.panel).textContent = this.beside.hidden ? PEERS_ELSEWHERE : PEERS_HERE
  }

  private async run(peers?: string): Promise<void> {
    if (this.start.disabled) return
    this.start.disabled = true
    this.beside.disabled = true
    this.refused = []
    this.stop.disabled = false
    const body = find<HTMLTableSectionElement>('tbody', this.panel)
    body.replaceChildren()
    this.status.say('Measuring the peak: other programs that run meanwhile show in the numbers …')
    try {
      await this.runner.run(
        { kind: 'bench', code: this.snippet.code, given: { peak, peers } },
        (news: News) => this.show(news, body),
      )
      this.status.say(
        [`${body.rows.length} layers measured, one thread, medians.`, ...this.refused].join(' '),
      )
    } catch (error) {
      this.status.fail(error)
    } finally {
      this.runner.end()
      this.start.disabled = false
      this.beside.disabled = false
      this.stop.disabled = true
    }
  }

  private show({ start, row, refused }: News, body: HTMLTableSectionElement): void {
    if (refused) this.refused.push(`One of the others does not start here: ${refused.slice(0, 160)}.`)
    if (start) {
      this.most = start.peak
      this.names = start.contenders.map(({ name }) => name)
      const head = find<HTMLTableRowElement>('thead tr', this.panel)
      while (head.cells.length > 5) head.lastElementChild!.remove()
      head.append(...this.names.slice(1).map((name) => make('th', { scope: 'col' }, name)))
      find('[data-peak]', this.panel).replaceChildren(
        make('strong', { 'data-gflops': start.peak.toFixed(2) }, start.peak.toFixed(1)),
        ` GFLOP/s is the peak of one thread here: ${(start.peak / 2).toFixed(1)} billion multiply-adds a second. The host has ${start.features}; the build is ${start.contenders[0]!.version}.`,
      )
      this.status.say('Measuring layers …')
      return
    }
    if (!row) return
    const { name, line, kind, operations, bytes, results, wrong, missing, algorithm } = row
    const timing = results && Object.values(results)[0]
    if (!timing) {
      body.append(
        make(
          'tr',
          {},
          make('td', {}, name),
          make(
            'td',
            { colspan: 4 + this.names.length - 1, class: 'wrong' },
            wrong ?? missing ?? 'not measured',
          ),
        ),
      )
      return
    }
    const { ms } = timing
    const speed = operations / ms / 1e6
    const share = speed / this.most
    const cells = isMemoryBound(kind)
      ? [make('td', {}, `${(bytes / ms / 1e6).toFixed(1)} GB/s`), make('td', {}, 'waits for memory')]
      : [
          make('td', {}, `${speed.toFixed(1)} GFLOP/s`),
          make(
            'td',
            {},
            make('span', { class: 'meter', style: `--part: ${Math.min(100, 100 * share)}%` }),
            `${Math.round(100 * share)} %`,
          ),
        ]
    body.append(
      make(
        'tr',
        { 'data-ms': ms },
        make('th', { scope: 'row' }, name, make('small', {}, line)),
        make('td', {}, algorithm ?? kind),
        make('td', {}, milliseconds(ms)),
        ...cells,
        ...this.names.slice(1).map((peer) => {
          const other = results[peer]
          return other
            ? make('td', {}, milliseconds(other.ms), make('small', {}, `${(other.ms / ms).toFixed(2)} ×`))
            : make('td', {}, '–')
        }),
      ),
    )
  }
}
