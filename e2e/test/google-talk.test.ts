import { play } from '../src/play.ts'
import { dialbackPartner } from '../src/pair.ts'
import { S2sPartner } from '../src/s2s-partner.ts'
import { statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, XMPP, type Stage } from '../src/stage.ts'

const GTALK = 'gtalk.example'
const PLAIN = { tlsNegotiation: 'notSupported', saslNegotiation: 'notSupported', dialback: true }

const openPartner = async (stage: Stage, version: '1.0' | undefined): Promise<S2sPartner> => {
  const edge = { host: stage.at.edge, port: PORTS.s2s }
  return new S2sPartner({ domain: GTALK, address: stage.at.partner, port: PORTS.s2s, edge, version }).start()
}

const hello = (from: string, body: string): string =>
  `<message from='${from}' to='romeo@sip.example' type='chat' id='g1'><body>${body}</body></message>`

/** Refused with the stream, or with the key. */
const TLS_IS_REQUIRED = ['tls-required', 'dialback-refused', 'no-method', 'unsupported-version']

play(
  'google-talk',
  {
    xmpp: [],
    sip: { romeo: SIP },
    pair: { partners: [dialbackPartner(XMPP), { domain: GTALK, partnerType: 'federated', ...PLAIN }] },
  },
  (act) => {
    for (const version of [undefined, '1.0'] as const) {
      const name = version === undefined ? 'without a version' : 'of version 1.0 without features'
      act(`its record says plain dialback: a partner ${name} talks both ways`, async ({ stage, sip: { romeo } }) => {
        const partner = await openPartner(stage, version)
        try {
          await partner.send(SIP, hello('mercutio@gtalk.example/phone', `hi ${name}`))
          await romeo.hears(`hi ${name}`)
          const answer = await romeo.message('sip:mercutio@gtalk.example', `answer ${name}`)
          expect([200, 202]).toContain(statusOf(answer))
          await partner.heard.next('the answer', (stanza) => stanza.body === `answer ${name}`)
          expect(partner.streams.every((stream) => !stream.encrypted)).toBe(true)
        } finally {
          await partner.stop()
        }
      })
    }

    act('its record asks for TLS: it is refused both ways, and counted', async ({ stage, pair, sip: { romeo } }) => {
      const changed = await pair.rest(
        'PATCH',
        `/v1/xmpp-partners/${GTALK}`,
        { tlsNegotiation: 'required', saslNegotiation: 'optional' },
        { 'if-match': '*' },
      )
      expect(changed.status).toBe(200)
      const partner = await openPartner(stage, undefined)
      try {
        await pair.countsRefusal('edge', TLS_IS_REQUIRED, async () => {
          const stream = await partner.dial()
          stream.write(stream.header(SIP, GTALK))
          stream.write(`<db:result from='${GTALK}' to='${SIP}'>no-matter</db:result>`)
          expect(['policy-violation', 'unsupported-version']).toContain(await stream.refusedDialback())
        })
        const answer = await romeo.message('sip:mercutio@gtalk.example', 'in clear?')
        expect(statusOf(answer)).toBeGreaterThanOrEqual(400)
        await partner.heard.never('the message', (stanza) => stanza.body === 'in clear?', 300)
      } finally {
        await partner.stop()
      }
    })

    act(
      'the record is made right again while everything runs, and it works again',
      async ({ stage, pair, sip: { romeo } }) => {
        const changed = await pair.rest('PATCH', `/v1/xmpp-partners/${GTALK}`, PLAIN, { 'if-match': '*' })
        expect(changed.status).toBe(200)
        const partner = await openPartner(stage, undefined)
        try {
          await partner.send(SIP, hello('mercutio@gtalk.example', 'friends again'))
          await romeo.hears('friends again')
        } finally {
          await partner.stop()
        }
      },
    )
  },
)
