import { DEFAULT_SETTINGS } from '@stox/federation'
import { EdgePolicy } from '../src/policy.ts'
import { SIP, XMPP, domain, partner, replicaOf } from './samples.ts'

const policyOf = (...partners: Parameters<typeof partner>[]): EdgePolicy => {
  const policy = new EdgePolicy('a fresh secret')
  policy.replace(replicaOf({ partners: partners.map((one) => partner(...one)) }))
  return policy
}

test('before the first replica nothing is served, nobody is allowed, and no secret is guessable', () => {
  const policy = new EdgePolicy('a fresh secret')
  expect(policy.isTold).toBe(false)
  expect(policy.isServed(domain(SIP))).toBe(false)
  expect(policy.judge(domain(SIP), domain(XMPP))).toMatchObject({ allowed: false })
  expect(policy.dialbackSecret()).toBe('a fresh secret')
  expect(policy.connectionLimit()).toBe(1000)
})

test('a partner: the methods of its row of the matrix, its own limits, else those of the settings', () => {
  const policy = policyOf(
    [XMPP, { tlsNegotiation: 'optional', saslNegotiation: 'notSupported' }],
    [
      'own.example',
      {
        connectionLimit: 3,
        limits: { maxStanzaBytes: 20_000, stanzasPerSecond: 5, bytesPerSecond: 5000 },
        proxy: { host: '192.0.2.7' },
      },
    ],
  )
  expect(policy.judge(domain(SIP), domain(XMPP))).toEqual({
    allowed: true,
    rules: {
      partner: XMPP,
      tls: 'optional',
      row: 15,
      methods: ['dialback-over-tls', 'dialback-over-tcp'],
      maxStanzaBytes: 262_144,
      keepAlive: true,
      keepAliveBy: 'whitespace',
      connectionLimit: 20,
      stanzasPerSecond: undefined,
      bytesPerSecond: undefined,
      proxy: undefined,
    },
  })
  expect(policy.judge(domain(SIP), domain('own.example'))).toMatchObject({
    rules: {
      connectionLimit: 3,
      maxStanzaBytes: 20_000,
      stanzasPerSecond: 5,
      bytesPerSecond: 5000,
      proxy: { host: '192.0.2.7', port: 5269 },
    },
  })
})

test('pins are those of the partner, for all its domains, and whoever has others than before is told apart', () => {
  const pins = [`${'A'.repeat(43)}=`]
  const policy = policyOf([XMPP, { additionalDomains: ['also.example'], certificatePins: pins }], ['none.example', {}])
  expect([XMPP, 'also.example', 'none.example', 'stranger.example'].map((each) => policy.pinsOf(each))).toEqual([
    pins,
    pins,
    [],
    [],
  ])
  policy.replace(replicaOf({ partners: [partner(XMPP, { certificatePins: pins }), partner('none.example')] }))
  expect([XMPP, 'also.example', 'none.example'].map((each) => policy.hasOtherPins(each))).toEqual([false, true, false])
  policy.replace(replicaOf({ partners: [partner(XMPP)] }))
  expect(policy.hasOtherPins(XMPP)).toBe(true)
})

test.each([
  ['a domain that is not ours', 'other.example', XMPP, 'host-unknown', 'local-domain'],
  ['a stranger', SIP, 'stranger.example', undefined, 'partner-listed'],
  ['a sub-domain of a partner', SIP, `sub.${XMPP}`, undefined, 'partner-listed'],
  ['a partner that is switched off', SIP, 'off.example', undefined, 'partner-enabled'],
  ['our own domain', SIP, SIP, undefined, 'one-side-only'],
])('%s is refused', (_case, local, remote, condition, rule) => {
  const policy = policyOf([XMPP], ['off.example', { enabled: false }])
  const judgement = policy.judge(domain(local), domain(remote))
  expect(judgement).toEqual({
    allowed: false,
    reason: expect.stringContaining(rule),
    ...(condition === undefined ? {} : { condition }),
  })
})

test('a new replica counts at once, also for what was judged before', () => {
  const policy = policyOf([XMPP])
  expect(policy.judge(domain(SIP), domain(XMPP)).allowed).toBe(true)
  policy.replace(
    replicaOf({ partners: [], settings: { ...DEFAULT_SETTINGS, federation: true, inactivityTimeoutS: 7 } }),
  )
  expect(policy.judge(domain(SIP), domain(XMPP)).allowed).toBe(false)
  expect(policy.times()).toEqual({
    establishmentTimeoutMs: 60_000,
    inactivityTimeoutMs: 7000,
    keepAliveIntervalMs: 300_000,
  })
  expect(policy.dialbackSecret()).toBe('a secret of some length')
})

test('an additional domain is its partner’s', () => {
  const policy = policyOf([XMPP, { additionalDomains: ['second.example'] }])
  expect(policy.judge(domain(SIP), domain('second.example'))).toMatchObject({ rules: { partner: XMPP } })
  expect(policy.partnerNameOf('second.example')).toBe(XMPP)
  expect(policy.partnerNameOf('nobody.example')).toBe('nobody.example')
})
