import { DEFAULT_SETTINGS, EMPTY_MODEL, FederationIndex, decideStream, type Settings } from '@stox/federation'
import type { Replica } from '@stox/link'
import type { PartnerJudgement, StreamPolicy, StreamTimes } from '@stox/transport'
import { streamRulesOf } from '@stox/xmpp-engine'
import type { DomainName } from '@stox/xmpp'

/** Pairs whose judgement is remembered; a partner's pairs alone count, so strangers cannot fill it. */
const MAX_REMEMBERED = 10_000
const NO_PINS: readonly string[] = []

/**
 * What the replica says about streams: nothing is served and nobody allowed until there is one. A replica of a new
 * revision replaces all of it at once.
 */
export class EdgePolicy implements StreamPolicy {
  #index = new FederationIndex(EMPTY_MODEL)
  #before = this.#index
  #settings: Settings = DEFAULT_SETTINGS
  #dialbackSecret: string
  #told = false
  readonly #judged = new Map<string, PartnerJudgement>()

  /** `freshSecret` serves until the first replica is here. */
  constructor(freshSecret: string) {
    this.#dialbackSecret = freshSecret
  }

  get index(): FederationIndex {
    return this.#index
  }

  /** There is a replica, from a gateway or from the file. */
  get isTold(): boolean {
    return this.#told
  }

  replace(replica: Replica): void {
    this.#told = true
    this.#before = this.#index
    this.#index = new FederationIndex(replica.model)
    this.#settings = replica.model.settings
    this.#dialbackSecret = replica.dialbackSecret
    this.#judged.clear()
  }

  /** The key of the partner's record; the domain itself for one that has none. */
  partnerNameOf(domain: string): string {
    return this.#index.partnerOf(domain)?.domain ?? domain
  }

  pinsOf(domain: string): readonly string[] {
    return this.#index.partnerOf(domain)?.certificatePins ?? NO_PINS
  }

  /** Since the replica before. */
  hasOtherPins(domain: string): boolean {
    return String(this.#before.partnerOf(domain)?.certificatePins ?? NO_PINS) !== String(this.pinsOf(domain))
  }

  isServed(domain: DomainName): boolean {
    return this.#index.isLocal(domain)
  }

  judge(local: DomainName, remote: DomainName): PartnerJudgement {
    const pair = `${local}\n${remote}`
    const known = this.#judged.get(pair)
    if (known !== undefined) return known
    const judgement = this.#judgeAnew(local, remote)
    if (judgement.allowed && this.#judged.size < MAX_REMEMBERED) this.#judged.set(pair, judgement)
    return judgement
  }

  #judgeAnew(local: DomainName, remote: DomainName): PartnerJudgement {
    const decision = decideStream(this.#index, { localDomain: local, remoteDomain: remote })
    const partner = this.#index.partnerOf(remote)
    if (!decision.allowed || partner === undefined) {
      const reason = `${decision.rule}: ${decision.reason}`
      return decision.rule === 'local-domain'
        ? { allowed: false, reason, condition: 'host-unknown' }
        : { allowed: false, reason }
    }
    return {
      allowed: true,
      rules: {
        ...streamRulesOf(partner),
        partner: partner.domain,
        connectionLimit: partner.connectionLimit ?? this.#settings.partnerConnectionLimit,
        stanzasPerSecond: partner.limits.stanzasPerSecond ?? undefined,
        bytesPerSecond: partner.limits.bytesPerSecond ?? undefined,
        proxy: partner.proxy ?? undefined,
      },
    }
  }

  dialbackSecret(): string {
    return this.#dialbackSecret
  }

  times(): StreamTimes {
    return {
      establishmentTimeoutMs: this.#settings.establishmentTimeoutS * 1000,
      inactivityTimeoutMs: this.#settings.inactivityTimeoutS * 1000,
      keepAliveIntervalMs: this.#settings.keepAliveIntervalS * 1000,
    }
  }

  connectionLimit(): number {
    return this.#settings.connectionLimit
  }
}
