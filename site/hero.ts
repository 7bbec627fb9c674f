/** What the page is about, in one drawing: a window that moves over a picture and makes another of it. */

import { draw, find } from './dom.js'

const SIDE = 9
const OUT = SIDE - 2
/** Milliseconds of a step; all of them take less than five seconds, and then it rests. */
const STEP = 90
const FILTER = [-1, 0, 1, -2, 0, 2, -1, 0, 1]
/** Where the output stands: below and to the right. */
const [LEFT, TOP] = [7.2, 6.4]

/** A ring. */
const picture = Array.from({ length: SIDE * SIDE }, (_, i) => {
  const distance = Math.hypot((i % SIDE) - 4, Math.floor(i / SIDE) - 4)
  return Math.exp(-(((distance - 2.7) / 1.1) ** 2))
})
const output = Array.from({ length: OUT * OUT }, (_, i) => {
  const [x, y] = [i % OUT, Math.floor(i / OUT)]
  return FILTER.reduce((sum, w, k) => sum + w * picture[(y + Math.floor(k / 3)) * SIDE + x + (k % 3)]!, 0)
})
const most = Math.max(...output.map(Math.abs))

const cell = (x: number, y: number, fill: string): SVGElement =>
  draw('rect', { x: x + 0.05, y: y + 0.05, width: 0.9, height: 0.9, rx: 0.12, style: `fill: ${fill}` })

export function showHero(): void {
  const ray = draw('polygon', { class: 'ray' })
  const frame = draw('rect', { class: 'window', width: 3, height: 3, rx: 0.2 })
  const target = draw('rect', { class: 'window', width: 1, height: 1, rx: 0.15 })
  const results = output.map((value, i) => {
    const share = Math.round(90 * Math.abs(value / most) ** 0.8)
    const color = `color-mix(in srgb, var(${value < 0 ? '--minus-map' : '--plus-map'}) ${share}%, var(--card))`
    return cell(LEFT + (i % OUT), TOP + Math.floor(i / OUT), color)
  })
  find('[data-hero]').append(
    draw(
      'svg',
      { viewBox: `-0.2 -0.2 ${LEFT + OUT + 0.4} ${TOP + OUT + 0.4}`, 'aria-hidden': 'true' },
      ...picture.map((v, i) =>
        cell(
          i % SIDE,
          Math.floor(i / SIDE),
          `color-mix(in srgb, var(--ink) ${Math.round(8 + 84 * v)}%, var(--paper))`,
        ),
      ),
      ...Array.from({ length: OUT * OUT }, (_, i) =>
        cell(LEFT + (i % OUT), TOP + Math.floor(i / OUT), 'color-mix(in srgb, var(--ink) 6%, var(--paper))'),
      ),
      ray,
      ...results,
      frame,
      target,
    ),
  )
  const show = (step: number) => {
    const [x, y] = [step % OUT, Math.floor(step / OUT)]
    frame.style.transform = `translate(${x}px, ${y}px)`
    target.style.transform = `translate(${LEFT + x}px, ${TOP + y}px)`
    const [tx, ty] = [LEFT + x, TOP + y]
    ray.setAttribute('points', `${x + 3},${y} ${tx + 1},${ty} ${tx},${ty + 1} ${x},${y + 3}`)
    results.forEach((result, i) => {
      result.style.visibility = i <= step ? 'visible' : 'hidden'
    })
  }
  const last = OUT * OUT - 1
  const rest = 24
  let step = matchMedia('(prefers-reduced-motion: reduce)').matches ? last : 0
  show(step === last ? rest : 0)
  if (step === last) {
    for (const result of results) result.style.visibility = 'visible'
    return
  }
  const timer = setInterval(() => {
    show(++step)
    if (step === last) clearInterval(timer)
  }, STEP)
}
