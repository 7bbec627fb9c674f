/** What the host offers, as `diagnose` tells it. */

import type { Diagnosis } from 'filterbank'
import { find, make, Status } from '../dom.js'
import type { Runner } from '../runner.js'
import { Snippet } from '../snippet.js'

const ISOLATION = `Cross-Origin-Opener-Policy: same-origin
Cross-Origin-Embedder-Policy: require-corp`

export class Doctor {
  private readonly panel = find('#doctor')
  private readonly status = new Status(find('[data-status]', this.panel))
  private readonly snippet = new Snippet(this.panel, () => this.run())
  private facts: Diagnosis | undefined

  constructor(private readonly runner: Runner) {
    this.snippet.use('doctor')
    find('[data-start]', this.panel).addEventListener('click', () => this.run())
    const copy = find<HTMLButtonElement>('[data-copy]', this.panel)
    copy.addEventListener('click', async () => {
      await navigator.clipboard.writeText(JSON.stringify(this.facts, null, 2)).then(
        () => this.status.say('Copied.'),
        () => this.status.fail('This browser does not let the page copy; select the table instead.'),
      )
    })
  }

  async run(): Promise<void> {
    this.snippet.given('// Runs in a worker, as all of the heavy work of this page does.')
    try {
      await this.runner.run({ kind: 'values', code: this.snippet.code, given: {} }, (facts: Diagnosis) =>
        this.show(facts),
      )
      this.status.say('')
    } catch (error) {
      this.status.fail(error)
    }
  }

  private show(facts: Diagnosis): void {
    this.facts = facts
    const has = (value: boolean | undefined, note: string) =>
      make(
        'dd',
        {},
        make('span', { class: value ? 'yes' : 'no' }, value ? 'yes' : 'no'),
        make('small', {}, note),
      )
    const rows: [string, Node][] = [
      ['Build', make('dd', {}, make('b', {}, facts.build ?? 'none'), make('small', {}, facts.reason))],
      ['Threads', make('dd', {}, make('b', {}, facts.threads), make('small', {}, facts.threadsReason))],
      ['Cores', make('dd', {}, facts.cores ?? 'unknown')],
      ['SIMD', has(facts.simd, 'four numbers at once: without it nothing here would run')],
      ['Relaxed SIMD', has(facts.relaxedSimd, 'multiply and add in one instruction')],
      [
        'Byte dot product',
        make('dd', {}, facts.byteDot ?? 'none', make('small', {}, 'what 8-bit models multiply by')),
      ],
      ['Shared memory', has(facts.sharedMemory, 'what threads need')],
      ['Cross-origin isolated', has(facts.crossOriginIsolated, 'what pages need for shared memory')],
      ['Host', make('dd', {}, facts.host)],
      ['filterbank', make('dd', {}, facts.filterbank)],
    ]
    find('[data-facts]', this.panel).replaceChildren(
      ...rows.flatMap(([name, value]) => [make('dt', {}, name), value]),
    )
    const advice: Node[] = facts.advice.map((sentence) => make('p', {}, `${sentence}.`))
    if (!facts.build)
      advice.push(
        make(
          'p',
          { class: 'wrong' },
          'No engine starts here. Use a browser of the last years: Chrome or Edge 91, Firefox 89, Safari 16.4, or later.',
        ),
      )
    else if (!facts.crossOriginIsolated)
      advice.push(
        make(
          'p',
          {},
          'For threads, serve the page with these two headers; everything else works without them:',
        ),
        make('pre', { tabindex: '0', 'aria-label': 'Headers' }, ISOLATION),
      )
    find('[data-advice]', this.panel).replaceChildren(...advice)
  }
}
