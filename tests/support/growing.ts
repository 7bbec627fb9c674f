/** Graphs of which some inputs have any length. */
import type { GraphParts, ModelParts, NodeParts } from '../../src/onnx/file/write.js'
import { node, whole } from './onnx.js'
import type { Random } from './random.js'

/** Nodes on x [2, 4] and p [n, 4], of which some have results of one shape whatever n is. */
export function randomGraph(draw: Random): ModelParts {
  const nodes: NodeParts[] = []
  const make = (op: string, inputs: string[], attributes: NodeParts['attributes'] = {}): string => {
    const name = `${op} ${nodes.length}`
    nodes.push(node(op, inputs, [name], attributes))
    return name
  }
  /** Values of [2, 4], of [n, 4], of any number of rows, lists of lengths, and lengths. */
  const [two, grown, rows, lists, lengths] = [['x'], ['p', 'p again'], ['p'], ['lengths'], ['four']]
  const any = () => draw.pick([...two, ...grown, ...rows])
  const ways: (() => void)[] = [
    () => two.push(make('MatMul', [draw.pick(two), 'w'])),
    () => grown.push(make('MatMul', [draw.pick(grown), 'w'])),
    () => two.push(make(draw.pick(['Relu', 'Tanh', 'Sigmoid']), [draw.pick(two)])),
    () => grown.push(make(draw.pick(['Add', 'Mul', 'Max']), [draw.pick(grown), draw.pick(grown)])),
    () => rows.push(make('Concat', [any(), any()], { axis: 0 })),
    () => two.push(make('Add', [draw.pick(two), make('ReduceMean', [draw.pick(grown), 'zeroth'])])),
    () => rows.push(make('Slice', [any(), 'zeroth', draw.pick(['second', 'third']), 'zeroth'])),
    () => lists.push(make('Shape', [any()])),
    () => lists.push(make('Shape', [make('NonZero', [make('Relu', [any()])])])),
    () => lengths.push(make('Gather', [draw.pick(lists), 'zero'])),
    () => {
      const wanted = make('Concat', [make('Unsqueeze', [draw.pick(lengths), 'zeroth']), 'fourth'], {
        axis: 0,
      })
      rows.push(make('Expand', ['b', wanted]))
    },
    () => {
      const scores = make('MatMul', [draw.pick(two), make('Transpose', ['p'], { perm: [1, 0] })])
      two.push(make('MatMul', [make('Softmax', [scores], { axis: -1 }), draw.pick(grown)]))
    },
    () => {
      const inner = `inner ${nodes.length}`
      const branch = (op: string): GraphParts => ({
        inputs: [],
        outputs: [{ name: inner }],
        nodes: [node(op, [draw.pick(grown)], ['first']), node('MatMul', ['first', 'w'], [inner])],
      })
      const sum = make('ReduceSum', [draw.pick(two)], { keepdims: 0 })
      const branches = { then_branch: branch('Relu'), else_branch: branch('Tanh') }
      grown.push(make('If', [make('Greater', [sum, 'half'])], branches))
    },
  ]
  for (let i = draw.integer(5, 25); i > 0; i--) draw.pick(ways)()
  const types = {
    Shape: 'int64',
    Gather: 'int64',
    Unsqueeze: 'int64',
    NonZero: 'int64',
    Greater: 'bool',
  } as const
  const made = nodes.map(({ outputs }) => outputs[0]!)
  return {
    nodes,
    inputs: [
      { name: 'x', shape: [2, 4] },
      { name: 'p', shape: ['n', 4] },
      { name: 'p again', shape: ['n', 4] },
    ],
    outputs: [...new Set([draw.pick(made), draw.pick(made), made.at(-1)!])].map((name) => {
      const { op, inputs } = nodes[made.indexOf(name)]!
      const isTarget = op === 'Concat' && inputs[1] === 'fourth'
      return { name, type: isTarget ? 'int64' : (types[op as keyof typeof types] ?? 'float32') }
    }),
    initializers: [
      { name: 'w', shape: [4, 4], data: draw.floats(16) },
      { name: 'b', shape: [4], data: draw.floats(4) },
      { name: 'half', shape: [], data: Float32Array.of(0.1) },
      whole('zero', [], 0),
      whole('four', [], 4),
      whole('zeroth', [1], 0),
      whole('second', [1], 2),
      whole('third', [1], 3),
      whole('fourth', [1], 4),
      whole('lengths', [2], 3, 4),
    ],
  }
}
