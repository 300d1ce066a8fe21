import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { DomainName } from '@stox/xmpp'
import { STREAM_END, formatStanza, formatStreamError, formatStreamHeader } from '@stox/xmpp'
import type {
  CertificateVerdict,
  InitiatingWorld,
  Judgement,
  Proof,
  ReceivingWorld,
  Step,
  StreamEffect,
  StreamFailure,
  StreamInput,
  StreamPurpose,
  StreamTimes,
} from '@stox/xmpp-engine'
import {
  advanceInitiating,
  advanceReceiving,
  detailOf,
  failureOf,
  startInitiating,
  startReceiving,
  verdictOfFailure,
  whyNoMethod,
} from '@stox/xmpp-engine'
import { OutboundPair } from './outbound-pair.ts'
import { secureAsClient } from './secure-socket.ts'
import type { StreamMachine } from './xmpp-connection.ts'
import { XmppConnection } from './xmpp-connection.ts'
import { dialXmpp } from './xmpp-dialer.ts'
import type {
  JudgeCertificate,
  PartnerRules,
  SendOutcome,
  StreamFailureInfo,
  StreamInfo,
  StreamUp,
  XmppEndpointLimits,
  XmppEndpointOptions,
} from './xmpp-endpoint-types.ts'
import { XmppListener } from './xmpp-listener.ts'

const DEFAULT_LIMITS: XmppEndpointLimits = {
  stanzasInHand: 2_048,
  bytesInHand: 8 * 1024 * 1024,
  queueEntries: 2_000,
  queueBytes: 4 * 1024 * 1024,
  writeBufferBytes: 512 * 1024,
  unauthenticated: 200,
  unauthenticatedPerAddress: 20,
  connectTimeoutMs: 10_000,
  stallTimeoutMs: 20_000,
  closeTimeoutMs: 5_000,
  backOffFirstMs: 1_000,
  backOffCapMs: 30_000,
}
const FAILURES_KEPT = 200
/** For an error stanza that answers a broken one. */
const ANSWER_MAX_WAIT_MS = 30_000

interface Stream {
  readonly id: string
  readonly direction: 'in' | 'out'
  readonly purpose: 'stanzas' | 'verify'
  readonly connection: XmppConnection
  readonly machine: StreamMachine
  /** Outbound: the pair it is for. Inbound: what the header says. */
  local: DomainName | undefined
  remote: DomainName | undefined
  readonly pairs: StreamUp[]
  partner: string | undefined
  stanzasInHand: number
  bytesInHand: number
  isHeld: boolean
  /** Stanzas that the partner's rate still allows, and when that was so. */
  allowance: number
  allowanceAtMs: number
}

/** A connection that is not there yet, and counts. */
interface Dialing {
  readonly partner: string
  readonly purpose: Stream['purpose']
  readonly abort: AbortController
}

/** Listener, dialer and table of streams: all the edge needs for server-to-server XMPP. */
export class XmppEndpoint {
  readonly #options: XmppEndpointOptions
  readonly #limits: XmppEndpointLimits
  readonly #listener = new XmppListener()
  readonly #streams = new Map<string, Stream>()
  readonly #pairs = new Map<string, OutboundPair>()
  readonly #failures: StreamFailureInfo[] = []
  readonly #dialing = new Set<Dialing>()
  #closed = false
  #whenEmpty: (() => void) | undefined

  constructor(options: XmppEndpointOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
  }

  /** Those with direct TLS come last. Rejects with one clear sentence when an address is not free or not ours. */
  async listen(): Promise<readonly { readonly address: string; readonly port: number }[]> {
    const { listen, listenDirectTls = [] } = this.#options
    const plain = await this.#listener.listen(listen, (socket) => this.#accept(socket, 'starttls'))
    const direct = await this.#listener.listen(listenDirectTls, (socket) => this.#accept(socket, 'direct'))
    return [...plain, ...direct].map(({ address, port }) => ({ address, port }))
  }

  /** Dials when needed. Resolves when the stanza is on an authenticated stream, or with why not; never rejects. */
  send(
    local: DomainName,
    remote: DomainName,
    stanzaXml: string,
    options: { readonly maxWaitMs: number },
  ): Promise<SendOutcome> {
    const failed = (failure: StreamFailure): Promise<SendOutcome> =>
      Promise.resolve({ kind: 'failed', failure: failureOf(failure, remote) })
    if (this.#closed) return failed(SHUTTING_DOWN)
    const judgement = this.#options.policy.judge(local, remote)
    if (!judgement.allowed) return failed({ kind: 'not-allowed', detail: judgement.reason })
    const { maxStanzaBytes } = judgement.rules
    // The length in bytes is asked for only where it can matter.
    if (stanzaXml.length * 3 > maxStanzaBytes && Buffer.byteLength(stanzaXml) > maxStanzaBytes) {
      return failed({ kind: 'too-big', detail: `more than ${maxStanzaBytes} bytes` })
    }
    return this.#pairFor(local, remote).send(stanzaXml, options.maxWaitMs)
  }

  streams(): readonly StreamInfo[] {
    return [...this.#streams.values()].map(infoOf)
  }

  /** The last ones, oldest first. */
  failures(): readonly StreamFailureInfo[] {
    return [...this.#failures]
  }

  closeStream(id: string): boolean {
    const stream = this.#streams.get(id)
    stream?.connection.input({ kind: 'close' })
    return stream !== undefined
  }

  /** After a new replica: ends the streams that the rules no longer allow. */
  policyChanged(): void {
    for (const { connection } of [...this.#streams.values()]) connection.input({ kind: 'policy-changed' })
    for (const pair of this.#pairs.values()) pair.forgive()
  }

  /** Ends every stream politely, then by force; resolves when no socket is left. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const listening = this.#listener.close()
    for (const { abort } of this.#dialing) abort.abort()
    for (const pair of this.#pairs.values()) pair.close(SHUTTING_DOWN)
    for (const { connection, direction } of [...this.#streams.values()]) {
      if (direction === 'out') connection.input({ kind: 'close' })
      else connection.input({ kind: 'close', error: { condition: 'system-shutdown', text: undefined } })
    }
    if (this.#streams.size > 0) {
      const emptied = new Promise<void>((resolve) => (this.#whenEmpty = resolve))
      const force = this.#options.timers.arm(this.#limits.closeTimeoutMs, () => {
        for (const { connection } of this.#streams.values()) connection.destroy()
      })
      await emptied
      force.cancel()
    }
    await listening
  }

  #accept(socket: Socket, begin: 'starttls' | 'direct'): void {
    const refusal = this.#closed ? 'shutting down' : this.#noRoomFor(socket.remoteAddress ?? 'unknown')
    if (refusal !== undefined) {
      this.#options.on.refused('connection-limit', refusal)
      socket.on('error', () => {})
      if (begin === 'direct') socket.destroy()
      else socket.end(this.#fullText(), () => socket.destroy())
      return
    }
    const { policy, ids, hashes, tls } = this.#options
    const world: Omit<ReceivingWorld, 'judgeCertificate'> = {
      ids,
      hashes,
      times: this.#times(),
      dialbackSecret: () => policy.dialbackSecret(),
      isServed: (domain) => policy.isServed(domain),
      judge: (local, remote) => this.#judge(local, remote),
      hasRoom: (local, remote) => this.#hasRoom(local, remote),
      canEncrypt: (local) => tls.contextFor(local) !== undefined,
    }
    const machineFor: MachineFor = (judgeCertificate) => {
      const mine = { ...world, judgeCertificate }
      return machineOf(
        () => startReceiving(mine, begin),
        (state, input) => advanceReceiving(state, input, mine),
      )
    }
    this.#open(socket, 'in', 'stanzas', machineFor, undefined, undefined, (stream, effect) =>
      this.#onInbound(stream, effect),
    )
  }

  /** Why a new connection from there cannot be taken; only those that have proven nothing count against it. */
  #noRoomFor(address: string): string | undefined {
    if (this.#streams.size >= this.#options.policy.connectionLimit()) return 'the limit of all connections is reached'
    let unproven = 0
    let fromThere = 0
    for (const { direction, pairs, connection } of this.#streams.values()) {
      if (direction !== 'in' || pairs.length > 0) continue
      unproven += 1
      if (connection.remoteAddress === address) fromThere += 1
    }
    if (unproven >= this.#limits.unauthenticated) return 'too many connections that have not authenticated'
    if (fromThere >= this.#limits.unauthenticatedPerAddress) return `too many such connections from ${address}`
    return undefined
  }

  #fullText(): string {
    const header = formatStreamHeader({
      from: undefined,
      to: undefined,
      id: this.#options.ids.token(),
      version: { major: 1, minor: 0 },
      lang: 'en',
      declaresDialback: true,
    })
    return header + formatStreamError({ condition: 'resource-constraint', text: undefined }) + STREAM_END
  }

  #judge(local: DomainName, remote: DomainName): Judgement {
    const judgement = this.#options.policy.judge(local, remote)
    if (judgement.allowed) return judgement
    return { allowed: false, condition: judgement.condition ?? 'policy-violation', reason: judgement.reason }
  }

  #rulesFor(local: DomainName, remote: DomainName): PartnerRules | undefined {
    const judgement = this.#options.policy.judge(local, remote)
    return judgement.allowed ? judgement.rules : undefined
  }

  #hasRoom(local: DomainName, remote: DomainName): boolean {
    const rules = this.#rulesFor(local, remote)
    return rules !== undefined && this.#countOf(rules.partner, 'stanzas') < rules.connectionLimit
  }

  #countOf(partner: string, purpose: Stream['purpose']): number {
    let count = 0
    for (const stream of this.#streams.values())
      if (stream.partner === partner && stream.purpose === purpose) count += 1
    return count
  }

  #times(): StreamTimes {
    const { establishmentTimeoutMs, inactivityTimeoutMs, keepAliveIntervalMs } = this.#options.policy.times()
    return {
      establishmentMs: establishmentTimeoutMs,
      idleMs: inactivityTimeoutMs,
      keepAliveMs: keepAliveIntervalMs,
      closeMs: this.#limits.closeTimeoutMs,
    }
  }

  #open(
    socket: Socket,
    direction: Stream['direction'],
    purpose: Stream['purpose'],
    machineFor: MachineFor,
    local: DomainName | undefined,
    remote: DomainName | undefined,
    onEffect: (stream: Stream, effect: StreamEffect) => void,
    onRoom: () => void = () => {},
  ): Stream {
    const { clock, timers, tls, policy, judgeCertificate = NONE_PROVES } = this.#options
    const machine = machineFor((domain) => judgeCertificate(connection.presented, domain))
    const { writeBufferBytes, stallTimeoutMs, closeTimeoutMs } = this.#limits
    const connection: XmppConnection = new XmppConnection({
      socket,
      direction,
      machine,
      clock,
      timers,
      tls,
      isServed: (domain) => policy.isServed(domain as DomainName),
      writeBufferBytes,
      stallTimeoutMs,
      closeTimeoutMs,
      onEffect: (effect) => onEffect(stream, effect),
      onDrain: onRoom,
      onClosed: () => this.#forget(stream),
    })
    const stream: Stream = {
      id: this.#options.ids.token(),
      direction,
      purpose,
      connection,
      machine,
      local,
      remote,
      pairs: [],
      partner: local === undefined || remote === undefined ? undefined : this.#rulesFor(local, remote)?.partner,
      stanzasInHand: 0,
      bytesInHand: 0,
      isHeld: false,
      allowance: 0,
      allowanceAtMs: clock.monotonicMs(),
    }
    this.#streams.set(stream.id, stream)
    connection.start()
    return stream
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.id)
    if (this.#streams.size === 0) this.#whenEmpty?.()
  }

  #onInbound(stream: Stream, effect: StreamEffect): void {
    switch (effect.kind) {
      case 'stanza':
        this.#onStanza(stream, effect)
        return
      case 'addressed':
        stream.local = effect.local
        stream.remote = effect.remote
        return
      case 'answer': {
        const { from, to } = effect.stanza
        void this.send(from.domain, to.domain, formatStanza(effect.stanza), { maxWaitMs: ANSWER_MAX_WAIT_MS })
        return
      }
      case 'verify':
        this.#verify(stream, effect)
        return
      case 'proven': {
        const { local, peer } = effect
        stream.partner ??= this.#rulesFor(local, peer.domain)?.partner
        this.#up(stream, local, peer.domain, peer.provenBy)
        // Who comes to us can be gone to.
        this.#pairs.get(keyOf(local, peer.domain))?.forgive()
        return
      }
      default:
        this.#onAny(stream, effect)
    }
  }

  #onAny(stream: Stream, effect: StreamEffect): void {
    if (effect.kind === 'refused') this.#options.on.refused(effect.refusal, effect.detail)
    else if (effect.kind === 'ended') {
      const { direction, local, remote } = stream
      if (effect.failure !== undefined && !this.#closed) this.#noteFailure(direction, local, remote, effect.failure)
      this.#down(stream, effect.failure === undefined ? 'closed' : detailOf(effect.failure))
    }
  }

  #up(stream: Stream, local: DomainName, remote: DomainName, provenBy: Proof): void {
    const up: StreamUp = { streamId: stream.id, direction: stream.direction, local, remote, provenBy }
    stream.pairs.push(up)
    this.#options.on.streamUp(up)
  }

  #down(stream: Stream, reason: string): void {
    for (const up of stream.pairs.splice(0)) this.#options.on.streamDown({ ...up, reason })
  }

  #noteFailure(
    direction: Stream['direction'],
    local: DomainName | undefined,
    remote: DomainName | undefined,
    failure: StreamFailure,
  ): void {
    const info = { direction, local, remote, kind: failure.kind, detail: detailOf(failure) }
    this.#options.log.warn('stream-failed', info)
    this.#failures.push({ atMs: this.#options.clock.wallMs(), ...info })
    if (this.#failures.length > FAILURES_KEPT) this.#failures.shift()
    this.#options.on.streamFailed?.(direction, failure.kind)
  }

  #onStanza(stream: Stream, { stanza, peer, bytes }: Extract<StreamEffect, { kind: 'stanza' }>): void {
    const local = stanza.to.domain
    const dealtWith = this.#options.on.stanza(stanza, { streamId: stream.id, local, peer, bytes })
    if (dealtWith !== undefined) {
      this.#hold(stream, 1, bytes)
      void dealtWith.finally(() => this.#hold(stream, -1, -bytes))
    }
    const perSecond = this.#rulesFor(local, peer.domain)?.stanzasPerSecond
    if (perSecond !== undefined) this.#takeAllowance(stream, perSecond)
  }

  /** Reading stops at the limit, and goes on when half of it is free again. */
  #hold(stream: Stream, stanzas: number, bytes: number): void {
    stream.stanzasInHand += stanzas
    stream.bytesInHand += bytes
    const fullness = Math.max(
      stream.stanzasInHand / this.#limits.stanzasInHand,
      stream.bytesInHand / this.#limits.bytesInHand,
    )
    const isHeld = stream.isHeld ? fullness > 0.5 : fullness >= 1
    if (isHeld === stream.isHeld) return
    stream.isHeld = isHeld
    stream.connection.hold(isHeld)
  }

  /** A bucket of one second's worth; an empty one stops the reading until it holds a stanza again. */
  #takeAllowance(stream: Stream, perSecond: number): void {
    const nowMs = this.#options.clock.monotonicMs()
    const gained = ((nowMs - stream.allowanceAtMs) / 1000) * perSecond
    stream.allowance = Math.min(Math.max(1, perSecond), stream.allowance + gained) - 1
    stream.allowanceAtMs = nowMs
    if (stream.allowance < 0) stream.connection.slowDown((-stream.allowance / perSecond) * 1000)
  }

  #pairFor(local: DomainName, remote: DomainName): OutboundPair {
    const key = keyOf(local, remote)
    const known = this.#pairs.get(key)
    if (known !== undefined) return known
    const { clock, timers, ids } = this.#options
    const { queueEntries, queueBytes, backOffFirstMs, backOffCapMs } = this.#limits
    const pair = new OutboundPair({
      local,
      remote,
      clock,
      timers,
      ids,
      queueEntries,
      queueBytes,
      backOffFirstMs,
      backOffCapMs,
      dial: (mine) => this.#connectPair(mine),
    })
    this.#pairs.set(key, pair)
    return pair
  }

  #connectPair(pair: OutboundPair): void {
    const { local, remote } = pair
    void this.#dial(local, remote, { kind: 'stanzas' }, 'stanzas').then((dialed) => {
      if (dialed.kind === 'failed') {
        this.#noteFailure('out', local, remote, dialed.failure)
        pair.onEnded(dialed.failure)
        return
      }
      const onEffect = (stream: Stream, effect: StreamEffect): void => {
        this.#onAny(stream, effect)
        if (effect.kind === 'ready') {
          this.#up(stream, local, remote, effect.provenBy)
          pair.onReady(stream.connection, stream.id, effect.limits?.maxBytes)
        } else if (effect.kind === 'ended') pair.onEnded(effect.failure)
      }
      this.#open(dialed.socket, 'out', 'stanzas', dialed.machineFor, local, remote, onEffect, () => pair.onRoom())
    })
  }

  /** Another connection, never the one on which the key came. @see XEP-0220 §2.1.2 */
  #verify(asking: Stream, effect: Extract<StreamEffect, { kind: 'verify' }>): void {
    const { local, remote, streamId, key } = effect
    let isAnswered = false
    const answer = (
      input: Omit<Extract<StreamInput, { kind: 'dialback-verdict' }>, 'kind' | 'local' | 'remote'>,
    ): void => {
      if (isAnswered) return
      isAnswered = true
      asking.connection.input({ kind: 'dialback-verdict', local, remote, ...input })
    }
    void this.#dial(local, remote, { kind: 'verify', streamId, key }, 'verify').then((dialed) => {
      if (dialed.kind === 'failed') {
        this.#noteFailure('out', local, remote, dialed.failure)
        answer({ verdict: verdictOfFailure(dialed.failure), encrypted: false })
        return
      }
      this.#open(dialed.socket, 'out', 'verify', dialed.machineFor, local, remote, (stream, each) => {
        if (each.kind === 'verdict') answer({ verdict: each.verdict, encrypted: each.encrypted })
        else if (each.kind === 'ended' && each.failure !== undefined) {
          answer({ verdict: verdictOfFailure(each.failure), encrypted: false })
        }
        this.#onAny(stream, each)
      })
    })
  }

  async #dial(
    local: DomainName,
    remote: DomainName,
    streamPurpose: StreamPurpose,
    purpose: Stream['purpose'],
  ): Promise<
    | { readonly kind: 'dialed'; readonly socket: Socket; readonly machineFor: MachineFor }
    | { readonly kind: 'failed'; readonly failure: StreamFailure }
  > {
    const { policy, resolver, ids, clock, timers, hashes, tls, mayConnect = () => true } = this.#options
    const failed = (failure: StreamFailure) => ({ kind: 'failed', failure }) as const
    const judgement = policy.judge(local, remote)
    if (!judgement.allowed) return failed({ kind: 'not-allowed', detail: judgement.reason })
    const { rules } = judgement
    const nothing = whyNoMethod(rules)
    if (nothing !== undefined) return failed({ kind: 'no-method', detail: nothing })
    if (this.#streams.size + this.#dialing.size >= policy.connectionLimit()) {
      return failed({ kind: 'connection-limit', detail: 'the limit of all connections is reached' })
    }
    if (this.#countOf(rules.partner, purpose) >= rules.connectionLimit) {
      return failed({
        kind: 'connection-limit',
        detail: `${rules.partner} has its ${rules.connectionLimit} connections`,
      })
    }
    const times = this.#times()
    const dialing: Dialing = { partner: rules.partner, purpose, abort: new AbortController() }
    this.#dialing.add(dialing)
    const { connectTimeoutMs } = this.#limits
    const dialed = await dialXmpp(
      { resolver, ids, clock, timers, connectTimeoutMs, mayConnect },
      {
        remote,
        proxy: rules.proxy,
        mayUseTls: rules.tls !== 'notSupported',
        withinMs: times.establishmentMs,
        signal: dialing.abort.signal,
        secure: (socket) => secureAsClient(socket, tls, local, remote, true),
      },
    )
    this.#dialing.delete(dialing)
    if (!dialed.ok) return failed(dialed.failure)
    if (this.#closed) {
      dialed.value.destroy()
      return failed(SHUTTING_DOWN)
    }
    const world: Omit<InitiatingWorld, 'judgeCertificate'> = {
      local,
      remote,
      purpose: streamPurpose,
      hashes,
      times,
      dialbackSecret: () => policy.dialbackSecret(),
      judge: (ours, theirs) => this.#judge(ours, theirs),
      holdsCertificate: () => tls.contextFor(local) !== undefined,
    }
    const machineFor: MachineFor = (judgeCertificate) => {
      const mine = { ...world, judgeCertificate: () => judgeCertificate(remote) }
      return machineOf(
        () => startInitiating(mine, dialed.value instanceof TLSSocket),
        (state, input) => advanceInitiating(state, input, mine),
      )
    }
    return { kind: 'dialed', socket: dialed.value, machineFor }
  }
}

/** A machine for the connection whose peer's certificate it may ask about. */
type MachineFor = (judgeCertificate: (domain: DomainName) => CertificateVerdict) => StreamMachine

const NONE_PROVES: JudgeCertificate = () => ({ ok: false, reason: 'no authority is trusted here' })

const keyOf = (local: DomainName, remote: DomainName): string => `${local} ${remote}`

const SHUTTING_DOWN: StreamFailure = { kind: 'shutting-down', detail: 'the edge is shutting down' }

/** Keeps the state for a machine that is a function. */
function machineOf<State extends { readonly name: string }>(
  start: () => Step<State>,
  advance: (state: State, input: StreamInput) => Step<State>,
): StreamMachine {
  let state: State | undefined
  return {
    get stateName() {
      return state?.name ?? 'new'
    },
    start() {
      const step = start()
      state = step.state
      return step.effects
    },
    advance(input) {
      if (state === undefined) throw new Error('the stream has not been started')
      const step = advance(state, input)
      state = step.state
      return step.effects
    },
  }
}

function infoOf({ id, direction, purpose, connection, machine, local, remote, pairs }: Stream): StreamInfo {
  return {
    id,
    direction,
    purpose,
    state: machine.stateName,
    local,
    remote: remote ?? pairs[0]?.remote,
    pairs: pairs.map((pair) => ({ local: pair.local, remote: pair.remote, provenBy: pair.provenBy })),
    encrypted: connection.encrypted,
    tlsVersion: connection.tlsVersion,
    certificates: connection.certificates,
    remoteAddress: connection.remoteAddress,
    openedAtMs: connection.openedAtMs,
    quietMs: connection.quietMs,
    stanzasIn: connection.stanzasIn,
    stanzasOut: connection.stanzasOut,
    bytesIn: connection.bytesIn,
    bytesOut: connection.bytesOut,
    waitingBytes: connection.waitingBytes,
  }
}
