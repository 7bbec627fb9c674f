/** The package as its users get it: what it holds, how large its core is, and that it works in plain Node and for TypeScript. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Packed, pack, root, temporaryFolder, unpack } from './support/package.js'

/** The ops alone took 36 KB; the way back of each, the optimisers and what ONNX files ask for stand in the same files. */
const MOST_CORE_BYTES = 45 * 1024
/** What filterbank/nn adds to the core. */
const MOST_NN_BYTES = 20 * 1024

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** A file of dist/ and all that it imports statically, itself first; and every name imported from elsewhere. */
function closure(entry: string): { files: string[]; foreign: string[] } {
  const files = [entry]
  const foreign: string[] = []
  for (const file of files) {
    const text = readFileSync(join(root, 'dist', file), 'utf8')
    for (const [, name] of text.matchAll(/(?:^|[;}\n])(?:import|export)(?:[\w*{}$,\s]+from)?\s*["']([^"']+)["']/g)) {
      if (!name!.startsWith('./')) foreign.push(name!)
      else if (!files.includes(name!.slice(2))) files.push(name!.slice(2))
    }
  }
  return { files, foreign }
}

const sizeOf = (files: string[]): number => files.reduce((sum, file) => sum + brotliCompressSync(readFileSync(join(root, 'dist', file))).length, 0)

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

  const run = (...args: string[]) => execFileSync(process.execPath, args, { cwd: folder.path, encoding: 'utf8' })

  it('holds the core (js and inlined simd128 binary) under 45 KB brotli, importing nothing', () => {
    const { files, foreign } = closure('index.js')
    expect(foreign).toEqual([])
    const bytes = sizeOf(files)
    console.log(`core: ${bytes} bytes brotli in ${files.length} files`)
    expect(bytes).toBeLessThan(MOST_CORE_BYTES)
  })

  it('adds at most 20 KB brotli for filterbank/nn', () => {
    const { files, foreign } = closure('nn.js')
    expect(foreign).toEqual([])
    const core = closure('index.js').files
    const bytes = sizeOf(files.filter((file) => !core.includes(file)))
    console.log(`nn: ${bytes} bytes brotli`)
    expect(bytes).toBeLessThan(MOST_NN_BYTES)
  })

  it('holds core and ONNX together under 80 KB brotli, importing nothing', () => {
    const { files, foreign } = closure('onnx.js')
    expect(foreign).toEqual([])
    const all = new Set([...files, ...closure('index.js').files])
    const bytes = sizeOf([...all])
    console.log(`core and ONNX: ${bytes} bytes brotli in ${all.size} files`)
    expect(bytes).toBeLessThan(80 * 1024)
  })

  it('imports no more than its dependencies and Node anywhere', () => {
    expect(closure('image.js').foreign).toEqual([])
    const allowed = new Set(Object.keys(manifest.dependencies))
    for (const entry of ['cli.js', 'node.js']) expect(closure(entry).foreign.filter((name) => !name.startsWith('node:') && !allowed.has(name))).toEqual([])
  })

  it('ships dist/ and the documents, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path)
    expect(paths.filter((path) => !path.startsWith('dist/')).sort()).toEqual(['CONTRIBUTING.md', 'LICENSE', 'README.md', 'package.json'])
    expect(paths.filter((path) => !/\.(js|wasm|d\.ts|md)$/.test(path) && path.startsWith('dist/'))).toEqual([])
    for (const { types, default: file } of Object.values(manifest.exports).filter((value) => typeof value === 'object') as {
      types: string
      default: string
    }[]) {
      expect(paths).toContain(types.slice(2))
      expect(paths).toContain(file.slice(2))
    }
  })

  it('has nothing that publint or are-the-types-wrong complains about', async () => {
    const { messages, pkg } = await publint({ pkgDir: join(folder.path, 'node_modules/filterbank'), pack: false })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
    const { problems = [] } = (await checkPackage(createPackageFromTarballData(readFileSync(tarball)))) as {
      problems?: { kind: string; resolutionKind?: string }[]
    }
    // ESM alone: CommonJS sees it through require(esm), and TypeScript's old `node10` resolution knows no exports.
    const known = (problem: { kind: string; resolutionKind?: string }) => problem.resolutionKind === 'node10' || problem.kind === 'CJSResolvesToESM'
    expect(problems.filter((problem) => !known(problem))).toEqual([])
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

  it('has types for a strict program with `using`, and for no more than it exports', () => {
    mkdirSync(join(folder.path, 'types'))
    writeFileSync(
      join(folder.path, 'types/main.ts'),
      `import { conv2d, type Conv2dOptions, createEngine, FilterbankError, type Tensor } from 'filterbank'
       import { featureMaps, type Sheet } from 'filterbank/image'
       using engine = await createEngine({ threads: 1, signal: AbortSignal.timeout(1000) })
       using x: Tensor = engine.tensor(new Uint8ClampedArray(4), [1, 2, 2, 1])
       const options: Conv2dOptions = { padding: [[1, 1], [0, 2]], stride: [1, 2], activation: 'relu6' }
       using y = conv2d(x, engine.zeros([3, 3, 1, 8]), options)
       const sheet: Sheet = featureMaps(y)
       const live: number = engine.memory().live
       console.log(y.shape.length, sheet.width, live, FilterbankError.name)
       // @ts-expect-error not public
       engine.allocate(4)
       // @ts-expect-error no such padding
       conv2d(x, y, { padding: 'full' })`,
    )
    const options = {
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2023', 'dom', 'esnext.disposable'],
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    }
    writeFileSync(join(folder.path, 'types/tsconfig.json'), JSON.stringify({ compilerOptions: options }))
    try {
      run(join(root, 'node_modules/typescript/lib/tsc.js'), '-p', 'types')
    } catch (error) {
      expect.fail((error as { stdout: string }).stdout)
    }
  })

  it('installs a command that runs from any folder', () => {
    for (const name of Object.keys(manifest.dependencies)) symlinkSync(join(root, 'node_modules', name), join(folder.path, 'node_modules', name))
    const cli = join(folder.path, 'node_modules/filterbank', manifest.bin.filterbank)
    expect(run(cli, '--help')).toContain('Usage: filterbank COMMAND')
    expect(run(cli, 'doctor')).toMatch(/simd128|relaxed/)
  })
})
