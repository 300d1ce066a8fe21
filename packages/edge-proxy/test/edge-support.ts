import type { Edge, EdgeConfig } from '@stox/edge-proxy'
import { silentLog } from '@stox/kernel'
import {
  TlsIdentity,
  XmppEndpoint,
  cryptoIds,
  nodeHashes,
  systemClock,
  systemTimers,
  type DnsResolver,
  type LinkTls,
  type PartnerRules,
} from '@stox/transport'
import type { Stanza } from '@stox/xmpp'
import { SIP } from './samples.ts'

export const surroundings = {
  clock: systemClock,
  timers: systemTimers,
  ids: cryptoIds,
  hashes: nodeHashes,
  log: silentLog,
}

/** Knows this machine and nothing else. */
export const nowhere: DnsResolver = {
  srv: () => Promise.resolve({ ok: false, failure: { kind: 'none', detail: 'no DNS here' } }),
  addresses: (host) =>
    Promise.resolve(
      host === '127.0.0.1'
        ? { ok: true, value: [host] }
        : { ok: false, failure: { kind: 'none', detail: 'no DNS here' } },
    ),
}

export const identityOf = (...entries: Parameters<typeof TlsIdentity.of>[0]): TlsIdentity => {
  const identity = TlsIdentity.of(entries)
  if (!identity.ok) throw new Error(JSON.stringify(identity.failure))
  return identity.value
}

/** An edge on ports of its own; its replica is kept in `file`. */
export const edgeConfig = (served: TlsIdentity, linkTls: LinkTls, file: string): EdgeConfig => ({
  node: 'edge-1',
  xmpp: {
    listen: ['127.0.0.1:0'],
    tls: served,
    listenDirectTls: [],
    trust: { kind: 'system' },
    penalties: { freeFaults: 6, forgivenEveryS: 20 },
    certificates: [],
    revocations: [],
  },
  link: { listen: '127.0.0.1:0', tls: linkTls, peers: ['gateway.inside'] },
  ops: { listen: '127.0.0.1:0' },
  dns: { servers: [] },
  replica: { file },
  log: { level: 'silent' },
})

/** A partner's server; TLS is off, as with Google Talk of old. */
export async function partnerServer(name: string, onStanza: (stanza: Stanza) => unknown) {
  let rules: PartnerRules | undefined
  const endpoint = new XmppEndpoint({
    ...surroundings,
    listen: ['127.0.0.1:0'],
    tls: identityOf(),
    resolver: nowhere,
    policy: {
      isServed: (asked) => asked === name,
      judge: () => (rules === undefined ? { allowed: false, reason: 'not yet' } : { allowed: true, rules }),
      dialbackSecret: () => 'the secret of a partner',
      times: () => ({ establishmentTimeoutMs: 5000, inactivityTimeoutMs: 60_000, keepAliveIntervalMs: 60_000 }),
      connectionLimit: () => 100,
    },
    on: { stanza: (stanza) => void onStanza(stanza), refused() {}, streamUp() {}, streamDown() {} },
  })
  const [address] = await endpoint.listen()
  return {
    endpoint,
    port: address?.port ?? 0,
    /** From now on it may speak with the edge. */
    knows: (edge: Edge): void => {
      rules = {
        partner: SIP,
        tls: 'notSupported',
        methods: ['dialback-over-tcp'],
        maxStanzaBytes: 262_144,
        keepAlive: true,
        connectionLimit: 20,
        stanzasPerSecond: undefined,
        proxy: { host: '127.0.0.1', port: edge.addresses.xmpp[0]?.port ?? 0 },
      }
    },
  }
}
