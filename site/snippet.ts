/** The code of a panel: what it is given, and what runs, which visitors may change. */

import { snippets } from 'site:assets'
import { find, make } from './dom.js'
import { note, read } from './state.js'

const TOKEN =
  /(\/\/.*)|('(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\b(import|from|const|let|for|of|await|new|function|return|if|async)\b|(\b\d[\d._]*(?:e-?\d+)?\b)/g
const KINDS = ['comment', 'string', 'word', 'digits'] as const

function coloured(code: string): Node[] {
  const nodes: Node[] = []
  let done = 0
  for (const match of code.matchAll(TOKEN)) {
    const kind = KINDS[match.slice(1).findIndex((group) => group !== undefined)]!
    nodes.push(new Text(code.slice(done, match.index)), make('span', { class: kind }, match[0]))
    done = match.index + match[0].length
  }
  nodes.push(new Text(code.slice(done)))
  return nodes
}

export class Snippet {
  private readonly area: HTMLTextAreaElement
  private readonly colours = make('pre', { class: 'colours', 'aria-hidden': 'true' })
  private readonly before = make('pre', { class: 'given' })
  private readonly reset: HTMLButtonElement
  private name = ''

  /**
   * @param panel the section it belongs to
   * @param run called where the visitor asks to run the code as it stands
   */
  constructor(
    private readonly panel: HTMLElement,
    run: () => unknown,
  ) {
    const { id } = panel
    this.area = make('textarea', {
      spellcheck: 'false',
      autocapitalize: 'off',
      autocomplete: 'off',
      wrap: 'off',
      'aria-label': 'Code of this experiment, to be changed and run',
      input: () => {
        note(this.key, this.area.value === this.own ? '' : this.area.value)
        this.fit()
      },
      keydown: ((event: KeyboardEvent) => {
        if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
        event.preventDefault()
        run()
      }) as never,
    })
    this.reset = make(
      'button',
      {
        type: 'button',
        click: () => {
          this.area.value = this.own
          note(this.key, '')
          this.fit()
          run()
        },
      },
      'Reset',
    )
    const copy = make('button', { type: 'button' }, 'Copy')
    copy.addEventListener('click', async () => {
      const text = `${this.before.textContent}\n${this.area.value}`
      copy.textContent = await navigator.clipboard.writeText(text).then(
        () => 'Copied',
        () => 'Not allowed',
      )
      setTimeout(() => {
        copy.textContent = 'Copy'
      }, 1500)
    })
    find('[data-code]', panel).append(
      make(
        'details',
        { class: 'code', open: true },
        make('summary', {}, 'The code that runs'),
        make(
          'div',
          { class: 'code-bar' },
          make('span', {}, 'Change it, then'),
          make('button', { type: 'button', 'data-run': true, title: 'Ctrl + Enter', click: run }, 'Run'),
          this.reset,
          copy,
        ),
        make(
          'div',
          { class: 'code-scroll', id: `${id}-code` },
          this.before,
          make('div', { class: 'editor' }, this.colours, this.area),
        ),
      ),
    )
  }

  private get key(): string {
    return `${this.panel.id}.code${this.name === this.panel.id ? '' : `.${this.name}`}`
  }

  private get own(): string {
    return snippets[this.name]!.trimEnd()
  }

  /** Shows a snippet by its name, as the address has changed it. */
  use(name: string): void {
    if (name === this.name) return
    this.name = name
    this.area.value = read(this.key, this.own)
    this.fit()
  }

  /** What the code is given, as code. */
  given(text: string): void {
    if (this.before.textContent !== text) this.before.replaceChildren(...coloured(text))
  }

  get code(): string {
    return this.area.value
  }

  private fit(): void {
    const { value } = this.area
    this.colours.replaceChildren(...coloured(value), '\n')
    const lines = value.split('\n')
    this.area.rows = lines.length
    this.area.style.width = `${Math.max(40, ...lines.map((line) => line.length)) + 2}ch`
    this.reset.disabled = value === this.own
  }
}
