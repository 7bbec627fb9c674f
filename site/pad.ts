/** A pad to draw on, whose picture is 28 x 28 numbers as the networks learn from: centred, of one size. */

import { make } from './dom.js'
import { paint, put } from './maps.js'

export const SIDE = 28
/** Pixels that the longer side of a drawing takes, and the pen. */
const REACH = 19
const PEN = 2.6
/** Pixels of the pad itself. */
const LARGE = 280

type Point = [x: number, y: number]

export class Pad {
  /** What was drawn, 0 (paper) to 1 (ink); undefined while there is nothing. */
  picture: Float32Array | undefined
  private strokes: Point[][] = []
  private readonly canvas = make('canvas', { width: LARGE, height: LARGE, role: 'img' })

  /**
   * @param changed called after every stroke
   * @param example gives a drawing, for those who cannot draw here
   */
  constructor(
    home: HTMLElement,
    private readonly changed: () => unknown,
    private readonly example: () => Promise<Float32Array>,
    label = 'A pad to draw on with a pointer; the button Example draws something',
  ) {
    this.canvas.setAttribute('aria-label', label)
    home.append(
      make(
        'div',
        { class: 'pad' },
        this.canvas,
        make(
          'div',
          {},
          make(
            'button',
            { type: 'button', 'data-example': true, click: () => this.showExample() },
            'Example',
          ),
          make('button', { type: 'button', 'data-clear': true, click: () => this.clear() }, 'Clear'),
        ),
      ),
    )
    this.listen()
    this.redraw()
  }

  async showExample(): Promise<void> {
    this.show(await this.example())
  }

  /** Shows a picture in place of what was drawn. */
  show(picture: Float32Array): void {
    this.strokes = []
    this.picture = picture
    const small = make('canvas')
    put(small, paint(picture, { width: SIDE, height: SIDE }, { signed: false, most: 1 }))
    const context = this.canvas.getContext('2d')!
    context.imageSmoothingEnabled = false
    context.drawImage(small, 0, 0, LARGE, LARGE)
    this.changed()
  }

  clear(): void {
    this.strokes = []
    this.picture = undefined
    this.redraw()
    this.changed()
  }

  private listen(): void {
    let stroke: Point[] | undefined
    const place = ({ offsetX, offsetY }: PointerEvent): Point => [
      offsetX / this.canvas.clientWidth,
      offsetY / this.canvas.clientHeight,
    ]
    this.canvas.addEventListener('pointerdown', (event) => {
      event.preventDefault()
      this.canvas.setPointerCapture(event.pointerId)
      stroke = [place(event)]
      this.strokes.push(stroke)
      this.drawn()
    })
    this.canvas.addEventListener('pointermove', (event) => {
      if (!stroke) return
      stroke.push(place(event))
      this.drawn()
    })
    const end = () => {
      stroke = undefined
    }
    this.canvas.addEventListener('pointerup', end)
    this.canvas.addEventListener('pointercancel', end)
  }

  private drawn(): void {
    this.redraw()
    this.picture = this.numbers()
    this.changed()
  }

  private trace(context: CanvasRenderingContext2D, pen: number, at: (point: Point) => Point): void {
    context.fillStyle = '#000'
    context.fillRect(0, 0, context.canvas.width, context.canvas.height)
    context.strokeStyle = '#fff'
    context.lineWidth = pen
    context.lineCap = 'round'
    context.lineJoin = 'round'
    for (const stroke of this.strokes) {
      context.beginPath()
      for (const point of [stroke[0]!, ...stroke]) context.lineTo(...at(point))
      context.stroke()
    }
  }

  private redraw(): void {
    this.trace(this.canvas.getContext('2d')!, 22, ([x, y]) => [x * LARGE, y * LARGE])
  }

  /** The strokes moved to the middle, and of the size that digits have. */
  private numbers(): Float32Array {
    const all = this.strokes.flat()
    const [xs, ys] = [all.map(([x]) => x), all.map(([, y]) => y)]
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)]
    const scale = REACH / Math.max(0.25, right - left, bottom - top)
    const context = make('canvas', { width: SIDE, height: SIDE }).getContext('2d', {
      willReadFrequently: true,
    })!
    this.trace(context, PEN, ([x, y]) => [
      SIDE / 2 + (x - (left + right) / 2) * scale,
      SIDE / 2 + (y - (top + bottom) / 2) * scale,
    ])
    const { data } = context.getImageData(0, 0, SIDE, SIDE)
    return Float32Array.from({ length: SIDE * SIDE }, (_, i) => data[4 * i]! / 255)
  }
}

/** Shares of classes as bars, the largest first; `sorted` false keeps their order. */
export function showShares(
  home: HTMLElement,
  shares: ArrayLike<number>,
  names: (i: number) => string,
  { sorted = true, most = 10, title }: { sorted?: boolean; most?: number; title?: string } = {},
): void {
  const order = Array.from(shares, (_, i) => i)
  const best = order.reduce((top, i) => (shares[i]! > shares[top]! ? i : top), 0)
  if (sorted) order.sort((a, b) => shares[b]! - shares[a]!)
  home.replaceChildren(
    ...(title === undefined ? [] : [make('p', { class: 'big' }, title)]),
    ...order.slice(0, most).map((i) =>
      make(
        'div',
        {
          class: `share${i === best ? '' : ' dim'}`,
          'data-class': names(i),
          'data-share': shares[i]!.toFixed(4),
        },
        make('span', {}, names(i)),
        make('i', { style: `width: ${Math.max(0.5, 100 * shares[i]!)}%` }),
        make('span', {}, `${(100 * shares[i]!).toFixed(1)} %`),
      ),
    ),
  )
}
