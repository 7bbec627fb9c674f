/** filterbank itself, as one contender among others. */
import type { Engine, EngineOptions, Tensor } from '../../src/index.js'
import type { loadModel } from '../../src/onnx/index.js'
import { conv2dOptions, type Numbers, type Problem } from '../cases.js'
import type { Contender, Core, Prepared, PreparedNetwork } from '../contender.js'

interface Options extends EngineOptions {
  /** Of conv2d: only layers that it fits, and that 'auto' does another way. */
  algorithm?: Exclude<Problem['algorithm'], undefined>
  /** The loop of dense products, in place of the engine's own choice. */
  tile?: Engine['tile']
}

/** Layers alone. @param library its core entry */
export async function filterbank(library: Core, { algorithm, tile, ...options }: Options = {}) {
  const engine = await library.createEngine(options)
  if (tile) Object.assign(engine, { tile })
  return {
    engine,
    name: ['filterbank', algorithm, tile, engine.threads > 1 && `${engine.threads} threads`]
      .filter(Boolean)
      .join(' '),
    version: engine.simd,
    threads: engine.threads,
    prepare(problem: Problem, data: Numbers): Prepared | undefined {
      const { op, input, filter, window, stride, padding, outputPadding, groups, dilation } = problem
      if (!(op in library) || (algorithm && op !== 'conv2d')) return undefined
      const convOptions = { ...conv2dOptions(problem), ...(algorithm && { algorithm }) }
      // Whatever fits; what 'auto' runs is measured as that.
      if (algorithm) {
        const plan = library.planConv2d(input, filter!, conv2dOptions(problem))
        if (plan.algorithm === algorithm || !plan.fits.includes(algorithm)) return undefined
      }
      const x = engine.tensor(data.x, input)
      const w = filter && engine.tensor(data.filter!, filter)
      const bias = w && engine.tensor(data.bias!, [data.bias!.length])
      const geometry = { stride, padding, dilation }
      const calls: Record<string, () => Tensor> = {
        conv2d: () => library.conv2d(x, w!, { ...convOptions, bias: bias! }),
        convTranspose2d: () =>
          library.convTranspose2d(x, w!, { bias: bias!, ...geometry, groups, outputPadding }),
        linear: () => library.linear(x, w!, { bias: bias! }),
        maxPool2d: () => library.maxPool2d(x, { size: window, ...geometry }),
        avgPool2d: () => library.avgPool2d(x, { size: window, stride, padding }),
      }
      const elementwise = library[op as 'relu']
      const run = calls[op] ?? (() => elementwise(x))
      const dispose = () => {
        for (const tensor of [x, w, bias]) tensor?.dispose()
      }
      try {
        run().dispose()
      } catch (error) {
        dispose()
        throw error
      }
      return {
        run: () => run().dispose(),
        output() {
          const y = run()
          const numbers = y.toArray()
          y.dispose()
          return numbers
        },
        dispose,
      }
    },
  }
}

/** Networks too. @param library its core and ONNX entries */
export async function filterbankModels(
  library: Core & { loadModel: typeof loadModel },
  options: EngineOptions,
): Promise<Contender & { reads: true; network: NonNullable<Contender['network']> }> {
  const { engine, ...own } = await filterbank(library, options)
  return {
    ...own,
    reads: true,
    async network(_, bytes, photo): Promise<PreparedNetwork> {
      const model = await library.loadModel(engine, bytes)
      const feeds = { [model.inputs[0]!.name]: photo }
      return {
        run: () => Object.values(model.run(feeds))[0]!.data as Float32Array,
        dispose: () => model.dispose(),
      }
    },
  }
}
