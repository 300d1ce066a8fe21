import type { Failure } from '@stox/kernel'
import type { FederationIndex, ServedDomain } from '@stox/federation'
import { parseSipUri } from '@stox/sip'
import type { GruuPolicy, SipRouteRules } from '@stox/translate'
import type { SipTransport } from '@stox/transport'
import type { SendOptions } from './send-sip.ts'

/** How to reach the users of one of our domains. */
export interface SipRoute {
  readonly domain: string
  /** `sip:host:port;transport=udp`. */
  readonly uri: string
  /** By what it is reached, for the Contact of what we send. */
  readonly transport: SipTransport
  readonly rules: SipRouteRules
  readonly options: SendOptions
  /** Whether words go there in sessions. */
  readonly sessions: boolean
}

/** The model is live: asked for every message. */
export function chooseRoute(
  index: FederationIndex,
  domain: string,
  gruu: GruuPolicy,
  sipAddress: OwnAddress,
): SipRoute | undefined {
  const local = index.localDomain(domain)
  return local === undefined ? undefined : routeOf(local, gruu, sipAddress)
}

/** What of ours a server may write to, by transport. */
export type OwnAddress = (transport: SipTransport) => { readonly host: string; readonly port: number } | undefined

// One object for each entry of the model: a message costs no allocation here.
const routes = new WeakMap<ServedDomain, SipRoute>()

/** `gruu`: off for all domains, or how it is written for those that take it. */
function routeOf(local: ServedDomain, gruu: GruuPolicy, sipAddress: OwnAddress): SipRoute {
  const own = local.gruu === 'off' ? 'off' : gruu
  let route = routes.get(local)
  if (route === undefined || route.rules.gruu !== own) {
    const { domain, congestionSafe, maxMessageBytes, backupRoutes, assertedIdentity, messages } = local
    const transport = transportOf(local.route)
    const at = local.contactInMessage ? sipAddress(transport) : undefined
    const contactAt = at === undefined ? undefined : `${at.host}:${at.port};transport=${transport}`
    route = {
      domain,
      uri: local.route,
      transport,
      rules: {
        ...{ congestionSafe, maxMessageBytes, gruu: own, asserts: assertedIdentity, contactAt },
        languages: messages.languages,
      },
      sessions: local.messageMode === 'session',
      options: { congestionSafe, domain, ...(backupRoutes.length === 0 ? {} : { backups: backupRoutes }) },
    }
    routes.set(local, route)
  }
  return route
}

/** Within a dialog the next hop is the dialog's and has no stand-in. */
export const inDialog = (route: SipRoute | undefined): SendOptions =>
  route === undefined ? {} : { congestionSafe: route.rules.congestionSafe, domain: route.domain }

function transportOf(uri: string): SipTransport {
  const parsed = parseSipUri(uri)
  if (!parsed.ok) return 'udp'
  const named = parsed.value.params.get('transport')?.toLowerCase()
  if (parsed.value.scheme === 'sips' || named === 'tls') return 'tls'
  return named === 'tcp' ? 'tcp' : 'udp'
}

export const noRouteTo = (domain: string): Failure => ({
  fault: 'sender',
  retry: 'never',
  condition: 'remote-server-not-found',
  status: 404,
  text: 'This domain is not served here',
  detail: `no route to ${domain}`,
})
