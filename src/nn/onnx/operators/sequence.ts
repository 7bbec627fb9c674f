/** Recurrent ops and attention. */
import type { Shape } from '../../../base/shape.js'
import { type Call, float, type Operator, type Operators, plain, type Result } from '../call.js'
import { inOrder, Value } from '../value.js'

interface RecurrentOptions {
  reverse?: boolean
  activation?: 'tanh' | 'relu'
}

/** Which gate here stands at each place there. */
const GATES: Record<string, readonly number[]> = { rnn: [0], lstm: [0, 3, 1, 2], gru: [1, 0, 2] }
const NAMES: Record<string, string> = { rnn: 'RNN', lstm: 'LSTM', gru: 'GRU' }

/** Columns [rows, gates * hidden] here are rows [1, gates * hidden, rows] there, gates in another order. */
function gateRows(call: Call, value: Value): Float32Array {
  const { numbers } = value
  if (!numbers) call.sheet.fails('one whose weights are constants', 'weights that follow from the input')
  const order = GATES[call.op]!
  const columns = value.shape.at(-1)!
  const rows = value.rank === 2 ? value.shape[0]! : 1
  const hidden = columns / order.length
  const result = new Float32Array(numbers!.length)
  order.forEach((gate, place) => {
    for (let j = 0; j < hidden; j++)
      for (let i = 0; i < rows; i++)
        result[(place * hidden + j) * rows + i] = numbers![i * columns + gate * hidden + j]!
  })
  return result
}

const recurrent: Operator = (call): Result[] => {
  const { sheet } = call
  const { reverse = false, activation } = call.options<RecurrentOptions>()
  const constant = (name: string, numbers: Float32Array, shape: Shape) =>
    sheet
      .constant(numbers, shape, call.has(name) ? call.value(name).name : undefined)
      .as(inOrder(shape.length))
  const weight = (name: string) => {
    const value = call.value(name)
    return constant(name, gateRows(call, value), [1, value.shape[1]!, value.shape[0]!])
  }
  const columns = call.value('inputWeight').shape[1]!
  const hidden = columns / GATES[call.op]!.length
  const biases = (): string => {
    if (!call.has('bias') && !call.has('stateBias')) return ''
    const both = new Float32Array(2 * columns)
    if (call.has('bias')) both.set(gateRows(call, call.value('bias')))
    if (call.has('stateBias')) both.set(gateRows(call, call.value('stateBias')), columns)
    return constant(call.has('bias') ? 'bias' : 'stateBias', both, [1, 2 * columns])
  }
  const state = (name: string): string => {
    if (!call.has(name)) return ''
    const value = call.value(name)
    return sheet
      .reshaped(
        value,
        value.shapes.map((shape) => [1, ...shape]),
      )
      .as(inOrder(3))
  }
  const x = call.value().as([1, 0, 2])
  const lengths = call.has('lengths') ? call.value('lengths').as([0]) : ''
  const inputs = [x, weight('inputWeight'), weight('stateWeight'), biases(), lengths, state('initial')]
  if (call.op === 'lstm') inputs.push(state('initialCell'))
  while (inputs.at(-1) === '') inputs.pop()
  const outputs = sheet.graph.emit(
    NAMES[call.op]!,
    inputs,
    {
      hidden_size: hidden,
      direction: reverse ? 'reverse' : 'forward',
      activations: activation === 'relu' ? ['Relu'] : undefined,
      linear_before_reset: call.op === 'gru' ? 1 : undefined,
    },
    call.notes[0]!.outputs.map(() => true),
  )
  const squeezed = (name: string, axis: number) =>
    call.node('Squeeze', [name, sheet.integers('axes', [axis])])
  return outputs.map((name, i) =>
    i === 0 ? { name: squeezed(name, 1), order: [1, 0, 2] } : { name: squeezed(name, 0), order: inOrder(2) },
  )
}

interface AttentionOptions {
  /** Keys that the first query sees beside its own; undefined: all are seen. */
  causal?: number
  scale: number
  softcap: number
}

const attention: Operator = (call) => {
  const { causal, scale, softcap } = call.options<AttentionOptions>()
  const [q, k, v] = ['q', 'k', 'v'].map((name) => call.value(name)) as [Value, Value, Value]
  // What a query without keys gives is not said there.
  if (call.sheet.graph.opset >= 23 && !call.has('mask') && !causal) {
    const inputs = [q, k, v].map((value) => value.as(inOrder(4)))
    const attributes = { scale: float(scale), softcap: float(softcap), is_causal: Number(causal === 0) }
    return plain(call, call.node('Attention', inputs, attributes))
  }
  const [heads, kvHeads] = [q.shape[1]!, k.shape[1]!]
  /** Heads of q by those of k that serve them, where these are fewer. */
  const grouped = (value: Value, count: number): Value =>
    heads === kvHeads
      ? value
      : call.sheet.reshaped(
          value,
          value.shapes.map(([n, , ...rest]) => [n!, kvHeads, count, ...rest]),
        )
  const product = (a: Value, b: Value, bAxes: readonly number[], columns: readonly number[]): Value => {
    const wide = grouped(a, heads / kvHeads)
    const name = call.node('MatMul', [wide.as(inOrder(wide.rank)), b.as(bAxes)])
    const shapes = wide.shapes.map((shape, run) => [...shape.slice(0, -1), columns[run]!])
    const y = new Value(call.sheet, { shapes, dtype: 'float32' }).add({ name, order: inOrder(wide.rank) })
    return call.sheet.reshaped(
      y,
      a.shapes.map((shape, run) => [...shape.slice(0, -1), columns[run]!]),
    )
  }
  const keys = grouped(k, 1)
  const swapped = [...inOrder(keys.rank - 2), keys.rank - 1, keys.rank - 2]
  const products = product(
    q,
    keys,
    swapped,
    k.shapes.map((shape) => shape[2]!),
  ).as(inOrder(4))
  let scores = call.node('Mul', [products, call.scalar(scale)])
  if (softcap) {
    const bounded = call.node('Tanh', [call.node('Div', [scores, call.scalar(softcap)])])
    scores = call.node('Mul', [bounded, call.scalar(softcap)])
  }
  const hidden = call.scalar(Number.NEGATIVE_INFINITY)
  if (call.has('mask')) {
    const mask = call.operand('mask') as Value
    const isFloat = mask.dtype === 'float32'
    const given = isFloat ? mask : mask.asMask(true)
    const name = given.as(inOrder(given.rank))
    scores = isFloat ? call.node('Add', [scores, name]) : call.node('Where', [name, scores, hidden])
  }
  if (causal !== undefined) {
    const lengths = call.node('Shape', [scores], { start: 2 })
    const value = { data: Float32Array.of(1), shape: [1] }
    const { graph } = call.sheet
    const first = graph.initializer(graph.placed('causal'), {
      data: BigInt64Array.of(BigInt(causal)),
      shape: [],
    })
    const seen = call.node('Trilu', [call.node('ConstantOfShape', [lengths], { value }), first], { upper: 0 })
    scores = call.node('Where', [call.node('Cast', [seen], { to: 9 }), scores, hidden])
  }
  let weights = call.node('Softmax', [scores], { axis: -1 })
  // A query that sees no key gives 0.
  if (call.has('mask')) weights = call.node('Where', [call.node('IsNaN', [weights]), call.scalar(0), weights])
  const shapes = q.shapes.map((shape, run) => [...shape.slice(0, -1), k.shapes[run]![2]!])
  const all = new Value(call.sheet, { shapes, dtype: 'float32' }).add({ name: weights, order: inOrder(4) })
  const values = grouped(v, 1)
  const y = product(
    all,
    values,
    inOrder(values.rank),
    v.shapes.map((shape) => shape[3]!),
  )
  return plain(call, y.as(inOrder(4)))
}

export const sequences: Operators = { rnn: recurrent, lstm: recurrent, gru: recurrent, attention }
