/**
 * Makes site/dist of site/ and the package: index.html, a style sheet and a script, which holds the workers'
 * code, the kernels and a small network, so that the page asks for nothing else and works from a file too.
 * Another folder may be named.
 */
import { createHash } from 'node:crypto'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { build } from 'esbuild'
import { digitsNetwork } from '../site/digits.mjs'

process.chdir(join(import.meta.dirname, '..'))
const OUT = process.argv[2] ?? 'site/dist'

/** The network of the page, trained anew only where what it follows from is another. */
async function network() {
  const sources = ['site/digits.mjs', 'examples/train/support/digits.mjs', 'dist/simd128.wasm']
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(source))
  const file = `build/site-digits-${hash.digest('hex').slice(0, 12)}.onnx`
  if (!existsSync(file)) {
    mkdirSync('build', { recursive: true })
    const part = `${file}.${process.pid}`
    writeFileSync(part, await digitsNetwork())
    renameSync(part, file)
  }
  return readFileSync(file)
}

const shared = {
  bundle: true,
  format: 'iife',
  target: 'es2022',
  minify: true,
  // ASCII: no page's charset changes it.
  charset: 'ascii',
  legalComments: 'none',
  external: ['node:*'],
  logLevel: 'warning',
  // The package's chunks have no side effects, and say so.
  logOverride: { 'ignored-bare-import': 'silent' },
}

/** Modules by name that are made here. */
const made = (modules) => ({
  name: 'made',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^site:/ }, ({ path }) => ({ path, namespace: 'made' }))
    onLoad({ filter: /./, namespace: 'made' }, ({ path }) => ({ contents: modules[path], loader: 'js' }))
  },
})

const bytes = (data) =>
  `Uint8Array.from(atob('${Buffer.from(data).toString('base64')}'), (c) => c.charCodeAt(0))`
const snippets = Object.fromEntries(
  readdirSync('site/snippets').map((name) => [
    name.replace(/\.js$/, ''),
    readFileSync(`site/snippets/${name}`, 'utf8'),
  ]),
)
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

/** What the page can be measured beside, where `npm run bench -- --peers` has installed it: files by folder. */
const PEERS = {
  'onnxruntime-web/dist': /^ort-wasm-simd-threaded\.(mjs|wasm)$/,
  '@tensorflow/tfjs-backend-wasm/dist': /\.wasm$/,
}
const peersAreHere = Object.keys(PEERS).every((folder) => existsSync(`bench/node_modules/${folder}`))

async function makePeers() {
  await build({
    ...shared,
    format: 'esm',
    entryPoints: { peers: 'bench/peers/page.ts' },
    outdir: OUT,
    external: [
      'node:*',
      'fs',
      'path',
      'util',
      'crypto',
      'worker_threads',
      'perf_hooks',
      'os',
      'url',
      'module',
    ],
    logLevel: 'error',
  })
  for (const [folder, files] of Object.entries(PEERS)) {
    for (const name of readdirSync(`bench/node_modules/${folder}`))
      if (files.test(name)) cpSync(`bench/node_modules/${folder}/${name}`, `${OUT}/peers/${folder}/${name}`)
  }
}

const { outputFiles } = await build({ ...shared, entryPoints: ['site/worker.ts'], write: false })
const modules = {
  'site:worker': `export const source = ${JSON.stringify(outputFiles[0].text)}`,
  'site:assets': `export const snippets = ${JSON.stringify(snippets)}
    export const digits = ${bytes(await network())}
    export const peak = {
      simd128: ${bytes(readFileSync('dist/peak-simd128.wasm'))},
      relaxed: ${bytes(readFileSync('dist/peak-relaxed.wasm'))},
    }
    export const peersAreHere = ${peersAreHere}
    export const version = ${JSON.stringify(version)}`,
}

rmSync(OUT, { recursive: true, force: true })
await build({
  ...shared,
  entryPoints: { page: 'site/page.ts', style: 'site/style.css' },
  outdir: OUT,
  plugins: [made(modules)],
})
cpSync('site/index.html', `${OUT}/index.html`)
if (peersAreHere) await makePeers()
