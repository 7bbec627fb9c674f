/** Sums of features times coefficients: LinearRegressor, LinearClassifier. */
import { linear as multiply } from '../../../ops/matmul.js'
import type { Call, Operator } from '../../run/call.js'
import type { Value } from '../../run/value.js'
import { binary, labelled, labelsOf, largest, transformed, transformOf } from './scores.js'

/** x [n, features] times coefficients [targets, features], and intercepts: [n, targets] in the engine. */
function sums(call: Call, targets: number): Value {
  const x = call.input(0)
  const features = x.shape.at(-1) ?? 1
  const n = x.shape.length > 1 ? x.shape[0]! : 1
  const coefficients = call.numbers('coefficients', [])
  if (x.shape.length > 2 || coefficients.length !== targets * features)
    call.fail('input 0', `of rows of ${coefficients.length / targets} features`, x.shape)
  const intercepts = call.numbers('intercepts', [])
  if (intercepts.length && intercepts.length !== targets)
    call.fail('attribute intercepts', `${targets} numbers`, intercepts.length)
  if (n === 0) return call.zeros('float32', [0, targets])
  const [table] = call.tables('coefficients', [targets, features], [], () => [coefficients])
  const bias = intercepts.length ? call.tables('intercepts', [targets], [], () => [intercepts])[0] : undefined
  const y = table!.packed([features, targets], [1, features], (weight) =>
    multiply(x.tensor().reshape([n, features]), weight, { bias: bias?.tensor() }),
  )
  return call.tensor('float32', y)
}

/** One target has a transform only where it is PROBIT, as ONNX Runtime has it. */
const linearRegressor: Operator = (call) => {
  const targets = call.number('targets', 1)
  const transform = transformOf(call)
  const y = sums(call, targets)
  if (transform === 'NONE' || (targets === 1 && transform !== 'PROBIT')) return y
  const from = y.numbers
  return call.host('float32', y.shape, (to) => {
    for (let i = 0; i < from.length; i += targets)
      to.set(transformed(transform, from.slice(i, i + targets)), i)
  })
}

/** The label of the largest sum of each row, and the sums; of one sum for two labels both. */
const linearClassifier: Operator = (call) => {
  const labels = labelsOf(call, 'classlabels_ints')
  const transform = transformOf(call)
  const classes = call.numbers('intercepts', []).length || labels.list.length
  const y = sums(call, classes)
  const from = y.numbers
  const n = y.shape[0]!
  const rows = Array.from({ length: n }, (_, i) => from.slice(i * classes, (i + 1) * classes))
  const found = rows.map((row) => labels.list[classes === 1 ? Number(row[0]! > 0) : largest(row)]!)
  const both = classes === 1 && labels.list.length === 2
  const scores = rows.map((row) => (both ? binary(transform, row[0]!, true) : transformed(transform, row)))
  const width = both ? 2 : classes
  const out =
    transform === 'NONE' && !both ? y : call.host('float32', [n, width], (to) => to.set(scores.flat()))
  return [labelled(call, labels, found), out]
}

export const linear: Record<string, Operator> = {
  LinearRegressor: linearRegressor,
  LinearClassifier: linearClassifier,
}
