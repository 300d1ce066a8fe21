import { formatSipUri, newSipUri } from '@stox/sip'
import type { SipTransport } from '@stox/transport'
import { unescapeLocal } from '@stox/xmpp'
import type { Jid } from '@stox/xmpp'
import type { OwnAddress } from './choose-route.ts'

/** Where the SIP side reaches an XMPP user: here; by another transport where we do not listen by this. @see mapping A.5 */
export function contactUriOf(jid: Jid, transport: SipTransport, sipAddress: OwnAddress): string {
  const spoken = ([transport, 'tls', 'tcp', 'udp'] as const).find((one) => sipAddress(one) !== undefined) ?? transport
  const address = sipAddress(spoken)
  const host = address === undefined ? jid.domain : address.host.includes(':') ? `[${address.host}]` : address.host
  return formatSipUri(
    newSipUri({
      ...(jid.local === undefined ? {} : { user: unescapeLocal(jid.local) }),
      host,
      ...(address === undefined ? {} : { port: address.port }),
      params: { transport: spoken },
    }),
  )
}
