/** A graph that rules change. */
import { sizeOf } from '../../base/shape.js'
import { fewByFew, type Steps } from '../../base/turns.js'
import { type HostTensor, isFloat } from '../file/types.js'
import { type FilePort, type Graph, graphsOf, type Node, readsOf } from './graph.js'

/** Known constants by name. */
export type Constants = (name: string) => HostTensor | undefined

/** A graph being changed: who makes and who reads a name. */
export class Fusion {
  nodes: Node[]
  readonly made = new Map<string, HostTensor>()
  private readonly makers = new Map<string, Node>()
  private readonly readers = new Map<string, Set<Node>>()
  private readonly gone = new Set<Node>()
  /** Names that must stay. */
  private readonly held: Set<string>

  constructor(
    graph: Graph<FilePort>,
    private readonly known: Constants,
    keep: ReadonlySet<string>,
  ) {
    this.nodes = graph.nodes
    this.held = new Set([...keep, ...graph.outputs.map(({ name }) => name)])
  }

  /** Makes the nodes its own, and looks at who makes and reads what. Before anything else. */
  *begin(): Steps<void> {
    const own: Node[] = []
    yield* fewByFew(this.nodes, (node) => {
      own.push({ ...node })
      this.enter(own.at(-1)!)
      // What a graph inside of a node reads is not followed.
      if (graphsOf(node).length) for (const name of readsOf(node)) this.held.add(name)
    })
    this.nodes = own
  }

  private enter(node: Node): void {
    for (const name of node.outputs) this.makers.set(name, node)
    for (const name of new Set(node.inputs)) {
      const readers = this.readers.get(name)
      if (readers) readers.add(node)
      else this.readers.set(name, new Set([node]))
    }
  }

  private leave(node: Node): void {
    for (const name of node.outputs) if (this.makers.get(name) === node) this.makers.delete(name)
    for (const name of node.inputs) this.readers.get(name)?.delete(node)
  }

  /** Tries a rule on every node, in order of the run. */
  *each(rule: (node: Node, fusion: Fusion) => void): Steps<void> {
    // A rule may put nodes behind the one that it looks at.
    yield* fewByFew(this.nodes, (node) => rule(node, this))
    this.nodes = this.nodes.filter((node) => !this.gone.has(node))
  }

  constant(name: string | undefined): HostTensor | undefined {
    return name ? (this.made.get(name) ?? this.known(name)) : undefined
  }

  /** The number that a name stands for, if it is a single known one. */
  number(name: string | undefined): number | undefined {
    const constant = this.constant(name)
    return constant && isFloat(constant.type) && sizeOf(constant.shape) === 1
      ? (constant.data[0] as number)
      : undefined
  }

  maker(name: string | undefined): Node | undefined {
    return name ? this.makers.get(name) : undefined
  }

  /** The node of one of these operators that makes `name` for a single reader. */
  sole(name: string | undefined, ...ops: string[]): Node | undefined {
    const maker = this.maker(name)
    return maker &&
      ops.includes(maker.op) &&
      this.isInner(name!) &&
      maker.outputs.slice(1).every((other) => !this.isRead(other))
      ? maker
      : undefined
  }

  isInner(name: string): boolean {
    return !this.held.has(name) && this.readers.get(name)?.size === 1
  }

  /** Whether none but these nodes reads a name. */
  isReadBy(name: string, nodes: readonly Node[]): boolean {
    return !this.held.has(name) && [...(this.readers.get(name) ?? [])].every((node) => nodes.includes(node))
  }

  /** How many nodes read a name; more than any where it must stay. */
  readersOf(name: string): number {
    return this.held.has(name) ? Number.POSITIVE_INFINITY : (this.readers.get(name)?.size ?? 0)
  }

  /** The nodes that read a name; none where it must stay. */
  allReadersOf(name: string): readonly Node[] {
    return this.held.has(name) ? [] : [...(this.readers.get(name) ?? [])]
  }

  /** The first node that reads a name. */
  readerOf(name: string): Node | undefined {
    return this.readers.get(name)?.values().next().value
  }

  isRead(name: string): boolean {
    return this.held.has(name) || (this.readers.get(name)?.size ?? 0) > 0
  }

  /** `by` does the work of `joined` and of `node`, whose place and outputs it takes. */
  replace(node: Node, joined: readonly Node[], by: Partial<Node> & Pick<Node, 'op' | 'inputs'>): void {
    for (const old of [node, ...joined]) this.leave(old)
    for (const old of joined) this.gone.add(old)
    const parts = [...joined, node].flatMap(partsOf)
    for (const key of ['activation', 'body', 'parts', 'rank'] as const) delete node[key]
    Object.assign(node, { attributes: new Map(), ...by, outputs: [node.outputs[0]!], parts })
    this.enter(node)
  }

  /** `node` takes these inputs and gives these outputs instead of its own; what follows it then is new. */
  rewire(node: Node, inputs: string[], outputs: string[], following: readonly Node[]): void {
    this.leave(node)
    Object.assign(node, { inputs, outputs })
    for (const one of [node, ...following]) this.enter(one)
    this.nodes.splice(this.nodes.indexOf(node) + 1, 0, ...following)
  }

  /** Two nodes, of which the second reads the first, become others, each in its place. */
  exchange(first: Node, second: Node, by: readonly [Partial<Node>, Partial<Node>]): void {
    for (const node of [first, second]) this.leave(node)
    Object.assign(first, by[0])
    Object.assign(second, by[1])
    for (const node of [first, second]) this.enter(node)
  }

  /** Takes a node out whose outputs nobody reads. */
  drop(node: Node): void {
    this.leave(node)
    this.gone.add(node)
  }

  constantNamed(name: string, make: () => HostTensor): string {
    if (!this.constant(name)) this.made.set(name, make())
    return name
  }

  /** Identity, and Dropout which drops nothing in a run: readers take what goes in. */
  passOn(): Steps<void> {
    return this.each((node) => {
      const [from, to] = [node.inputs[0], node.outputs[0]]
      if (!from || !to) return
      const drops =
        node.op === 'Dropout' && !node.inputs[2] && !node.outputs.slice(1).some((name) => this.isRead(name))
      if ((node.op !== 'Identity' && !drops) || this.held.has(to)) return
      const readers = [...(this.readers.get(to) ?? [])]
      for (const old of [node, ...readers]) this.leave(old)
      for (const reader of readers) {
        reader.inputs = reader.inputs.map((name) => (name === to ? from : name))
        this.enter(reader)
      }
      this.gone.add(node)
    })
  }
}

/** Operators of the file that a node does the work of. */
export const partsOf = (node: Node): readonly string[] => node.parts ?? [node.op]

/** A number among a node's attributes. */
export const number = (node: Node, name: string, otherwise: number): number => {
  const value = node.attributes.get(name)
  return typeof value === 'number' ? value : otherwise
}
/** Numbers among a node's attributes. */
export const numbers = (node: Node, name: string, otherwise: number[] = []): number[] => {
  const value = node.attributes.get(name)
  return Array.isArray(value) ? (value as number[]) : otherwise
}
