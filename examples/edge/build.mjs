/**
 * Bundles the worker and lays the binary and a model beside it, as `wrangler` does for Cloudflare.
 *
 *   node build.mjs MODEL.onnx [PORT]     fills built/, for `workerd serve built/config.capnp`
 */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = import.meta.dirname
const [model = 'digits.onnx', port = '8787'] = process.argv.slice(2)
const out = join(here, 'built')
mkdirSync(out, { recursive: true })
await build({
  ...{ absWorkingDir: here, entryPoints: ['worker.js'], outfile: join(out, 'worker.js'), logLevel: 'error' },
  ...{ bundle: true, format: 'esm', external: ['*.wasm', '*.onnx', 'node:*'] },
})
copyFileSync(model, join(out, 'model.onnx'))
copyFileSync(fileURLToPath(import.meta.resolve('filterbank/simd128.wasm')), join(out, 'simd128.wasm'))
writeFileSync(
  join(out, 'config.capnp'),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = .worker)],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "model.onnx", data = embed "model.onnx"),
    (name = "filterbank/simd128.wasm", wasm = embed "simd128.wasm"),
  ],
  compatibilityDate = "2026-01-01",
);
`,
)
