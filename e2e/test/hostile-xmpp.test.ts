import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play, type Scene } from '../src/play.ts'
import { CLOSED, S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { PORTS, SIP, SIP_TCP, XMPP, type Stage } from '../src/stage.ts'
import { attrOf, isElement } from '../src/xml-text.ts'

const HOSTILE = 'hostile.example'
const ME = `mercutio@${HOSTILE}`
const ROMEO = 'romeo@sip.example'
/** The record of the hostile partner says so. */
const STANZA_LIMIT = 20_000

interface Attack {
  readonly what: string
  /** `connected`: TCP only; `secured`: after STARTTLS; `proven`: after dialback. */
  readonly at: 'connected' | 'secured' | 'proven'
  readonly says: string
  /** The stream error it gets. */
  readonly hears: string
  /** The label of the metric. */
  readonly kind: string
}

const message = (attrs: string, inside = '<body>evil</body>'): string => `<message ${attrs}>${inside}</message>`
const good = `from='${ME}' to='${ROMEO}'`
const namespaces = `xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'`

const ATTACKS: readonly Attack[] = [
  {
    what: 'markup that does not nest',
    at: 'proven',
    says: message(good, '<body>evil</message>'),
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'bytes that are no XML',
    at: 'connected',
    says: 'GET / HTTP/1.1\r\nHost: sip.example\r\n\r\n',
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'a prefix that nobody declared',
    at: 'proven',
    says: message(good, '<x:body>evil</x:body>'),
    hears: 'not-well-formed',
    kind: 'malformed-xml',
  },
  {
    what: 'a DTD before the stream',
    at: 'connected',
    says: `<?xml version='1.0'?><!DOCTYPE lol [<!ENTITY lol "lol">]>`,
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'an entity that is not predefined',
    at: 'proven',
    says: message(good, '<body>&lol;</body>'),
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a comment',
    at: 'proven',
    says: message(good, '<!-- evil --><body>evil</body>'),
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a processing instruction',
    at: 'proven',
    says: '<?evil now?>',
    hears: 'restricted-xml',
    kind: 'restricted-xml',
  },
  {
    what: 'a sender of another domain',
    at: 'proven',
    says: message(`from='juliet@${XMPP}' to='${ROMEO}'`),
    hears: 'invalid-from',
    kind: 'invalid-from',
  },
  {
    what: 'a sender of our own domain',
    at: 'proven',
    says: message(`from='tybalt@${SIP}' to='${ROMEO}'`),
    hears: 'invalid-from',
    kind: 'own-domain',
  },
  {
    what: 'a relay to a foreign domain',
    at: 'proven',
    says: message(`from='${ME}' to='victim@elsewhere.example'`),
    hears: 'host-unknown',
    kind: 'host-unknown',
  },
  {
    what: 'no recipient',
    at: 'proven',
    says: message(`from='${ME}'`),
    hears: 'improper-addressing',
    kind: 'improper-addressing',
  },
  {
    what: 'a stanza before authentication',
    at: 'secured',
    says: message(good),
    hears: 'not-authorized',
    kind: 'not-authorized',
  },
  {
    what: 'a stanza over the limit',
    at: 'proven',
    says: message(good, `<body>${'x'.repeat(STANZA_LIMIT)}</body>`),
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an endless start tag before authentication',
    at: 'connected',
    says: `<stream:stream ${'x'.repeat(70_000)}`,
    hears: 'policy-violation',
    kind: 'stanza-too-big',
  },
  {
    what: 'an element that is no stanza',
    at: 'proven',
    says: `<telegram from='${ME}' to='${ROMEO}'/>`,
    hears: 'unsupported-stanza-type',
    kind: 'unsupported-stanza-type',
  },
  {
    what: 'a stream for a domain we do not serve',
    at: 'connected',
    says: `<stream:stream xmlns='jabber:server' ${namespaces} from='${HOSTILE}' to='elsewhere.example' version='1.0'>`,
    hears: 'host-unknown',
    kind: 'host-unknown',
  },
  {
    what: 'a stream of another namespace',
    at: 'connected',
    says: `<stream:stream xmlns='jabber:client' ${namespaces} from='${HOSTILE}' to='${SIP}' version='1.0'>`,
    hears: 'invalid-namespace',
    kind: 'invalid-namespace',
  },
  {
    what: 'a stream of a future version',
    at: 'connected',
    says: `<stream:stream xmlns='jabber:server' ${namespaces} from='${HOSTILE}' to='${SIP}' version='2.0'>`,
    hears: 'unsupported-version',
    kind: 'unsupported-version',
  },
]

let partner: S2sPartner | undefined

async function openPartner(stage: Stage): Promise<S2sPartner> {
  if (partner !== undefined) return partner
  const edge = { host: stage.at.edge, port: PORTS.s2s }
  const tls = await selfSigned(stage.dir, 'hostile', [HOSTILE])
  const opened = await new S2sPartner({
    domain: HOSTILE,
    address: stage.at.partner,
    port: PORTS.s2s,
    edge,
    version: '1.0',
    tls,
  }).start()
  stage.onEnd(() => opened.stop())
  partner = opened
  return opened
}

async function approach(from: S2sPartner, at: Attack['at']): Promise<PartnerStream> {
  if (at === 'proven') return from.dialProven(SIP)
  const stream = await from.dial()
  if (at === 'secured') {
    await stream.open(SIP, HOSTILE)
    await stream.secure(SIP, HOSTILE)
  }
  return stream
}

let goodOnes = 0
/** The same partner and the honest one both get through. */
async function goodMessagesPass({ xmpp: { juliet }, sip: { romeo } }: Scene<'juliet', 'romeo'>): Promise<void> {
  goodOnes += 1
  await partner?.send(SIP, message(good, `<body>good ${goodOnes}</body>`))
  await romeo.hears(`good ${goodOnes}`)
  juliet.message(ROMEO, `honest ${goodOnes}`)
  await romeo.hears(`honest ${goodOnes}`)
}

play(
  'hostile-xmpp',
  {
    xmpp: ['juliet'],
    sip: { romeo: SIP },
    pair: {
      partners: [dialbackPartner(XMPP), dialbackPartner(HOSTILE, { limits: { maxStanzaBytes: STANZA_LIMIT } })],
    },
  },
  (act) => {
    for (const { what, at, says, hears, kind } of ATTACKS) {
      act(`${what} (${at}): ${hears}, counted as ${kind}, and the next good message passes`, async (scene) => {
        const attacker = await openPartner(scene.stage)
        await scene.pair.countsRefusal('edge', kind, async () => {
          const stream = await approach(attacker, at)
          stream.polite = false
          stream.write(says)
          expect(await stream.ended()).toBe(hears)
          await stream.next('the end of the connection', (xml) => xml === CLOSED)
        })
        await goodMessagesPass(scene)
        await scene.sip.romeo.heard.never('anything evil', (one) => one.body.includes('evil'), 50)
      })
    }

    act('a forged dialback key for itself is invalid', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await scene.pair.countsRefusal('edge', 'dialback-invalid', async () => {
        const stream = await approach(attacker, 'secured')
        stream.write(`<db:result from='${HOSTILE}' to='${SIP}'>${'f'.repeat(64)}</db:result>`)
        const verdict = await stream.next(
          'a verdict',
          (xml) => isElement(xml, 'db:result') || isElement(xml, 'stream:error'),
        )
        expect(attrOf(verdict, 'type')).toBe('invalid')
      })
      await goodMessagesPass(scene)
    })

    act('a forged key for another partner is put before that partner, who says no', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await scene.pair.countsRefusal('edge', 'dialback-invalid', async () => {
        const stream = await attacker.dial()
        await stream.open(SIP, XMPP)
        await stream.secure(SIP, XMPP)
        stream.write(`<db:result from='${XMPP}' to='${SIP}'>${'f'.repeat(64)}</db:result>`)
        const verdict = await stream.next(
          'a verdict',
          (xml) => isElement(xml, 'db:result') || isElement(xml, 'stream:error'),
        )
        expect(attrOf(verdict, 'type')).toBe('invalid')
        stream.write(message(`from='juliet@${XMPP}' to='${ROMEO}'`))
        await stream.ended()
      })
      await goodMessagesPass(scene)
      await scene.sip.romeo.heard.never('anything evil', (one) => one.body.includes('evil'), 50)
    })

    act('a verdict nobody asked for does not authenticate', async (scene) => {
      const attacker = await openPartner(scene.stage)
      const stream = await approach(attacker, 'secured')
      stream.polite = false
      stream.write(`<db:result from='${HOSTILE}' to='${SIP}' type='valid'/>${message(good)}`)
      await stream.ended()
      await goodMessagesPass(scene)
      await scene.sip.romeo.heard.never('anything evil', (one) => one.body.includes('evil'), 50)
    })

    act('a domain that is no partner is refused before it has proven anything', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await scene.pair.countsRefusal('edge', 'unknown-partner', async () => {
        const stream = await attacker.dial()
        stream.write(stream.header(SIP, 'stranger.example'))
        expect(await stream.ended()).toBe('policy-violation')
      })
      await goodMessagesPass(scene)
    })

    act('stanzas in clear after a record that asks for TLS', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await scene.pair.countsRefusal('edge', 'tls-required', async () => {
        const stream = await attacker.dial()
        await stream.open(SIP, HOSTILE)
        stream.write(`<db:result from='${HOSTILE}' to='${SIP}'>no-matter</db:result>`)
        expect(await stream.ended()).toBe('policy-violation')
      })
      await goodMessagesPass(scene)
    })

    act('many connections that say nothing do not keep a good one out', async (scene) => {
      const attacker = await openPartner(scene.stage)
      const silent = await Promise.all(Array.from({ length: 8 }, () => attacker.dial()))
      await goodMessagesPass(scene)
      silent.forEach((stream) => stream.destroy())
    })

    act('a message to a partner’s stream is answered with an error when its recipient is nobody', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await attacker.send(SIP, message(`from='${ME}' to='nouser@${SIP}' id='e1'`))
      const error = await attacker.heard.next('its error', (stanza) => stanza.type === 'error' && stanza.id === 'e1')
      expect(error.xml).toContain('<item-not-found')
    })

    act('the edge still serves its other domain', async (scene) => {
      const paris = await scene.stage.sipUser('paris', SIP_TCP)
      scene.xmpp.juliet.message('paris@tcp.example', 'still here')
      await paris.hears('still here')
    })
  },
)
