import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'

const EVERY_MS = 5_000

/** The names that the machine itself knows; read anew now and then. @see hosts(5) */
export class HostsFile {
  readonly #path: string
  readonly #monotonicMs: () => number
  #names: Promise<ReadonlyMap<string, readonly string[]>> | undefined
  #readAtMs = 0

  constructor(path: string, monotonicMs: () => number) {
    this.#path = path
    this.#monotonicMs = monotonicMs
  }

  async addresses(host: string): Promise<readonly string[]> {
    const nowMs = this.#monotonicMs()
    if (this.#names === undefined || nowMs - this.#readAtMs >= EVERY_MS) {
      this.#readAtMs = nowMs
      this.#names = readFile(this.#path, 'utf8').then(namesIn, () => new Map())
    }
    const names = await this.#names
    return names.get(host.toLowerCase().replace(/\.$/, '')) ?? []
  }
}

function namesIn(text: string): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, readonly string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...hosts] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const host of hosts) names.set(host.toLowerCase(), [...(names.get(host.toLowerCase()) ?? []), address])
  }
  return names
}
