import { createHash, createHmac } from 'node:crypto'
import type { Method } from '@stox/federation'
import type { Hashes, Ids } from '@stox/kernel'
import type { XmlEvent } from '@stox/xml'
import { DEFAULT_XML_LIMITS, XmlStreamReader } from '@stox/xml'
import type { DomainName } from '@stox/xmpp'
import type {
  CertificateVerdict,
  InitiatingState,
  InitiatingWorld,
  Judgement,
  ReceivingState,
  ReceivingWorld,
  Step,
  StreamEffect,
  StreamInput,
  StreamRules,
  StreamTimes,
} from '@stox/xmpp-engine'
import { advanceInitiating, advanceReceiving, startInitiating, startReceiving } from '@stox/xmpp-engine'

export const hashes: Hashes = {
  sha256Hex: (text) => createHash('sha256').update(text).digest('hex'),
  hmacSha256Hex: (key, text) => createHmac('sha256', key).update(text).digest('hex'),
}

export const countingIds = (prefix = 'id'): Ids => {
  let count = 0
  return { token: () => `${prefix}${(count += 1)}`, fraction: () => 0.5 }
}

export const domain = (text: string): DomainName => text as DomainName
export const US = domain('sip.example')
export const ALSO_US = domain('also.example')
export const THEM = domain('xmpp.example')
export const ALSO_THEM = domain('sub.xmpp.example')
export const STRANGER = domain('stranger.example')

export const TIMES: StreamTimes = { establishmentMs: 60_000, idleMs: 600_000, keepAliveMs: 300_000, closeMs: 5_000 }
export const SECRET = 'a secret of at least sixteen'

const rules = (tls: StreamRules['tls'], methods: readonly Method[]): StreamRules => ({
  tls,
  methods,
  maxStanzaBytes: 50_000,
  keepAlive: true,
})
export const CERTIFIED: CertificateVerdict = { ok: true }
export const SELF_SIGNED = { ok: false, reason: 'the certificate is self-signed' } as const satisfies CertificateVerdict

/** Rows of the negotiation matrix. */
export const RULES = {
  saslOrDialback: rules('required', ['sasl-external-over-tls', 'dialback-over-tls']),
  saslOnly: rules('required', ['sasl-external-over-tls']),
  tlsRequired: rules('required', ['dialback-over-tls']),
  tlsOptional: rules('optional', ['sasl-external-over-tls', 'dialback-over-tls', 'dialback-over-tcp']),
  tlsNotSupported: rules('notSupported', ['dialback-over-tcp']),
} as const

export const judgeBy =
  (partnerRules: StreamRules) =>
  (_local: DomainName, remote: DomainName): Judgement =>
    remote === THEM || remote === ALSO_THEM
      ? { allowed: true, rules: partnerRules }
      : { allowed: false, condition: 'policy-violation', reason: 'not a partner' }

export const receivingWorld = (
  partnerRules: StreamRules = RULES.tlsOptional,
  changes: Partial<ReceivingWorld> = {},
): ReceivingWorld => ({
  ids: countingIds(),
  hashes,
  times: TIMES,
  counts: { handled: 0, sent: 0, acknowledged: 0 },
  dialbackSecret: () => SECRET,
  isServed: (name) => name === US || name === ALSO_US,
  judge: judgeBy(partnerRules),
  hasRoom: () => true,
  penaltyOf: () => undefined,
  canEncrypt: () => true,
  judgeCertificate: () => SELF_SIGNED,
  ...changes,
})

export const initiatingWorld = (
  partnerRules: StreamRules = RULES.tlsOptional,
  changes: Partial<InitiatingWorld> = {},
): InitiatingWorld => ({
  local: US,
  remote: THEM,
  purpose: { kind: 'stanzas' },
  hashes,
  times: TIMES,
  counts: { handled: 0, sent: 0, acknowledged: 0 },
  dialbackSecret: () => SECRET,
  judge: judgeBy(partnerRules),
  judgeCertificate: () => SELF_SIGNED,
  holdsCertificate: () => true,
  ...changes,
})

/** A machine with its state and its reader beside it, and all that it did. */
export class Driven<State extends { readonly name: string }> {
  state: State
  readonly all: StreamEffect[] = []
  readonly #advance: (state: State, input: StreamInput) => Step<State>
  #reader = new XmlStreamReader(DEFAULT_XML_LIMITS)

  constructor(first: Step<State>, advance: (state: State, input: StreamInput) => Step<State>) {
    this.state = first.state
    this.all.push(...first.effects)
    this.#advance = advance
  }

  input(input: StreamInput): readonly StreamEffect[] {
    const step = this.#advance(this.state, input)
    if (step.effects.some(({ kind }) => kind === 'restart')) this.#reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    this.state = step.state
    this.all.push(...step.effects)
    return step.effects
  }

  receive(text: string): readonly StreamEffect[] {
    return this.events(this.#reader.push(Buffer.from(text)))
  }

  events(events: readonly XmlEvent[]): readonly StreamEffect[] {
    return events.flatMap((event) => this.input({ kind: 'xml', event }))
  }

  secure(): readonly StreamEffect[] {
    this.#reader = new XmlStreamReader(DEFAULT_XML_LIMITS)
    return this.input({ kind: 'tls-done' })
  }
}

export const receiver = (world: ReceivingWorld, tls: 'starttls' | 'direct' = 'starttls'): Driven<ReceivingState> =>
  new Driven(startReceiving(world, tls), (state, input) => advanceReceiving(state, input, world))

export const initiator = (world: InitiatingWorld): Driven<InitiatingState> =>
  new Driven(startInitiating(world), (state, input) => advanceInitiating(state, input, world))

export const writtenIn = (effects: readonly StreamEffect[]): string =>
  effects.map((effect) => (effect.kind === 'write' ? effect.text : '')).join('')

export const ofKind = <Kind extends StreamEffect['kind']>(
  effects: readonly StreamEffect[],
  kind: Kind,
): readonly Extract<StreamEffect, { kind: Kind }>[] =>
  effects.filter((effect): effect is Extract<StreamEffect, { kind: Kind }> => effect.kind === kind)

export const kindsOf = (effects: readonly StreamEffect[]): readonly string[] => effects.map(({ kind }) => kind)

export function header(attributes: Readonly<Record<string, string | undefined>>): string {
  const all = { to: US as string, from: THEM as string, version: '1.0', ...attributes }
  const written = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [` ${name}='${value}'`]))
  return (
    `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'` +
    ` xmlns:db='jabber:server:dialback'${written.join('')}>`
  )
}
