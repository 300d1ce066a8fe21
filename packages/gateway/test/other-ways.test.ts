import { lossyUtf8Text } from '@stox/kernel'
import { formatStanza, parseJid, parseReply } from '@stox/xmpp'
import { bothWays } from './both-ways.ts'
import type { BothWays } from './both-ways.ts'
import { respondTo, sipMessage } from './stage.ts'

const HTML = `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>Art <strong onclick='x'>thou</strong> there?<script>evil</script></p></body></html>`
const formatted = `<body>Art *thou* there?</body>${HTML}`
const typeOf = (headers: { get(name: string): string | undefined } | undefined) => headers?.get('Content-Type')

describe('mapping C.3, C.11: In-Reply-To and XEP-0461', () => {
  const reply = (id: string | undefined) => `<body>yes</body><reply xmlns='urn:xmpp:reply:0' id='${id}'/>`
  const answers = (callId: string, cseq = 1) =>
    sipMessage({ callId: 'answer', cseq, body: 'yes', headers: [['In-Reply-To', callId]] })
  const sentBySip = async (at: BothWays): Promise<string | undefined> => {
    await at.request(sipMessage({ callId: 'asked@capulet.example' }))
    return at.link.take()[0]?.id
  }
  test.each<[string, (id: string | undefined) => string | undefined, string | undefined, string | undefined]>([
    ['names the call of the message it answers', (id) => id, undefined, 'asked@capulet.example'],
    ['to somebody else’s message does not', (id) => id, 'mercutio@montague.example', undefined],
    ['to what we do not know does not', () => 'unknown', undefined, undefined],
  ])('X2S: a reply %s', async (_what, change, from, expected) => {
    const at = bothWays()
    await at.stanza(reply(change(await sentBySip(at))), "type='chat' id='m2'", from)
    expect(at.sip.take()[0]?.headers.get('In-Reply-To')).toBe(expected)
  })
  test('X2S: in each part of a text that is too long for one', async () => {
    const at = bothWays({ split: true }, {}, { congestionSafe: false })
    const id = await sentBySip(at)
    await at.stanza(`<thread>t</thread>${reply(id).replace('yes', 'word '.repeat(400))}`)
    const requests = at.sip.take()
    expect(requests.length).toBeGreaterThan(1)
    for (const one of requests) expect(one.headers.get('In-Reply-To')).toBe('asked@capulet.example')
  })
  test('S2X: takes the thread of the call it answers, and names the stanza', async () => {
    const at = bothWays()
    await at.stanza('<body>shall we?</body><thread>a thread</thread>', "type='chat' id='q1'")
    const [asked] = at.sip.take()
    await at.request(answers(asked?.core.callId ?? ''))
    const [stanza] = at.link.take()
    if (stanza?.kind !== 'message') throw new Error('no message')
    expect(stanza.thread).toBe('a thread')
    expect(parseReply(stanza.element)).toBe('q1')
  })
  test('S2X: a message without a thread has no thread to take', async () => {
    const at = bothWays()
    await at.stanza('<body>shall we?</body>', "type='chat' id='q2'")
    await at.request(answers(at.sip.take()[0]?.core.callId ?? ''))
    const [stanza] = at.link.take()
    expect(stanza).toMatchObject({ thread: 'answer' })
    expect(stanza && parseReply(stanza.element)).toBe('q2')
  })
  test('S2X: a call of others is none of theirs', async () => {
    const at = bothWays()
    await at.stanza('<body>x</body><thread>t</thread>', "id='q3'", 'mercutio@montague.example')
    await at.request(answers('t'))
    const [stanza] = at.link.take()
    expect(stanza).toMatchObject({ thread: 'answer' })
    expect(stanza && parseReply(stanza.element)).toBeUndefined()
  })
})

describe('mapping C.10: XHTML-IM to text/html', () => {
  test('only where the domain wants it', async () => {
    const at = bothWays()
    await at.stanza(formatted)
    expect(typeOf(at.sip.take()[0]?.headers)).toBe('text/plain;charset=UTF-8')
  })
  test('through the sanitiser', async () => {
    const at = bothWays({ html: 'always' })
    await at.stanza(formatted)
    const [request] = at.sip.take()
    expect(typeOf(request?.headers)).toBe('text/html;charset=UTF-8')
    const html = lossyUtf8Text(request?.body ?? new Uint8Array())
    expect(html).toContain('<strong>thou</strong>')
    expect(html).not.toMatch(/script|onclick|evil/)
  })
  test('learned: who has sent HTML gets HTML; who refuses gets plain words', async () => {
    const at = bothWays({ html: 'learned' })
    await at.stanza(formatted)
    await at.request(sipMessage({ contentType: 'text/html', body: '<i>hm</i>' }))
    await at.stanza(formatted)
    at.sip.answer = (request) =>
      respondTo(request, typeOf(request.headers)?.startsWith('text/html') === true ? 415 : 200)
    expect(await at.stanza(formatted)).toMatchObject({ kind: 'delivered' })
    await at.stanza(formatted)
    expect(at.sip.take().map(({ headers }) => typeOf(headers)?.split(';')[0])).toEqual([
      'text/plain',
      'text/html',
      'text/html',
      'text/plain',
      'text/plain',
    ])
  })
  test('too long with its looks, it goes without them', async () => {
    const at = bothWays({ html: 'always' }, {}, { congestionSafe: false })
    const long = 'x'.repeat(700)
    await at.stanza(
      `<body>${long}</body><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>${'<em>y</em>'.repeat(100)}</body></html>`,
    )
    expect(at.bodies()).toEqual([long])
  })
})

describe('RFC 7572 §7: text/html to XHTML-IM', () => {
  test('a body in plain words, and the looks beside it', async () => {
    const at = bothWays()
    expect((await at.request(sipMessage({ contentType: 'text/html', body: '<p>Art <b>thou</b>?</p>' }))).status).toBe(
      202,
    )
    const [stanza] = at.link.take()
    expect(stanza).toMatchObject({ kind: 'message', bodies: [{ text: 'Art thou?' }] })
    expect(stanza && formatStanza(stanza)).toContain('<strong>thou</strong>')
  })
})

describe('mapping C.6: in parts', () => {
  const long = 'word '.repeat(600).trim()
  test('one after the other, with growing CSeq, and together the text', async () => {
    const at = bothWays({ split: true }, {}, { congestionSafe: false })
    expect(await at.stanza(`<body>${long}</body><thread>t</thread>`)).toMatchObject({ kind: 'delivered' })
    expect(at.bodies().length).toBeGreaterThan(2)
    expect(
      at
        .bodies()
        .map((body) => body.replace(/^\(\d\/\d\) /, ''))
        .join(''),
    ).toBe(long)
    const requests = at.sip.take()
    expect(requests.map(({ core }) => core.cseq.number)).toEqual(requests.map((_one, index) => index + 1))
    expect(new Set(requests.map(({ core }) => core.callId))).toEqual(new Set(['t']))
  })
  test('what has failed is not gone on with', async () => {
    const at = bothWays({ split: true }, {}, { congestionSafe: false })
    at.sip.answer = (request) => respondTo(request, request.core.cseq.number === 2 ? 480 : 200)
    expect(await at.stanza(`<body>${long}</body>`)).toMatchObject({ failure: { condition: 'recipient-unavailable' } })
    expect(at.sip.sent).toHaveLength(2)
  })
  test('RFC 7572 §6: refused where nobody asked for parts', async () =>
    expect(await bothWays({}, {}, { congestionSafe: false }).stanza(`<body>${long}</body>`)).toMatchObject({
      failure: { condition: 'policy-violation', text: expect.stringMatching(/too long: \d+ bytes.*1300/) },
    }))
})

describe('mapping C.3, C.4', () => {
  test.each([
    ['mirror', 'chat', 'chat'],
    ['mirror', 'normal', 'normal'],
    ['rfc', 'chat', 'normal'],
    ['chat', 'normal', 'chat'],
  ])('%s after %s is %s [7572-5.2]', async (stanzaType, before, type) => {
    const at = bothWays({ stanzaType })
    await at.stanza('<body>x</body>', `type='${before}'`)
    await at.request(sipMessage({}))
    expect(at.link.take()[0]?.type).toBe(type)
  })
  test('XEP-0085 §5.1: the first words of a chat show that states are understood', async () => {
    const at = bothWays({ stanzaType: 'chat' })
    await at.request(sipMessage({}))
    const [stanza] = at.link.take()
    expect(stanza && formatStanza(stanza)).toContain('<active')
  })
  test('a sticky thread is that of the contact, for half an hour', async () => {
    const at = bothWays({ stickyThread: true })
    await at.stanza('<body>x</body><thread>t1</thread>')
    await at.request(sipMessage({}))
    at.time.advance(31 * 60_000)
    await at.request(sipMessage({ cseq: 2 }))
    expect(at.link.take()).toMatchObject([{ thread: 't1' }, { thread: 'call-1' }])
  })
})

describe('mapping C.11: reactions and invitations', () => {
  const reaction = (id: string | undefined) =>
    `<reactions xmlns='urn:xmpp:reactions:0' id='${id}'><reaction>👋</reaction></reactions>`
  const INVITATION = `<x xmlns='jabber:x:conference' jid='ball@rooms.example'/>`
  test.each([
    ['a reaction', reaction('x')],
    ['an invitation', INVITATION],
  ])('%s is let fall where nobody wants it', async (_what, content) => {
    const at = bothWays()
    expect(await at.stanza(content)).toEqual({ kind: 'absorbed', reason: 'no-content' })
    expect(at.sip.take()).toEqual([])
  })
  test('XEP-0444: the emoji, as an answer to the message they are about', async () => {
    const at = bothWays({ reactions: true })
    await at.request(sipMessage({ callId: 'said@capulet.example' }))
    expect(await at.stanza(reaction(at.link.take()[0]?.id))).toMatchObject({ kind: 'delivered' })
    expect(at.bodies()).toEqual(['👋'])
    expect(at.sip.take()[0]?.headers.get('In-Reply-To')).toBe('said@capulet.example')
  })
  test('XEP-0249: in words', async () => {
    const at = bothWays({ invitations: true })
    await at.stanza(INVITATION)
    expect(at.bodies()).toEqual(['romeo@montague.example invites you to room ball@rooms.example'])
    expect(at.sip.take()[0]?.headers.get('Content-Language')).toBe('en')
  })
})

describe('mapping C.14: the name that a SIP user goes by', () => {
  test.each([
    ['is kept where others may know it', true, 'Juliet C'],
    ['else not', false, undefined],
  ])('%s', async (_what, vcards, name) => {
    const at = bothWays({}, {}, { presence: { vcards } })
    await at.request(sipMessage({ from: '"Juliet C" <sip:juliet@capulet.example>' }))
    const juliet = parseJid('juliet@capulet.example')
    expect(juliet.ok && at.besides.names.of(juliet.value)).toBe(name)
  })
})
