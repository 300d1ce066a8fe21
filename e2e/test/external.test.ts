import { until } from '../src/heard.ts'
import type { Pair } from '../src/pair.ts'
import { play } from '../src/play.ts'
import { sessionsOf, type Session } from '../src/sessions.ts'
import { statusOf } from '../src/sip-text.ts'
import { SIP, XMPP } from '../src/stage.ts'

const sessions = (pair: Pair): Promise<readonly Session[]> => sessionsOf(pair, { remoteDomain: XMPP })

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
