/**
 * A game of pixels: a ball falls a row a step, moves sideways, and bounces off walls; a basket of three
 * pixels at the bottom moves left, stays or moves right, and has to be under the ball at the end. Birds as
 * bright as the ball fly across, and stars twinkle: they mean nothing.
 */
export const SIDE = 12
/** Moves of a game: the ball starts in the top row, and ends in the row of the basket. */
export const MOVES = SIDE - 1
/** What can be done: the basket goes one to the left, stays, goes one to the right. */
export const ACTIONS = ['left', 'stay', 'right']

const BRIGHTNESS = { star: 0.3, wall: 0.5, basket: 0.75, bird: 1, ball: 1 }
const WALLS = 2
const BIRDS = 1
const STARS = 3

export class Game {
  /** Another game for every state of `random`. */
  constructor(random) {
    const integer = (low, high) => low + Math.floor(random.next() * (high - low + 1))
    this.random = random
    this.integer = integer
    this.step = 0
    this.basket = integer(3, SIDE - 4)
    this.ball = { x: integer(0, SIDE - 1), y: 0, dx: integer(-1, 1) }
    this.turns = 0
    this.walls = new Set()
    for (let wall = 0; wall < WALLS; wall++) {
      const [x, top, length] = [integer(1, SIDE - 2), integer(2, SIDE - 6), integer(2, 3)]
      for (let i = 0; i < length; i++) this.walls.add((top + i) * SIDE + x)
    }
    this.birds = Array.from({ length: BIRDS }, () => ({
      x: integer(0, SIDE - 1),
      y: integer(1, SIDE - 4),
      dx: integer(0, 1) * 2 - 1,
    }))
    this.twinkle()
  }

  twinkle() {
    this.stars = Array.from({ length: STARS }, () => this.integer(0, SIDE * (SIDE - 1) - 1))
  }

  get over() {
    return this.step === MOVES
  }

  /** Columns from the middle of the basket to the ball. */
  get distance() {
    return Math.abs(this.ball.x - this.basket)
  }

  /** Whether the basket is under the ball. */
  get solved() {
    return this.over && this.distance <= 1
  }

  /** What a player is told at the end: 1 for a ball that is caught, else how far off the basket was. */
  get reward() {
    return this.solved ? 1 : -this.distance / SIDE
  }

  blocked(x, y) {
    return x < 0 || x >= SIDE || this.walls.has(y * SIDE + x)
  }

  /** @param action an index of ACTIONS */
  move(action) {
    this.step++
    this.basket = Math.min(SIDE - 2, Math.max(1, this.basket + action - 1))
    const { ball } = this
    // A wall turns it round; from its top it rolls off towards the middle.
    if (this.blocked(ball.x + ball.dx, ball.y + 1)) {
      ball.dx = ball.dx === 0 ? (ball.x < SIDE / 2 ? 1 : -1) : -ball.dx
      this.turns++
    }
    if (!this.blocked(ball.x + ball.dx, ball.y + 1)) ball.x += ball.dx
    ball.y++
    for (const bird of this.birds) bird.x = (bird.x + bird.dx + SIDE) % SIDE
    this.twinkle()
  }

  /** Calls paint(kind, index of the pixel) for all that is seen, what covers other things last. */
  draw(paint) {
    for (const star of this.stars) paint('star', star)
    for (const wall of this.walls) paint('wall', wall)
    for (const { x, y } of this.birds) paint('bird', y * SIDE + x)
    for (let dx = -1; dx <= 1; dx++) paint('basket', (SIDE - 1) * SIDE + this.basket + dx)
    paint('ball', this.ball.y * SIDE + this.ball.x)
  }

  /**
   * What a player sees, into [SIDE, SIDE, 2] numbers: this frame, and the one before it, by which things that
   * move show where they go. At first both are the same.
   */
  see(pixels) {
    for (let i = 0; i < SIDE * SIDE; i++) {
      pixels[2 * i + 1] = this.step ? pixels[2 * i] : 0
      pixels[2 * i] = 0
    }
    this.draw((kind, at) => {
      pixels[2 * at] = BRIGHTNESS[kind]
    })
    if (this.step === 0) for (let i = 0; i < SIDE * SIDE; i++) pixels[2 * i + 1] = pixels[2 * i]
  }
}
