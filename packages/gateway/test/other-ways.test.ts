import { lossyUtf8Text } from '@stox/kernel'
import { formatStanza } from '@stox/xmpp'
import { bothWays } from './both-ways.ts'
import { respondTo, sipMessage } from './stage.ts'

const HTML = `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>Art <strong onclick='x'>thou</strong> there?<script>evil</script></p></body></html>`
const formatted = `<body>Art *thou* there?</body>${HTML}`
const typeOf = (headers: { get(name: string): string | undefined } | undefined) => headers?.get('Content-Type')

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
