/**
 * ONNX Runtime as the referee of texts that a language model inside a node goes on with. What stands behind
 * the end of all texts is not asked: there it leaves what was in its memory.
 */
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEngine, type Engine } from '../../src/index.js'
import { type NodeParts, writeModel } from '../../src/onnx/file/write.js'
import { loadModel, type ModelOutput } from '../../src/onnx/index.js'
import { Random } from '../support/random.js'
import { decoder, encoded, LONGEST, WORDS } from './decoders.js'
import { floats, type Input, microsoft, SEED, sizeOf } from './inputs.js'

const random = new Random(SEED + 6)
const whole = (shape: number[], ...values: number[]): Input => ({
  type: 'int32',
  shape,
  data: Int32Array.from(values),
})
const one = (value: number) => whole([1], value)
const drawn = (shape: number[], low: number, high: number): Input =>
  whole(shape, ...random.integers(sizeOf(shape), low, high))

interface Problem {
  op: string
  inputs: (Input | undefined)[]
  attributes?: NodeParts['attributes']
  outputs?: ('int32' | 'float32')[]
}

function modelOf({ op, inputs, attributes, outputs = ['int32'] }: Problem, graph = decoder): Uint8Array {
  const given = inputs.flatMap((input, i) => (input ? [{ name: `x${i}`, ...input }] : []))
  return writeModel({
    opset: 17,
    nodes: [
      {
        op: microsoft(op),
        inputs: inputs.map((input, i) => (input ? `x${i}` : '')),
        outputs: outputs.map((_, i) => `y${i}`),
        attributes: { decoder: graph, eos_token_id: 1, pad_token_id: 0, ...attributes },
      },
    ],
    inputs: given.slice(0, 1).map(({ name, type }) => ({ name, type, shape: [null, null] })),
    initializers: given.slice(1),
    outputs: outputs.map((type, i) => ({ name: `y${i}`, type })),
  })
}

async function ask(problem: Problem): Promise<OnnxTensor[]> {
  const session = await InferenceSession.create(modelOf(problem), {
    intraOpNumThreads: 1,
    logSeverityLevel: 4,
  })
  const { data, shape } = problem.inputs[0]!
  const results = await session.run({ x0: new OnnxTensor('int32', data as Int32Array, shape) })
  await session.release()
  return session.outputNames.map((name) => results[name]!)
}

describe('a text goes on as ONNX Runtime has it', () => {
  let engine: Engine
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 })
  })
  afterAll(() => engine.dispose())

  async function solve(problem: Problem, runs = 2): Promise<ModelOutput[]> {
    using model = await loadModel(engine, modelOf(problem))
    const { data, shape } = problem.inputs[0]!
    const all = Array.from({ length: runs }, () => model.run({ x0: { data, shape } }))
    const outputs = all.at(-1)!
    return model.outputs.map(({ name }) => outputs[name]!)
  }

  async function compare(problem: Problem, runs?: number): Promise<void> {
    const [got, wanted] = [await solve(problem, runs), await ask(problem)]
    const about = `FILTERBANK_SEED=${SEED}, ${problem.op} ${JSON.stringify({ ...problem.attributes, encoder: undefined, decoder: undefined })}, ${problem.inputs.map((input) => input?.data)}`
    expect([...got[0]!.shape], about).toEqual([...wanted[0]!.dims])
    const [mine, theirs] = [got[0]!.toArray() as Int32Array, wanted[0]!.data as Int32Array]
    const length = got[0]!.shape.at(-1)!
    const ends = Array.from({ length: mine.length / length }, (_, i) =>
      mine.slice(i * length, (i + 1) * length).findLastIndex((token) => token !== 0),
    )
    const end = problem.op === 'BeamSearch' ? length : Math.max(...ends) + 1
    expect(
      mine.filter((_, i) => i % length < end),
      about,
    ).toEqual(theirs.filter((_, i) => i % length < end))
    for (const [i, score] of (got[1]?.toArray() ?? []).entries()) {
      const wantedScore = (wanted[1]!.data as Float32Array)[i]!
      const far = Math.abs((score as number) - wantedScore)
      expect(far, about).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(wantedScore)))
    }
    expect(engine.memory().tensors, about).toBe(0)
  }

  /** What all three take. */
  function settings(i: number): {
    texts: number
    length: number
    masks: (Input | undefined)[]
    attributes: NonNullable<NodeParts['attributes']>
  } {
    const [texts, length] = [1 + (i % 3), 1 + (i % 4)]
    const words =
      i % 4 === 3
        ? whole([WORDS], ...random.integers(WORDS, 0, 1).map((kept, k) => (k === 1 ? 1 : kept)))
        : undefined
    const prefixes = i % 5 === 4 ? whole([texts, WORDS], ...random.integers(texts * WORDS, 0, 1)) : undefined
    const attention =
      i % 6 === 5
        ? whole(
            [texts, length],
            ...random.integers(texts * length, 0, 1).map((kept, k) => (k % length === length - 1 ? 1 : kept)),
          )
        : undefined
    return {
      texts,
      length,
      masks: [words, prefixes, attention],
      attributes: { no_repeat_ngram_size: [0, 2, 3][i % 3]!, eos_token_id: random.integer(0, WORDS - 1) },
    }
  }

  it('by the likeliest token each', async () => {
    for (let i = 0; i < 24; i++) {
      const { attributes, length, masks, texts } = settings(i)
      const inputs = [
        drawn([texts, length], i % 2 ? 0 : 2, WORDS - 1),
        one(LONGEST),
        one(i % 3 ? 0 : 9),
        floats(i % 2 ? 1 : 1.5),
        ...masks,
      ]
      await compare({ op: 'GreedySearch', inputs, attributes })
    }
  })

  it('by tokens as often as they are likely, with a seed', async () => {
    for (let i = 0; i < 16; i++) {
      const { length, masks, texts } = settings(i)
      const inputs = [
        drawn([texts, length], 2, WORDS - 1),
        one(LONGEST),
        one(0),
        floats(i % 5 ? 1 : 1.3),
        ...masks,
        undefined,
        one(i + 1),
      ]
      const attributes = {
        eos_token_id: WORDS,
        temperature: { float: [1, 0.7, 1.5][i % 3]! },
        top_p: { float: [0.9, 0.5, 0.99][(i >> 1) % 3]! },
        custom: Number(i % 4 === 3),
        min_tokens_to_keep: 1 + (i % 2),
      }
      await compare({ op: 'Sampling', inputs, attributes }, 1)
    }
  })

  it('by the likeliest lines of several', async () => {
    for (let i = 0; i < 32; i++) {
      const { attributes, length, masks, texts } = settings(i)
      const beams = 1 + (i % 5)
      const numbers = [
        one(LONGEST),
        one(i % 3 ? 0 : 9),
        one(beams),
        one(1 + (i % beams)),
        floats([1, 0.6, 2][i % 3]!),
        floats(i % 7 ? 1 : 1.3),
      ]
      const inputs = [drawn([texts, length], i % 2 ? 0 : 2, WORDS - 1), ...numbers, ...masks]
      await compare({
        op: 'BeamSearch',
        inputs,
        attributes: { ...attributes, early_stopping: i & 1 },
        outputs: ['int32', 'float32'],
      })
    }
  })

  it.each([
    [true, false],
    [true, true],
    [false, false],
  ])('behind an encoder; it goes one token ahead: %s, its states are taken: %s', async (begins, states) => {
    for (let i = 0; i < 16; i++) {
      const { attributes, length, masks, texts } = settings(i)
      const beams = 1 + (i % 4)
      const numbers = [
        one(LONGEST),
        one(i % 3 ? 0 : 5),
        one(beams),
        one(1 + (i % beams)),
        floats([1, 0.6, 2][i % 3]!),
        floats(i % 7 ? 1 : 1.3),
      ]
      await compare({
        op: 'BeamSearch',
        inputs: [drawn([texts, length], i % 2 ? 0 : 2, WORDS - 1), ...numbers, ...masks],
        attributes: {
          ...attributes,
          ...encoded({ begins, states }),
          ...{ model_type: 1, decoder_start_token_id: 0, early_stopping: i & 1 },
        },
        outputs: ['int32', 'float32'],
      })
    }
  })

  it('gives the scores of every step, and those that a sample was drawn from', async () => {
    const inputs = [whole([2, 2], 5, 7, 3, 4), one(9), one(0), one(3), one(2), floats(1), floats(1)]
    const problem: Problem = {
      op: 'BeamSearch',
      inputs,
      attributes: { eos_token_id: WORDS },
      outputs: ['int32', 'float32', 'float32'],
    }
    const [got, wanted] = [await solve(problem), await ask(problem)]
    expect([...got[2]!.shape]).toEqual([7, 2, 3, WORDS])
    const scores = wanted[2]!.data as Float32Array
    for (const [i, score] of got[2]!.toArray().entries())
      expect(Math.abs((score as number) - scores[i]!)).toBeLessThanOrEqual(
        1e-5 * Math.max(1, Math.abs(scores[i]!)),
      )
    // ONNX Runtime 1.30 crashes where it is asked for these, and takes the penalties of all tokens off the
    // first one.
    const present = whole([1, WORDS], ...Array.from({ length: WORDS }, (_, token) => Number(token % 2)))
    const sampled: Problem = {
      op: 'Sampling',
      inputs: [
        whole([1, 2], 5, 7),
        one(9),
        one(0),
        floats(1),
        undefined,
        undefined,
        undefined,
        present,
        one(3),
      ],
      attributes: { eos_token_id: WORDS, presence_penalty: { float: 1e4 }, top_p: { float: 0.9 } },
      outputs: ['int32', 'float32'],
    }
    const [tokens, logits] = await solve(sampled, 1)
    expect([...tokens!.toArray()].slice(2).every((token) => Number(token) % 2 === 0)).toBe(true)
    expect([...logits!.shape]).toEqual([1, WORDS])
    expect(
      [...logits!.toArray()].filter((_, token) => token % 2).every((score) => (score as number) < -1e3),
    ).toBe(true)
  })

  it('in turns, to the same tokens; and says what does not fit', async () => {
    const problem: Problem = { op: 'GreedySearch', inputs: [whole([1, 2], 5, 7), one(LONGEST), one(LONGEST)] }
    using model = await loadModel(engine, modelOf(problem))
    const feeds = { x0: { data: Int32Array.of(5, 7), shape: [1, 2] } }
    const outputs = model.run(feeds)['y0']!.toArray()
    expect((await model.runAsync(feeds))['y0']!.toArray()).toEqual(outputs)
    const refused = async (changed: Partial<Problem>, message: RegExp, graph = decoder) => {
      using wrong = await loadModel(engine, modelOf({ ...problem, ...changed }, graph))
      expect(() => wrong.run(feeds)).toThrow(message)
    }
    const prompt = problem.inputs[0]
    await refused({ inputs: [prompt, one(1)] }, /max_length must be at least 2.*got 1/)
    await refused({ inputs: [prompt, one(2 ** 31 - 1)] }, /max_length must be up to 67108864 tokens/)
    await refused({ attributes: { model_type: 1 } }, /model_type must be 0.*got 1/)
    const pair = [prompt, one(9), one(0), one(2), one(1)]
    const whisper = { op: 'BeamSearch', inputs: pair, attributes: { model_type: 2 } }
    await refused(whisper, /model_type must be 0 \(a decoder alone\) or 1 \(behind an encoder\), got 2/)
    const { encoder } = encoded({ begins: true, states: false })
    const mixed = { op: 'BeamSearch', inputs: pair, attributes: { model_type: 1, encoder } }
    await refused(mixed, /encoder must be a graph of encoder_input_ids and encoder_attention_mask/)
    const length = { name: 'past_sequence_length', type: 'int32' as const, shape: [1] }
    const shared = { ...decoder, inputs: [...decoder.inputs, length] }
    await refused({}, /decoder must be a graph of input_ids.*without a buffer/, shared)
    const beams = [prompt, one(9), one(0), one(2), one(3)]
    await refused({ op: 'BeamSearch', inputs: beams }, /num_return_sequences must be up to 2.*got 3/)
    const masked = [...problem.inputs, floats(1), whole([3], 1, 1, 1)]
    await refused({ inputs: masked }, /vocab_mask must be of 1 x 20 numbers/)
  })
})
