import { parseIsComposing } from '@stox/sip'
import type { SipRequest } from '@stox/sip'
import { parseChatState } from '@stox/xmpp'
import { bothWays } from './both-ways.ts'
import type { BothWays } from './both-ways.ts'
import { respondTo, settle, sipMessage } from './stage.ts'

const STATES = 'http://jabber.org/protocol/chatstates'
const composing = (state: string, more = ''): SipRequest =>
  sipMessage({
    contentType: 'application/im-iscomposing+xml',
    body: `<isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>${state}</state>${more}</isComposing>`,
    cseq: (cseq += 1),
  })
let cseq = 100
const words = (text = 'hello'): SipRequest => sipMessage({ body: text, cseq: (cseq += 1) })
const told = (at: BothWays) => at.link.take().map((stanza) => [stanza.type, parseChatState(stanza.element)])
const asked = (at: BothWays) =>
  at.sip.take().map((request) => {
    const body = parseIsComposing(request.body)
    return body.ok ? body.value : request.headers.get('Content-Type')
  })

describe('mapping C.8, RFC 3994 to XEP-0085', () => {
  const shown = async (at: BothWays): Promise<void> => {
    await at.stanza(`<body>x</body><active xmlns='${STATES}'/>`)
    at.sip.take()
  }
  test('a contact who has shown no states is told none', async () => {
    const at = bothWays()
    expect((await at.request(composing('active'))).status).toBe(202)
    await at.stanza('<body>x</body>')
    await at.request(composing('active'))
    expect(told(at)).toEqual([])
  })
  test.each([
    ['active', 'composing'],
    ['idle', undefined],
    ['thinking', undefined],
  ])('the first %s is %s [3994-3.3.active 3994-3.5.1]', async (state, chatState) => {
    const at = bothWays()
    await shown(at)
    expect((await at.request(composing(state))).status).toBe(202)
    expect(told(at)).toEqual(chatState === undefined ? [] : [['chat', chatState]])
  })
  test('active, then idle; neither twice [3994-3.3.idle]', async () => {
    const at = bothWays()
    await shown(at)
    for (const state of ['active', 'active', 'idle', 'idle']) await at.request(composing(state))
    expect(told(at)).toEqual([
      ['chat', 'composing'],
      ['chat', 'active'],
    ])
  })
  test.each([
    ['RFC 3994 §3.3: the refresh it names', '<refresh>90</refresh>', 90],
    ['RFC 3994 §3.3: 120 s when it names none', '', 120],
    ['a refresh of nought is none', '<refresh>0</refresh>', 120],
    ['a very long one is cut', '<refresh>2000000</refresh>', 3600],
  ])('ends when its time is up: %s [3994-3.3.refresh]', async (_clause, more, seconds) => {
    const at = bothWays()
    await shown(at)
    await at.request(composing('active', more))
    at.time.advance((seconds - 1) * 1000)
    expect(told(at)).toEqual([['chat', 'composing']])
    at.time.advance(4000)
    expect(told(at)).toEqual([['chat', 'active']])
    expect(at.time.armed).toBe(0)
  })
  test('RFC 3994 §3.2: words end it, and carry active [3994-3.3.content]', async () => {
    const at = bothWays()
    await shown(at)
    await at.request(composing('active'))
    await at.request(words())
    at.time.advance(200_000)
    expect(told(at)).toEqual([
      ['chat', 'composing'],
      ['chat', 'active'],
    ])
    expect(at.time.armed).toBe(0)
  })
  test('XEP-0085 §5.6: with the thread they are in', async () => {
    const at = bothWays()
    await at.stanza(`<body>x</body><thread>t7</thread><active xmlns='${STATES}'/>`)
    await at.request(composing('active'))
    expect(at.link.take()[0]).toMatchObject({ thread: 't7', bodies: [] })
  })
  test('a contact who answers without a state is told no more', async () => {
    const at = bothWays()
    await shown(at)
    await at.stanza('<body>plain</body>')
    await at.request(composing('active'))
    await at.request(words())
    expect(told(at)).toEqual([['chat', undefined]])
  })
  test('XEP-0444: a reaction without a state is no answer in words', async () => {
    const at = bothWays({ reactions: true })
    await shown(at)
    await at.stanza(`<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>👋</reaction></reactions>`)
    await at.request(composing('active'))
    expect(told(at)).toEqual([['chat', 'composing']])
  })
  test('is no row of the journal', async () => {
    const at = bothWays()
    await shown(at)
    await at.request(composing('active'))
    expect((await at.store.journal.find({ limit: 10 })).items).toHaveLength(1)
  })
  test('whose typing was told is told to have stopped when the gateway stops', async () => {
    const at = bothWays()
    await shown(at)
    await at.request(composing('active'))
    await at.besides.typing.end()
    expect(told(at)).toEqual([
      ['chat', 'composing'],
      ['chat', 'active'],
    ])
    expect(at.time.armed).toBe(0)
    await at.besides.typing.end()
    expect(told(at)).toEqual([])
  })
  test('close ends every timer', async () => {
    const at = bothWays()
    await shown(at)
    await at.request(composing('active'))
    at.besides.typing.close()
    expect(at.time.armed).toBe(0)
  })
})

describe('mapping C.8, XEP-0085 to RFC 3994', () => {
  const state = (name: string) => `<${name} xmlns='${STATES}'/>`
  test('RFC 3994 §7: only in answer to words of the last ten minutes [3994-7.1 3994-3.2.compose 3994-3.2.interval]', async () => {
    const at = bothWays()
    await at.stanza(state('composing'))
    expect(asked(at)).toEqual([])
    await at.request(words())
    await at.stanza(state('composing'))
    expect(asked(at)).toMatchObject([{ state: 'active', refreshS: 60 }])
    at.time.advance(601_000)
    await at.stanza(state('composing'))
    expect(asked(at)).toEqual([])
  })
  test.each([
    ['composing', ['active']],
    ['active', []],
    ['paused', []],
    ['inactive', []],
    ['gone', []],
  ])('%s alone', async (name, states) => {
    const at = bothWays()
    await at.request(words())
    await at.stanza(state(name))
    expect(asked(at).map((one) => typeof one === 'object' && one.state)).toEqual(states)
  })
  test.each([
    ['active', ['active', 'idle']],
    ['paused', ['active', 'idle']],
    ['inactive', ['active', 'idle']],
    ['gone', ['active']],
    ['composing', ['active']],
  ])('composing, then %s [3994-3.2.idle]', async (name, states) => {
    const at = bothWays()
    await at.request(words())
    await at.stanza(state('composing'))
    await at.stanza(state(name))
    expect(asked(at).map((one) => typeof one === 'object' && one.state)).toEqual(states)
  })
  test('who goes on typing is told again before it lapses, and no sooner [3994-3.2.refresh]', async () => {
    const at = bothWays()
    await at.request(words())
    for (let half = 0; half < 4; half += 1) {
      await at.stanza(state('composing'))
      at.time.advance(16_000)
    }
    expect(asked(at)).toHaveLength(2)
  })
  test('RFC 3994 §3.2: after words nothing is said [3994-3.2.content]', async () => {
    const at = bothWays()
    await at.request(words())
    await at.stanza(state('composing'))
    await at.stanza(`<body>there</body>${state('active')}`)
    await at.stanza(state('paused'))
    expect(asked(at)).toMatchObject([{ state: 'active' }, expect.stringContaining('text/plain')])
  })
  test('RFC 3994 §4: 415 is remembered for a day, or until he sends one himself [3994-4.1]', async () => {
    const at = bothWays()
    at.sip.answer = (request) => respondTo(request, 415)
    await at.request(words())
    expect(await at.stanza(state('composing'))).toEqual({ kind: 'absorbed', reason: 'no-content' })
    at.time.advance(120_000)
    await at.stanza(state('composing'))
    expect(asked(at)).toHaveLength(1)
    await at.request(composing('idle'))
    await at.stanza(state('composing'))
    expect(asked(at)).toHaveLength(1)
  })
  test('C.7: dropped where words wait behind it', async () => {
    const at = bothWays()
    await at.request(words())
    let open: () => void = () => undefined
    const opened = new Promise<void>((resolve) => (open = resolve))
    at.sip.answer = async (request) => {
      await opened
      return respondTo(request, 200)
    }
    const all = [at.stanza('<body>1</body>'), at.stanza(state('composing')), at.stanza('<body>2</body>')]
    await settle()
    open()
    await Promise.all(all)
    expect(at.bodies()).toEqual(['1', '2'])
  })
  test('a typing that cannot be sent is nobody’s error', async () => {
    const at = bothWays()
    at.sip.answer = (request) => respondTo(request, 480)
    await at.request(words())
    expect(await at.stanza(state('composing'))).toEqual({ kind: 'absorbed', reason: 'no-content' })
  })
})

describe('the switches', () => {
  test.each([
    ['the partner’s feature', {}, { features: { typing: false } }],
    ['the domain’s rule', { typing: false }, {}],
  ])('%s', async (_which, messages, partner) => {
    const at = bothWays(messages, partner)
    await at.stanza(`<body>x</body><active xmlns='${STATES}'/>`)
    await at.request(words())
    at.sip.take()
    expect(told(at)).toEqual([['chat', undefined]])
    await at.stanza(`<composing xmlns='${STATES}'/>`)
    await at.request(composing('active'))
    expect([told(at), asked(at)]).toEqual([[], []])
  })
})
