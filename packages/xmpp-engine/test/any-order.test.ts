import fc from 'fast-check'
import type { StreamEffect, StreamInput } from '@stox/xmpp-engine'
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
  ofKind,
  receiver,
  receivingWorld,
} from './support.ts'

const anyDomain = fc.constantFrom<string>(US, ALSO_US, THEM, ALSO_THEM, STRANGER)
const type = fc.constantFrom('valid', 'invalid', 'error')
const SASL = `xmlns='urn:ietf:params:xml:ns:xmpp-sasl'`
const ERROR = `<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>`

/** First-level elements, sensible ones and others. */
const element = fc.oneof(
  fc.tuple(anyDomain, anyDomain).map(([from, to]) => `<message from='a@${from}' to='b@${to}'><body>x</body></message>`),
  fc.tuple(anyDomain, anyDomain).map(([from, to]) => `<iq from='a@${from}' to='b@${to}' type='get'/>`),
  fc.tuple(anyDomain, anyDomain).map(([from, to]) => `<db:result from='${from}' to='${to}'>k</db:result>`),
  fc
    .tuple(anyDomain, anyDomain, type)
    .map(([from, to, is]) => `<db:result from='${from}' to='${to}' type='${is}'>${ERROR}</db:result>`),
  fc.tuple(anyDomain, anyDomain).map(([from, to]) => `<db:verify from='${from}' to='${to}' id='v'>k</db:verify>`),
  fc
    .tuple(anyDomain, anyDomain, type)
    .map(([from, to, is]) => `<db:verify from='${from}' to='${to}' id='v' type='${is}'>${ERROR}</db:verify>`),
  fc.constantFrom(
    `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`,
    `<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`,
    `<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`,
    `<stream:features/>`,
    `<stream:features><mechanisms ${SASL}><mechanism>EXTERNAL</mechanism></mechanisms></stream:features>`,
    `<auth ${SASL} mechanism='EXTERNAL'>=</auth>`,
    `<auth ${SASL} mechanism='EXTERNAL'/>`,
    `<response ${SASL}/>`,
    `<success ${SASL}/>`,
    `<failure ${SASL}><not-authorized/></failure>`,
    `<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>`,
    `<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>`,
    `<stream:stream/>`,
    `<message/>`,
    `<x xmlns='urn:x'/>`,
    `<!-- -->`,
    `</stream:stream>`,
    ' ',
  ),
)
const other: fc.Arbitrary<StreamInput> = fc.oneof(
  fc.record({
    kind: fc.constant('timer' as const),
    timer: fc.constantFrom('establishment' as const, 'idle' as const, 'keep-alive' as const, 'close' as const),
    quietMs: fc.constantFrom(0, 1e9),
  }),
  fc.record({
    kind: fc.constant('dialback-verdict' as const),
    local: fc.constantFrom(US, ALSO_US),
    remote: fc.constantFrom(THEM, ALSO_THEM, STRANGER),
    verdict: fc.constantFrom(
      { type: 'valid' as const },
      { type: 'invalid' as const },
      { type: 'error' as const, condition: 'remote-server-timeout' as const, text: undefined },
    ),
    encrypted: fc.boolean(),
  }),
  fc.constantFrom<StreamInput>(
    { kind: 'policy-changed' },
    { kind: 'close' },
    { kind: 'close', error: { condition: 'system-shutdown', text: undefined } },
    { kind: 'injected' },
    { kind: 'gone', failure: { kind: 'closed', detail: 'RST' } },
  ),
)
/** Mostly what goes on; the rest ends most streams. */
const script = fc.array(fc.oneof({ weight: 8, arbitrary: element }, { weight: 2, arbitrary: other }), { maxLength: 30 })
const rules = fc.constantFrom(
  RULES.saslOnly,
  RULES.saslOrDialback,
  RULES.tlsRequired,
  RULES.tlsOptional,
  RULES.tlsNotSupported,
)
const settings = { seed: 20_261_122, numRuns: 1_500 }

const SASL_METHOD = 'sasl-external-over-tls'
const certificateOf = (remote: string) => (remote === THEM ? CERTIFIED : SELF_SIGNED)

interface Played {
  readonly state: { readonly name: string }
  readonly all: StreamEffect[]
  input(input: StreamInput): readonly StreamEffect[]
  receive(text: string): readonly StreamEffect[]
  secure(): readonly StreamEffect[]
}

function play(stream: Played, opening: string, steps: readonly (string | StreamInput)[], isSecured: boolean): void {
  stream.receive(opening)
  for (const step of steps) {
    if (typeof step === 'string') stream.receive(step)
    else stream.input(step)
    if (stream.state.name === 'awaiting-header') stream.receive(opening)
    if (stream.state.name === 'starting-tls' && isSecured) {
      stream.secure()
      stream.receive(opening)
    }
  }
}

/** Whatever comes, in whatever order. */
function alwaysTrue(all: readonly StreamEffect[]): void {
  const kinds = all.map(({ kind }) => kind)
  expect(kinds.filter((kind) => kind === 'ended').length).toBeLessThanOrEqual(1)
  expect(kinds.filter((kind) => kind === 'hang-up').length).toBeLessThanOrEqual(1)
  if (kinds.includes('hang-up')) expect(kinds.indexOf('hang-up')).toBe(kinds.length - 1)
  const written = all.map((effect) => (effect.kind === 'write' ? effect.text : '')).join('')
  expect(written.split('</stream:stream>').length).toBeLessThanOrEqual(2)
  if (written.includes('</stream:stream>')) expect(written.endsWith('</stream:stream>')).toBe(true)
}

test('a receiving stream: stanzas come from pairs that are proven, whatever comes', () => {
  fc.assert(
    fc.property(rules, script, fc.boolean(), fc.boolean(), (partnerRules, steps, isSecured, saysFrom) => {
      const stream = receiver(receivingWorld(partnerRules, { judgeCertificate: certificateOf }))
      play(stream, header(saysFrom ? {} : { from: undefined }), steps, isSecured)
      alwaysTrue(stream.all)
      const proven = new Set<string>()
      for (const effect of stream.all) {
        if (effect.kind === 'proven') proven.add(`${effect.local} ${effect.peer.domain}`)
        if (effect.kind === 'stanza') {
          expect(proven).toContain(`${effect.stanza.to.domain} ${effect.stanza.from.domain}`)
          expect(effect.peer.domain).toBe(effect.stanza.from.domain)
        }
      }
      // Only who was asked about can have been proven, and only a partner is asked about.
      const asked = ofKind(stream.all, 'verify').map(({ local, remote }) => `${local} ${remote}`)
      for (const { local, peer } of ofKind(stream.all, 'proven')) {
        if (peer.provenBy !== 'sasl-external') expect(asked).toContain(`${local} ${peer.domain}`)
        else expect([isSecured, local, peer.domain, partnerRules.methods[0]]).toEqual([true, US, THEM, SASL_METHOD])
      }
      expect(asked.filter((pair) => pair.includes(STRANGER))).toEqual([])
      if (partnerRules.tls === 'required' && !isSecured) expect(asked).toEqual([])
    }),
    settings,
  )
})

test('an initiating stream: ready once, and only for an answer to our question', () => {
  fc.assert(
    fc.property(rules, script, fc.boolean(), (partnerRules, steps, isSecured) => {
      const stream = initiator(initiatingWorld(partnerRules, { judgeCertificate: () => certificateOf(THEM) }))
      play(stream, header({ from: THEM, to: US, id: 's1' }), steps, isSecured)
      alwaysTrue(stream.all)
      const readies = ofKind(stream.all, 'ready')
      expect(readies.length).toBeLessThanOrEqual(1)
      if (partnerRules.tls === 'required' && !isSecured) expect(readies).toEqual([])
      const answers = steps.filter(
        (step) => typeof step === 'string' && step.startsWith(`<db:result from='${THEM}' to='${US}' type='valid'`),
      )
      const successes = steps.filter((step) => typeof step === 'string' && step.startsWith('<success'))
      for (const { provenBy } of readies) {
        expect(provenBy === 'sasl-external' ? successes : answers).not.toEqual([])
        if (provenBy === 'sasl-external') expect([isSecured, partnerRules.methods[0]]).toEqual([true, SASL_METHOD])
      }
      expect(ofKind(stream.all, 'stanza')).toEqual([])
    }),
    settings,
  )
})
