import { until } from '../src/heard.ts'
import type { Pair } from '../src/pair.ts'
import { play } from '../src/play.ts'
import { statusOf } from '../src/sip-text.ts'
import { SIP, XMPP } from '../src/stage.ts'

interface Session {
  readonly direction: string
  readonly localDomain: string
  readonly state: string
  readonly method: string
  readonly tls: string
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
    }
    expect(await pair.metric('edge', 'stox_stream_failures_total')).toBe(0)
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
