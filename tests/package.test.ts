/**
 * The package as its users get it: what it holds, how large it is in their bundles, and that it works in
 * plain Node and for TypeScript.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { build, type Metafile } from 'esbuild'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Packed, pack, root, temporaryFolder, unpack } from './support/package.js'

/**
 * Brotli bytes in a user's bundle, minified: the core with both binaries; that with ONNX; what
 * filterbank/nn adds to the core.
 */
const MOST_BYTES = { core: 148 * 1024, withOnnx: 236 * 1024, nn: 38 * 1024 }
/** No file that people get to see in an error has a longer line. */
const MOST_COLUMNS = 400
/** What an uncaught error may print. */
const MOST_ERROR_CHARACTERS = 4096
const ENTRIES = ['index', 'image', 'nn', 'onnx', 'tasks', 'worker', 'node']

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/**
 * A file of dist/ and all that it imports statically, itself first; and every name imported from elsewhere.
 */
function closure(entry: string): { files: string[]; foreign: string[] } {
  const files = [entry]
  const foreign: string[] = []
  for (const file of files) {
    const text = readFileSync(join(root, 'dist', file), 'utf8')
    for (const [, name] of text.matchAll(
      /(?:^|[;}\n])(?:import|export)(?:[\w*{}$,\s]+from)?\s*["']([^"']+)["']/g,
    )) {
      if (!name!.startsWith('./')) foreign.push(name!)
      else if (!files.includes(name!.slice(2))) files.push(name!.slice(2))
    }
  }
  return { files, foreign }
}

describe('the package', { timeout: 120_000 }, () => {
  const folder = temporaryFolder()
  let packed: Packed
  let tarball: string
  beforeAll(() => {
    packed = pack(folder.path)
    tarball = join(folder.path, packed.filename)
    unpack(tarball, folder.path)
    writeFileSync(join(folder.path, 'package.json'), '{ "type": "module" }')
  })
  afterAll(() => folder[Symbol.dispose]())

  const run = (...args: string[]) =>
    execFileSync(process.execPath, args, { cwd: folder.path, encoding: 'utf8' })

  /** What a page loads at first that uses all of some entries, as esbuild bundles it: brotli bytes. */
  async function bundledBytes(...entries: string[]): Promise<number> {
    const contents = entries
      .map((entry, i) => `import * as library${i} from '${entry}'\nconsole.log(library${i})`)
      .join('\n')
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: folder.path },
      outdir: folder.path,
      bundle: true,
      minify: true,
      splitting: true,
      write: false,
      format: 'esm',
      metafile: true,
    })
    const outputs = Object.entries(metafile.outputs as Metafile['outputs'])
    // What is imported dynamically has an entry point too.
    const first = outputs.filter(([, { entryPoint }]) => entryPoint === '<stdin>').map(([path]) => path)
    for (const path of first) {
      for (const { path: imported, kind } of metafile.outputs[path]!.imports)
        if (kind === 'import-statement' && !first.includes(imported)) first.push(imported)
    }
    const names = first.map((path) => basename(path))
    const loaded = outputFiles.filter(({ path }) => names.includes(basename(path)))
    return loaded.reduce((sum, { contents }) => sum + brotliCompressSync(contents).length, 0)
  }

  it('takes at most 148 KiB of a page for the core, 236 KiB with ONNX, and 38 KiB more for filterbank/nn, and imports nothing else', async () => {
    for (const entry of ['index.js', 'nn.js', 'onnx.js']) expect(closure(entry).foreign).toEqual([])
    const core = await bundledBytes('filterbank')
    const withOnnx = await bundledBytes('filterbank', 'filterbank/onnx')
    const nn = (await bundledBytes('filterbank', 'filterbank/nn')) - core
    console.log(`minified and brotli: core ${core} bytes, with ONNX ${withOnnx}; nn adds ${nn}`)
    // The binary alone takes half of this: it is in there.
    expect(core).toBeGreaterThan(30 * 1024)
    expect(core).toBeLessThan(MOST_BYTES.core)
    expect(withOnnx).toBeLessThan(MOST_BYTES.withOnnx)
    expect(nn).toBeLessThan(MOST_BYTES.nn)
  })

  it('asks for all that an entry imports at once: two round trips, both builds among it', () => {
    const shared = new Set<string>()
    for (const entry of ['index.js', 'image.js', 'nn.js', 'onnx.js', 'tasks.js', 'worker.js']) {
      const text = readFileSync(join(root, 'dist', entry), 'utf8')
      const direct = [...text.matchAll(/(?:^import|\bfrom) "\.\/([\w.-]+)";$/gm)].map(([, file]) => file)
      const { files } = closure(entry)
      expect([...new Set(direct)].sort(), entry).toEqual(files.slice(1).sort())
      const builds = files.filter((file) => /^binaries-/.test(file))
      expect(builds, entry).toHaveLength(entry === 'tasks.js' ? 0 : 1)
      for (const file of files.slice(1)) shared.add(file)
    }
    // Browsers ask for six at a time, whichever entries a page imports.
    expect([...shared]).toHaveLength(6)
  })

  it('imports no more than its dependencies and Node anywhere', () => {
    expect(closure('image.js').foreign).toEqual([])
    const allowed = new Set(Object.keys(manifest.dependencies))
    for (const entry of ['cli.js', 'node.js'])
      expect(
        closure(entry).foreign.filter((name) => !name.startsWith('node:') && !allowed.has(name)),
      ).toEqual([])
  })

  const shipped = (pattern: RegExp) =>
    packed.files.map(({ path }) => path).filter((path) => pattern.test(path))
  const textOf = (path: string) => readFileSync(join(folder.path, 'node_modules/filterbank', path), 'utf8')

  it('ships dist/, a folder for each entry and the documents, and nothing else', () => {
    const folders = ENTRIES.slice(1).map((entry) => `${entry}/package.json`)
    expect(shipped(/^(?!dist\/)/).sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE', 'README.md', ...folders, 'package.json'].sort(),
    )
    expect(shipped(/^dist\/(?!.*\.(c?js|js\.map|wasm|d\.c?ts)$)/)).toEqual([])
    const targets = (value: unknown): string[] =>
      typeof value === 'string' ? [value] : Object.values(value as object).flatMap(targets)
    for (const entry of ENTRIES) {
      const conditions = manifest.exports[entry === 'index' ? '.' : `./${entry}`]
      expect(new Set(targets(conditions))).toEqual(
        new Set(
          ['.d.ts', '.js', '.d.cts', '.cjs'].map(
            (end) => `./dist/${{ '.js': '', '.cjs': 'cjs/' }[end] ?? 'types/'}${entry}${end}`,
          ),
        ),
      )
      expect(shipped(/^dist\//)).toEqual(
        expect.arrayContaining(targets(conditions).map((path) => path.slice(2))),
      )
    }
  })

  it('ships text that people can read and no charset can spoil', () => {
    const paths = shipped(/\.(c?js|d\.c?ts)$/)
    expect(paths.length).toBeGreaterThan(10)
    for (const path of paths) {
      const text = textOf(path)
      expect(
        Math.max(...text.split('\n').map((line) => line.length)),
        `longest line of ${path}`,
      ).toBeLessThanOrEqual(MOST_COLUMNS)
      expect(/\P{ASCII}/u.exec(text)?.[0], path).toBeUndefined()
    }
  })

  it('ships source maps that hold the sources they name', () => {
    const maps = shipped(/\.map$/)
    expect(maps.length).toBeGreaterThan(5)
    for (const path of maps) {
      const { sources, sourcesContent } = JSON.parse(textOf(path)) as {
        sources: string[]
        sourcesContent: string[]
      }
      expect(sources.filter((source) => !/^\.\.\/(src|assembly|bench|node_modules)\//.test(source))).toEqual(
        [],
      )
      expect(sourcesContent.length).toBe(sources.length)
      expect(sourcesContent.every((content) => content.length > 0)).toBe(true)
    }
  })

  it('declares what each entry exports, with a comment, and nothing beside', async () => {
    for (const entry of ENTRIES) {
      const path = join(folder.path, `node_modules/filterbank/dist/types/${entry}.d.ts`)
      const file = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true)
      const exported = file.statements.filter(ts.isExportDeclaration)
      const elements = exported.flatMap(({ exportClause, isTypeOnly }) =>
        (exportClause as ts.NamedExports).elements.map(({ name, propertyName }) => ({
          name: name.text,
          local: (propertyName ?? name).text,
          isTypeOnly,
        })),
      )
      const declared = file.statements.flatMap((statement): ts.NamedDeclaration[] => {
        if (ts.isVariableStatement(statement)) return [...statement.declarationList.declarations]
        return ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement)
          ? []
          : [statement as ts.DeclarationStatement]
      })
      const names = elements.map(({ local }) => local)
      expect(
        declared.map(({ name }) => name?.getText()).filter((name) => !names.includes(name ?? '')),
        `declared by ${entry}, but not exported`,
      ).toEqual([])
      const bare = declared.filter((node) => ts.getJSDocCommentsAndTags(node).length === 0)
      expect(
        bare.map(({ name }) => name?.getText()),
        `without a comment in ${entry}`,
      ).toEqual([])
      const values = elements.filter(({ isTypeOnly }) => !isTypeOnly).map(({ name }) => name)
      expect(values.sort(), `values of ${entry}`).toEqual(
        Object.keys(await import(join(root, `dist/${entry}.js`))).sort(),
      )
    }
  })

  it('has nothing that publint or are-the-types-wrong complains about', async () => {
    const { messages, pkg } = await publint({
      pkgDir: join(folder.path, 'node_modules/filterbank'),
      pack: false,
    })
    // One file is a classic script for `new Worker`, which reads the same as a module.
    const complaints = messages.map((message) => formatMessage(message, pkg))
    expect(complaints.filter((text) => text !== undefined && !text.includes('./worker-thread.js'))).toEqual(
      [],
    )
    const { problems = [] } = (await checkPackage(createPackageFromTarballData(readFileSync(tarball)))) as {
      problems?: { kind: string; resolutionKind?: string; entrypoint?: string }[]
    }
    expect(problems.filter(({ entrypoint }) => entrypoint !== './worker-thread.js')).toEqual([])
  })

  it('works in plain Node', () => {
    const script = join(folder.path, 'main.js')
    writeFileSync(
      script,
      `import { conv2d, createEngine } from 'filterbank'
       import { filter2d } from 'filterbank/image'
       const engine = await createEngine()
       const x = engine.tensor([1, 2, 3, 4], [1, 2, 2, 1])
       const y = conv2d(x, engine.tensor([1, 10, 100, 1000], [2, 2, 1, 1]))
       console.log(y.toArray()[0], filter2d(x, [[2]]).toArray().join(), import.meta.resolve('filterbank/simd128.wasm').endsWith('dist/simd128.wasm'))
       engine.dispose()`,
    )
    expect(run(script).trim()).toBe('4321 2,4,6,8 true')
  })

  it('works by require, where Node allows that for ES modules with the same classes as by import', () => {
    const script = `const { createEngine, relu, Tensor } = require('filterbank')
      const { Linear } = require('filterbank/nn')
      createEngine({ threads: 2 }).then(async (engine) => {
        const x = new Linear(engine, { inFeatures: 2, outFeatures: 1 }).forward(engine.zeros([1, 2]))
        console.log(relu(engine.tensor([-1, 2], [2])).toArray().join(), engine.threads, String(x), (await import('filterbank')).Tensor === Tensor)
        engine.dispose()
      })`
    const same = (process.features as { require_module?: boolean }).require_module === true
    expect(run('--input-type=commonjs', '-e', script).trim()).toBe(`0,2 2 Tensor [1, 1] ${same}`)
  })

  it('works as CommonJS, as Jest takes it', () => {
    const script = `const { resolve } = require('node:path')
      const from = (entry) => require(resolve('node_modules/filterbank/dist/cjs', entry))
      const { createEngine, relu, Tensor } = from('index.cjs')
      const { Linear } = from('nn.cjs')
      const { writeModel, loadModel } = from('onnx.cjs')
      createEngine({ threads: 2, simd: process.argv[1] }).then(async (engine) => {
        const x = new Linear(engine, { inFeatures: 2, outFeatures: 1 }).forward(engine.zeros([1, 2]))
        console.log(relu(engine.tensor([-1, 2], [2])).toArray().join(), engine.simd, engine.threads, x instanceof Tensor, typeof loadModel, typeof writeModel)
        engine.dispose()
      })`
    for (const build of ['simd128', 'relaxed']) {
      const out = run('--experimental-wasm-relaxed-simd', '--input-type=commonjs', '-e', script, build)
      expect(out.trim()).toBe(`0,2 ${build} 2 true function function`)
    }
  })

  it('stands where tools look that read no `exports`', () => {
    const home = join(folder.path, 'node_modules/filterbank')
    for (const entry of ENTRIES) {
      const place = entry === 'index' ? home : join(home, entry)
      const { main, module, types } = JSON.parse(readFileSync(join(place, 'package.json'), 'utf8'))
      expect(join(place, main)).toBe(join(home, `dist/cjs/${entry}.cjs`))
      expect(join(place, module)).toBe(join(home, `dist/${entry}.js`))
      for (const path of [main, module, types]) expect(existsSync(join(place, path)), path).toBe(true)
    }
  })

  /** What Node prints about an error of ours that nobody catches. */
  function uncaught(...flags: string[]): string {
    const script =
      "import { conv2d, createEngine } from 'filterbank'; const engine = await createEngine({ threads: 1 }); conv2d(engine.zeros([1, 2, 2, 1]), engine.zeros([3, 3, 1, 1]))"
    const { stderr, status } = spawnSync(process.execPath, [...flags, '--input-type=module', '-e', script], {
      cwd: folder.path,
      encoding: 'utf8',
    })
    expect(status).toBe(1)
    return stderr
  }

  it('prints a short uncaught error that says first what is wrong', () => {
    const text = uncaught()
    expect(text.length).toBeLessThan(MOST_ERROR_CHARACTERS)
    const [place, source, caret, , message] = text.split('\n')
    expect(place).toMatch(/filterbank\/dist\/[\w-]+\.js:\d+$/)
    expect(source).toContain('throw new FilterbankError')
    expect(caret).toMatch(/^ *\^$/)
    expect(message).toMatch(/^FilterbankError: conv2d: padding must be /)
    expect(text).toMatch(/\n {4}at .*conv2d \(.*filterbank\/dist\//)
    expect(text).toContain("argument: 'padding'")
    expect(text).not.toContain('undefined')
  })

  it('shows the lines of its sources in stacks where source maps are on', () => {
    expect(uncaught('--enable-source-maps')).toMatch(
      /\n {4}at .*conv2d \(.*filterbank\/src\/ops\/[\w/]+\.ts:\d+:\d+\)/,
    )
  })

  describe('has types', () => {
    const program = `import { type Build, conv2d, type Conv2dOptions, createEngine, FilterbankError, type Tensor } from 'filterbank'
       import { featureMaps, type Sheet } from 'filterbank/image'
       import { Linear, Sequential } from 'filterbank/nn'
       import { loadModel } from 'filterbank/onnx'
       const engine = await createEngine({ threads: 1 })
       const x: Tensor = engine.tensor(new Uint8ClampedArray(4), [1, 2, 2, 1])
       const options: Conv2dOptions = { padding: [[1, 1], [0, 2]], stride: [1, 2], activation: 'relu6' }
       const y = conv2d(x, engine.zeros([3, 3, 1, 8]), options)
       const sheet: Sheet = featureMaps(y)
       const model = new Sequential(new Linear(engine, { inFeatures: 8, outFeatures: 2 }))
       const z: Tensor = model.forward(y)
       const outputs = (await loadModel(engine, new Uint8Array())).run({ x: z })
       const live: number = engine.memory().live
       const build: Build = engine.simd
       export const all = [y.shape.length, sheet.width, live, build, FilterbankError.name, outputs]
       // @ts-expect-error not public
       engine.allocate(4)
       // @ts-expect-error an engine is made by createEngine
       new (await import('filterbank')).Engine()
       // @ts-expect-error no such padding
       conv2d(x, y, { padding: 'full' })`
    const withUsing = `${program}
       using short = await createEngine({ signal: AbortSignal.timeout(1000) })
       using part = short.zeros([1])
       console.log(part.size)`
    const byRequire = `import filterbank = require('filterbank')
       import { Linear } from 'filterbank/nn'
       const use = (engine: filterbank.Engine): filterbank.Tensor => new Linear(engine, { inFeatures: 1, outFeatures: 1 }).forward(engine.zeros([1, 1]))
       export = use`
    const node16 = { module: 'nodenext' }
    const legacy = { module: 'esnext', moduleResolution: 'node10' }

    it.each([
      ['with `using`', withUsing, { ...node16, lib: ['es2023', 'dom', 'esnext.disposable'] }],
      ['with the library of ES2022 and the DOM', program, { ...node16, lib: ['es2022', 'dom'] }],
      ['without the DOM', program, { ...node16, lib: ['es2022'] }],
      [
        'with the types of Node',
        withUsing,
        { ...node16, lib: ['es2022'], types: ['node'], typeRoots: [join(root, 'node_modules/@types')] },
      ],
      ['in CommonJS', byRequire, { ...node16, lib: ['es2022', 'dom'] }, 'main.cts'],
      ['for resolution without `exports`', program, { ...legacy, lib: ['es2022', 'dom'] }],
    ])(
      'for a strict program %s, and for no more than it exports',
      (name, text, options, file = 'main.ts') => {
        const place = join(folder.path, `types-${name.replaceAll(/\W+/g, '-')}`)
        mkdirSync(place)
        writeFileSync(join(place, file), text)
        const compilerOptions = {
          target: 'es2022',
          types: [],
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          ...options,
        }
        writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
        const { stdout } = spawnSync(
          process.execPath,
          [join(root, 'node_modules/typescript/lib/tsc.js'), '-p', place],
          { encoding: 'utf8' },
        )
        expect(stdout).toBe('')
      },
    )
  })

  it('installs a command that runs from any folder', () => {
    for (const name of Object.keys(manifest.dependencies))
      symlinkSync(join(root, 'node_modules', name), join(folder.path, 'node_modules', name))
    const cli = join(folder.path, 'node_modules/filterbank', manifest.bin.filterbank)
    expect(run(cli, '--help')).toContain('Usage: filterbank COMMAND')
    expect(run(cli, 'doctor')).toMatch(/simd128|relaxed/)
  })
})
