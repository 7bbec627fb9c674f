/** What imports what: no circles, and no room one that stands above it (CONTRIBUTING.md, Rooms). */
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser'
import { beforeAll, describe, expect, it } from 'vitest'
import { root } from './support/package.js'

/** The rooms of src, the lowest first; those of one line are beside each other. */
const levels: readonly (readonly string[])[] = [
  ['base'],
  ['wasm'],
  ['core'],
  ['plans'],
  ['ops'],
  ['pictures'],
  ['image', 'nn', 'onnx'],
  ['worker', 'node', 'cli', 'tasks'],
]

/** What rooms beside each other take from each other: a path of the one that may, and of what it may. */
const beside: readonly (readonly [from: string, to: string])[] = [
  // A model is saved as ONNX by the writer that the importer's reader stands beside.
  ['src/nn/', 'src/onnx/file/'],
  ['src/cli/', 'src/node/'],
]

const foldersOf = (rooms: readonly string[]) => `^src/(${rooms.join('|')})/`

/** Each room takes nothing from those above it, nor from the entry of the package. */
const downward = levels.flatMap((rooms, level): IForbiddenRuleType[] => {
  const above = levels.slice(level + 1).flat()
  const from = { path: foldersOf(rooms) }
  const name = `${rooms.join(', ')}: nothing from above`
  return [
    ...(above.length ? [{ name, from, to: { path: foldersOf(above) } }] : []),
    ...(above.length ? [{ name: `${name}, nor from the entry`, from, to: { path: '^src/[^/]+$' } }] : []),
  ]
})

const sideways = levels.flatMap((rooms): IForbiddenRuleType[] =>
  rooms.flatMap((room) => {
    const others = rooms.filter((other) => other !== room)
    const allowed = beside.filter(([from]) => from === `src/${room}/`).map(([, to]) => `^${to}`)
    return others.length
      ? [
          {
            name: `${room}: nothing from beside`,
            from: { path: foldersOf([room]) },
            to: { path: foldersOf(others), ...(allowed.length && { pathNot: allowed }) },
          },
        ]
      : []
  }),
)

const forbidden: IForbiddenRuleType[] = [
  { name: 'no circle', from: {}, to: { circular: true } },
  { name: 'assembly: nothing of src', from: { path: '^assembly/' }, to: { path: '^src/' } },
  { name: 'src: nothing of assembly', from: { path: '^src/' }, to: { path: '^assembly/' } },
  ...downward,
  ...sideways,
]

describe('the sources', { timeout: 240_000 }, () => {
  let result: ICruiseResult

  beforeAll(async () => {
    const { output } = await cruise(
      ['src', 'assembly'],
      {
        baseDir: root,
        tsPreCompilationDeps: true,
        doNotFollow: { path: 'node_modules' },
        // Binaries and programs as texts, which the build writes.
        exclude: { path: 'src/(wasm/(simd128|relaxed|workerSource)|worker/served)\\.ts$' },
        validate: true,
        ruleSet: { forbidden: forbidden.map((rule) => ({ severity: 'error', ...rule })) },
      },
      { extensions: ['.ts'] },
    )
    result = output as ICruiseResult
  }, 240_000)

  it('are all found, with what they import', () => {
    const imports = result.modules.flatMap(({ source, dependencies }) =>
      dependencies.map((dependency) => ({ source, ...dependency })),
    )
    // Of what it cannot find it would know no circle.
    expect(
      imports
        .filter(({ couldNotResolve }) => couldNotResolve)
        .map(({ source, module }) => `${source} imports ${module}`),
    ).toEqual([])
    const pairs = imports.map(({ source, resolved }) => `${source} > ${resolved}`)
    expect(pairs).toContain('assembly/index.ts > assembly/dense/igemm.ts')
    expect(pairs).toContain('src/index.ts > src/ops/conv/conv.ts')
    // A type alone counts too.
    expect(pairs).toContain('src/image/integers.ts > src/image/plan.ts')
  })

  it('stand in rooms that are known', () => {
    const rooms = new Set(result.modules.flatMap(({ source }) => /^src\/([^/]+)\//.exec(source)?.[1] ?? []))
    expect([...rooms].filter((room) => !levels.flat().includes(room))).toEqual([])
  })

  it('import each other in no circle, types included, and from no room above or beside', () => {
    const breaks = result.summary.violations.map(({ rule, from, to, cycle }) =>
      cycle ? `${rule.name}: ${cycle.map(({ name }) => name).join(' > ')}` : `${rule.name}: ${from} > ${to}`,
    )
    expect([...new Set(breaks)].sort()).toEqual([])
  })
})
