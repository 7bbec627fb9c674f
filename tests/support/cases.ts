/**
 * Every op on awkward shapes, a line each: what has to hold for all of them (tests/kernels/pieces.test.ts,
 * tests/ops/contract.test.ts) is checked by this table. A new op, or a new path through one, is a new line of
 * a file of cases/.
 */
import { convolutions } from './cases/convolutions.js'
import { elements } from './cases/elements.js'
import { filters } from './cases/filters.js'
import { gradients } from './cases/gradients.js'
import type { Case } from './cases/maker.js'

export const cases: Record<string, Case> = { ...convolutions, ...elements, ...gradients, ...filters }
