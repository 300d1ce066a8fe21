import { domainToAscii } from './domain.ts'
import type { LocalDomain } from './local-domain.ts'
import type { FederationModel } from './model.ts'
import type { XmppPartner } from './partner.ts'
import type { Settings } from './settings.ts'

/** One model made ready for questions: each answer is one look-up. Domains are asked for in normalised or A-label form. */
export class FederationIndex {
  readonly model: FederationModel
  readonly #partners = new Map<string, XmppPartner>()
  readonly #localDomains = new Map<string, LocalDomain>()

  constructor(model: FederationModel) {
    this.model = model
    for (const partner of model.partners) {
      for (const domain of [partner.domain, ...partner.additionalDomains]) put(this.#partners, domain, partner)
    }
    for (const localDomain of model.localDomains) put(this.#localDomains, localDomain.domain, localDomain)
  }

  get settings(): Settings {
    return this.model.settings
  }

  /** The partner that lists exactly this domain. Sub-domains are not implied. */
  partnerOf(domain: string): XmppPartner | undefined {
    return this.#partners.get(domain)
  }

  localDomain(domain: string): LocalDomain | undefined {
    return this.#localDomains.get(domain)
  }

  isLocal(domain: string): boolean {
    return this.#localDomains.has(domain)
  }
}

function put<T>(map: Map<string, T>, domain: string, value: T): void {
  map.set(domain, value)
  const ascii = domainToAscii(domain)
  if (ascii !== undefined) map.set(ascii, value)
}
