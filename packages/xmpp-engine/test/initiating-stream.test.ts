import type { InitiatingWorld, StreamEffect, StreamRules } from '@stox/xmpp-engine'
import { dialbackKey } from '@stox/xmpp-engine'
import {
  ALSO_THEM,
  CERTIFIED,
  RULES,
  SECRET,
  SELF_SIGNED,
  THEM,
  TIMES,
  US,
  hashes,
  header as anyHeader,
  initiator,
  initiatingWorld,
  judgeBy,
  kindsOf,
  ofKind,
  writtenIn,
} from './support.ts'

const header = (attributes: Readonly<Record<string, string | undefined>> = {}) =>
  anyHeader({ from: THEM, to: US, id: 's1', ...attributes })
const features = (inner: string) => `<stream:features>${inner}</stream:features>`
const TLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
const TLS_REQUIRED = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>`
const DIALBACK = `<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>`
const answer = (type: string, from: string = THEM, to: string = US) =>
  `<db:result from='${from}' to='${to}' type='${type}'/>`
const PROCEED = `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`

const failureIn = (effects: readonly StreamEffect[]) => ofKind(effects, 'ended')[0]?.failure

const asked = (world: InitiatingWorld = initiatingWorld(RULES.tlsNotSupported)) => {
  const stream = initiator(world)
  stream.receive(header() + features(DIALBACK))
  return stream
}
const established = (world?: InitiatingWorld) => {
  const stream = asked(world)
  stream.receive(answer('valid'))
  return stream
}

test('we speak first: from, to, version, no id', () => {
  const written = writtenIn(initiator(initiatingWorld()).all)
  expect(written).toMatch(/^<\?xml[^>]*\?><stream:stream [^>]*>$/)
  expect(written).toContain(`from='${US}'`)
  expect(written).toContain(`to='${THEM}'`)
  expect(written).toContain(`version='1.0'`)
  expect(written).toContain(`xmlns:db='jabber:server:dialback'`)
  expect(written).not.toMatch(/ id=/)
})

describe('a conversation', () => {
  test('dialback over TLS', () => {
    const stream = initiator(initiatingWorld(RULES.tlsRequired))
    expect(stream.receive(header())).toEqual([])
    expect(writtenIn(stream.receive(features(TLS_REQUIRED)))).toMatch(/^<starttls/)
    expect(stream.receive(PROCEED)).toMatchObject([{ kind: 'start-tls', role: 'client', local: US, remote: THEM }])
    expect(writtenIn(stream.secure())).toMatch(/<stream:stream /)
    const key = dialbackKey(hashes, SECRET, { receiving: THEM, originating: US, streamId: 's2' })
    const result = writtenIn(stream.receive(header({ id: 's2' }) + features(DIALBACK)))
    expect(result).toMatch(/^<db:result /)
    expect(result).toContain(`>${key}<`)
    const effects = stream.receive(answer('valid'))
    expect(ofKind(effects, 'ready')).toMatchObject([{ kind: 'ready', provenBy: 'dialback-over-tls', isBidi: false }])
    expect(ofKind(effects, 'cancel-timer')).toMatchObject([{ timer: 'establishment' }])
  })

  test('dialback over TCP', () => {
    const stream = asked()
    expect(writtenIn(stream.all)).toMatch(/<db:result [^>]*>[0-9a-f]{64}</)
    expect(ofKind(stream.receive(answer('valid')), 'ready')).toMatchObject([{ provenBy: 'dialback-over-tcp' }])
  })

  test('before 1.0: no features are waited for', () => {
    const stream = initiator(initiatingWorld(RULES.tlsNotSupported))
    expect(writtenIn(stream.receive(header({ version: undefined })))).toMatch(/^<db:result /)
  })

  test('a peer that requires TLS and says nothing of dialback', () => {
    const stream = initiator(initiatingWorld(RULES.tlsOptional))
    stream.receive(header() + features(TLS_REQUIRED))
    stream.receive(PROCEED)
    stream.secure()
    expect(writtenIn(stream.receive(header() + features('')))).toMatch(/^<db:result /)
  })
})

const MECHANISMS = `<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>`
const SUCCESS = `<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`
const FAILURE = `<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text>wrong purpose</text></failure>`

/** Inside TLS, with what the peer offers there. */
const encrypted = (offered: string, changes: Partial<InitiatingWorld> = {}, rules: StreamRules = RULES.saslOnly) => {
  const stream = initiator(initiatingWorld(rules, { judgeCertificate: () => CERTIFIED, ...changes }))
  stream.receive(header() + features(TLS) + PROCEED)
  stream.secure()
  stream.receive(header({ id: 's2' }) + features(offered))
  return stream
}

describe('XEP-0478', () => {
  const LIMITS = `<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>20000</max-bytes><idle-seconds>100</idle-seconds></limits>`
  const limits = { maxBytes: 20_000, idleSeconds: 100 }

  test.each([
    ['dialback', LIMITS, '', RULES.saslOrDialback, answer('valid')],
    ['SASL EXTERNAL', MECHANISMS, LIMITS, RULES.saslOnly, SUCCESS],
  ])('the limits of the peer count after %s', (_name, offered, after, rules, success) => {
    const stream = encrypted(offered, {}, rules)
    stream.receive(success)
    if (rules === RULES.saslOnly) stream.receive(header({ id: 's3' }) + features(after))
    expect(ofKind(stream.all, 'ready')).toMatchObject([{ limits }])
    // We close it before the peer does.
    expect(ofKind(stream.all, 'arm-timer').filter(({ timer }) => timer === 'idle')).toMatchObject([{ afterMs: 90_000 }])
    expect(stream.input({ kind: 'timer', timer: 'idle', quietMs: 80_000 })).toMatchObject([{ afterMs: 10_000 }])
    expect(writtenIn(stream.input({ kind: 'timer', timer: 'idle', quietMs: 90_000 }))).toBe('</stream:stream>')
  })
})

describe('SASL EXTERNAL', () => {
  test('XEP-0178 §3: our domain in base64, a new stream, ready with its features', () => {
    const stream = encrypted(MECHANISMS)
    const authzid = Buffer.from(US).toString('base64')
    expect(
      writtenIn(stream.all).endsWith(
        `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>${authzid}</auth>`,
      ),
    ).toBe(true)
    const restarted = stream.receive(SUCCESS)
    expect(kindsOf(restarted)).toEqual(['restart', 'write'])
    expect(writtenIn(restarted)).toMatch(/<stream:stream /)
    expect(ofKind(stream.receive(header({ id: 's3' })), 'ready')).toEqual([])
    expect(ofKind(stream.receive(features('')), 'ready')).toMatchObject([
      { kind: 'ready', provenBy: 'sasl-external', isBidi: false },
    ])
    expect(ofKind(stream.all, 'cancel-timer')).toMatchObject([{ timer: 'establishment' }])
  })

  test('mapping F.2: refused, then dialback on the same stream, and not EXTERNAL again', () => {
    const stream = encrypted(MECHANISMS + DIALBACK, {}, RULES.saslOrDialback)
    const written = writtenIn(stream.receive(FAILURE))
    const key = dialbackKey(hashes, SECRET, { receiving: THEM, originating: US, streamId: 's2' })
    expect(written).toMatch(/^<db:result /)
    expect(written).toContain(key)
    expect(ofKind(stream.receive(answer('valid')), 'ready')).toMatchObject([{ provenBy: 'dialback-over-tls' }])
  })

  test('refused, and nothing else is allowed', () =>
    expect(failureIn(encrypted(MECHANISMS).receive(FAILURE))).toEqual({
      kind: 'sasl-refused',
      condition: 'not-authorized',
      detail: 'wrong purpose',
    }))

  test('refused, and the stream ends: the refusal is the reason', () => {
    const stream = encrypted(MECHANISMS + DIALBACK, {}, RULES.saslOrDialback)
    expect(failureIn(stream.receive(FAILURE + '</stream:stream>'))).toMatchObject({ kind: 'sasl-refused' })
  })

  test('a certificate that proves nothing: dialback where it is allowed, else the end', () => {
    const changes = { judgeCertificate: () => SELF_SIGNED }
    const all = MECHANISMS + DIALBACK
    expect(writtenIn(encrypted(all, changes, RULES.saslOrDialback).all)).not.toContain('<auth')
    expect(writtenIn(encrypted(all, changes, RULES.saslOrDialback).all)).toContain('<db:result')
    expect(failureIn(encrypted(all, changes).all)).toEqual({ kind: 'certificate', detail: SELF_SIGNED.reason })
  })

  test('not offered, and nothing else is allowed', () =>
    expect(failureIn(encrypted(DIALBACK).all)).toMatchObject({ kind: 'no-method' }))

  test.each([
    ['where it could be the proof', RULES.saslOrDialback, SELF_SIGNED, [SELF_SIGNED.reason]],
    ['not where it is the proof', RULES.saslOrDialback, CERTIFIED, []],
    ['not where the record asks for none', RULES.tlsRequired, SELF_SIGNED, []],
  ])('that a certificate proves nothing is told %s', (_name, rules, verdict, reasons) => {
    const { all } = encrypted(DIALBACK, { judgeCertificate: () => verdict }, rules)
    expect(ofKind(all, 'unproven-by-certificate').map(({ reason }) => reason)).toEqual(reasons)
  })

  test('offered on a plain stream: not taken', () => {
    const stream = initiator(initiatingWorld(RULES.tlsOptional, { judgeCertificate: () => CERTIFIED }))
    stream.receive(header() + features(MECHANISMS))
    expect(writtenIn(stream.all)).not.toContain('<auth')
  })

  test('who asks about a key does not authenticate', () => {
    const purpose = { kind: 'verify', streamId: 'x', key: 'k' } as const
    const stream = encrypted(MECHANISMS, { purpose }, RULES.saslOrDialback)
    expect(writtenIn(stream.all)).not.toContain('<auth')
    expect(writtenIn(stream.all)).toContain('<db:verify')
  })

  test.each([
    ['success for nothing', RULES.tlsRequired, DIALBACK, SUCCESS, 'protocol'],
    ['a challenge', RULES.saslOnly, MECHANISMS, `<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`, 'protocol'],
    ['valid, though we asked nothing', RULES.saslOnly, MECHANISMS, answer('valid'), 'protocol'],
    ['a failure for nothing', RULES.tlsRequired, DIALBACK, FAILURE, 'protocol'],
  ])('%s', (_name, rules, offered, text, kind) => {
    const stream = encrypted(offered, {}, rules)
    const effects = stream.receive(text)
    expect(failureIn(effects)).toMatchObject({ kind })
    expect(ofKind(stream.all, 'ready')).toEqual([])
  })

  test.each([
    ['another domain', header({ from: 'other.example' })],
    ['version 2', header({ version: '2.0' })],
  ])('after success %s answers', (_name, text) => {
    const stream = encrypted(MECHANISMS)
    stream.receive(SUCCESS)
    expect(failureIn(stream.receive(text))).toMatchObject({ kind: 'protocol' })
  })

  test('text behind <success/>', () => {
    const stream = encrypted(MECHANISMS)
    stream.receive(SUCCESS)
    expect(failureIn(stream.input({ kind: 'injected' }))).toMatchObject({ condition: 'policy-violation' })
  })

  test('a record that does not allow it any more ends the stream', () => {
    let rules: StreamRules = RULES.saslOnly
    const stream = encrypted(MECHANISMS, { judge: () => ({ allowed: true, rules }) })
    stream.receive(SUCCESS)
    stream.receive(header() + features(''))
    expect(stream.input({ kind: 'policy-changed' })).toEqual([])
    rules = RULES.tlsRequired
    expect(kindsOf(stream.input({ kind: 'policy-changed' }))).toContain('ended')
  })
})

const streamError = (condition: string): string =>
  `<stream:error><${condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`

describe('what goes wrong', () => {
  test.each([
    ['another domain answers', header({ from: 'other.example' }), 'protocol'],
    ['version 2', header({ version: '2.0' }), 'protocol'],
    ['TLS required, before 1.0', header({ version: undefined }), 'no-method'],
    ['STARTTLS refused', header() + features(TLS) + `<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`, 'tls-failed'],
    ['the stream ends', header() + '</stream:stream>', 'closed'],
    ['STARTTLS unknown', header() + features('') + streamError('unsupported-stanza-type'), 'tls-failed'],
    ['another error behind STARTTLS', header() + features(TLS) + streamError('host-unknown'), 'peer-error'],
    ['the stream ends on STARTTLS', header() + features(TLS) + '</stream:stream>', 'tls-failed'],
    ['comment', header() + '<!-- -->', 'protocol'],
    ['stanza', header() + features(TLS) + '<message/>', 'protocol'],
  ])('TLS required: %s', (_name, text, kind) => {
    const stream = initiator(initiatingWorld(RULES.tlsRequired))
    expect(failureIn(stream.receive(text))).toMatchObject({ kind })
  })

  test('a peer that hangs up on STARTTLS', () => {
    const stream = initiator(initiatingWorld(RULES.tlsRequired))
    stream.receive(header() + features(TLS))
    const effects = stream.input({ kind: 'gone', failure: { kind: 'closed', detail: 'ECONNRESET' } })
    expect(failureIn(effects)).toMatchObject({ kind: 'tls-failed' })
  })

  test('text behind <proceed/>', () => {
    const stream = initiator(initiatingWorld(RULES.tlsRequired))
    stream.receive(header() + features(TLS) + PROCEED)
    const effects = stream.input({ kind: 'injected' })
    expect(failureIn(effects)).toMatchObject({ kind: 'tls-failed' })
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: 'plaintext-injection' }])
  })

  test.each([
    ['time runs out', { kind: 'timer', timer: 'establishment', quietMs: 0 }],
    ['we close', { kind: 'close' }],
  ] as const)('while TLS starts nothing is said: %s', (_name, input) => {
    const stream = initiator(initiatingWorld(RULES.tlsRequired))
    stream.receive(header() + features(TLS) + PROCEED)
    expect(kindsOf(stream.input(input))).toEqual(['ended', 'hang-up'])
  })

  test('no id, no key', () => {
    const stream = initiator(initiatingWorld(RULES.tlsNotSupported))
    expect(failureIn(stream.receive(header({ id: undefined }) + features(DIALBACK)))).toMatchObject({
      kind: 'protocol',
    })
  })

  test.each([
    ['invalid', answer('invalid'), { kind: 'dialback-invalid' }],
    [
      'error',
      `<db:result from='${THEM}' to='${US}' type='error'><error type='cancel'>` +
        `<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>`,
      { kind: 'dialback-error', condition: 'item-not-found' },
    ],
    [
      'a stream error',
      `<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
      { kind: 'peer-error', condition: 'host-unknown', detail: 'in authenticating' },
    ],
    [
      'a stream error in words',
      `<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>` +
        `<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>later</text></stream:error>`,
      { kind: 'peer-error', condition: 'reset', detail: 'later' },
    ],
  ])('the answer to our key: %s', (_name, text, failure) =>
    expect(failureIn(asked().receive(text))).toMatchObject(failure),
  )

  test.each([
    ['from another domain', answer('valid', ALSO_THEM)],
    ['to another domain', answer('valid', THEM, 'other.example')],
    ['to a question that was never asked', `<db:verify from='${THEM}' to='${US}' id='x' type='valid'/>`],
    ['which is a question', `<db:result from='${THEM}' to='${US}'>k</db:result>`],
  ])('XEP-0220 §2.1, an answer %s', (_name, text) => {
    const stream = asked()
    const effects = stream.receive(text)
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: 'dialback-unsolicited' }])
    expect(ofKind(effects, 'ready')).toEqual([])
    expect(stream.state.name).toBe('closed')
  })

  test('valid before we asked', () => {
    const stream = initiator(initiatingWorld(RULES.tlsOptional))
    const effects = stream.receive(header() + answer('valid'))
    expect(ofKind(effects, 'ready')).toEqual([])
    expect(stream.state.name).toBe('closed')
  })

  test('time runs out', () => {
    const stream = asked()
    const effects = stream.input({ kind: 'timer', timer: 'establishment', quietMs: 0 })
    expect(failureIn(effects)).toMatchObject({ kind: 'timeout' })
    expect(writtenIn(effects)).toBe('</stream:stream>')
  })

  test('stanzas come on our own streams only from us', () => {
    const effects = established().receive(`<message from='a@${THEM}' to='b@${US}'><body>x</body></message>`)
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: 'wrong-direction' }])
    expect(ofKind(effects, 'stanza')).toEqual([])
  })
})

describe('a stream that only verifies', () => {
  const world = (rules = RULES.tlsNotSupported) =>
    initiatingWorld(rules, { purpose: { kind: 'verify', streamId: 'ours', key: 'KEY' } })
  const verified = (type: string, id = 'ours', from: string = THEM) =>
    `<db:verify from='${from}' to='${US}' id='${id}' type='${type}'/>`

  test('XEP-0220 §2.5: an error of the authoritative server is told on as one of ours', () => {
    const stream = initiator(world())
    stream.receive(header({ id: 'z' }) + features(DIALBACK))
    const error = `<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`
    const effects = stream.receive(`<db:verify from='${THEM}' to='${US}' id='ours' type='error'>${error}</db:verify>`)
    expect(ofKind(effects, 'verdict')).toMatchObject([
      { verdict: { type: 'error', condition: 'remote-server-not-found', text: 'item-not-found' } },
    ])
  })

  test('asks, hears, closes', () => {
    const stream = initiator(world())
    const question = writtenIn(stream.receive(header() + features(DIALBACK)))
    expect(question).toMatch(/^<db:verify /)
    expect(question).toContain(`id='ours'`)
    expect(question).toContain('>KEY<')
    const effects = stream.receive(verified('valid'))
    expect(effects[0]).toEqual({ kind: 'verdict', verdict: { type: 'valid' }, encrypted: false })
    expect(failureIn(effects)).toBeUndefined()
    expect(kindsOf(effects)).toContain('ended')
    expect(kindsOf(stream.receive('</stream:stream>'))).toEqual(['hang-up'])
  })

  test.each([
    ['closed by us', (stream: ReturnType<typeof initiator>) => stream.input({ kind: 'close' })],
    ['closed by the peer', (stream: ReturnType<typeof initiator>) => stream.receive('</stream:stream>')],
    [
      'broken',
      (stream: ReturnType<typeof initiator>) =>
        stream.input({ kind: 'gone', failure: { kind: 'closed', detail: 'RST' } }),
    ],
  ])('%s before the answer: a failure, so that nobody waits for ever', (_name, end) => {
    const stream = initiator(world())
    stream.receive(header() + features(DIALBACK))
    expect(failureIn(end(stream))).toMatchObject({ kind: 'closed' })
  })

  test('over TLS where the rules say so', () => {
    const stream = initiator(world(RULES.tlsRequired))
    stream.receive(header() + features(TLS) + PROCEED)
    stream.secure()
    stream.receive(header() + features(DIALBACK))
    expect(stream.receive(verified('valid'))[0]).toMatchObject({ kind: 'verdict', encrypted: true })
  })

  test('needs no id from a peer whose stream it does not authenticate on', () => {
    const stream = initiator(world())
    expect(writtenIn(stream.receive(header({ id: undefined }) + features(DIALBACK)))).toMatch(/^<db:verify /)
  })

  test.each([
    ['another id', verified('valid', 'other')],
    ['another domain', verified('valid', 'ours', ALSO_THEM)],
    ['another kind', answer('valid')],
  ])('an answer with %s is none', (_name, text) => {
    const stream = initiator(world())
    stream.receive(header() + features(DIALBACK))
    const effects = stream.receive(text)
    expect(ofKind(effects, 'verdict')).toEqual([])
    expect(failureIn(effects)).toMatchObject({ kind: 'protocol' })
  })
})

describe('an established stream', () => {
  test('keeps itself alive with white space', () => {
    const stream = established()
    expect(ofKind(stream.all, 'arm-timer')).toContainEqual({
      kind: 'arm-timer',
      timer: 'keep-alive',
      afterMs: TIMES.keepAliveMs,
    })
    const effects = stream.input({ kind: 'timer', timer: 'keep-alive', quietMs: TIMES.keepAliveMs })
    expect(writtenIn(effects)).toBe(' ')
    expect(kindsOf(effects)).toEqual(['write', 'arm-timer'])
    expect(writtenIn(stream.input({ kind: 'timer', timer: 'keep-alive', quietMs: 1 }))).toBe('')
  })

  test('not for a partner that does not want it', () => {
    const stream = established(initiatingWorld({ ...RULES.tlsNotSupported, keepAlive: false }))
    expect(ofKind(stream.all, 'arm-timer').map(({ timer }) => timer)).toEqual(['establishment', 'idle'])
  })

  test('ends politely when idle', () => {
    const stream = established()
    expect(kindsOf(stream.input({ kind: 'timer', timer: 'idle', quietMs: 1 }))).toEqual(['arm-timer'])
    const effects = stream.input({ kind: 'timer', timer: 'idle', quietMs: TIMES.idleMs })
    expect(writtenIn(effects)).toBe('</stream:stream>')
    expect(failureIn(effects)).toBeUndefined()
    expect(kindsOf(stream.input({ kind: 'timer', timer: 'close', quietMs: 0 }))).toEqual(['hang-up'])
  })

  test('the peer closes it: no failure', () => {
    const effects = established().receive('</stream:stream>')
    expect(kindsOf(effects)).toEqual(['write', 'ended', 'hang-up'])
    expect(failureIn(effects)).toBeUndefined()
  })

  test.each([
    [
      'not a partner any more',
      () => ({ allowed: false, condition: 'policy-violation', reason: 'gone' }) as const,
      'closing',
    ],
    ['TLS is required now', judgeBy(RULES.tlsRequired), 'closing'],
    ['nothing of this', judgeBy(RULES.tlsNotSupported), 'established'],
  ])('the rules change: %s', (_name, judge, state) => {
    let now = judgeBy(RULES.tlsNotSupported)
    const stream = established(initiatingWorld(RULES.tlsNotSupported, { judge: (local, remote) => now(local, remote) }))
    now = judge
    stream.input({ kind: 'policy-changed' })
    expect(stream.state.name).toBe(state)
  })

  test('is told over once only', () => {
    const stream = established()
    stream.input({ kind: 'close' })
    stream.input({ kind: 'gone', failure: { kind: 'closed', detail: '' } })
    expect(ofKind(stream.all, 'ended')).toHaveLength(1)
  })
})
