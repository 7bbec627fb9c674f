/** Numbers of the host that are worked out in turns with others. */
import type { Steps } from '../../base/turns.js'
import type { HostArray } from '../file/types.js'

/** An array that is being written: whoever reads it has it written to its end first. */
export class Filling {
  private done = false

  /** @param array written by `work`, which has begun */
  constructor(
    private readonly array: HostArray,
    private readonly work: Steps<void>,
  ) {}

  get length(): number {
    return this.array.length
  }

  get data(): HostArray {
    while (!this.done) this.step()
    return this.array
  }

  /** The rest of the work. */
  *steps(): Steps<void> {
    while (!this.done) {
      this.step()
      yield
    }
  }

  private step(): void {
    this.done = this.work.next().done === true
  }
}
