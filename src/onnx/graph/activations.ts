/** Activations as files name them and as they spell them out in products. */
import { sizeOf } from '../../base/shape.js'
import { type Activation, onnxActivations } from '../../ops/activation.js'
import type { HostTensor } from '../file/types.js'
import { joinedAttributes, joinedNames } from '../operators/joined.js'
import { type Fusion, number, numbers } from './fusion.js'
import type { Node } from './graph.js'

/** The activation that a node is, as the engine has it: by itself, or with its defaults. */
export function activationOf(node: Node, fusion: Fusion): Activation | undefined {
  const { op, inputs, attributes } = node
  if (Object.hasOwn(onnxActivations, op)) return onnxActivations[op]
  if (op === 'LeakyRelu') return leakyOf(number(node, 'alpha', 0.01))
  if (op === 'Elu' && number(node, 'alpha', 1) === 1) return 'elu'
  if (op === 'Swish' && number(node, 'alpha', 1) === 1) return 'silu'
  if (op === 'Gelu' && attributes.get('approximate') !== 'tanh') return 'gelu'
  if (op === 'HardSigmoid' && near(number(node, 'alpha', 0.2), 1 / 6) && number(node, 'beta', 0.5) === 0.5)
    return 'hardSigmoid'
  if (op !== 'Clip') return undefined
  const bound = (i: number, name: string, otherwise: number) =>
    inputs[i] ? fusion.number(inputs[i]) : number(node, name, otherwise)
  const [low, high] = [bound(1, 'min', Number.NEGATIVE_INFINITY), bound(2, 'max', Number.POSITIVE_INFINITY)]
  return low !== undefined && high !== undefined && low <= high ? [low, high] : undefined
}

/** A leaky ReLU: by its name where its slope is the default as files have it. */
const leakyOf = (alpha: number): Activation => (near(alpha, 0.01) ? 'leakyRelu' : ['leakyRelu', alpha])

/** The activation that an optimiser has joined to a product, as the engine has it. */
export function joinedActivation(node: Node, fusion: Fusion): Activation | undefined {
  const op = node.attributes.get('activation')
  if (typeof op !== 'string' || !joinedNames.includes(op)) return undefined
  const list = numbers(node, 'activation_params')
  const own = (name: string) => node.attributes.get(`activation_${name}`) as number | undefined
  const attributes = new Map(Object.entries(joinedAttributes(op, (name, i) => list[i] ?? own(name))))
  return activationOf({ ...node, op, inputs: [], attributes }, fusion)
}

/** Whether a is the number b as a file has it: rounded to six digits or to float16, or one over that. */
function near(a: number | undefined, b: number): boolean {
  if (a === undefined) return false
  const error = Math.abs(a - b) / Math.abs(b)
  return error <= 3e-6 || (error <= 1e-3 && (isCoarse(a) || isCoarse(1 / a)))
}

/** Whether a number has the 11 digits of float16 at most, but for the last ones of a float32. */
function isCoarse(v: number): boolean {
  const digits = v / 2 ** (Math.floor(Math.log2(Math.abs(v))) - 10)
  return Math.abs(digits - Math.round(digits)) < 1e-3
}

/** A product of names and a number, with the nodes that compute it. */
interface Product {
  number: number
  factors: string[]
  nodes: Node[]
}

/** A product taken apart, through products and quotients by numbers that nobody else reads. */
function productOf(name: string, fusion: Fusion, root = fusion.sole(name, 'Mul', 'Div')): Product {
  const known = fusion.number(name)
  if (known !== undefined) return { number: known, factors: [], nodes: [] }
  const divisor = root?.op === 'Div' ? fusion.number(root.inputs[1]) : undefined
  if (!root || (root.op === 'Div' && divisor === undefined)) return { number: 1, factors: [name], nodes: [] }
  const [a, b] = [
    productOf(root.inputs[0]!, fusion),
    divisor ? { number: 1 / divisor, factors: [], nodes: [] } : productOf(root.inputs[1]!, fusion),
  ]
  return {
    number: a.number * b.number,
    factors: [...a.factors, ...b.factors],
    nodes: [...a.nodes, ...b.nodes, root],
  }
}

/** What is added to a number, `sum = other + number`. */
function addedTo(
  value: number,
  name: string | undefined,
  fusion: Fusion,
): { other: string; nodes: Node[] } | undefined {
  const add = fusion.sole(name, 'Add')
  const i = add?.inputs.findIndex((input) => near(fusion.number(input), value)) ?? -1
  return i < 0 ? undefined : { other: add!.inputs[1 - i]!, nodes: [add!] }
}

/** Activations as files spell them out. What they are made of may be read by nobody else, but for x. */
export function nameActivation(root: Node, fusion: Fusion): void {
  if (root.op !== 'Mul' && root.op !== 'Div') return
  const product = productOf(root.outputs[0]!, fusion, root)
  const [a, b] = product.factors
  const found = spelled(product, a, b, fusion) ?? spelled(product, b, a, fusion)
  if (!found) return
  const { op, x, nodes, attributes = {} } = found
  const joined = [...product.nodes.slice(0, -1), ...nodes]
  // A constant of more axes than x has gives its axes to the result.
  const rank = Math.max(
    ...[root, ...joined].flatMap(({ inputs, rank = 0 }) => [
      rank,
      ...inputs.map((name) => fusion.constant(name)?.shape.length ?? 0),
    ]),
  )
  fusion.replace(root, joined, {
    op,
    inputs: [x],
    attributes: new Map(Object.entries(attributes)),
    ...(rank > 0 && { rank }),
  })
}

/** An activation of x that is computed by these nodes and a product. */
interface Spelled {
  op: string
  x: string
  nodes: Node[]
  attributes?: Record<string, number | string>
}

/** number * gate, or number * x * gate */
function spelled(
  { number: scale, factors }: Product,
  x: string | undefined,
  gate: string | undefined,
  fusion: Fusion,
): Spelled | undefined {
  if (factors.length > 2 || !x) return undefined
  if (factors.length === 1) {
    const sixth = near(scale, 1 / 6) ? sixfold(x, fusion) : undefined
    return sixth && { op: 'HardSigmoid', ...sixth, attributes: { alpha: 1 / 6, beta: 0.5 } }
  }
  if (near(scale, 1 / 6)) {
    const sixth = sixfold(gate, fusion)
    return sixth?.x === x ? { op: 'HardSwish', ...sixth } : undefined
  }
  if (near(scale, 0.5)) {
    const inner = gaussian(x, gate, fusion)
    return inner && { op: 'Gelu', x, nodes: inner.nodes, attributes: { approximate: inner.approximate } }
  }
  const maker = fusion.sole(gate, 'Sigmoid', 'HardSigmoid', 'Tanh')
  if (scale !== 1 || !maker) return undefined
  if (maker.op === 'Tanh') {
    const softplus = fusion.sole(maker.inputs[0], 'Softplus')
    return softplus?.inputs[0] === x ? { op: 'Mish', x, nodes: [softplus, maker] } : undefined
  }
  if (maker.inputs[0] !== x || !activationOf(maker, fusion)) return undefined
  return { op: maker.op === 'Sigmoid' ? 'Swish' : 'HardSwish', x, nodes: [maker] }
}

/** clip(x + 3, 0, 6) */
function sixfold(name: string | undefined, fusion: Fusion): { x: string; nodes: Node[] } | undefined {
  const clip = fusion.sole(name, 'Clip')
  const range = clip && activationOf(clip, fusion)
  const sum = clip && addedTo(3, clip.inputs[0], fusion)
  return sum && Array.isArray(range) && range[0] === 0 && range[1] === 6
    ? { x: sum.other, nodes: [...sum.nodes, clip] }
    : undefined
}

/** 1 + erf(x / sqrt 2), or near it 1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
function gaussian(
  x: string,
  name: string | undefined,
  fusion: Fusion,
): { nodes: Node[]; approximate: string } | undefined {
  const sum = addedTo(1, name, fusion)
  const maker = fusion.sole(sum?.other, 'Erf', 'Tanh')
  if (!sum || !maker) return undefined
  const { number: scale, factors, nodes } = productOf(maker.inputs[0]!, fusion)
  if (factors.length !== 1) return undefined
  const all = [...sum.nodes, maker, ...nodes]
  if (maker.op === 'Erf')
    return factors[0] === x && near(scale, Math.SQRT1_2) ? { nodes: all, approximate: 'none' } : undefined
  const cubic = fusion.sole(factors[0], 'Add')
  const i = cubic?.inputs.indexOf(x) ?? -1
  if (i < 0 || !near(scale, Math.sqrt(2 / Math.PI))) return undefined
  const cube = productOf(cubic!.inputs[1 - i]!, fusion)
  const power = cube.factors.length === 1 ? fusion.sole(cube.factors[0], 'Pow') : undefined
  const isCube = power
    ? power.inputs[0] === x && cubes(fusion.constant(power.inputs[1]))
    : cube.factors.length === 3 && cube.factors.every((factor) => factor === x)
  return isCube && near(cube.number, 0.044715)
    ? { nodes: [...all, cubic!, ...cube.nodes, ...(power ? [power] : [])], approximate: 'tanh' }
    : undefined
}

/** An exponent may be whole. */
const cubes = (exponent: HostTensor | undefined): boolean =>
  exponent !== undefined && sizeOf(exponent.shape) === 1 && exponent.data[0] === 3
