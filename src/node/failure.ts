/**
 * What went wrong, in one line for a person. Anything else that is thrown is a fault of filterbank itself.
 */
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

/** What the system's error codes mean to a person. */
const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a file of that name is in the way',
  ENOSPC: 'the disk is full',
  EROFS: 'the disk is read-only',
}

export const reasonOf = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException
  return reasons[code ?? ''] ?? message
}
