/** The page: its six experiments, its chapters, its colours. */

import { version } from 'site:assets'
import { find } from './dom.js'
import { showHero } from './hero.js'
import { forgetColors } from './maps.js'
import { Bench } from './panels/bench.js'
import { Doctor } from './panels/doctor.js'
import { Filters } from './panels/filters.js'
import { LayerPanel } from './panels/layer.js'
import { Network } from './panels/network.js'
import { Train } from './panels/train.js'
import { Runner } from './runner.js'
import { note, read } from './state.js'

const THEMES = ['auto', 'light', 'dark'] as const
const dark = matchMedia('(prefers-color-scheme: dark)')

/** What is at hand at once; training and the bench have workers of their own. */
const live = new Runner()

function chapters(): void {
  const links = [...document.querySelectorAll<HTMLAnchorElement>('.chapters a')]
  const go = (id: string, behavior?: ScrollBehavior) => {
    const panel = find(`#${id}`)
    panel.scrollIntoView({ behavior })
    panel.focus({ preventScroll: true })
    note('panel', id)
  }
  for (const link of [...links, find<HTMLAnchorElement>('.skip')])
    link.addEventListener('click', (event) => {
      event.preventDefault()
      go(link.hash.slice(1))
    })
  const names = links.map((link) => link.hash.slice(1))
  const first = read('panel')
  if (names.includes(first)) go(first, 'instant')
  const watch = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue
        for (const link of links) {
          if (link.hash === `#${target.id}`) link.setAttribute('aria-current', 'true')
          else link.removeAttribute('aria-current')
        }
      }
    },
    { rootMargin: '-30% 0px -65% 0px' },
  )
  for (const name of names) watch.observe(find(`#${name}`))
}

function tools(repaint: () => void): void {
  const button = find<HTMLButtonElement>('#theme')
  let theme = read('theme', 'auto', THEMES)
  const show = () => {
    const shown = theme === 'auto' ? (dark.matches ? 'dark' : 'light') : theme
    document.documentElement.dataset['theme'] = shown
    button.textContent = { auto: 'Auto', light: 'Light', dark: 'Dark' }[theme]
    button.setAttribute(
      'aria-label',
      `Colours: ${{ auto: 'as the system has them', light: 'light', dark: 'dark' }[theme]}`,
    )
    forgetColors()
    repaint()
  }
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]!
    note('theme', theme, 'auto')
    show()
  })
  dark.addEventListener('change', show)
  show()
  const share = find<HTMLButtonElement>('#share')
  share.addEventListener('click', async () => {
    share.textContent = await navigator.clipboard.writeText(location.href).then(
      () => 'Copied',
      () => 'Copy the address',
    )
    setTimeout(() => {
      share.textContent = 'Copy link'
    }, 2000)
  })
}

async function start(): Promise<void> {
  showHero()
  const filters = new Filters(live)
  const layer = new LayerPanel(live)
  const network = new Network(live, filters)
  const train = new Train(live)
  const doctor = new Doctor(live)
  new Bench()
  tools(() => {
    filters.repaint()
    network.showAll()
    train.repaint()
  })
  find('[data-version]').textContent = version
  await Promise.all([filters.run(), layer.run(), network.openDigits(), doctor.run()])
  // The first run warms the engine up; the second one's milliseconds are those of all later ones.
  await filters.run()
  chapters()
  document.body.dataset['ready'] = 'true'
}

// Files that miss their place would otherwise open in place of the page.
for (const type of ['dragover', 'drop']) addEventListener(type, (event) => event.preventDefault())
start()
