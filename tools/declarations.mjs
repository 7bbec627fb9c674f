/** One declaration file for each entry of the package, with what its users can name. */
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { rollup } from 'rollup'
import { dts } from 'rollup-plugin-dts'
import ts from 'typescript'

/** `using` takes part of a library that `es2022` lacks; names of the DOM may be absent (hosts.d.ts). */
const REFERENCES = '/// <reference lib="esnext.disposable" />\n/// <reference path="./hosts.d.ts" />\n'

/**
 * Writes `[entry].d.ts` into a folder, and `[entry].d.cts` for CommonJS. What belongs to another entry is
 * imported from there, not copied: a class with private members is the same type only as itself.
 *
 * @param {object} job
 * @param {Record<string, string>} job.entries the source file of each
 * @param {(path: string) => string} job.entryOf the entry that a source file belongs to
 * @param {Record<string, string[]>} job.exports the names that each entry has at run time; all others are
 *   types
 * @param {string} job.folder emptied first
 * @param {string} job.tsconfig
 */
export async function writeDeclarations({ entries, entryOf, exports, folder, tsconfig }) {
  const shared = {
    name: 'shared',
    async resolveId(source, importer, options) {
      if (!importer) return null
      const resolved = await this.resolve(source, importer, { ...options, skipSelf: true })
      if (!resolved || resolved.external) return resolved
      const entry = entryOf(resolved.id)
      return entry === entryOf(importer) ? resolved : { id: `./${entry}.js`, external: true }
    },
  }
  const finish = {
    name: 'finish',
    renderChunk: (code, { name }) => REFERENCES + withOwnExports(withSymbolDispose(code), exports[name]),
  }
  rmSync(folder, { recursive: true, force: true })
  const bundle = await rollup({
    input: entries,
    plugins: [shared, dts({ tsconfig }), finish],
    external: /^node:/,
  })
  for (const kind of ['ts', 'cts']) {
    const paths = kind === 'cts' ? (id) => id.replace(/\.js$/, '.cjs') : {}
    const { output } = await bundle.write({
      dir: folder,
      entryFileNames: `[name].d.${kind}`,
      format: 'es',
      paths,
    })
    const extra = output.filter(({ isEntry }) => !isEntry)
    if (extra.length) throw new Error(`${extra.map(({ fileName }) => fileName)} belong to no entry`)
  }
  await bundle.close()
  cpSync('src/hosts.d.ts', join(folder, 'hosts.d.ts'))
}

/**
 * A class that an entry exports as a type alone is no value of it: rollup knows no such difference, so the
 * lists of exports are made anew.
 */
function withOwnExports(code, values) {
  const file = ts.createSourceFile('entry.d.ts', code, ts.ScriptTarget.Latest)
  const names = { value: [], type: [] }
  let rest = ''
  for (const statement of file.statements) {
    if (!ts.isExportDeclaration(statement)) {
      rest += statement.getFullText(file)
      continue
    }
    const from = statement.moduleSpecifier ? ` from ${statement.moduleSpecifier.getText(file)}` : ''
    for (const element of statement.exportClause.elements) {
      names[values.includes(element.name.text) ? 'value' : 'type'].push([element.getText(file), from])
    }
  }
  for (const kind of ['value', 'type']) {
    for (const from of new Set(names[kind].map(([, from]) => from))) {
      const list = names[kind].filter(([, other]) => other === from).map(([name]) => `  ${name},\n`)
      rest += `\n\nexport ${kind === 'type' ? 'type ' : ''}{\n${list.join('')}}${from};`
    }
  }
  return `${rest.trim()}\n`
}

/**
 * Methods that `using` calls go by the name that programs know: `disposal`, which is that symbol or what
 * stands in for it, is no part of the package.
 */
function withSymbolDispose(code) {
  const file = ts.createSourceFile('entry.d.ts', code, ts.ScriptTarget.Latest)
  const isDisposal = (node) => node && ts.isIdentifier(node) && node.text === 'disposal'
  const { factory } = ts
  const symbol = factory.createPropertyAccessExpression(factory.createIdentifier('Symbol'), 'dispose')
  const rename = (context) => (root) => {
    const visit = (node) => {
      if (ts.isComputedPropertyName(node) && isDisposal(node.expression))
        return factory.createComputedPropertyName(symbol)
      if (ts.isImportSpecifier(node) && isDisposal(node.propertyName ?? node.name)) return undefined
      if (ts.isVariableStatement(node) && isDisposal(node.declarationList.declarations[0].name))
        return undefined
      return ts.visitEachChild(node, visit, context)
    }
    return ts.visitNode(root, visit)
  }
  const { transformed } = ts.transform(file, [rename])
  return ts.createPrinter().printFile(transformed[0])
}
