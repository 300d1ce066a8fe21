import type { Problem } from '@stox/federation'

/** Why a service could not start, though its file was well written: each problem with its path there and a hint. */
export class StartFailure extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(lineOf).join('\n'))
    this.name = 'StartFailure'
    this.problems = problems
  }
}

/** One clear line. */
export const lineOf = ({ path, problem, hint }: Problem): string =>
  `${path === '' ? 'configuration' : path}: ${problem.replace(/\s+/g, ' ')} (${hint})`

/** What goes wrong while `path` is put to work is a problem of this key. Rejects with a `StartFailure`. */
export async function starting<T>(path: string, hint: string, start: () => T | Promise<T>): Promise<T> {
  try {
    return await start()
  } catch (error) {
    if (error instanceof StartFailure) throw error
    throw new StartFailure([{ path, problem: messageOf(error), hint }])
  }
}

function messageOf(error: unknown): string {
  const message =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error)
  // As the system says it, it is hard on the reader.
  return message.replace(/^listen EADDRINUSE: address already in use (\S+)$/, 'cannot listen on $1: the port is in use')
}
