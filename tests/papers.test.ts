/** What README, CHANGELOG, CONTRIBUTING and doc/ say, as far as a program can tell whether it is so. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { root } from './support/package.js'

/** The first page of the package is short. */
const README_LINES = 180
/** Of prose; tables are as wide as they are. */
const MOST_COLUMNS = 180

const ENTRIES: Record<string, string> = {
  filterbank: 'src/index.ts',
  'filterbank/image': 'src/image/index.ts',
  'filterbank/nn': 'src/nn/index.ts',
  'filterbank/node': 'src/node/index.ts',
  'filterbank/onnx': 'src/onnx/index.ts',
  'filterbank/tasks': 'src/tasks/index.ts',
  'filterbank/worker': 'src/worker/index.ts',
}

const papers = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'doc'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `doc/${name}`),
]
const textOf = (path: string): string => readFileSync(join(root, path), 'utf8')

/** A paper without what stands in fences, and without tables that the bench writes. */
const proseOf = (text: string): string =>
  text
    .replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
    .replaceAll(/^<!-- bench (.+) -->[\s\S]*?^<!-- \/bench \1 -->/gm, '')

/** The anchors of a paper's headings, as GitHub makes them. */
const anchorsOf = (text: string): string[] =>
  [...proseOf(text).matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

/** Names that a module exports, types included. */
function exportsOf(path: string): Set<string> {
  const file = ts.createSourceFile(path, textOf(path), ts.ScriptTarget.Latest)
  const names = new Set<string>()
  for (const statement of file.statements) {
    if (
      ts.isExportDeclaration(statement) &&
      statement.exportClause &&
      ts.isNamedExports(statement.exportClause)
    )
      for (const { name } of statement.exportClause.elements) names.add(name.text)
    else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isClassDeclaration(statement)) &&
      statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
    )
      names.add(statement.name!.text)
  }
  return names
}

/** `entry name` of each name that code in a paper imports from the package. */
function importsOf(text: string): [entry: string, name: string][] {
  const imports = text.matchAll(/import\s+(?:type\s+)?\{([^}]*)\}\s+from\s+'(filterbank[^']*)'/g)
  return [...imports].flatMap(([, names, entry]) =>
    names!
      .split(',')
      .map(
        (name) =>
          name
            .trim()
            .replace(/^type /, '')
            .split(' as ')[0]!,
      )
      .filter((name) => name)
      .map((name): [string, string] => [entry!, name]),
  )
}

describe('the papers', () => {
  it(`start with a README of at most ${README_LINES} lines`, () => {
    expect(textOf('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(README_LINES)
  })

  it.each(papers)('%s links to files and headings that are there', (paper) => {
    const broken = [...proseOf(textOf(paper)).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path, anchor] = link.split('#') as [string, string?]
        const target = path ? join(dirname(paper), path) : paper
        return (
          !existsSync(join(root, target)) ||
          (anchor !== undefined && !anchorsOf(textOf(target)).includes(anchor))
        )
      })
    expect(broken).toEqual([])
  })

  it.each(papers)('%s names folders and files of the repository that are there', (paper) => {
    const named = proseOf(textOf(paper)).matchAll(
      /`((?:assembly|bench|doc|examples|hosts|src|tests|tools)\/[\w/.-]*)`/g,
    )
    const gone = [...named].map(([, path]) => path!).filter((path) => !existsSync(join(root, path)))
    // Not a name, or not there before a build or a comparison.
    expect(gone.filter((path) => !/NAME|bench\/node_modules|src\/wasm\/abi\.ts/.test(path))).toEqual([])
  })

  it('import from the package what its entries export, and import at all', () => {
    const names = Object.fromEntries(Object.entries(ENTRIES).map(([entry, path]) => [entry, exportsOf(path)]))
    const imports = papers.flatMap((paper) => importsOf(textOf(paper)))
    expect(imports.filter(([entry, name]) => !names[entry]?.has(name))).toEqual([])
    for (const entry of Object.keys(ENTRIES)) expect(imports.map(([from]) => from)).toContain(entry)
  })

  it.each(papers)(`%s has no line of prose over ${MOST_COLUMNS} columns`, (paper) => {
    const lines = proseOf(textOf(paper)).split('\n')
    expect(lines.filter((line) => line.length > MOST_COLUMNS && !line.startsWith('|'))).toEqual([])
  })

  it('hold a place for each table that the bench writes', () => {
    const text = textOf('doc/benchmarks.md')
    for (const place of ['networks node', 'networks chromium', 'node', 'chromium', 'train', 'images'])
      expect(
        text.match(new RegExp(`^<!-- bench ${place} -->[\\s\\S]+?^<!-- /bench ${place} -->$`, 'm')),
      ).not.toBeNull()
  })
})
