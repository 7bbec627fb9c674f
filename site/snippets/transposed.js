import { convTranspose2d } from 'filterbank'

const x = engine.tensor(input.flat(), [1, size, size, 1])
const w = engine.tensor(filter.flat(), [window, window, 1, 1])

show(convTranspose2d(x, w, { stride, padding, dilation }))
