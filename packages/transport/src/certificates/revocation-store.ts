import { readFile } from 'node:fs/promises'
import type { Result } from '@stox/kernel'
import { fail, ok } from '@stox/kernel'
import type { RevocationList } from './revocation-list.ts'
import { RevocationLists, readRevocationList } from './revocation-list.ts'

export interface RevocationProblem {
  readonly file: string
  readonly problem: string
}

export interface RevocationDates {
  readonly file: string
  /** When the next one is due. */
  readonly nextUpdateMs: number
}

/** The lists in the files of the configuration, and again when asked. A file that cannot be used changes nothing. */
export class RevocationStore {
  readonly files: readonly string[]
  readonly #held = new Map<string, readonly RevocationList[]>()
  readonly #told = new WeakSet<RevocationList>()
  #lists = new RevocationLists([])

  private constructor(files: readonly string[]) {
    this.files = files
  }

  static async open(files: readonly string[]): Promise<Result<RevocationStore, readonly RevocationProblem[]>> {
    const store = new RevocationStore(files)
    const problems = await store.reload()
    return problems.length === 0 ? ok(store) : fail(problems)
  }

  get lists(): RevocationLists {
    return this.#lists
  }

  async reload(): Promise<readonly RevocationProblem[]> {
    const problems: RevocationProblem[] = []
    for (const file of this.files) {
      const read = await readLists(file)
      if (read.ok) this.#held.set(file, read.value)
      else problems.push({ file, problem: read.failure })
    }
    this.#lists = new RevocationLists([...this.#held.values()].flat())
    return problems
  }

  /** Of each list that says when the next is due: how long until then. */
  due(nowMs: number): readonly { readonly file: string; readonly seconds: number }[] {
    return this.#dated().map(([{ file, nextUpdateMs }]) => ({ file, seconds: (nextUpdateMs - nowMs) / 1000 }))
  }

  /** Each list once. */
  newlyOverdue(nowMs: number): readonly RevocationDates[] {
    const overdue = this.#dated().filter(([{ nextUpdateMs }, list]) => nowMs > nextUpdateMs && !this.#told.has(list))
    for (const [, list] of overdue) this.#told.add(list)
    return overdue.map(([dates]) => dates)
  }

  #dated(): readonly (readonly [RevocationDates, RevocationList])[] {
    return [...this.#held].flatMap(([file, lists]) =>
      lists.flatMap((list) => {
        const { nextUpdateMs } = list
        return nextUpdateMs === undefined ? [] : [[{ file, nextUpdateMs }, list] as const]
      }),
    )
  }
}

const PEM_BLOCK = /-----BEGIN X509 CRL-----([^-]*)-----END X509 CRL-----/g

/** All of a file or nothing: DER, or one or more in PEM. */
async function readLists(file: string): Promise<Result<readonly RevocationList[], string>> {
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (error) {
    return fail(error instanceof Error ? error.message : 'it cannot be read')
  }
  const blocks = [...bytes.toString('latin1').matchAll(PEM_BLOCK)].map(([, base64 = '']) =>
    Buffer.from(base64, 'base64'),
  )
  const lists: RevocationList[] = []
  for (const der of blocks.length === 0 ? [bytes] : blocks) {
    const list = readRevocationList(der)
    if (!list.ok) return list
    lists.push(list.value)
  }
  return ok(lists)
}
