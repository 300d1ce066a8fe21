import { utf8Length, type Outcome } from '@stox/kernel'
import { isProvenBy, type InboundEnvelope, type OutboundEnvelope, type ProvenBy } from './envelope.ts'
import type * as wire from './gen/stox/link/v1/link_pb.ts'
import { LinkSession, isNodeName } from './link-session.ts'
import type { CommonEvent, EndReason, LinkEnd, SessionLimits } from './link-session.ts'
import { changeBetween, changeToWire, replicaToWire } from './replica.ts'
import type { Replica } from './replica.ts'
import type { StreamNotice } from './session-row.ts'
import { creditOf } from './stanza-flow.ts'
import { LINK_VERSIONS } from './version.ts'

export type GatewayEvent<Token> =
  | CommonEvent<Token>
  | { readonly kind: 'attached'; readonly edge: string }
  | { readonly kind: 'replica-acknowledged'; readonly revision: number; readonly problem: string | undefined }
  | { readonly kind: 'stream'; readonly up: boolean; readonly notice: StreamNotice }
  /** To be answered with `settle`, once. */
  | { readonly kind: 'inbound'; readonly seq: number; readonly envelope: InboundEnvelope }

export interface GatewaySessionOptions {
  readonly node: string
  readonly limits: SessionLimits
  readonly replica: Replica
  readonly versions?: readonly number[]
}

/** The gateway's end of one link. `Token` is whatever its owner wants to know an outbound stanza by. */
export class GatewaySession<Token> {
  readonly #options: GatewaySessionOptions
  readonly #session: LinkSession<Token, wire.OutboundStanza>
  #edge: string | undefined
  #hello: wire.GatewayHello | undefined
  /** The last replica that was said, whole or as a change. */
  #told: Replica
  #toldWhole = true
  #replica: wire.Replica | undefined
  #delta: wire.ReplicaDelta | undefined

  constructor(options: GatewaySessionOptions, nowMs: number) {
    this.#options = options
    this.#session = new LinkSession(options.limits, nowMs)
    this.#told = options.replica
    this.#hello = {
      $typeName: 'stox.link.v1.GatewayHello',
      versions: [...(options.versions ?? LINK_VERSIONS)],
      node: options.node,
      window: creditOf(options.limits.window),
      replica: replicaToWire(options.replica),
    }
  }

  get edge(): string | undefined {
    return this.#edge
  }
  get ended(): LinkEnd | undefined {
    return this.#session.ended
  }
  get roundTripMs(): number | undefined {
    return this.#session.roundTripMs
  }
  get openSent(): number {
    return this.#session.sending.open
  }
  get openTaken(): number {
    return this.#session.receiving.open
  }
  get creditStanzas(): number {
    return this.#session.sending.creditStanzas
  }

  fits(bytes: number): boolean {
    return this.#session.sending.fits(bytes)
  }

  hasRoom(bytes: number): boolean {
    return this.#session.hasRoom(bytes)
  }

  /** Ask `hasRoom` first. `expiresInMs`: what is left of the envelope's time. */
  offer(token: Token, envelope: OutboundEnvelope, bytes: number, expiresInMs: number): void {
    this.#session.send(token, bytes, (seq) => outboundToWire(seq, envelope, expiresInMs))
  }

  /** False when the stanza has its outcome already, or the link is over. */
  settle(seq: number, outcome: Outcome): boolean {
    return this.#session.settle(seq, outcome)
  }

  /** Tells the edge what changed since it was last told; a change that is not out yet grows. */
  publish(replica: Replica): void {
    if (this.#session.state === 'ended' || replica === this.#told) return
    if (this.#session.state === 'greeting' || this.#replica !== undefined || this.#delta !== undefined) {
      return this.#tellWhole(replica)
    }
    this.#delta = changeToWire(changeBetween(this.#told, replica))
    this.#told = replica
    this.#toldWhole = false
  }

  #tellWhole(replica: Replica): void {
    this.#told = replica
    this.#toldWhole = true
    this.#delta = undefined
    this.#replica = replicaToWire(replica)
  }

  end(reason: EndReason, detail: string): readonly GatewayEvent<Token>[] {
    return this.#session.end(reason, detail)
  }

  /** The stanzas without an outcome, oldest first: nobody knows whether they went out. */
  abandon(): readonly Token[] {
    return this.#session.sending.abandon()
  }

  tick(nowMs: number): readonly GatewayEvent<Token>[] {
    return this.#session.tick(nowMs)
  }

  receive(batch: wire.EdgeBatch, nowMs: number): readonly GatewayEvent<Token>[] {
    if (this.#session.state === 'ended') return []
    const events: GatewayEvent<Token>[] = []
    if (this.#session.state === 'greeting') {
      // A refusal may come in place of a hello.
      if (batch.hello === undefined && batch.goodbye !== undefined) return this.#session.receiveGoodbye(batch)
      const problem = this.#greet(batch.hello)
      if (problem !== undefined) return this.#session.end(problem.reason, problem.detail)
      events.push({ kind: 'attached', edge: this.#edge ?? '' })
      for (const stream of batch.hello?.streams ?? []) events.push(streamFromWire(stream))
    } else if (batch.hello !== undefined) {
      return this.#session.end('protocol', 'a second hello')
    }
    if (batch.replicaAck !== undefined) events.push(this.#acknowledged(batch.replicaAck))
    for (const stream of batch.streams) events.push(streamFromWire(stream))
    events.push(...this.#session.receive(batch, nowMs))
    for (const frame of batch.stanzas) {
      if (this.ended !== undefined) return events
      const { provenBy } = frame
      if (!isProvenBy(provenBy)) {
        return [
          ...events,
          ...this.#session.end('protocol', `stanza ${frame.seq} is proven by ${provenBy.slice(0, 64)}`),
        ]
      }
      const problem = this.#session.receiving.take(frame.seq, utf8Length(frame.xml))
      if (problem !== undefined) return [...events, ...this.#session.end('protocol', problem)]
      events.push({ kind: 'inbound', seq: frame.seq, envelope: inboundFromWire(frame, this.#edge ?? '', provenBy) })
    }
    events.push(...this.#session.receiveGoodbye(batch))
    return events
  }

  #greet(hello: wire.EdgeHello | undefined): LinkEnd | undefined {
    if (hello === undefined) return { reason: 'protocol', detail: 'the first batch has no hello' }
    const spoken = this.#options.versions ?? LINK_VERSIONS
    if (!spoken.includes(hello.version)) {
      return {
        reason: 'version',
        detail: `the edge chose version ${hello.version}, this gateway speaks ${spoken.join(', ')}`,
      }
    }
    if (!isNodeName(hello.node)) return { reason: 'protocol', detail: 'the hello names no node' }
    if (hello.window === undefined) return { reason: 'protocol', detail: 'the hello names no window' }
    this.#edge = hello.node
    this.#session.attach(hello.window)
    return undefined
  }

  /** An edge that could not use a change gets the whole; one that refuses the whole keeps what it has, and we say so. */
  #acknowledged(ack: wire.ReplicaAck): GatewayEvent<Token> {
    const problem = ack.problem === '' ? undefined : ack.problem
    if (problem !== undefined && !this.#toldWhole) this.#tellWhole(this.#told)
    return { kind: 'replica-acknowledged', revision: ack.revision, problem }
  }

  /** What the gateway has to say, as one batch. Until the edge's hello is here, that is the hello. */
  takeBatch(nowMs: number): wire.GatewayBatch | undefined {
    const hello = this.#hello
    if (hello === undefined && this.#session.state === 'greeting') return undefined
    const replica = this.#replica
    const delta = this.#delta
    if (hello === undefined && replica === undefined && delta === undefined && !this.#session.hasCommon)
      return undefined
    this.#hello = undefined
    if (hello !== undefined && this.#session.state === 'greeting') {
      return { $typeName: 'stox.link.v1.GatewayBatch', hello, outcomes: [], stanzas: [] }
    }
    this.#replica = undefined
    this.#delta = undefined
    return {
      $typeName: 'stox.link.v1.GatewayBatch',
      ...(replica === undefined ? {} : { replica }),
      ...(delta === undefined ? {} : { delta }),
      ...this.#session.takeCommon(nowMs),
    }
  }
}

function inboundFromWire(frame: wire.InboundStanza, edge: string, provenBy: ProvenBy): InboundEnvelope {
  return {
    correlationId: frame.correlationId,
    edge,
    streamId: frame.streamId,
    localDomain: frame.localDomain,
    remoteDomain: frame.remoteDomain,
    provenBy,
    from: frame.from,
    to: frame.to,
    stanzaXml: frame.xml,
    receivedAtMs: frame.receivedAtMs,
  }
}

function outboundToWire(seq: number, envelope: OutboundEnvelope, expiresInMs: number): wire.OutboundStanza {
  return {
    $typeName: 'stox.link.v1.OutboundStanza',
    seq,
    correlationId: envelope.correlationId,
    localDomain: envelope.localDomain,
    remoteDomain: envelope.remoteDomain,
    from: envelope.from,
    to: envelope.to,
    xml: envelope.stanzaXml,
    expiresInMs: Math.min(Math.max(1, Math.round(expiresInMs)), 0xffff_ffff),
  }
}

function streamFromWire(event: wire.StreamEvent): GatewayEvent<never> {
  return {
    kind: 'stream',
    up: event.up,
    notice: {
      streamId: event.streamId,
      direction: event.direction === 'inbound' ? 'inbound' : 'outbound',
      localDomain: event.localDomain,
      remoteDomain: event.remoteDomain,
    },
  }
}
