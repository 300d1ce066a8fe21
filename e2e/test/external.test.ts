import { listsFailure, sessionsOf, type Session } from '../src/sessions.ts'
import { until } from '../src/heard.ts'
import type { Pair } from '../src/pair.ts'
import { play } from '../src/play.ts'
import type { Prosody } from '../src/prosody.ts'
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

  act(
    'mapping F.4: the authority revokes their certificate, and takes that back',
    async ({ pair, xmpp, sip, ca, server }) => {
      const { juliet } = xmpp
      const { romeo } = sip
      const sinceMs = Date.now()
      const reload = (): boolean => process.kill(pair.child('edge').pid(), 'SIGHUP')
      ca?.revoke([(server as Prosody).options.keyPair])
      reload()
      await until('no streams', async () => (await sessions(pair)).length === 0, 10_000)
      const reason = /certificate of “CN=xmpp\.example” has been revoked by “CN=public-ca” \(certificate-revoked/
      for (const direction of ['inbound', 'outbound'] as const)
        await listsFailure(pair, sinceMs, { direction, remoteDomain: XMPP, reason })
      expect(statusOf(await romeo.message(`sip:${juliet.bare}`, 'to a revoked one'))).toBeGreaterThanOrEqual(400)
      ca?.revoke([])
      reload()
      await until(
        'messages pass again',
        async () => statusOf(await romeo.message(`sip:${juliet.bare}`, 'to a good one')) < 300,
        20_000,
      )
      await juliet.hearsMessage('to a good one')
    },
  )

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

const NOBODYS = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='
const pinned = { pair: { partners: [{ domain: XMPP, partnerType: 'federated', certificatePins: [NOBODYS] }] } }

play('pinned', { xmpp: ['juliet'], sip: { romeo: SIP }, hasCertificates: 'ours', ...pinned }, (act) => {
  act(
    'mapping F.4: their certificate is self-signed, and its key stands in the record',
    async ({ pair, xmpp, sip }) => {
      const { juliet } = xmpp
      const { romeo } = sip
      const sinceMs = Date.now()
      expect(statusOf(await romeo.message(`sip:${juliet.bare}`, 'to another key'))).toBeGreaterThanOrEqual(400)
      const wanted = { direction: 'outbound', remoteDomain: XMPP, reason: /certificate-not-pinned/ } as const
      const { reason } = await listsFailure(pair, sinceMs, wanted)
      const pin = /has the pin (\S{44}), which is not in the partner record/.exec(reason ?? '')?.[1]
      const record = `/v1/xmpp-partners/${XMPP}`
      const change = (certificatePins: readonly unknown[]) =>
        pair.rest('PATCH', record, { certificatePins }, { 'if-match': '*' })
      expect((await change(['no pin'])).status).toBe(400)
      expect((await change([NOBODYS, pin])).status).toBe(200)
      await until(
        'messages pass',
        async () => statusOf(await romeo.message(`sip:${juliet.bare}`, 'by your key')) < 300,
        20_000,
      )
      await juliet.hearsMessage('by your key')
      juliet.message('romeo@sip.example', 'by my key')
      await romeo.hears('by my key')
      await until('both streams in the list', async () => (await sessions(pair)).length === 2, 5_000)
      for (const session of await sessions(pair)) expect(session).toMatchObject({ method: 'sasl-external' })
      expect((await change([NOBODYS])).status).toBe(200)
      await until('no streams', async () => (await sessions(pair)).length === 0, 10_000)
    },
  )
})
