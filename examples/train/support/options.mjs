/**
 * Options of the command line. An example exports `about` (a line), `options` (what it takes, by name, each
 * made by a function of this file) and `run(engine, settings)`, which is given what they were set to, `seed`
 * and `out`, and returns what is written to result.json.
 */
import { parseArgs } from 'node:util'

/** What is wrong with the command line. */
export class UsageError extends Error {}

/** What option is as text, undefined where it is not what the option takes. */
const option = (hint, takes, read, about, fallback) => ({ hint, takes, read, about, fallback })

/** @param about what it does, a line of the help. @param fallback what it is by default */
export const integer = (about, { least = 1, fallback } = {}) =>
  option(
    'N',
    `an integer of at least ${least}`,
    (text) => (/^\d+$/.test(text) && Number(text) >= least ? Number(text) : undefined),
    about,
    fallback,
  )

export const number = (about, { least = 0, fallback } = {}) =>
  option(
    'X',
    `a number of at least ${least}`,
    (text) =>
      text !== '' && Number(text) >= least && Number.isFinite(Number(text)) ? Number(text) : undefined,
    about,
    fallback,
  )

export const choice = (about, choices, fallback = choices[0]) =>
  option(
    choices.length > 4 ? 'NAME' : choices.join(' | '),
    `one of ${choices.join(', ')}`,
    (text) => (choices.includes(text) ? text : undefined),
    about,
    fallback,
  )

/** Any text; `hint` says what of. */
export const text = (about, { hint = 'TEXT', fallback } = {}) =>
  option(hint, 'a text', (given) => (given === '' ? undefined : given), about, fallback)

export const directory = (about, fallback) =>
  option('DIR', 'a directory', (given) => (given === '' ? undefined : given), about, fallback)

/** What every example takes. */
const common = {
  seed: integer('what all that is random follows from', { least: 0, fallback: 1 }),
  threads: integer('by default as many as there are cores, up to 8'),
  out: directory('where pictures and models go, by default training/NAME'),
}
const SHORT = { out: 'o', help: 'h' }

const listed = (names) => names.join(', ')

function table(rows) {
  const width = Math.max(...rows.map(([left]) => left.length)) + 3
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join('\n')
}

const optionRows = (options) => [
  ...Object.entries(options).map(([name, { hint, about, fallback }]) => [
    `${SHORT[name] ? `-${SHORT[name]}, ` : ''}--${name} ${hint}`,
    `${about}${fallback === undefined ? '' : `, by default ${fallback}`}`,
  ]),
  ['-h, --help', 'this'],
]

function helpOf(examples, name) {
  if (name === undefined)
    return [
      'Usage: npm run train -- [NAME] [options]\n',
      table(Object.entries(examples).map(([each, { about }]) => [each, about])),
      `\nOptions of all of them (npm run train -- NAME --help tells the rest):\n`,
      table(optionRows(common)),
    ].join('\n')
  const { about, options } = examples[name]
  return `Usage: npm run train -- ${name} [options]\n\n${about}\n\n${table(optionRows({ ...options, ...common }))}`
}

/**
 * What a command line says.
 *
 * @returns name of the example, and either `help`, a text, or `settings` of its run
 * @throws UsageError for an unknown example or option, or a value that an option does not take
 */
export function readArguments(args, examples, usual) {
  const known = Object.assign({}, ...Object.values(examples).map(({ options }) => options), common)
  const { tokens } = parseArgs({
    args,
    options: {
      ...Object.fromEntries(
        Object.keys(known).map((name) => [
          name,
          { type: 'string', ...(SHORT[name] && { short: SHORT[name] }) },
        ]),
      ),
      help: { type: 'boolean', short: SHORT.help },
    },
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const positionals = tokens.flatMap(({ kind, value }) => (kind === 'positional' ? [value] : []))
  const given = tokens.filter(({ kind }) => kind === 'option')
  const wrong = given.find(({ name }) => name !== 'help' && !Object.hasOwn(known, name))
  if (wrong && !Object.hasOwn(examples, positionals[0]))
    throw new UsageError(`there is no option ${wrong.rawName}: npm run train -- --help tells what there is`)
  const [name = usual, ...more] = positionals
  if (!Object.hasOwn(examples, name))
    throw new UsageError(`there is no example ${name}: there are ${listed(Object.keys(examples))}`)
  const options = { ...examples[name].options, ...common }
  const unknown = given.find((token) => token.name !== 'help' && !Object.hasOwn(options, token.name))
  if (unknown)
    throw new UsageError(
      `${name} has no option ${unknown.rawName}: there are ${listed([...Object.keys(options), 'help'].map((each) => `--${each}`))}`,
    )
  if (more.length > 0) throw new UsageError(`one example at a time: got ${listed(positionals)}`)
  if (given.some((token) => token.name === 'help')) return { name, help: helpOf(examples, positionals[0]) }

  const settings = { out: `training/${name}` }
  for (const [each, { fallback }] of Object.entries(options)) settings[each] ??= fallback
  for (const { name: each, value } of given) {
    const { takes, read } = options[each]
    settings[each] = value === undefined ? undefined : read(value)
    if (settings[each] === undefined)
      throw new UsageError(`--${each} takes ${takes}, got ${value ?? 'nothing'}`)
  }
  return { name, settings }
}
