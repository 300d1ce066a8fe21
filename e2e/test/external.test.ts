import { setTimeout } from 'node:timers/promises'
import { until } from '../src/heard.ts'
import type { Pair } from '../src/pair.ts'
import { play } from '../src/play.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, XMPP } from '../src/stage.ts'

/** Longer than names are kept: the records of the tests are good for 5 s. */
const CACHED_FOR_MS = 6_000

interface Session {
  readonly id: string
  readonly direction: string
  readonly localDomain: string
  readonly state: string
  readonly method: string
  readonly tls: string
  readonly ownCertificate: { readonly names: readonly string[] } | null
  readonly peerCertificate: { readonly names: readonly string[]; readonly issuer: string } | null
}

const sessions = async (pair: Pair): Promise<readonly Session[]> => {
  const { json } = await pair.rest('GET', `/v1/sessions?remoteDomain=${XMPP}`)
  return (json as { readonly items: readonly Session[] }).items
}

/** The record as it is made when nothing is said: TLS and SASL required. */
const partners = [{ domain: XMPP, partnerType: 'federated' }]

play('external', { xmpp: ['juliet'], sip: { romeo: SIP }, hasCertificates: true, pair: { partners } }, (act) => {
  act('RFC 6120 §6, XEP-0178: both servers prove themselves by certificate', async ({ pair, xmpp, sip }) => {
    const { juliet } = xmpp
    const { romeo } = sip
    juliet.message('romeo@sip.example', 'by my certificate')
    await romeo.hears('by my certificate')
    expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'and by mine')))
    await juliet.hearsMessage('and by mine')
    await until('both streams in the list', async () => (await sessions(pair)).length === 2, 5_000)
    for (const session of await sessions(pair)) {
      expect(session).toMatchObject({ localDomain: SIP, method: 'sasl-external', tls: 'TLSv1.3' })
      expect(session.ownCertificate?.names).toContain(SIP)
      expect(session.peerCertificate).toMatchObject({ names: [XMPP], issuer: 'CN=public-ca' })
    }
    expect(await pair.metric('edge', 'stox_stream_failures_total')).toBe(0)
    const left = { side: 'partner', domain: XMPP }
    expect(await pair.metric('edge', 'stox_certificate_expiry_seconds', left)).toBeGreaterThan(3600)
  })

  act('XEP-0368: direct TLS, when that is all that DNS tells of', async ({ stage, pair, xmpp, sip }) => {
    const { juliet } = xmpp
    const { romeo } = sip
    const before = new Map(stage.dns.srv)
    for (const [domain, target] of [
      [SIP, `edge.${SIP}`],
      [XMPP, XMPP],
    ] as const) {
      stage.dns.srv.delete(`_xmpp-server._tcp.${domain}`)
      stage.dns.srv.set(`_xmpps-server._tcp.${domain}`, [{ port: PORTS.s2sDirect, target }])
    }
    try {
      await setTimeout(CACHED_FOR_MS)
      for (const { id } of await sessions(pair)) await pair.rest('DELETE', `/v1/sessions/${encodeURIComponent(id)}`)
      await until('no streams', async () => (await sessions(pair)).length === 0, 10_000)
      juliet.message('romeo@sip.example', 'TLS first')
      await romeo.hears('TLS first')
      expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'here too')))
      await juliet.hearsMessage('here too')
      expect(await sessions(pair)).toMatchObject([
        { method: 'sasl-external', tls: 'TLSv1.3' },
        { method: 'sasl-external', tls: 'TLSv1.3' },
      ])
    } finally {
      stage.dns.srv.delete(`_xmpps-server._tcp.${SIP}`)
      stage.dns.srv.delete(`_xmpps-server._tcp.${XMPP}`)
      for (const [name, records] of before) stage.dns.srv.set(name, records)
      await setTimeout(CACHED_FOR_MS)
    }
  })

  act('the record asks for dialback alone, and the other server for certificates', async ({ pair, xmpp, sip }) => {
    const { juliet } = xmpp
    const { romeo } = sip
    const record = `/v1/xmpp-partners/${XMPP}`
    const dialback = { saslNegotiation: 'notSupported', dialback: true }
    expect((await pair.rest('PATCH', record, dialback, { 'if-match': '*' })).status).toBe(200)
    await until('no streams by certificate', async () => (await sessions(pair)).length === 0, 10_000)
    // Good certificates pass dialback there too.
    expect([200, 202]).toContain(statusOf(await romeo.message(`sip:${juliet.bare}`, 'by dialback')))
    await juliet.hearsMessage('by dialback')
    const methods = (await sessions(pair)).map(({ method }) => method)
    expect(methods).not.toContain('sasl-external')
  })
})
