/** What the examples learn from: pictures that they draw, or MNIST's. */
import { readMnist } from './mnist.mjs'
import { directory, integer } from './options.mjs'

/** Options of examples that learn from pictures. @param samples that are drawn by default */
export const pictureOptions = (samples) => ({
  mnist: directory('learn from the idx files of MNIST (.gz or not) instead'),
  samples: integer(`pictures to learn from, by default ${samples} (all of MNIST)`, { least: 100 }),
})

/**
 * Pictures to learn from and to test with.
 *
 * @param draw(samples, seed) makes them where there is no MNIST
 * @returns classes: names; learn and test: { pictures from 0 to 1, inputs around 0, shape, labels }; augment:
 *   what leaves a picture in its class
 */
export function readPictures({ mnist, samples, seed }, draw, usual) {
  const data = mnist === undefined ? draw(samples ?? usual, seed) : readMnist(mnist, samples)
  const { learn, test, classes } = data
  console.log(
    `${learn.labels.length} pictures to learn from, ${test.labels.length} to test with: ${classes.join(', ')}`,
  )
  return data
}

/** The numbers of some samples, one after the other. */
export function chosenOf(numbers, shape, chosen) {
  const size = shape.reduce((a, b) => a * b)
  const some = new Float32Array(chosen.length * size)
  chosen.forEach((sample, i) => {
    some.set(numbers.subarray(sample * size, (sample + 1) * size), i * size)
  })
  return some
}

/** The first `count` samples of each class: a row of `count` has one of each. */
export function someOfEach(labels, classes, count) {
  const found = classes.map((_, label) =>
    [...labels.keys()].filter((i) => labels[i] === label).slice(0, count),
  )
  return Array.from({ length: count }, (_, row) => found.map((samples) => samples[row] ?? samples[0] ?? 0))
}

/** The mean of the pictures of some data. */
export function meanPictureOf({ pictures, shape }) {
  const mean = new Float64Array(shape.reduce((a, b) => a * b))
  pictures.forEach((v, i) => {
    mean[i % mean.length] += (v * mean.length) / pictures.length
  })
  return mean
}
