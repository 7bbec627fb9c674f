/**
 * jax-js: kernels generated at run time, in WebAssembly. Its ops take their arguments over; `.ref` keeps one.
 */

/** One step of bench/learners.mjs's lenet, by plain gradient descent. @param jax @jax-js/jax */
export async function jaxLenet(jax, { n }) {
  const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy: np, valueAndGrad } = jax
  await init('wasm')
  defaultDevice('wasm')
  const random = (shape) =>
    np
      .array(Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => (Math.random() - 0.5) / 5))
      .reshape(shape)
  const conv = (x, filter, bias) =>
    nn.relu(lax.conv(x, filter, [1, 1], 'SAME').add(bias.reshape([1, -1, 1, 1])))
  const pool = (x) => lax.reduceWindow(x, np.max, [2, 2], [2, 2])
  const loss = ([w1, b1, w2, b2, w3, b3], x, labels) => {
    const logits = np.dot(pool(conv(pool(conv(x, w1, b1)), w2, b2)).reshape([n, -1]), w3).add(b3)
    return nn
      .logSoftmax(logits)
      .mul(labels)
      .sum()
      .mul(-1 / n)
  }
  const step = jit((parameters, x, labels) => {
    const [value, gradients] = valueAndGrad(loss)(
      parameters.map((parameter) => parameter.ref),
      x,
      labels,
    )
    return [value, parameters.map((parameter, i) => parameter.sub(gradients[i].mul(0.01)))]
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
    return (await value.data())[0]
  }
}
