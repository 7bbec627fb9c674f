/** How long files, lines and lists of parameters are: what a person takes in at once. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { root } from './support/package.js'

const MOST_LINES = 450
const MOST_COLUMNS = 110
const MOST_PARAMETERS = 8

const written = ['src', 'assembly', 'tools', 'bench', 'hosts', 'tests']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`),
  )
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.(ts|mjs)$/.test(path) && !/node_modules|^bench\/build/.test(path))
  // Binaries and programs as texts, and argument blocks, which the build writes.
  .filter((path) => !/^src\/(wasm\/(abi|simd128|relaxed|workerSource)|worker\/served)\.ts$/.test(path))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))

/** The files that break a rule, each with where it does. */
const breaks = (rule: (file: (typeof written)[number]) => string[]): string[] =>
  written.flatMap((file) => rule(file).map((place) => `${file.path}: ${place}`))

describe('the sources', () => {
  it(`have at most ${MOST_LINES} lines in a file`, () => {
    const found = breaks(({ text }) => {
      const lines = text.trimEnd().split('\n').length
      return lines > MOST_LINES ? [`${lines} lines`] : []
    })
    expect(written.length).toBeGreaterThan(200)
    expect(found).toEqual([])
  })

  // A text that people read stands in one piece, so that it is found by searching for it.
  it(`have lines of at most ${MOST_COLUMNS} columns, texts apart`, () => {
    const found = breaks(({ path, text }) =>
      /^(src|assembly)\//.test(path)
        ? text
            .split('\n')
            .flatMap((line, i) =>
              line.length > MOST_COLUMNS && !/^[^*]*(['"`]).{40,}\1/.test(line) ? [`line ${i + 1}`] : [],
            )
        : [],
    )
    expect(found).toEqual([])
  })

  it(`have functions of at most ${MOST_PARAMETERS} parameters`, () => {
    const found = breaks(({ path, text }) => {
      const places: string[] = []
      const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && node.parameters.length > MOST_PARAMETERS)
          places.push(`${node.name?.getText() ?? 'a function'} takes ${node.parameters.length}`)
        ts.forEachChild(node, visit)
      }
      visit(source)
      return places
    })
    expect(found).toEqual([])
  })
})
