import { readFile, stat } from 'node:fs/promises'
import type { Clock, Log, Timer, Timers } from '@stox/kernel'
import type { RevocationStore } from './certificates/revocation-store.ts'
import type { TrustSource, TrustStore } from './certificates/trust-store.ts'
import { TlsIdentity } from './tls-identity.ts'

/** As the configuration names it. */
export interface CertificateFile {
  readonly domains: readonly string[]
  readonly cert: string
  readonly key: string
}

export interface CertificateFilesOptions {
  readonly files: readonly CertificateFile[]
  /** Takes what the files hold anew; streams that stand keep what they began with. */
  readonly tls: TlsIdentity
  readonly trust: { readonly source: TrustSource; readonly store: Pick<TrustStore, 'reload'> }
  readonly revocations?: RevocationStore
  /** What was proved may be so no more. */
  readonly onTrust?: () => Promise<void>
  readonly timers: Timers
  readonly clock: Pick<Clock, 'wallMs'>
  readonly log: Log
  readonly everyMs?: number
}

const EVERY_MS = 10_000

/**
 * Looks now and then whether a certificate, a key, the authorities or what they have revoked have changed on disk, and
 * reads them anew when they have and two looks see the same: whoever writes them has finished by then. What cannot be
 * used changes nothing.
 */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions
  readonly #paths: readonly string[]
  #timer: Timer | undefined
  #loaded: string
  #seen: string
  #isClosed = false

  private constructor(options: CertificateFilesOptions, paths: readonly string[], state: string) {
    this.#options = options
    this.#paths = paths
    this.#loaded = state
    this.#seen = state
    this.#arm()
  }

  static async watch(options: CertificateFilesOptions): Promise<CertificateFiles> {
    const { source } = options.trust
    const { files: lists = [] } = options.revocations ?? {}
    const paths = options.files.flatMap(({ cert, key }) => [cert, key])
    if (source.kind === 'file') paths.push(source.path)
    paths.push(...lists)
    const watching = new CertificateFiles(options, paths, await stateOf(paths))
    watching.#warnOfOverdue()
    return watching
  }

  /** At once: who has just replaced the files says so. */
  async reload(): Promise<void> {
    if (this.#isClosed) return
    this.#seen = await stateOf(this.#paths)
    await this.#read(this.#seen)
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
  }

  #arm(): void {
    if (this.#paths.length === 0 || this.#isClosed) return
    this.#timer = this.#options.timers.arm(this.#options.everyMs ?? EVERY_MS, () => {
      void this.#look().finally(() => this.#arm())
    })
  }

  async #look(): Promise<void> {
    const state = await stateOf(this.#paths)
    const hasSettled = state === this.#seen
    this.#seen = state
    if (hasSettled && state !== this.#loaded && !this.#isClosed) await this.#read(state)
    this.#warnOfOverdue()
  }

  async #read(state: string): Promise<void> {
    this.#loaded = state
    await this.#readCertificates()
    await this.#readAuthorities()
    await this.#readRevocations()
    await this.#options.onTrust?.()
  }

  async #readCertificates(): Promise<void> {
    const { files, tls, log } = this.#options
    try {
      const entries = await Promise.all(
        files.map(async ({ domains, cert, key }) => ({
          domains,
          cert: await readFile(cert, 'utf8'),
          key: await readFile(key, 'utf8'),
        })),
      )
      const read = TlsIdentity.of(entries)
      if (read.ok) {
        tls.replaceBy(read.value)
        log.info('certificates-reloaded', { certificates: entries.length })
        return
      }
      for (const { entry, field, problem } of read.failure) {
        const named = files[entry]?.[field]
        log.error('certificates-not-reloaded', { file: typeof named === 'string' ? named : undefined, problem })
      }
    } catch (error) {
      log.error('certificates-not-reloaded', { problem: error instanceof Error ? error.message : String(error) })
    }
  }

  async #readAuthorities(): Promise<void> {
    const { trust, log } = this.#options
    if (trust.source.kind !== 'file') return
    const read = await trust.store.reload()
    if (read.ok) log.info('authorities-reloaded', { count: read.value.size })
    else log.error('authorities-not-reloaded', { problem: read.failure.detail })
  }

  async #readRevocations(): Promise<void> {
    const { revocations, log } = this.#options
    if (revocations === undefined || revocations.files.length === 0) return
    const problems = await revocations.reload()
    for (const problem of problems) log.error('revocations-not-reloaded', { ...problem })
    if (problems.length === 0) log.info('revocations-reloaded', { files: revocations.files.length })
  }

  /** It still counts: what was revoked stays revoked, and of what has been since nothing is known. */
  #warnOfOverdue(): void {
    const { revocations, clock, log } = this.#options
    for (const { file, nextUpdateMs } of revocations?.newlyOverdue(clock.wallMs()) ?? []) {
      const nextUpdate = new Date(nextUpdateMs).toISOString()
      log.warn('revocation-list-overdue', {
        file,
        nextUpdate,
        advice: 'put the new list of the authority in its place',
      })
    }
  }
}

/** What changes when a file is written or replaced. */
async function stateOf(paths: readonly string[]): Promise<string> {
  const states: string[] = []
  for (const path of paths) {
    const { ino, size, mtimeMs } = await stat(path).catch(() => ({ ino: 0, size: 0, mtimeMs: 0 }))
    states.push(`${ino} ${size} ${mtimeMs}`)
  }
  return states.join('\n')
}
