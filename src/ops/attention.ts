import { check, show } from '../base/errors.js'
import { type Shape, sizeOf } from '../base/shape.js'
import { engineOf } from '../core/engine.js'
import { checkNumber, checkOptions, isInteger, MOST, type Names } from '../core/options.js'
import type { AnyTensor, Tensor } from '../core/tensor.js'
import type { Context } from '../core/window.js'
import {
  type AttentionInputs,
  type AttentionLayer,
  attentionSplits,
  runAttention,
  runAttentionGradient,
} from '../plans/attention.js'
import { sum, sumTo } from './reduce.js'

/** What `attention` takes beside q, k and v. */
export interface AttentionOptions {
  /**
   * What broadcasts to [n, heads, length, keys]: uint8, 0 where a query does not see a key; or float32, added
   * to the scores (-Infinity hides). Default: all is seen.
   */
  mask?: Tensor<'uint8'> | Tensor
  /**
   * Whether query i sees keys 0 to i alone; a number: keys 0 to causal + i, which is how many keys stood in a
   * cache before the first query. Default false.
   */
  causal?: boolean | number
  /** What scores are multiplied by. Default 1 / sqrt(size). */
  scale?: number
  /** Bounds the scores, before the mask: softcap * tanh(score / softcap). Default 0, no bound. */
  softcap?: number
}

const ATTENTION: Names<AttentionOptions> = { mask: true, causal: true, scale: true, softcap: true }

/**
 * Scaled dot-product attention, each head by itself:
 *
 *   y[i] = sum over j of softmax over j (scale * q[i] . k[j] + mask[i, j]) * v[j]
 *
 * k and v may have fewer heads than q (grouped queries): each of theirs serves heads / kvHeads neighbours of
 * q's. A query that sees no key gives 0. Keys stream by in blocks, and backward computes the scores again: no
 * [length, keys] matrix is stored, but where the derivative of a float mask is wanted. (Vaswani et al.,
 * "Attention is all you need", 2017; Ainslie et al., "GQA", 2023; Dao et al., "FlashAttention", 2022;
 * definition: ONNX Attention)
 *
 * @param q [n, heads, length, size]
 * @param k [n, kvHeads, keys, size]
 * @param v [n, kvHeads, keys, valueSize]
 * @param options no mask, causal false, scale 1 / sqrt(size), softcap 0
 * @returns [n, heads, length, valueSize]
 * @throws FilterbankError for shapes that do not fit, heads that are no multiple of kvHeads, a mask of
 * another
 *   type; nothing is allocated then
 * @example const y = attention(q, k, v, { causal: true })
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  return attentionOr(0, q, k, v, options)
}

/** The same where a query that sees no key gives `unseen`: 0, or NaN as a softmax would. @internal */
export function attentionOr(
  unseen: number,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: AttentionOptions,
): Tensor {
  const op = 'attention'
  checkOptions(op, options, ATTENTION)
  const { mask } = options
  const engine = engineOf(op, { q, k, v })
  if (mask) engineOf(op, { q, mask }, {}, ['float32', 'uint8'])
  const layer = { ...layerOf(q, k, v, options), unseen }
  const inputs: AttentionInputs = { q, k, v, mask }
  const shape = [layer.n, layer.heads, layer.length, layer.valueSize]
  const isEmpty = sizeOf(shape) === 0 || layer.keys === 0
  const { tape } = engine
  const statistics = tape && !isEmpty ? engine.empty([2, layer.n, layer.heads, layer.length]) : undefined
  try {
    const y = isEmpty
      ? engine.zeros(shape)
      : engine.make(shape, (y) => runAttention(layer, inputs, y, statistics))
    const { causal = false } = options
    engine.trace?.note(
      op,
      y,
      { q, k, v, mask },
      { causal: causal === false ? undefined : Number(causal === true ? 0 : causal), ...layer },
    )
    tape?.record(op, y, { q, k, v, mask }, { q, k, v, mask, y, statistics }, (dy, kept) =>
      backward(layer, kept, dy),
    )
    return y
  } finally {
    statistics?.dispose()
  }
}

/** The lengths of an attention, checked. */
function layerOf(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions): Omit<AttentionLayer, 'unseen'> {
  const { mask, causal = false, softcap = 0 } = options
  const context: Context = {
    op: 'attention',
    shapes: { q: q.shape, k: k.shape, v: v.shape, mask: mask?.shape },
  }
  const fail = (argument: string, expected: string, got: unknown) => ({
    ...context,
    argument,
    expected,
    got: show(got),
  })
  check(q.shape.length === 4 && q.shape[3]! > 0, () =>
    fail('q', '[n, heads, length, size], with a positive size', q.shape),
  )
  const [n, heads, length, size] = q.shape as [number, number, number, number]
  check(k.shape.length === 4 && k.shape[0] === n && k.shape[3] === size, () =>
    fail('k', `[${n}, kvHeads, keys, ${size}]`, k.shape),
  )
  const [, kvHeads, keys] = k.shape as [number, number, number, number]
  check(kvHeads === heads || (kvHeads > 0 && heads % kvHeads === 0), () =>
    fail('k', `one whose number of heads divides ${heads}`, k.shape),
  )
  check(v.shape.length === 4 && [n, kvHeads, keys].every((count, axis) => v.shape[axis] === count), () =>
    fail('v', `[${n}, ${kvHeads}, ${keys}, valueSize]`, v.shape),
  )
  check(!mask || broadcastsTo(mask.shape, [n, heads, length, keys]), () =>
    fail('mask', `one that broadcasts to [${n}, ${heads}, ${length}, ${keys}]`, mask?.shape),
  )
  check(typeof causal === 'boolean' || isInteger(causal, 0, MOST), () =>
    fail('causal', 'true, false or how many keys come before the first query', causal),
  )
  const { scale = 1 / Math.sqrt(size) } = options
  checkNumber(scale, 'scale', Number.isFinite, 'a finite number', context)
  checkNumber(
    softcap,
    'softcap',
    (v) => v >= 0 && Number.isFinite(v),
    'a finite number of at least 0',
    context,
  )
  const first = causal === false ? keys : Math.min(keys, Number(causal === true ? 0 : causal))
  return { n, heads, kvHeads, length, keys, size, valueSize: v.shape[3]!, scale, softcap, first }
}

export const broadcastsTo = (part: Shape, shape: Shape): boolean =>
  part.length <= shape.length &&
  part.every((length, i) => length === 1 || length === shape[shape.length - part.length + i])

type Kept = AttentionInputs & { y: Tensor; statistics: Tensor | undefined; mask: AnyTensor | undefined }

function backward(layer: AttentionLayer, kept: Kept, dy: Tensor) {
  const { q, k, v, mask, y, statistics } = kept
  const { engine } = dy
  const { n, heads, length, keys } = layer
  const run = () => {
    if (!statistics) return { q: engine.zeros(q.shape), k: engine.zeros(k.shape), v: engine.zeros(v.shape) }
    const parts = engine.empty([attentionSplits(layer), ...q.shape])
    const [dk, dv] = [engine.empty(k.shape), engine.empty(v.shape)]
    runAttentionGradient(layer, kept, y, statistics, dy, { dq: parts, dk, dv })
    return { q: parts.shape[0] === 1 ? parts.reshape(q.shape) : sum(parts, { axes: 0 }), k: dk, v: dv }
  }
  // All three come of one run, for whoever is asked first.
  let all: ReturnType<typeof run> | undefined
  const one = (name: 'q' | 'k' | 'v') => () => {
    all ??= engine.scope(run)
    return all[name]
  }
  return {
    q: one('q'),
    k: one('k'),
    v: one('v'),
    ...(mask?.dtype === 'float32' && {
      mask: () => {
        if (!statistics) return engine.zeros(mask.shape)
        return engine.scope(() => {
          const dmask = engine.make([n, heads, length, keys], (dmask) =>
            runAttentionGradient(layer, kept, y, statistics, dy, { dmask }),
          )
          return sumTo(dmask, mask.shape)
        })
      },
    }),
  }
}
