import { fail, ok, utf8Length, type Outcome, type Result } from '@stox/kernel'
import type { InboundEnvelope, OutboundEnvelope } from './envelope.ts'
import type * as wire from './gen/stox/link/v1/link_pb.ts'
import { LinkSession, isNodeName } from './link-session.ts'
import type { CommonEvent, EndReason, LinkEnd, SessionLimits } from './link-session.ts'
import { changeFromWire, replicaFromWire } from './replica.ts'
import type { Replica, ReplicaChange } from './replica.ts'
import type { StreamNotice } from './session-row.ts'
import { creditOf } from './stanza-flow.ts'
import { LINK_VERSIONS, chooseVersion } from './version.ts'

export type EdgeEvent<Token> =
  | CommonEvent<Token>
  | { readonly kind: 'attached'; readonly gateway: string }
  /** To be answered with `acknowledge`. */
  | { readonly kind: 'replica'; readonly replica: Result<Replica, string> }
  | { readonly kind: 'change'; readonly change: Result<ReplicaChange, string> }
  /** To be answered with `settle`, once. */
  | { readonly kind: 'outbound'; readonly seq: number; readonly envelope: OutboundEnvelope }

export interface EdgeSessionOptions {
  readonly node: string
  readonly limits: SessionLimits
  /** The streams that are up when a gateway attaches. */
  readonly streams: () => readonly StreamNotice[]
  readonly versions?: readonly number[]
}

/** The edge's end of one link. `Token` is whatever its owner wants to know an inbound stanza by. */
export class EdgeSession<Token> {
  readonly #options: EdgeSessionOptions
  readonly #session: LinkSession<Token, wire.InboundStanza>
  #gateway: string | undefined
  #hello: wire.EdgeHello | undefined
  #ack: wire.ReplicaAck | undefined
  #streams: wire.StreamEvent[] = []

  constructor(options: EdgeSessionOptions, nowMs: number) {
    this.#options = options
    this.#session = new LinkSession(options.limits, nowMs)
  }

  get gateway(): string | undefined {
    return this.#gateway
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

  /** Ask `hasRoom` first. */
  offer(token: Token, envelope: InboundEnvelope, bytes: number): void {
    this.#session.send(token, bytes, (seq) => inboundToWire(seq, envelope))
  }

  /** False when the stanza has its outcome already, or the link is over. */
  settle(seq: number, outcome: Outcome): boolean {
    return this.#session.settle(seq, outcome)
  }

  acknowledge(revision: number, problem?: string): void {
    this.#ack = { $typeName: 'stox.link.v1.ReplicaAck', revision, problem: problem ?? '' }
  }

  streamChanged(notice: StreamNotice, up: boolean): void {
    if (this.#session.state === 'attached') this.#streams.push(streamToWire(notice, up))
  }

  end(reason: EndReason, detail: string): readonly EdgeEvent<Token>[] {
    return this.#session.end(reason, detail)
  }

  /** The stanzas without an outcome, oldest first: theirs is to be found elsewhere. */
  abandon(): readonly Token[] {
    return this.#session.sending.abandon()
  }

  tick(nowMs: number): readonly EdgeEvent<Token>[] {
    return this.#session.tick(nowMs)
  }

  receive(batch: wire.GatewayBatch, nowMs: number): readonly EdgeEvent<Token>[] {
    if (this.#session.state === 'ended') return []
    const events: EdgeEvent<Token>[] = []
    if (this.#session.state === 'greeting') {
      const greeted = this.#greet(batch.hello)
      if (!greeted.ok) return this.#session.end(greeted.failure.reason, greeted.failure.detail)
      events.push({ kind: 'attached', gateway: greeted.value })
      if (batch.hello?.replica !== undefined) {
        events.push({ kind: 'replica', replica: replicaFromWire(batch.hello.replica) })
      }
    } else if (batch.hello !== undefined) {
      return this.#session.end('protocol', 'a second hello')
    }
    if (batch.replica !== undefined) events.push({ kind: 'replica', replica: replicaFromWire(batch.replica) })
    if (batch.delta !== undefined) events.push({ kind: 'change', change: changeFromWire(batch.delta) })
    events.push(...this.#session.receive(batch, nowMs))
    for (const frame of batch.stanzas) {
      if (this.ended !== undefined) return events
      const problem = this.#session.receiving.take(frame.seq, utf8Length(frame.xml))
      if (problem !== undefined) return [...events, ...this.#session.end('protocol', problem)]
      events.push({ kind: 'outbound', seq: frame.seq, envelope: outboundFromWire(frame) })
    }
    events.push(...this.#session.receiveGoodbye(batch))
    return events
  }

  #greet(hello: wire.GatewayHello | undefined): Result<string, LinkEnd> {
    if (hello === undefined) return fail({ reason: 'protocol', detail: 'the first batch has no hello' })
    const spoken = this.#options.versions ?? LINK_VERSIONS
    const version = chooseVersion(hello.versions, spoken)
    if (version === undefined) {
      const detail = `this edge speaks version ${spoken.join(', ')} of the link, the gateway ${hello.versions.join(', ') || 'none'}`
      return fail({ reason: 'version', detail })
    }
    if (!isNodeName(hello.node)) return fail({ reason: 'protocol', detail: 'the hello names no node' })
    if (hello.window === undefined) return fail({ reason: 'protocol', detail: 'the hello names no window' })
    this.#gateway = hello.node
    this.#session.attach(hello.window)
    this.#hello = {
      $typeName: 'stox.link.v1.EdgeHello',
      version,
      node: this.#options.node,
      window: creditOf(this.#options.limits.window),
      streams: this.#options.streams().map((notice) => streamToWire(notice, true)),
    }
    return ok(hello.node)
  }

  /** What the edge has to say, as one batch. */
  takeBatch(nowMs: number): wire.EdgeBatch | undefined {
    const hello = this.#hello
    const replicaAck = this.#ack
    if (hello === undefined && replicaAck === undefined && this.#streams.length === 0 && !this.#session.hasCommon) {
      return undefined
    }
    const streams = this.#streams
    this.#hello = undefined
    this.#ack = undefined
    this.#streams = []
    return {
      $typeName: 'stox.link.v1.EdgeBatch',
      streams,
      ...(hello === undefined ? {} : { hello }),
      ...(replicaAck === undefined ? {} : { replicaAck }),
      ...this.#session.takeCommon(nowMs),
    }
  }
}

function inboundToWire(seq: number, envelope: InboundEnvelope): wire.InboundStanza {
  return {
    $typeName: 'stox.link.v1.InboundStanza',
    seq,
    correlationId: envelope.correlationId,
    streamId: envelope.streamId,
    localDomain: envelope.localDomain,
    remoteDomain: envelope.remoteDomain,
    provenBy: envelope.provenBy,
    from: envelope.from,
    to: envelope.to,
    xml: envelope.stanzaXml,
    receivedAtMs: envelope.receivedAtMs,
  }
}

function outboundFromWire(frame: wire.OutboundStanza): OutboundEnvelope {
  return {
    correlationId: frame.correlationId,
    localDomain: frame.localDomain,
    remoteDomain: frame.remoteDomain,
    from: frame.from,
    to: frame.to,
    stanzaXml: frame.xml,
    expiresInMs: frame.expiresInMs,
  }
}

const streamToWire = (notice: StreamNotice, up: boolean): wire.StreamEvent => ({
  $typeName: 'stox.link.v1.StreamEvent',
  streamId: notice.streamId,
  direction: notice.direction,
  localDomain: notice.localDomain,
  remoteDomain: notice.remoteDomain,
  up,
})
