import type { Method, Negotiation } from '@stox/federation'
import { NEGOTIATION_MATRIX } from '@stox/federation'
import type { StreamFeatures } from '@stox/xmpp'
import type { ExternalChance } from '../src/feature-order.ts'
import { allowsExternal, chooseNext, featuresFor, whyNoMethod } from '../src/feature-order.ts'
import { CERTIFIED, RULES, SELF_SIGNED } from './support.ts'

const offer = (startTls: StreamFeatures['startTls']): StreamFeatures => ({
  startTls,
  mechanisms: [],
  dialback: { errors: false },
  limits: undefined,
  streamManagement: false,
  bidi: false,
})

const chance = (changes: Partial<ExternalChance> = {}): ExternalChance => ({
  certificate: CERTIFIED,
  holdsCertificate: true,
  isRefused: false,
  ...changes,
})

describe('chooseNext', () => {
  test.each([
    ['TLS required, offered', RULES.tlsRequired, offer('optional'), false, 'starttls'],
    ['RFC 7590 §3.1: required, not offered', RULES.tlsRequired, offer(undefined), false, 'starttls'],
    ['TLS required, before 1.0', RULES.tlsRequired, undefined, false, 'nothing'],
    ['TLS required, encrypted', RULES.tlsRequired, offer(undefined), true, 'dialback'],
    ['TLS optional, offered', RULES.tlsOptional, offer('optional'), false, 'starttls'],
    ['TLS optional, not offered', RULES.tlsOptional, offer(undefined), false, 'dialback'],
    ['TLS optional, before 1.0', RULES.tlsOptional, undefined, false, 'dialback'],
    ['TLS optional, encrypted', RULES.tlsOptional, offer(undefined), true, 'dialback'],
    ['TLS not supported, offered', RULES.tlsNotSupported, offer('optional'), false, 'dialback'],
    ['TLS not supported, required by the peer', RULES.tlsNotSupported, offer('required'), false, 'nothing'],
    ['TLS not supported, before 1.0', RULES.tlsNotSupported, undefined, false, 'dialback'],
    ['SASL only', RULES.saslOnly, offer('required'), false, 'starttls'],
  ] as const)('%s', (_name, rules, features, encrypted, next) =>
    expect(chooseNext(rules, features, encrypted, chance({ certificate: SELF_SIGNED })).kind).toBe(next),
  )

  const plain = {
    startTls: undefined,
    mechanisms: ['EXTERNAL'],
    dialback: { errors: false },
    limits: undefined,
    streamManagement: false,
    bidi: false,
  }
  const offered: StreamFeatures = { ...plain, mechanisms: ['PLAIN', 'EXTERNAL'] }
  const others: StreamFeatures = { ...plain, mechanisms: ['PLAIN'] }
  const { saslOnly, saslOrDialback, tlsRequired, tlsOptional, tlsNotSupported } = RULES
  test.each([
    ['offered', saslOnly, offered, {}, 'external'],
    ['offered, dialback allowed too', saslOrDialback, offered, {}, 'external'],
    ['offered, row without SASL', tlsRequired, offered, {}, 'dialback'],
    ['not offered', saslOrDialback, offer(undefined), {}, 'dialback'],
    ['other mechanisms offered', saslOrDialback, others, {}, 'dialback'],
    ['refused', saslOrDialback, offered, { isRefused: true }, 'dialback'],
    ['no certificate of ours', saslOrDialback, offered, { holdsCertificate: false }, 'dialback'],
    [
      'RFC 7590 §3.4: their certificate proves nothing',
      saslOrDialback,
      offered,
      { certificate: SELF_SIGNED },
      'dialback',
    ],
    ['SASL only, their certificate proves nothing', saslOnly, offered, { certificate: SELF_SIGNED }, 'certificate'],
    ['SASL only, no certificate of ours', saslOnly, offered, { holdsCertificate: false }, 'no-method'],
    ['SASL only, not offered', saslOnly, offer(undefined), {}, 'no-method'],
    ['SASL only, refused', saslOnly, offered, { isRefused: true }, 'no-method'],
    ['before 1.0', saslOnly, undefined, {}, 'no-method'],
  ] as const)('mapping F.2, EXTERNAL %s', (_name, rules, features, changes, expected) => {
    const next = chooseNext(rules, features, true, chance(changes))
    expect(next.kind === 'nothing' ? next.failure.kind : next.kind).toBe(expected)
  })

  test.each([tlsOptional, tlsNotSupported])('never EXTERNAL on a plain stream', (rules) =>
    expect(chooseNext(rules, plain, false, chance()).kind).toBe('dialback'),
  )
})

describe('featuresFor', () => {
  test.each([
    ['TLS required', RULES.tlsRequired, false, true, 'required', false],
    ['TLS required, encrypted', RULES.tlsRequired, true, true, undefined, true],
    ['TLS optional', RULES.tlsOptional, false, true, 'optional', true],
    ['TLS optional, no certificate', RULES.tlsOptional, false, false, undefined, true],
    ['TLS not supported', RULES.tlsNotSupported, false, true, undefined, true],
    ['nobody knows who comes', undefined, false, true, 'optional', true],
    ['nobody knows who came, encrypted', undefined, true, true, undefined, true],
  ] as const)('%s', (_name, rules, encrypted, canEncrypt, startTls, dialback) => {
    const features = featuresFor(rules, encrypted, canEncrypt, false)
    expect(features.startTls).toBe(startTls)
    expect(features.dialback !== undefined).toBe(dialback)
    expect(features.mechanisms).toEqual([])
  })

  test.each([
    ['SASL only', RULES.saslOnly, true, true, ['EXTERNAL'], false],
    ['SASL or dialback', RULES.saslOrDialback, true, true, ['EXTERNAL'], true],
    ['a certificate that proves nothing', RULES.saslOrDialback, true, false, [], true],
    ['a row without SASL', RULES.tlsRequired, true, true, [], true],
    ['a plain stream', RULES.tlsOptional, false, true, [], true],
    ['nobody knows who came', undefined, true, true, [], true],
  ] as const)('XEP-0178 §3, %s', (_name, rules, encrypted, isCertified, mechanisms, dialback) => {
    const features = featuresFor(rules, encrypted, true, isCertified)
    expect(features.mechanisms).toEqual(mechanisms)
    expect(features.dialback !== undefined).toBe(dialback)
  })
})

describe('the negotiation matrix', () => {
  const rulesOf = (tls: Negotiation, methods: readonly Method[]) => ({
    tls,
    methods,
    maxStanzaBytes: 1,
    keepAlive: false,
  })
  test.each(NEGOTIATION_MATRIX.map((row) => [row.row, row] as const))('row %i', (_number, row) => {
    const rules = rulesOf(row.tls, row.methods)
    expect(whyNoMethod(rules)).toBe(row.verdict === 'valid' ? undefined : 'the partner record allows no method')
    if (row.verdict === 'invalid') return
    // What a peer that can do all is asked to do, and what it is offered, in the clear and inside TLS.
    const features: StreamFeatures = {
      startTls: undefined,
      mechanisms: ['EXTERNAL'],
      dialback: { errors: true },
      limits: undefined,
      streamManagement: false,
      bidi: false,
    }
    const first = {
      'sasl-external-over-tls': 'external',
      'dialback-over-tls': 'dialback',
      'dialback-over-tcp': 'dialback',
    }
    const [best] = row.methods
    const canEncrypt = row.tls !== 'notSupported'
    const plain = chooseNext(rules, { ...features, startTls: 'optional' }, false, chance()).kind
    expect(plain).toBe(canEncrypt ? 'starttls' : 'dialback')
    expect(best && first[best]).toBe(canEncrypt ? chooseNext(rules, features, true, chance()).kind : 'dialback')
    expect(featuresFor(rules, false, true, true)).toMatchObject({
      startTls: canEncrypt ? row.tls : undefined,
      mechanisms: [],
    })
    expect(featuresFor(rules, true, true, true).mechanisms).toEqual(allowsExternal(rules) ? ['EXTERNAL'] : [])
  })
})
