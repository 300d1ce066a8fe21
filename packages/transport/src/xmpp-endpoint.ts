import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { Result } from '@stox/kernel'
import { fail, waitWhile } from '@stox/kernel'
import type { DomainName, StreamErrorInfo } from '@stox/xmpp'
import type { StreamEffect, StreamFailure, StreamPurpose } from '@stox/xmpp-engine'
import { failureOf } from '@stox/xmpp-engine'
import { Admission, networkOf } from './admission.ts'
import { endWhereDisproved } from './certificate-end.ts'
import type { Dialed } from './dial-stream.ts'
import { dialStream } from './dial-stream.ts'
import { FailureNotes } from './failure-notes.ts'
import type { Waiter } from './handshake-gate.ts'
import { HandshakeGate } from './handshake-gate.ts'
import type { OutboundPair } from './outbound-pair.ts'
import { OutboundPairs } from './outbound-pairs.ts'
import { loopBusyness } from './loop-delay.ts'
import { KeyVerifier } from './key-verifier.ts'
import { Penalties } from './penalties.ts'
import { noRoomText, receivingMachine } from './receive-stream.ts'
import { STOPPING, StreamEvents } from './stream-events.ts'
import { StreamIntake } from './stream-intake.ts'
import { StreamLedger } from './stream-ledger.ts'
import { StreamPings } from './stream-pings.ts'
import { StreamRulebook } from './stream-rules.ts'
import { TokenBuckets } from './token-buckets.ts'
import { XmppConnection } from './xmpp-connection.ts'
import type { DialFailure } from './xmpp-dialer.ts'
import type {
  JudgeCertificate,
  SendOutcome,
  StreamFailureInfo,
  StreamInfo,
  XmppEndpointLimits,
  XmppEndpointOptions,
} from './xmpp-endpoint-types.ts'
import { DEFAULT_LIMITS } from './xmpp-endpoint-limits.ts'
import { XmppListener } from './xmpp-listener.ts'
import type { Stream } from './xmpp-stream.ts'
import { infoOf } from './xmpp-stream.ts'

const REFUSALS_TOLD_PER_SECOND = 20
/** For an error stanza that answers a broken one. */
const ANSWER_MAX_WAIT_MS = 30_000

/** Listener, dialer and table of streams: all the edge needs for server-to-server XMPP. */
export class XmppEndpoint {
  readonly #options: XmppEndpointOptions
  readonly #limits: XmppEndpointLimits
  readonly #listener = new XmppListener()
  readonly #streams = new Map<string, Stream>()
  readonly #pairs: OutboundPairs
  readonly #dialing = new AbortController()
  readonly #rules: StreamRulebook
  readonly #admission: Admission
  readonly #refusalsTold: TokenBuckets
  readonly #penalties: Penalties
  readonly #handshakes: HandshakeGate
  readonly #intake: StreamIntake
  readonly #verifier: KeyVerifier
  readonly #pings: StreamPings
  readonly #failures: FailureNotes
  readonly #events: StreamEvents
  #isDraining = false
  #closed = false
  #whenEmpty: (() => void) | undefined

  constructor(options: XmppEndpointOptions) {
    this.#options = options
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits }
    const { clock, timers, log, policy, on, judgeCertificate = NONE_PROVES } = options
    this.#rules = new StreamRulebook(policy, this.#limits.closeTimeoutMs)
    this.#admission = new Admission(clock, this.#limits, () => policy.connectionLimit())
    this.#refusalsTold = new TokenBuckets(clock, REFUSALS_TOLD_PER_SECOND, 1)
    this.#penalties = new Penalties(clock, this.#limits)
    this.#handshakes = new HandshakeGate(clock, timers, this.#limits)
    this.#intake = new StreamIntake(
      clock,
      timers,
      this.#limits,
      (local, remote) => this.#rules.rulesFor(local, remote),
      loopBusyness(),
    )
    this.#pings = new StreamPings(options)
    this.#failures = new FailureNotes(clock, timers, log)
    this.#events = new StreamEvents({
      on,
      judgeCertificate,
      clock,
      timers,
      rules: this.#rules,
      admission: this.#admission,
      penalties: this.#penalties,
      intake: this.#intake,
      pings: this.#pings,
      failures: this.#failures,
      answer: (local, remote, xml) => void this.answer(local, remote, xml, { maxWaitMs: ANSWER_MAX_WAIT_MS }),
      verify: (stream, effect) => this.#verifier.verify(stream, effect),
      forgive: (local, remote) => this.#pairs.known(local, remote)?.forgive(),
    })
    this.#pairs = new OutboundPairs({
      ...options,
      limits: this.#limits,
      streams: () => this.#streams.values(),
      rulesFor: (local, remote) => this.#rules.rulesFor(local, remote),
      dial: (local, remote) => this.#dial(local, remote, { kind: 'stanzas' }),
      open: (dialed, pair, onEffect) => void this.#open(dialed, pair, onEffect, pair),
      onAny: (stream, effect) => this.#events.onAny(stream, effect),
      up: (stream, local, remote, provenBy) => this.#events.up(stream, local, remote, provenBy),
      failed: (stream, failure) => this.#events.note(stream, failure),
    })
    this.#verifier = new KeyVerifier({
      clock,
      limits: this.#limits,
      dial: (local, remote, purpose, forStranger) => this.#dial(local, remote, purpose, forStranger),
      open: (dialed, pair, onEffect) => void this.#open(dialed, pair, onEffect),
      onAny: (stream, effect) => this.#events.onAny(stream, effect),
      failed: (stream, failure) => this.#events.failed(stream, failure),
    })
  }

  /** Those with direct TLS come last. Rejects with one clear sentence when an address is not free or not ours. */
  async listen(): Promise<readonly { readonly address: string; readonly port: number }[]> {
    const { listen, listenDirectTls = [] } = this.#options
    const at = (addresses: readonly string[], begin: 'starttls' | 'direct') =>
      this.#listener.listen(
        addresses,
        (socket) => this.#accept(socket, begin),
        (from) => this.#turnsAway(from, begin),
      )
    const plain = await at(listen, 'starttls')
    const direct = await at(listenDirectTls, 'direct')
    return [...plain, ...direct].map(({ address, port }) => ({ address, port }))
  }

  /** Dials when needed. Resolves when the stanza is on an authenticated stream, or with why not; never rejects. */
  send(
    local: DomainName,
    remote: DomainName,
    stanzaXml: string,
    options: { readonly maxWaitMs: number },
  ): Promise<SendOutcome> {
    if (this.#isDraining) return Promise.resolve({ kind: 'failed', failure: failureOf(SHUTTING_DOWN, remote) })
    return this.answer(local, remote, stanzaXml, options)
  }

  /** The same for what belongs to a stanza of the partner's: it is sent while we drain too. */
  answer(
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
    return this.#pairs.for(local, remote).send(stanzaXml, options.maxWaitMs)
  }

  streams(): readonly StreamInfo[] {
    return [...this.#streams.values()].map((stream) => {
      const { direction, purpose, local, remote } = stream
      if (direction === 'in' || purpose === 'verify' || local === undefined || remote === undefined) {
        return infoOf(stream)
      }
      return infoOf(stream, this.#pairs.known(local, remote)?.waiting)
    })
  }

  /** The last ones, oldest first. */
  failures(): readonly StreamFailureInfo[] {
    return this.#failures.all
  }

  closeStream(id: string): boolean {
    const stream = this.#streams.get(id)
    stream?.connection.input({ kind: 'close' })
    return stream !== undefined
  }

  /** After a new replica: ends the streams that the rules no longer allow. */
  policyChanged(): void {
    for (const { connection } of [...this.#streams.values()]) connection.input({ kind: 'policy-changed' })
    for (const pair of this.#pairs.all) pair.forgive()
    this.#intake.forgetRates()
  }

  /** After new pins, authorities or lists of what is revoked: not all at once, for there may be many. */
  async recheckCertificates(concerns: (remote: DomainName) => boolean = () => true): Promise<void> {
    const { judgeCertificate = NONE_PROVES } = this.#options
    const concerned = [...this.#streams.values()].filter(({ pairs }) => pairs.some(({ remote }) => concerns(remote)))
    for (const [index, stream] of concerned.entries()) {
      endWhereDisproved(stream, judgeCertificate)
      if (index % 20 === 19) await setImmediate()
    }
  }

  /**
   * Takes nothing new, gives what it has its end, then ends every stream politely, and at last by force; resolves when no
   * socket is left.
   */
  async close(): Promise<void> {
    if (this.#isDraining) return
    this.#isDraining = true
    const listening = this.#listener.close()
    for (const { connection, pairs, direction } of [...this.#streams.values()]) {
      if (pairs.length > 0) connection.input({ kind: 'drain' })
      else if (direction === 'in') connection.input({ kind: 'close', error: STOPPING })
    }
    await this.#drained()
    this.#closed = true
    this.#events.close()
    this.#failures.close()
    this.#handshakes.close()
    this.#intake.close()
    this.#dialing.abort()
    for (const pair of this.#pairs.all) pair.close(SHUTTING_DOWN)
    for (const { connection } of [...this.#streams.values()]) connection.input({ kind: 'close' })
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

  /** All that we have taken has its end, and what we have written is acknowledged; or no more time is left. */
  async #drained(): Promise<void> {
    const untilMs = this.#options.clock.monotonicMs() + this.#limits.drainTimeoutMs
    const isBusy = (): boolean => this.#events.inHand > 0 || [...this.#pairs.all].some((pair) => !pair.isIdle)
    await waitWhile(this.#options, isBusy, untilMs, LOOK_AGAIN_MS)
  }

  /** Nothing is made of who has no place, but a few a second are told so: of those a stream begins, and ends at once. */
  #turnsAway(from: string, begin: 'starttls' | 'direct'): boolean {
    const whyNot = this.#admission.whyNot(from)
    if (whyNot === undefined || (begin === 'starttls' && this.#refusalsTold.take(''))) return false
    this.#events.refused('connection-limit', whyNot, from)
    return true
  }

  #accept(socket: Socket, begin: 'starttls' | 'direct'): void {
    const from = socket.remoteAddress ?? 'unknown'
    const place = this.#isDraining ? undefined : this.#admission.admit(from)
    if (place?.ok !== true) {
      this.#events.refused('connection-limit', place?.failure ?? 'shutting down', from)
      socket.on('error', () => {})
      if (begin === 'direct') socket.destroy()
      else socket.end(noRoomText(this.#options.ids), () => socket.destroy())
      return
    }
    const machineFor = receivingMachine(
      {
        ...this.#options,
        rules: this.#rules,
        admission: this.#admission,
        penaltyOf: (local, remote) =>
          this.#penalties.whyNot({ remoteAddress: from, claims: this.#rules.partnerOf(local, remote) }),
      },
      begin,
    )
    const stream = this.#open({ socket, machineFor, place: place.value }, {}, (mine, effect) =>
      this.#events.onInbound(mine, effect),
    )
    place.value.evict = () => {
      this.#events.refused('connection-limit', 'made way for another before it had authenticated', from)
      stream.isTold = true
      stream.connection.input({ kind: 'close', error: { condition: 'resource-constraint', text: undefined } })
      stream.connection.destroy()
    }
  }

  #open(
    { socket, machineFor, place }: Dialed,
    { local, remote }: { readonly local?: DomainName; readonly remote?: DomainName },
    onEffect: (stream: Stream, effect: StreamEffect) => void,
    carried?: OutboundPair,
  ): Stream {
    const { clock, timers, tls, policy, judgeCertificate = NONE_PROVES } = this.#options
    const id = this.#options.ids.token()
    const ledger = new StreamLedger({
      clock,
      timers,
      arrived: { kind: 'sent', streamId: id },
      maxEntries: this.#limits.unacknowledgedEntries,
      maxBytes: this.#limits.unacknowledgedBytes,
      acknowledgeWithinMs: this.#limits.acknowledgeWithinMs,
      acknowledge: () => connection.input({ kind: 'acknowledge' }),
      ask: () => connection.flushSoon(),
      onProgress: () => stream.carried?.onRoom(),
      isListening: () => connection.isReading,
      onSilence: () => connection.input({ kind: 'close', error: SILENT, because: NOT_COUNTING }),
    })
    const machine = machineFor((domain) => judgeCertificate(connection.presented, domain), ledger)
    const { writeBufferBytes, stallTimeoutMs, closeTimeoutMs } = this.#limits
    const direction = place.address === undefined ? 'out' : 'in'
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
      bytesBeforeProof: this.#limits.bytesBeforeProof,
      beforeHandshake: (handshake) => this.#handshakes.wait(waiterOf(stream, handshake)),
      onEffect: (effect) => onEffect(stream, effect),
      mostAtOnce: () => this.#intake.mostAtOnce(stream),
      onPiece: (bytes, tookMs) => this.#intake.onPiece(stream, bytes, tookMs),
      onRead: (bytes) => this.#intake.onRead(stream, bytes),
      beforeFlush: () => ledger.ours.request(),
      onDrain: () => stream.carried?.onRoom(),
      onClosed: () => this.#forget(stream),
    })
    const stream: Stream = {
      id,
      direction,
      purpose: place.purpose,
      connection,
      machine,
      ledger,
      place,
      local,
      remote,
      pairs: [],
      isBidi: false,
      mostBack: undefined,
      isShut: false,
      carried,
      carrier: undefined,
      stanzasInHand: 0,
      stanzasPaid: 0,
      matrixRow: undefined,
      unprovenBecause: undefined,
      isTold: false,
      expiry: undefined,
    }
    this.#streams.set(stream.id, stream)
    connection.start(direction === 'in' ? this.#penalties.hesitationMs(connection.remoteAddress) : 0)
    return stream
  }

  #forget(stream: Stream): void {
    this.#streams.delete(stream.id)
    stream.ledger.close()
    stream.expiry?.cancel()
    this.#pings.forget(stream)
    this.#admission.release(stream.place)
    if (this.#streams.size === 0) this.#whenEmpty?.()
  }

  async #dial(
    local: DomainName,
    remote: DomainName,
    purpose: StreamPurpose,
    forStranger = false,
  ): Promise<Result<Dialed, DialFailure>> {
    const { mayConnect = () => true } = this.#options
    const dialed = await dialStream(
      {
        ...this.#options,
        ...this.#limits,
        mayConnect,
        admission: this.#admission,
        judge: (ours, theirs) => this.#rules.judge(ours, theirs),
        times: () => this.#rules.times(),
      },
      { local, remote, purpose, forStranger, signal: this.#dialing.signal },
    )
    if (!dialed.ok || !this.#closed) return dialed
    dialed.value.socket.destroy()
    this.#admission.release(dialed.value.place)
    return fail(SHUTTING_DOWN)
  }
}

/** By the name that the header says; with direct TLS there is none yet, and an address stands for all that are behind it. */
const waiterOf = ({ place, connection: { remoteAddress } }: Stream, begin: () => void): Waiter => ({
  name: `${place.claims ?? ''} ${networkOf(remoteAddress)}`,
  isKnown: place.isKnown,
  price: place.claims === undefined ? 0.2 : 1,
  begin,
})

const NONE_PROVES: JudgeCertificate = () => ({ ok: false, reason: 'no authority is trusted here' })

const SILENT: StreamErrorInfo = { condition: 'connection-timeout', text: 'our request for your count was not answered' }

const NOT_COUNTING: StreamFailure = {
  kind: 'closed',
  reason: 'not-answering',
  detail: 'our request for its count of stanzas was not answered',
}

/** While we wait for the last stanzas to end. */
const LOOK_AGAIN_MS = 20
const SHUTTING_DOWN: StreamFailure = { kind: 'shutting-down', detail: 'the edge is shutting down' }
