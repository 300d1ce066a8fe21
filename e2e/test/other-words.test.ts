import { until } from '../src/heard.ts'
import { dialbackPartner } from '../src/pair.ts'
import { play } from '../src/play.ts'
import type { Incoming } from '../src/sip-user.ts'
import { headerOf, statusOf } from '../src/sip-text.ts'
import { PORTS, SIP, SIP_TCP, XMPP } from '../src/stage.ts'
import type { Seen, Tree, XmppUser } from '../src/xmpp-user.ts'

const ROOMS = `rooms.${XMPP}`
const STOPS_WITHIN_MS = 12_000
const MUC = 'http://jabber.org/protocol/muc'
const ROMEO = `romeo@${SIP}`
const PARIS = `paris@${SIP_TCP}`

const of = (name: string, xmlns: string, attrs: Readonly<Record<string, string>> = {}, ...children: Tree[]): Tree => ({
  name,
  attrs: { xmlns, ...attrs },
  children,
})
const text = (name: string, words: string, lang?: string): Tree => ({
  name,
  attrs: lang === undefined ? {} : { 'xml:lang': lang },
  children: [words],
})
let count = 0
const say = (person: XmppUser, to: string, ...children: readonly Tree[]): void => {
  const id = `${person.bare}-other-${(count += 1)}`
  person.send({ name: 'message', attrs: { to, id, type: 'chat', 'xml:lang': 'en' }, children })
}
const ofType =
  (type: string, words = '') =>
  (one: Incoming): boolean =>
    (headerOf(one.text, 'content-type') ?? '').startsWith(type) && one.body.includes(words)
const isAnswer =
  (id: string) =>
  (seen: Seen): boolean =>
    seen.kind === 'iq' && seen.id === id
const asks = async (person: XmppUser, id: string, to: string, query: Tree): Promise<Seen> => {
  person.send({ name: 'iq', attrs: { type: 'get', id, to }, children: [query] })
  return person.hears(`the answer to ${id}`, isAnswer(id))
}
const INFO = of('query', 'http://jabber.org/protocol/disco#info')

const otherWords = (name: string, server: { readonly server?: 'ejabberd' }): void =>
  play(
    name,
    {
      ...server,
      xmpp: ['juliet'],
      sip: { romeo: SIP, paris: SIP_TCP },
      kamailio: { accepts: 'text/plain, message/cpim;q=0.5' },
      prosody: { hostsMore: `Component "${ROOMS}" "muc"` },
      pair: ({ dns, at }) => {
        dns.srv.set(`_xmpp-server._tcp.${ROOMS}`, [{ port: PORTS.s2s, target: XMPP }])
        dns.a.set(ROOMS, [server.server === undefined ? at.prosody : at.ejabberd])
        return {
          settings: { softwareVersion: true },
          sip: { probeIntervalS: 1 },
          partners: [dialbackPartner(XMPP), dialbackPartner(ROOMS)],
          messages: { languages: ['de'], allLanguages: 'learned', reactions: true, invitations: true },
        }
      },
    },
    (act) => {
      act(
        'mapping C.2: of several languages a SIP user reads his own, in body and subject [7572-8.1]',
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          say(
            juliet,
            ROMEO,
            text('subject', 'Night'),
            text('subject', 'Nacht', 'de'),
            text('body', 'O Romeo'),
            text('body', 'Ach Romeo', 'de-CH'),
          )
          const heard = await romeo.hears('Ach Romeo')
          expect([headerOf(heard.text, 'content-language'), headerOf(heard.text, 'subject')]).toEqual([
            'de-CH',
            'Nacht',
          ])
          say(juliet, ROMEO, text('body', 'Ô Roméo', 'fr'), text('body', 'Wherefore?'))
          expect(headerOf((await romeo.hears('Wherefore?')).text, 'content-language')).toBe('en')
        },
      )

      act(
        'mapping C.2: who sends an alternative of languages gets one, and who refuses it (415) the one that is his',
        async ({ xmpp: { juliet }, sip: { paris } }) => {
          const parts = [
            ...['--b', 'Content-Type: text/plain', 'Content-Language: fr', '', 'Bonjour'],
            ...['--b', 'Content-Type: text/plain', 'Content-Language: en', '', 'Good day', '--b--', ''],
          ]
          await paris.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'multipart/alternative;boundary=b']],
            body: parts.join('\r\n'),
          })
          const seen = await juliet.hears('both', ({ kind, xml }) => kind === 'message' && xml.includes('Bonjour'))
          expect(seen.xml).toMatch(/xml:lang=.en.[^]*<body>Good day<\/body>[^]*<body xml:lang=.fr.>Bonjour<\/body>/)

          const both = [text('body', 'And to thee'), text('body', 'Und dir', 'de')]
          say(juliet, PARIS, ...both)
          const asked = await paris.heard.next('both', ofType('multipart/alternative', 'And to thee'))
          expect(headerOf(asked.text, 'content-language')).toBe('de, en')
          expect(asked.body).toMatch(/And to thee\r\n[^]*Content-Language: de\r\n\r\nUnd dir\r\n--/)

          paris.answer = (request) =>
            ofType('text/plain')(request) ? { status: 200, reason: 'OK' } : { status: 415, reason: 'Unsupported' }
          try {
            say(juliet, PARIS, ...both)
            await paris.heard.next('what it refuses', ofType('multipart/alternative'))
            await paris.heard.next('his own', ofType('text/plain', 'Und dir'))
            say(juliet, PARIS, ...both)
            await paris.heard.next('his own at once', ofType('text/plain', 'Und dir'))
            expect(paris.heard.all.filter(ofType('multipart/alternative'))).toHaveLength(2)
          } finally {
            paris.answer = () => ({ status: 200, reason: 'OK' })
          }
        },
      )

      act(
        'mapping C.9: that CPIM is taken is learned from what the SIP server answers to OPTIONS',
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          await until('words in CPIM', async () => {
            say(juliet, ROMEO, text('body', 'Hist!'), of('request', 'urn:xmpp:receipts'))
            return ofType('message/cpim')(await romeo.heard.next('words', ofType('', 'Hist!')))
          })
        },
      )

      act('XEP-0444: a reaction is its emoji, about what it answers', async ({ xmpp: { juliet }, sip: { romeo } }) => {
        await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
          headers: [['Content-Type', 'text/plain']],
          callId: 'said@sip.example',
          body: 'I am no pilot',
        })
        const { id = '' } = await juliet.hearsMessage('I am no pilot')
        say(
          juliet,
          ROMEO,
          of('reactions', 'urn:xmpp:reactions:0', { id }, text('reaction', '👋'), text('reaction', '❤️')),
        )
        const told = await romeo.hears('👋 ❤️')
        expect(headerOf(told.text, 'in-reply-to')).toBe('said@sip.example')
      })

      act('XEP-0249: an invitation of a person', async ({ xmpp: { juliet }, sip: { romeo } }) => {
        say(juliet, ROMEO, of('x', 'jabber:x:conference', { jid: `ball@${ROOMS}`, reason: 'in masks' }))
        await romeo.hears(`juliet@${XMPP} invites you to room ball@${ROOMS}: in masks`)
      })

      if (server.server === undefined)
        act('XEP-0045 §7.8.2: an invitation that a room passes on', async ({ xmpp: { juliet }, sip: { romeo } }) => {
          const room = `ball@${ROOMS}`
          juliet.send({ name: 'presence', attrs: { to: `${room}/juliet` }, children: [of('x', MUC)] })
          await juliet.hears('the room', ({ kind, from }) => kind === 'presence' && from === `${room}/juliet`)
          const form = of('x', 'jabber:x:data', { type: 'submit' })
          juliet.send({
            name: 'iq',
            attrs: { type: 'set', id: 'open', to: room },
            children: [of('query', `${MUC}#owner`, {}, form)],
          })
          await juliet.hears('that it is open', isAnswer('open'))
          const reason = text('reason', 'at ten')
          const invite = { name: 'invite', attrs: { to: ROMEO }, children: [reason] }
          juliet.send({ name: 'message', attrs: { to: room }, children: [of('x', `${MUC}#user`, {}, invite)] })
          const told = await romeo.hears(`juliet invites you to room ${room}: at ten`)
          expect(told.from).toBe(`sip:${room}`)
        })

      act('XEP-0092: our domain says what it is, where that is wanted', async ({ xmpp: { juliet } }) => {
        expect((await asks(juliet, 'version-1', SIP, of('query', 'jabber:iq:version'))).xml).toMatch(
          /<name>stox<\/name><version>\d/,
        )
        expect((await asks(juliet, 'version-2', SIP, INFO)).xml).toContain('jabber:iq:version')
      })

      act(
        'XEP-0054: the name of a SIP user, for who may see him and where the domain wants it',
        async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
          const path = `/v1/local-domains/${SIP}`
          const before = await pair.rest('GET', path)
          const ifMatch = { 'if-match': before.etag ?? '' }
          expect((await pair.rest('PATCH', path, { presence: { vcards: true } }, ifMatch)).status).toBe(200)
          const answer = await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
            name: 'Romeo M.',
            headers: [['Content-Type', 'text/plain']],
            body: 'Call me but love',
          })
          expect(statusOf(answer)).toBe(202)
          await juliet.hearsMessage('Call me but love')
          const vcard = of('vCard', 'vcard-temp')
          expect(await asks(juliet, 'card-1', ROMEO, vcard)).toMatchObject({ condition: 'item-not-found' })
          await romeo.publish({ basic: 'open' })
          juliet.subscribe(ROMEO)
          await juliet.hearsPresence(ROMEO, {})
          expect((await asks(juliet, 'card-2', ROMEO, vcard)).xml).toContain('<FN>Romeo M.</FN>')
        },
      )

      act(
        'mapping C.8: whose typing was told is told to have stopped when the gateway is',
        async ({ pair, xmpp: { juliet }, sip: { romeo } }) => {
          const says = (state: string) => (seen: Seen) =>
            seen.kind === 'message' && seen.body === undefined && seen.xml.includes(`<${state} xmlns=`)
          say(juliet, ROMEO, text('body', 'There?'), of('active', 'http://jabber.org/protocol/chatstates'))
          await romeo.hears('There?')
          await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'application/im-iscomposing+xml']],
            body: `<isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>active</state></isComposing>`,
          })
          await juliet.hears('typing', says('composing'))
          await pair.child('gateway').stop(STOPS_WITHIN_MS)
          await juliet.hears('its end', says('active'))
        },
      )
    },
  )

otherWords('other-words', {})
otherWords('other-words-ejabberd', { server: 'ejabberd' })
