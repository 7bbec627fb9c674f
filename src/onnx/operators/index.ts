/**
 * Every operator that filterbank runs, by the standard's name. A new one is added to the table of its family.
 */
import type { Operator } from '../run/call.js'
import { attending } from './attention.js'
import { columns } from './columns.js'
import { contrib } from './contrib.js'
import { elementwise } from './elementwise.js'
import { experimental } from './experimental.js'
import { matrix } from './matrix.js'
import { multiHead } from './multiHead.js'
import { normalize } from './normalize.js'
import { quantize } from './quantize.js'
import { recurrence } from './recurrent.js'
import { reduce } from './reduce.js'
import { resizing } from './resize.js'
import { rotary } from './rotary.js'
import { shape } from './shape.js'
import { window } from './window.js'

export const operators: Record<string, Operator> = {
  ...attending,
  ...columns,
  ...contrib,
  ...elementwise,
  ...experimental,
  ...matrix,
  ...multiHead,
  ...normalize,
  ...quantize,
  ...recurrence,
  ...reduce,
  ...resizing,
  ...rotary,
  ...shape,
  ...window,
}
