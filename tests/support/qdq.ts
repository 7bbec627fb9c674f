/** Writes networks as quantisers export them: floats of QuantizeLinear and DequantizeLinear around each operator. */
import { type NodeParts, type TensorParts, writeModel } from '../../src/onnx/file/write.js'
import type { Random } from './random.js'

export const byteTypes = ['uint8', 'int8'] as const
export type ByteType = (typeof byteTypes)[number]

const arrays = { int8: Int8Array, uint8: Uint8Array }
const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1)

/** What integers stand for; the zero point counts from the least integer of the type. */
export type Terms = readonly [scale: number, zero: number]

/** Of inputs and of what says nothing else. */
export const INPUT: Terms = [0.02, 128]
const OTHERS: Terms = [0.05, 120]

export class Qdq {
  readonly nodes: NodeParts[] = []
  readonly initializers: (TensorParts & { name: string })[] = []
  /** Names of the inputs, quantised. */
  readonly x: string[]
  private count = 0

  constructor(
    readonly type: ByteType,
    readonly random: Random,
    private readonly shapes: readonly (readonly number[])[],
  ) {
    this.x = shapes.map((_, i) => this.quantized(`x${i}`, INPUT))
  }

  constant(data: TensorParts['data'], shape: readonly number[] = [data.length], type?: 'bool'): string {
    const name = `k${this.count++}`
    this.initializers.push({ name, shape, data, ...(type && { type }) })
    return name
  }

  number = (value: number, shape: readonly number[] = []): string =>
    this.constant(Float32Array.of(value), shape)
  floats = (shape: readonly number[], low: number, high: number): string =>
    this.constant(this.random.floats(sizeOf(shape), low, high), shape)
  list = (...values: number[]): string => this.constant(BigInt64Array.from(values, BigInt))

  terms([scale, zero]: Terms): [scale: string, zero: string] {
    const low = this.type === 'int8' ? -128 : 0
    return [this.number(scale), this.constant(arrays[this.type].of(zero + low), [])]
  }

  /** Names of the outputs of a node. */
  all(op: string, inputs: readonly string[], attributes: NodeParts['attributes'], count: number): string[] {
    const outputs = Array.from({ length: count }, () => `v${this.count++}`)
    this.nodes.push({ op, inputs, outputs, attributes })
    return outputs
  }

  node = (op: string, inputs: readonly string[], attributes: NodeParts['attributes'] = {}): string =>
    this.all(op, inputs, attributes, 1)[0]!

  quantized(from: string, given: Terms = OTHERS): string {
    const terms = this.terms(given)
    return this.node('DequantizeLinear', [this.node('QuantizeLinear', [from, ...terms]), ...terms])
  }

  /** The bytes behind what was dequantised. */
  behind(name: string): string {
    return this.nodes.find(({ outputs }) => outputs.includes(name))!.inputs[0]!
  }

  /** Constant bytes, dequantised: of one scale, or of one for each index along an axis, in int8. */
  bytes(shape: readonly number[], scale: number, axis?: number): string {
    const random = (low: number, high: number) =>
      Array.from({ length: sizeOf(shape) }, () => this.random.integer(low, high))
    if (axis === undefined) {
      const low = this.type === 'int8' ? -128 : 0
      const data = arrays[this.type].from(random(130 + low, 255 + low))
      return this.node('DequantizeLinear', [this.constant(data, shape), ...this.terms([scale, 128])])
    }
    const n = shape[axis]!
    const scales = Float32Array.from({ length: n }, () => scale * (1 + this.random.next()))
    const inputs = [Int8Array.from(random(-100, 100)), scales, new Int8Array(n)]
    const names = inputs.map((data, i) => this.constant(data, i ? [n] : shape))
    return this.node('DequantizeLinear', names, { axis })
  }

  /** The file, which quantises `last` to y; null: those are bytes. */
  file(last: string, y: Terms | null = OTHERS, opset = 17): Uint8Array<ArrayBuffer> {
    if (y) this.nodes.push({ op: 'QuantizeLinear', inputs: [last, ...this.terms(y)], outputs: ['y'] })
    else this.nodes.push({ op: 'Identity', inputs: [last], outputs: ['y'] })
    const { nodes, initializers, type } = this
    const inputs = this.shapes.map((shape, i) => ({ name: `x${i}`, shape: [...shape] }))
    return new Uint8Array(writeModel({ opset, nodes, initializers, inputs, outputs: [{ name: 'y', type }] }))
  }
}
