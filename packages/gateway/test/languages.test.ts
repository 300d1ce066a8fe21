import { parseMediaType, parseMultipart } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { lossyUtf8Text } from '@stox/kernel'
import { bothWays } from './both-ways.ts'
import type { BothWays } from './both-ways.ts'
import { respondTo, sipMessage } from './stage.ts'

const SEVERAL = `<subject xml:lang='de'>Gruß</subject><subject>greeting</subject><body xml:lang='de'>Hallo</body><body>hello</body>`
const ENGLISH = `type='chat' id='m1' xml:lang='en'`
const REQUEST = `<request xmlns='urn:xmpp:receipts'/>`
/** The type of a request, its language, and its words or the words of its parts. */
function seen(request: SipRequest | undefined) {
  if (request === undefined) throw new Error('no request')
  const media = parseMediaType(request.headers.get('Content-Type') ?? '')
  if (!media.ok) throw new Error('no type')
  const parts = media.value.type.startsWith('multipart/') ? parseMultipart(request.body, media.value) : undefined
  const words =
    parts?.ok === true
      ? parts.value.parts.map((part) => (part.kind === 'part' ? lossyUtf8Text(part.body) : part.kind))
      : lossyUtf8Text(request.body)
  return [media.value.type, request.headers.get('Content-Language'), words]
}
const all = (at: BothWays) => at.sip.take().map(seen)
const PLAIN = ['text/plain', 'en', 'hello']
const BOTH = ['multipart/alternative', 'en, de', ['Hallo', 'hello']]
const alternatives = (cseq: number): SipRequest =>
  sipMessage({
    cseq,
    contentType: 'multipart/alternative;boundary=b',
    body: [
      ...['--b', 'Content-Type: text/plain', 'Content-Language: cs', '', 'Ahoj'],
      ...['--b', 'Content-Type: text/plain', 'Content-Language: en', '', 'hello', '--b--', ''],
    ].join('\r\n'),
  })

describe('mapping C.2, RFC 7572 §8: several bodies and subjects, to SIP [7572-8.1]', () => {
  test.each([
    ['that of the domain’s users', ['fr', 'de-AT'], ['text/plain', 'de', 'Hallo'], 'Gruß'],
    ['without one, that which names none', [], PLAIN, 'greeting'],
  ])('%s', async (_what, languages, request, subject) => {
    const at = bothWays({ languages })
    expect(await at.stanza(SEVERAL, ENGLISH)).toMatchObject({ kind: 'delivered' })
    expect(at.sip.sent.map((one) => one.request.headers.get('Subject'))).toEqual([subject])
    expect(all(at)).toEqual([request])
  })
  test.each([
    ['never', PLAIN],
    ['always', BOTH],
  ])('as an alternative of all: %s', async (allLanguages, request) => {
    const at = bothWays({ allLanguages })
    await at.stanza(SEVERAL, ENGLISH)
    expect(all(at)).toEqual([request])
  })
  test('the chosen one is the last, which is the best', async () => {
    const at = bothWays({ allLanguages: 'always', languages: ['de'] })
    await at.stanza(SEVERAL, ENGLISH)
    expect(all(at)).toEqual([['multipart/alternative', 'de, en', ['hello', 'Hallo']]])
  })
  test('learned: only to who has sent one himself', async () => {
    const at = bothWays({ allLanguages: 'learned' })
    await at.stanza(SEVERAL, ENGLISH)
    await at.request(alternatives(2))
    await at.stanza(SEVERAL, ENGLISH)
    expect(all(at)).toEqual([PLAIN, BOTH])
  })
  test('415: the chosen one again as plain text, and it is remembered for a day', async () => {
    const at = bothWays({ allLanguages: 'always' })
    at.sip.answer = (request) =>
      respondTo(request, request.headers.get('Content-Type')?.startsWith('multipart/') === true ? 415 : 200)
    expect(await at.stanza(`${SEVERAL}<thread>t</thread>`, ENGLISH)).toMatchObject({ kind: 'delivered', status: 200 })
    await at.stanza(SEVERAL, ENGLISH)
    expect(at.sip.sent.slice(0, 2).map(({ request }) => request.core.cseq.number)).toEqual([1, 2])
    expect(all(at)).toEqual([BOTH, PLAIN, PLAIN])
    at.time.advance(25 * 3_600_000)
    await at.stanza(SEVERAL, ENGLISH)
    expect(seen(at.sip.take()[0])).toEqual(BOTH)
  })
  test.each([
    ['in one language', '<body>hello</body>', PLAIN],
    ['whose other body is blank', `<body xml:lang='de'> </body><body>hello</body>`, PLAIN],
    ['that is too long so', `<body xml:lang='de'>${'x'.repeat(900)}</body><body>hello</body>`, PLAIN],
  ])('a message %s is plain', async (_what, content, request) => {
    const at = bothWays({ allLanguages: 'always' }, {}, { congestionSafe: false })
    await at.stanza(content, ENGLISH)
    expect(all(at)).toEqual([request])
  })
  test('C.9: who is asked for a report gets the chosen one in CPIM', async () => {
    const at = bothWays({ allLanguages: 'always', reports: 'always' })
    await at.stanza(`${SEVERAL}${REQUEST}`, ENGLISH)
    const [[type, , words] = []] = all(at)
    expect([type, String(words).includes('hello'), String(words).includes('Hallo')]).toEqual([
      'message/cpim',
      true,
      false,
    ])
  })
})

describe('mapping C.9: what the servers of a domain say that they take', () => {
  const ASKING = `<body>x</body>${REQUEST}`
  const servers = (...accepts: readonly (readonly string[])[]) => new Map([['capulet.example', accepts]])
  const typesOf = async (at: BothWays, content = ASKING): Promise<readonly unknown[]> => {
    await at.stanza(content, ENGLISH)
    return all(at).map(([type]) => type)
  }
  test.each<[string, Readonly<Record<string, string>>, readonly (readonly string[])[], string]>([
    ['one that names it', {}, [['text/plain', 'Message/CPIM;charset=utf-8']], 'message/cpim'],
    ['all of them name it', {}, [['message/cpim'], ['message/cpim', 'text/html']], 'message/cpim'],
    ['one of them does not', {}, [['message/cpim'], ['text/plain']], 'text/plain'],
    ['one has not said', {}, [['message/cpim'], []], 'text/plain'],
    ['anything is nothing', {}, [['*/*']], 'text/plain'],
    ['q=0 is a refusal', {}, [['message/cpim;q=0.0']], 'text/plain'],
    ['where the domain says never', { reports: 'never' }, [['message/cpim']], 'text/plain'],
    ['of another domain', {}, [], 'text/plain'],
  ])('learned: %s', async (_what, messages, accepts, type) => {
    const at = bothWays(messages)
    at.besides.abilities.noteServers(servers(...accepts))
    expect(await typesOf(at)).toEqual([type])
  })
  test('HTML and alternatives where the domain wants them learned', async () => {
    const at = bothWays({ html: 'learned', allLanguages: 'learned' })
    at.besides.abilities.noteServers(servers(['text/html', 'multipart/alternative']))
    const html = `<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body></html>`
    expect(await typesOf(at, `<body>x</body>${html}`)).toEqual(['text/html'])
    expect(await typesOf(at, SEVERAL)).toEqual(['multipart/alternative'])
  })
  test('a user who refuses knows better; what they say no more is forgotten', async () => {
    const at = bothWays()
    at.besides.abilities.noteServers(servers(['message/cpim']))
    at.sip.answer = (request) => respondTo(request, request.headers.get('Content-Type') === 'message/cpim' ? 415 : 200)
    expect(await typesOf(at)).toEqual(['message/cpim', 'text/plain'])
    expect(await typesOf(at)).toEqual(['text/plain'])
    at.time.advance(25 * 3_600_000)
    at.besides.abilities.noteServers(servers(['text/plain']))
    expect(await typesOf(at)).toEqual(['text/plain'])
  })
})

describe('mapping C.5, RFC 6121 §5.2.3: an alternative of languages, to XMPP [7572-8.2]', () => {
  test('is a body for each, the best that of the stanza', async () => {
    const at = bothWays()
    expect((await at.request(alternatives(1))).status).toBe(202)
    expect(at.link.take()).toMatchObject([
      {
        lang: 'en',
        bodies: [
          { lang: 'en', text: 'hello' },
          { lang: 'cs', text: 'Ahoj' },
        ],
      },
    ])
  })
})
