import { pause } from '../src/heard.ts'
import type { Incoming } from '../src/sip-user.ts'
import { play } from '../src/play.ts'
import { headerOf, statusOf } from '../src/sip-text.ts'
import { SIP, SIP_TCP } from '../src/stage.ts'
import type { Seen, Tree, XmppUser } from '../src/xmpp-user.ts'

const STATES = 'http://jabber.org/protocol/chatstates'
const RECEIPTS = 'urn:xmpp:receipts'
const MARKERS = 'urn:xmpp:chat-markers:0'
const XHTML_IM = 'http://jabber.org/protocol/xhtml-im'
const XHTML = 'http://www.w3.org/1999/xhtml'
const COMPOSING = 'application/im-iscomposing+xml'

let count = 0
/** Says something that is more than words, and gives its id. */
function say(person: XmppUser, to: string, ...children: readonly Tree[]): string {
  const id = `${person.bare}-beside-${(count += 1)}`
  person.send({ name: 'message', attrs: { to, id, type: 'chat' }, children })
  return id
}
const body = (text: string): Tree => ({ name: 'body', children: [text] })
const of = (name: string, xmlns: string, more: Readonly<Record<string, string>> = {}): Tree => ({
  name,
  attrs: { xmlns, ...more },
})
const has =
  (name: string, xmlns: string, id?: string) =>
  (seen: Seen): boolean =>
    (seen.tree.children ?? []).some(
      (child) =>
        typeof child !== 'string' &&
        child.name === name &&
        child.attrs?.['xmlns'] === xmlns &&
        (id === undefined || child.attrs['id'] === id),
    )
const composing = (state: 'active' | 'idle', refreshS = 60): string =>
  `<?xml version="1.0" encoding="UTF-8"?><isComposing xmlns="urn:ietf:params:xml:ns:im-iscomposing"><state>${state}</state>${state === 'active' ? `<refresh>${refreshS}</refresh>` : ''}</isComposing>`
const ofType =
  (type: string, text: RegExp | string = '') =>
  (one: Incoming): boolean =>
    (headerOf(one.text, 'content-type') ?? '').startsWith(type) &&
    (typeof text === 'string' ? one.body.includes(text) : text.test(one.body))
const cpim = (from: string, to: string, head: readonly string[], content: readonly string[]): string =>
  [
    `From: <${from}>`,
    `To: <${to}>`,
    'DateTime: 2026-01-01T10:00:00Z',
    'NS: imdn <urn:ietf:params:imdn>',
    ...head,
    '',
    ...content,
  ].join('\r\n')
const imdn = (messageId: string, kind: 'delivery' | 'display', status: string): readonly string[] => [
  'Content-Type: message/imdn+xml',
  'Content-Disposition: notification',
  '',
  `<?xml version="1.0"?><imdn xmlns="urn:ietf:params:xml:ns:imdn"><message-id>${messageId}</message-id><datetime>2026-01-01T10:00:00Z</datetime><${kind}-notification><status><${status}/></status></${kind}-notification></imdn>`,
]

const besideWords = (name: string, server: { readonly server?: 'ejabberd' }): void =>
  play(
    name,
    {
      ...server,
      xmpp: ['juliet'],
      sip: { romeo: SIP, paris: SIP_TCP },
      pair: { messages: { html: 'always', reports: 'always' } },
    },
    (act) => {
      act('typing goes each way, over UDP and over TCP', async ({ xmpp: { juliet }, sip: { romeo, paris } }) => {
        for (const person of [romeo, paris]) {
          const jid = person.aor.slice('sip:'.length)
          const typing = (state: 'active' | 'idle') =>
            person.request('MESSAGE', `sip:${juliet.bare}`, {
              headers: [['Content-Type', COMPOSING]],
              body: composing(state),
            })
          const from = (wanted: (seen: Seen) => boolean) => (seen: Seen) =>
            seen.from.split('/')[0] === jid && wanted(seen)

          // Words of both, so that each is known to answer and to understand.
          await person.message(`sip:${juliet.bare}`, `are you there, ${jid}?`)
          await juliet.hearsMessage(`are you there, ${jid}?`)
          say(juliet, jid, body('I am'), of('active', STATES))
          await person.hears('I am')

          expect([200, 202]).toContain(statusOf(await typing('active')))
          await juliet.hears('typing', from(has('composing', STATES)))
          expect([200, 202]).toContain(statusOf(await typing('idle')))
          await juliet.hears(
            'no typing',
            from((seen) => has('active', STATES)(seen) && seen.body === undefined),
          )

          say(juliet, jid, of('composing', STATES))
          await person.heard.next('typing', ofType(COMPOSING, /<state>active<\/state>[^]*<refresh>60<\/refresh>/))
          say(juliet, jid, of('paused', STATES))
          await person.heard.next('no typing', ofType(COMPOSING, '<state>idle</state>'))
        }
      })

      act('typing that is not taken back ends by itself', async ({ xmpp: { juliet }, sip: { romeo } }) => {
        await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
          headers: [['Content-Type', COMPOSING]],
          body: composing('active', 1),
        })
        await juliet.hears('typing', has('composing', STATES))
        await juliet.hears('its end', (seen) => has('active', STATES)(seen) && seen.body === undefined)
      })

      act(
        'an XMPP user asks for a receipt and a marker, and gets both',
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          const id = say(juliet, 'romeo@sip.example', body('Hist!'), of('request', RECEIPTS), of('markable', MARKERS))
          const asked = await romeo.heard.next('the words in CPIM', ofType('message/cpim', 'Hist!'))
          const messageId = /^imdn\.Message-ID: (.+)$/m.exec(asked.body)?.[1]?.trim() ?? ''
          expect(asked.body).toMatch(
            /^imdn\.Disposition-Notification: positive-delivery, negative-delivery, display\r$/m,
          )
          for (const [kind, status] of [
            ['delivery', 'delivered'],
            ['display', 'displayed'],
          ] as const) {
            const answer = await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
              headers: [['Content-Type', 'message/cpim']],
              body: cpim(romeo.aor, `sip:${juliet.bare}`, ['imdn.Message-ID: own1'], imdn(messageId, kind, status)),
            })
            expect([200, 202]).toContain(statusOf(answer))
          }
          await juliet.hears('a receipt', has('received', RECEIPTS, id))
          await juliet.hears('a marker', has('displayed', MARKERS, id))
        },
      )

      act('a SIP user asks for reports, and gets both', async ({ xmpp: { juliet }, sip: { paris } }) => {
        const wants = ['imdn.Message-ID: paris1', 'imdn.Disposition-Notification: positive-delivery, display']
        const words = ['Content-Type: text/plain', '', 'Good morrow']
        await paris.request('MESSAGE', `sip:${juliet.bare}`, {
          headers: [['Content-Type', 'message/cpim']],
          body: cpim(paris.aor, `sip:${juliet.bare}`, wants, words),
        })
        const seen = await juliet.hearsMessage('Good morrow')
        expect([has('request', RECEIPTS)(seen), has('markable', MARKERS)(seen)]).toEqual([true, true])
        say(juliet, 'paris@tcp.example', of('received', RECEIPTS, { id: seen.id ?? '' }))
        await paris.heard.next('delivered', ofType('message/cpim', /<message-id>paris1<[^]*<delivered\/>/))
        say(juliet, 'paris@tcp.example', of('displayed', MARKERS, { id: seen.id ?? '' }))
        await paris.heard.next('displayed', ofType('message/cpim', /<message-id>paris1<[^]*<displayed\/>/))
      })

      act(
        'RFC 7572 §7: HTML goes each way, without what could do harm [7572-7.2 7572-7.3]',
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          await romeo.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'text/html;charset=UTF-8']],
            body: '<html><body><p>My <b>love</b><script>alert(1)</script> <a href="javascript:evil()">here</a></p></body></html>',
          })
          const seen = await juliet.hearsMessage('My love here')
          expect(has('html', XHTML_IM)(seen)).toBe(true)
          expect(seen.xml).toContain('<strong>love</strong>')
          expect(seen.xml).not.toMatch(/script|alert|evil/)

          const strong = { name: 'strong', children: ['thou'] }
          const html = {
            name: 'body',
            attrs: { xmlns: XHTML },
            children: [{ name: 'p', children: ['Art ', strong, '?'] }],
          }
          say(juliet, 'romeo@sip.example', body('Art thou?'), {
            name: 'html',
            attrs: { xmlns: XHTML_IM },
            children: [html],
          })
          const asked = await romeo.heard.next('HTML', ofType('text/html'))
          expect(asked.body).toContain('<strong>thou</strong>')
        },
      )

      act(
        'who refuses HTML and CPIM (415) gets the same as plain text',
        async ({ xmpp: { juliet }, sip: { paris } }) => {
          paris.answer = (request) =>
            ofType('text/plain')(request) ? { status: 200, reason: 'OK' } : { status: 415, reason: 'Unsupported' }
          try {
            say(juliet, 'paris@tcp.example', body('simply'), of('request', RECEIPTS))
            await paris.hears('simply')
          } finally {
            paris.answer = () => ({ status: 200, reason: 'OK' })
          }
        },
      )

      act(
        'XEP-0030: what a SIP user takes is told to those who may see him',
        async ({ xmpp: { juliet }, sip: { romeo } }) => {
          const ask = async (id: string, to: string): Promise<Seen> => {
            const query = of('query', 'http://jabber.org/protocol/disco#info')
            juliet.send({ name: 'iq', attrs: { type: 'get', id, to }, children: [query] })
            return juliet.hears(`the answer to ${id}`, (seen) => seen.kind === 'iq' && seen.id === id)
          }
          expect(await ask('info-1', 'romeo@sip.example')).toMatchObject({ condition: 'service-unavailable' })
          await romeo.publish({ basic: 'open' })
          juliet.subscribe('romeo@sip.example')
          const { from } = await juliet.hearsPresence('romeo@sip.example', {})
          expect((await ask('info-2', 'romeo@sip.example')).xml).toMatch(/category=.account./)
          expect(from).toMatch(/^romeo@sip\.example\/./)
          const device = await ask('info-3', from)
          for (const feature of [STATES, RECEIPTS, MARKERS, XHTML_IM]) expect(device.xml).toContain(feature)
        },
      )

      act('mapping B.4: an error after the 202 comes to the SIP user [7572-9.1]', async ({ sip: { romeo, paris } }) => {
        const nobody = 'sip:nobody@xmpp.example'
        const answer = await romeo.request('MESSAGE', nobody, {
          headers: [['Content-Type', 'text/plain']],
          callId: 'late-1@sip.example',
          body: 'anybody?',
        })
        expect(statusOf(answer)).toBe(202)
        const told = await romeo.heard.next('that it failed', (one) => one.body.includes('was not delivered'))
        expect(told.from).toBe(nobody)
        expect(headerOf(told.text, 'in-reply-to')).toBe('late-1@sip.example')

        const wants = ['imdn.Message-ID: paris2', 'imdn.Disposition-Notification: negative-delivery']
        await paris.request('MESSAGE', nobody, {
          headers: [['Content-Type', 'message/cpim']],
          body: cpim(paris.aor, nobody, wants, ['Content-Type: text/plain', '', 'anybody?']),
        })
        await paris.heard.next('failed', ofType('message/cpim', /<message-id>paris2<[^]*<failed\/>/))
      })

      act(
        'mapping B.4, C.9: kill -9 of the gateway between a message and what is said of it: the sender hears it all the same',
        async ({ pair, xmpp: { juliet }, sip: { paris } }) => {
          const to = 'paris@tcp.example'
          await paris.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'text/plain']],
            callId: 'before-1@tcp.example',
            body: 'Before the fall',
          })
          const plain = await juliet.hearsMessage('Before the fall')
          const wants = ['imdn.Message-ID: paris3', 'imdn.Disposition-Notification: positive-delivery']
          await paris.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'message/cpim']],
            body: cpim(paris.aor, `sip:${juliet.bare}`, wants, ['Content-Type: text/plain', '', 'Heard?']),
          })
          const asking = await juliet.hearsMessage('Heard?')
          const own = say(juliet, to, body('And thou?'), of('request', RECEIPTS))
          const asked = await paris.heard.next('her words in CPIM', ofType('message/cpim', 'And thou?'))
          const messageId = /^imdn\.Message-ID: (.+)$/m.exec(asked.body)?.[1]?.trim() ?? ''
          // The journal is written within 200 ms.
          await pause(1000)
          await pair.kill9('gateway')
          await pair.start('gateway')
          await pair.ready()

          const condition = of('service-unavailable', 'urn:ietf:params:xml:ns:xmpp-stanzas')
          const error: Tree = { name: 'error', attrs: { type: 'cancel' }, children: [condition] }
          juliet.send({ name: 'message', attrs: { to, id: plain.id ?? '', type: 'error' }, children: [error] })
          const told = await paris.heard.next('that it failed', (one) => one.body.includes('was not delivered'))
          expect(headerOf(told.text, 'in-reply-to')).toBe('before-1@tcp.example')

          say(juliet, to, of('received', RECEIPTS, { id: asking.id ?? '' }))
          await paris.heard.next('delivered', ofType('message/cpim', /<message-id>paris3<[^]*<delivered\/>/))

          await paris.request('MESSAGE', `sip:${juliet.bare}`, {
            headers: [['Content-Type', 'message/cpim']],
            body: cpim(
              paris.aor,
              `sip:${juliet.bare}`,
              ['imdn.Message-ID: own3'],
              imdn(messageId, 'delivery', 'delivered'),
            ),
          })
          await juliet.hears('a receipt', has('received', RECEIPTS, own))
        },
        60_000,
      )
    },
  )

besideWords('beside-words', {})
besideWords('beside-words-ejabberd', { server: 'ejabberd' })
