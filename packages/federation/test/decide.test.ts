import {
  decideInbound,
  decideOutbound,
  decideStream,
  mayShowNote,
  refusalOf,
  type InboundQuestion,
} from '../src/decide.ts'
import type { RuleName } from '../src/decision.ts'
import { FederationIndex } from '../src/federation-index.ts'
import { PARTNER_TYPES, type PartnerType } from '../src/partner.ts'
import { EMPTY_MODEL } from '../src/model.ts'
import { modelOf } from './models.ts'

const localDomains = [{ domain: 'capulet.example', route: 'sip:127.0.0.1:5060' }]
const partners = [
  {
    domain: 'montague.example',
    additionalDomains: ['chat.montague.example', 'bücher.example'],
    partnerType: 'federated' as const,
  },
  { domain: 'verified.example', partnerType: 'publicVerified' as const },
  { domain: 'public.example' },
  { domain: 'off.example', enabled: false },
  { domain: 'quiet.example', partnerType: 'federated' as const, features: { im: false } },
  { domain: 'blind.example', partnerType: 'federated' as const, features: { presence: false } },
]
const index = new FederationIndex(modelOf({ localDomains, partners }))
const domainOf: Record<PartnerType, string> = {
  federated: 'montague.example',
  publicVerified: 'verified.example',
  publicUnverified: 'public.example',
}

describe('decideStream', () => {
  test.each<[string, FederationIndex, string, string, boolean, RuleName]>([
    ['a listed partner', index, 'capulet.example', 'montague.example', true, 'negotiation'],
    ['an additional domain', index, 'capulet.example', 'chat.montague.example', true, 'negotiation'],
    ['an A-label', index, 'capulet.example', 'xn--bcher-kva.example', true, 'negotiation'],
    ['default deny', index, 'capulet.example', 'stranger.example', false, 'partner-listed'],
    ['sub-domains are not implied', index, 'capulet.example', 'users.montague.example', false, 'partner-listed'],
    ['parents are not implied', index, 'capulet.example', 'example', false, 'partner-listed'],
    ['a disabled partner', index, 'capulet.example', 'off.example', false, 'partner-enabled'],
    ['a domain that is not served', index, 'tybalt.example', 'montague.example', false, 'local-domain'],
    ['ourselves as a partner', index, 'capulet.example', 'capulet.example', false, 'one-side-only'],
    [
      'federation off',
      new FederationIndex(modelOf({ localDomains, partners, settings: { federation: false } })),
      'capulet.example',
      'montague.example',
      false,
      'federation-switch',
    ],
    [
      'XMPP off',
      new FederationIndex(modelOf({ localDomains, partners, settings: { xmpp: false } })),
      'capulet.example',
      'montague.example',
      false,
      'xmpp-switch',
    ],
    [
      'the empty model',
      new FederationIndex(EMPTY_MODEL),
      'capulet.example',
      'montague.example',
      false,
      'federation-switch',
    ],
    [
      'a matrix row without methods',
      new FederationIndex(
        modelOf({
          localDomains,
          partners: [{ domain: 'montague.example', saslNegotiation: 'notSupported', dialback: false }],
        }),
      ),
      'capulet.example',
      'montague.example',
      false,
      'negotiation',
    ],
  ])('%s', (_what, asked, localDomain, remoteDomain, allowed, rule) =>
    expect(decideStream(asked, { localDomain, remoteDomain })).toMatchObject({ allowed, rule }),
  )
})

const mayEnter = (type: PartnerType, question: Partial<InboundQuestion>): boolean =>
  decideInbound(index, {
    fromDomain: domainOf[type],
    toDomain: 'capulet.example',
    kind: 'message',
    authorizedByLocalUser: false,
    ...question,
  }).allowed

describe('decideInbound: what each partner type permits', () => {
  test.each<[string, Partial<InboundQuestion>, Record<PartnerType, boolean>]>([
    ['a stranger writes', { kind: 'message' }, { federated: true, publicVerified: true, publicUnverified: false }],
    [
      'a stranger adds a local user',
      { kind: 'presence', presenceType: 'subscribe' },
      { federated: true, publicVerified: true, publicUnverified: false },
    ],
    [
      'a stranger probes',
      { kind: 'presence', presenceType: 'probe' },
      { federated: true, publicVerified: true, publicUnverified: false },
    ],
    [
      'a stranger sends presence',
      { kind: 'presence', presenceType: 'available' },
      { federated: true, publicVerified: true, publicUnverified: false },
    ],
    [
      'a presence whose type is not told',
      { kind: 'presence' },
      { federated: true, publicVerified: true, publicUnverified: false },
    ],
    [
      'an added user writes',
      { kind: 'message', authorizedByLocalUser: true },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'an added user adds back',
      { kind: 'presence', presenceType: 'subscribe', authorizedByLocalUser: true },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'the edge does not know',
      { kind: 'message', authorizedByLocalUser: undefined },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'taking leave',
      { kind: 'presence', presenceType: 'unsubscribe' },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'refusing',
      { kind: 'presence', presenceType: 'unsubscribed' },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'going offline',
      { kind: 'presence', presenceType: 'unavailable' },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
    [
      'a granted subscription nobody asked for',
      { kind: 'presence', presenceType: 'subscribed' },
      { federated: true, publicVerified: true, publicUnverified: false },
    ],
    [
      'an iq, which is answered here',
      { kind: 'iq' },
      { federated: true, publicVerified: true, publicUnverified: true },
    ],
  ])('%s', (_what, question, expected) =>
    expect(Object.fromEntries(PARTNER_TYPES.map((type) => [type, mayEnter(type, question)]))).toEqual(expected),
  )

  test('a note is seen by users of federated partners only', () =>
    expect(
      PARTNER_TYPES.map((type) => {
        const partner = index.partnerOf(domainOf[type])
        return partner !== undefined && mayShowNote(partner)
      }),
    ).toEqual([true, false, false]))
})

test.each<['in' | 'out', string, 'message' | 'presence' | 'iq', boolean]>([
  ['in', 'quiet.example', 'message', false],
  ['in', 'quiet.example', 'presence', true],
  ['in', 'blind.example', 'message', true],
  ['in', 'blind.example', 'presence', false],
  ['in', 'blind.example', 'iq', true],
  ['out', 'quiet.example', 'message', false],
  ['out', 'quiet.example', 'presence', true],
  ['out', 'blind.example', 'presence', false],
  ['out', 'public.example', 'message', true],
  ['out', 'public.example', 'presence', true],
  ['out', 'off.example', 'message', false],
  ['out', 'stranger.example', 'message', false],
  ['out', 'capulet.example', 'message', false],
])('features: %s, %s, %s: %s', (way, remote, kind, allowed) => {
  const decision =
    way === 'in'
      ? decideInbound(index, {
          fromDomain: remote,
          toDomain: 'capulet.example',
          kind,
          presenceType: 'available',
          authorizedByLocalUser: true,
        })
      : decideOutbound(index, { fromDomain: 'capulet.example', toDomain: remote, kind })
  expect(decision.allowed).toBe(allowed)
})

test('a decision explains itself: every rule asked, in order, the last one deciding', () => {
  const decision = decideInbound(index, {
    fromDomain: 'public.example',
    toDomain: 'capulet.example',
    kind: 'message',
    authorizedByLocalUser: false,
  })
  expect(decision).toEqual({
    allowed: false,
    rule: 'partner-type',
    reason: 'publicUnverified: the local user has not added the remote one',
    trail: [
      { rule: 'federation-switch', passed: true, detail: 'federation is on' },
      { rule: 'xmpp-switch', passed: true, detail: 'XMPP federation is on' },
      { rule: 'local-domain', passed: true, detail: 'capulet.example is served here' },
      { rule: 'one-side-only', passed: true, detail: 'public.example is not ours' },
      { rule: 'partner-listed', passed: true, detail: 'public.example belongs to partner public.example' },
      { rule: 'partner-enabled', passed: true, detail: 'the partner is enabled' },
      { rule: 'negotiation', passed: true, detail: 'sasl-external-over-tls' },
      { rule: 'feature', passed: true, detail: 'messages are on for public.example' },
      { rule: 'partner-type', passed: false, detail: 'publicUnverified: the local user has not added the remote one' },
    ],
  })
})

test.each([
  ['a domain that is no partner', 'stranger.example', 'not-allowed', 403, 'never'],
  ['a disabled one sounds the same', 'off.example', 'not-allowed', 403, 'never'],
  ['an unknown sender', 'public.example', 'subscription-required', 403, 'after-change'],
])('what the wires hear of a refusal: %s', (_what, fromDomain, condition, status, retry) => {
  const decision = decideInbound(index, {
    fromDomain,
    toDomain: 'capulet.example',
    kind: 'message',
    authorizedByLocalUser: false,
  })
  const failure = refusalOf(decision)
  expect(failure).toMatchObject({ fault: 'policy', condition, status, retry })
  expect(failure.text).not.toContain(fromDomain)
  expect(failure.detail).toContain(decision.reason)
})

test('one look-up for each question, however long the lists', () => {
  const many = new FederationIndex(
    modelOf({
      localDomains,
      partners: Array.from({ length: 2000 }, (_, at) => ({
        domain: `p${at}.example`,
        partnerType: 'federated' as const,
      })),
    }),
  )
  const before = process.cpuUsage()
  for (let at = 0; at < 20_000; at += 1)
    decideInbound(many, {
      fromDomain: `p${at % 2000}.example`,
      toDomain: 'capulet.example',
      kind: 'message',
      authorizedByLocalUser: undefined,
    })
  // A scan of 2,000 partners for each of 20,000 decisions would take far more than a second; look-ups take some tens of milliseconds.
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000).toBeLessThan(1000)
})
