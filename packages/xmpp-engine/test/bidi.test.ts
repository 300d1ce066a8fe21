import type { InitiatingWorld, ReceivingWorld, StreamEffect, StreamRules } from '@stox/xmpp-engine'
import {
  ALSO_THEM,
  ALSO_US,
  CERTIFIED,
  RULES,
  SELF_SIGNED,
  STRANGER,
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

const BIDI = `<bidi xmlns='urn:xmpp:bidi'/>`
const LIMITS = `<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>50000</max-bytes><idle-seconds>600</idle-seconds></limits>`
/** Ours, with what we take. */
const WISH = `<bidi xmlns='urn:xmpp:bidi'>${LIMITS}</bidi>`
const OFFER = `<bidi xmlns='urn:xmpp:features:bidi'/>`
const SASL = `xmlns='urn:ietf:params:xml:ns:xmpp-sasl'`
const TLS = `xmlns='urn:ietf:params:xml:ns:xmpp-tls'`
const SM = `xmlns='urn:xmpp:sm:3'`
const message = (from: string, to: string) => `<message from='a@${from}' to='b@${to}' id='m1'/>`
const streamErrorIn = (effects: readonly StreamEffect[]) =>
  /<stream:error[^>]*><([a-z-]+)/.exec(writtenIn(effects))?.[1]

describe('inbound (XEP-0288 §3)', () => {
  const encrypted = (rules: StreamRules = RULES.saslOrDialback, changes: Partial<ReceivingWorld> = {}) => {
    const stream = receiver(receivingWorld(rules, { judgeCertificate: () => CERTIFIED, ...changes }))
    stream.receive(`${header({})}<starttls ${TLS}/>`)
    stream.secure()
    return { stream, features: writtenIn(stream.receive(header({}))) }
  }
  const external = (before: string) => {
    const { stream } = encrypted()
    stream.receive(`${before}<auth ${SASL} mechanism='EXTERNAL'>=</auth>`)
    return { stream, effects: stream.receive(header({})) }
  }
  const dialback = (before: string, remote = THEM, local = US) => {
    const { stream } = encrypted()
    stream.receive(`${before}<db:result from='${remote}' to='${local}'>k</db:result>`)
    return stream.input({ kind: 'dialback-verdict', local, remote, verdict: { type: 'valid' }, encrypted: true })
  }

  test('offered inside TLS and before authentication, and nowhere else', () => {
    const stream = receiver(receivingWorld(RULES.tlsOptional))
    expect(writtenIn(stream.receive(header({})))).not.toContain(OFFER)
    expect(encrypted().features).toContain(OFFER)
    expect(writtenIn(external('').effects)).not.toContain(OFFER)
  })

  test.each([
    ['after SASL, over the new start of the stream', () => external(BIDI).effects, true],
    ['after dialback', () => dialback(BIDI), true],
    ['not asked for', () => external('').effects, false],
  ])('our stanzas for the pair that has proven itself may use it: %s', (_name, effects, isBidi) => {
    expect(ofKind(effects(), 'proven')).toMatchObject([{ local: US, peer: { domain: THEM }, isBidi }])
  })

  test.each([
    ['after SASL', () => external(WISH).effects],
    ['after dialback', () => dialback(WISH)],
  ])('XEP-0478 §3.2: what the peer takes of ours stands in its wish: %s', (_name, effects) => {
    expect(ofKind(effects(), 'proven')).toMatchObject([{ limits: { maxBytes: 50_000, idleSeconds: 600 } }])
  })

  test('it is not answered', () => {
    expect(encrypted().stream.receive(BIDI)).toEqual([])
  })

  test.each([
    ['in the clear', () => receiver(receivingWorld(RULES.tlsOptional)), header({})],
    ['twice', () => encrypted().stream, BIDI],
    ['after authentication', () => external('').stream, ''],
    ['while dialback is under way', () => encrypted().stream, `<db:result from='${THEM}' to='${US}'>k</db:result>`],
  ])('where it was not offered it is a stream error: %s', (_name, make, before) => {
    const stream = make()
    stream.receive(before)
    expect(streamErrorIn(stream.receive(BIDI))).toBe('unsupported-stanza-type')
  })

  test('it does not survive the start of TLS', () => {
    const stream = receiver(receivingWorld(RULES.saslOnly, { judgeCertificate: () => CERTIFIED }), 'direct')
    stream.secure()
    stream.receive(header({}) + BIDI)
    expect(streamErrorIn(stream.receive(`<starttls ${TLS}/>`))).toBeUndefined()
    expect(stream.state.name).toBe('closed')
  })

  test('nothing of ours follows our end, and what the peer has handled still counts', () => {
    const counts = { handled: 1, sent: 5, acknowledged: 2 }
    const { stream } = encrypted(RULES.saslOrDialback, { counts })
    stream.receive(`${BIDI}<auth ${SASL} mechanism='EXTERNAL'>=</auth>`)
    stream.receive(`${header({})}<enable ${SM}/>`)
    const effects = stream.input({ kind: 'close' })
    expect(writtenIn(effects)).toBe(`<a ${SM} h='1'/><r ${SM}/></stream:stream>`)
    expect(kindsOf(effects)).toContain('shut')
    expect(stream.receive(`<a ${SM} h='4'/>`)).toEqual([{ kind: 'acknowledged', count: 2 }])
  })
})

describe('outbound (XEP-0288 §3, §4)', () => {
  const MECHANISMS = `<mechanisms ${SASL}><mechanism>EXTERNAL</mechanism></mechanisms>`
  const answered = (id: string) => header({ from: THEM, to: US, id })

  const encrypted = (
    rules: StreamRules,
    { offer = OFFER, more = MECHANISMS, ...changes }: Partial<InitiatingWorld> & { offer?: string; more?: string } = {},
  ) => {
    const stream = initiator(initiatingWorld(rules, { judgeCertificate: () => CERTIFIED, ...changes }))
    stream.receive(`${answered('x')}<stream:features><starttls ${TLS}/></stream:features>`)
    stream.receive(`<proceed ${TLS}/>`)
    stream.secure()
    const effects = stream.receive(`${answered('y')}<stream:features>${offer}${more}</stream:features>`)
    return { stream, said: writtenIn(effects) }
  }
  const ready = (after = '') => {
    const { stream } = encrypted(RULES.saslOnly)
    stream.receive(`<success ${SASL}/>`)
    const effects = stream.receive(`${answered('z')}<stream:features>${after}</stream:features>`)
    return { stream, effects }
  }

  test('before SASL, in one breath with it', () => {
    expect(encrypted(RULES.saslOnly).said).toMatch(new RegExp(`^${WISH}<auth `))
    const { effects } = ready()
    expect(ofKind(effects, 'ready')).toMatchObject([{ provenBy: 'sasl-external', isBidi: true }])
    // What the peer may send is what its record says, not what a stranger may.
    expect(ofKind(effects, 'set-max-stanza')).toMatchObject([{ bytes: 50_000 }])
  })

  test('before dialback, where the certificate of the peer is good and ours is not taken', () => {
    const { stream, said } = encrypted(RULES.saslOrDialback, { more: '' })
    expect(said).toMatch(new RegExp(`^${WISH}<db:result `))
    const effects = stream.receive(`<db:result from='${THEM}' to='${US}' type='valid'/>`)
    expect(ofKind(effects, 'ready')).toMatchObject([{ provenBy: 'dialback-over-tls', isBidi: true }])
  })

  test('after SASL was refused it is not asked for again', () => {
    const { stream } = encrypted(RULES.saslOrDialback)
    expect(writtenIn(stream.receive(`<failure ${SASL}><not-authorized/></failure>`))).toMatch(/^<db:result /)
    const effects = stream.receive(`<db:result from='${THEM}' to='${US}' type='valid'/>`)
    expect(ofKind(effects, 'ready')).toMatchObject([{ isBidi: true }])
  })

  test.each([
    ['it is not offered', RULES.saslOnly, { offer: '' }],
    ['the certificate of the peer proves nothing', RULES.saslOrDialback, { judgeCertificate: () => SELF_SIGNED }],
    ['the record does not go by certificates', RULES.tlsRequired, {}],
    [
      'the stream only asks about a key',
      RULES.saslOrDialback,
      { purpose: { kind: 'verify', streamId: 'a', key: 'k' } as const },
    ],
  ])('not where %s', (_name, rules, changes) => {
    expect(encrypted(rules, changes).said).not.toContain('urn:xmpp:bidi')
  })

  test('a stanza of the pair the other way round', () => {
    const { stream } = ready()
    expect(stream.receive(message(THEM, US))).toMatchObject([
      { kind: 'stanza', stanza: { id: 'm1' }, peer: { domain: THEM, provenBy: 'sasl-external' } },
    ])
  })

  test.each([
    ['from another domain, though a partner', ALSO_THEM, US, 'invalid-from'],
    ['from a stranger', STRANGER, US, 'invalid-from'],
    ['from ourselves', US, US, 'invalid-from'],
    ['for another domain of ours', THEM, ALSO_US, 'host-unknown'],
  ])('a stanza %s ends the stream', (_name, from, to, condition) => {
    const effects = ready().stream.receive(message(from, to))
    expect([kindsOf(effects).includes('stanza'), streamErrorIn(effects)]).toEqual([false, condition])
    expect(ofKind(effects, 'refused')).toMatchObject([{ refusal: condition }])
  })

  test('XEP-0288 §3: a key for more of its domains is an error of dialback, and the stream stays', () => {
    const { stream } = ready()
    const effects = stream.receive(`<db:result from='${ALSO_THEM}' to='${US}'>k</db:result>`)
    expect(writtenIn(effects)).toMatch(
      new RegExp(`^<db:result .*from='${US}' to='${ALSO_THEM}' type='error'.*<not-acc`),
    )
    expect(stream.receive(message(THEM, US))).toMatchObject([{ kind: 'stanza' }])
    expect(streamErrorIn(stream.receive(message(ALSO_THEM, US)))).toBe('invalid-from')
  })

  test('a broken stanza is answered, and one without an address ends the stream', () => {
    const { stream } = ready()
    const iq = `<iq from='a@${THEM}' to='b@${US}' type='get'><q xmlns='x'/></iq>`
    expect(kindsOf(stream.receive(iq))).toEqual(['refused', 'answer', 'handled'])
    expect(streamErrorIn(stream.receive(`<message to='b@${US}'/>`))).toBe('improper-addressing')
  })

  test('what is not asked for both ways stays one-way', () => {
    const { stream } = encrypted(RULES.saslOnly, { offer: '' })
    stream.receive(`<success ${SASL}/>`)
    stream.receive(`${answered('z')}<stream:features/>`)
    expect(streamErrorIn(stream.receive(message(THEM, US)))).toBe('not-authorized')
  })

  test('with stream management: behind our end or while we drain nothing is taken; without, everything until their end', () => {
    const managed = ready(`<sm ${SM}/>`).stream
    managed.receive(`<enabled ${SM}/>`)
    managed.input({ kind: 'drain' })
    expect(managed.receive(message(THEM, US))).toEqual([])
    managed.input({ kind: 'close' })
    expect(managed.receive(message(THEM, US))).toEqual([])

    const { stream } = ready()
    expect(stream.input({ kind: 'drain' })).toEqual([])
    expect(kindsOf(stream.receive(message(THEM, US)))).toEqual(['stanza'])
    stream.input({ kind: 'close' })
    expect(kindsOf(stream.receive(message(THEM, US)))).toEqual(['stanza'])
    expect(stream.receive(message(STRANGER, US))).toEqual([])
  })
})
