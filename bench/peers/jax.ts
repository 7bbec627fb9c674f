/**
 * jax-js: kernels generated at run time, in WebAssembly. Its ops take their arguments over; `.ref` keeps one.
 */
import type * as Jax from '@jax-js/jax'
import { sizeOf } from '../cases.js'

type Arrays<N extends 4 | 6> = N extends 4
  ? [Jax.Array, Jax.Array, Jax.Array, Jax.Array]
  : [Jax.Array, Jax.Array, Jax.Array, Jax.Array, Jax.Array, Jax.Array]

/** Steps of plain gradient descent on a loss of parameters of these shapes, inputs and labels. */
async function descend(
  jax: typeof Jax,
  { shapes, inputs, n, rate }: { shapes: number[][]; inputs: number[][]; n: number; rate: number },
  loss: (parameters: Jax.Array[], inputs: Jax.Array[], labels: Jax.Array) => Jax.Array,
): Promise<() => Promise<number>> {
  const { blockUntilReady, defaultDevice, init, jit, nn, numpy: np, valueAndGrad } = jax
  await init('wasm')
  defaultDevice('wasm')
  const random = (shape: readonly number[]) =>
    np.array(Float32Array.from({ length: sizeOf(shape) }, () => (Math.random() - 0.5) / 5)).reshape(shape)
  const step = jit((parameters: Jax.Array[], x: Jax.Array[], labels: Jax.Array): [Jax.Array, Jax.Array[]] => {
    const [value, gradients] = valueAndGrad(loss)(
      parameters.map((parameter) => parameter.ref),
      x,
      labels,
    )
    return [value, parameters.map((parameter, i) => parameter.sub(gradients[i]!.mul(rate)))]
  })
  let parameters = shapes.map(random)
  const x = inputs.map(random)
  const labels = nn.oneHot(
    np.array(
      Int32Array.from({ length: n }, (_, i) => i % 10),
      { dtype: np.int32 },
    ),
    10,
  )
  return async () => {
    const [value, next] = step(
      parameters,
      x.map((each) => each.ref),
      labels.ref,
    )
    parameters = next
    await blockUntilReady(parameters)
    return (await value.data())[0]!
  }
}

const crossEntropy = ({ nn }: typeof Jax, logits: Jax.Array, labels: Jax.Array, n: number): Jax.Array =>
  nn
    .logSoftmax(logits)
    .mul(labels)
    .sum()
    .mul(-1 / n)

/** One step of bench/learners.ts's lenet. */
export function jaxLenet(jax: typeof Jax, n: number): Promise<() => Promise<number>> {
  const { lax, nn, numpy: np } = jax
  const conv = (x: Jax.Array, filter: Jax.Array, bias: Jax.Array) =>
    nn.relu(lax.conv(x, filter, [1, 1], 'SAME').add(bias.reshape([1, -1, 1, 1])))
  const pool = (x: Jax.Array) => lax.reduceWindow(x, np.max, [2, 2], [2, 2])
  const shapes = [[8, 1, 3, 3], [8], [16, 8, 3, 3], [16], [784, 10], [10]]
  return descend(jax, { shapes, inputs: [[n, 1, 28, 28]], n, rate: 0.01 }, (parameters, [x], labels) => {
    const [w1, b1, w2, b2, w3, b3] = parameters as Arrays<6>
    const logits = np.dot(pool(conv(pool(conv(x!, w1, b1)), w2, b2)).reshape([n, -1]), w3).add(b3)
    return crossEntropy(jax, logits, labels, n)
  })
}

/** One step of bench/recurrent.ts's LSTM, a step after the other since jax-js has no loop that it derives. */
export function jaxLstm(
  jax: typeof Jax,
  { n, steps, features, hidden }: { n: number; steps: number; features: number; hidden: number },
): Promise<() => Promise<number>> {
  const { nn, numpy: np } = jax
  const shapes = [[features, 4 * hidden], [hidden, 4 * hidden], [4 * hidden], [hidden, 10]]
  const inputs = Array.from({ length: steps }, () => [n, features])
  return descend(jax, { shapes, inputs, n, rate: 1e-3 }, (parameters, x, labels) => {
    const [inputWeight, stateWeight, bias, dense] = parameters as Arrays<4>
    let [state, cell] = [np.zeros([n, hidden]), np.zeros([n, hidden])]
    for (const input of x) {
      const gates = np.dot(input, inputWeight.ref).add(np.dot(state, stateWeight.ref)).add(bias.ref)
      const gate = (k: number) => gates.ref.slice([], [k * hidden, (k + 1) * hidden])
      const [i, f, o] = [nn.sigmoid(gate(0)), nn.sigmoid(gate(1)), nn.sigmoid(gate(3))]
      cell = f.mul(cell).add(i.mul(np.tanh(gate(2))))
      state = o.mul(np.tanh(cell.ref))
    }
    return crossEntropy(jax, np.dot(state, dense), labels, n)
  })
}
