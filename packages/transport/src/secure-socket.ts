import type { Socket } from 'node:net'
import { isIP } from 'node:net'
import { TLSSocket, connect as connectTls } from 'node:tls'
import type { DomainName } from '@stox/xmpp'
import { domainToAscii, parseDomain } from '@stox/xmpp'
import type { TlsIdentity } from './tls-identity.ts'

/** The name of XMPP between servers where TLS comes first. @see XEP-0368 §3 */
const ALPN = ['xmpp-server']

/**
 * TLS as the one who was connected to. `local` is what the stream's header has chosen; without a header, with direct
 * TLS, the name in the handshake chooses alone, and a peer that names none of ours finds no certificate.
 */
export function secureAsServer(
  plain: Socket,
  tls: TlsIdentity,
  local: DomainName | undefined,
  isServed: (domain: string) => boolean,
): TLSSocket {
  const fallback = local === undefined ? undefined : tls.contextFor(local)
  const secured = new TLSSocket(plain, {
    isServer: true,
    requestCert: true,
    // Judged by ourselves, and only where the partner's record asks for it.
    rejectUnauthorized: false,
    ...(fallback === undefined ? {} : { secureContext: fallback }),
    ...(local === undefined ? { ALPNProtocols: ALPN } : {}),
    // COMPAT: Prosody 0.12 sends no SNI with STARTTLS, so the stream's `to` has chosen already.
    SNICallback(name, choose) {
      // On the wire it is in A-labels. @see RFC 6066 §3
      const asked = parseDomain(name)
      choose(null, asked.ok && isServed(asked.value) ? tls.contextFor(asked.value) : undefined)
    },
  })
  secured.disableRenegotiation()
  return secured
}

/** TLS as the one who connects. @see XEP-0368 §4: SNI is the domain, never the target of its SRV record */
export function secureAsClient(
  plain: Socket,
  tls: TlsIdentity,
  local: DomainName,
  remote: DomainName | undefined,
  isDirect: boolean,
): TLSSocket {
  const name = remote === undefined ? undefined : domainToAscii(remote)
  return connectTls({
    socket: plain,
    secureContext: tls.clientContextFor(local),
    // Judged by ourselves, and only where the partner's record asks for it.
    rejectUnauthorized: false,
    ...(isDirect ? { ALPNProtocols: ALPN } : {}),
    ...(name === undefined || isIP(name) !== 0 ? {} : { servername: name }),
  })
}
