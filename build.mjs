/** Fills dist/: assembly/ -> two binaries, inlined into src/wasm/ beside the worker's source -> bundles and type declarations. `--quiet` prints errors alone. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { build } from 'esbuild'
import { pack } from './inline.mjs'

const quiet = process.argv.includes('--quiet')
const say = (text) => quiet || console.log(text)
const require = createRequire(import.meta.url)
const packageRoot = (name) => dirname(require.resolve(`${name}/package.json`))
const node = (...args) => execFileSync(process.execPath, args, { stdio: 'inherit' })

process.chdir(import.meta.dirname)
rmSync('dist', { recursive: true, force: true })
mkdirSync('dist')

/** Compiles AssemblyScript, unless the sources that gave what stands in build/ are the same. */
function compile(config, target) {
  const asc = packageRoot('assemblyscript')
  const outFile = join(dirname(config), JSON.parse(readFileSync(config, 'utf8')).targets[target].outFile)
  const sources = [config, ...sourcesOf(dirname(config) === '.' ? 'assembly' : dirname(config)), join(asc, 'package.json')]
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(source))
  const digest = hash.digest('hex')
  const note = `${outFile}.sources`
  if (existsSync(outFile) && existsSync(note) && readFileSync(note, 'utf8') === digest) return
  node(join(asc, 'bin/asc.js'), '--config', config, '--target', target)
  writeFileSync(note, digest)
}
const sourcesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .sort()
    .map((name) => join(folder, name))

for (const target of ['simd128', 'relaxed']) {
  compile('asconfig.json', target)
  // What the bench measures everything against.
  compile('bench/asconfig.json', target)
  const wasm = readFileSync(`build/${target}.wasm`)
  const text = JSON.stringify(pack(wasm))
  writeFileSync(`src/wasm/${target}.ts`, `// Written by build.mjs: build/${target}.wasm as inline.mjs packs it.\nexport default ${text} as [string, string]\n`)
  writeFileSync(`dist/${target}.wasm`, wasm)
  say(`${target}: ${wasm.length} bytes, ${Buffer.byteLength(text)} inlined, ${brotliCompressSync(text).length} of it after brotli`)
}

const worker = await build({
  entryPoints: ['src/wasm/worker.ts'],
  bundle: true,
  minify: true,
  write: false,
  format: 'iife',
  platform: 'neutral',
  target: 'es2022',
})
writeFileSync(
  'src/wasm/workerSource.ts',
  `// Written by build.mjs: src/wasm/worker.ts, bundled.\nexport default ${JSON.stringify(worker.outputFiles[0].text)}\n`,
)

const bundle = {
  outdir: 'dist',
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  minify: true,
  charset: 'utf8',
  keepNames: false,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  external: ['node:*', 'pngjs', 'jpeg-js'],
  loader: { '.wasm': 'binary' },
  mainFields: ['module', 'main'],
  metafile: true,
  logLevel: 'warning',
  logOverride: { 'ignored-bare-import': 'silent' },
}

/**
 * Who loads an entry has made an engine with `filterbank`: by importing all of it, the entries share one file, which compresses better than a file for each
 * set of entries that share something.
 */
const oneCore = {
  name: 'one core',
  setup({ onLoad }) {
    onLoad({ filter: /\b(image|onnx|nn).index\.ts$/ }, ({ path }) => ({ contents: `import '../index.js'\n${readFileSync(path, 'utf8')}`, loader: 'ts' }))
  },
}

/** What is bundled of pbf: for each file that imports it a module of its own, without the methods that nobody calls there. A class is kept whole otherwise. */
const calledOfPbf = {
  name: 'called of pbf',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^pbf$/ }, ({ importer }) => ({ path: require.resolve('pbf'), suffix: `?${basename(importer)}`, pluginData: importer }))
    onLoad({ filter: /\bpbf.index\.js$/ }, ({ path, pluginData: importer }) => {
      const caller = readFileSync(importer, 'utf8')
      let contents = readFileSync(path, 'utf8')
      for (let before = ''; before !== contents; ) {
        before = contents
        contents = contents.replace(/^ {4}(\w+)\(.*\) \{\n[\s\S]*?^ {4}\}\n/gm, (method, name) =>
          name === 'constructor' || `${caller}${before.replace(method, '')}`.includes(`.${name}(`) ? method : '',
        )
      }
      return { contents, resolveDir: dirname(path) }
    })
  },
}

/** Entries that are found in dist/ by what is built on them, so that it does not cut their code into more files than their own users need. */
const found = {
  name: 'found',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\.\/((image|onnx|nn)\/)?index\.js$/ }, ({ path }) => ({
      path: `./${path.split('/').at(-2).replace('..', 'index')}.js`,
      external: true,
    }))
  },
}

const outputs = {}
for (const options of [
  { entryPoints: { index: 'src/index.ts', image: 'src/image/index.ts', nn: 'src/nn/index.ts', onnx: 'src/onnx/index.ts' }, plugins: [oneCore, calledOfPbf] },
  { entryPoints: { node: 'src/node/index.ts', cli: 'src/cli/index.ts' }, plugins: [found] },
]) {
  Object.assign(outputs, (await build({ ...bundle, ...options })).metafile.outputs)
}
for (const [file, { bytes }] of Object.entries(outputs)) say(`${file}: ${bytes} bytes`)

node(join(packageRoot('typescript'), 'lib/tsc.js'), '-p', 'src')
