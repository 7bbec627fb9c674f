/**
 * jax-js: kernels generated at run time, in WebAssembly. Its ops take their arguments over; `.ref` keeps one.
 */
import type * as Jax from '@jax-js/jax'
import { sizeOf } from '../cases.js'

type SixArrays = [Jax.Array, Jax.Array, Jax.Array, Jax.Array, Jax.Array, Jax.Array]

/** One step of bench/learners.ts's lenet, by plain gradient descent. */
export async function jaxLenet(jax: typeof Jax, n: number): Promise<() => Promise<number>> {
  const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy: np, valueAndGrad } = jax
  await init('wasm')
  defaultDevice('wasm')
  const random = (shape: readonly number[]) =>
    np.array(Float32Array.from({ length: sizeOf(shape) }, () => (Math.random() - 0.5) / 5)).reshape(shape)
  const conv = (x: Jax.Array, filter: Jax.Array, bias: Jax.Array) =>
    nn.relu(lax.conv(x, filter, [1, 1], 'SAME').add(bias.reshape([1, -1, 1, 1])))
  const pool = (x: Jax.Array) => lax.reduceWindow(x, np.max, [2, 2], [2, 2])
  const loss = (parameters: Jax.Array[], x: Jax.Array, labels: Jax.Array): Jax.Array => {
    const [w1, b1, w2, b2, w3, b3] = parameters as SixArrays
    const logits = np.dot(pool(conv(pool(conv(x, w1, b1)), w2, b2)).reshape([n, -1]), w3).add(b3)
    return nn
      .logSoftmax(logits)
      .mul(labels)
      .sum()
      .mul(-1 / n)
  }
  const step = jit((parameters: Jax.Array[], x: Jax.Array, labels: Jax.Array): [Jax.Array, Jax.Array[]] => {
    const [value, gradients] = valueAndGrad(loss)(
      parameters.map((parameter) => parameter.ref),
      x,
      labels,
    )
    return [value, parameters.map((parameter, i) => parameter.sub(gradients[i]!.mul(0.01)))]
  })
  let parameters = [[8, 1, 3, 3], [8], [16, 8, 3, 3], [16], [784, 10], [10]].map(random)
  const x = random([n, 1, 28, 28])
  const labels = nn.oneHot(
    np.array(
      Int32Array.from({ length: n }, (_, i) => i % 10),
      { dtype: np.int32 },
    ),
    10,
  )
  return async () => {
    const [value, next] = step(parameters, x.ref, labels.ref)
    parameters = next
    await blockUntilReady(parameters)
    return (await value.data())[0]!
  }
}
