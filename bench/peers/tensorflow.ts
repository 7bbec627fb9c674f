/**
 * TensorFlow.js with its plain JavaScript backend and all its gradients, which its builds for Node leave out:
 * bundled from its modules.
 */
import { createRequire } from 'node:module'
import type * as Tensorflow from '@tensorflow/tfjs-core'
import { build } from 'esbuild'

const ENTRY = `
  import '@tensorflow/tfjs-core/dist/register_all_gradients.js'
  import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js'
  import '@tensorflow/tfjs-backend-cpu'
  export * from '@tensorflow/tfjs-core'`

/** @param outfile where the bundle goes, a .cjs @param resolveDir from where its modules are found */
export async function tensorflow(outfile: string, resolveDir: string): Promise<typeof Tensorflow> {
  const stdin = { contents: ENTRY, resolveDir }
  await build({
    stdin,
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    mainFields: ['module', 'main'],
    logLevel: 'error',
  })
  const tf = createRequire(import.meta.url)(outfile)
  // Else it says that another package would be faster.
  tf.env().set('IS_NODE', false)
  await tf.setBackend('cpu')
  return tf
}
