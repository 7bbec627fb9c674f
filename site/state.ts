/** What the page shows, in its address behind #: a link is all that it takes to show it to others. */

const values = new URLSearchParams(
  /^#[\w-]+$/.test(location.hash) ? `panel=${location.hash.slice(1)}` : location.hash.slice(1),
)
let timer: ReturnType<typeof setTimeout> | undefined

function write(): void {
  clearTimeout(timer)
  timer = setTimeout(() => {
    const text = values.toString().replaceAll('%2C', ',')
    history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search)
  }, 100)
}

/** As the address had it; a fallback where it has nothing, or what is none of `choices`. */
export function read<Choice extends string>(
  name: string,
  fallback: Choice,
  choices: readonly Choice[],
): Choice
export function read(name: string, fallback?: string): string
export function read(name: string, fallback = '', choices?: readonly string[]): string {
  const value = values.get(name) ?? fallback
  return choices && !choices.includes(value) ? fallback : value
}

/** An integer within bounds. */
export function readInteger(name: string, fallback: number, low: number, high: number): number {
  const value = Number(values.get(name) ?? fallback)
  return Number.isInteger(value) ? Math.min(high, Math.max(low, value)) : fallback
}

/** Notes a value; one that is the fallback leaves the address. */
export function note(name: string, value: string | number, fallback: string | number = ''): void {
  if (String(value) === String(fallback)) values.delete(name)
  else values.set(name, String(value))
  write()
}

/** A link that was followed or an address that was edited starts anew. */
addEventListener('hashchange', () => location.reload())
