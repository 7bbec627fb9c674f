import { createWorker } from 'filterbank/worker'

const worker = await createWorker()
const model = await worker.loadModel('/digits.onnx')
const image = document.querySelector('img')
await image.decode()
const { scores } = await model.run({ picture: { image, channels: 'gray' } })
const all = [...scores.data]
document.querySelector('output').value = all.indexOf(Math.max(...all))
