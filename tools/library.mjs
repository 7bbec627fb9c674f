/**
 * The library's entries as modules for people to read, and what they share. esbuild makes a chunk for each set of
 * entries that share something; a browser asks for six files at a time, and each costs it more than lines that some
 * page may not use: so Rollup joins them to a few, each for those who need no more.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { build, transform } from 'esbuild'
import { rollup } from 'rollup'

/** Columns after which a line ends as soon as it can. */
const LINE = 110

/** Binaries: a chunk by themselves. */
const BINARY = /^\.\/(simd128|relaxed)\.js$/

/** The chunk for what these entries reach; the first that fits. */
function chunkFor(users) {
  if (users.has('tasks')) return 'base'
  if (users.has('worker')) return 'load'
  if (users.has('index')) return 'core'
  if (users.has('nn')) return 'file'
  return users.has('image') ? 'core' : 'model'
}

/** For each file of esbuild's, by its name: which entries reach it without import(). */
function usersOf(outputs, entries) {
  const users = new Map(Object.keys(outputs).map((file) => [basename(file), new Set()]))
  const visit = (file, name) => {
    const seen = users.get(basename(file))
    if (seen.has(name)) return
    seen.add(name)
    for (const { path, kind, external } of outputs[file].imports)
      if (kind === 'import-statement' && !external) visit(path, name)
  }
  for (const [file, { entryPoint }] of Object.entries(outputs)) {
    const [name] = Object.entries(entries).find(([, source]) => source === entryPoint) ?? []
    if (name) visit(file, name)
  }
  return users
}

/**
 * Writes the entries (name -> source file) and their chunks into a folder. Gives each entry's name, source and
 * exports, and says each file's size. `shared` are esbuild's options, `draft` is a folder for what it makes.
 */
export async function writeLibrary({ entries, folder, draft, shared, say }) {
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { recursive: true })
  const binaries = {
    name: 'binaries',
    setup: ({ onResolve }) => onResolve({ filter: BINARY }, ({ path }) => ({ path, external: true })),
  }
  const { metafile } = await build({
    ...shared,
    entryPoints: entries,
    outdir: draft,
    format: 'esm',
    splitting: true,
    sourcemap: true,
    external: ['node:*'],
    plugins: [binaries],
    metafile: true,
  })
  const outputs = Object.fromEntries(
    Object.entries(metafile.outputs).filter(([file]) => file.endsWith('.js')),
  )
  const users = usersOf(outputs, entries)
  const fromDraft = {
    name: 'from draft',
    resolveId(source) {
      if (source.startsWith('node:')) return { id: source, external: true }
      const [, binary] = BINARY.exec(source) ?? []
      return binary ? resolve(`src/wasm/${binary}.ts`) : resolve(draft, basename(source))
    },
    load: (id) =>
      id.endsWith('.ts') ? null : { code: readFileSync(id, 'utf8'), map: readFileSync(`${id}.map`, 'utf8') },
    // Lists of imports in lines of ordinary length; binaries have theirs.
    renderChunk: (code, { name, fileName }) =>
      name === 'binaries'
        ? null
        : transform(code, { target: shared.target, sourcemap: true, sourcefile: fileName, lineLimit: LINE }),
  }
  const bundle = await rollup({
    input: Object.fromEntries(Object.keys(entries).map((name) => [name, `${name}.js`])),
    plugins: [fromDraft],
    treeshake: { moduleSideEffects: false },
    onwarn: ({ message }) => {
      throw new Error(message)
    },
  })
  const { output } = await bundle.write({
    dir: folder,
    format: 'es',
    sourcemap: true,
    // Without the hash of esbuild's.
    chunkFileNames: ({ name }) => `${name.replace(/-[A-Z0-9]{8}$/, '')}-[hash].js`,
    minifyInternalExports: false,
    manualChunks(id, { getModuleInfo }) {
      if (id.endsWith('.ts')) return 'binaries'
      const { isEntry, dynamicImporters } = getModuleInfo(id)
      return isEntry || dynamicImporters.length ? undefined : chunkFor(users.get(basename(id)))
    },
  })
  await bundle.close()
  const chunks = output.filter(({ type }) => type === 'chunk')
  for (const { fileName, code } of chunks) say(`${join(folder, fileName)}: ${code.length} bytes`)
  return chunks
    .filter(({ isEntry }) => isEntry)
    .map(({ name, exports }) => ({ name, source: entries[name], exports }))
}
