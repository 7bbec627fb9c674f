import { avgPool2d } from 'filterbank'

const x = engine.tensor(input.flat(), [1, size, size, 1])

show(avgPool2d(x, { size: window, stride, padding }))
