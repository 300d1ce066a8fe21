import type * as wire from './gen/stox/link/v1/link_pb.ts'

export interface LivenessLimits {
  readonly heartbeatMs: number
  readonly deadAfterMs: number
}

/** Whether the other side is still there: it sends a heartbeat every `heartbeatMs`, and echoes ours. */
export class Liveness {
  readonly #limits: LivenessLimits
  #lastHeardMs: number
  #lastBeatMs: number
  #beatDue = false
  #echo: number | undefined
  #roundTripMs: number | undefined

  constructor(limits: LivenessLimits, nowMs: number) {
    this.#limits = limits
    this.#lastHeardMs = nowMs
    this.#lastBeatMs = nowMs
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  heard(heartbeat: wire.Heartbeat | undefined, nowMs: number): void {
    this.#lastHeardMs = nowMs
    if (heartbeat?.atMs !== undefined) this.#echo = heartbeat.atMs
    if (heartbeat?.echoMs !== undefined) this.#roundTripMs = Math.max(0, nowMs - heartbeat.echoMs)
  }

  /** False: nothing was heard for too long. */
  tick(nowMs: number): boolean {
    if (nowMs - this.#lastBeatMs >= this.#limits.heartbeatMs) this.#beatDue = true
    return nowMs - this.#lastHeardMs < this.#limits.deadAfterMs
  }

  get hasHeartbeat(): boolean {
    return this.#beatDue || this.#echo !== undefined
  }

  takeHeartbeat(nowMs: number): wire.Heartbeat | undefined {
    if (!this.hasHeartbeat) return undefined
    const heartbeat: wire.Heartbeat = {
      $typeName: 'stox.link.v1.Heartbeat',
      ...(this.#beatDue ? { atMs: nowMs } : {}),
      ...(this.#echo === undefined ? {} : { echoMs: this.#echo }),
    }
    if (this.#beatDue) this.#lastBeatMs = nowMs
    this.#beatDue = false
    this.#echo = undefined
    return heartbeat
  }
}
