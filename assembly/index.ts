/** The kernels. Each is (call, begin, end): an argument block and a range of its units. */
export { bind, heapBase } from './arguments'
export { TILE_ROWS as tileRows } from './simd'
export { depthwise } from './depthwise'
export { igemm } from './igemm'
export { filterSeparable, filterWindow, fromBytes, gradientMagnitude, median, toBytes } from './image'
export { copy, pack } from './layout'
export { avgPool, maxPool } from './pool'
export { winograd, winogradFilter } from './winograd'
