import type { DomainName, Stanza } from '@stox/xmpp'
import { VirtualTime, chanceFrom } from '@stox/kernel'
import type { Timer } from '@stox/kernel'
import { DEFAULT_XML_LIMITS, XmlStreamReader } from '@stox/xml'
import type {
  CertificateVerdict,
  StreamEffect,
  StreamFailure,
  StreamInput,
  StreamPurpose,
  StreamRules,
  TimerName,
} from '@stox/xmpp-engine'
import {
  advanceInitiating,
  advanceReceiving,
  startInitiating,
  startReceiving,
  verdictOfFailure,
} from '@stox/xmpp-engine'
import { CERTIFIED, RULES, SELF_SIGNED, TIMES, countingIds, domain, hashes } from './support.ts'

const ROMEO = domain('montague.example')
const JULIET = domain('capulet.example')

interface End {
  readonly name: string
  advance(input: StreamInput): readonly StreamEffect[]
  readonly start: readonly StreamEffect[]
  onEffect(effect: StreamEffect, end: End): void
}

/** A network of two servers: late, in crumbs, in order, or not at all. */
class Network {
  readonly time = new VirtualTime()
  readonly stanzas: Stanza[] = []
  readonly log: string[] = []
  readonly #chance: () => number
  readonly #rules: Readonly<Record<string, StreamRules>>
  readonly #ids = countingIds('stream')
  /** Bytes of this connection are lost from now on. */
  isCut = false
  forgesKeys = false
  certificates: CertificateVerdict = SELF_SIGNED

  constructor(seed: number, rules: Readonly<Record<string, StreamRules>>) {
    this.#chance = chanceFrom(seed)
    this.#rules = rules
  }

  connect(
    local: DomainName,
    remote: DomainName,
    purpose: StreamPurpose,
    onEnd: (effect: StreamEffect) => void,
  ): { say(xml: string): void; close(): void } {
    const secret = (owner: DomainName) => () =>
      (this.forgesKeys && purpose.kind === 'stanzas' ? 'not the' : 'the') + ` secret of ${owner}`
    const judgeAs = (owner: DomainName) => () =>
      ({ allowed: true, rules: this.#rules[owner] ?? RULES.tlsOptional }) as const
    const dialing = {
      local,
      remote,
      purpose,
      hashes,
      times: TIMES,
      counts: { handled: 0, sent: 0, acknowledged: 0 },
      dialbackSecret: secret(local),
      judge: judgeAs(local),
      judgeCertificate: () => this.certificates,
      holdsCertificate: () => true,
    }
    const answering = {
      ids: this.#ids,
      hashes,
      times: TIMES,
      counts: { handled: 0, sent: 0, acknowledged: 0 },
      dialbackSecret: () => `the secret of ${remote}`,
      isServed: (name: DomainName) => name === remote,
      judge: judgeAs(remote),
      hasRoom: () => true,
      penaltyOf: () => undefined,
      canEncrypt: () => true,
      judgeCertificate: () => this.certificates,
    }
    let initiating = startInitiating(dialing)
    let receiving = startReceiving(answering)
    const initiator: End = {
      name: `${local} to ${remote}, ${purpose.kind}`,
      start: initiating.effects,
      advance: (input) => (initiating = advanceInitiating(initiating.state, input, dialing)).effects,
      onEffect: onEnd,
    }
    const receiver: End = {
      name: `${remote} hears ${local}`,
      start: receiving.effects,
      advance: (input) => (receiving = advanceReceiving(receiving.state, input, answering)).effects,
      onEffect: (effect, end) => {
        if (effect.kind === 'stanza') this.stanzas.push(effect.stanza)
        if (effect.kind === 'verify') this.#verify(effect, (input) => play(end, end.advance(input)))
      },
    }
    const readers = new Map<End, XmlStreamReader>()
    const arrivals = new Map<End, number>()
    const timers = new Map<string, Timer>()
    let securing = 0
    const other = (end: End) => (end === initiator ? receiver : initiator)
    const later = (to: End, act: () => void) => {
      const atMs = Math.max(arrivals.get(to) ?? 0, this.time.monotonicMs() + this.#chance() * 50)
      arrivals.set(to, atMs)
      this.time.arm(atMs - this.time.monotonicMs(), act)
    }
    const play = (end: End, effects: readonly StreamEffect[]): void => {
      for (const effect of effects) {
        this.log.push(`${end.name}: ${effect.kind}`)
        if (effect.kind === 'write') send(end, effect.text)
        else if (effect.kind === 'start-tls') {
          securing += 1
          if (securing === 2) for (const each of [receiver, initiator]) later(each, () => secure(each))
        } else if (effect.kind === 'restart') readers.delete(end)
        else if (effect.kind === 'arm-timer') arm(end, effect.timer, effect.afterMs)
        else if (effect.kind === 'cancel-timer') timers.get(`${end.name} ${effect.timer}`)?.cancel()
        else if (effect.kind === 'hang-up') {
          for (const [key, timer] of timers) if (key.startsWith(`${end.name} `)) timer.cancel()
          later(other(end), () =>
            play(other(end), other(end).advance({ kind: 'gone', failure: { kind: 'closed', detail: 'FIN' } })),
          )
        } else end.onEffect(effect, end)
      }
    }
    const arm = (end: End, timer: TimerName, afterMs: number) => {
      const key = `${end.name} ${timer}`
      timers.get(key)?.cancel()
      timers.set(
        key,
        this.time.arm(afterMs, () => play(end, end.advance({ kind: 'timer', timer, quietMs: afterMs }))),
      )
    }
    const secure = (end: End) => {
      readers.set(end, new XmlStreamReader(DEFAULT_XML_LIMITS))
      play(end, end.advance({ kind: 'tls-done' }))
    }
    const send = (from: End, text: string) => {
      const bytes = Buffer.from(text)
      const cuts = [0, ...[1, 2, 3].map(() => Math.floor(this.#chance() * bytes.length)), bytes.length].toSorted(
        (a, b) => a - b,
      )
      for (let at = 1; at < cuts.length; at += 1) {
        const crumb = bytes.subarray(cuts[at - 1], cuts[at])
        const to = other(from)
        if (!this.isCut) later(to, () => read(to, crumb))
      }
    }
    const read = (end: End, bytes: Buffer) => {
      const reader = readers.get(end) ?? new XmlStreamReader(DEFAULT_XML_LIMITS)
      readers.set(end, reader)
      for (const event of reader.push(bytes)) play(end, end.advance({ kind: 'xml', event }))
    }
    play(receiver, receiver.start)
    play(initiator, initiator.start)
    return { say: (xml) => send(initiator, xml), close: () => play(initiator, initiator.advance({ kind: 'close' })) }
  }

  #verify(question: Extract<StreamEffect, { kind: 'verify' }>, answer: (input: StreamInput) => void): void {
    const { local, remote, streamId, key } = question
    this.connect(local, remote, { kind: 'verify', streamId, key }, (effect) => {
      if (effect.kind === 'verdict') {
        answer({ kind: 'dialback-verdict', local, remote, verdict: effect.verdict, encrypted: effect.encrypted })
      } else if (effect.kind === 'ended' && effect.failure !== undefined) {
        const verdict = verdictOfFailure(effect.failure)
        answer({ kind: 'dialback-verdict', local, remote, verdict, encrypted: false })
      }
    })
  }
}

interface Heard {
  readyBy: string | undefined
  failure: StreamFailure | undefined
  readonly line: { say(xml: string): void; close(): void }
}

function dial(network: Network): Heard {
  const heard: { readyBy: string | undefined; failure: StreamFailure | undefined } = {
    readyBy: undefined,
    failure: undefined,
  }
  const line = network.connect(ROMEO, JULIET, { kind: 'stanzas' }, (effect) => {
    if (effect.kind === 'ready') heard.readyBy = effect.provenBy
    if (effect.kind === 'ended') heard.failure = effect.failure
  })
  return Object.assign(heard, { line })
}

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed)
const both = (rules: StreamRules) => ({ [ROMEO]: rules, [JULIET]: rules })

test.each([
  ['TLS required on both sides', both(RULES.tlsRequired), 'dialback-over-tls'],
  ['TLS optional on both sides', both(RULES.tlsOptional), 'dialback-over-tls'],
  [
    'TLS optional here, required there',
    { [ROMEO]: RULES.tlsOptional, [JULIET]: RULES.tlsRequired },
    'dialback-over-tls',
  ],
  [
    'TLS optional here, not supported there',
    { [ROMEO]: RULES.tlsOptional, [JULIET]: RULES.tlsNotSupported },
    'dialback-over-tcp',
  ],
  ['no TLS on either side', both(RULES.tlsNotSupported), 'dialback-over-tcp'],
])('%s', (_name, rules, provenBy) => {
  for (const seed of SEEDS) {
    const network = new Network(seed, rules)
    const heard = dial(network)
    network.time.advance(5_000)
    expect([seed, heard.readyBy]).toEqual([seed, provenBy])
    for (let count = 0; count < 20; count += 1) {
      heard.line.say(
        `<message from='r@${ROMEO}' to='j@${JULIET}' id='m${count}'><body>${'ü'.repeat(count)}</body></message>`,
      )
    }
    network.time.advance(5_000)
    expect(network.stanzas.map(({ id }) => id)).toEqual(Array.from({ length: 20 }, (_, count) => `m${count}`))
    heard.line.close()
    network.time.advance(10_000)
    expect(heard.failure).toBeUndefined()
    // No timer outlives its stream.
    expect(network.time.armed).toBe(0)
  }
})

test.each([
  ['SASL only', both(RULES.saslOnly), CERTIFIED, 'sasl-external'],
  ['SASL or dialback, good certificates', both(RULES.saslOrDialback), CERTIFIED, 'sasl-external'],
  ['SASL or dialback, self-signed', both(RULES.saslOrDialback), SELF_SIGNED, 'dialback-over-tls'],
  [
    'SASL here, dialback there',
    { [ROMEO]: RULES.saslOrDialback, [JULIET]: RULES.tlsRequired },
    CERTIFIED,
    'dialback-over-tls',
  ],
])('%s', (_name, rules, certificates, provenBy) => {
  for (const seed of SEEDS) {
    const network = new Network(seed, rules)
    network.certificates = certificates
    const heard = dial(network)
    network.time.advance(5_000)
    expect([seed, heard.readyBy, heard.failure]).toEqual([seed, provenBy, undefined])
    heard.line.say(`<message from='r@${ROMEO}' to='j@${JULIET}' id='m1'/>`)
    network.time.advance(5_000)
    expect(network.stanzas.map(({ id }) => id)).toEqual(['m1'])
    heard.line.close()
    network.time.advance(10_000)
    expect(network.time.armed).toBe(0)
  }
})

test('SASL only, and a certificate that proves nothing', () => {
  const network = new Network(1, both(RULES.saslOnly))
  const heard = dial(network)
  network.time.advance(5_000)
  expect(heard.readyBy).toBeUndefined()
  expect(heard.failure).toBeDefined()
})

test('a forged key', () => {
  for (const seed of SEEDS) {
    const network = new Network(seed, both(RULES.tlsOptional))
    network.forgesKeys = true
    const heard = dial(network)
    network.time.advance(5_000)
    expect(heard.readyBy).toBeUndefined()
    expect(heard.failure).toMatchObject({ kind: 'dialback-invalid' })
    network.time.advance(10_000)
    expect(network.time.armed).toBe(0)
  }
})

test('TLS required here and not supported there', () => {
  const network = new Network(1, { [ROMEO]: RULES.tlsRequired, [JULIET]: RULES.tlsNotSupported })
  const heard = dial(network)
  network.time.advance(5_000)
  expect(heard.failure).toMatchObject({ kind: 'tls-failed' })
})

test('TLS not supported here and required there', () => {
  const network = new Network(1, { [ROMEO]: RULES.tlsNotSupported, [JULIET]: RULES.tlsRequired })
  const heard = dial(network)
  network.time.advance(5_000)
  expect(heard.failure).toMatchObject({ kind: 'no-method' })
})

test('silence ends in time, whenever it begins', () => {
  for (const afterMs of [0, 30, 60, 90, 120, 150, 200, 250, 300]) {
    const network = new Network(afterMs, both(RULES.tlsOptional))
    const heard = dial(network)
    network.time.advance(afterMs)
    network.isCut = true
    network.time.advance(TIMES.idleMs + TIMES.establishmentMs + 10 * TIMES.closeMs)
    expect([afterMs, heard.readyBy === undefined]).toEqual([afterMs, heard.failure?.kind === 'timeout'])
    expect(network.time.armed).toBe(0)
  }
})
