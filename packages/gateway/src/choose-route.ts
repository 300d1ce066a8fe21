import type { Failure } from '@stox/kernel'
import type { FederationIndex, LocalDomain } from '@stox/federation'
import type { GruuPolicy, SipRouteRules } from '@stox/translate'

/** How to reach the users of one of our domains. */
export interface SipRoute {
  readonly domain: string
  /** `sip:host:port;transport=udp`. */
  readonly uri: string
  readonly rules: SipRouteRules
}

/** The model is live: asked for every message. */
export function chooseRoute(index: FederationIndex, domain: string, gruu: GruuPolicy): SipRoute | undefined {
  const local = index.localDomain(domain)
  return local === undefined ? undefined : routeOf(local, gruu)
}

// One object for each entry of the model: a message costs no allocation here.
const routes = new WeakMap<LocalDomain, SipRoute>()

function routeOf(local: LocalDomain, gruu: GruuPolicy): SipRoute {
  let route = routes.get(local)
  if (route === undefined || route.rules.gruu !== gruu) {
    const { congestionSafe, maxMessageBytes } = local
    route = { domain: local.domain, uri: local.route, rules: { congestionSafe, maxMessageBytes, gruu } }
    routes.set(local, route)
  }
  return route
}

export const noRouteTo = (domain: string): Failure => ({
  fault: 'sender',
  retry: 'never',
  condition: 'remote-server-not-found',
  status: 404,
  text: 'This domain is not served here',
  detail: `no route to ${domain}`,
})
