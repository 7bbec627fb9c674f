/** Operators of the standard and of com.microsoft that few models have. A module of its own. */
import type { OperatorModule } from '../../run/call.js'

export const module: OperatorModule = { operators: {} }
