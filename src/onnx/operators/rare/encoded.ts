/**
 * A language model of two graphs inside of a node, as T5's: an encoder that reads each text once, and a
 * decoder that goes on token by token from what that gave. For BeamSearch of com.microsoft.
 */
import type { Steps } from '../../../base/turns.js'
import type { Graph } from '../../graph/graph.js'
import type { Call } from '../../run/call.js'
import type { Value } from '../../run/value.js'
import { taken } from '../indexing.js'
import { type Lines, lastRows, tokensOf, vocabularyOf } from './decoder.js'

/** Which of each text's tokens count: all but those that fill up in front of it. */
const countedIn = (text: readonly number[], pad: number): number[] => {
  const first = text.findIndex((token) => token !== pad)
  return text.map((_, i) => Number(first >= 0 && i >= first))
}

/**
 * The encoder takes ids and a mask and gives what the decoder looks at (keys and values of each layer); or,
 * as older exporters have it, it takes the first token too and gives its logits, the states of the text, and
 * what the decoder knows by then. The decoder takes tokens, the mask, in the older form these states, what it
 * knew and what it looks at.
 */
export class EncodedDecoder {
  private readonly encoder: Graph
  private readonly body: Graph
  readonly lines: Lines
  readonly vocabulary: number
  /** Whether the encoder takes the first token, so that it gives its logits. */
  private readonly begins: boolean
  /** Whether the decoder takes the states of the text. */
  private readonly takesStates: boolean
  /** Of each line: keys and values of each layer of the tokens before, which grow. */
  private known: Value[] = []
  /** Of each line: the states where they are taken, and keys and values of the text. */
  private seen: Value[] = []
  private generated = 0

  /** @param mask [texts, tokens] where it is given */
  constructor(
    private readonly call: Call,
    private readonly texts: Lines,
    private readonly beams: number,
    private readonly mask: Value | undefined,
  ) {
    this.encoder = call.graph('encoder')
    this.body = call.graph('decoder')
    this.begins = this.encoder.inputs.length === 3
    this.takesStates = this.body.inputs[2]?.name === 'encoder_hidden_states'
    const [first, layers] = [this.takesStates ? 3 : 2, this.body.outputs.length - 1]
    const given = this.encoder.inputs.map(({ name }) => name)
    const wanted = [
      'encoder_input_ids',
      'encoder_attention_mask',
      ...(this.begins ? ['decoder_input_ids'] : []),
    ]
    if (
      given.join() !== wanted.join() ||
      this.encoder.outputs.length !== (this.begins ? 2 + 2 * layers : layers)
    )
      call.fail(
        'encoder',
        'a graph of encoder_input_ids and encoder_attention_mask, with the outputs of T5',
        given,
      )
    const names = this.body.inputs.slice(0, 2).map(({ name }) => name)
    if (
      names.join() !== 'input_ids,encoder_attention_mask' ||
      this.body.inputs.length !== first + 2 * layers ||
      (this.takesStates && !this.begins)
    )
      call.fail(
        'decoder',
        'a graph of input_ids, encoder_attention_mask and past_key_self_0, ..., without a buffer that past and present share',
        names,
      )
    this.vocabulary = vocabularyOf(call, this.body)
    const start = call.number('decoder_start_token_id', -1)
    if (start < 0) call.fail('decoder_start_token_id', 'given', start)
    this.lines = texts.flatMap(() => Array.from({ length: beams }, () => [start]))
  }

  /** What is known of texts, for each of their lines. */
  private spread(value: Value): Value {
    const { beams, call, texts } = this
    if (beams === 1) return value
    const lines = texts.flatMap((_, text) => Array<number>(beams).fill(text))
    const all = taken(call, value, 0, lines)
    value.dispose()
    return all
  }

  private maskOf(lines: number): Value {
    const pad = this.call.number('pad_token_id', -1)
    const [width, rows] = [this.texts[0]!.length, this.mask?.numbers]
    const each = this.texts.map((text, i) => rows?.slice(i * width, (i + 1) * width) ?? countedIn(text, pad))
    return tokensOf(
      this.call,
      each.flatMap((row) => Array<number[]>(lines).fill(row)),
    )
  }

  /** Reads the texts; the logits of what comes first, where the encoder gives them. */
  private *read(): Steps<Float32Array[] | undefined> {
    const { begins, beams, body, call, encoder, lines, takesStates, texts, vocabulary } = this
    const start = begins
      ? [
          tokensOf(
            call,
            texts.map((_, text) => lines[text * beams]!),
          ),
        ]
      : []
    const results = yield* call.stepGraph(encoder, [tokensOf(call, texts), this.maskOf(1), ...start])
    const layers = body.outputs.length - 1
    if (!begins) {
      this.seen = results.map((value) => this.spread(value))
      this.known = body.inputs.slice(2, 2 + layers).map(({ shape, type }) => {
        const [, heads, , size] = shape ?? []
        if (typeof heads !== 'number' || typeof size !== 'number')
          return call.fail('decoder', 'past of a known number of heads and their size', shape)
        return call.host(type, [lines.length, heads, 0, size], () => {})
      })
      return undefined
    }
    const [logits, states, ...rest] = results as [Value, Value, ...Value[]]
    const rows = lastRows(logits, texts.length, vocabulary)
    logits.dispose()
    if (!takesStates) states.dispose()
    this.known = rest.slice(0, layers).map((value) => this.spread(value))
    this.seen = [...(takesStates ? [states] : []), ...rest.slice(layers)].map((value) => this.spread(value))
    return lines.map((_, i) => rows[Math.floor(i / beams)]!.slice())
  }

  /** The last logits of each line. */
  *next(): Steps<Float32Array[]> {
    const { beams, body, call, generated, lines, takesStates, vocabulary } = this
    if (generated === 0) {
      const rows = yield* this.read()
      if (rows) return rows
    }
    const isLast = body.inputs[0]!.shape?.[1] === 1
    const tokens = tokensOf(call, isLast ? lines.map((line) => line.slice(-1)) : lines)
    const states = this.seen.slice(0, Number(takesStates))
    const inputs = [tokens, this.maskOf(beams), ...states, ...this.known, ...this.seen.slice(states.length)]
    const [logits, ...present] = yield* call.stepGraph(body, inputs)
    for (const value of this.known) value.dispose()
    this.known = present
    const rows = lastRows(logits!, lines.length, vocabulary)
    logits!.dispose()
    return rows
  }

  /** One token more of each line; `from`: which line each goes on with. */
  append(tokens: readonly number[], from: readonly number[]): void {
    const { call, lines } = this
    const before = lines.slice()
    for (const [i, token] of tokens.entries()) lines[i] = [...before[from[i]!]!, token]
    this.generated++
    if (from.every((line, i) => line === i)) return
    this.known = this.known.map((value) => {
      const moved = taken(call, value, 0, from)
      value.dispose()
      return moved
    })
  }

  dispose(): void {
    for (const value of [...this.known, ...this.seen]) value.dispose()
    this.known = []
    this.seen = []
  }
}
