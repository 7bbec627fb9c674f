/** Einsum: sums over the letters that the result lacks of the products of all inputs. */

import { type Shape, sizeOf, stridesOf } from '../../base/shape.js'
import type { Tensor } from '../../core/tensor.js'
import { mul } from '../../ops/arithmetic.js'
import { linear, matmul } from '../../ops/matmul.js'
import { sum } from '../../ops/reduce.js'
import { isFloat } from '../file/types.js'
import type { Call, Operator } from '../run/call.js'
import { FEW, indexesOf, offsetOf, permuted, wide } from '../run/move.js'
import type { Value } from '../run/value.js'

/** An input, or a product of some, with a letter for each axis. */
interface Term {
  value: Value
  letters: readonly string[]
}

/** What the equation says of the inputs: their letters, those of the result, and how long each axis is. */
interface Equation {
  terms: Term[]
  result: readonly string[]
  lengths: ReadonlyMap<string, number>
}

/** '...' stands for as many axes as are left: letters of their own. */
function read(call: Call): Equation {
  const [left, right] = call.text('equation').replaceAll(' ', '').split('->') as [string, string | undefined]
  const values = call.given()
  const given = left.split(',')
  if (given.length !== values.length)
    call.fail('equation', `of ${values.length} inputs`, call.text('equation'))
  const extra = Math.max(
    0,
    ...given.map((term, i) => (term.includes('...') ? values[i]!.shape.length - term.length + 3 : 0)),
  )
  const dots = Array.from({ length: extra }, (_, i) => String.fromCharCode(0x100 + i)).join('')
  const named = given.map((term, i) =>
    term.replace('...', () =>
      dots.slice(dots.length - Math.max(0, values[i]!.shape.length - term.length + 3)),
    ),
  )
  const once = [...new Set(named.join(''))]
    .filter((letter) => named.join('').split(letter).length === 2 && !dots.includes(letter))
    .sort()
  const result = [...(right === undefined ? dots + once.join('') : right.replace('...', dots))]
  const lengths = new Map<string, number>()
  const terms = named.map((term, i): Term => {
    const value = values[i]!
    if (term.length !== value.shape.length)
      call.fail('equation', `a letter for each axis of input ${i}`, call.text('equation'))
    ;[...term].forEach((letter, axis) => {
      const length = value.shape[axis]!
      const known = lengths.get(letter) ?? length
      if (known !== 1 && length !== 1 && known !== length)
        call.fail('inputs', `of one length for ${letter}`, [known, length])
      lengths.set(letter, known === 1 ? length : known)
    })
    return { value, letters: [...term] }
  })
  return { terms, result, lengths }
}

/** In the engine two by two, from the left; on the host what it lacks: whole numbers, diagonals. */
export const einsum: Operator = (call) => {
  const equation = read(call)
  const { terms, result, lengths } = equation
  const { type } = terms[0]!.value
  const inEngine =
    isFloat(type) &&
    terms.some(({ value }) => !value.isHost) &&
    terms.every(({ value, letters }) => value.size > 0 && new Set(letters).size === letters.length)
  if (!inEngine) return onHost(call, equation)
  const [first, ...rest] = terms.map((term) => stretched(term, lengths)) as [Term, ...Term[]]
  /** Letters that the result or a term after the first `count` has. */
  const wanted = (count: number) =>
    new Set([...result, ...rest.slice(count).flatMap(({ letters }) => letters)])
  let product = alone(call, first, wanted(0))
  for (const [i, term] of rest.entries()) {
    const used = new Set([...product.letters, ...wanted(i + 1)])
    product = joined(call, product, alone(call, term, used), { wanted: wanted(i + 1), result, lengths })
  }
  return permuted(
    call,
    product.value,
    result.map((letter) => product.letters.indexOf(letter)),
  )
}

/** Without the axes of length 1 that are repeated, which a product does by itself. */
function stretched({ value, letters }: Term, lengths: Equation['lengths']): Term {
  const kept = letters.filter((letter, axis) => value.shape[axis] === lengths.get(letter))
  if (kept.length === letters.length) return { value, letters }
  return { value: value.reshaped(kept.map((letter) => lengths.get(letter)!)), letters: kept }
}

/** Summed over the letters that nobody else has. */
function alone(call: Call, { value, letters }: Term, wanted: ReadonlySet<string>): Term {
  const axes = letters.flatMap((letter, axis) => (wanted.has(letter) ? [] : [axis]))
  if (axes.length === 0) return { value, letters }
  return {
    value: call.tensor(value.type, sum(value.tensor(), { axes })),
    letters: letters.filter((letter) => wanted.has(letter)),
  }
}

/**
 * The product of two terms, summed over the letters that nobody wants: of matrices where each has letters of
 * its own, else element by element.
 */
function joined(
  call: Call,
  a: Term,
  b: Term,
  { wanted, result, lengths }: Pick<Equation, 'result' | 'lengths'> & { wanted: ReadonlySet<string> },
): Term {
  const { type } = a.value
  const shared = a.letters.filter((letter) => b.letters.includes(letter))
  const batch = shared.filter((letter) => wanted.has(letter))
  const summed = shared.filter((letter) => !wanted.has(letter))
  const rows = a.letters.filter((letter) => !shared.includes(letter))
  const columns = b.letters.filter((letter) => !shared.includes(letter))
  /** Axes in this order, several as one; of a constant it is made once. */
  const tensorOf = ({ value, letters }: Term, ...sides: readonly (readonly string[])[]) =>
    value.form(`einsum ${letters.join('')} to ${sides.map((side) => side.join('')).join()}`, () =>
      permuted(
        call,
        value,
        sides.flat().map((letter) => letters.indexOf(letter)),
      )
        .tensor()
        .reshape(sides.map((side) => sizeOf(side.map((letter) => lengths.get(letter)!)))),
    )
  if (summed.length === 0 || rows.length + columns.length === 0) {
    // In order of the result, so that hardly anything is to be moved then; what is summed stands last.
    const place = (letter: string) => (result.includes(letter) ? result.indexOf(letter) : result.length)
    const kept = [...batch, ...rows, ...columns].sort((p, q) => place(p) - place(q))
    const order = [...kept, ...summed]
    const factor = (term: Term) => {
      const side = (letter: string) => (term.letters.includes(letter) ? [letter] : [])
      return tensorOf(term, ...order.map(side))
    }
    const product = mul(factor(a), factor(b))
    const axes = summed.map((_, i) => kept.length + i)
    return { value: call.tensor(type, axes.length ? sum(product, { axes }) : product), letters: kept }
  }
  const left = tensorOf(a, batch, rows, summed)
  const y: Tensor = batch.length
    ? matmul(left, tensorOf(b, batch, summed, columns))
    : linear(left.reshape(left.shape.slice(1)), tensorOf(b, summed, columns))
  const letters = [...batch, ...rows, ...columns]
  return { value: call.tensor(type, y.reshape(letters.map((letter) => lengths.get(letter)!))), letters }
}

function onHost(call: Call, { terms, result, lengths }: Equation): Value {
  const lengthsOf = (letters: readonly string[]): Shape => letters.map((letter) => lengths.get(letter)!)
  const summed = [...lengths.keys()].filter((letter) => !result.includes(letter))
  const sumShape = lengthsOf(summed)
  const shape = lengthsOf(result)
  const strides = terms.map(({ value, letters }) => {
    const own = stridesOf(value.shape)
    // A letter that stands twice walks the diagonal.
    const of = (letter: string) =>
      letters.reduce(
        (sum, other, axis) => sum + (other === letter && value.shape[axis] !== 1 ? own[axis]! : 0),
        0,
      )
    return { outer: result.map(of), inner: summed.map(of) }
  })
  return call.host(terms[0]!.value.type, shape, function* (y) {
    for (const { value } of terms) yield* value.settled()
    const arrays = terms.map(({ value }) => wide(value))
    let i = 0
    let looks = 0
    for (const index of indexesOf(shape)) {
      const first = strides.map(({ outer }) => offsetOf(index, outer))
      let sum = 0
      for (const inner of indexesOf(sumShape)) {
        sum += arrays.reduce(
          (product, array, k) => product * array[first[k]! + offsetOf(inner, strides[k]!.inner)]!,
          1,
        )
        if (++looks % FEW === 0) yield
      }
      y[i++] = sum
      if (++looks % FEW === 0) yield
    }
  })
}
