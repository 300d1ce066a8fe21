import type { DomainName } from '@stox/xmpp'
import type { Judgement, StreamTimes } from '@stox/xmpp-engine'
import type { PartnerRules, StreamPolicy } from './xmpp-endpoint-types.ts'

/** The policy as streams ask it: live, so that an answer holds for the moment. */
export class StreamRulebook {
  readonly #policy: StreamPolicy
  readonly #closeMs: number

  constructor(policy: StreamPolicy, closeMs: number) {
    this.#policy = policy
    this.#closeMs = closeMs
  }

  judge(local: DomainName, remote: DomainName): Judgement {
    const judgement = this.#policy.judge(local, remote)
    if (judgement.allowed) return judgement
    return { allowed: false, condition: judgement.condition ?? 'policy-violation', reason: judgement.reason }
  }

  rulesFor(local: DomainName, remote: DomainName): PartnerRules | undefined {
    const judgement = this.#policy.judge(local, remote)
    return judgement.allowed ? judgement.rules : undefined
  }

  partnerOf(local: DomainName | undefined, remote: DomainName | undefined): string | undefined {
    return local === undefined || remote === undefined ? undefined : this.rulesFor(local, remote)?.partner
  }

  times(): StreamTimes {
    const { establishmentTimeoutMs, inactivityTimeoutMs, keepAliveIntervalMs } = this.#policy.times()
    return {
      establishmentMs: establishmentTimeoutMs,
      idleMs: inactivityTimeoutMs,
      keepAliveMs: keepAliveIntervalMs,
      closeMs: this.#closeMs,
    }
  }
}
