import type { Clock, Ids } from '@stox/kernel'
import { nodeDigestHashes } from '@stox/transport'
import type { SipEndpointOptions, SipTls } from '@stox/transport'
import type { GatewayConfig } from './config.ts'
import { DigestGuard } from './digest-guard.ts'
import { trustedPeers } from './trusted-peers.ts'

type ConfiguredOptions = Pick<
  SipEndpointOptions,
  'listen' | 'tls' | 'limits' | 'advertisedHost' | 'trusted' | 'authenticate'
>

/** What the configuration says of the SIP endpoint: where it listens, how much it takes, and from whom. */
export function endpointOptions(
  sip: GatewayConfig['sip'],
  tls: SipTls | undefined,
  deps: { readonly clock: Clock; readonly ids: Ids },
): ConfiguredOptions {
  return {
    listen: sip.listen,
    ...(tls === undefined ? {} : { tls }),
    limits: {
      maxUnanswered: sip.overload.unanswered,
      maxConnections: sip.maxConnections,
      maxConnectionsPerPeer: sip.maxConnectionsPerPeer,
      idleMs: sip.idleS * 1000,
      keepAliveMs: sip.keepAliveS * 1000,
      maxDelayMs: sip.overload.delayMs,
    },
    ...(sip.advertisedHost === undefined ? {} : { advertisedHost: sip.advertisedHost }),
    trusted: trustedPeers(sip.trustedPeers),
    ...authenticating(sip.digest, deps),
  }
}

/** Who is not trusted is asked for a password where one is set up. */
function authenticating(
  digest: GatewayConfig['sip']['digest'],
  deps: { readonly clock: Clock; readonly ids: Ids },
): Pick<SipEndpointOptions, 'authenticate'> {
  if (digest === undefined) return {}
  const guard = new DigestGuard({ ...digest, ...deps, nonceLifeMs: digest.nonceLifeS * 1000, hashes: nodeDigestHashes })
  return { authenticate: (request) => guard.judge(request) }
}
