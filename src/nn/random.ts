import { check, show } from '../base/errors.js'
import type { Engine } from '../core/engine.js'

/** Numbers that look random, and follow from the seed alone. */
export class Random {
  /** What the next number follows from: 32 bits. */
  state: number

  /** @throws FilterbankError where the seed is no number */
  constructor(seed: number) {
    checkSeed(seed, 'Random')
    this.state = seed >>> 0
  }

  /**
   * The generator of a place in what a seed decides: another for every index, and for every stream of such.
   */
  static at(seed: number, index: number, stream = 0): Random {
    const random = new Random(seed)
    random.state += Math.imul(stream, 0x6d2b79f5)
    return new Random(random.bits() + Math.imul(index, 0x9e3779b1))
  }

  /** Uniform in [0, 1). (Mulberry32, T. Ettinger) */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0
    let t = this.state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }

  /** An integer of 32 bits. */
  bits(): number {
    return this.next() * 2 ** 32
  }

  /** Normally distributed: mean 0, variance 1. (Box & Muller, 1958) */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next())
  }

  /** The integers from 0 to length - 1 in random order. (Fisher & Yates) */
  shuffled(length: number): Int32Array {
    const order = Int32Array.from({ length }, (_, i) => i)
    for (let i = length - 1; i > 0; i--) {
      const j = Math.floor(this.next() * (i + 1))
      const other = order[j]!
      order[j] = order[i]!
      order[i] = other
    }
    return order
  }
}

/** Where random numbers come from: a seed, or a generator that goes on from where it stands. */
export type Seed = number | Random

/**
 * Throws where there is no seed. Of an integer 32 bits count; a fraction would be cut off, and every
 * Math.random() be the same seed.
 */
export function checkSeed(seed: unknown, op: string): asserts seed is Seed {
  check(seed instanceof Random || Number.isSafeInteger(seed), () => ({
    op,
    argument: 'seed',
    expected: 'an integer or a Random',
    got: show(seed),
  }))
}

const ofEngine = new WeakMap<Engine, Random>()

/**
 * The generator of a seed. Without one, that of the engine: layers made in the same order in a new engine are
 * alike.
 */
export function randomOf(seed: Seed | undefined, engine: Engine): Random {
  if (seed instanceof Random) return seed
  if (seed !== undefined) return new Random(seed)
  const random = ofEngine.get(engine) ?? new Random(0)
  ofEngine.set(engine, random)
  return random
}

/** Generators that nobody gave a seed: `fit` sets them by its own. */
export const unseeded = new WeakSet<Random>()
/** The state of one of them that was not asked yet. */
const UNSETTLED = 0
const settled = new WeakMap<Engine, number>()

/** The generator of a seed, for what has no engine when it is made. */
export function ownRandom(seed: Seed | undefined): Random {
  if (seed instanceof Random) return seed
  const random = new Random(seed ?? UNSETTLED)
  if (seed === undefined) unseeded.add(random)
  return random
}

/**
 * Gives a generator without a seed one that no other of the engine has; what is asked in the same order in a
 * new engine is alike.
 */
export function settle(random: Random, engine: Engine): void {
  if (random.state !== UNSETTLED || !unseeded.has(random)) return
  const count = settled.get(engine) ?? 0
  settled.set(engine, count + 1)
  random.state = Random.at(0, count, 1).state
}
