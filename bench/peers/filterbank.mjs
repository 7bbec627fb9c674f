/** What `conv2d` and `planConv2d` take of a problem. */
export const conv2dOptions = ({ stride, padding, dilation, groups }) => ({
  stride,
  padding,
  dilation,
  groups,
})

/**
 * filterbank itself, as one contender among others. @param library its core entry @param options of
 * `createEngine`, and `algorithm` of conv2d
 */
export async function filterbank(library, { algorithm, ...options } = {}) {
  const engine = await library.createEngine(options)
  return {
    name: ['filterbank', algorithm, engine.threads > 1 && `${engine.threads} threads`]
      .filter(Boolean)
      .join(' '),
    version: engine.simd,
    threads: engine.threads,
    reads: true,
    /** @param library with `loadModel` */
    async network(_, bytes, photo) {
      const model = await library.loadModel(engine, bytes)
      const feeds = { [model.inputs[0].name]: photo }
      return { run: () => Object.values(model.run(feeds))[0].data, dispose: () => model.dispose() }
    },
    /** @param {import('../shapes.mjs').Problem} problem */
    prepare({ op, input, filter, window, stride, padding, dilation, outputPadding, groups }, data) {
      if (!library[op] || (algorithm && op !== 'conv2d')) return
      // Whatever fits; what 'auto' runs is measured as that.
      if (algorithm) {
        const options = conv2dOptions({ stride, padding, dilation, groups })
        const plan = library.planConv2d(input, filter, options)
        if (plan.algorithm === algorithm || !plan.fits.includes(algorithm)) return
      }
      const x = engine.tensor(data.x, input)
      const w = filter && engine.tensor(data.filter, filter)
      const bias = w && engine.tensor(data.bias, [data.bias.length])
      const geometry = { stride, padding, dilation }
      const call = {
        conv2d: () => library.conv2d(x, w, { bias, ...geometry, groups, algorithm }),
        convTranspose2d: () => library.convTranspose2d(x, w, { bias, ...geometry, groups, outputPadding }),
        linear: () => library.linear(x, w, { bias }),
        maxPool2d: () => library.maxPool2d(x, { size: window, ...geometry }),
        avgPool2d: () => library.avgPool2d(x, { size: window, stride, padding }),
      }
      const run = call[op] ?? (() => library[op](x))
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
