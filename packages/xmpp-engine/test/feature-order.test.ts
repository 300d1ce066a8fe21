import type { Method, Negotiation } from '@stox/federation'
import { NEGOTIATION_MATRIX } from '@stox/federation'
import type { StreamFeatures } from '@stox/xmpp'
import { chooseNext, featuresFor, whyNoMethod } from '../src/feature-order.ts'
import { RULES } from './support.ts'

const offer = (startTls: StreamFeatures['startTls']): StreamFeatures => ({
  startTls,
  mechanisms: [],
  dialback: { errors: false },
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
    ['SASL only', RULES.saslOnly, offer('required'), false, 'nothing'],
  ] as const)('%s', (_name, rules, features, encrypted, next) =>
    expect(chooseNext(rules, features, encrypted).kind).toBe(next),
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
    const features = featuresFor(rules, encrypted, canEncrypt)
    expect(features.startTls).toBe(startTls)
    expect(features.dialback !== undefined).toBe(dialback)
    expect(features.mechanisms).toEqual([])
  })
})

/** With SASL EXTERNAL missing, a row works exactly when dialback is one of its methods. */
const SASL_ONLY = 'SASL EXTERNAL is not built yet, and the partner record allows no other method'
describe('the negotiation matrix', () => {
  const rulesOf = (tls: Negotiation, methods: readonly Method[]) => ({
    tls,
    methods,
    maxStanzaBytes: 1,
    keepAlive: false,
  })
  test.each(NEGOTIATION_MATRIX.map((row) => [row.row, row] as const))('row %i', (_number, row) => {
    const why = whyNoMethod(rulesOf(row.tls, row.methods))
    const hasDialback = row.methods.some((method) => method.startsWith('dialback'))
    const without = row.verdict === 'valid' ? SASL_ONLY : 'the partner record allows no method'
    expect(why).toBe(hasDialback ? undefined : without)
  })
})
