/**
 * Writes src/wasm/abi.ts from the files of assembly/abi: for each class of fields an interface and a `Block`, which
 * writes its fields in their order and by their types into memory; enums and constants as they stand. So
 * neither side counts words by hand.
 */
import ts from 'typescript'

const TYPES = { usize: 'i32', i32: 'i32', f32: 'f32' }

/** The source text of src/wasm/abi.ts, from those of assembly/abi one after another. Throws where a field has a type that is not one word. */
export function generate(text) {
  const file = ts.createSourceFile('abi.ts', text, ts.ScriptTarget.Latest, true)
  const classes = new Map()
  const parts = [HEAD]
  for (const statement of file.statements) {
    const doc = docOf(statement, text)
    if (ts.isEnumDeclaration(statement)) parts.push(doc + statement.getText().replace('const enum', 'enum'))
    else if (ts.isVariableStatement(statement)) parts.push(doc + statement.getText())
    else if (ts.isClassDeclaration(statement)) {
      const parsed = parseClass(statement, text)
      classes.set(parsed.name, parsed)
      parts.push(interfaceOf(parsed, doc))
    }
  }
  const isRow = new Set([...classes.values()].flatMap(({ rows }) => (rows ? [rows.type] : [])))
  for (const parsed of classes.values()) if (!isRow.has(parsed.name)) parts.push(blockOf(parsed, classes))
  return `${parts.join('\n\n')}\n`
}

function parseClass(node, text) {
  const name = node.name.text
  const base = node.heritageClauses?.[0]?.types[0].expression.getText()
  const fields = node.members.map((member) => {
    const type = member.type?.getText()
    if (!TYPES[type])
      throw new Error(
        `assembly/abi: ${name}.${member.name?.getText()} is ${type}, not one of ${Object.keys(TYPES)}`,
      )
    return { name: member.name.getText(), view: TYPES[type], doc: docOf(member, text) }
  })
  const [, type, rows] = /@rows (\w+) (\w+)/.exec(docOf(node, text)) ?? []
  return { name, base, fields, rows: type && { type, name: rows } }
}

/** The comment before a node, with the line break after it. */
function docOf(node, text) {
  const comment = ts.getLeadingCommentRanges(text, node.getFullStart())?.at(-1)
  const inFront = comment && text.startsWith('/**', comment.pos)
  return inFront && comment.pos > 0 ? `${text.slice(comment.pos, comment.end)}\n` : ''
}

function interfaceOf({ name, base, fields, rows }, doc) {
  const lines = fields.map((field) => `  ${field.doc ? `${field.doc}  ` : ''}${field.name}: number`)
  if (rows) lines.push(`  ${rows.name}: readonly ${rows.type}[]`)
  return `${doc}export interface ${name}${base ? ` extends ${base}` : ''} {\n${lines.join('\n')}\n}`
}

function blockOf({ name, base, fields, rows }, classes) {
  const all = [...(base ? classes.get(base).fields : []), ...fields]
  const stores = (list, from, at) =>
    list.map(({ name, view }, i) => `${view}[${at} + ${i}] = ${from}.${name}`)
  const lines = stores(all, 'args', 'at').map((store) => `    ${store}`)
  if (rows) {
    const row = classes.get(rows.type).fields
    lines.push(
      `    let next = at + ${all.length}`,
      `    for (const row of args.${rows.name}) {`,
      ...stores(row, 'row', 'next').map((store) => `      ${store}`),
      `      next += ${row.length}`,
      '    }',
    )
  }
  const length = rows
    ? `${all.length} + ${classes.get(rows.type).fields.length} * args.${rows.name}.length`
    : `${all.length}`
  const lengthOf = rows ? `(args) => ${length}` : `() => ${length}`
  const views = lines.some((line) => line.includes('f32[')) ? 'i32, f32' : 'i32'
  return `export const ${name}: Block<${name}> = {\n  words: ${lengthOf},\n  write(args, at, ${views}) {\n${lines.join('\n')}\n  },\n}`
}

const HEAD = `// Written by tools/abi.mjs from assembly/abi.

/** How the arguments of a kernel are laid out in memory, in words of 32 bits. */
export interface Block<Args> {
  words(args: Args): number
  /** Writes them from word \`at\` on; both views are of all memory. */
  write(args: Args, at: number, i32: Int32Array, f32: Float32Array): void
}`
