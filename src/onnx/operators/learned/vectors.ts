/** Support vector machines: SVMRegressor, SVMClassifier. (Chang and Lin, "LIBSVM", 2011.) */
import type { Call, Operator } from '../../run/call.js'
import { binary, labelled, labelsOf, largest, rowsOf, transformed, transformOf } from './scores.js'

type Kernel = (
  x: Float64Array,
  at: number,
  vectors: ArrayLike<number>,
  from: number,
  length: number,
) => number

function dot(x: Float64Array, at: number, vectors: ArrayLike<number>, from: number, length: number): number {
  let sum = 0
  for (let i = 0; i < length; i++) sum += x[at + i]! * vectors[from + i]!
  return sum
}

/** What two vectors have in common. */
function kernelOf(call: Call): Kernel {
  const [gamma = 0, shift = 0, degree = 0] = call.numbers('kernel_params', [])
  const kernels: Record<string, Kernel> = {
    LINEAR: dot,
    POLY: (x, at, vectors, from, length) => (gamma * dot(x, at, vectors, from, length) + shift) ** degree,
    SIGMOID: (x, at, vectors, from, length) => Math.tanh(gamma * dot(x, at, vectors, from, length) + shift),
    RBF: (x, at, vectors, from, length) => {
      let sum = 0
      for (let i = 0; i < length; i++) {
        const difference = x[at + i]! - vectors[from + i]!
        sum += difference * difference
      }
      return Math.exp(-gamma * sum)
    },
  }
  return call.choice('kernel_type', kernels, 'LINEAR')
}

/** Rows, vectors of as many features, and the kernel of each pair of them. */
function machineOf(call: Call, count: number) {
  const rows = rowsOf(call)
  const vectors = call.numbers('support_vectors', [])
  const coefficients = call.numbers('coefficients', [])
  const rho = call.numbers('rho', [])
  const kernel = count ? kernelOf(call) : dot
  const { features, data } = rows
  if (count && vectors.length !== count * features)
    call.fail('input 0', `of rows of ${vectors.length / count} features`, features)
  const against = (row: number, list: ArrayLike<number>, i: number) =>
    kernel(data, row * features, list, i * features, features)
  return { rows, vectors, coefficients, rho, against }
}

const svmRegressor: Operator = (call) => {
  const count = call.number('n_supports', 0)
  const { rows, vectors, coefficients, rho, against } = machineOf(call, count)
  if (coefficients.length !== (count || rows.features))
    call.fail('coefficients', `${count || rows.features} numbers`, coefficients.length)
  const isOne = call.flag('one_class')
  return call.host('float32', [rows.count, 1], (to) => {
    for (let row = 0; row < rows.count; row++) {
      let sum = rho[0] ?? 0
      if (count) for (let i = 0; i < count; i++) sum += coefficients[i]! * against(row, vectors, i)
      else sum += against(row, coefficients, 0)
      to[row] = isOne ? (sum > 0 ? 1 : -1) : sum
    }
  })
}

const LEAST_SHARE = 1e-7

/** Shares of classes that agree best with those of each pair. (Wu, Lin and Weng, 2004, second method.) */
function coupled(pairs: readonly (readonly number[])[]): number[] {
  const k = pairs.length
  const q = pairs.map((_, i) =>
    pairs.map((_, j) =>
      i === j
        ? pairs.reduce((sum, row, other) => (other === i ? sum : sum + row[i]! ** 2), 0)
        : -pairs[j]![i]! * pairs[i]![j]!,
    ),
  )
  const p = Array<number>(k).fill(1 / k)
  const most = Math.max(100, k)
  for (let round = 0; round < most; round++) {
    const qp = q.map((row) => row.reduce((sum, v, j) => sum + v * p[j]!, 0))
    let pqp = p.reduce((sum, v, i) => sum + v * qp[i]!, 0)
    if (qp.every((v) => Math.abs(v - pqp) < 0.005 / k)) break
    for (let t = 0; t < k; t++) {
      const step = (pqp - qp[t]!) / q[t]![t]!
      p[t]! += step
      pqp = (pqp + step * (step * q[t]![t]! + 2 * qp[t]!)) / (1 + step) ** 2
      for (let j = 0; j < k; j++) {
        qp[j] = (qp[j]! + step * q[t]![j]!) / (1 + step)
        p[j]! /= 1 + step
      }
    }
  }
  return p
}

/** A vote for each pair of classes; with prob_a and prob_b shares of the classes. */
const svmClassifier: Operator = (call) => {
  const labels = labelsOf(call, 'classlabels_ints')
  const classes = labels.list.length
  const perClass = call.numbers('vectors_per_class', [])
  const count = perClass.reduce((sum, n) => sum + n, 0)
  const { rows, vectors, coefficients, rho, against } = machineOf(call, count)
  const [probA, probB] = [call.numbers('prob_a', []), call.numbers('prob_b', [])]
  const transform = transformOf(call)
  const first = perClass.map((_, i) => perClass.slice(0, i).reduce((sum, n) => sum + n, 0))
  const wanted = count ? (classes - 1) * count : classes * rows.features
  if (coefficients.length !== wanted) call.fail('coefficients', `${wanted} numbers`, coefficients.length)
  const found: (number | string)[] = []
  const scores: number[] = []
  for (let row = 0; row < rows.count; row++) {
    let own: number[]
    let best: number
    if (count) {
      const near = Array.from({ length: count }, (_, i) => against(row, vectors, i))
      const votes = Array<number>(classes).fill(0)
      const shares = votes.map(() => Array<number>(classes).fill(0))
      own = []
      for (let i = 0; i < classes; i++) {
        for (let j = i + 1; j < classes; j++) {
          const pair = own.length
          let sum = rho[pair] ?? 0
          for (let k = first[i]!; k < first[i]! + perClass[i]!; k++)
            sum += coefficients[(j - 1) * count + k]! * near[k]!
          for (let k = first[j]!; k < first[j]! + perClass[j]!; k++)
            sum += coefficients[i * count + k]! * near[k]!
          own.push(sum)
          votes[sum > 0 ? i : j]!++
          const share = 1 / (1 + Math.exp(sum * (probA[pair] ?? 0) + (probB[pair] ?? 0)))
          const within = Math.min(1 - LEAST_SHARE, Math.max(LEAST_SHARE, share))
          shares[i]![j] = within
          shares[j]![i] = 1 - within
        }
      }
      best = largest(votes)
      if (probA.length) own = coupled(shares)
    } else {
      own = labels.list.map((_, i) => against(row, coefficients, i) + (rho[0] ?? 0))
      best = largest(own)
    }
    const single = own.length === 1
    found.push(labels.list[best]!)
    scores.push(...(single ? binary(transform, own[0]!, transform !== 'NONE') : transformed(transform, own)))
  }
  return [
    labelled(call, labels, found),
    call.host('float32', [rows.count, scores.length / Math.max(1, rows.count)], (to) => to.set(scores)),
  ]
}

export const vectors: Record<string, Operator> = { SVMRegressor: svmRegressor, SVMClassifier: svmClassifier }
