/** This machine's peak, and layers of known networks beside it. */

import { peak } from 'site:assets'
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
}

/** They wait for memory: their share of the peak says nothing. */
const isMemoryBound = (kind: string): boolean => ['linear', 'pooling', 'softmax'].includes(kind)

export class Bench {
  private readonly panel = find('#bench')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet = new Snippet(this.panel, () => this.run())
  private readonly runner = new Runner()
  private readonly start = find<HTMLButtonElement>('[data-start]', this.panel)
  private readonly stop = find<HTMLButtonElement>('[data-stop]', this.panel)
  private most = 0

  constructor() {
    this.snippet.use('bench')
    this.snippet.given(
      '// host: the package, the binary that measures the peak, and peers where there are any',
    )
    this.start.addEventListener('click', () => this.run())
    this.stop.addEventListener('click', () => this.runner.stop())
    find('[data-peers]', this.panel).textContent =
      'Beside onnxruntime-web, TensorFlow.js and LiteRT: “npm run bench -- --peers” in the repository measures them in turns with these layers, in Node and in a browser; they are tens of megabytes, which this page does without.'
  }

  private async run(): Promise<void> {
    if (this.start.disabled) return
    this.start.disabled = true
    this.stop.disabled = false
    const body = find<HTMLTableSectionElement>('tbody', this.panel)
    body.replaceChildren()
    this.status.say('Measuring the peak: other programs that run meanwhile show in the numbers …')
    try {
      await this.runner.run({ kind: 'bench', code: this.snippet.code, given: { peak } }, (news: News) =>
        this.show(news, body),
      )
      this.status.say(`${body.rows.length} layers measured, one thread, medians.`)
    } catch (error) {
      this.status.fail(error)
    } finally {
      this.runner.end()
      this.start.disabled = false
      this.stop.disabled = true
    }
  }

  private show({ start, row }: News, body: HTMLTableSectionElement): void {
    if (start) {
      this.most = start.peak
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
          make('td', { colspan: 4, class: 'wrong' }, wrong ?? missing ?? 'not measured'),
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
      ),
    )
  }
}
