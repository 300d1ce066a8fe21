import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { KeyPair } from '../src/certificates.ts'
import { e2ePath, sourceEnv } from '../src/root.ts'

/** What it does, as issue and tests name it. */
export const HOSTILE_CASES = [
  'expiredCertificate',
  'selfSignedCertificate',
  'wrongNameCertificate',
  'wrongPurposeCertificate',
  'foreignCertificate',
  'externalInClear',
  'replayedKey',
  'wrongId',
  'domainNeverAsked',
  'keysWithoutEnd',
  'domainSwitched',
  'flood',
  'slowHeader',
  'byteASecond',
  'hugeText',
  'deepNesting',
  'manyAttributes',
  'splitUtf8',
  'invalidUtf8',
  'silentCrowd',
  'deafReader',
] as const
export type HostileCase = (typeof HOSTILE_CASES)[number]

export interface HostileStart {
  readonly edge: { readonly host: string; readonly port: number }
  readonly port: number
  readonly remote: string
  readonly certificates: Readonly<
    Record<'good' | 'expired' | 'selfSigned' | 'wrongName' | 'wrongPurpose' | 'foreign', KeyPair>
  >
}

/** Who it is, and where it comes from and listens: what it did under another name is not held against it. */
export interface HostileName {
  readonly domain: string
  readonly address: string
}

export type HostileOrder =
  /** `busy` does nothing to the edge: it only takes the machine's time, as all others do besides. */
  { readonly kind: 'begin'; readonly what: HostileCase | 'busy'; readonly as: HostileName } | { readonly kind: 'end' }

/** A partner that means harm, in a process of its own. */
export class HostilePartner {
  readonly #child: ChildProcess

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(start: HostileStart): Promise<HostilePartner> {
    const child = fork(e2ePath('bench', 'hostile-partner-main.ts'), {
      execArgv: ['--conditions=stox-source'],
      env: { ...process.env, ...sourceEnv() },
    })
    const partner = new HostilePartner(child)
    await partner.#tell(start)
    return partner
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  begin(what: HostileCase | 'busy', as: HostileName): Promise<void> {
    return this.#tell({ kind: 'begin', what, as })
  }

  end(): Promise<void> {
    return this.#tell({ kind: 'end' })
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.disconnect()
    await ended
  }

  async #tell(order: HostileOrder | HostileStart): Promise<void> {
    const answer = once(this.#child, 'message', { signal: AbortSignal.timeout(20_000) })
    this.#child.send(order)
    await answer
  }
}
