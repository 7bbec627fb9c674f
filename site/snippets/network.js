await model.run(inputs) // the first run plans, the next ones replay
const answer = await model.run(inputs)

// A line for each step: name, shape, time, algorithm and the reason for it
const layers = await model.summary()
show({ answer, layers })

// Maps of all layers, as many at a time as memory has room for
for (const taps of groupsOf(layers)) show({ maps: await model.run(inputs, { taps }) })
