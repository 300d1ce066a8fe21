import type { Outcome } from '@stox/kernel'
import type * as wire from './gen/stox/link/v1/link_pb.ts'
import { Liveness } from './liveness.ts'
import type { LivenessLimits } from './liveness.ts'
import { ReceivingFlow, SendingFlow } from './stanza-flow.ts'
import type { Window } from './stanza-flow.ts'

/** Why a link ended. `transport` is for the connection under it; the others go over the wire in the goodbye. */
export type EndReason = 'version' | 'protocol' | 'shutdown' | 'replaced' | 'silence' | 'peer' | 'transport'

export interface LinkEnd {
  readonly reason: EndReason
  readonly detail: string
}

export interface SessionLimits extends LivenessLimits {
  /** What the other side may have in flight towards this one. */
  readonly window: Window
}

/** What both ends learn from a batch. */
export type CommonEvent<Token> =
  | { readonly kind: 'outcome'; readonly token: Token; readonly outcome: Outcome }
  /** An echo came: how long the way there and back is. */
  | { readonly kind: 'round-trip'; readonly ms: number }
  /** Credit came: what waits may have room now. */
  | { readonly kind: 'room' }
  | { readonly kind: 'ended'; readonly end: LinkEnd }

/** The fields that a batch of either direction has. */
interface CommonBatch {
  readonly credit?: wire.Credit | undefined
  readonly outcomes: readonly wire.Outcome[]
  readonly heartbeat?: wire.Heartbeat | undefined
  readonly goodbye?: wire.Goodbye | undefined
}

const BATCH_STANZAS = 1024
const BATCH_BYTES = 1_048_576
const MAX_DETAIL = 512

/**
 * What the two ends of a link have in common: greeting, stanzas and their outcomes, credit, heartbeats, the end.
 * A machine without hands: it is told what arrived and what time it is; what it wants to say is fetched as one batch.
 */
export class LinkSession<Token, Stanza> {
  readonly sending = new SendingFlow<Token>()
  readonly receiving: ReceivingFlow
  readonly #liveness: Liveness
  #state: 'greeting' | 'attached' | 'ended' = 'greeting'
  #end: LinkEnd | undefined
  #goodbye: wire.Goodbye | undefined
  #stanzas: { readonly stanza: Stanza; readonly bytes: number }[] = []

  constructor(limits: SessionLimits, nowMs: number) {
    this.receiving = new ReceivingFlow(limits.window)
    this.#liveness = new Liveness(limits, nowMs)
  }

  get state(): 'greeting' | 'attached' | 'ended' {
    return this.#state
  }

  get ended(): LinkEnd | undefined {
    return this.#end
  }

  get roundTripMs(): number | undefined {
    return this.#liveness.roundTripMs
  }

  /** The other side's hello was good. */
  attach(theirWindow: Window): void {
    this.#state = 'attached'
    this.sending.start(theirWindow)
  }

  hasRoom(bytes: number): boolean {
    return this.#state === 'attached' && this.sending.hasRoom(bytes)
  }

  /** Ask `hasRoom` first. */
  send(token: Token, bytes: number, frame: (seq: number) => Stanza): void {
    this.#stanzas.push({ stanza: frame(this.sending.send(token, bytes)), bytes })
  }

  settle(seq: number, outcome: Outcome): boolean {
    return this.#state === 'attached' && this.receiving.settle(seq, outcome)
  }

  /** Ends it from this side; a goodbye is said unless there is nobody to hear it. The first end counts. */
  end(reason: EndReason, detail: string): readonly CommonEvent<Token>[] {
    if (this.#state === 'ended') return []
    const end: LinkEnd = { reason, detail: detail.slice(0, MAX_DETAIL) }
    this.#state = 'ended'
    this.#end = end
    this.#stanzas = []
    if (reason !== 'transport' && reason !== 'peer') this.#goodbye = { $typeName: 'stox.link.v1.Goodbye', ...end }
    return [{ kind: 'ended', end }]
  }

  tick(nowMs: number): readonly CommonEvent<Token>[] {
    if (this.#state === 'ended' || this.#liveness.tick(nowMs)) return []
    return this.end('silence', 'nothing was heard from the other side')
  }

  /** The fields that both directions share, in their order; the stanzas come after these. */
  receive(batch: CommonBatch, nowMs: number): CommonEvent<Token>[] {
    this.#liveness.heard(batch.heartbeat, nowMs)
    const events: CommonEvent<Token>[] = []
    if (batch.heartbeat?.echoMs !== undefined) events.push({ kind: 'round-trip', ms: this.roundTripMs ?? 0 })
    if (batch.credit !== undefined) {
      const problem = this.sending.grant(batch.credit)
      if (problem !== undefined) return [...events, ...this.end('protocol', problem)]
      events.push({ kind: 'room' })
    }
    for (const frame of batch.outcomes) {
      const ended = this.sending.end(frame)
      if (ended === undefined) {
        return [...events, ...this.end('protocol', `an outcome for stanza ${frame.seq}, which is not open`)]
      }
      events.push({ kind: 'outcome', token: ended.token, outcome: ended.outcome })
    }
    return events
  }

  /** The last field of a batch. */
  receiveGoodbye(batch: CommonBatch): readonly CommonEvent<Token>[] {
    if (batch.goodbye === undefined) return []
    return this.end('peer', `${batch.goodbye.reason}: ${batch.goodbye.detail}`)
  }

  get hasCommon(): boolean {
    if (this.#state === 'ended') return this.#goodbye !== undefined
    return this.#stanzas.length > 0 || this.receiving.hasOutcomes || this.#liveness.hasHeartbeat
  }

  /** Everything that waits to be said, as far as one batch should carry; nothing once the goodbye is out. */
  takeCommon(nowMs: number): CommonBatch & { outcomes: wire.Outcome[]; stanzas: Stanza[] } {
    const goodbye = this.#goodbye
    this.#goodbye = undefined
    const outcomes = this.receiving.takeOutcomes()
    const credit = this.receiving.takeCredit()
    const heartbeat = this.#liveness.takeHeartbeat(nowMs)
    return {
      outcomes,
      stanzas: this.#takeStanzas(),
      ...(credit === undefined ? {} : { credit }),
      ...(heartbeat === undefined ? {} : { heartbeat }),
      ...(goodbye === undefined ? {} : { goodbye }),
    }
  }

  #takeStanzas(): Stanza[] {
    const taken: Stanza[] = []
    let bytes = 0
    for (const entry of this.#stanzas) {
      if (taken.length === BATCH_STANZAS || (taken.length > 0 && bytes + entry.bytes > BATCH_BYTES)) break
      taken.push(entry.stanza)
      bytes += entry.bytes
    }
    this.#stanzas = taken.length === this.#stanzas.length ? [] : this.#stanzas.slice(taken.length)
    return taken
  }
}

/** Node names are labels in logs, metrics and ids. */
export const isNodeName = (text: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(text)
