/**
 * TensorFlow.js on its plain JavaScript backend: its WebAssembly one has no filter gradient of a convolution.
 */
import type * as Tensorflow from '@tensorflow/tfjs-core'
import type { SequenceSizes } from '../cases.js'

type Tf = typeof Tensorflow
type Tensor = Tensorflow.Tensor4D
type Loss = () => Tensorflow.Scalar

/**
 * One step of bench/learners.ts's lenet, by plain gradient descent. @param tf @tensorflow/tfjs-core with its
 * cpu backend
 */
export function tfjsLenet(tf: Tf, n: number): () => number {
  const variable = (shape: number[]) => tf.variable(tf.randomUniform(shape, -0.1, 0.1))
  const [w1, b1, w2, b2, w3, b3] = [[3, 3, 1, 8], [8], [3, 3, 8, 16], [16], [784, 10], [10]].map(
    variable,
  ) as unknown as [Tensor, Tensor, Tensor, Tensor, Tensorflow.Tensor2D, Tensor]
  const x = tf.randomUniform<Tensorflow.Rank.R4>([n, 28, 28, 1], -0.5, 0.5)
  const labels = tf.oneHot(
    tf.tensor1d(
      Int32Array.from({ length: n }, (_, i) => i % 10),
      'int32',
    ),
    10,
  )
  const conv = (input: Tensor, filter: Tensor, bias: Tensor) =>
    tf.maxPool(tf.relu(tf.add(tf.conv2d(input, filter, 1, 'same'), bias) as Tensor), 2, 2, 'valid') as Tensor
  const loss = () => {
    const logits = tf.add(tf.matMul(tf.reshape(conv(conv(x, w1, b1), w2, b2), [n, 784]), w3), b3)
    return tf.mul(tf.sum(tf.mul(tf.logSoftmax(logits), labels)), -1 / n)
  }
  const optimizer = tf.train.sgd(0.01)
  return () => {
    const value = optimizer.minimize(loss as Loss, true)!
    const number = value.dataSync()[0]!
    value.dispose()
    return number
  }
}

/**
 * One step of bench/recurrent.ts's LSTM, by plain gradient descent. @param tf as above
 */
export function tfjsLstm(
  tf: Tf,
  { n, steps, features, hidden }: SequenceSizes,
  classes: number,
): () => number {
  const variable = (shape: number[]) => tf.variable(tf.randomUniform(shape, -0.1, 0.1))
  // A step multiplies inputs and state, side by side, by one matrix.
  const [kernel, bias, dense] = [[features + hidden, 4 * hidden], [4 * hidden], [hidden, classes]].map(
    variable,
  ) as unknown as [Tensorflow.Tensor2D, Tensorflow.Tensor1D, Tensorflow.Tensor2D]
  const x = tf.randomUniform([n, steps, features], -0.5, 0.5)
  const labels = tf.oneHot(
    tf.tensor1d(
      Int32Array.from({ length: n }, (_, i) => i % classes),
      'int32',
    ),
    classes,
  )
  const loss = () => {
    let [c, h] = [tf.zeros<Tensorflow.Rank.R2>([n, hidden]), tf.zeros<Tensorflow.Rank.R2>([n, hidden])]
    for (const input of tf.unstack(x, 1))
      [c, h] = tf.basicLSTMCell(tf.scalar(0), kernel, bias, input as Tensorflow.Tensor2D, c, h)
    return tf.mul(tf.sum(tf.mul(tf.logSoftmax(tf.matMul(h, dense)), labels)), -1 / n)
  }
  const optimizer = tf.train.sgd(0.01)
  return () => {
    const value = optimizer.minimize(loss as Loss, true)!
    const number = value.dataSync()[0]!
    value.dispose()
    return number
  }
}
