import type { ReceivingWorld, StanzaCounts, StreamEffect, StreamRules } from '@stox/xmpp-engine'
import {
  CERTIFIED,
  RULES,
  THEM,
  US,
  header,
  initiator,
  initiatingWorld,
  kindsOf,
  ofKind,
  receiver,
  receivingWorld,
  writtenIn,
} from './support.ts'

const SM = `xmlns='urn:xmpp:sm:3'`
const ENABLE = `<enable ${SM}/>`
const message = (more = '', attributes = `from='${THEM}' to='${US}'`) =>
  `<message ${attributes} id='m1'>${more}</message>`
const streamErrorIn = (effects: readonly StreamEffect[]) =>
  /<stream:error[^>]*><([a-z-]+)/.exec(writtenIn(effects))?.[1]

const counts = { handled: 0, sent: 0, acknowledged: 0 }
beforeEach(() => Object.assign(counts, { handled: 0, sent: 0, acknowledged: 0 } satisfies StanzaCounts))

const opened = (changes: Partial<ReceivingWorld> = {}) => {
  const stream = receiver(receivingWorld(RULES.tlsOptional, { counts, ...changes }))
  stream.receive(header({}))
  return stream
}
const proven = () => {
  const stream = opened()
  stream.receive(`<db:result from='${THEM}' to='${US}'>k</db:result>`)
  stream.input({ kind: 'dialback-verdict', local: US, remote: THEM, verdict: { type: 'valid' }, encrypted: false })
  return stream
}
const managed = () => {
  const stream = proven()
  stream.receive(ENABLE)
  return stream
}

describe('XEP-0198 §2, the offer', () => {
  test('after SASL', () => {
    const stream = receiver(receivingWorld(RULES.saslOnly, { judgeCertificate: () => CERTIFIED }))
    stream.receive(`${header({})}<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
    stream.secure()
    expect(writtenIn(stream.receive(header({})))).not.toContain('urn:xmpp:sm:3')
    stream.receive(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>`)
    expect(writtenIn(stream.receive(header({})))).toContain(`<sm ${SM}/>`)
  })

  test('with dialback, which has no features of its own after it', () => {
    expect(writtenIn(opened().all)).toContain(`<sm ${SM}/>`)
  })

  test('to a peer from before XMPP 1.0 there are no features, and it may ask all the same', () => {
    const stream = receiver(receivingWorld(RULES.tlsNotSupported, { counts }))
    expect(writtenIn(stream.receive(header({ version: undefined })))).not.toContain('sm:3')
    stream.receive(`<db:result from='${THEM}' to='${US}'>k</db:result>`)
    stream.input({ kind: 'dialback-verdict', local: US, remote: THEM, verdict: { type: 'valid' }, encrypted: false })
    expect(writtenIn(stream.receive(ENABLE))).toBe(`<enabled ${SM}/>`)
  })
})

describe('XEP-0198 §3, §5: to turn it on', () => {
  test.each([
    ['plainly', ENABLE],
    ['with the wish to resume, which is not granted', `<enable ${SM} resume='true' max='600'/>`],
  ])('%s: counting begins behind it', (_name, enable) => {
    const effects = proven().receive(enable)
    expect(effects).toEqual([
      { kind: 'write', text: `<enabled ${SM}/>` },
      { kind: 'managed', theirs: true, ours: true },
    ])
  })

  test('before authentication: refused, and the stream goes on', () => {
    const effects = opened().receive(ENABLE)
    expect(writtenIn(effects)).toMatch(/^<failed xmlns='urn:xmpp:sm:3'><unexpected-request [^>]*\/><\/failed>$/)
    expect(kindsOf(effects)).toEqual(['write'])
  })

  test('to resume: not here', () => {
    const effects = proven().receive(`<resume ${SM} previd='x' h='0'/>`)
    expect(writtenIn(effects)).toMatch(/^<failed xmlns='urn:xmpp:sm:3'><feature-not-implemented /)
  })

  test.each([
    ['a second time', managed, ENABLE, 'policy-violation'],
    ['a request without it', proven, `<r ${SM}/>`, 'unsupported-stanza-type'],
    ['an answer without it', proven, `<a ${SM} h='0'/>`, 'unsupported-stanza-type'],
    ['an answer to an offer that we never took', managed, `<enabled ${SM}/>`, 'unsupported-stanza-type'],
    ['something else in its namespace', managed, `<b ${SM}/>`, 'unsupported-stanza-type'],
  ] as const)('%s is a stream error', (_name, stream, said, condition) => {
    const effects = stream().receive(said)
    expect([streamErrorIn(effects), ofKind(effects, 'refused')[0]?.refusal]).toEqual([condition, 'stream-management'])
    expect(kindsOf(effects).slice(-2)).toEqual(['ended', 'hang-up'])
  })
})

describe('XEP-0198 §4: how far we are', () => {
  test('a request is answered at once, with what has its outcome', () => {
    const stream = managed()
    expect(ofKind(stream.receive(message() + message()), 'stanza')).toHaveLength(2)
    counts.handled = 1
    expect(stream.receive(`<r ${SM}/>`)).toEqual([{ kind: 'write', text: `<a ${SM} h='1'/>` }, { kind: 'asked' }])
  })

  test('and without being asked', () => {
    const stream = managed()
    counts.handled = 7
    expect(stream.input({ kind: 'acknowledge' })).toEqual([{ kind: 'write', text: `<a ${SM} h='7'/>` }])
    expect(proven().input({ kind: 'acknowledge' })).toEqual([])
  })

  test('the count begins again at 2^32', () => {
    const stream = managed()
    counts.handled = 2 ** 32 + 3
    expect(writtenIn(stream.receive(`<r ${SM}/>`))).toBe(`<a ${SM} h='3'/>`)
  })

  test.each([
    ['one that is answered', message(`<error/>`, `from='${THEM}' to='${US}' type='error'`)],
    ['an iq without its id', `<iq from='${THEM}' to='${US}' type='get'><q xmlns='x'/></iq>`],
    ['a result that is broken', `<iq from='${THEM}' to='${US}' type='result'><q xmlns='x'/><q xmlns='x'/></iq>`],
  ])('each stanza counts, also a broken one that goes no further: %s', (_name, xml) => {
    const effects = managed().receive(xml)
    expect(ofKind(effects, 'stanza').length + ofKind(effects, 'handled').length).toBe(1)
  })

  test('nothing else counts', () => {
    const effects = managed().receive(`<r ${SM}/> <db:verify from='${THEM}' to='${US}' id='x'>k</db:verify>`)
    expect(kindsOf(effects)).not.toContain('handled')
  })
})

describe('XEP-0198 §4, §6: how far the peer is', () => {
  test.each([
    ['nothing new', 0, 0, '0'],
    ['all', 5, 2, '5'],
    ['some', 5, 2, '4'],
    ['over the turn of the count', 2 ** 32 + 5, 2 ** 32 - 2, '1'],
  ])('%s', (_name, sent, acknowledged, h) => {
    const stream = managed()
    Object.assign(counts, { sent, acknowledged })
    expect(streamErrorIn(stream.receive(`<a ${SM} h='${h}'/>`))).toBeUndefined()
  })

  test.each([
    ['more than was sent', 5, 2, '6'],
    ['anything, where nothing was sent', 0, 0, '1'],
    ['less than before', 5, 2, '1'],
  ])('%s: handled-count-too-high', (_name, sent, acknowledged, h) => {
    const stream = managed()
    Object.assign(counts, { sent, acknowledged })
    const effects = stream.receive(`<a ${SM} h='${h}'/>`)
    expect(writtenIn(effects)).toMatch(
      new RegExp(
        `<undefined-condition [^>]*/><handled-count-too-high ${SM} h='${h}' send-count='${sent}'/></stream:error></stream:stream>$`,
      ),
    )
    expect(ofKind(effects, 'ended')).toMatchObject([
      { failure: { kind: 'protocol', condition: 'undefined-condition' } },
    ])
  })

  test.each(['', `h='many'`, `h='-1'`, `h='4294967296'`, `h='1e3'`])('an answer without a count: %s', (h) => {
    expect(streamErrorIn(managed().receive(`<a ${SM} ${h}/>`))).toBe('invalid-xml')
  })
})

describe('XEP-0198 §7: at the end we say how far we are', () => {
  const LAST = `<a ${SM} h='4'/>`

  test.each([
    ['we close it', { kind: 'close' }, `${LAST}</stream:stream>`],
    [
      'we close it with an error',
      { kind: 'close', error: { condition: 'system-shutdown', text: undefined } },
      `${LAST}<stream:error>`,
    ],
  ] as const)('%s', (_name, input, text) => {
    const stream = managed()
    counts.handled = 4
    expect(writtenIn(stream.input(input))).toContain(text)
  })

  test.each([
    ['the peer closes it', '</stream:stream>'],
    [
      'the peer closes it with an error',
      `<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
    ],
    ['the peer does something wrong', '<unheard-of/>'],
  ])('%s', (_name, said) => {
    const stream = managed()
    counts.handled = 4
    expect(writtenIn(stream.receive(said))).toContain(LAST)
  })

  test('what comes behind our end is not taken, since it could not be acknowledged', () => {
    const stream = managed()
    stream.input({ kind: 'close' })
    expect(stream.receive(message())).toEqual([])
    expect(stream.receive('</stream:stream>')).toContainEqual({ kind: 'hang-up' })
  })

  test('without it, what comes behind our end is taken', () => {
    const stream = proven()
    stream.input({ kind: 'close' })
    expect(kindsOf(stream.receive(message()))).toEqual(['stanza'])
  })

  test('to drain: with it, nothing is taken and the stream stands; without it, our side is closed', () => {
    const stream = managed()
    expect(stream.input({ kind: 'drain' })).toEqual([])
    expect(stream.receive(message())).toEqual([])
    counts.handled = 4
    expect(writtenIn(stream.receive(`<r ${SM}/>`))).toBe(LAST)
    expect(writtenIn(stream.input({ kind: 'close' }))).toBe(`${LAST}</stream:stream>`)
    expect(writtenIn(proven().input({ kind: 'drain' }))).toBe('</stream:stream>')
  })
})

describe('outbound', () => {
  const FEATURES = `<stream:features><dialback xmlns='urn:xmpp:features:dialback'/><sm ${SM}/></stream:features>`
  const dialed = (features = FEATURES, rules: StreamRules = RULES.tlsNotSupported) => {
    const stream = initiator(initiatingWorld(rules, { counts }))
    stream.receive(header({ from: THEM, to: US, id: 'x' }) + features)
    return stream
  }
  const ready = (features = FEATURES) => {
    const stream = dialed(features)
    return { stream, effects: stream.receive(`<db:result from='${THEM}' to='${US}' type='valid'/>`) }
  }
  const on = () => {
    const { stream } = ready()
    stream.receive(`<enabled ${SM}/>`)
    return stream
  }

  test('§3: offered before dialback, asked for after it, and what we send behind it counts', () => {
    const { effects } = ready()
    const kinds = kindsOf(effects)
    expect(writtenIn(effects)).toBe(ENABLE)
    expect(effects).toContainEqual({ kind: 'managed', theirs: false, ours: true })
    expect(kinds.indexOf('write')).toBeLessThan(kinds.indexOf('ready'))
  })

  test('§3: offered after SASL', () => {
    const world = initiatingWorld(RULES.saslOnly, { counts, judgeCertificate: () => CERTIFIED })
    const stream = initiator(world)
    stream.receive(
      `${header({ from: THEM, to: US, id: 'x' })}<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`,
    )
    stream.receive(`<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`)
    stream.secure()
    const SASL = `xmlns='urn:ietf:params:xml:ns:xmpp-sasl'`
    stream.receive(
      `${header({ from: THEM, to: US, id: 'y' })}<stream:features><mechanisms ${SASL}><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>`,
    )
    stream.receive(`<success ${SASL}/>`)
    const opening = header({ from: THEM, to: US, id: 'z' })
    expect(writtenIn(stream.receive(`${opening}<stream:features><sm ${SM}/></stream:features>`))).toBe(ENABLE)
  })

  test('not offered: not asked for', () => {
    expect(writtenIn(ready('<stream:features/>').effects)).toBe('')
  })

  test('§3: the answer', () => {
    const { stream } = ready()
    expect(stream.receive(`<enabled ${SM}/>`)).toEqual([{ kind: 'managed', theirs: true, ours: false }])
  })

  test('§3: refused, and the stream goes on without it', () => {
    const { stream } = ready()
    expect(stream.receive(`<failed ${SM}/>`)).toEqual([{ kind: 'unmanaged' }])
    expect(writtenIn(stream.input({ kind: 'close' }))).toBe('</stream:stream>')
  })

  test('§4: the count of the peer', () => {
    const stream = on()
    Object.assign(counts, { sent: 5, acknowledged: 2 })
    expect(stream.receive(`<a ${SM} h='4'/>`)).toEqual([{ kind: 'acknowledged', count: 2 }])
    const effects = stream.receive(`<a ${SM} h='6'/>`)
    expect(writtenIn(effects)).toMatch(
      /<handled-count-too-high [^>]*h='6' send-count='5'\/><\/stream:error><\/stream:stream>$/,
    )
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: 'stream-management' }])
  })

  test('§4: our count is nothing, as we take nothing on a stream of ours', () => {
    expect(writtenIn(on().receive(`<r ${SM}/>`))).toBe(`<a ${SM} h='0'/>`)
  })

  test.each([
    ['an answer to nothing', () => ready('<stream:features/>').stream, `<enabled ${SM}/>`],
    ['a second answer', on, `<enabled ${SM}/>`],
    ['a wish that is ours alone', on, `<enable ${SM}/>`],
    ['a count where none was asked for', () => ready('<stream:features/>').stream, `<a ${SM} h='0'/>`],
    ['before authentication', dialed, `<enabled ${SM}/>`],
  ] as const)('%s is a stream error', (_name, stream, said) => {
    expect(streamErrorIn(stream().receive(said))).toBe('unsupported-stanza-type')
  })

  test('§7: at the end we ask, and the answer behind our end still counts', () => {
    const stream = on()
    Object.assign(counts, { sent: 5, acknowledged: 2 })
    expect(writtenIn(stream.input({ kind: 'close' }))).toBe(`<a ${SM} h='0'/><r ${SM}/></stream:stream>`)
    expect(stream.receive(`<a ${SM} h='4'/>`)).toEqual([{ kind: 'acknowledged', count: 2 }])
    expect(stream.receive(`<a ${SM} h='9'/>`)).toEqual([])
    expect(kindsOf(stream.receive('</stream:stream>'))).toEqual(['hang-up'])
  })

  test('§7: when the peer closes it too', () => {
    const stream = on()
    Object.assign(counts, { sent: 5, acknowledged: 2 })
    expect(writtenIn(stream.receive('</stream:stream>'))).toBe(`<a ${SM} h='0'/><r ${SM}/></stream:stream>`)
  })

  test('§7: nothing to ask about', () => {
    Object.assign(counts, { sent: 5, acknowledged: 5 })
    expect(writtenIn(on().input({ kind: 'close' }))).toBe(`<a ${SM} h='0'/></stream:stream>`)
  })
})
