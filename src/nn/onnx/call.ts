/** One op of a trace, as the operators that write it see it. */
import type { Shape } from '../../base/shape.js'
import type { OnnxAttributes } from '../onnxGraph.js'
import type { Note, Use } from './trace.js'
import { type Form, inOrder, type Order, type Sheet, Value } from './value.js'

/** What a batch norm right after a convolution or a product makes of its output, channel by channel. */
export interface Fold {
  scale: Float64Array
  offset: Float64Array
  activation: unknown
}

/** Numbers by themselves are integers in attributes. */
export const float = (value: number) => ({ float: value })

export class Call {
  constructor(
    readonly sheet: Sheet,
    /** The note of each run. */
    readonly notes: readonly Note[],
    private readonly settle: (uses: readonly Use[]) => Value,
    /** What is to be multiplied into weights and bias. */
    readonly fold?: Fold,
  ) {}

  get op(): string {
    return this.notes[0]!.op
  }

  /** Of the first run. */
  options<T>(): T {
    return this.notes[0]!.options as T
  }

  /** Shapes of an output in each run. */
  shapes(output = 0): readonly Shape[] {
    return this.notes.map(({ outputs }) => outputs[output]!.shape)
  }

  get rank(): number {
    return this.shapes()[0]!.length
  }

  has(name: string): boolean {
    return name in this.notes[0]!.inputs
  }

  /** Names of all inputs. */
  get inputs(): string[] {
    return Object.keys(this.notes[0]!.inputs)
  }

  /** An input as it is: a number where one was given. */
  operand(name: string): Value | number {
    const uses = this.notes.map(({ inputs }) => inputs[name]!)
    if (typeof uses[0] === 'number') return this.sheet.same(name, uses as number[])
    return this.settle(uses as Use[])
  }

  /** An input that is a tensor, of numbers. */
  value(name = 'x'): Value {
    return (this.operand(name) as Value).asMask(false)
  }

  /** What every run gives the same. */
  same<T>(what: string, of: (note: Note) => T): T {
    return this.sheet.same(what, this.notes.map(of))
  }

  node(op: string, inputs: readonly string[], attributes: OnnxAttributes = {}): string {
    return this.sheet.node(op, inputs, attributes)
  }

  /** A number as a constant. */
  scalar(value: number, dtype: Value['dtype'] = 'float32'): string {
    const data =
      dtype === 'float32'
        ? Float32Array.of(value)
        : dtype === 'int32'
          ? Int32Array.of(value)
          : Uint8Array.of(value)
    return this.sheet.graph.initializer(this.sheet.graph.placed('number'), { data, shape: [] })
  }

  /** A vector of one number, as a constant. */
  filled(name: string, value: number, length: number): string {
    const data = new Float32Array(length).fill(value)
    return this.sheet.graph.initializer(this.sheet.graph.placed(name), { data, shape: [length] })
  }

  /**
   * Operands as they broadcast to the output: in one order, and of its rank where they have several
   * numbers.
   */
  aligned(...names: string[]): { inputs: string[]; order: Order } {
    const { rank } = this
    const operands = names.map((name) => this.operand(name))
    const dtype = operands.find((operand) => operand instanceof Value)?.dtype
    const values = operands.filter((operand): operand is Value => operand instanceof Value)
    const order = commonOrder(values, rank)
    const bring = (operand: Value | number): string => {
      if (typeof operand === 'number') return this.scalar(operand, dtype)
      const value = this.isMasks ? operand.asMask(true) : operand.asMask(false)
      if (value.isOne) return value.any().name
      const shapes = value.shapes.map((shape) => [
        ...new Array<number>(rank - shape.length).fill(1),
        ...shape,
      ])
      return this.sheet.reshaped(value, shapes).as(order)
    }
    return { inputs: operands.map(bring), order }
  }

  /** Logic takes masks. */
  private get isMasks(): boolean {
    return ['and', 'or', 'xor', 'not'].includes(this.op)
  }
}

/** The order in which most of what has the whole rank stands already. */
export function commonOrder(values: readonly Value[], rank: number): Order {
  const whole = values.filter((value) => value.rank === rank && !value.isOne && !value.numbers)
  for (const value of whole) value.any()
  const counts = new Map<string, { order: Order; count: number }>()
  for (const value of whole) {
    for (const order of value.orders) {
      const key = order.join()
      counts.set(key, { order, count: (counts.get(key)?.count ?? 0) + 1 })
    }
  }
  let best: { order: Order; count: number } | undefined
  for (const entry of counts.values()) if (!best || entry.count > best.count) best = entry
  return best?.order ?? inOrder(rank)
}

/** What an operator gives for each output. */
export interface Result extends Form {
  /** Whether it is of ONNX's bool. */
  mask?: boolean
}

/** How an op is written. */
export type Operator = (call: Call) => Result | Result[]

/** Operators by the names of ops. */
export type Operators = Record<string, Operator>

/** A result that stands as here. */
export const plain = (call: Call, name: string): Result => ({ name, order: inOrder(call.rank) })
