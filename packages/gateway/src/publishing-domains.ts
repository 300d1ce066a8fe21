import type { FederationIndex, ServedDomain } from '@stox/federation'

const known = new WeakMap<FederationIndex, ReadonlyMap<string, readonly ServedDomain[]>>()
const NONE: readonly ServedDomain[] = []

/** The domains whose server answers for XMPP users itself, by its route. */
export function publishingDomains(index: FederationIndex): ReadonlyMap<string, readonly ServedDomain[]> {
  const before = known.get(index)
  if (before !== undefined) return before
  const byRoute = new Map<string, readonly ServedDomain[]>()
  for (const { domain } of index.model.localDomains) {
    const local = index.localDomain(domain)
    if (local?.presence.mode !== 'publish') continue
    byRoute.set(local.route, [...(byRoute.get(local.route) ?? NONE), local])
  }
  known.set(index, byRoute)
  return byRoute
}

export const domainsAt = (index: FederationIndex, route: string): readonly ServedDomain[] =>
  publishingDomains(index).get(route) ?? NONE
