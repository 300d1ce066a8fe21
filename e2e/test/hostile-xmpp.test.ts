import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play, type Scene } from '../src/play.ts'
import { CLOSED, S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { PORTS, SIP, SIP_TCP, XMPP, type Stage } from '../src/stage.ts'
import { ATTACKS, good, HOSTILE, ME, message, ROMEO, STANZA_LIMIT, type Attack } from '../src/xmpp-attacks.ts'
import { attrOf, isElement } from '../src/xml-text.ts'

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

/** Refused with the stream, or with the key. */
const TLS_IS_REQUIRED = ['tls-required', 'dialback-refused', 'no-method']

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
      await scene.pair.countsRefusal('edge', TLS_IS_REQUIRED, async () => {
        const stream = await attacker.dial()
        await stream.open(SIP, HOSTILE)
        stream.write(`<db:result from='${HOSTILE}' to='${SIP}'>no-matter</db:result>`)
        expect(await stream.refusedDialback()).toBe('policy-violation')
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
