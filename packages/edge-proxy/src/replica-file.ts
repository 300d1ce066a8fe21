import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Log } from '@stox/kernel'
import { parseReplica, type Replica } from '@stox/link'

/** The last replica on disk, so that the edge can refuse correctly while no gateway is there. Holds a secret: mode 0600. */
export class ReplicaFile {
  readonly #path: string
  readonly #log: Log
  #next: Replica | undefined
  #writing: Promise<void> | undefined

  constructor(path: string, log: Log) {
    this.#path = path
    this.#log = log
  }

  /**
   * Undefined at the first start, or when what is there is no replica: it is only a memory.
   * Throws when it cannot be read, or could not be written later.
   */
  load(): Replica | undefined {
    const folder = dirname(this.#path)
    makeFolder(folder)
    accessSync(`${folder}/`, constants.W_OK)
    if (!existsSync(this.#path)) return undefined
    const replica = parseReplica(jsonOf(readFileSync(this.#path, 'utf8')))
    if (replica.ok) return replica.value
    this.#log.warn('replica-file-unusable', { file: this.#path, detail: replica.failure })
    return undefined
  }

  /** Writes behind; of several in a row the last one stays. */
  save(replica: Replica): void {
    this.#next = replica
    this.#writing ??= this.#writeAll().finally(() => (this.#writing = undefined))
  }

  /** What was saved is on disk, or the log says why not. */
  async close(): Promise<void> {
    await this.#writing
  }

  async #writeAll(): Promise<void> {
    for (let replica = this.#takeNext(); replica !== undefined; replica = this.#takeNext()) {
      try {
        await this.#write(JSON.stringify(replica))
      } catch (error) {
        this.#log.error('replica-file-not-written', { file: this.#path, detail: String(error) })
      }
    }
  }

  #takeNext(): Replica | undefined {
    const next = this.#next
    this.#next = undefined
    return next
  }

  /** The old content or the new, never half of one. */
  async #write(text: string): Promise<void> {
    makeFolder(dirname(this.#path))
    const draft = `${this.#path}.new`
    await writeFile(draft, text, { mode: 0o600, flush: true })
    await rename(draft, this.#path)
  }
}

/** One after the other: `recursive` never returns below a folder in which nothing can be made, such as /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return
  makeFolder(dirname(path))
  mkdirSync(path, { mode: 0o700 })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
