await model.run(inputs) // the first run plans, the next ones replay
const answer = await model.run(inputs)

// A line for each step: name, shape, time, algorithm and the reason for it
const layers = await model.summary()

const taps = layers.filter(hasMaps).map((layer) => layer.outputs[0])
const maps = await model.run(inputs, { taps })

show({ answer, layers, maps })
