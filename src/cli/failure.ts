/** What went wrong, in one line for a person. Anything else that is thrown is a fault of filterbank itself. */
export class Failure extends Error {
  constructor(
    message: string,
    /** 1: the input is at fault; 2: the command line is. */
    readonly exitCode: 1 | 2 = 1,
  ) {
    super(message)
  }
}

export const wrongUsage = (message: string): Failure => new Failure(message, 2)
