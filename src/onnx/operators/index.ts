/**
 * Every operator that filterbank runs, by the standard's name. A new one is added to the table of its family.
 * Those that few models have are in modules of their own, which are fetched when a model names one.
 */
import { atOnce } from '../../base/turns.js'
import type { Call, Operator, OperatorModule, SteppedOperator } from '../run/call.js'
import { attending } from './attention.js'
import { blocks } from './blocks.js'
import { boxes } from './boxes.js'
import { bytesBetween } from './bytesBetween.js'
import { casts } from './casts.js'
import { columns } from './columns.js'
import { contrib } from './contrib.js'
import { control } from './control.js'
import { elementwise } from './elementwise.js'
import { experimental } from './experimental.js'
import { indexing } from './indexing.js'
import { masks } from './masks.js'
import { matrix } from './matrix.js'
import { multiHead } from './multiHead.js'
import { normalize } from './normalize.js'
import { pools } from './pool.js'
import { quantize } from './quantize.js'
import { recurrence } from './recurrent.js'
import { reduce } from './reduce.js'
import { resizing } from './resize.js'
import { rotary } from './rotary.js'
import { sequence } from './sequence.js'
import { shape } from './shape.js'
import { largest } from './topK.js'
import { window } from './window.js'

const shaped = new Set([
  ...Object.keys(casts),
  ...Object.keys(elementwise),
  ...Object.keys(bytesBetween),
  ...Object.keys(quantize),
  ...Object.keys(recurrence),
  ...['Gather', 'GatherElements', 'GatherND', 'Scatter', 'ScatterElements', 'ScatterND', 'Trilu'],
  ...['ArgMax', 'ArgMin', 'CumSum', 'CumProd', 'Identity', 'Transpose', 'Flatten', 'Concat', 'Dropout'],
  ...['MatMul', 'Gemm', 'GridSample', 'RoiAlign', 'DeformConv', 'ReverseSequence', 'RotaryEmbedding'],
  'filterbank.Attention',
])

/**
 * Those whose outputs have shapes that follow from the shapes of the inputs, whatever numbers are read on the
 * host.
 */
export const shapedByInputs: ReadonlySet<string> = shaped

const containing = new Set([...Object.keys(control), ...Object.keys(sequence), 'Identity'])

/** Those that take sequences, maps and optional values beside tensors. */
export const takesContainers: ReadonlySet<string> = containing

/** Those that give something else each time. */
export const isRandom = (op: string): boolean => /^(Random|Bernoulli$|Multinomial$)/.test(op)

/** Those that run graphs, in steps. */
export const stepped: Record<string, SteppedOperator> = { ...control }

/** The same without turns for others in between. */
const wholeOf = (operators: Record<string, SteppedOperator>): Record<string, Operator> =>
  Object.fromEntries(
    Object.entries(operators).map(([name, operator]) => [name, (call: Call) => atOnce(operator(call))]),
  )

/** What is there at first, and what was fetched. */
export const operators: Record<string, Operator> = {
  ...attending,
  ...blocks,
  ...boxes,
  ...bytesBetween,
  ...casts,
  ...columns,
  ...contrib,
  ...wholeOf(control),
  ...elementwise,
  ...experimental,
  ...indexing,
  ...largest,
  ...masks,
  ...matrix,
  ...multiHead,
  ...normalize,
  ...pools,
  ...quantize,
  ...recurrence,
  ...reduce,
  ...resizing,
  ...rotary,
  ...sequence,
  ...shape,
  ...window,
}

/** What a module brings that was fetched. */
export function addOperators(module: OperatorModule): void {
  Object.assign(operators, module.operators, wholeOf(module.stepped ?? {}))
  Object.assign(stepped, module.stepped)
  for (const op of module.shapedByInputs ?? []) shaped.add(op)
  for (const op of module.takesContainers ?? []) containing.add(op)
}
