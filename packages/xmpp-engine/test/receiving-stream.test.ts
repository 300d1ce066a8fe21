import type { DialbackVerdict } from '@stox/xmpp'
import type { ReceivingState, ReceivingWorld, StreamEffect, StreamRules } from '@stox/xmpp-engine'
import { MAX_PAIRS, advanceReceiving, dialbackKey, provenPairs, startReceiving } from '@stox/xmpp-engine'
import {
  ALSO_THEM,
  ALSO_US,
  CERTIFIED,
  Driven,
  RULES,
  SECRET,
  SELF_SIGNED,
  STRANGER,
  THEM,
  TIMES,
  US,
  domain,
  hashes,
  header,
  judgeBy,
  kindsOf,
  ofKind,
  receiver,
  receivingWorld,
  writtenIn,
} from './support.ts'

const DB = `xmlns:db='jabber:server:dialback'`
const result = (from: string, to: string, key = 'k') => `<db:result from='${from}' to='${to}'>${key}</db:result>`
const starttls = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`
const message = (from: string, to: string, more = '') =>
  `<message from='${from}' to='${to}' id='m1' type='chat'><body>Hi</body>${more}</message>`

const VALID: DialbackVerdict = { type: 'valid' }
const verdict = (answer: DialbackVerdict, encrypted = false, remote = THEM, local = US) =>
  ({ kind: 'dialback-verdict', local, remote, verdict: answer, encrypted }) as const

const opened = (world: ReceivingWorld = receivingWorld()) => {
  const stream = receiver(world)
  stream.receive(header({}))
  return stream
}
const authenticated = (world: ReceivingWorld = receivingWorld()) => {
  const stream = opened(world)
  stream.receive(result(THEM, US))
  stream.input(verdict(VALID))
  return stream
}
/** The one refusal, and the stream error that the peer hears. */
const refusalIn = (effects: readonly StreamEffect[]) => ({
  refused: ofKind(effects, 'refused').map(({ refusal }) => refusal),
  condition: /<stream:error[^>]*><([a-z-]+)/.exec(writtenIn(effects))?.[1],
})

const SASL = `xmlns='urn:ietf:params:xml:ns:xmpp-sasl'`
const auth = (initial: string, mechanism = 'EXTERNAL') => `<auth ${SASL} mechanism='${mechanism}'>${initial}</auth>`
const base64 = (text: string) => Buffer.from(text).toString('base64')
const MECHANISM = '<mechanism>EXTERNAL</mechanism>'

/** Inside TLS, with a certificate that is good for THEM. */
const encrypted = (rules: StreamRules = RULES.saslOnly, changes: Partial<ReceivingWorld> = {}, from?: string) => {
  const judgeCertificate = (remote: string) => (remote === THEM ? CERTIFIED : SELF_SIGNED)
  const stream = receiver(receivingWorld(rules, { judgeCertificate, ...changes }))
  const opening = header(from === undefined ? {} : { from })
  stream.receive(opening + starttls)
  stream.secure()
  stream.receive(opening)
  return stream
}

describe('SASL EXTERNAL', () => {
  test.each([
    ['our wish is the domain', base64(THEM)],
    ['in other letters', base64('XMPP.Example')],
    ['empty', '='],
  ])('XEP-0178 §3, %s: a new stream, and stanzas on it', (_name, initial) => {
    const stream = encrypted()
    expect(writtenIn(stream.all)).toContain(MECHANISM)
    const effects = stream.receive(auth(initial))
    expect(effects).toEqual([{ kind: 'write', text: `<success ${SASL}/>` }, { kind: 'restart' }])
    const restarted = stream.receive(header({}))
    expect(writtenIn(restarted)).toMatch(
      /<stream:stream .*<stream:features><limits [^/]*<\/max-bytes>[^/]*<\/idle-seconds><\/limits><sm [^>]*\/><\/stream:features>$/,
    )
    expect(ofKind(restarted, 'proven')).toMatchObject([
      { local: US, peer: { domain: THEM, provenBy: 'sasl-external' } },
    ])
    expect(ofKind(restarted, 'set-max-stanza')).toEqual([{ kind: 'set-max-stanza', bytes: 50_000 }])
    expect(ofKind(stream.receive(message(`a@${THEM}`, `b@${US}`)), 'stanza')).toHaveLength(1)
    expect(refusalIn(stream.receive(message(`a@${ALSO_THEM}`, `b@${US}`)))).toMatchObject({ condition: 'invalid-from' })
  })

  test('RFC 6120 §6.4.2: no initial response, so it is asked for', () => {
    const stream = encrypted()
    expect(writtenIn(stream.receive(`<auth ${SASL} mechanism='EXTERNAL'/>`))).toBe(`<challenge ${SASL}/>`)
    expect(writtenIn(stream.receive(`<response ${SASL}/>`))).toBe(`<success ${SASL}/>`)
  })

  test.each([
    ['§6.5.8 invalid-authzid', RULES.saslOnly, THEM, auth(base64(ALSO_THEM)), 'invalid-authzid'],
    ['§6.5.7 invalid-mechanism', RULES.saslOnly, THEM, auth('=', 'PLAIN'), 'invalid-mechanism'],
    ['§6.5.5 incorrect-encoding', RULES.saslOnly, THEM, auth('*'), 'incorrect-encoding'],
    ['§6.5.1 aborted', RULES.saslOnly, THEM, `<abort ${SASL}/>`, 'aborted'],
    ['§6.5.9 malformed-request', RULES.saslOnly, THEM, `<response ${SASL}/>`, 'malformed-request'],
    [
      '§6.5.10 not-authorized: the certificate proves nothing',
      RULES.saslOrDialback,
      ALSO_THEM,
      auth('='),
      'not-authorized',
    ],
    ['§6.5.10 not-authorized: a row without SASL', RULES.tlsRequired, THEM, auth('='), 'not-authorized'],
  ])('RFC 6120 %s', (_name, rules, from, text, condition) => {
    const stream = encrypted(rules, {}, from)
    const effects = stream.receive(text)
    expect(writtenIn(effects)).toMatch(new RegExp(`^<failure ${SASL}><${condition}/></failure>$`))
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: 'sasl-refused' }])
    expect(stream.state.name).toBe('open')
  })

  test('§6.5.6 encryption-required: never in the clear', () => {
    const stream = receiver(receivingWorld(RULES.tlsOptional, { judgeCertificate: () => CERTIFIED }))
    expect(writtenIn(stream.receive(header({})))).not.toContain(MECHANISM)
    expect(writtenIn(stream.receive(auth('=')))).toContain('<encryption-required/>')
    expect(ofKind(stream.all, 'proven')).toEqual([])
  })

  test('mapping F.3: three failures end the stream', () => {
    const stream = encrypted()
    const bad = auth(base64(ALSO_THEM))
    stream.receive(bad + bad)
    const effects = stream.receive(bad)
    expect(writtenIn(effects)).toMatch(/^<failure .*<stream:error><policy-violation .*<\/stream:stream>$/)
    expect(stream.state.name).toBe('closed')
  })

  test('after success dialback of another domain of its, as over TLS as before', () => {
    const stream = encrypted(RULES.saslOrDialback)
    stream.receive(auth('='))
    stream.receive(header({}))
    expect(kindsOf(stream.receive(result(ALSO_THEM, US)))).toEqual(['verify'])
  })

  test('after a failure dialback on the same stream', () => {
    const stream = encrypted(RULES.saslOrDialback)
    stream.receive(auth(base64(ALSO_THEM)))
    expect(ofKind(stream.receive(result(THEM, US)), 'verify')).toHaveLength(1)
    // And then not both.
    expect(writtenIn(stream.receive(auth('=')))).toContain('<not-authorized/>')
  })

  test('a certificate that proves nothing: dialback where it is allowed, else the end with the reason', () => {
    const judgeCertificate = () => SELF_SIGNED
    const written = writtenIn(encrypted(RULES.saslOrDialback, { judgeCertificate }).all)
    expect(written).not.toContain(MECHANISM)
    expect(written).toContain('urn:xmpp:features:dialback')
    const stream = encrypted(RULES.saslOnly, { judgeCertificate })
    expect(refusalIn(stream.all)).toEqual({ refused: ['certificate'], condition: 'not-authorized' })
    expect(writtenIn(stream.all)).toContain(SELF_SIGNED.reason)
  })

  test.each([
    ['where it could be the proof', RULES.saslOrDialback, SELF_SIGNED, [SELF_SIGNED.reason]],
    ['not where it is the proof', RULES.saslOrDialback, CERTIFIED, []],
    ['not where the record asks for none', RULES.tlsRequired, SELF_SIGNED, []],
  ])('that a certificate proves nothing is told %s', (_name, rules, verdict, reasons) => {
    const { all } = encrypted(rules, { judgeCertificate: () => verdict })
    expect(ofKind(all, 'unproven-by-certificate').map(({ reason }) => reason)).toEqual(reasons)
  })

  test.each([
    ['other addresses', { from: ALSO_THEM }, {}, 'improper-addressing'],
    ['no room', {}, { hasRoom: () => false }, 'resource-constraint'],
  ])('after success, %s', (_name, attributes, changes, condition) => {
    const stream = encrypted(RULES.saslOnly, changes)
    stream.receive(auth('='))
    expect(refusalIn(stream.receive(header(attributes))).condition).toBe(condition)
    expect(ofKind(stream.all, 'proven')).toEqual([])
  })

  test('text behind <auth/>', () => {
    const stream = encrypted()
    stream.receive(auth('='))
    expect(refusalIn(stream.input({ kind: 'injected' })).condition).toBe('policy-violation')
  })

  test('a record that does not allow it any more ends the stream', () => {
    let rules: StreamRules = RULES.saslOnly
    const stream = encrypted(rules, { judge: () => ({ allowed: true, rules }) })
    stream.receive(auth('='))
    stream.receive(header({}))
    expect(stream.input({ kind: 'policy-changed' })).toEqual([])
    rules = RULES.tlsRequired
    expect(writtenIn(stream.input({ kind: 'policy-changed' }))).toContain('<reset ')
  })
})

describe('the header', () => {
  test('the establishment timer starts with the connection', () =>
    expect(receiver(receivingWorld()).all).toEqual([
      { kind: 'arm-timer', timer: 'establishment', afterMs: TIMES.establishmentMs },
    ]))

  test.each([
    ['TLS required: STARTTLS and nothing else', RULES.tlsRequired, /<required\/?/, /dialback xmlns/],
    ['TLS optional: STARTTLS and dialback', RULES.tlsOptional, /<starttls.*urn:xmpp:features:dialback/, /required/],
    ['TLS not supported: dialback only', RULES.tlsNotSupported, /urn:xmpp:features:dialback/, /starttls/],
  ])('%s', (_name, rules, expected, unexpected) => {
    const written = writtenIn(receiver(receivingWorld(rules)).receive(header({})))
    expect(written).toMatch(/^<\?xml[^>]*\?><stream:stream [^>]*>/)
    expect(written).toContain(`from='${US}'`)
    expect(written).toContain(`to='${THEM}'`)
    expect(written).toMatch(/ id='id\d+'/)
    expect(written).toMatch(/ version='1\.0'/)
    expect(written).toMatch(expected)
    expect(written).not.toMatch(unexpected)
  })

  test('XEP-0478: what a partner may send, and for how long it may be silent', () => {
    const written = writtenIn(receiver(receivingWorld()).receive(header({})))
    expect(written).toContain(`<max-bytes>50000</max-bytes><idle-seconds>${TIMES.idleMs / 1000}</idle-seconds>`)
    expect(writtenIn(receiver(receivingWorld()).receive(header({ from: undefined })))).not.toContain('max-bytes')
  })

  test('RFC 6120 §4.7.5: before 1.0 there are no features, and the answer has no version', () => {
    const written = writtenIn(receiver(receivingWorld(RULES.tlsNotSupported)).receive(header({ version: undefined })))
    expect(written).toMatch(/<stream:stream [^>]*>$/)
    expect(written).not.toMatch(/<stream:stream [^>]*version=/)
  })

  test('RFC 6120 §4.7.5: the lower of both versions', () =>
    expect(writtenIn(receiver(receivingWorld()).receive(header({ version: '2.0' })))).toMatch(/ version='1\.0'/))

  test('each stream has an id of its own', () => {
    const world = receivingWorld()
    const ids = [1, 2].map(() => / id='(\w+)'/.exec(writtenIn(receiver(world).receive(header({}))))?.[1])
    expect(new Set(ids).size).toBe(2)
  })

  test.each([
    ['no `to`', { to: undefined }, {}, 'improper-addressing', 'improper-addressing'],
    ['a domain that is not served', { to: 'nobody.example' }, {}, 'host-unknown', 'host-unknown'],
    ['from a domain of ours', { from: ALSO_US }, {}, 'own-domain', 'invalid-from'],
    ['from no partner', { from: STRANGER }, {}, 'unknown-partner', 'policy-violation'],
    ['no method', {}, { judge: judgeBy({ ...RULES.saslOnly, methods: [] }) }, 'no-method', 'unsupported-feature'],
    [
      'TLS required, before 1.0',
      { version: undefined },
      { judge: judgeBy(RULES.tlsRequired) },
      'tls-required',
      'unsupported-version',
    ],
    [
      'TLS required, no certificate',
      {},
      { judge: judgeBy(RULES.tlsRequired), canEncrypt: () => false },
      'tls-failed',
      'internal-server-error',
    ],
  ] as const)('refused, own header first: %s', (_name, attributes, changes, refused, condition) => {
    const stream = receiver(receivingWorld(RULES.tlsOptional, changes))
    const effects = stream.receive(header(attributes))
    expect(writtenIn(effects)).toMatch(/^<\?xml[^>]*\?><stream:stream [^>]*><stream:error.*<\/stream:stream>$/)
    expect(refusalIn(effects)).toEqual({ refused: [refused], condition })
    expect(kindsOf(effects).slice(-2)).toEqual(['ended', 'hang-up'])
    expect(stream.state.name).toBe('closed')
  })

  test('a stranger is told nothing about who is listed', () => {
    const written = writtenIn(receiver(receivingWorld()).receive(header({ from: STRANGER })))
    expect(written).not.toMatch(/<text|partner/)
  })

  test.each([
    ['the namespace of streams', header({}).replace('http://etherx.jabber.org/streams', 'urn:x'), 'invalid-namespace'],
    ['the content namespace', header({}).replace(`'jabber:server'`, `'jabber:client'`), 'invalid-namespace'],
    ['no XML at all', 'GET / HTTP/1.1\r\n\r\n', 'malformed-xml'],
    ['a document type', `<!DOCTYPE x><stream:stream/>`, 'restricted-xml'],
  ])('wrong from the first byte: %s', (_name, text, refused) => {
    const effects = receiver(receivingWorld()).receive(text)
    expect(writtenIn(effects)).toMatch(/^<\?xml[^>]*\?><stream:stream [^>]*><stream:error.*<\/stream:stream>$/)
    expect(refusalIn(effects).refused).toEqual([refused])
  })
})

describe('STARTTLS', () => {
  test('proceed, handshake, a new header, dialback', () => {
    const stream = opened(receivingWorld(RULES.tlsRequired))
    const effects = stream.receive(starttls)
    expect(kindsOf(effects)).toEqual(['write', 'start-tls'])
    expect(writtenIn(effects)).toMatch(/^<proceed/)
    expect(effects[1]).toMatchObject({ role: 'server', local: US, remote: THEM })
    expect(stream.secure()).toEqual([])
    const again = writtenIn(stream.receive(header({})))
    expect(again).toContain('urn:xmpp:features:dialback')
    expect(again).not.toContain('urn:ietf:params:xml:ns:xmpp-tls')
  })

  test.each([
    ['it was not offered', opened(receivingWorld(RULES.tlsNotSupported)), 'no-method'],
    ['a pair has proven itself', authenticated(), 'protocol-error'],
  ])('RFC 6120 §5.4.2.2, failure: %s', (_name, stream, reason) => {
    const effects = stream.receive(starttls)
    expect(ofKind(effects, 'ended')[0]?.failure).toMatchObject({ kind: 'tls-failed', reason })
    expect(writtenIn(effects)).toMatch(/^<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'.*<\/stream:stream>$/)
    expect(stream.state.name).toBe('closed')
  })

  test.each([
    ['another `to`', { to: ALSO_US }],
    ['another `from`', { from: ALSO_THEM }],
  ])('the addresses may not change: %s', (_name, attributes) => {
    const stream = opened(receivingWorld(RULES.tlsRequired))
    stream.receive(starttls)
    stream.secure()
    expect(refusalIn(stream.receive(header(attributes))).condition).toBe('improper-addressing')
  })

  test('text behind <starttls/> ends it', () => {
    const stream = opened(receivingWorld(RULES.tlsRequired))
    stream.receive(starttls)
    expect(refusalIn(stream.input({ kind: 'injected' })).refused).toEqual(['plaintext-injection'])
    expect(stream.state.name).toBe('closed')
  })
})

describe('dialback as the receiving server', () => {
  test('the key goes to the authoritative server, with the id of this stream', () => {
    const stream = opened()
    const id = / id='(\w+)'/.exec(writtenIn(stream.all))?.[1]
    expect(stream.receive(result(THEM, US, 'KEY'))).toEqual([
      { kind: 'verify', local: US, remote: THEM, streamId: id, key: 'KEY' },
    ])
  })

  test('valid: the pair may send, larger stanzas too, and the establishment timer ends', () => {
    const stream = opened()
    stream.receive(result(THEM, US))
    const effects = stream.input(verdict(VALID))
    expect(writtenIn(effects)).toMatch(/^<db:result [^>]*type='valid'/)
    expect(ofKind(effects, 'proven')).toMatchObject([
      { local: US, peer: { domain: THEM, provenBy: 'dialback-over-tcp' } },
    ])
    expect(ofKind(effects, 'cancel-timer')).toMatchObject([{ timer: 'establishment' }])
    expect(ofKind(effects, 'set-max-stanza')).toMatchObject([{ bytes: 50_000 }])
    expect(provenPairs(stream.state)).toHaveLength(1)
  })

  test.each([
    ['both encrypted', true, 'dialback-over-tls'],
    ['the question went in the clear', false, 'dialback-over-tcp'],
  ])('what it proves: %s', (_name, encrypted, provenBy) => {
    const stream = opened()
    stream.receive(starttls)
    stream.secure()
    stream.receive(header({}))
    stream.receive(result(THEM, US))
    expect(ofKind(stream.input(verdict(VALID, encrypted)), 'proven')[0]?.peer.provenBy).toBe(provenBy)
  })

  test('where TLS is required, an answer in the clear is not enough', () => {
    const stream = opened(receivingWorld(RULES.tlsRequired))
    stream.receive(starttls)
    stream.secure()
    stream.receive(header({}))
    stream.receive(result(THEM, US))
    const effects = stream.input(verdict(VALID, false))
    expect(writtenIn(effects)).toMatch(/type='error'.*policy-violation/)
    expect(provenPairs(stream.state)).toEqual([])
  })

  test('XEP-0220 §2.1.1, invalid: said, and the stream ends', () => {
    const stream = opened()
    stream.receive(result(THEM, US))
    const effects = stream.input(verdict({ type: 'invalid' }))
    expect(writtenIn(effects)).toMatch(/^<db:result [^>]*type='invalid'.*<\/stream:stream>$/)
    expect(refusalIn(effects).refused).toEqual(['dialback-invalid'])
    expect(stream.state.name).toBe('closed')
  })

  test('XEP-0220 §2.5, invalid beside a pair that is good: an error, and the stream stays', () => {
    const stream = authenticated()
    stream.receive(result(ALSO_THEM, US))
    const effects = stream.input(verdict({ type: 'invalid' }, false, ALSO_THEM))
    expect(writtenIn(effects)).toMatch(/type='error'.*forbidden/)
    expect(stream.state.name).toBe('open')
    expect(kindsOf(stream.receive(message(`a@${THEM}`, `b@${US}`)))).toEqual(['stanza'])
  })

  test('an error is passed on and ends nothing', () => {
    const stream = opened()
    stream.receive(result(THEM, US))
    const effects = stream.input(verdict({ type: 'error', condition: 'remote-server-timeout', text: undefined }))
    expect(writtenIn(effects)).toMatch(/type='error'.*remote-server-timeout/)
    expect(stream.state.name).toBe('open')
    expect(kindsOf(stream.receive(result(THEM, US)))).toEqual(['verify'])
  })

  test('several pairs on one stream, each for itself', () => {
    const stream = authenticated()
    stream.receive(result(ALSO_THEM, ALSO_US))
    stream.input(verdict(VALID, false, ALSO_THEM, ALSO_US))
    expect(provenPairs(stream.state)).toHaveLength(2)
    expect(kindsOf(stream.receive(message(`a@${ALSO_THEM}`, `b@${ALSO_US}`)))).toEqual(['stanza'])
    expect(refusalIn(stream.receive(message(`a@${ALSO_THEM}`, `b@${US}`))).condition).toBe('invalid-from')
  })

  test.each([
    ['a domain that is not served', {}, result(THEM, 'nobody.example'), 'item-not-found'],
    ['in the clear, TLS required', { judge: judgeBy(RULES.tlsRequired) }, result(THEM, US), 'policy-violation'],
    ['no partner, on a partner’s stream', {}, result(STRANGER, US), 'not-acceptable'],
    ['no room', { hasRoom: () => false }, result(THEM, US), 'resource-constraint'],
  ])('XEP-0220 §2.5, an error and no stream error: %s', (_name, changes, text, condition) => {
    const stream = opened(receivingWorld(RULES.tlsOptional, changes))
    const effects = stream.receive(text)
    expect(writtenIn(effects)).toMatch(new RegExp(`^<db:result [^>]*type='error'.*<${condition}`))
    expect(refusalIn(effects).refused).toEqual(['dialback-refused'])
    expect(stream.state.name).toBe('open')
  })

  test('the number of pairs has a bound', () => {
    const stream = opened(
      receivingWorld(RULES.tlsOptional, { judge: () => ({ allowed: true, rules: RULES.tlsOptional }) }),
    )
    for (let count = 0; count < MAX_PAIRS; count += 1) {
      expect(kindsOf(stream.receive(result(`d${count}.example`, US)))).toEqual(['verify'])
    }
    expect(writtenIn(stream.receive(result('one-more.example', US)))).toMatch(/resource-constraint/)
  })

  test('so many dialback elements before authentication, and no more', () => {
    const stream = opened()
    for (let count = 0; count < 200; count += 1) stream.receive(result(THEM, 'nobody.example'))
    expect(stream.state.name).toBe('open')
    const effects = stream.receive(result(THEM, US))
    expect(refusalIn(effects)).toEqual({ refused: ['dialback-refused'], condition: 'policy-violation' })
    expect(kindsOf(effects)).not.toContain('verify')
  })

  test('asked twice, verified once', () => {
    const stream = opened()
    stream.receive(result(THEM, US))
    expect(stream.receive(result(THEM, US))).toEqual([])
    stream.input(verdict(VALID))
    expect(writtenIn(stream.receive(result(THEM, US)))).toMatch(/type='valid'/)
  })

  test('a verdict that nobody waits for does nothing', () => {
    const stream = opened()
    expect(stream.input(verdict(VALID))).toEqual([])
    expect(provenPairs(stream.state)).toEqual([])
  })

  test('a header without `from` (Google Talk): the partner is known by its key', () => {
    const stream = receiver(receivingWorld(RULES.tlsNotSupported))
    stream.receive(header({ from: undefined, version: undefined }))
    expect(kindsOf(stream.receive(result(THEM, US)))).toEqual(['verify'])
    expect(kindsOf(stream.input(verdict(VALID)))).toContain('proven')
  })

  test('a header without `from`, and then no partner', () => {
    const stream = receiver(receivingWorld())
    stream.receive(header({ from: undefined }))
    expect(refusalIn(stream.receive(result(STRANGER, US)))).toEqual({
      refused: ['unknown-partner'],
      condition: 'policy-violation',
    })
  })

  test.each([
    ['from a domain of ours', result(ALSO_US, US), 'own-domain', 'not-authorized'],
    [
      'an answer to nothing',
      `<db:result from='${THEM}' to='${US}' type='valid'/>`,
      'dialback-unsolicited',
      'not-authorized',
    ],
    [
      'a verification of nothing',
      `<db:verify from='${THEM}' to='${US}' id='x' type='valid'/>`,
      'dialback-unsolicited',
      'not-authorized',
    ],
    ['no `from`', `<db:result to='${US}'>k</db:result>`, 'improper-addressing', 'improper-addressing'],
  ])('ends the stream: %s', (_name, text, refused, condition) => {
    const stream = opened()
    expect(refusalIn(stream.receive(text))).toEqual({ refused: [refused], condition })
    expect(stream.state.name).toBe('closed')
  })
})

describe('dialback as the authoritative server', () => {
  const key = dialbackKey(hashes, SECRET, { receiving: THEM, originating: US, streamId: 'theirs' })
  const verify = (claimed: string, to: string = US, id = 'theirs') =>
    `<db:verify from='${THEM}' to='${to}' id='${id}'>${claimed}</db:verify>`

  test.each([
    ['the key is ours', verify(key), 'valid'],
    ['the key is not', verify('0'.repeat(64)), 'invalid'],
    ['the key is for another stream', verify(key, US, 'other'), 'invalid'],
    ['the key is for another domain of ours', verify(key, ALSO_US), 'invalid'],
    ['the domain is not served', verify(key, 'nobody.example'), 'error'],
  ])('XEP-0220 §2.1.2, also for who has proven nothing: %s', (_name, text, type) => {
    const stream = opened()
    const effects = stream.receive(text)
    expect(writtenIn(effects)).toMatch(new RegExp(`^<db:verify [^>]*type='${type}'`))
    expect(stream.state.name).toBe('open')
    expect(ofKind(effects, 'refused').map(({ refusal }) => refusal)).toEqual(
      type === 'invalid' ? ['dialback-invalid'] : [],
    )
    expect(kindsOf(effects).includes('vouched')).toBe(type === 'valid')
  })

  test('the answer goes back where the question came from', () => {
    const written = writtenIn(opened().receive(verify(key)))
    expect(written).toContain(`from='${US}'`)
    expect(written).toContain(`to='${THEM}'`)
    expect(written).toContain(`id='theirs'`)
  })
})

describe('stanzas', () => {
  test('from a pair that has proven itself', () => {
    const effects = authenticated().receive(message(`a@${THEM}/r`, `b@${US}`))
    expect(ofKind(effects, 'stanza')).toMatchObject([
      { stanza: { kind: 'message', id: 'm1' }, peer: { domain: THEM, provenBy: 'dialback-over-tcp' } },
    ])
    expect(effects).toHaveLength(1)
  })

  test.each([
    ['RFC 6120 §4.9.3.12 before authentication', opened, message(`a@${THEM}`, `b@${US}`), 'not-authorized'],
    ['before authentication, and broken', opened, `<message/>`, 'not-authorized'],
    ['RFC 6120 §4.9.3.9 another `from`', authenticated, message(`a@${STRANGER}`, `b@${US}`), 'invalid-from'],
    ['a sub-domain of the partner', authenticated, message(`a@${ALSO_THEM}`, `b@${US}`), 'invalid-from'],
    [
      'RFC 6120 §4.9.3.6 relay to a foreign domain',
      authenticated,
      message(`a@${THEM}`, 'b@foreign.example'),
      'host-unknown',
    ],
    ['a pair that has not proven itself', authenticated, message(`a@${THEM}`, `b@${ALSO_US}`), 'invalid-from'],
    ['RFC 6120 §4.9.3.7 no `to`', authenticated, `<message from='a@${THEM}'/>`, 'improper-addressing'],
    ['no `from`', authenticated, `<message to='a@${US}'/>`, 'improper-addressing'],
    ['RFC 6120 §4.9.3.10 jabber:client', authenticated, `<message xmlns='jabber:client'/>`, 'invalid-namespace'],
    [
      'RFC 6120 §4.9.3.24 no stanza',
      authenticated,
      `<letter from='a@${THEM}' to='b@${US}'/>`,
      'unsupported-stanza-type',
    ],
    ['a foreign namespace', authenticated, `<x xmlns='urn:x'/>`, 'unsupported-stanza-type'],
  ] as const)('%s', (_name, prepare, text, condition) => {
    const stream = prepare()
    const effects = stream.receive(text)
    expect(refusalIn(effects)).toEqual({ refused: [condition], condition })
    expect(ofKind(effects, 'stanza')).toEqual([])
    expect(stream.state.name).toBe('closed')
  })

  test('from a domain of ours: a loop or a lie', () => {
    const effects = authenticated().receive(message(`a@${ALSO_US}`, `b@${US}`))
    expect(refusalIn(effects)).toEqual({ refused: ['own-domain'], condition: 'invalid-from' })
  })

  test.each([
    ['comment', `<message from='a@${THEM}' to='b@${US}'><!-- --></message>`, 'restricted-xml', 'restricted-xml'],
    ['processing instruction', `<?x y?>`, 'restricted-xml', 'restricted-xml'],
    ['entity', `<message><body>&x;</body></message>`, 'restricted-xml', 'restricted-xml'],
    ['crossed tags', `<message><a><b></a></b></message>`, 'malformed-xml', 'not-well-formed'],
  ])('XML that is not taken: %s', (_name, text, refused, condition) =>
    expect(refusalIn(authenticated().receive(text))).toEqual({ refused: [refused], condition }),
  )

  test('an iq without id gets an error stanza, and the stream stays', () => {
    const stream = authenticated()
    const effects = stream.receive(`<iq from='a@${THEM}' to='b@${US}' type='get'><q xmlns='urn:x'/></iq>`)
    expect(kindsOf(effects)).toEqual(['refused', 'answer', 'handled'])
    expect(ofKind(effects, 'answer')[0]?.stanza).toMatchObject({
      kind: 'iq',
      type: 'error',
      from: { domain: US },
      to: { domain: THEM },
    })
    expect(stream.state.name).toBe('open')
  })

  test('a broken stanza of a foreign sender is not answered there', () => {
    const effects = authenticated().receive(`<iq from='a@${STRANGER}' to='b@${US}' type='get'/>`)
    expect(ofKind(effects, 'answer')).toEqual([])
    expect(refusalIn(effects).condition).toBe('invalid-from')
  })
})

describe('the end', () => {
  test('RFC 6120 §4.4: a closing tag is answered', () => {
    const stream = authenticated()
    const effects = stream.receive('</stream:stream>')
    expect(writtenIn(effects)).toBe('</stream:stream>')
    expect(ofKind(effects, 'ended')).toEqual([{ kind: 'ended', failure: undefined }])
    expect(kindsOf(effects).at(-1)).toBe('hang-up')
  })

  test('RFC 6120 §4.4: behind our own closing tag we still take what is under way', () => {
    const stream = authenticated()
    expect(kindsOf(stream.input({ kind: 'close' }))).toEqual(['write', 'arm-timer'])
    expect(stream.state.name).toBe('closing')
    expect(kindsOf(stream.receive(message(`a@${THEM}`, `b@${US}`)))).toEqual(['stanza'])
    expect(kindsOf(stream.receive('</stream:stream>'))).toEqual(['ended', 'hang-up'])
  })

  test('the peer’s closing tag does not come', () => {
    const stream = authenticated()
    stream.input({ kind: 'close' })
    expect(kindsOf(stream.input({ kind: 'timer', timer: 'close', quietMs: 0 }))).toEqual(['ended', 'hang-up'])
  })

  test('a stream error of the peer', () => {
    const stream = authenticated()
    const effects = stream.receive(
      `<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
    )
    expect(ofKind(effects, 'ended')[0]?.failure).toMatchObject({ kind: 'peer-error', condition: 'system-shutdown' })
  })

  test('a broken connection', () => {
    const stream = authenticated()
    const effects = stream.input({ kind: 'gone', failure: { kind: 'closed', detail: 'ECONNRESET' } })
    expect(writtenIn(effects)).toBe('')
    expect(kindsOf(effects)).toEqual(['ended', 'hang-up'])
  })

  const notAuthorized = `<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`
  test.each([
    ['closed', '</stream:stream>', { kind: 'closed' }],
    ['closed, over TLS', '</stream:stream>', { kind: 'closed', detail: expect.stringContaining('our certificate') }],
    [
      'a stream error',
      notAuthorized,
      { kind: 'peer-error', condition: 'not-authorized', detail: 'the peer closed its stream' },
    ],
    [
      'a stream error in words',
      `<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>` +
        `<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>later</text></stream:error>`,
      { kind: 'peer-error', condition: 'reset', detail: 'later' },
    ],
    [
      'dialback refused, closed',
      result(THEM, US) + '</stream:stream>',
      { kind: 'no-method', detail: 'TLS is required' },
    ],
    ['dialback refused, a stream error', result(THEM, US) + notAuthorized, { reason: 'tls-required' }],
    ['a key verified', `<db:verify ${DB} from='${THEM}' to='${US}' id='x'>k</db:verify></stream:stream>`, undefined],
  ])('why nothing was proven: %s', (name, text, failure) => {
    const stream = name.includes('TLS') ? encrypted() : opened(receivingWorld(RULES.tlsRequired))
    const [ended] = ofKind(stream.receive(text), 'ended')
    if (failure === undefined) expect(ended).toEqual({ kind: 'ended', failure })
    else expect(ended?.failure).toMatchObject(failure)
  })

  test('nothing comes behind the end', () => {
    const stream = authenticated()
    stream.receive('</stream:stream>')
    expect(stream.input({ kind: 'timer', timer: 'idle', quietMs: 1e9 })).toEqual([])
    expect(stream.input({ kind: 'close' })).toEqual([])
    expect(stream.input({ kind: 'gone', failure: { kind: 'closed', detail: '' } })).toEqual([])
  })
})

describe('timers', () => {
  test.each([
    ['no header', receiver(receivingWorld())],
    ['no authentication', opened()],
  ])('establishment: %s', (_name, stream) => {
    const effects = stream.input({ kind: 'timer', timer: 'establishment', quietMs: 0 })
    expect(refusalIn(effects)).toEqual({ refused: ['establishment-timeout'], condition: 'connection-timeout' })
  })

  test('establishment: a connection that only verified has done its work', () => {
    const stream = opened()
    stream.receive(`<db:verify ${DB} from='${THEM}' to='${US}' id='x'>k</db:verify>`)
    const effects = stream.input({ kind: 'timer', timer: 'establishment', quietMs: 0 })
    expect(writtenIn(effects)).toBe('</stream:stream>')
    expect(stream.state.name).toBe('closing')
  })

  test.each([
    ['idle', 'idle', TIMES.idleMs, 'closing'],
    ['idle, but not for long enough', 'idle', TIMES.idleMs - 1000, 'open'],
    ['keep-alive, some grace', 'keep-alive', TIMES.keepAliveMs, 'open'],
    ['keep-alive', 'keep-alive', TIMES.keepAliveMs * 1.2, 'closing'],
  ] as const)('%s', (_name, timer, quietMs, state) => {
    const stream = authenticated()
    const effects = stream.input({ kind: 'timer', timer, quietMs })
    expect(stream.state.name).toBe(state)
    const armed = ofKind(effects, 'arm-timer').map((effect) => effect.timer)
    expect(armed).toEqual([state === 'open' ? timer : 'close'])
  })

  test('a partner that keeps nothing alive has no such timer', () => {
    const stream = authenticated(receivingWorld({ ...RULES.tlsOptional, keepAlive: false }))
    expect(ofKind(stream.all, 'arm-timer').map(({ timer }) => timer)).toEqual(['establishment', 'idle'])
  })
})

describe('the rules change', () => {
  test.each([
    ['the partner is gone', { judge: judgeBy(RULES.tlsOptional) }, 'policy-violation', STRANGER],
    ['TLS is required now', { judge: judgeBy(RULES.tlsRequired) }, 'reset', THEM],
    ['our domain is gone', { isServed: () => false }, 'host-gone', THEM],
    ['nothing of this', {}, undefined, THEM],
  ] as const)('%s', (_name, changes, condition, remote) => {
    let now: ReceivingWorld = receivingWorld(RULES.tlsOptional, {
      judge: () => ({ allowed: true, rules: RULES.tlsOptional }),
    })
    const live: ReceivingWorld = {
      ...now,
      judge: (local, other) => now.judge(local, other),
      isServed: (name) => now.isServed(name),
    }
    const stream = receiver(live)
    stream.receive(header({ from: remote }))
    stream.receive(result(remote, US))
    stream.input(verdict(VALID, false, domain(remote)))
    now = { ...now, ...changes }
    const effects = stream.input({ kind: 'policy-changed' })
    expect(refusalIn(effects).condition).toBe(condition)
  })
})

describe('XEP-0368 §3: direct TLS, and the header after it', () => {
  const afterHandshake = (serverName: string | undefined, to: string) => {
    const world = receivingWorld(RULES.tlsRequired)
    const stream = new Driven<ReceivingState>(startReceiving(world, 'direct'), (state, input) =>
      advanceReceiving(state, input, world),
    )
    stream.input({ kind: 'tls-done', ...(serverName === undefined ? {} : { serverName }) })
    return stream.receive(header({ to }))
  }

  test.each([
    ['for the name of the handshake', US, US],
    ['for it, in other letters', US.toUpperCase(), US],
    ['where the handshake had none', undefined, ALSO_US],
  ])('%s: features', (_name, serverName, to) => {
    expect(writtenIn(afterHandshake(serverName, to))).toContain('<stream:features>')
  })

  test('for another domain of ours than the one whose certificate was shown: refused', () => {
    const effects = afterHandshake(US, ALSO_US)
    expect(writtenIn(effects)).toContain('<improper-addressing')
    expect(ofKind(effects, 'ended')[0]?.failure).toMatchObject({ refusal: 'improper-addressing' })
  })
})
