import { conv2d } from 'filterbank'
import { fromImageData } from 'filterbank/image'

// [1, height, width, 1]: brightness, from 0 (black) to 255 (white)
const x = fromImageData(engine, picture, { channels: 'gray', std: 1 / 255 })

// Four filters side by side: [3, 3, channels in, channels out]
const bank = engine.tensor(
  [0, 1, 2].flatMap((row) =>
    [0, 1, 2].flatMap((column) => filters.map((f) => f[row][column])),
  ),
  [3, 3, 1, filters.length],
)

const layer = conv2d(x, bank, { padding: 'same' })
show(layer) // [1, height, width, 4]: four pictures, one tensor
