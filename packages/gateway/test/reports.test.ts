import { lossyUtf8Text } from '@stox/kernel'
import { IMDN_HEADERS, cpimHeader, mediaTypeOf, mimeHeader, parseCpim, parseImdn } from '@stox/sip'
import type { ParsedCpim, SipRequest } from '@stox/sip'
import { asksForReceipt, formatJid, isMarkable, parseChatMarker, parseReceipt } from '@stox/xmpp'
import type { Stanza } from '@stox/xmpp'
import { bothWays } from './both-ways.ts'
import type { BothWays } from './both-ways.ts'
import { bounceWith, respondTo, sipMessage } from './stage.ts'

const REQUEST = `<request xmlns='urn:xmpp:receipts'/>`
const MARKABLE = `<markable xmlns='urn:xmpp:chat-markers:0'/>`
const cpimOf = (request: SipRequest | undefined): ParsedCpim => {
  expect(request?.headers.get('Content-Type')).toBe('message/cpim')
  const parsed = parseCpim(request?.body ?? new Uint8Array())
  if (!parsed.ok) throw new Error(parsed.failure.detail)
  return parsed.value
}
const imdnHeader = (message: ParsedCpim, name: string) => cpimHeader(message, name, IMDN_HEADERS)
const cpim = (head: readonly string[], contentType: string, content: string, cseq: number): SipRequest =>
  sipMessage({
    contentType: 'message/cpim',
    cseq,
    body: [
      'From: <sip:juliet@capulet.example>',
      'To: <sip:romeo@montague.example>',
      'DateTime: 2026-01-01T10:00:00Z',
      'NS: imdn <urn:ietf:params:imdn>',
      ...head,
      '',
      `Content-Type: ${contentType}`,
      '',
      content,
    ].join('\r\n'),
  })
let cseq = 0
const asking = (wants: string, more: readonly string[] = []): SipRequest =>
  cpim(['imdn.Message-ID: sip-1', `imdn.Disposition-Notification: ${wants}`, ...more], 'text/plain', 'hi', (cseq += 1))
const report = (messageId: string, notification: string, status: string): SipRequest =>
  cpim(
    ['imdn.Message-ID: r1'],
    'message/imdn+xml',
    `<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>${messageId}</message-id><datetime>2026-01-01T10:00:00Z</datetime><${notification}-notification><status><${status}/></status></${notification}-notification></imdn>`,
    (cseq += 1),
  )
const only = (stanzas: readonly Stanza[]): Stanza => {
  const [stanza] = stanzas
  if (stanza === undefined || stanzas.length > 1) throw new Error(`${stanzas.length} stanzas`)
  return stanza
}

describe('mapping C.9: an XMPP user asks', () => {
  test('who takes CPIM is asked in CPIM, with an id of its own [5438-7.1.1.1 5438-7.1.1.2]', async () => {
    const at = bothWays({ reports: 'always' })
    expect(await at.stanza(`<body>a&lt;b</body>${REQUEST}${MARKABLE}`)).toMatchObject({ kind: 'delivered' })
    const message = cpimOf(at.sip.take()[0])
    expect(cpimHeader(message, 'From')).toBe('<im:romeo@montague.example>')
    expect(cpimHeader(message, 'To')).toBe('<im:juliet@capulet.example>')
    expect(cpimHeader(message, 'DateTime')).toMatch(/^2026-01-01T\d\d:\d\d:\d\dZ$/)
    expect(imdnHeader(message, 'Disposition-Notification')).toBe('positive-delivery, negative-delivery, display')
    expect(imdnHeader(message, 'Message-ID')).toMatch(/^\w+$/)
    expect(lossyUtf8Text(message.content.body)).toBe('a<b')
  })
  test.each([
    ['a receipt', REQUEST, 'positive-delivery, negative-delivery'],
    ['a marker', MARKABLE, 'display'],
  ])('%s', async (_what, wish, wants) => {
    const at = bothWays({ reports: 'always' })
    await at.stanza(`<body>x</body>${wish}`)
    expect(imdnHeader(cpimOf(at.sip.take()[0]), 'Disposition-Notification')).toBe(wants)
  })
  test.each([
    ['whose SIP user has shown no CPIM', {}, {}, REQUEST, "type='chat' id='m1'"],
    ['where the domain says never', { reports: 'never' }, {}, REQUEST, "type='chat' id='m1'"],
    [
      'where the partner may not',
      { reports: 'always' },
      { features: { receipts: false } },
      REQUEST,
      "type='chat' id='m1'",
    ],
    ['without an id', { reports: 'always' }, {}, REQUEST, "type='chat'"],
    ['of a headline', { reports: 'always' }, {}, REQUEST, "type='headline' id='m1'"],
    ['who does not ask', { reports: 'always' }, {}, '', "type='chat' id='m1'"],
  ])('a message %s is plain', async (_who, messages, partner, wish, attributes) => {
    const at = bothWays(messages, partner)
    await at.stanza(`<body>x</body>${wish}`, attributes)
    expect(at.sip.take()[0]?.headers.get('Content-Type')).toBe('text/plain;charset=UTF-8')
  })
  test('learned: who has sent CPIM is asked', async () => {
    const at = bothWays()
    await at.request(asking('positive-delivery'))
    await at.stanza(`<body>x</body>${REQUEST}`)
    cpimOf(at.sip.take()[0])
  })
  test('415: the same words go as plain text, as a request of its own, and it is remembered', async () => {
    const at = bothWays({ reports: 'always' })
    at.sip.answer = (request) => respondTo(request, request.headers.get('Content-Type') === 'message/cpim' ? 415 : 200)
    expect(await at.stanza(`<body>x</body><thread>t</thread>${REQUEST}`)).toMatchObject({ kind: 'delivered' })
    const [first, second] = at.sip.take()
    expect([first?.core.callId, first?.core.cseq.number]).toEqual(['t', 1])
    expect([second?.core.callId, second?.core.cseq.number]).toEqual(['t', 2])
    expect(lossyUtf8Text(second?.body ?? new Uint8Array())).toBe('x')
    await at.stanza(`<body>y</body>${REQUEST}`)
    expect(at.sip.take()).toHaveLength(1)
  })

  const askedOf = async (at: BothWays): Promise<string> => {
    await at.stanza(`<body>x</body>${REQUEST}${MARKABLE}`)
    return imdnHeader(cpimOf(at.sip.take()[0]), 'Message-ID') ?? ''
  }
  test.each([
    ['delivery', 'delivered'],
    ['display', 'displayed'],
  ])('%s: %s goes back, once', async (notification, status) => {
    const at = bothWays({ reports: 'always' })
    const id = await askedOf(at)
    expect((await at.request(report(id, notification, status))).status).toBe(202)
    const stanza = only(at.link.take())
    expect(formatJid(stanza.to)).toBe('romeo@montague.example/orchard')
    expect(formatJid(stanza.from)).toBe('juliet@capulet.example')
    if (status === 'delivered') expect(parseReceipt(stanza.element)).toBe('m1')
    else expect(parseChatMarker(stanza.element)).toEqual({ kind: 'displayed', id: 'm1' })
    await at.request(report(id, notification, status))
    expect(at.link.take()).toEqual([])
  })
  test('delivery: failed is an error with the id of the message', async () => {
    const at = bothWays({ reports: 'always' })
    await at.request(report(await askedOf(at), 'delivery', 'failed'))
    expect(only(at.link.take())).toMatchObject({
      type: 'error',
      id: 'm1',
      error: { condition: 'recipient-unavailable' },
    })
  })
  test.each([
    ['delivery', 'forbidden'],
    ['delivery', 'error'],
    ['display', 'forbidden'],
    ['processing', 'processed'],
  ])('%s: %s is nothing to XMPP', async (notification, status) => {
    const at = bothWays({ reports: 'always' })
    expect((await at.request(report(await askedOf(at), notification, status))).status).toBe(202)
    expect(at.link.take()).toEqual([])
  })
  test('a report on what nobody asked, or of somebody else, is let fall', async () => {
    const at = bothWays({ reports: 'always' })
    const id = await askedOf(at)
    await at.request(report('unknown', 'delivery', 'delivered'))
    const other = report(id, 'delivery', 'delivered')
    await at.request(
      sipMessage({ from: '<sip:tybalt@capulet.example>', contentType: 'message/cpim', body: other.body, cseq: 999 }),
    )
    expect(at.link.take()).toEqual([])
  })
})

describe('mapping C.9, receiptOn200: 200 as a receipt', () => {
  const counts = { receiptOn200: true }
  test.each<[string, Record<string, unknown>, Record<string, unknown>, string, string, number, boolean]>([
    ['200', counts, {}, REQUEST, "type='chat' id='m1'", 200, true],
    [
      '200 to a text in several parts',
      { ...counts, split: true },
      {},
      `${REQUEST}<l/>`,
      "type='chat' id='m1'",
      200,
      true,
    ],
    ['200 to HTML', { ...counts, html: 'always' }, {}, REQUEST, "type='chat' id='m1'", 200, true],
    ['202 says that it waits somewhere', counts, {}, REQUEST, "type='chat' id='m1'", 202, false],
    ['404', counts, {}, REQUEST, "type='chat' id='m1'", 404, false],
    ['when not configured', {}, {}, REQUEST, "type='chat' id='m1'", 200, false],
    ['who does not ask', counts, {}, '', "type='chat' id='m1'", 200, false],
    ['without an id', counts, {}, REQUEST, "type='chat'", 200, false],
    ['of a headline', counts, {}, REQUEST, "type='headline' id='m1'", 200, false],
    [
      'a partner that gets no reports',
      counts,
      { features: { receipts: false } },
      REQUEST,
      "type='chat' id='m1'",
      200,
      false,
    ],
    [
      'who is asked for a report himself',
      { ...counts, reports: 'always' },
      {},
      REQUEST,
      "type='chat' id='m1'",
      200,
      false,
    ],
  ])('%s', async (what, messages, partner, wish, attributes, status, told) => {
    const at = bothWays(messages, partner, { congestionSafe: false })
    at.sip.answer = (request) => respondTo(request, status)
    const xhtml = `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body></html>`
    const words = wish.includes('<l/>') ? 'word '.repeat(400) : 'x'
    await at.stanza(`<body>${words}</body>${wish.replace('<l/>', '')}${what.includes('HTML') ? xhtml : ''}`, attributes)
    const stanzas = at.link.take()
    if (!told) return expect(stanzas).toEqual([])
    const stanza = only(stanzas)
    expect([formatJid(stanza.from), formatJid(stanza.to)]).toEqual([
      'juliet@capulet.example',
      'romeo@montague.example/orchard',
    ])
    expect(parseReceipt(stanza.element)).toBe('m1')
  })
  test('415 to CPIM, and 200 to the same as plain text', async () => {
    const at = bothWays({ ...counts, reports: 'always' })
    at.sip.answer = (request) => respondTo(request, request.headers.get('Content-Type') === 'message/cpim' ? 415 : 200)
    await at.stanza(`<body>x</body>${REQUEST}`)
    expect(parseReceipt(only(at.link.take()).element)).toBe('m1')
  })
})

describe('mapping C.9: a SIP user asks', () => {
  test.each([
    ['positive-delivery', true, false],
    ['positive-delivery, negative-delivery', true, false],
    ['display', false, true],
    ['negative-delivery', false, false],
    ['processing', false, false],
  ])('%s', async (wants, receipt, markable) => {
    const at = bothWays()
    await at.request(asking(wants))
    const { element } = only(at.link.take())
    expect([asksForReceipt(element), isMarkable(element)]).toEqual([receipt, markable])
  })
  test('the partner may not: no receipt is asked for', async () => {
    const at = bothWays({}, { features: { receipts: false } })
    await at.request(asking('positive-delivery, display'))
    const { element } = only(at.link.take())
    expect([asksForReceipt(element), isMarkable(element)]).toEqual([false, false])
  })

  const receipt = (id: string | undefined) => `<received xmlns='urn:xmpp:receipts' id='${id}'/>`
  const displayed = (id: string | undefined) => `<displayed xmlns='urn:xmpp:chat-markers:0' id='${id}'/>`
  const sentId = async (at: BothWays, request: SipRequest): Promise<string | undefined> => {
    await at.request(request)
    return only(at.link.take()).id
  }
  test.each([
    ['a receipt', receipt, 'delivery', 'delivered'],
    ['a marker', displayed, 'display', 'displayed'],
  ])('%s is an IMDN, once [5438-7.2.1.*]', async (_what, element, disposition, status) => {
    const at = bothWays()
    const id = await sentId(
      at,
      asking('positive-delivery, display', ['imdn.IMDN-Record-Route: <sip:relay@capulet.example>']),
    )
    expect(await at.stanza(element(id))).toMatchObject({ kind: 'delivered' })
    const [request] = at.sip.take()
    expect(request?.uri).toBe('sip:juliet@capulet.example')
    const message = cpimOf(request)
    expect(cpimHeader(message, 'To')).toBe('<sip:juliet@capulet.example>')
    expect(imdnHeader(message, 'Disposition-Notification')).toBeUndefined()
    expect(imdnHeader(message, 'Message-ID')).not.toBe('sip-1')
    expect(imdnHeader(message, 'IMDN-Route')).toBe('<sip:relay@capulet.example>')
    expect(mimeHeader(message.content, 'Content-Disposition')).toBe('notification')
    const type = mediaTypeOf(message.content)
    expect(type.ok && type.value.type).toBe('message/imdn+xml')
    const imdn = parseImdn(message.content.body)
    expect(imdn.ok && imdn.value).toMatchObject({
      messageId: 'sip-1',
      dateTime: '2026-01-01T10:00:00Z',
      recipientUri: 'im:romeo@montague.example',
      originalRecipientUri: 'sip:romeo@montague.example',
      notification: { disposition, status },
    })
    await at.stanza(element(id))
    expect(at.sip.take()).toEqual([])
  })
  test.each([
    ['what was not asked for [5438-7.2.1.wanted]', 'display', receipt, 'romeo@montague.example/orchard'],
    ['somebody else', 'positive-delivery', receipt, 'mercutio@montague.example'],
    ['an unknown id', 'positive-delivery', () => receipt('nothing'), 'romeo@montague.example'],
  ])('%s makes no report', async (_what, wants, element, from) => {
    const at = bothWays()
    const id = await sentId(at, asking(wants))
    await at.stanza(element(id), '', from)
    expect(at.sip.take()).toEqual([])
  })
})

describe('mapping B.4: an error after the final response', () => {
  const error = (condition = 'service-unavailable', text = '') =>
    `<error type='cancel'><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>${text}</error>`
  const bounce = (at: BothWays, id: string | undefined, from?: string) =>
    at.stanza(
      error('service-unavailable', `<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no such user&#10;Evil: x</text>`),
      `type='error' id='${id}'`,
      from,
    )
  const send = async (at: BothWays, request: SipRequest): Promise<string | undefined> => {
    await at.request(request)
    return at.link.take()[0]?.id
  }
  const plain = () => sipMessage({ cseq: (cseq += 1), callId: 'call-7' })

  test('who asked for reports gets one', async () => {
    const at = bothWays()
    expect(await bounce(at, await send(at, asking('negative-delivery')))).toMatchObject({ kind: 'delivered' })
    const imdn = parseImdn(cpimOf(at.sip.take()[0]).content.body)
    expect(imdn.ok && imdn.value.notification).toEqual({ disposition: 'delivery', status: 'failed' })
  })
  test('who did not is told by the contact, once, and in one line', async () => {
    const at = bothWays()
    const id = await send(at, plain())
    expect(await bounce(at, id)).toMatchObject({ kind: 'delivered' })
    const [request] = at.sip.take()
    expect(request?.core.from.uri).toMatchObject({ user: 'romeo', host: 'montague.example' })
    expect(request?.headers.get('In-Reply-To')).toBe('call-7')
    expect(lossyUtf8Text(request?.body ?? new Uint8Array())).toBe(
      '[Your message was not delivered: no such user Evil: x (service-unavailable)]',
    )
    await bounce(at, id)
    expect(at.sip.take()).toEqual([])
  })
  test('no more than five in ten minutes: what answers them by itself does not go on for ever', async () => {
    const at = bothWays()
    const tell = async (times: number): Promise<number> => {
      for (let time = 0; time < times; time += 1) await bounce(at, await send(at, plain()))
      return at.sip.take().length
    }
    expect(await tell(8)).toBe(5)
    at.time.advance(601_000)
    expect(await tell(2)).toBe(2)
  })
  test('or not at all, as configured', async () => {
    const at = bothWays({ lateErrors: 'report' })
    expect(await bounce(at, await send(at, plain()))).toEqual({ kind: 'absorbed', reason: 'error-stanza' })
    expect(at.sip.take()).toEqual([])
    expect((await at.store.journal.find({ limit: 1 })).items).toMatchObject([
      { outcome: 'absorbed', detail: 'error-stanza' },
    ])
  })
  test('who was told by the final response is not told twice', async () => {
    const at = bothWays()
    at.link.outcome = bounceWith({ status: 504 })
    expect(await bounce(at, await send(at, plain()))).toEqual({ kind: 'absorbed', reason: 'error-stanza' })
    expect(at.sip.take()).toEqual([])
  })
  test.each([
    ['somebody else', 'mercutio@montague.example'],
    ['what was never sent', undefined],
  ])('of %s nobody hears', async (_what, from) => {
    const at = bothWays()
    const id = await send(at, plain())
    await bounce(at, from === undefined ? 'unknown' : id, from)
    expect(at.sip.take()).toEqual([])
  })
  test('a stranger may not write to an unverified partner’s contact, but his error comes back', async () => {
    const at = bothWays({}, { partnerType: 'publicUnverified' })
    expect(await bounce(at, await send(at, plain()))).toMatchObject({ kind: 'delivered' })
  })
})

describe('mapping B.4, C.9: what is said after a restart of what was sent before it', () => {
  const restarted = (before: BothWays, messages: Readonly<Record<string, unknown>> = {}): BothWays => {
    before.time.advance(1000)
    return bothWays(messages, {}, {}, { after: before })
  }
  const sent = async (at: BothWays, request: SipRequest): Promise<string> => {
    await at.request(request)
    return at.link.take()[0]?.id ?? ''
  }
  const plain = () => sipMessage({ cseq: (cseq += 1), callId: 'call-8' })
  const error = `<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
  const bounce = (at: BothWays, id: string, from?: string) => at.stanza(error, `type='error' id='${id}'`, from)
  const receipt = (id: string) => `<received xmlns='urn:xmpp:receipts' id='${id}'/>`
  const marker = (id: string) => `<displayed xmlns='urn:xmpp:chat-markers:0' id='${id}'/>`

  test('an error finds its sender by the journal, once, and not again after another restart', async () => {
    const before = bothWays()
    const id = await sent(before, plain())
    const after = restarted(before)
    expect(await bounce(after, id)).toMatchObject({ kind: 'delivered' })
    const [request] = after.sip.take()
    expect(request?.uri).toBe('sip:juliet@capulet.example')
    expect(request?.headers.get('In-Reply-To')).toBe('call-8')
    await bounce(after, id)
    await bounce(restarted(after), id)
    expect(after.sip.take()).toEqual([])
  })
  test.each([
    ['the contact’s', 'mercutio@montague.example', 0, 'delivered'],
    ['of the last day', undefined, 25 * 3_600_000, 'delivered'],
    ['of what had been accepted', undefined, 0, 'bounced'],
  ])('only %s', async (_what, from, laterMs, outcome) => {
    const before = bothWays()
    if (outcome === 'bounced') before.link.outcome = bounceWith({})
    const id = await sent(before, plain())
    before.link.outcome = { kind: 'delivered', status: 200 }
    before.time.advance(laterMs)
    const after = restarted(before)
    expect(await bounce(after, id, from)).toEqual({ kind: 'absorbed', reason: 'error-stanza' })
    expect(after.sip.take()).toEqual([])
  })
  test('who makes up ids is not looked for more than ten times a second', async () => {
    const before = bothWays()
    const id = await sent(before, plain())
    const after = restarted(before)
    for (let made = 0; made < 10; made += 1) await bounce(after, `made-up-${made}`)
    expect(await bounce(after, id)).toEqual({ kind: 'absorbed', reason: 'error-stanza' })
    after.time.advance(1000)
    expect(await bounce(after, id)).toMatchObject({ kind: 'delivered' })
  })
  test.each([
    ['a receipt', 'positive-delivery', receipt, { disposition: 'delivery', status: 'delivered' }],
    ['a marker', 'display', marker, { disposition: 'display', status: 'displayed' }],
    ['an error', 'negative-delivery', undefined, { disposition: 'delivery', status: 'failed' }],
  ])('%s of an XMPP user is the IMDN that was asked for, once', async (_what, wants, element, notification) => {
    const before = bothWays()
    const id = await sent(before, asking(wants))
    const after = restarted(before)
    const say = () => (element === undefined ? bounce(after, id) : after.stanza(element(id)))
    await say()
    await say()
    const [request, ...more] = after.sip.take()
    expect(more).toEqual([])
    const message = cpimOf(request)
    expect(cpimHeader(message, 'To')).toBe('<sip:juliet@capulet.example>')
    const imdn = parseImdn(message.content.body)
    expect(imdn.ok && imdn.value).toMatchObject({
      messageId: 'sip-1',
      dateTime: '2026-01-01T10:00:00Z',
      originalRecipientUri: 'sip:romeo@montague.example',
      notification,
    })
  })
  test.each([
    ['somebody else', (id: string) => id, 'mercutio@montague.example'],
    ['an id that was changed', (id: string) => (id.startsWith('0') ? '1' : '0') + id.slice(1), undefined],
    ['an id of somebody’s own making', (id: string) => id.replace(/\.[0-9a-f]+$/, `.${'0'.repeat(32)}`), undefined],
    ['what was not asked for', (id: string) => id, undefined],
  ])('%s makes no report', async (what, change, from) => {
    const before = bothWays()
    const id = await sent(before, asking(what === 'what was not asked for' ? 'display' : 'positive-delivery'))
    const changed = change(id)
    expect(changed !== id).toBe(what.startsWith('an id'))
    const after = restarted(before)
    await after.stanza(receipt(changed), '', from)
    expect(after.sip.take()).toEqual([])
  })
  test('RFC 5438 §14: by which servers a report is to go is not told outside; its report is let fall [5438-14.1]', async () => {
    const before = bothWays()
    const route = 'imdn.IMDN-Record-Route: <sip:relay.inside@capulet.example>'
    const id = await sent(before, asking('positive-delivery', [route]))
    expect(id).toMatch(/^[0-9a-f]{32}$/)
    const after = restarted(before)
    await after.stanza(receipt(id))
    expect(after.sip.take()).toEqual([])
  })
  test('a copy that came another way has the same id all the same', async () => {
    const at = bothWays()
    const request = asking('positive-delivery')
    const id = await sent(at, request)
    await at.request(request)
    expect(at.link.take()).toEqual([])
    expect(await sent(restarted(at), request)).toBe(id)
  })
  test('an IMDN of a SIP user is the receipt of the message, for all devices of who wrote it, once', async () => {
    const before = bothWays({ reports: 'always' })
    const correlationId = 'f'.repeat(32)
    await before.stanza(`<body>x</body>${REQUEST}`, "type='chat' id='m7'", undefined, correlationId)
    const id = imdnHeader(cpimOf(before.sip.take()[0]), 'Message-ID') ?? ''
    expect(id).toBe(correlationId)
    const after = restarted(before, { reports: 'always' })
    const other = report(id, 'delivery', 'delivered')
    await after.request(
      sipMessage({ from: '<sip:tybalt@capulet.example>', contentType: 'message/cpim', body: other.body, cseq: 998 }),
    )
    expect(after.link.take()).toEqual([])
    await after.request(report(id, 'delivery', 'delivered'))
    const stanza = only(after.link.take())
    expect(formatJid(stanza.to)).toBe('romeo@montague.example')
    expect(stanza).toMatchObject({ type: 'chat' })
    expect(parseReceipt(stanza.element)).toBe('m7')
    await after.request(report(id, 'delivery', 'delivered'))
    expect(after.link.take()).toEqual([])
  })
})
