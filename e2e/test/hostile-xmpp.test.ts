import { selfSigned } from '../src/certificates.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play, type Scene } from '../src/play.ts'
import { CLOSED, S2sPartner, type PartnerStream } from '../src/s2s-partner.ts'
import { listsFailure } from '../src/sessions.ts'
import { statusOf } from '../src/sip-text.ts'
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
      // One partner does them all, one after the other.
      xmpp: { penalties: { freeFaults: 1000 } },
    },
  },
  (act) => {
    for (const { what, at, says, hears, kind } of ATTACKS) {
      act(`${what} (${at}): ${hears}, counted as ${kind}, and the next good message passes`, async (scene) => {
        const attacker = await openPartner(scene.stage)
        const sinceMs = Date.now()
        await scene.pair.countsRefusal('edge', kind, async () => {
          const stream = await approach(attacker, at)
          stream.polite = false
          stream.write(says)
          expect(await stream.ended()).toBe(hears)
          await stream.next('the end of the connection', (xml) => xml === CLOSED)
        })
        // Of what comes before a header that can be read nobody knows whose it is.
        const isKnown = at !== 'connected' || hears === 'host-unknown'
        const failure = { direction: 'inbound', remoteDomain: isKnown ? HOSTILE : '', reason: /./ } as const
        await listsFailure(scene.pair, sinceMs, failure)
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

    act('XEP-0220 §2.1: a key replayed on another stream, and one with an id of no stream', async (scene) => {
      const attacker = await openPartner(scene.stage)
      const first = await attacker.dialProven(SIP)
      const captured = attacker.key(SIP, HOSTILE, first.id)
      await scene.pair.countsRefusal('edge', 'dialback-invalid', async () => {
        const stream = await approach(attacker, 'secured')
        stream.write(`<db:result from='${HOSTILE}' to='${SIP}'>${captured}</db:result>`)
        const verdict = await stream.next('a verdict', (xml) => isElement(xml, 'db:result'))
        expect(attrOf(verdict, 'type')).toBe('invalid')
        await stream.next('the end of the connection', (xml) => xml === CLOSED)
      })
      await scene.pair.countsRefusal('edge', 'dialback-invalid', async () => {
        const stream = await approach(attacker, 'secured')
        stream.polite = false
        stream.write(`<db:verify from='${HOSTILE}' to='${SIP}' id='no-such-stream'>${captured}</db:verify>`)
        const verdict = await stream.next('a verdict', (xml) => isElement(xml, 'db:verify'))
        expect(attrOf(verdict, 'type')).toBe('invalid')
        stream.destroy()
      })
      first.destroy()
      await goodMessagesPass(scene)
    })

    for (const [what, wrong] of [
      ['with the id of another stream', (answer: string) => answer.replace(/ id='[^']*'/, ` id='another'`)],
      ['for a domain that was not asked about', (answer: string) => answer.replace(HOSTILE, 'elsewhere.example')],
    ] as const) {
      act(`XEP-0220 §2.1: an answer to our question about a key, ${what}`, async (scene) => {
        const attacker = await openPartner(scene.stage)
        const sinceMs = Date.now()
        attacker.tamper = (answer) => (isElement(answer, 'db:verify') ? wrong(answer) : answer)
        try {
          await scene.pair.countsRefusal('edge', 'dialback-unsolicited', async () => {
            await expect(attacker.dialProven(SIP)).rejects.toThrow(/type=.error/)
          })
        } finally {
          attacker.tamper = (answer) => answer
        }
        const reason = /./
        await listsFailure(scene.pair, sinceMs, { direction: 'inbound', remoteDomain: HOSTILE, reason })
        await goodMessagesPass(scene)
      })
    }

    act('XEP-0220 §2.1: a result for a domain that never asked does not make our stream good', async (scene) => {
      const attacker = await openPartner(scene.stage)
      attacker.tamper = (answer) =>
        isElement(answer, 'db:result') ? answer.replace(`to='${SIP}'`, `to='tcp.example'`) : answer
      const sinceMs = Date.now()
      try {
        await scene.pair.countsRefusal('edge', 'dialback-unsolicited', async () => {
          expect(statusOf(await scene.sip.romeo.message(`sip:${ME}`, 'to whom it concerns'))).toBe(504)
        })
      } finally {
        attacker.tamper = (answer) => answer
      }
      const reason = /./
      await listsFailure(scene.pair, sinceMs, { direction: 'outbound', remoteDomain: HOSTILE, reason })
      expect(attacker.heard.all.filter(({ body }) => body === 'to whom it concerns')).toEqual([])
      await goodMessagesPass(scene)
    })

    act('RFC 6120 §6.3.4: EXTERNAL on a plain stream, three times', async (scene) => {
      const attacker = await openPartner(scene.stage)
      await scene.pair.countsRefusal('edge', 'sasl-refused', async () => {
        const stream = await attacker.dial()
        await stream.open(SIP, HOSTILE)
        for (let tried = 1; tried <= 3; tried += 1) {
          stream.write(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`)
          expect(await stream.next('a failure', (xml) => isElement(xml, 'failure'))).toContain('encryption-required')
        }
        expect(await stream.ended()).toBe('policy-violation')
      })
      await goodMessagesPass(scene)
    })

    act('UTF-8 that comes byte by byte is whole in the end', async (scene) => {
      const attacker = await openPartner(scene.stage)
      const stream = await attacker.dialProven(SIP)
      const body = 'Grüße, 戀人, 🌹'
      for (const byte of Buffer.from(message(good, `<body>${body}</body>`))) stream.write(Buffer.of(byte))
      await scene.sip.romeo.hears(body)
      stream.destroy()
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
