import { RecentMap } from '@stox/kernel'
import type { Decision } from './decision.ts'
import { domainToAscii } from './domain.ts'
import type { LocalDomain, LocalDomainMessages, LocalDomainPresence } from './local-domain.ts'
import type { FederationModel } from './model.ts'
import type { XmppPartner } from './partner.ts'
import type { Settings } from './settings.ts'
import { sipRulesOf } from './sip-profile.ts'
import type { SipRules } from './sip-profile.ts'

/** A local domain as it is dealt with. */
export interface ServedDomain extends SipRules {
  readonly domain: string
  readonly route: string
  readonly backupRoutes: readonly string[]
  readonly messages: LocalDomainMessages
  readonly presence: LocalDomainPresence
}

/** Pairs of domains that are talked about at one time, with what is asked about each. */
const MOST_REMEMBERED = 10_000

/** One model made ready for questions: each answer is one look-up. Domains are asked for in normalised or A-label form. */
export class FederationIndex {
  readonly model: FederationModel
  /** Decisions over this model, by their question. */
  readonly remembered = new RecentMap<string, Decision>(MOST_REMEMBERED)
  readonly #partners = new Map<string, XmppPartner>()
  readonly #localDomains = new Map<string, ServedDomain>()

  constructor(model: FederationModel) {
    this.model = model
    for (const partner of model.partners) {
      for (const domain of [partner.domain, ...partner.additionalDomains]) put(this.#partners, domain, partner)
    }
    for (const localDomain of model.localDomains) put(this.#localDomains, localDomain.domain, served(localDomain))
  }

  get settings(): Settings {
    return this.model.settings
  }

  /** The partner that lists exactly this domain. Sub-domains are not implied. */
  partnerOf(domain: string): XmppPartner | undefined {
    return this.#partners.get(domain)
  }

  localDomain(domain: string): ServedDomain | undefined {
    return this.#localDomains.get(domain)
  }

  isLocal(domain: string): boolean {
    return this.#localDomains.has(domain)
  }
}

const served = (local: LocalDomain): ServedDomain => {
  const { domain, route, backupRoutes, messages, presence } = local
  return { domain, route, backupRoutes, messages, presence, ...sipRulesOf(local) }
}

function put<T>(map: Map<string, T>, domain: string, value: T): void {
  map.set(domain, value)
  const ascii = domainToAscii(domain)
  if (ascii !== undefined) map.set(ascii, value)
}
