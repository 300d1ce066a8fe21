import { pause } from '../src/heard.ts'
import type { LoadEnd, LoadListener } from './load-end.ts'
import { PEOPLE } from './load-end.ts'

/** How one phase went, counted at both ends. */
export interface Counted {
  readonly sent: number
  readonly arrived: number
  readonly accepted: number
  readonly failed: number
  readonly twice: number
  /** Overtook another of the same pair of people. */
  readonly outOfOrder: number
  /** Neither arrived nor failed as its sender knows. */
  readonly lost: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly whyFailed: string | undefined
}

export interface Path {
  readonly name: string
  readonly from: LoadEnd
  readonly to: LoadEnd
  /** What tells the sender that there is room for one more. */
  readonly freedBy: 'arrival' | 'answer'
}

const DRAIN_MS = 10_000
const MAX_MESSAGES = 1 << 21

/** One phase of load over a path; every message has a number, and each number one fate. */
class Phase implements LoadListener {
  readonly #path: Path
  readonly #dueMs = new Float64Array(MAX_MESSAGES)
  readonly #seen = new Uint8Array(MAX_MESSAGES)
  readonly #lastOf = new Int32Array(PEOPLE).fill(-1)
  readonly #latencies: number[] = []
  readonly #first: number
  #next: number
  #arrived = 0
  #accepted = 0
  #failed = 0
  #twice = 0
  #outOfOrder = 0
  #whyFailed: string | undefined
  #freed: () => void = () => undefined

  constructor(path: Path, first: number) {
    this.#path = path
    this.#first = first
    this.#next = first
    path.from.listener = this
    path.to.listener = this
  }

  get next(): number {
    return this.#next
  }

  arrived(seq: number): void {
    const index = seq - this.#first
    if (index < 0) return
    if (this.#seen[index] === 1) {
      this.#twice += 1
      return
    }
    this.#seen[index] = 1
    this.#arrived += 1
    this.#latencies.push(performance.now() - (this.#dueMs[index] ?? 0))
    const person = seq % PEOPLE
    if (seq < (this.#lastOf[person] ?? -1)) this.#outOfOrder += 1
    else this.#lastOf[person] = seq
    if (this.#path.freedBy === 'arrival') this.#freed()
  }

  accepted(seq: number): void {
    if (seq < this.#first) return
    this.#accepted += 1
    if (this.#path.freedBy === 'answer') this.#freed()
  }

  failed(seq: number, why: string): void {
    if (seq < this.#first) return
    this.#failed += 1
    this.#whyFailed ??= why
    this.#freed()
  }

  #send(dueMs: number): void {
    this.#dueMs[this.#next - this.#first] = dueMs
    this.#path.from.send(this.#next)
    this.#next += 1
  }

  /** Always `window` messages under way. */
  async closed(window: number, forMs: number): Promise<Counted> {
    const beganMs = performance.now()
    let room = window
    let scheduled = false
    const fill = (): void => {
      scheduled = false
      const nowMs = performance.now()
      if (nowMs - beganMs >= forMs) return
      for (; room > 0; room -= 1) this.#send(nowMs)
      this.#path.from.flush()
    }
    this.#freed = () => {
      room += 1
      if (scheduled) return
      scheduled = true
      setImmediate(fill)
    }
    fill()
    await pause(forMs)
    const inTime = this.#arrived
    const tookMs = performance.now() - beganMs
    await this.#drain()
    return this.#counted((inTime * 1000) / tookMs)
  }

  /** So many a second, whatever happens; latency counts from when a message was due. */
  async open(perSecond: number, forMs: number): Promise<Counted> {
    const beganMs = performance.now()
    const total = Math.floor((perSecond * forMs) / 1000)
    await new Promise<void>((resolve) => {
      const tick = (): void => {
        const nowMs = performance.now()
        const due = Math.min(total, Math.floor(((nowMs - beganMs) * perSecond) / 1000))
        for (let sent = this.#next - this.#first; sent < due; sent += 1) this.#send(beganMs + (sent * 1000) / perSecond)
        this.#path.from.flush()
        if (this.#next - this.#first >= total) resolve()
        else setTimeout(tick, 1)
      }
      tick()
    })
    const tookMs = performance.now() - beganMs
    await this.#drain()
    return this.#counted((this.#arrived * 1000) / tookMs)
  }

  async #drain(): Promise<void> {
    const endMs = performance.now() + DRAIN_MS
    const isOver = (): boolean => {
      const sent = this.#next - this.#first
      const answered = this.#path.freedBy === 'arrival' || this.#accepted + this.#failed >= sent
      return this.#arrived + this.#failed >= sent && answered
    }
    while (!isOver() && performance.now() < endMs) await pause(20)
  }

  #counted(perSecond: number): Counted {
    const sent = this.#next - this.#first
    const sorted = Float64Array.from(this.#latencies).toSorted()
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
    const withoutAnswer = this.#path.freedBy === 'answer' ? sent - this.#accepted - this.#failed : 0
    return {
      sent,
      arrived: this.#arrived,
      accepted: this.#accepted,
      failed: this.#failed,
      twice: this.#twice,
      outOfOrder: this.#outOfOrder,
      lost: Math.max(0, sent - this.#arrived - this.#failed, withoutAnswer),
      perSecond,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      whyFailed: this.#whyFailed,
    }
  }
}

/** Numbers go on from phase to phase, so that a late one is nobody's. */
let nextSeq = 0

/** So many that follow each other; gives the first. */
export function takeNumbers(count: number): number {
  const first = nextSeq
  nextSeq += count
  return first
}

/** Smaller numbers mean something else. */
export function beginAt(seq: number): void {
  nextSeq = Math.max(nextSeq, seq)
}

export async function closedLoop(path: Path, window: number, forMs: number): Promise<Counted> {
  const phase = new Phase(path, nextSeq)
  const counted = await phase.closed(window, forMs)
  nextSeq = phase.next
  return counted
}

export async function openLoop(path: Path, perSecond: number, forMs: number): Promise<Counted> {
  const phase = new Phase(path, nextSeq)
  const counted = await phase.open(perSecond, forMs)
  nextSeq = phase.next
  return counted
}
