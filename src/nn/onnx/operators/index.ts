/** How every op is written: an op of one's own room adds a line to the table of its family. */
import type { Operators } from '../call.js'
import { elementwise } from './elementwise.js'
import { matrix } from './matrix.js'
import { reductions } from './reduce.js'
import { sequences } from './sequence.js'
import { shape } from './shape.js'
import { window } from './window.js'

export const operators: Operators = {
  ...elementwise,
  ...window,
  ...matrix,
  ...reductions,
  ...sequences,
  ...shape,
}
