/**
 * What a call costs beside its work: ops on tensors so small that the kernel hardly counts, timed call by
 * call by tinybench.
 */
import { Bench } from 'tinybench'
import { add, conv2d, createEngine, linear, maxPool2d, relu, softmax, type Tensor } from '../src/index.js'

/** Prints microseconds a call, median and the slowest in a hundred. */
export async function benchCalls(): Promise<void> {
  const engine = await createEngine({ threads: 1 })
  const [x, filter, weight, row] = [
    [1, 4, 4, 4],
    [3, 3, 4, 4],
    [8, 8],
    [1, 8],
  ].map((shape) => engine.zeros(shape)) as [Tensor, Tensor, Tensor, Tensor]
  const out = engine.zeros([1, 2, 2, 4])
  const bench = new Bench({ time: 300, warmupTime: 100 })
  const dispose = (op: () => Tensor) => () => op().dispose()
  bench
    .add(
      'tensor and dispose',
      dispose(() => engine.tensor([1, 2, 3, 4], [4])),
    )
    .add('scope around nothing', () => engine.scope(() => {}))
    .add(
      'conv2d',
      dispose(() => conv2d(x, filter)),
    )
    .add('conv2d into out', () => conv2d(x, filter, { out }))
    .add(
      'maxPool2d',
      dispose(() => maxPool2d(x, { size: 2 })),
    )
    .add(
      'linear',
      dispose(() => linear(row, weight)),
    )
    .add(
      'relu',
      dispose(() => relu(x)),
    )
    .add(
      'add',
      dispose(() => add(x, x)),
    )
    .add(
      'softmax',
      dispose(() => softmax(row)),
    )
  await bench.run()
  console.log(`${'op on a handful of numbers'.padEnd(30)}median us   p99 us`)
  for (const { name, result } of bench.tasks) {
    if (!('latency' in result)) throw new Error(`${name}: ${result.state}`)
    const { p50, p99 } = result.latency
    console.log(
      `${name.padEnd(30)}${(p50 * 1000).toFixed(2).padStart(9)}${(p99 * 1000).toFixed(2).padStart(9)}`,
    )
  }
  engine.dispose()
}
