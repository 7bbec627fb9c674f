/**
 * A network that learns to play from pixels, told at the end of each game alone whether it was won: moves of
 * won games become likelier, by how much better they ended than was expected. (REINFORCE with a baseline:
 * Williams, "Simple statistical gradient-following algorithms", 1992)
 */
import { add, gatherElements, logSoftmax, mean, mul, softmax, sub, sum } from 'filterbank'
import {
  adam,
  Conv2d,
  clipByGlobalNorm,
  cosine,
  Flatten,
  he,
  Linear,
  meanSquaredError,
  Random,
  Sequential,
  valueAndGradients,
} from 'filterbank/nn'
import { Canvas, heightOf, widthOf } from './support/canvas.mjs'
import { ACTIONS, Game, MOVES, SIDE } from './support/catch.mjs'
import { integer } from './support/options.mjs'
import { writeSheet } from './support/pictures.mjs'
import { writeCurves } from './support/plots.mjs'
import { progress } from './support/progress.mjs'
import { writeOnnx } from './support/results.mjs'

export const about = 'a ball caught among walls and birds, from pixels: REINFORCE with a baseline'
export const options = {
  steps: integer('of learning', { fallback: 1600 }),
  games: integer('played at once, and learned from in a step', { fallback: 64 }),
}

/** Games that it never learns from. */
const UNSEEN = 200
const SHAPE = [SIDE, SIDE, 2]
const FRAME = SIDE * SIDE * 2
/** How much an open mind counts: the entropy of what it would do. */
const ENTROPY = 0.01
/** What the end of a game counts a move earlier: early moves decide less. */
const DISCOUNT = 0.95

/** Two frames -> 96 numbers -> what to do (logits of ACTIONS), and how well it will end. */
function networks(engine, seed) {
  const random = new Random(seed)
  const conv = (inChannels, outChannels) =>
    new Conv2d(engine, {
      ...{ inChannels, outChannels, size: 3, stride: 2, padding: 1, activation: 'relu', seed: random },
    })
  const linear = (inFeatures, outFeatures, options) =>
    new Linear(engine, { inFeatures, outFeatures, seed: random, ...options })
  const eyes = new Sequential(
    ...[conv(2, 24), conv(24, 48), new Flatten()],
    linear((SIDE / 4) ** 2 * 48, 96, { activation: 'relu' }),
  )
  // At first all moves are about as likely.
  const hand = linear(96, ACTIONS.length, { initial: (...given) => he(...given).map((v) => 0.1 * v) })
  return { eyes, policy: new Sequential(eyes, hand), hand, critic: linear(96, 1, { initial: 'glorot' }) }
}

/** An index by probabilities exp(logit). */
function drawn(logits, random) {
  const most = Math.max(...logits)
  const weights = logits.map((v) => Math.exp(v - most))
  let left = random.next() * weights.reduce((a, b) => a + b)
  for (let at = 0; at < weights.length - 1; at++) {
    left -= weights[at]
    if (left < 0) return at
  }
  return weights.length - 1
}

/**
 * Plays games to their end.
 *
 * @param choose(logits) an action
 * @param onFrame(game, i) told of each game before each of its moves
 * @returns of all moves, [moves, games]: `seen` of SHAPE, `actions`, and how well it `expected` games to end
 */
function play({ eyes, hand, critic }, games, choose, onFrame) {
  const { engine } = hand.parameters[0]
  const count = games.length
  const seen = new Float32Array(MOVES * count * FRAME)
  const actions = new Int32Array(MOVES * count)
  const expected = new Float32Array(MOVES * count)
  for (let move = 0; move < MOVES; move++) {
    const now = seen.subarray(move * count * FRAME, (move + 1) * count * FRAME)
    if (move > 0) now.set(seen.subarray((move - 1) * count * FRAME, move * count * FRAME))
    games.forEach((game, i) => {
      game.see(now.subarray(i * FRAME, (i + 1) * FRAME))
    })
    const [logits, ends] = engine.scope(() => {
      const thought = eyes.forward(engine.tensor(now, [count, ...SHAPE]))
      return [hand.forward(thought).toArray(), critic.forward(thought).toArray()]
    })
    expected.set(ends, move * count)
    games.forEach((game, i) => {
      onFrame?.(game, i)
      const action = choose([...logits.subarray(i * ACTIONS.length, (i + 1) * ACTIONS.length)])
      actions[move * count + i] = action
      game.move(action)
    })
  }
  return { seen, actions, expected }
}

const newGames = (count, random) => Array.from({ length: count }, () => new Game(new Random(random.bits())))
const solvedRateOf = (games) => games.filter(({ solved }) => solved).length / games.length
const best = (logits) => logits.indexOf(Math.max(...logits))

/** What is learned from games: all of their moves at once. */
function learner({ eyes, policy, hand, critic }, steps) {
  const { engine } = hand.parameters[0]
  const parameters = [...policy.parameters, ...critic.parameters]
  const optimizer = adam(parameters, { learningRate: cosine(4e-3, { steps }) })
  return ({ seen, actions, expected }, games) =>
    engine.scope(() => {
      const count = actions.length
      const column = (numbers, options) => engine.tensor(numbers, [count, 1], options)
      const x = engine.tensor(seen, [count, ...SHAPE])
      const taken = column(actions, { dtype: 'int32' })
      const ends = Float32Array.from(actions, (_, i) => {
        const left = MOVES - 1 - Math.floor(i / games.length)
        return DISCOUNT ** left * games[i % games.length].reward
      })
      // What was expected is the baseline: numbers, which no derivative goes through.
      const better = ends.map((end, i) => end - expected[i])
      const deviation = Math.sqrt(better.reduce((total, v) => total + v * v, 1e-8) / count)
      const advantage = column(better.map((v) => v / deviation))
      const { value, gradients } = valueAndGradients(() => {
        const thought = eyes.forward(x)
        const logits = hand.forward(thought)
        const logProbabilities = logSoftmax(logits)
        const chosen = gatherElements(logProbabilities, taken, { axis: 1 })
        const entropy = mul(sum(mul(softmax(logits), logProbabilities)), -1 / count)
        const likelier = mean(mul(chosen, advantage))
        const surprise = meanSquaredError(critic.forward(thought), column(ends))
        return sub(mul(surprise, 0.5), add(likelier, mul(entropy, ENTROPY)))
      }, parameters)
      clipByGlobalNorm(gradients, 1)
      optimizer.step(gradients)
      return value
    })
}

const COLORS = {
  star: [70, 76, 90],
  wall: [160, 166, 178],
  bird: [222, 190, 90],
  basket: [88, 166, 255],
  ball: [255, 92, 88],
}
const NIGHT = [24, 28, 38]
const SCALE = 8

/** Games as strips of frames, in colours for people: rows of { label, frames }. */
function stripsOf(rows, title) {
  const [margin, cell] = [12, SIDE * SCALE + 4]
  const head = 2 * heightOf() + 20
  const height = cell + heightOf() + 14
  const canvas = new Canvas(2 * margin - 4 + rows[0].frames.length * cell, head + rows.length * height)
  canvas.text(margin, margin, title)
  let left = margin
  for (const [kind, color] of Object.entries(COLORS).reverse()) {
    canvas.fill(left, margin + heightOf() + 8, 14, 14, color)
    canvas.text(left + 20, margin + heightOf() + 8, kind)
    left += widthOf(kind) + 40
  }
  rows.forEach(({ label, frames }, row) => {
    const top = head + 12 + row * height
    canvas.text(margin, top, label)
    frames.forEach((paint, i) => {
      const [x, y] = [margin + i * cell, top + heightOf() + 2]
      canvas.fill(x, y, SIDE * SCALE, SIDE * SCALE, NIGHT)
      for (const [kind, at] of paint)
        canvas.fill(x + (at % SIDE) * SCALE, y + Math.floor(at / SIDE) * SCALE, SCALE, SCALE, COLORS[kind])
    })
  })
  return canvas
}

/** The games of a seed, played; and the frames of each. */
function filmed(nets, seed) {
  const games = newGames(UNSEEN, Random.at(seed, 0, 1))
  const films = games.map(() => [])
  const film = (game, i) => {
    const painted = []
    game.draw((kind, at) => painted.push([kind, at]))
    films[i].push(painted)
  }
  play(nets, games, best, film)
  games.forEach(film)
  return { games, films, rate: solvedRateOf(games) }
}

/** The mean of the last ten of what was won in each step, now and then. */
function smooth(won, every) {
  return won.flatMap((_, i) => {
    const last = won.slice(Math.max(0, i - 9), i + 1)
    return (i + 1) % every
      ? []
      : [{ x: i + 1, y: last.reduce((a, b) => a + b) / last.length, of: 'learning' }]
  })
}

export async function run(engine, settings) {
  const { steps, seed, out, games: count } = settings
  const nets = networks(engine, seed)
  const { policy } = nets
  const before = filmed(nets, seed)
  const learn = learner(nets, steps)
  const random = Random.at(seed, 1, 1)
  const bar = progress('Learning', steps)
  const every = Math.max(1, Math.floor(steps / 20))
  const curve = [{ x: 0, y: before.rate, of: 'unseen games' }]
  const won = []
  const start = performance.now()
  let moves
  for (let step = 1; step <= steps; step++) {
    const games = newGames(count, random)
    moves = play(nets, games, (logits) => drawn(logits, random))
    bar.at(step, learn(moves, games))
    won.push(solvedRateOf(games))
    if (step % every === 0) curve.push({ x: step, y: filmed(nets, seed).rate, of: 'unseen games' })
  }
  bar.end()
  const seconds = (performance.now() - start) / 1000
  const after = filmed(nets, seed)
  const percent = (share) => `${(100 * share).toFixed(1)} %`
  console.log(
    `Of ${UNSEEN} games that it never saw it wins ${percent(after.rate)}, and ${percent(before.rate)} before it learned from ${steps * count} games in ${seconds.toFixed(1)} s.`,
  )

  // One that it lost and wins, of those the one in which the ball turns round most often.
  const score = (i) =>
    10 * (Number(after.games[i].solved) - Number(before.games[i].solved)) + after.games[i].turns
  const which = [...after.games.keys()].reduce((chosen, i) => (score(i) > score(chosen) ? i : chosen), 0)
  const ended = ({ games }) => (games[which].solved ? 'caught' : 'missed')
  writeSheet(
    out,
    'game.png',
    stripsOf(
      [
        { label: `Before learning: ${ended(before)}`, frames: before.films[which] },
        { label: `After learning: ${ended(after)}`, frames: after.films[which] },
      ],
      `Wins ${percent(before.rate)} of ${UNSEEN} unseen games before learning, ${percent(after.rate)} after`,
    ),
    'a game before learning and after',
  )
  writeCurves(
    out,
    'learning.svg',
    [...smooth(won, every), ...curve],
    { label: 'games won', x: 'step', percent: true, domain: [0, 1] },
    'games won while it learns, trying things out, and at its best in games that it never saw',
  )
  const inputs = moves.seen.subarray(0, 50 * FRAME)
  await writeOnnx(
    out,
    'policy.onnx',
    policy,
    { inputs, shape: SHAPE },
    'two frames to logits of left, stay, right',
  )
  return { solvedRate: after.rate, untrainedRate: before.rate }
}
