import { DEFAULT_SETTINGS, localDomainSchema, xmppPartnerSchema, type FederationModel } from '@stox/federation'
import type { Log, LogFields } from '@stox/kernel'
import type { Replica } from '@stox/link'
import { parseDomain, type DomainName } from '@stox/xmpp'

export const SIP = 'sip.example'
export const XMPP = 'xmpp.example'

export const partner = (name: string, more: Readonly<Record<string, unknown>> = {}) =>
  xmppPartnerSchema.parse({ domain: name, partnerType: 'federated', saslNegotiation: 'optional', ...more })

export const modelOf = (more: Partial<FederationModel> = {}): FederationModel => ({
  partners: [partner(XMPP)],
  settings: { ...DEFAULT_SETTINGS, federation: true },
  localDomains: [localDomainSchema.parse({ domain: SIP, route: 'sip:127.0.0.1:5060;transport=udp' })],
  revision: 1,
  ...more,
})

export const replicaOf = (more: Partial<FederationModel> = {}): Replica => ({
  model: modelOf(more),
  dialbackSecret: 'a secret of some length',
})

export function domain(text: string): DomainName {
  const parsed = parseDomain(text)
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}

export interface Line extends LogFields {
  readonly level: string
  readonly event: string
}

/** A log that keeps its lines. */
export function logOf(lines: Line[]): Log {
  const at = (level: string) => (event: string, fields?: LogFields) => void lines.push({ ...fields, level, event })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
