import { lossyUtf8Text, silentLog } from '@stox/kernel'
import { formatSipMessage, parseMediaType, parseMultipart, parseSipMessage } from '@stox/sip'
import { formatJid, parseJid } from '@stox/xmpp'
import * as fc from 'fast-check'
import { OpaqueGruus } from '../src/opaque-gruus.ts'
import { bothWays } from './both-ways.ts'
import { hashes, respondTo, sipMessage } from './stage.ts'

const jidOf = (text: string) => {
  const jid = parseJid(text)
  if (!jid.ok) throw new Error(text)
  return jid.value
}

describe('mapping G.8: what goes round [7247-8.3]', () => {
  const written = (cseq: number, body: string, agent: string) =>
    sipMessage({ cseq, body, callId: `c${cseq}`, headers: [['User-Agent', agent]] })
  test('the sixth alike from a gateway within ten seconds is 482', async () => {
    const at = bothWays()
    const statuses: number[] = []
    for (let cseq = 1; cseq <= 7; cseq += 1) statuses.push((await at.request(written(cseq, 'x', 'stox'))).status)
    expect(statuses).toEqual([202, 202, 202, 202, 202, 482, 482])
    expect((await at.request(written(8, 'y', 'stox'))).status).toBe(202)
    at.time.advance(10_001)
    expect((await at.request(written(9, 'x', 'stox'))).status).toBe(202)
  })
  test('a person may say the same as often as he likes', async () => {
    const at = bothWays()
    for (let cseq = 1; cseq <= 20; cseq += 1) expect((await at.request(written(cseq, 'ok', 'phone'))).status).toBe(202)
  })
})

describe('mapping B.2: Retry-After', () => {
  test('who said when is not asked before; when he writes he is there', async () => {
    const at = bothWays()
    at.sip.answer = (request) => respondTo(request, 480, [['Retry-After', '60']])
    expect(await at.stanza('<body>1</body>')).toMatchObject({ failure: { retryAfterS: 60 } })
    at.sip.answer = (request) => respondTo(request, 200)
    at.time.advance(20_000)
    expect(await at.stanza('<body>2</body>')).toMatchObject({
      failure: { condition: 'recipient-unavailable', errorType: 'wait', retryAfterS: 40 },
    })
    expect(at.sip.sent).toHaveLength(1)
    at.time.advance(41_000)
    expect(await at.stanza('<body>3</body>')).toMatchObject({ kind: 'delivered' })
    at.sip.answer = (request) => respondTo(request, 503, [['Retry-After', '9999']])
    await at.stanza('<body>4</body>')
    at.sip.answer = (request) => respondTo(request, 200)
    await at.request(sipMessage({}))
    expect(await at.stanza('<body>5</body>')).toMatchObject({ kind: 'delivered' })
  })
})

describe('mapping A.5: opaque', () => {
  const gruus = () => new OpaqueGruus(hashes, () => 'secret')
  const full = jidOf('romeo@montague.example/Conversations.Aa1+/=')
  test('a token that says nothing, always the same, and the way back', () => {
    const some = gruus()
    const token = some.tokenOf(full)
    expect(token).toMatch(/^[0-9a-f]{20}$/)
    expect([some.tokenOf(full), gruus().tokenOf(full)]).toEqual([token, token])
    expect(some.resolve({ ...full, resource: token })).toEqual(full)
    expect(some.tokenOf(jidOf('tybalt@montague.example/Conversations.Aa1+/='))).not.toBe(token)
  })
  test('a token nobody knows is the bare address, and one of another address too', () => {
    const some = gruus()
    const token = some.tokenOf(full)
    expect(some.resolve(jidOf('romeo@montague.example/0123')).resource).toBeUndefined()
    expect(some.resolve(jidOf(`tybalt@montague.example/${token}`)).resource).toBeUndefined()
  })
  test('in From, and back in the Request-URI', async () => {
    const at = bothWays({}, {}, {}, { opaque: true })
    await at.stanza('<body>x</body>')
    const [request] = at.sip.take()
    expect(request?.headers.get('From')).toMatch(/<sip:romeo@montague\.example;gr=[0-9a-f]{20}>/)
    const gr = request?.core.from.uri.params.get('gr') ?? ''
    await at.request(sipMessage({ uri: `sip:romeo@montague.example;gr=${gr}` }))
    expect(formatJid(at.link.take()[0]!.to)).toBe('romeo@montague.example/orchard')
  })
})

describe('RFC 3325: P-Asserted-Identity', () => {
  const from = async (headers: readonly (readonly [string, string])[], believes: boolean, sender?: string) => {
    const at = bothWays({}, {}, { assertedIdentity: believes })
    const response = await at.request(sipMessage({ headers, ...(sender === undefined ? {} : { from: sender }) }))
    const [stanza] = at.link.take()
    return stanza === undefined ? response.status : formatJid(stanza.from)
  }
  const asserted = ['P-Asserted-Identity', '"Nurse" <sip:nurse@capulet.example>'] as const
  test.each([
    ['where it is not believed', [asserted], false, undefined, 'juliet@capulet.example'],
    ['where it is', [asserted], true, undefined, 'nurse@capulet.example'],
    [
      'of several, the first in sip',
      [['P-Asserted-Identity', '<tel:+15551234567>, <sip:nurse@capulet.example>']],
      true,
      undefined,
      'nurse@capulet.example',
    ],
    ['which is to be kept', [asserted, ['Privacy', 'id']], true, undefined, 'juliet@capulet.example'],
    [
      'which is to be kept, of an anonymous',
      [asserted, ['Privacy', 'id']],
      true,
      '<sip:anonymous@anonymous.invalid>',
      403,
    ],
    ['that is no address', [['P-Asserted-Identity', '<<']], true, undefined, 'juliet@capulet.example'],
    [
      'of a domain that is not served',
      [['P-Asserted-Identity', '<sip:x@evil.example>']],
      true,
      undefined,
      'juliet@capulet.example',
    ],
    ['for a tel From', [asserted], true, '<tel:+15551234567>', 'nurse@capulet.example'],
  ] as const)('%s', async (_where, headers, believes, sender, who) =>
    expect(await from(headers, believes, sender)).toBe(who),
  )
})

describe('what some servers ask for', () => {
  test.each([
    ['generic', undefined, undefined],
    ['kamailio', undefined, undefined],
    ['lync', '<sip:romeo@montague.example>', '<sip:romeo@127.0.0.1:5098;transport=tcp>'],
  ])('%s', async (profile, asserted, contact) => {
    const at = bothWays({}, {}, { profile })
    await at.stanza('<body>x</body>')
    const [request] = at.sip.take()
    expect([request?.headers.get('P-Asserted-Identity'), request?.headers.get('Contact')]).toEqual([asserted, contact])
  })
})

describe('mapping C.12: hostile words', () => {
  const evil = fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `${text}\r\nEvil: x\0\u202E"<>&]]>`)
  const escape = (text: string) =>
    text.replace(/[&<>'"\r]/g, (one) => `&#${one.charCodeAt(0)};`).replace(/[^\t\n\r -\uD7FF\uE000-\uFFFD]/g, '?')
  test('whatever an XMPP user writes, one request is made of it, with our headers alone', () =>
    fc.assert(
      fc.asyncProperty(evil, evil, evil, async (subject, thread, nick) => {
        const at = bothWays({ reports: 'always', html: 'always' })
        await at.stanza(
          `<body>${escape(subject)}x</body><subject>${escape(subject)}</subject><thread>${escape(thread)}</thread><nick xmlns='http://jabber.org/protocol/nick'>${escape(nick)}</nick><request xmlns='urn:xmpp:receipts'/>`,
          `type='chat' id='${escape(nick)}' xml:lang='${escape(thread)}'`,
        )
        const [request] = at.sip.take()
        if (request === undefined) throw new Error('nothing sent')
        const bytes = formatSipMessage({
          ...request,
          headers: request.headers.prepend('Via', 'SIP/2.0/TCP 127.0.0.1:5098;branch=z9hG4bKx'),
        })
        const parsed = parseSipMessage(bytes, 'datagram')
        if (!parsed.ok) throw new Error(parsed.failure.detail)
        expect(parsed.value.headers.has('Evil')).toBe(false)
        expect(lossyUtf8Text(bytes).split('\r\n\r\n')[0]).not.toMatch(/^Evil|\0|^From:.*\u202E/m)
      }),
      { numRuns: 40 },
    ))
  test.each<[string, number, (words: string) => string]>([
    ['in another language', 2, (words) => `<body>hello</body><body xml:lang='de'>x${words}</body>`],
    ['in a language of his own', 0, (words) => `<body>hello</body><body xml:lang='${words}'>Hallo</body>`],
    ['in an invitation', 0, (words) => `<x xmlns='jabber:x:conference' jid='r@rooms.example' reason='${words}'/>`],
    [
      'in a reaction',
      0,
      (words) =>
        `<reactions xmlns='urn:xmpp:reactions:0' id='${words}'><reaction>${words.slice(0, 20)}</reaction></reactions>`,
    ],
  ])('whatever he writes %s, too', (_where, parts, content) =>
    fc.assert(
      fc.asyncProperty(evil, async (words) => {
        const at = bothWays({ allLanguages: 'always', invitations: true, reactions: true })
        await at.stanza(content(escape(words)), "type='chat' id='m1' xml:lang='en'")
        for (const request of at.sip.take()) {
          const bytes = formatSipMessage({
            ...request,
            headers: request.headers.prepend('Via', 'SIP/2.0/TCP 127.0.0.1:5098;branch=z9hG4bKx'),
          })
          const parsed = parseSipMessage(bytes, 'datagram')
          if (!parsed.ok) throw new Error(parsed.failure.detail)
          expect(lossyUtf8Text(bytes).split('\r\n\r\n')[0]).not.toMatch(/^Evil|\0/m)
          const media = parseMediaType(request.headers.get('Content-Type') ?? '')
          const body =
            media.ok && media.value.type !== 'text/plain' ? parseMultipart(request.body, media.value) : undefined
          if (parts > 0) expect(body?.ok === true && body.value.parts).toHaveLength(parts)
        }
      }),
      { numRuns: 40 },
    ),
  )
  test('whatever a SIP user writes, one stanza is made of it', () =>
    fc.assert(
      fc.asyncProperty(evil, evil, fc.constantFrom('text/plain', 'text/html'), async (body, subject, contentType) => {
        const at = bothWays()
        const clean = subject.replace(/[\r\n\0]/g, ' ')
        const response = await at.request(
          sipMessage({
            body,
            contentType,
            headers: [
              ['Subject', clean],
              ['Content-Language', clean],
            ],
          }),
        )
        // `take` reads the stanzas strictly; a body of nothing but white space makes none.
        const stanzas = at.link.take()
        expect(response.status).toBeLessThan(300)
        expect(stanzas.length).toBeLessThan(2)
      }),
      { numRuns: 40 },
    ))
})

test.each([
  [482, true],
  [483, true],
  [404, false],
])('mapping B.2: %d is told to the administrator: %s', async (status, told) => {
  const warned: string[] = []
  const at = bothWays({}, {}, {}, { log: { ...silentLog, warn: (event) => void warned.push(event) } })
  at.sip.answer = (request) => respondTo(request, status)
  await at.stanza('<body>x</body>')
  expect(warned).toEqual(told ? ['sip-loop'] : [])
})
