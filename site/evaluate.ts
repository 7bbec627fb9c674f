/** Runs what a panel shows as its code: the imports come from what the page brings along. */

type Modules = Readonly<Record<string, object>>
type Names = Readonly<Record<string, unknown>>

const IMPORT = /^[ \t]*import\s*(?:\*\s*as\s+(\w+)|\{([^}]*)\})\s*from\s*(['"])([^'"]+)\3;?/gm
const AsyncFunction = (async () => {}).constructor as FunctionConstructor

/** Code as a function; one without `await` is run at once. */
export function compile(code: string, modules: Modules): { isAsync: boolean; run(given: Names): unknown } {
  const linked = code.replace(IMPORT, (text, all, names, _quote, from) => {
    if (!Object.hasOwn(modules, from))
      throw new Error(`There is no module '${from}' in this page; it has ${Object.keys(modules).join(', ')}.`)
    const wanted = all ?? `{${names.replace(/\s+as\s+/g, ': ')}}`
    // As many lines as before, so that errors name the right one.
    return `const ${wanted} = modules['${from}']${'\n'.repeat(text.split('\n').length - wanted.split('\n').length)}`
  })
  const isAsync = /\bawait\b/.test(linked)
  const Maker = isAsync ? AsyncFunction : Function
  return {
    isAsync,
    run(given) {
      const names = Object.keys(given)
      return new Maker('modules', ...names, `'use strict';${linked}`)(modules, ...Object.values(given))
    },
  }
}
