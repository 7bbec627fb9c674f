/** Elements, found and made. */

export const find = <E extends Element = HTMLElement>(selector: string, within: ParentNode = document): E => {
  const found = within.querySelector<E>(selector)
  if (!found) throw new Error(`the page has no ${selector}`)
  return found
}

type Child = Node | string | number | undefined
type Attributes = Record<string, string | number | boolean | undefined | ((event: never) => unknown)>

/** Functions are listeners, `true` an attribute without a value, false and undefined none. */
function dress<E extends Element>(element: E, attributes: Attributes, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value))
  }
  element.append(...children.filter((child) => child !== undefined).map((child) => child as string | Node))
  return element
}

export const make = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] => dress(document.createElement(tag), attributes, children)

export const draw = <Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] =>
  dress(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children)

/** A number for people: a true minus, no more digits than say something. */
export function tell(value: number, digits = 2): string {
  const text = Number.isInteger(value) ? String(value) : String(Number(value.toFixed(digits)))
  return text.replace('-', '−')
}

export const milliseconds = (value: number): string =>
  `${value < 0.0005 ? 'under 0.001' : value < 0.095 ? value.toFixed(3) : value < 9.5 ? value.toFixed(2) : value < 99.5 ? value.toFixed(1) : value.toFixed(0)} ms`

/** Gives a file to the visitor. */
export function download(name: string, bytes: BlobPart): void {
  const address = URL.createObjectURL(new Blob([bytes]))
  make('a', { href: address, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(address), 10_000)
}

/** A line of a panel that says what happens, or what to do about what went wrong; read out as it changes. */
export class Status {
  constructor(private readonly element: HTMLElement) {}

  say(text: string): void {
    this.element.classList.remove('wrong')
    this.element.textContent = text
  }

  fail(error: unknown): void {
    this.element.classList.add('wrong')
    this.element.textContent = error instanceof Error ? error.message : String(error)
  }
}

/** Runs the last of what is asked for while one runs; those between are left out. */
export function latest(work: () => Promise<unknown>): () => Promise<void> {
  let running: Promise<void> | undefined
  let again = false
  const loop = async () => {
    do {
      again = false
      await work()
    } while (again)
    running = undefined
  }
  return () => {
    if (running) again = true
    else running = loop()
    return running
  }
}
