/**
 * Fills dist/: assembly/ -> binaries, which stand as text in src/wasm/ beside the worker's source -> readable
 * modules with source maps, and one declaration file for each entry of the package; and the programs of bench/.
 * `--quiet` prints errors alone.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { build, transform } from 'esbuild'
import { rollup } from 'rollup'
import { generate } from './abi.mjs'
import { writeDeclarations } from './declarations.mjs'
import { binaryModule, deltaModule, deltaOf, textModule } from './inline.mjs'
import { writeLibrary } from './library.mjs'

const quiet = process.argv.includes('--quiet')
const say = (text) => quiet || console.log(text)
const packageRoot = (name) => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))

process.chdir(join(import.meta.dirname, '..'))

/** What users import, and the source file of each. */
const LIBRARY = {
  index: 'src/index.ts',
  image: 'src/image/index.ts',
  nn: 'src/nn/index.ts',
  onnx: 'src/onnx/index.ts',
  tasks: 'src/tasks/index.ts',
  worker: 'src/worker/index.ts',
}
const NODE = { node: 'src/node/index.ts' }
const COMMANDS = { cli: 'src/cli/index.ts' }
const ENTRIES = { ...LIBRARY, ...NODE }

/** Rooms that an entry of another name speaks for. */
const SPOKEN_FOR = { pictures: 'image' }

/** Which entry a source file belongs to: that of its folder, else the core. */
function entryOf(path) {
  const [folder] = relative('src', path).split(sep)
  return SPOKEN_FOR[folder] ?? (Object.hasOwn(ENTRIES, folder) ? folder : 'index')
}

/** Makes a folder or a file, unless the sources that gave what stands there are the same. */
async function unlessMade(output, sources, make) {
  const hash = createHash('sha256')
  for (const source of sources) hash.update(readFileSync(source))
  const digest = hash.digest('hex')
  const note = `${output}.sources`
  if (existsSync(output) && existsSync(note) && readFileSync(note, 'utf8') === digest) return
  rmSync(note, { force: true })
  await make()
  writeFileSync(note, digest)
}

const sourcesOf = (folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.includes('node_modules'))
    .sort()
    .map((name) => join(folder, name))

/** Compiles AssemblyScript: a target of a configuration. */
async function compile(config, target) {
  const asc = packageRoot('assemblyscript')
  const outFile = join(dirname(config), JSON.parse(readFileSync(config, 'utf8')).targets[target].outFile)
  const sources = [
    config,
    ...sourcesOf(dirname(config) === '.' ? 'assembly' : dirname(config)),
    join(asc, 'package.json'),
  ]
  await unlessMade(outFile, sources, () => {
    execFileSync(process.execPath, [join(asc, 'bin/asc.js'), '--config', config, '--target', target], {
      stdio: 'inherit',
    })
  })
}

async function makeBinaries() {
  writeFileSync(
    'src/wasm/abi.ts',
    generate(
      sourcesOf('assembly/abi')
        .map((path) => readFileSync(path, 'utf8'))
        .join('\n'),
    ),
  )
  // Stays in its file: nobody gets it who did not ask.
  await compile('asconfig.json', 'wide')
  cpSync('build/wide.wasm', 'dist/wide.wasm')
  for (const target of ['simd128', 'relaxed']) {
    const file = `build/${target}.wasm`
    await compile('asconfig.json', target)
    cpSync(file, `dist/${target}.wasm`)
    // What `filterbank bench` measures everything against.
    await compile('bench/peak/asconfig.json', target)
    cpSync(`build/peak-${target}.wasm`, `dist/peak-${target}.wasm`)
  }
  const [simd128, relaxed] = ['build/simd128.wasm', 'build/relaxed.wasm'].map((file) => readFileSync(file))
  writeFileSync('src/wasm/simd128.ts', binaryModule(simd128, 'build/simd128.wasm'))
  const sources = ['build/simd128.wasm', 'build/relaxed.wasm', 'tools/inline.mjs']
  await unlessMade('build/relaxed.delta', sources, () =>
    writeFileSync('build/relaxed.delta', deltaOf(simd128, relaxed)),
  )
  writeFileSync(
    'src/wasm/relaxed.ts',
    deltaModule(readFileSync('build/relaxed.delta'), 'build/relaxed.delta'),
  )
}

const shared = {
  bundle: true,
  platform: 'neutral',
  mainFields: ['module', 'main'],
  target: 'es2022',
  logLevel: 'warning',
}

async function makeWorker() {
  const { outputFiles } = await build({
    ...shared,
    entryPoints: ['src/wasm/worker.ts'],
    format: 'iife',
    write: false,
  })
  writeFileSync('src/wasm/workerSource.ts', textModule(outputFiles[0].text, 'src/wasm/worker.ts, bundled'))
}

/** What a page hands to its worker stands in the page's bundle: the worker's own has no binary. */
const withoutBinaries = {
  name: 'without binaries',
  setup({ onLoad }) {
    onLoad({ filter: /src.wasm.(simd128|relaxed)\.ts$/ }, () => ({
      contents: "export const binary = ''; export const delta = ''",
    }))
  },
}

/**
 * The worker of filterbank/worker: inlined, and a file for pages that may not start one from a blob: URL. To users'
 * bundlers it is a text, so that it is minified here. esbuild alone would put whatever `import()` shares with the rest
 * into functions, which are read twice; Rollup puts all into one scope.
 */
async function makeServed() {
  const draft = 'build/worker'
  rmSync(draft, { recursive: true, force: true })
  await build({
    ...shared,
    entryPoints: ['src/worker/serve.ts'],
    outdir: draft,
    format: 'esm',
    splitting: true,
    external: ['node:*'],
    plugins: [withoutBinaries],
  })
  const joined = await rollup({ input: join(draft, 'serve.js'), external: /^node:/ })
  const { output } = await joined.generate({ format: 'iife', inlineDynamicImports: true })
  await joined.close()
  const { code } = await transform(output[0].code, {
    target: shared.target,
    charset: 'ascii',
    minify: true,
    lineLimit: 110,
  })
  writeFileSync('src/worker/served.ts', textModule(code, 'src/worker/serve.ts, bundled'))
  writeFileSync('dist/worker-thread.js', code)
}

/**
 * Imports what stands in dist/ already, the entries of the library, for what is built on them. `folder` is dist/
 * from where the program goes.
 */
const standing = (modules, folder = './') => ({
  name: 'standing',
  setup({ onResolve }) {
    onResolve({ filter: /^\..*\.js$/ }, ({ path, resolveDir }) => {
      const source = relative('.', join(resolveDir, path)).replaceAll(sep, '/').replace(/\.js$/, '.ts')
      const found = modules.find((module) => module.source === source)
      return found && { path: `${folder}${found.name}.js`, external: true }
    })
  },
})

/**
 * Bundles entries into dist/. Gives the name of each module that came of one, its source and what it exports.
 */
async function bundle(entryPoints, modules) {
  const { metafile } = await build({
    ...shared,
    entryPoints,
    outdir: 'dist',
    format: 'esm',
    splitting: true,
    sourcemap: true,
    external: ['node:*', 'pngjs', 'jpeg-js'],
    plugins: [standing(modules)],
    metafile: true,
  })
  const outputs = Object.entries(metafile.outputs)
  for (const [file, { bytes }] of outputs) if (file.endsWith('.js')) say(`${file}: ${bytes} bytes`)
  return outputs
    .filter(([, { entryPoint }]) => entryPoint)
    .map(([file, { entryPoint, exports }]) => ({
      name: file.slice('dist/'.length, -'.js'.length),
      source: entryPoint,
      exports,
    }))
}

/**
 * The library's modules again, each as CommonJS beside its like: for Jest, and for tools that know no ES
 * modules.
 */
async function makeCommonJs() {
  const asCommonJs = {
    name: 'as CommonJS',
    setup({ onResolve }) {
      onResolve({ filter: /^\.\// }, ({ path, kind }) =>
        kind === 'entry-point' ? null : { path: path.replace(/\.js$/, '.cjs'), external: true },
      )
    },
  }
  await build({
    ...shared,
    entryPoints: readdirSync('dist')
      .filter((name) => name.endsWith('.js') && !['cli.js', 'worker-thread.js'].includes(name))
      .map((name) => `./dist/${name}`),
    outdir: 'dist/cjs',
    outExtension: { '.js': '.cjs' },
    format: 'cjs',
    lineLimit: 300,
    supported: { 'dynamic-import': false },
    external: ['node:*', 'pngjs', 'jpeg-js'],
    plugins: [asCommonJs],
  })
}

/**
 * bench/ as programs of Node, in bench/build: beside the peers in bench/node_modules, on what stands in dist/.
 * Nothing but the program runs in a process that is measured.
 */
async function makeBench(modules) {
  rmSync('bench/build', { recursive: true, force: true })
  await build({
    ...shared,
    entryPoints: ['run', 'alone', 'builds'].map((name) => `bench/${name}.ts`),
    outdir: 'bench/build',
    format: 'esm',
    splitting: true,
    packages: 'external',
    // Else paths of types would be those of programs.
    tsconfigRaw: {},
    plugins: [standing(modules, '../../dist/')],
  })
}

/** What checks the build wide where it is asked for: a program that nothing imports. */
async function makeCheck(modules) {
  await build({
    ...shared,
    entryPoints: ['hosts/everyKernel.ts'],
    outfile: 'dist/every-kernel.js',
    format: 'esm',
    charset: 'ascii',
    external: ['node:*'],
    plugins: [standing(modules)],
  })
}

/** For tools that do not read `exports`: a folder for each entry, whose package.json points into dist/. */
function makeFolders() {
  for (const entry of Object.keys(ENTRIES)) {
    if (entry === 'index') continue
    mkdirSync(entry, { recursive: true })
    const pointers = {
      main: `../dist/cjs/${entry}.cjs`,
      module: `../dist/${entry}.js`,
      types: `../dist/types/${entry}.d.ts`,
    }
    writeFileSync(`${entry}/package.json`, `${JSON.stringify(pointers, null, 2)}\n`)
  }
}

rmSync('dist', { recursive: true, force: true })
mkdirSync('dist')
await makeBinaries()
await makeWorker()
await makeServed()
const library = await writeLibrary({ entries: LIBRARY, folder: 'dist', draft: 'build/library', shared, say })
const node = await bundle({ ...NODE, ...COMMANDS }, library)
const exports = Object.fromEntries([...library, ...node].map((module) => [module.name, module.exports]))
await unlessMade('build/types', [...sourcesOf('src'), ...sourcesOf('tools'), 'package-lock.json'], () =>
  writeDeclarations({
    entries: ENTRIES,
    entryOf,
    exports,
    folder: 'build/types',
    tsconfig: 'src/tsconfig.json',
  }),
)
cpSync('build/types', 'dist/types', { recursive: true })
await makeCommonJs()
await makeCheck(library)
makeFolders()
await makeBench(library)
