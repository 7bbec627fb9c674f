import type { Storage } from '../core/storage.js'

/**
 * Parameters that optimisers leave as they are, until they are taken out again: `layer.freeze()` enters them.
 */
export const frozen = new WeakSet<Storage>()
