import { add, gatherElements, logSoftmax, mean } from 'filterbank'
import { mul, softmax, sub, sum } from 'filterbank'
import { adam, Conv2d, clipByGlobalNorm, cosine, Flatten, Linear } from 'filterbank/nn'
import { meanSquaredError, Random, Sequential, valueAndGradients } from 'filterbank/nn'
import { Game, MOVES, SIDE } from './catch.mjs'

const [steps, count, frame] = [900, 32, SIDE * SIDE * 2]
const random = new Random(1)

// Two frames, 12 x 12, become what to do: left, stay or right; and how well it will end.
const conv = (inChannels, outChannels) =>
  new Conv2d(engine, {
    inChannels,
    outChannels,
    size: 3,
    stride: 2,
    padding: 1,
    activation: 'relu',
    seed: random,
  })
const eyes = new Sequential(
  conv(2, 16),
  conv(16, 32),
  new Flatten(),
  new Linear(engine, {
    inFeatures: 288,
    outFeatures: 64,
    activation: 'relu',
    seed: random,
  }),
)
const hand = new Linear(engine, {
  inFeatures: 64,
  outFeatures: 3,
  initial: 'glorot',
  seed: random,
})
const critic = new Linear(engine, {
  inFeatures: 64,
  outFeatures: 1,
  initial: 'glorot',
  seed: random,
})
const model = new Sequential(eyes, hand)

function play(games, choose, watch) {
  const seen = new Float32Array(MOVES * games.length * frame)
  const actions = new Int32Array(MOVES * games.length)
  for (let move = 0; move < MOVES; move++) {
    const now = seen.subarray(
      move * games.length * frame,
      (move + 1) * games.length * frame,
    )
    if (move)
      now.set(
        seen.subarray((move - 1) * games.length * frame, move * games.length * frame),
      )
    games.forEach((game, i) => {
      game.see(now.subarray(i * frame, (i + 1) * frame))
    })
    watch?.()
    const odds = engine.scope(() =>
      softmax(
        model.forward(engine.tensor(now, [games.length, SIDE, SIDE, 2])),
      ).toArray(),
    )
    games.forEach((game, i) => {
      const action = choose(odds.subarray(3 * i, 3 * i + 3))
      actions[move * games.length + i] = action
      game.move(action)
    })
  }
  watch?.()
  return { seen, actions }
}
const byChance = ([left, stay]) => {
  const at = random.next()
  return at < left ? 0 : at < left + stay ? 1 : 2
}
const best = (odds) => odds.indexOf(Math.max(...odds))

// A game to look at, as it would play now
const film = () => {
  const frames = []
  const game = new Game(new Random(random.bits()))
  play([game], best, () => {
    const painted = []
    game.draw((kind, at) => painted.push([kind, at]))
    frames.push(painted)
  })
  return { frames, won: game.solved }
}
show({ model, shape: [SIDE, SIDE, 2], film })

const parameters = [...model.parameters, ...critic.parameters]
const optimizer = adam(parameters, { learningRate: cosine(4e-3, { steps }) })
for (let step = 0; step < steps; step++) {
  const games = Array.from({ length: count }, () => new Game(new Random(random.bits())))
  const { seen, actions } = play(games, byChance)
  const loss = engine.scope(() => {
    const n = actions.length
    const x = engine.tensor(seen, [n, SIDE, SIDE, 2])
    const taken = engine.tensor(actions, [n, 1], { dtype: 'int32' })
    // What the end of a game counts for each of its moves, the early ones less
    const ends = Float32Array.from(
      actions,
      (_, i) => 0.95 ** (MOVES - 1 - Math.floor(i / count)) * games[i % count].reward,
    )
    const expected = critic.forward(eyes.forward(x)).toArray()
    const better = ends.map((end, i) => end - expected[i])
    const deviation = Math.sqrt(better.reduce((total, v) => total + v * v, 1e-8) / n)
    const advantage = engine.tensor(
      better.map((v) => v / deviation),
      [n, 1],
    )
    const { value, gradients } = valueAndGradients(() => {
      const thought = eyes.forward(x)
      const logits = hand.forward(thought)
      const log = logSoftmax(logits)
      const chosen = gatherElements(log, taken, { axis: 1 })
      const entropy = mul(sum(mul(softmax(logits), log)), -1 / n)
      const surprise = meanSquaredError(
        critic.forward(thought),
        engine.tensor(ends, [n, 1]),
      )
      // Moves that ended better than expected become likelier (REINFORCE).
      return sub(
        mul(surprise, 0.5),
        add(mean(mul(chosen, advantage)), mul(entropy, 0.01)),
      )
    }, parameters)
    clipByGlobalNorm(gradients, 1)
    optimizer.step(gradients)
    return value
  })
  await show({ loss, steps, won: games.filter(({ solved }) => solved).length / count })
}
